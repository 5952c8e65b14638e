/* transport/udp/arrival.h: packets of people of whom nothing is known: INIT, COOKIE ECHO, and what
 * belongs to no association. */
#pragma once

#include "transport/udp/udp.h"

/* A packet, and where it came from. */
struct udp_arrival {
    struct udp_local *local;
    const struct address *from, *own;
    struct path_key key;
    struct packet_view packet;
};

/* An INIT. path: of the association that has this address, NULL if none has. */
void udp_arrival_init(const struct udp_arrival *a, struct udp_path *path);
/* A packet that begins with COOKIE ECHO. path as before. */
void udp_arrival_cookie(const struct udp_arrival *a, struct udp_path *path);
/* A packet out of the blue gets its answer (sctp_listener_ootb), if there may be one. */
void udp_arrival_ootb(const struct udp_arrival *a);
