/* Prints the events of a world in words, to see why a seed fails. */
#include <stdio.h>

#include "tests/sim/end.h"

static void say_chunk(const struct sctp_chunk *chunk)
{
    struct sctp_data data;
    struct sctp_sack sack;
    if (chunk->type == SCTP_CHUNK_DATA && sctp_wire_read_data(chunk, &data)) {
        printf(" DATA %u s%u.%u %s%s %zu", data.tsn, data.stream, data.ssn, data.begins ? "B" : "",
               data.ends ? "E" : "", data.length);
    } else if (chunk->type == SCTP_CHUNK_SACK && sctp_wire_read_sack(chunk, &sack)) {
        printf(" SACK %u window %u", sack.cumulative, sack.window);
        for (unsigned i = 0; i < sack.gap_count; i++) {
            uint16_t start, end;
            sctp_wire_gap(&sack, i, &start, &end);
            printf(" %u-%u", sack.cumulative + start, sack.cumulative + end);
        }
        if (sack.duplicate_count)
            printf(" %u duplicates", sack.duplicate_count);
    } else {
        printf(" chunk %u", chunk->type);
    }
}

void sim_say_packet(const struct sim_end *end, const char *how, unsigned line,
                    const uint8_t *packet, size_t length)
{
    struct wire_reader chunks = sctp_wire_chunks(packet, length);
    struct sctp_chunk chunk;
    printf("%.6f end %u %s line %u, %zu:", (double)end->world->now_us / SIM_SEC, end->index, how,
           line, length);
    while (sctp_wire_next_chunk(&chunks, &chunk))
        say_chunk(&chunk);
    printf("\n");
}

void sim_say(const struct sim_end *end, const char *what)
{
    printf("%.6f end %u %s", (double)end->world->now_us / SIM_SEC, end->index, what);
    for (unsigned i = 0; end->association && i < end->world->options.lines; i++) {
        struct sctp_net_status net;
        if (sctp_association_net_status(end->association, sim_end_net(end, i), &net))
            printf("; line %u: window %llu, in flight %llu, pace %llu, srtt %u, rto %u, %s", i,
                   (unsigned long long)net.window, (unsigned long long)net.in_flight,
                   (unsigned long long)net.pace, net.srtt_us, net.rto_us, net.phase);
    }
    if (end->association) {
        uint64_t deadline = sctp_association_deadline(end->association);
        printf("; deadline %.6f", deadline == SCTP_NEVER ? -1.0 : (double)deadline / SIM_SEC);
    }
    printf("\n");
}
