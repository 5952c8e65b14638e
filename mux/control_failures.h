/* mux/control_failures.h: the CHILD_FAILED frames that wait to be sent: at most one for each stream
 * (a newer one replaces it: its session is gone anyway), in the order of the first. So a flood of
 * failures costs 6 bytes a stream and no more (rule C8). Thread: the owner's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct control_failure {
    uint16_t next; /* stream; 0: none */
    uint16_t code;
    uint8_t epoch;
    bool is_pending;
};

struct control_failures {
    struct control_failure *of; /* by stream; NULL until the first failure */
    uint16_t first, last, streams_max;
};

void control_failures_init(struct control_failures *failures, uint16_t streams_max);
void control_failures_fini(struct control_failures *failures);
/* stream is 1..streams_max (a must). */
void control_failures_push(struct control_failures *failures, uint16_t stream, uint8_t epoch,
                           uint16_t code);
/* The oldest; its stream is returned. 0: none. */
uint16_t control_failures_pop(struct control_failures *failures, uint8_t *epoch, uint16_t *code);
