/* tests/conformance/etsi_host.h: an endpoint of the engine as scripts see it: a few sockets, and
 * packets with the time at which they left. */
#pragma once

#include "sctp/listener.h"

#define HOST_OWN_PORT  9899
#define HOST_PEER_PORT 7777

/* A packet of the engine. */
struct host_packet {
    struct host_packet *next;
    uint64_t at_us;
    size_t length;
    uint8_t bytes[];
};

/* Scripts have two sockets at most: 3, which listens or connects, and 4, which is accepted. */
struct host {
    uint64_t now_us;
    struct sctp_options options;
    struct sctp_listener *listener; /* made when it is first needed */
    struct sctp_association *association;
    uint32_t random;
    bool listens, connects; /* socket 3 */
    unsigned waiting;       /* came up, not accepted */
    bool is_up, is_closing; /* the peer sends no more */
    bool is_down;
    enum err reason;            /* of it, until it was asked for */
    struct message_queue heard; /* not read */
    struct host_packet *first, **last;
    uint8_t cookie[1024]; /* of the latest INIT ACK that was sent */
    size_t cookie_length;
    uint32_t came_tag; /* of the latest packet */
};

void host_open(struct host *host);
void host_close(struct host *host);

void host_listen(struct host *host);
void host_connect(struct host *host);
/* The clock goes on; what is due happens. */
void host_advance(struct host *host, uint64_t to_us);
/* A packet comes, from another address perhaps. bytes may be changed. */
void host_input(struct host *host, uint8_t *bytes, size_t length, bool elsewhere);
/* True: it was taken. */
bool host_write(struct host *host, size_t length);
void host_shutdown(struct host *host);
/* The oldest packet; NULL: none. Owns: caller, free. */
struct host_packet *host_take(struct host *host);
/* When something is due; SCTP_NEVER: nothing. */
uint64_t host_deadline(const struct host *host);
