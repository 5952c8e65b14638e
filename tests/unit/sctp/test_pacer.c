/* The pacer: its rate over time, its trains, and what it makes good. */
#include "sctp/pacer.h"

#include <stdbool.h>
#include <stdlib.h>

#include "tests/lib/tap.h"

#define SIZE    1452u
#define QUANTUM 5808u /* four packets */

/* Sends as much as is allowed; returns bytes. */
static uint64_t drain(struct sctp_pacer *pacer, uint64_t now_us, uint64_t pace, uint32_t quantum)
{
    uint64_t bytes = 0;
    while (sctp_pacer_allows(pacer, now_us, pace, quantum) >= SIZE && bytes < (1u << 24)) {
        sctp_pacer_sent(pacer, now_us, pace, quantum, SIZE);
        bytes += SIZE;
    }
    return bytes;
}

static void rate_is_kept(uint64_t pace, uint32_t quantum)
{
    struct sctp_pacer pacer = {0};
    uint64_t start_us = UINT64_C(1) << 33, now_us = start_us, bytes = 0;
    unsigned trains = 0, short_trains = 0;
    drain(&pacer, now_us, pace, quantum);
    while (now_us < start_us + 1000000) {
        now_us = pacer.next_us;
        uint64_t train = drain(&pacer, now_us, pace, quantum);
        bytes += train;
        trains++;
        short_trains += train + SIZE <= quantum;
    }
    uint64_t due = pace * (pacer.next_us - start_us) / 1000000;
    uint64_t off = bytes > due ? bytes - due : due - bytes;
    ok(off <= 3 * quantum + pace / 100000, "%llu bytes a second: %llu went, %llu were due",
       (unsigned long long)pace, (unsigned long long)bytes, (unsigned long long)due);
    ok(short_trains == 0, "in %u trains, all whole", trains);
}

static void lateness(void)
{
    struct sctp_pacer pacer = {0};
    uint64_t pace = 1000000, now_us = 1000000; /* a quantum takes 5808 us */
    drain(&pacer, now_us, pace, QUANTUM);
    uint64_t due_us = pacer.next_us;
    uint64_t bytes = drain(&pacer, due_us + 3000, pace, QUANTUM);
    ok(pacer.next_us == due_us + bytes && bytes < 3000 + QUANTUM + SIZE,
       "who is late by less than a quantum loses nothing");
    now_us = pacer.next_us + 1000000;
    bytes = drain(&pacer, now_us, pace, QUANTUM);
    ok(bytes == 2 * QUANTUM, "who is late by a second gets one quantum more: %llu",
       (unsigned long long)bytes);
    ok(sctp_pacer_allows(&pacer, pacer.next_us - 1, pace, QUANTUM) == 0 &&
           sctp_pacer_allows(&pacer, pacer.next_us, pace, QUANTUM) == QUANTUM,
       "and then waits as ever");
}

static void cut_train(void)
{
    struct sctp_pacer pacer = {0};
    uint64_t pace = 1000000, now_us = 1000000;
    drain(&pacer, now_us, pace, QUANTUM);
    now_us = pacer.next_us;
    sctp_pacer_sent(&pacer, now_us, pace, QUANTUM, SIZE);
    uint64_t next_us = pacer.next_us;
    ok(next_us == now_us + SIZE, "one packet takes its own time only");
    ok(sctp_pacer_allows(&pacer, now_us + 10, pace, QUANTUM) == QUANTUM - SIZE,
       "the rest of a train may follow");
    ok(sctp_pacer_allows(&pacer, next_us, pace, QUANTUM) == QUANTUM, "and later a whole one");
}

static void forced(void)
{
    struct sctp_pacer pacer = {0};
    uint64_t pace = 1000000, now_us = 1000000;
    drain(&pacer, now_us, pace, QUANTUM);
    uint64_t next_us = pacer.next_us;
    sctp_pacer_sent(&pacer, now_us, pace, QUANTUM, SIZE);
    ok(pacer.next_us == next_us + SIZE && !sctp_pacer_allows(&pacer, now_us, pace, QUANTUM),
       "a packet that went unasked (a probe) is paid for");
}

static void without(void)
{
    struct sctp_pacer pacer = {.next_us = 5000000, .left = 7};
    ok(sctp_pacer_allows(&pacer, 1000000, 0, QUANTUM) == UINT32_MAX, "no pace: no limit");
    sctp_pacer_sent(&pacer, 1000000, 0, QUANTUM, SIZE);
    ok(pacer.next_us == 0, "and nothing is remembered");
    pacer = (struct sctp_pacer){.next_us = 5000000, .left = 7};
    sctp_pacer_reset(&pacer);
    ok(pacer.next_us == 0 && pacer.left == 0, "reset");
}

static void bounds(void)
{
    struct sctp_pacer pacer = {0};
    uint64_t now_us = UINT64_C(1) << 40;
    sctp_pacer_sent(&pacer, now_us, 1, QUANTUM, UINT32_MAX);
    ok(pacer.next_us == now_us + 1000000, "a packet at a byte a second holds up for a second only");
    ok(sctp_pacer_allows(&pacer, 5000000, 1, QUANTUM) == 0 && pacer.next_us == 6000000,
       "also after the clock has stepped back");
    pacer = (struct sctp_pacer){0};
    uint64_t bytes = drain(&pacer, now_us, UINT64_C(1) << 37, 65536);
    ok(bytes >= 65536 && bytes < (1u << 24), "137 GB/s have an end, too");
    sctp_pacer_sent(&pacer, 0, UINT64_MAX, UINT32_MAX, UINT32_MAX);
    ok(true, "any numbers");
}

int main(void)
{
    static const uint64_t paces[] = {3000, 100000, 6000000, 125000000, 3000000000};
    for (unsigned i = 0; i < sizeof paces / sizeof paces[0]; i++) {
        rate_is_kept(paces[i], QUANTUM);
        rate_is_kept(paces[i], 2 * SIZE);
    }
    rate_is_kept(125000000, 45 * SIZE);
    lateness();
    cut_train();
    forced();
    without();
    bounds();
    return tap_done();
}
