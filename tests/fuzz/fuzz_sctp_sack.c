/* The sender, and a peer that says anything: a program of messages, time, SACKs, SHUTDOWNs, paths
 * that change or fail. After each step no chunk is forgotten, bytes outstanding and in flight add
 * up, the list of what is acknowledged is as a naive model has it, memory is within bounds, and no
 * timer stands still. In the end a peer that is honest gets all of it. */
#include <stdio.h>

#include "tests/unit/sctp/sender_bed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX  300
#define MODEL      8192
#define BLOCKS_MAX 64
#define MEMORY_MAX (1 << 20)

struct model {
    uint8_t acked[MODEL];
    uint32_t una;
};

struct run {
    struct bed *bed;
    struct wire_reader reader;
    struct model model;
    bool hawser;
};

static uint32_t next_of(const struct run *run)
{
    return run->bed->a->flight.next_tsn - BED_FIRST;
}

static void model_sack(struct run *run, uint32_t cumulative, const uint32_t *pairs)
{
    struct model *model = &run->model;
    uint32_t last = cumulative;
    if (cumulative < model->una || cumulative > next_of(run))
        return;
    for (; model->una < cumulative; model->una++)
        model->acked[model->una] = 1;
    for (; pairs && pairs[1]; pairs += 2) {
        if (pairs[0] < last || pairs[1] < pairs[0] || pairs[1] >= next_of(run))
            return;
        for (uint32_t i = pairs[0]; i <= pairs[1]; i++)
            model->acked[i] = 1;
        last = pairs[1] + 1;
    }
}

static void check(const struct run *run)
{
    const struct sctp_association *a = run->bed->a;
    const struct sctp_flight *flight = &a->flight;
    const char *wrong = bed_check(run->bed);
    if (wrong)
        fprintf(stderr, "%s\n", wrong);
    must(!wrong);
    must(sctp_flight_memory(flight) +
             (a->recovery.rtx[0].size + a->recovery.rtx[1].size) * sizeof(uint32_t) +
             2 * a->acknowledge.capacity * sizeof *a->acknowledge.intervals <
         MEMORY_MAX);
    if (!run->hawser) /* others may take back */
        return;
    must(flight->una == BED_FIRST + run->model.una);
    for (uint32_t i = run->model.una; i < next_of(run); i++)
        must(!(sctp_flight_chunk(flight, BED_FIRST + i)->flags & SCTP_SENT_ACKED) ==
             !run->model.acked[i]);
}

/* ---- steps ---- */

static void step_queue(struct run *run)
{
    uint16_t stream = wire_get_u8(&run->reader), length = wire_get_u16(&run->reader);
    if (next_of(run) < MODEL / 2)
        bed_queue(run->bed, stream, 1 + length % 6000);
}

static void step_sack(struct run *run)
{
    static uint32_t pairs[2 * BLOCKS_MAX + 2], twice[16];
    uint8_t back = wire_get_u8(&run->reader), blocks = wire_get_u8(&run->reader) % BLOCKS_MAX;
    uint8_t twice_count = wire_get_u8(&run->reader) % 16;
    uint32_t window = wire_get_u8(&run->reader) * 3000u, una = run->bed->a->flight.una - BED_FIRST;
    uint32_t cumulative = una + back % 32 > 8 ? una + back % 32 - 8 : 0, at = cumulative + 1;
    for (uint32_t i = 0; i < blocks; i++) {
        uint8_t gap = wire_get_u8(&run->reader), length = wire_get_u8(&run->reader);
        pairs[2 * i] = gap == 255 ? cumulative + 1 : at + gap % 16;
        pairs[2 * i + 1] = pairs[2 * i] + (length == 255 ? 60000 : length % 16);
        at = pairs[2 * i + 1] + 1;
    }
    pairs[2 * blocks] = pairs[2 * blocks + 1] = 0;
    for (uint32_t i = 0; i < twice_count; i++)
        twice[i] = una + wire_get_u8(&run->reader) - 128u;
    enum err e = bed_sack_with(run->bed, cumulative, pairs, twice, twice_count, window);
    must((e == ERR_OK) == (cumulative <= next_of(run)));
    model_sack(run, cumulative, pairs);
    if (back & 32)
        sctp_acknowledge_end(run->bed->a, run->bed->now_us);
}

static void step_shutdown(struct run *run)
{
    uint32_t una = run->bed->a->flight.una - BED_FIRST, tsn = una + wire_get_u8(&run->reader) % 8;
    if (tsn > next_of(run))
        tsn = next_of(run);
    sctp_acknowledge_cumulative(run->bed->a, run->bed->now_us, BED_FIRST + tsn - 1);
    sctp_acknowledge_end(run->bed->a, run->bed->now_us);
    model_sack(run, tsn, NULL);
}

static void step_path(struct run *run)
{
    struct sctp_association *a = run->bed->a;
    uint8_t what = wire_get_u8(&run->reader);
    unsigned net = what % 3;
    if (!a->nets[net])
        a->nets[net] = sctp_net_new(&a->options, run->bed->now_us, 1200, 0);
    switch (what / 4 % 4) {
    case 0:
        a->used = net;
        break;
    case 1:
        sctp_recovery_lose(a, run->bed->now_us, net);
        break;
    case 2:
        sctp_net_restart(a->nets[net], &a->options, run->bed->now_us, 0);
        break;
    default:
        a->nets[net]->mtu = 300 + wire_get_u8(&run->reader) * 30u;
    }
}

static void step_line(struct run *run)
{
    struct sctp_congestion *congestion = run->bed->a->nets[run->bed->a->used]->congestion;
    congestion->window = wire_get_u8(&run->reader) * 1452ull;
    congestion->pace = wire_get_u8(&run->reader) * 1000ull;
    congestion->quantum = 1452 * (1 + wire_get_u8(&run->reader) % 8u);
}

/* Then; and nothing is due that was done already. */
static void go_on(struct run *run, uint64_t now_us)
{
    struct bed *bed = run->bed;
    bed->now_us = now_us;
    sctp_acknowledge_end(bed->a, bed->now_us);
    if (sctp_recovery_deadline(bed->a) <= bed->now_us)
        sctp_delivery_timeout(bed->a, bed->now_us);
    for (unsigned i = 0; i < 200 && bed_send(bed); i++)
        ;
    must(sctp_recovery_deadline(bed->a) > bed->now_us || bed->a->state == SCTP_ENDED);
}

static void step_time(struct run *run)
{
    bool to_deadline = wire_get_u8(&run->reader) & 1;
    uint64_t at_us = sctp_recovery_deadline(run->bed->a), now_us = run->bed->now_us;
    if (!to_deadline)
        now_us += wire_get_u16(&run->reader) * 20ull;
    else if (at_us != SCTP_NEVER && at_us > now_us)
        now_us = at_us;
    go_on(run, now_us);
}

static void step(struct run *run)
{
    switch (wire_get_u8(&run->reader) % 9) {
    case 0:
    case 1:
        step_queue(run);
        break;
    case 2:
        for (unsigned i = wire_get_u8(&run->reader) % 64; i && bed_send(run->bed); i--)
            ;
        break;
    case 3:
    case 4:
        step_sack(run);
        break;
    case 5:
        step_shutdown(run);
        break;
    case 6:
        step_path(run);
        break;
    case 7:
        step_line(run);
        break;
    default:
        step_time(run);
    }
}

/* All that is left arrives, and is acknowledged. */
static void end_well(struct run *run)
{
    struct bed *bed = run->bed;
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        if (bed->a->nets[i]) {
            bed->a->nets[i]->congestion->window = 1000000;
            bed->a->nets[i]->congestion->pace = 0;
        }
    for (unsigned i = 0; i < 200 && !sctp_sending_is_done(bed->a); i++) {
        go_on(run, bed->now_us + 30000);
        bed->now_us += 10000;
        bed_sack_with(bed, next_of(run), NULL, NULL, 0, 1u << 20);
        sctp_acknowledge_end(bed->a, bed->now_us);
        model_sack(run, next_of(run), NULL);
        check(run);
    }
    if (bed->a->state == SCTP_ENDED)
        return;
    must(sctp_sending_is_done(bed->a) && bed->a->flight.outstanding == 0);
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        must(!bed->a->nets[i] || !bed->a->nets[i]->in_flight);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *run = check_alloc(sizeof *run);
    run->reader = wire_reader(data, size);
    run->hawser = wire_get_u8(&run->reader) & 1;
    run->bed = bed_new(run->hawser);
    for (unsigned i = 0; i < STEPS_MAX && wire_left(&run->reader); i++) {
        step(run);
        if (run->bed->a->state == SCTP_ENDED)
            break;
        check(run);
    }
    if (run->bed->a->state != SCTP_ENDED)
        end_well(run);
    bed_end(run->bed);
    free(run);
    return 0;
}
