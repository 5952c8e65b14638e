/* DATA in, SACKs out. */
#include "sctp/receiving.h"

#include "base/number.h"

/* ---- bounds ---- */

size_t sctp_receiving_held(const struct sctp_association *self)
{
    return self->receiving.reassembly ? sctp_reassembly_held(self->receiving.reassembly) : 0;
}

/* Nothing is told below what fills a packet, or half of the buffer where that is less (RFC 9260
 * section 6.2, RFC 1122 section 4.2.3.3: silly windows). */
static uint32_t window(const struct sctp_association *self)
{
    uint32_t buffer = self->options.buffer;
    uint64_t least = number_least(sctp_association_mtu(self, self->used), buffer / 2);
    uint32_t left = (uint32_t)number_minus(buffer, sctp_receiving_held(self));
    return left >= least ? left : 0;
}

/* The TSN that fills the first gap is taken also when nothing else is: without it nothing could
 * ever leave. Messages that are ready are taken before the next batch; more than the buffer of
 * them in one batch is beyond what any window has told. */
static bool has_room(const struct sctp_association *self, const struct sctp_data *data)
{
    const struct sctp_receiving *receiving = &self->receiving;
    uint32_t ahead = data->tsn - receiving->map.cumulative, buffer = self->options.buffer;
    if (self->options.frugal &&
        (ahead > SCTP_RECEIVING_FRUGAL_AHEAD || data->stream >= SCTP_RECEIVING_FRUGAL_STREAMS))
        return false;
    if (ahead == 1)
        return sctp_reassembly_ready(receiving->reassembly) <= buffer;
    return ahead <= buffer / SCTP_RECEIVING_AHEAD_COST &&
           sctp_reassembly_held(receiving->reassembly) + SCTP_CHUNK_COST + data->length <= buffer;
}

/* If all TSNs before have come, a message waits for its turn only where the peer has left out a
 * sequence number. has_room keeps everything else within the buffer. */
static bool is_stuck(const struct sctp_receiving *receiving, uint32_t buffer)
{
    size_t all = sctp_reassembly_held(receiving->reassembly),
           ready = sctp_reassembly_ready(receiving->reassembly);
    return all - ready > (size_t)buffer + MESSAGE_MAX + SCTP_CHUNK_COST;
}

/* ---- DATA ---- */

void sctp_receiving_init(struct sctp_association *self, uint32_t first)
{
    struct sctp_receiving *receiving = &self->receiving;
    *receiving = (struct sctp_receiving){.reassembly = sctp_reassembly_new(first, self->streams),
                                         .window_told = self->options.buffer,
                                         .turn = first};
    sctp_reassembly_set_frugal(receiving->reassembly, self->options.frugal);
    sctp_tsn_map_init(&receiving->map, first);
}

void sctp_receiving_fini(struct sctp_association *self)
{
    sctp_tsn_map_fini(&self->receiving.map);
    sctp_reassembly_free(self->receiving.reassembly);
    self->receiving.reassembly = NULL;
}

void sctp_receiving_packet(struct sctp_association *self)
{
    self->receiving.had_data = false;
}

/* Not taken: the peer is told at once what was (section 6.2). */
static enum err refuse(struct sctp_association *self)
{
    self->receiving.sack_now = true;
    self->counters.rejected++;
    return ERR_OK;
}

/* One that has come for the first time, and for which there is room. */
static enum err keep(struct sctp_association *self, const struct sctp_data *data, uint8_t flags)
{
    struct sctp_receiving *receiving = &self->receiving;
    bool had_gaps = sctp_tsn_map_has_gaps(&receiving->map);
    sctp_tsn_map_add(&receiving->map, data->tsn);
    if (had_gaps || sctp_tsn_map_has_gaps(&receiving->map) || flags & SCTP_FLAG_IMMEDIATE)
        receiving->sack_now = true;
    if (flags & SCTP_FLAG_UNORDERED)
        return sctp_reassembly_skip(receiving->reassembly, data->tsn, receiving->map.cumulative);
    return sctp_reassembly_add(receiving->reassembly, data, receiving->map.cumulative);
}

enum err sctp_receiving_data(struct sctp_association *self, const struct sctp_data *data,
                             uint8_t flags, bool *invalid_stream)
{
    struct sctp_receiving *receiving = &self->receiving;
    *invalid_stream = false;
    if (receiving->failed)
        return ERR_CONTROL_PROTOCOL;
    receiving->packets += !receiving->had_data;
    receiving->had_data = receiving->owes_sack = true;
    switch (sctp_tsn_map_check(&receiving->map, data->tsn)) {
    case SCTP_TSN_DUPLICATE:
        sctp_tsn_map_add(&receiving->map, data->tsn);
        self->counters.duplicates++;
        receiving->sack_now = true;
        return ERR_OK;
    case SCTP_TSN_BEYOND:
        return refuse(self);
    case SCTP_TSN_NEW:
        break;
    }
    if (!has_room(self, data))
        return refuse(self);
    *invalid_stream = data->stream >= self->streams;
    enum err e = keep(self, data, flags);
    receiving->failed = e != ERR_OK || is_stuck(receiving, self->options.buffer);
    return receiving->failed ? ERR_CONTROL_PROTOCOL : ERR_OK;
}

/* ---- when a SACK goes ---- */

/* One of ours expects it within a quarter of a round trip, if that is known. */
static uint64_t delay(const struct sctp_association *self)
{
    const struct sctp_net *net = self->nets[self->used];
    uint64_t most = self->options.sack_delay_us;
    if (!self->peer_is_hawser || !net || !net->srtt_us)
        return most;
    return number_least(number_most(net->srtt_us / 4, SCTP_RECEIVING_DELAY_MIN_US), most);
}

void sctp_receiving_end(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_receiving *receiving = &self->receiving;
    receiving->had_data = false;
    if (!receiving->owes_sack || receiving->sack_now)
        return;
    uint64_t wait_us = delay(self);
    if (receiving->packets >= 2 || self->state == SCTP_SHUTDOWN_SENT || !wait_us)
        receiving->sack_now = true;
    else if (!receiving->deadline_us)
        receiving->deadline_us = now_us + wait_us;
}

void sctp_receiving_tell(struct sctp_association *self)
{
    sctp_reassembly_set_frugal(self->receiving.reassembly, self->options.frugal);
    self->receiving.sack_now = self->receiving.owes_sack = true;
}

uint64_t sctp_receiving_deadline(const struct sctp_association *self)
{
    const struct sctp_receiving *receiving = &self->receiving;
    return receiving->owes_sack && !receiving->sack_now && receiving->deadline_us
               ? receiving->deadline_us
               : SCTP_NEVER;
}

void sctp_receiving_timeout(struct sctp_association *self, uint64_t now_us)
{
    if (now_us >= sctp_receiving_deadline(self))
        self->receiving.sack_now = true;
}

/* A SACK is due if the window has grown enough to be worth a packet. */
static void update_window(struct sctp_association *self)
{
    struct sctp_receiving *receiving = &self->receiving;
    uint32_t told = receiving->window_told, buffer = self->options.buffer;
    if (told > buffer - buffer / 4)
        return;
    uint32_t now = window(self);
    if (now > told && (!told || (now - told >= buffer / 4 && now - told >= 2 * self->options.mtu)))
        receiving->sack_now = receiving->owes_sack = true;
}

struct message *sctp_receiving_take(struct sctp_association *self)
{
    struct sctp_receiving *receiving = &self->receiving;
    struct message *message =
        receiving->reassembly ? sctp_reassembly_take(receiving->reassembly) : NULL;
    if (!message)
        return NULL;
    self->counters.messages_in++;
    update_window(self);
    return message;
}

/* ---- its blocks ---- */

struct blocks {
    struct sctp_gap gaps[SCTP_RECEIVING_GAPS_MAX];
    size_t count;
};

/* At most `most` blocks from there on that begin before `end`. Returns the place behind them. */
static uint32_t add_blocks(const struct sctp_tsn_map *map, struct blocks *blocks, uint32_t from,
                           uint32_t end, size_t most)
{
    size_t count =
        from < end ? sctp_tsn_map_gaps(map, from, blocks->gaps + blocks->count, most) : 0;
    while (count && blocks->gaps[blocks->count + count - 1].start >= end)
        count--;
    blocks->count += count;
    return count ? blocks->gaps[blocks->count - 1].end + 1u : from;
}

/* Not all fit. All are in order and apart from each other. */
static void choose_blocks(struct sctp_receiving *receiving, struct blocks *blocks, size_t most)
{
    const struct sctp_tsn_map *map = &receiving->map;
    size_t share = 3 * most / 8;
    uint32_t end = sctp_tsn_map_newest(map, share);
    uint32_t low = add_blocks(map, blocks, 1, end, share);
    uint32_t turn = receiving->turn - map->cumulative;
    if (turn < low || turn >= end)
        turn = low;
    uint32_t next = add_blocks(map, blocks, turn, end, most - 2 * share);
    if (next == turn)
        next = add_blocks(map, blocks, low, end, most - 2 * share);
    receiving->turn = map->cumulative + next;
    add_blocks(map, blocks, end, UINT32_MAX, share);
}

static void collect_blocks(struct sctp_association *self, struct blocks *blocks, size_t most)
{
    struct sctp_receiving *receiving = &self->receiving;
    struct sctp_gap next;
    uint32_t end = add_blocks(&receiving->map, blocks, 1, UINT32_MAX, most);
    if (!self->peer_is_hawser || blocks->count < most ||
        !sctp_tsn_map_gaps(&receiving->map, end, &next, 1))
        return;
    blocks->count = 0;
    choose_blocks(receiving, blocks, most);
}

static void put_blocks(struct sctp_association *self, struct wire_writer *writer, size_t room,
                       size_t *gap_count)
{
    struct blocks blocks;
    blocks.count = 0;
    collect_blocks(self, &blocks, number_least(room, SCTP_RECEIVING_GAPS_MAX));
    for (size_t i = 0; i < blocks.count; i++) {
        wire_put_u16(writer, blocks.gaps[i].start);
        wire_put_u16(writer, blocks.gaps[i].end);
    }
    *gap_count = blocks.count;
}

bool sctp_receiving_put(struct sctp_association *self, struct wire_writer *writer)
{
    struct sctp_receiving *receiving = &self->receiving;
    size_t room = wire_room(writer), gaps = 0;
    if (room < SCTP_SACK_HEADER)
        return false;
    size_t numbers = (room - SCTP_SACK_HEADER) / 4;
    size_t duplicates = number_least(receiving->map.duplicate_count, numbers);
    receiving->window_told = window(self);
    uint8_t *chunk = sctp_wire_begin(writer, SCTP_CHUNK_SACK, 0);
    wire_put_u32(writer, receiving->map.cumulative);
    wire_put_u32(writer, receiving->window_told);
    uint8_t *counts = writer->at;
    wire_put_u32(writer, 0);
    if (sctp_tsn_map_has_gaps(&receiving->map))
        put_blocks(self, writer, numbers - duplicates, &gaps);
    for (size_t i = 0; i < duplicates; i++)
        wire_put_u32(writer, receiving->map.duplicates[i]);
    receiving->map.duplicate_count = 0;
    struct wire_writer counter = wire_writer(counts, 4);
    wire_put_u16(&counter, gaps);
    wire_put_u16(&counter, duplicates);
    sctp_wire_end(writer, chunk);
    receiving->packets = 0;
    receiving->sack_now = receiving->owes_sack = false;
    receiving->deadline_us = 0;
    return true;
}

size_t sctp_receiving_memory(const struct sctp_association *self)
{
    const struct sctp_receiving *receiving = &self->receiving;
    return receiving->map.size / 8 +
           (receiving->reassembly ? sctp_reassembly_memory(receiving->reassembly) : 0);
}
