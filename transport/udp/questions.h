/* transport/udp/questions.h: the questions of a path that can still be answered: the latest
 * sixteen. Pure. */
#pragma once

#include <stdint.h>

#include "transport/udp/probe.h"

/* One every eighth of a round trip at most: two round trips. */
#define UDP_QUESTIONS_OPEN 16

/* All zero: none. Owns: whoever has it, udp_questions_fini. */
struct udp_questions {
    struct udp_question {
        uint8_t nonce[PROBE_NONCE];
        uint64_t sent_us; /* 0: answered, or none */
    } * open;             /* NULL: none was ever asked */
    unsigned next;
};

void udp_questions_fini(struct udp_questions *self);

void udp_questions_add(struct udp_questions *self, const uint8_t nonce[PROBE_NONCE],
                       uint64_t now_us);
/* When the one with this nonce was asked; 0: there is none. */
uint64_t udp_questions_find(const struct udp_questions *self, const uint8_t nonce[PROBE_NONCE]);
/* Those that were asked until then count no more. Returns when the oldest of the rest was asked; 0:
 * there is none. */
uint64_t udp_questions_close(struct udp_questions *self, uint64_t until_us);
