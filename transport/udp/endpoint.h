/* transport/udp/endpoint.h: one endpoint of the udp transport: its sockets, its clock, what all of
 * its associations share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log_limit.h"
#include "base/newcomers.h"
#include "sctp/listener.h"
#include "transport/transport.h"
#include "transport/udp/answers.h"
#include "transport/udp/datagram.h"
#include "transport/udp/path_table.h"

struct udp_association;
struct udp_path;

struct udp_local {
    struct datagram_socket socket;
    struct udp *transport;
    uint16_t number;
};

struct udp_counters {
    uint64_t bad_packets;  /* not plausible, or with a wrong checksum */
    uint64_t ootb_packets; /* of no association */
    uint64_t ootb_answers; /* that told their senders so */
    uint64_t bad_probes;
    uint64_t unverified_evicted; /* associations of which nobody was verified, dropped for others */
    uint64_t unverified_dropped; /* more than a peer may send before it is verified */
    uint64_t not_answered;       /* questions beyond what is answered (transport/udp/answers.h) */
    struct datagram_counters datagrams;
};

struct udp_tables {
    struct path_table paths;     /* by address and by tag */
    struct path_table addresses; /* by the peer's UDP address alone, which several may have */
    struct udp_path *latest;     /* of the last packet: likely the next, too */
};

struct udp_limits {
    struct answers answers;    /* to addresses of which nothing is known: all of them; also */
    struct answers_limit ootb; /* answers to packets of no association */
    struct answers_limit unconfirmed; /* answers to probes from addresses not confirmed */
    unsigned idle_probes_per_second;  /* of all associations: transport/udp/path_io.h */
    struct log_limit lines;           /* that peers cause whom nobody has verified */
};

/* One turn of the loop. */
struct udp_turn {
    uint64_t now_us; /* of the latest packet or timer: udp_now */
    STAILQ_HEAD(udp_touched, udp_association) touched;
    bool in_bulk; /* packets have come that were not delivered yet */
    bool delivering;
};

struct udp {
    struct transport base;
    struct transport_options options;
    struct transport_acceptor *acceptor;
    bool refuses; /* transport_refuse */
    struct udp_local locals[TRANSPORT_ADDRESSES_MAX];
    uint16_t local_count;
    struct sctp_listener *listener; /* NULL: there is no acceptor */
    struct udp_tables tables;
    struct udp_limits limits;
    struct udp_turn turn;
    size_t accepted; /* that peers began */
    struct newcomers unverified;
    struct udp_counters counters;
};

/* The clock, read anew; and as it was then, or at the beginning of the loop's turn. Neither goes
 * back. */
uint64_t udp_clock(struct udp *transport);
uint64_t udp_now(struct udp *transport);

/* Sends what was collected at all sockets. */
void udp_flush(struct udp *transport);

/* The association will be looked at by the next udp_association_deliver. */
void udp_touch(struct udp_association *self);

void udp_count(struct transport *transport, struct udp_counters *counters);

/* Cuts the line or mends it: everything in and out is lost, as when a host vanishes. For tests. */
void udp_cut(struct transport *transport, bool cut);
/* The same at one of the sockets, in each direction. For tests. */
void udp_cut_local(struct transport *transport, size_t index, bool in, bool out);
/* Larger packets (UDP payload) are lost on their way out at that socket, without a word; 0: none
 * are. For tests. */
void udp_cut_above(struct transport *transport, size_t index, size_t size);
