/* tests/peers/usrsctp.h: another SCTP at the other end of a line: usrsctp (Debian's package) behind
 * a UDP socket (RFC 6951), one association at a time. It is process-wide state with threads of its
 * own, so nothing but tests uses it. The thread of the loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/loop.h"

struct socket;

struct usrsctp_peer {
    /* Set by the test. */
    unsigned lose_in, lose_out; /* one of so many packets is lost; 0: none */
    bool cut;                   /* all are */
    uint64_t delay_us;          /* of what it sends */
    void (*on_message)(struct usrsctp_peer *self, uint16_t stream, uint32_t ppid,
                       const uint8_t *bytes, size_t length);

    /* To be looked at. */
    struct address local;
    bool up, down, restarted; /* down: COMM_LOST, or an orderly end */
    bool closed;              /* in order */
    uint16_t streams;
    uint64_t messages, bytes;
    char text[256]; /* of the ABORT */

    /* private */
    struct loop *loop;
    struct loop_fd fd;
    struct loop_timer tick, line;
    uint64_t ticked_us, random;
    struct address to;
    struct socket *listener, *socket;
    uint16_t port;
    struct usrsctp_late *late, **last_late;
};

/* At 127.0.0.1. Owns: caller, usrsctp_peer_close; self is all zero but for what the test sets. */
void usrsctp_peer_open(struct usrsctp_peer *self, struct loop *loop);
/* Aborts what is up; usrsctp ends with the last one. */
void usrsctp_peer_close(struct usrsctp_peer *self);
/* Forgets the association without a word, as a program that was killed; the address stays. */
void usrsctp_peer_forget(struct usrsctp_peer *self);

/* Begins an association with the listening port of who is there, with so many streams. */
void usrsctp_peer_connect(struct usrsctp_peer *self, const struct address *to, uint16_t streams,
                          bool auth);
/* Takes the next association that comes. */
void usrsctp_peer_listen(struct usrsctp_peer *self, uint16_t streams, bool auth);

/* False: no room now. */
bool usrsctp_peer_send(struct usrsctp_peer *self, uint16_t stream, uint32_t ppid, bool unordered,
                       const void *bytes, size_t length);
void usrsctp_peer_shutdown(struct usrsctp_peer *self);
void usrsctp_peer_abort(struct usrsctp_peer *self, const char *text);

/* Keys of RFC 4895: adds one; sends with it. */
void usrsctp_peer_add_key(struct usrsctp_peer *self, uint16_t number, const uint8_t *key,
                          size_t length);
void usrsctp_peer_use_key(struct usrsctp_peer *self, uint16_t number);
