/* transport/udp/path.h: the paths of an association as records: the addresses and the tags by which
 * packets find it. transport/udp/paths.h decides which of them is used. */
#pragma once

#include "base/loop.h"
#include "transport/udp/datagram.h"
#include "transport/udp/fragments.h"
#include "transport/udp/mtu.h"
#include "transport/udp/packet.h"
#include "transport/udp/path_table.h"
#include "transport/udp/paths.h"

struct udp;
struct udp_association;
struct udp_local;

/* The record of a path, by the same number as in the association's choice. */
struct udp_path {
    struct path node, address; /* in the tables of paths and of addresses */
    struct udp_association *owner;
    struct udp_local *local;
    struct datagram_route route;
    struct udp_mtu mtu;
    unsigned number;
    uint32_t told_mtu; /* the size that the engine makes packets of for it; 0: as it began */
    bool was_healthy;  /* when that was last looked at */
    bool carries;      /* it is in use, or what was sent there may arrive yet */
};

/* SCTP ports and verification tags. */
struct udp_tags {
    uint16_t own_port, peer_port;
    uint32_t own, peer; /* 0: not known yet */
    struct path node;   /* in the table of paths, by our tag */
    bool is_listed;     /* it is there */
};

struct udp_path_set {
    struct udp_path *list[TRANSPORT_ADDRESSES_MAX]; /* NULL: there is none of that number */
    struct udp_paths choice;
    unsigned used;               /* path in use when it was last looked at */
    struct loop_timer timer;     /* probes; before that: INITs */
    struct loop_timer mtu_timer; /* sized probes */
    uint8_t narrowed;            /* bit set: packets were too large for that path */
    bool doubted;                /* see udp_path_io_doubt */
    bool takes_idle;             /* the peer knows the idle interval of a reply (udp/probe.h) */
    uint32_t fragments_sent;     /* packets that went in fragments */
    struct udp_reassembly reassembly;
};

/* Of the table of addresses. */
struct path_key udp_path_key(const struct udp_local *local, const struct address *wire);
/* Adds a path; its address must not be known yet. NULL when there is no room now. */
struct udp_path *udp_path_add(struct udp_association *self, struct udp_local *local,
                              const struct address *wire, const struct address *own,
                              const struct path_key *key, bool confirmed);
/* Not the one in use. */
void udp_path_remove(struct udp_path *path);
/* The choice made room or forgot: the records follow. */
void udp_path_clear_absent(struct udp_association *self);
/* Forgets all paths and the tag, ends their timers. */
void udp_path_clear_all(struct udp_association *self);

/* Learns the association's tags from the engine, once it knows both: packets from new addresses and
 * cookies that come again are known by them. */
void udp_path_learn_tags(struct udp_association *self);
/* The association with that tag, between those ports; NULL: there is none. */
struct udp_association *udp_path_by_tag(struct udp *transport, uint32_t tag,
                                        const struct path_key *key);
/* True: a packet carries the right tag. */
bool udp_path_has_tag(const struct udp_association *self, const struct packet_view *packet);

/* Makes the packet of a probe, of that size. */
void udp_path_write_probe(const struct udp_path *path, uint8_t *packet, size_t size,
                          uint8_t nonce[PROBE_NONCE]);
