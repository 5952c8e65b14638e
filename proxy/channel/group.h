/* proxy/channel/group.h: the channels of one link, and what they tell it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mailbox.h"
#include "base/message.h"
#include "mux/control.h"
#include "proxy/channel/tunnel_base.h"
#include "proxy/worker/turn.h"

struct channel;
struct connection;
struct quota;

/* Bytes that wait for SCTP: some ten times what it takes at once, and twice what one channel may
 * have there. With more than that, thousands of connections would each put eight records there: a
 * channel at home says that it wants its turn, and makes a record when it comes; others keep to one
 * record on its way. */
#define CHANNEL_QUEUE_FULL (256 * 1024)
/* With more than that no channel of another worker adds a record. */
#define CHANNEL_QUEUE_HELD (4 * CHANNEL_QUEUE_FULL)

enum channel_event {
    CHANNEL_USABLE,   /* client: handshaken, and BIND is on its way */
    CHANNEL_READY,    /* handshaken and bound by both; resumed says how */
    CHANNEL_FAILED,   /* its session is gone: why, detail */
    CHANNEL_LEASED,   /* by the peer */
    CHANNEL_IDLE,     /* the lease is over */
    CHANNEL_RETURNED, /* connection comes back: the peer was first; NULL: it has ended meanwhile */
};

/* An event on its way to the home worker. */
struct channel_report {
    struct mail mail;
    struct channel *channel;
    enum channel_event event;
    uint8_t epoch; /* of the session that it is about */
    enum err why;
    bool resumed;
    struct connection *connection; /* Owns: the sink's */
    char detail[];
};

/* The link, as its channels know it. All of it is called on the home worker. */
struct channel_sink {
    /* Ciphertext for SCTP, counted in queued. Owns: consumed. */
    void (*put)(struct channel *channel, struct message *message);
    /* A channel at home has a record, and makes it when its turn comes (channel_produce). */
    void (*want)(struct channel *channel);
    /* It is to be woken when less than CHANNEL_QUEUE_HELD waits; held says that it is asked for. */
    void (*hold)(struct channel *channel);
    /* A channel at home has taken a step of its handshake. */
    void (*step)(struct channel *channel);
    void (*report)(const struct channel_report *report);
};

/* All that other threads read of a link. Its home worker writes the first part before it makes a
 * channel, the second before it hands over the message that needs it (the mail carries it along);
 * the third is atomic, the fourth each worker's own. */
struct channel_group {
    const struct channel_sink *sink;
    struct tunnel_base *tunnel;

    struct quota *quota;       /* server: of the peer's identity */
    struct mux_budget *budget; /* of the quota, or of the process */
    uint8_t association_id[MUX_ASSOCIATION_ID_SIZE];
    uint64_t log_id;                       /* its first half; 0: there is none yet */
    uint32_t window_promised, peer_window; /* of our HELLO, of the peer's */

    atomic_size_t queued; /* bytes that wait for SCTP or are in the mail to it, of all streams */
    atomic_uint record_limit; /* plaintext of one record: less on a slow line */

    struct turn_share *shares; /* one for each worker */
};
