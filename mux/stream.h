/* mux/stream.h: one stream of an association: the lease, the frames, the credit of both
 * directions, from BIND to BIND. Pure code: records in, records out; no sockets, no clock,
 * no threads, no TLS. docs/PROTOCOL.md has the rules by number.
 *
 * Life:   UNBOUND -BIND both ways-> IDLE -OPEN-> OPENING / OPENED -ACCEPT-> OPEN -both ends-> IDLE
 *         (a client may go from UNBOUND to OPENING)
 * … Thread: the stream's owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "mux/credit.h"

struct mux_stream;

/* Largest record that mux_stream_drain makes and mux_stream_receive takes: one TLS record. */
#define MUX_RECORD_MAX          16384
#define MUX_ASSOCIATION_ID_SIZE 16
#define MUX_SERVICE_NAME_MAX    63
#define MUX_TEXT_MAX            255

/* The end of the association; it decides who wins when both open one stream. */
enum mux_side { MUX_CLIENT, MUX_SERVER };

/* The content of OPEN. Pointers are valid during the call only. */
struct mux_open {
    uint64_t connection; /* unguessable id, not 0 */
    const char *service; /* 1..MUX_SERVICE_NAME_MAX bytes of [A-Za-z0-9._-], NUL-terminated */
    const char *client;  /* text of the TCP client's address, at most MUX_TEXT_MAX bytes */
};

/* Callbacks as an object embedded in the owner's struct. None may call mux_stream_receive,
 * mux_stream_drain or mux_stream_free of the same stream; all other functions are allowed inside.
 * on_idle comes from mux_stream_receive or mux_stream_drain only, last. */
struct mux_stream_events {
    /* The peer's BIND is right: it is this stream's peer. Idle now, if a client has not leased it
     * before. */
    void (*on_bound)(struct mux_stream_events *self);
    /* The peer leased the stream: answer with mux_stream_accept or _refuse, now or later. Data may
     * follow before the answer. */
    void (*on_open)(struct mux_stream_events *self, const struct mux_open *open);
    /* The peer connected the target. */
    void (*on_accept)(struct mux_stream_events *self);
    /* It did not; the lease is over (on_idle follows). text is anything: escape it for logs. */
    void (*on_refuse)(struct mux_stream_events *self, enum err why, const char *text);
    /* MUX_SERVER only: both opened and the client's OPEN wins. This side's lease never was (also
     * if it has been reset meanwhile: no on_idle comes for it); on_open follows at once. No data
     * was sent for it (a server waits for ACCEPT first). */
    void (*on_lost_race)(struct mux_stream_events *self);
    /* Bytes of the peer's client or target, in order. Tell mux_stream_consumed when they are gone.
     */
    void (*on_data)(struct mux_stream_events *self, const uint8_t *data, size_t length);
    /* The peer's direction ended well: everything was delivered. */
    void (*on_fin)(struct mux_stream_events *self);
    /* The peer gave up both directions, behind all that on_data (and on_fin) has told: its reader
     * gets that before the reset. Nothing follows but on_idle. */
    void (*on_reset)(struct mux_stream_events *self, enum err why);
    /* Fill at most room bytes to send; returns how many. Fewer than room with *end false: empty
     * for now, it is not called again until mux_stream_readable (so a source that may have more
     * after a short read loops inside). *end true: these are the last (FIN follows). Called by
     * mux_stream_drain, once a record, while there is credit (room > 0) and, at a server that
     * opened, after ACCEPT. May call mux_stream_reset: RESET follows what it filled, and FIN
     * where it says *end as well. */
    size_t (*on_fill)(struct mux_stream_events *self, uint8_t *to, size_t room, bool *end);
    /* Both directions have ended and both sides know: the stream may be leased again. Bytes of
     * on_data that are not gone yet are the owner's alone: no mux_stream_consumed for them. */
    void (*on_idle)(struct mux_stream_events *self);
};

struct mux_stream_options {
    enum mux_side side;
    uint16_t stream;                              /* SCTP stream id, for BIND */
    uint8_t association[MUX_ASSOCIATION_ID_SIZE]; /* for BIND */
    struct credit_windows windows;                /* promised: as in our HELLO */
    uint32_t peer_window;                         /* window_initial of the peer's HELLO */
    struct mux_budget *budget;                    /* of all windows; NULL: no cap */
};

/* Owns: caller, mux_stream_free. BIND is pending at once: drain it. */
struct mux_stream *mux_stream_new(const struct mux_stream_options *options,
                                  struct mux_stream_events *events);
/* From any state; no callback. NULL is fine. */
void mux_stream_free(struct mux_stream *stream);

/* One record's plaintext (whole frames). ERR_OK, or what the peer did wrong: then the child
 * session has to end; only mux_stream_free may follow. */
enum err mux_stream_receive(struct mux_stream *stream, const uint8_t *record, size_t length);

/* The cost of the records since the last call beyond their bytes, in bytes of bulk that take as
 * long: MUX_COST_RECORD for each and MUX_COST_FRAME for each frame, so nothing where they are full,
 * and MUX_COST_OPEN for a lease. */
#define MUX_COST_RECORD 1024
#define MUX_COST_FRAME  64
#define MUX_COST_OPEN   32768
uint32_t mux_stream_take_cost(struct mux_stream *stream);

/* Writes the next record's plaintext (pending frames, then DATA from on_fill, then FIN), at most
 * capacity (at least 512) and MUX_RECORD_MAX bytes; returns its length, 0: nothing to send. */
size_t mux_stream_drain(struct mux_stream *stream, uint8_t *record, size_t capacity);
/* True: mux_stream_drain may have something. */
bool mux_stream_wants_drain(const struct mux_stream *stream);

/* Leases an idle stream; a client also one whose peer's BIND has not come yet (rule B3). ERR_OK,
 * ERR_AGAIN (not idle), ERR_FRAME_VALUE (bad name). */
enum err mux_stream_open(struct mux_stream *stream, const struct mux_open *open);
/* Answers on_open. No-ops when the lease was reset meanwhile, by either side, or is answered.
 * text is cut at MUX_TEXT_MAX bytes; NULL: none. */
void mux_stream_accept(struct mux_stream *stream);
void mux_stream_refuse(struct mux_stream *stream, enum err why, const char *text);
/* Ends both directions, from any state of a lease; RESET follows what on_fill has given, and a FIN
 * that waits; what comes in is dropped. Nothing but on_idle follows, when the peer's end has come.
 * Before the answer to on_open it is a refusal. A no-op when no lease is there or it is reset
 * already. */
void mux_stream_reset(struct mux_stream *stream, enum err why);
/* on_fill may have bytes (or the end) again. A lease begins without: call it when the source is
 * first known or hoped to have some (right after mux_stream_open: one record for both). */
void mux_stream_readable(struct mux_stream *stream);
/* length bytes of on_data are gone (written to TCP, or dropped): credit for as many. A no-op when
 * no lease is there. */
void mux_stream_consumed(struct mux_stream *stream, size_t length);

bool mux_stream_is_bound(const struct mux_stream *stream);
bool mux_stream_is_idle(const struct mux_stream *stream);
/* Bytes of on_data / on_fill in this lease, or in the last one while idle. */
uint64_t mux_stream_received(const struct mux_stream *stream);
uint64_t mux_stream_sent(const struct mux_stream *stream);
