/* transport/udp/init.h: the handshake of an association that we begin: INIT goes to one address of
 * the peer's after the other, round and round, until one answers. Only that one is heard from then
 * on. */
#pragma once

#include "transport/udp/path_io.h"

/* An INIT of ours: 20 bytes and a few parameters. */
#define UDP_INIT_MAX 256

struct udp_init {
    uint8_t packet[UDP_INIT_MAX];
    size_t length;
    uint64_t begun_us;
    unsigned sent;    /* so many times, in all */
    unsigned refused; /* bit set: there was a no to the latest one */
};

/* Its engine and its paths are there: the first INIT leaves. */
void udp_init_begin(struct udp_association *self);
/* The time for the next address has come. */
void udp_init_next(struct udp_association *self);

/* The engine says that INIT ACK has come: the user is told. */
void udp_init_answered(struct udp_association *self);

/* Why nobody has answered: ERR_TRANSPORT_UNREACHABLE with what the system said when the last INITs
 * were to be sent; or ERR_TRANSPORT_TIMEOUT with the question that finds it most often. */
enum err udp_init_why(const struct udp_association *self, char *why, size_t size);

/* Nobody listens at this address. True: nor at any other. */
bool udp_init_refused(struct udp_path *path);

/* A packet before the association is up: whether the engine is to see it. */
enum udp_take udp_init_take(struct udp_path *path, const struct packet_view *packet);
