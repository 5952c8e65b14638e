/* transport/udp/rest.h: how often a server with many associations is asked about those over which
 * nothing goes (docs/decisions/041-idle-associations.md, docs/PROTOCOL.md P14). */
#pragma once

#include <stdint.h>

struct udp_association;

/* A question of an idle association and its answer take 10 to 15 µs, so this is a hundredth of a
 * core. */
#define UDP_REST_QUESTIONS 1000

/* A path that rests is still asked so often within dead_after. A question that is lost is repeated
 * within 100 ms, so this bears an outage of two thirds of dead_after. */
#define UDP_REST_IN_DEAD_AFTER 3

/* It is up: whether its peer understands. */
void udp_rest_up(struct udp_association *self);
/* The rest that an answer to the peer asks for, in PROBE_REST_US; this end rests as long. */
uint8_t udp_rest_ask(struct udp_association *self);
/* An answer asks for this one. */
void udp_rest_take(struct udp_association *self, uint8_t rest);
