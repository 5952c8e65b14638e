/* mux/control_private.h: shared by control.c and control_receive.c. */
#pragma once

#include "mux/control.h"
#include "mux/control_failures.h"
#include "mux/frame.h"

/* Undrained PINGs, and answers to the peer's (rules C4, C8). */
#define CONTROL_PINGS_MAX 16

struct control_tokens {
    uint64_t at[CONTROL_PINGS_MAX];
    size_t count;
};

/* HELLO as it goes out; freed when it has. */
struct control_payload {
    uint16_t length;
    uint8_t bytes[];
};

struct mux_control {
    struct mux_control_events *events;
    struct control_payload *hello;
    struct control_failures failures;
    struct control_tokens pings, pongs;
    uint64_t pings_open; /* queued or sent, and without an answer */
    enum mux_side side;
    uint16_t streams_max;      /* of our HELLO */
    uint16_t peer_streams_max; /* of the peer's HELLO; 0: it has not come */
    uint16_t want, goaway_code, auth_ready, auth_settled;
    uint16_t renew_stream; /* 0: none */
    uint8_t renew_epoch;
    bool auth_ready_pending, auth_settled_pending;
    bool want_pending, goaway_pending, goaway_sent, goaway_received;
};

/* False: full, dropped. */
bool mux_control_push_token(struct control_tokens *tokens, uint64_t token);
