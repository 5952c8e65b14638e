/* mux/control.h: the control channel: frames of stream 0 between the two ends of one association.
 * Pure code: records in, records out. docs/PROTOCOL.md has the rules by number.
 * Thread: the association's home. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "mux/stream.h"

struct mux_control;

#define MUX_PROTOCOL_VERSION 1
/* As many names of 63 bytes as one record takes. */
#define MUX_SERVICES_MAX 255
/* Smallest window_initial (rule C3). */
#define MUX_WINDOW_MIN 1024

/* The first frame of each side. */
struct mux_hello {
    uint16_t version;
    uint16_t streams_max;    /* streams this side is ready to use, ids 1..streams_max */
    uint32_t window_initial; /* bytes that the peer may send on a new lease before any CREDIT */
    size_t service_count;    /* services that this side connects to for the peer */
    const char *services[MUX_SERVICES_MAX];
};

/* Embedded in the owner's struct. */
struct mux_control_events {
    /* The peer's HELLO, once, first. Pointers are valid during the call. */
    void (*on_hello)(struct mux_control_events *self, const struct mux_hello *hello);
    /* MUX_CLIENT only: `count` of the server's connections wait for an idle stream now: make as
     * many more children ready, unless as many are on the way. Not additive. */
    void (*on_want)(struct mux_control_events *self, uint16_t count);
    /* The peer gave up the child session epoch of stream. */
    void (*on_child_failed)(struct mux_control_events *self, uint16_t stream, uint8_t epoch,
                            enum err why);
    /* MUX_SERVER only: the client will make a full master handshake on stream, epoch. */
    void (*on_renew)(struct mux_control_events *self, uint16_t stream, uint8_t epoch);
    /* The answer to mux_control_ping with its token. */
    void (*on_pong)(struct mux_control_events *self, uint64_t token);
    /* The peer opens no more and wants none; it leaves when open connections have ended. */
    void (*on_goaway)(struct mux_control_events *self, enum err why);
    /* Keys of SCTP's authentication (rule K2): the peer takes packets with this one; it sends with
     * no older one any more. */
    void (*on_auth_ready)(struct mux_control_events *self, uint16_t key);
    void (*on_auth_settled)(struct mux_control_events *self, uint16_t key);
};

/* HELLO is pending at once: the client's; a server drains nothing before the client's has come.
 * hello is copied; its names are valid and window_initial is MUX_WINDOW_MIN at least (a must).
 * Owns: caller, mux_control_free. */
struct mux_control *mux_control_new(enum mux_side side, const struct mux_hello *hello,
                                    struct mux_control_events *events);
void mux_control_free(struct mux_control *control);
/* A server, inside on_hello: changes its HELLO, which has not gone yet; streams_max is not more
 * than before. */
void mux_control_promise(struct mux_control *control, uint16_t streams_max,
                         uint32_t window_initial);

/* One record's plaintext (whole frames). ERR_OK, ERR_CONTROL_PROTOCOL, ERR_VERSION_MISMATCH. */
enum err mux_control_receive(struct mux_control *control, const uint8_t *record, size_t length);
/* Next record's plaintext; 0: nothing pending. capacity at least MUX_RECORD_MAX. */
size_t mux_control_drain(struct mux_control *control, uint8_t *record, size_t capacity);

/* Queue one frame each. Bounded: of want, renew, auth_ready and auth_settled the last call counts,
 * of child_failed the last for each stream; pings beyond 16 undrained ones, and a second goaway,
 * are dropped. */
void mux_control_want(struct mux_control *control, uint16_t count);
void mux_control_child_failed(struct mux_control *control, uint16_t stream, uint8_t epoch,
                              enum err why);
void mux_control_renew(struct mux_control *control, uint16_t stream, uint8_t epoch);
void mux_control_ping(struct mux_control *control, uint64_t token);
void mux_control_goaway(struct mux_control *control, enum err why);
void mux_control_auth_ready(struct mux_control *control, uint16_t key);
void mux_control_auth_settled(struct mux_control *control, uint16_t key);
/* True: the peer's HELLO has come. */
bool mux_control_is_ready(const struct mux_control *control);
