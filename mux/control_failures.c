/* The CHILD_FAILED frames that wait to be sent. */
#include "mux/control_failures.h"

#include <stdlib.h>

#include "base/check.h"

void control_failures_init(struct control_failures *failures, uint16_t streams_max)
{
    *failures = (struct control_failures){.streams_max = streams_max};
}

void control_failures_fini(struct control_failures *failures)
{
    free(failures->of);
    *failures = (struct control_failures){0};
}

void control_failures_push(struct control_failures *failures, uint16_t stream, uint8_t epoch,
                           uint16_t code)
{
    must(stream >= 1 && stream <= failures->streams_max);
    if (!failures->of)
        failures->of = check_alloc((failures->streams_max + 1U) * sizeof *failures->of);
    struct control_failure *failure = &failures->of[stream];
    failure->epoch = epoch;
    failure->code = code;
    if (failure->is_pending)
        return;
    failure->is_pending = true;
    failure->next = 0;
    if (failures->last)
        failures->of[failures->last].next = stream;
    else
        failures->first = stream;
    failures->last = stream;
}

uint16_t control_failures_pop(struct control_failures *failures, uint8_t *epoch, uint16_t *code)
{
    uint16_t stream = failures->first;
    if (!stream)
        return 0;
    struct control_failure *failure = &failures->of[stream];
    *epoch = failure->epoch;
    *code = failure->code;
    failure->is_pending = false;
    failures->first = failure->next;
    if (!failures->first)
        failures->last = 0;
    return stream;
}
