/* tests/sim/end.h: one endpoint of a world: what the program around the engine does: which packet
 * is for whom, events pulled, outputs taken; and what must hold after each step. */
#pragma once

#include "tests/sim/world.h"

void sim_end_begin(struct sim_end *end);
void sim_end_fini(struct sim_end *end);
void sim_end_connect(struct sim_end *end);
/* The association is freed without a word. */
void sim_end_forget(struct sim_end *end);

/* A packet over that line; sim_end_read after the last of those that were there. */
void sim_end_receive(struct sim_end *end, unsigned line, uint8_t *packet, size_t length);
void sim_end_read(struct sim_end *end);
void sim_end_timeout(struct sim_end *end);
/* Pulls events, lets the user send, takes outputs, and looks; after anything was given. */
void sim_end_pump(struct sim_end *end);

/* Number that the end gives to a line: sides count the other way round. */
unsigned sim_end_net(const struct sim_end *end, unsigned line);

/* Prints what happens to it (options.says; tests/sim/say.c). */
void sim_say_packet(const struct sim_end *end, const char *how, unsigned line,
                    const uint8_t *packet, size_t length);
void sim_say(const struct sim_end *end, const char *what);

/* The packet goes by that line (tests/sim/world.c). */
void sim_world_transmit(struct sim_end *from, unsigned line, const uint8_t *packet, size_t length);
