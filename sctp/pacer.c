/* A leaky bucket that paces packets. */
#include "sctp/pacer.h"

#include "base/number.h"

/* A packet holds up the next one no longer, however slow the pace was when it was sent. */
#define LONGEST_US UINT64_C(1000000)

static uint64_t time_ns(uint32_t bytes, uint64_t pace)
{
    return (uint64_t)bytes * 1000000000 / pace;
}

uint32_t sctp_pacer_allows(struct sctp_pacer *pacer, uint64_t now_us, uint64_t pace,
                           uint32_t quantum)
{
    if (!pace)
        return UINT32_MAX;
    pacer->next_us = number_least(pacer->next_us, now_us + LONGEST_US);
    return now_us >= pacer->next_us ? quantum : pacer->left;
}

/* A train begins: at the time that it was due, if that is no longer ago than a quantum takes. */
static void begin(struct sctp_pacer *pacer, uint64_t now_us, uint64_t pace, uint32_t quantum)
{
    uint64_t due_us = time_ns(quantum, pace) / 1000;
    pacer->left = quantum;
    if (now_us - pacer->next_us <= due_us)
        return;
    pacer->next_us = number_minus(now_us, due_us);
    pacer->spare_ns = 0;
}

void sctp_pacer_sent(struct sctp_pacer *pacer, uint64_t now_us, uint64_t pace, uint32_t quantum,
                     uint32_t size)
{
    if (!pace) {
        sctp_pacer_reset(pacer);
        return;
    }
    if (now_us >= pacer->next_us)
        begin(pacer, now_us, pace, quantum);
    pacer->left = (uint32_t)number_minus(pacer->left, size);
    uint64_t ns = time_ns(size, pace) + pacer->spare_ns;
    pacer->next_us += ns / 1000;
    pacer->spare_ns = ns % 1000;
    pacer->next_us = number_least(pacer->next_us, now_us + LONGEST_US);
}

void sctp_pacer_reset(struct sctp_pacer *pacer)
{
    *pacer = (struct sctp_pacer){0};
}
