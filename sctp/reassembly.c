/* Chunks that are early lie in a ring by TSN, joined to runs: consecutive TSNs of one message. Both
 * ends of a run know the other one, so a chunk joins its neighbours without a walk. */
#include "sctp/reassembly.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/payload.h"

#define RING_MIN  64u
#define TABLE_MIN 16u

struct chunk {
    uint32_t other_end; /* of its run; true at the ends only */
    uint32_t ppid;
    uint16_t stream, ssn;
    bool begins, ends;
    uint32_t length;
    uint8_t bytes[];
};

/* Fields that all fragments of a message have in common. */
struct head {
    uint32_t ppid;
    uint16_t stream, ssn;
};

/* Whole, and another of its stream comes first. */
struct waiting {
    struct waiting *next;
    struct message *message;
    uint16_t ssn;
};

struct sctp_reassembly {
    uint32_t next;        /* TSN: all before it are in messages */
    bool frugal;          /* sctp_reassembly_set_frugal */
    struct message *open; /* its last fragment was next - 1; NULL: the next one begins a message */
    struct head head;     /* of the open message */

    struct chunk **ring; /* by TSN % ring_size; all are beyond next */
    uint32_t ring_size, ring_count;

    uint16_t streams;
    uint16_t *turns; /* of each stream, the SSN that is next */
    uint32_t turn_count;
    struct waiting **table; /* by stream and SSN */
    uint32_t table_size, table_count;

    struct message_queue ready;
    size_t held;
};

struct sctp_reassembly *sctp_reassembly_new(uint32_t first, uint16_t streams)
{
    struct sctp_reassembly *self = check_alloc(sizeof *self);
    self->next = first;
    self->streams = streams;
    return self;
}

void sctp_reassembly_set_frugal(struct sctp_reassembly *self, bool frugal)
{
    self->frugal = frugal;
}

size_t sctp_reassembly_held(const struct sctp_reassembly *self)
{
    return self->held;
}

size_t sctp_reassembly_ready(const struct sctp_reassembly *self)
{
    return self->ready.bytes + SCTP_CHUNK_COST * self->ready.count;
}

size_t sctp_reassembly_memory(const struct sctp_reassembly *self)
{
    return sizeof *self + self->held + (self->open ? self->open->capacity : 0) +
           self->ring_size * sizeof *self->ring + self->turn_count * sizeof *self->turns +
           self->table_size * sizeof *self->table;
}

static bool is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* ---- the order of a stream ---- */

static uint16_t *turn_of(struct sctp_reassembly *self, uint16_t stream)
{
    uint32_t count = self->turn_count ? self->turn_count : TABLE_MIN;
    while (count <= stream)
        count *= 2;
    if (count > self->turn_count) {
        self->turns = check_resize(self->turns, count * sizeof *self->turns);
        memset(self->turns + self->turn_count, 0, (count - self->turn_count) * sizeof *self->turns);
        self->turn_count = count;
    }
    return &self->turns[stream];
}

static struct waiting **place_of(struct sctp_reassembly *self, uint16_t stream, uint16_t ssn)
{
    uint32_t hash = ((uint32_t)stream << 16 | ssn) * 2654435761u;
    return &self->table[hash >> 16 & (self->table_size - 1)];
}

static void grow_table(struct sctp_reassembly *self)
{
    struct waiting **old = self->table, *one, *next;
    uint32_t size = self->table_size;
    self->table_size = size ? 4 * size : TABLE_MIN;
    self->table = check_alloc(self->table_size * sizeof *self->table);
    for (uint32_t i = 0; i < size; i++)
        for (one = old[i]; one; one = next) {
            struct waiting **place = place_of(self, one->message->stream, one->ssn);
            next = one->next;
            one->next = *place;
            *place = one;
        }
    free(old);
}

/* Owns: fresh is the caller's, old is freed. */
static struct message *move(struct message *old, struct message *fresh)
{
    fresh->length = old->length;
    fresh->stream = old->stream;
    fresh->epoch = old->epoch;
    memcpy(fresh->data, old->data, old->length);
    message_free(old);
    return fresh;
}

/* A message takes 2 or 20 KB, whatever its length, and a peer could have tens of thousands wait
 * here: they get exact room. */
static void let_wait(struct sctp_reassembly *self, struct message *message, uint16_t ssn)
{
    if (message->capacity - message->length > message->length / 4)
        message = message_exact(message);
    if (self->table_count >= self->table_size)
        grow_table(self);
    struct waiting *one = check_alloc(sizeof *one), **place = place_of(self, message->stream, ssn);
    *one = (struct waiting){.next = *place, .message = message, .ssn = ssn};
    *place = one;
    self->table_count++;
}

static struct message *stop_waiting(struct sctp_reassembly *self, uint16_t stream, uint16_t ssn)
{
    if (!self->table_count)
        return NULL;
    struct waiting **place = place_of(self, stream, ssn);
    while (*place && ((*place)->message->stream != stream || (*place)->ssn != ssn))
        place = &(*place)->next;
    struct waiting *one = *place;
    if (!one)
        return NULL;
    struct message *message = one->message;
    *place = one->next;
    self->table_count--;
    free(one);
    return message;
}

/* A peer that uses an SSN twice gets its message delivered out of turn or never: its own loss. */
static void put_in_order(struct sctp_reassembly *self, struct message *message, uint16_t ssn)
{
    uint16_t stream = message->stream, *turn = turn_of(self, stream);
    if (ssn != *turn) {
        let_wait(self, message, ssn);
        return;
    }
    for (; message; message = stop_waiting(self, stream, *turn)) {
        message_queue_push(&self->ready, message);
        ++*turn;
    }
}

static void drop(struct sctp_reassembly *self, struct message *message)
{
    self->held -= SCTP_CHUNK_COST + message->length;
    message_free(message);
}

/* An empty one is what is left of a message that was not for us. */
struct message *sctp_reassembly_take(struct sctp_reassembly *self)
{
    struct message *message;
    while ((message = message_queue_pop(&self->ready)) && !message->length)
        drop(self, message);
    if (message)
        self->held -= SCTP_CHUNK_COST + message->length;
    return message;
}

/* ---- whole messages ---- */

static void begin(struct sctp_reassembly *self, const struct sctp_data *data)
{
    if (data->ends)
        self->open = message_new(data->length);
    else
        self->open = self->frugal ? message_new_exact(data->length) : message_new(MESSAGE_MAX);
    self->open->length = 0;
    self->head = (struct head){.ppid = data->ppid, .stream = data->stream, .ssn = data->ssn};
    self->held += SCTP_CHUNK_COST;
}

/* Of one that began while this was frugal. */
static void make_room(struct sctp_reassembly *self, size_t length)
{
    struct message *open = self->open;
    size_t needed = open->length + length, twice = 2 * (size_t)open->capacity;
    if (needed <= open->capacity)
        return;
    if (!self->frugal || twice > MESSAGE_MAX)
        twice = MESSAGE_MAX;
    self->open = move(open, message_new_exact(needed > twice ? needed : twice));
}

/* One that is not for us takes its turn in its stream all the same, if there is such a stream. */
static void finish(struct sctp_reassembly *self)
{
    struct message *message = self->open;
    self->open = NULL;
    message->stream = self->head.stream;
    message->epoch = (uint8_t)(self->head.ppid & SCTP_MESSAGE_EPOCH_MASK);
    if ((self->head.ppid & SCTP_MESSAGE_PPID_MASK) != SCTP_MESSAGE_PPID) {
        self->held -= message->length;
        message->length = 0;
    }
    if (message->length <= MESSAGE_SMALL && message->capacity >= MESSAGE_MAX)
        message = move(message, message_new(message->length));
    if (message->stream < self->streams)
        put_in_order(self, message, self->head.ssn);
    else
        drop(self, message);
}

/* The next fragment of the open message, or the first of the next one. A message in one chunk takes
 * the memory that it needs; of the length of others only the limit is known. */
static enum err take_turn(struct sctp_reassembly *self, const struct sctp_data *data)
{
    bool same = data->stream == self->head.stream && data->ssn == self->head.ssn; /* section 6.9 */
    if (self->open ? data->begins || !same : !data->begins)
        return ERR_CONTROL_PROTOCOL;
    if (data->length > MESSAGE_MAX - (self->open ? self->open->length : 0))
        return ERR_CONTROL_PROTOCOL;
    if (!self->open)
        begin(self, data);
    make_room(self, data->length);
    memcpy(self->open->data + self->open->length, data->bytes, data->length);
    self->open->length += (uint32_t)data->length;
    self->held += data->length;
    if (data->ends)
        finish(self);
    self->next = data->tsn + 1;
    return ERR_OK;
}

/* ---- chunks that are early ---- */

static struct chunk **slot_of(const struct sctp_reassembly *self, uint32_t tsn)
{
    return &self->ring[tsn & (self->ring_size - 1)];
}

/* NULL: it has not come, or is in a message already. */
static struct chunk *early(const struct sctp_reassembly *self, uint32_t tsn)
{
    return self->ring_count && tsn - self->next < self->ring_size ? *slot_of(self, tsn) : NULL;
}

static void grow_ring(struct sctp_reassembly *self, uint32_t distance)
{
    uint32_t size = self->ring_size ? self->ring_size : RING_MIN;
    while (size <= distance)
        size *= 2;
    if (size == self->ring_size)
        return;
    struct sctp_reassembly old = *self;
    self->ring = check_alloc(size * sizeof *self->ring);
    self->ring_size = size;
    for (uint32_t i = 0; i < old.ring_size; i++)
        *slot_of(self, old.next + i) = *slot_of(&old, old.next + i);
    free(old.ring);
}

/* Owns: caller. */
static struct chunk *take_out(struct sctp_reassembly *self, uint32_t tsn)
{
    struct chunk **slot = slot_of(self, tsn), *chunk = *slot;
    *slot = NULL;
    self->held -= SCTP_CHUNK_COST + chunk->length;
    if (--self->ring_count)
        return chunk;
    free(self->ring);
    self->ring = NULL;
    self->ring_size = 0;
    return chunk;
}

/* Gives a chunk that was early its turn. */
static enum err take_early(struct sctp_reassembly *self, uint32_t tsn)
{
    struct chunk *chunk = take_out(self, tsn);
    struct sctp_data data = {.tsn = tsn,
                             .ppid = chunk->ppid,
                             .stream = chunk->stream,
                             .ssn = chunk->ssn,
                             .begins = chunk->begins,
                             .ends = chunk->ends,
                             .bytes = chunk->bytes,
                             .length = chunk->length};
    enum err e = take_turn(self, &data);
    free(chunk);
    return e;
}

static void keep(struct sctp_reassembly *self, const struct sctp_data *data)
{
    struct chunk *chunk = check_alloc(sizeof *chunk + data->length);
    *chunk = (struct chunk){.other_end = data->tsn,
                            .ppid = data->ppid,
                            .stream = data->stream,
                            .ssn = data->ssn,
                            .begins = data->begins,
                            .ends = data->ends,
                            .length = (uint32_t)data->length};
    memcpy(chunk->bytes, data->bytes, data->length);
    grow_ring(self, data->tsn - self->next);
    *slot_of(self, data->tsn) = chunk;
    self->ring_count++;
    self->held += SCTP_CHUNK_COST + data->length;
}

/* True: two chunks with consecutive TSNs are of one message. *wrong: they contradict each other. */
static bool are_joined(const struct chunk *first, const struct chunk *second, bool *wrong)
{
    bool same = first->stream == second->stream && first->ssn == second->ssn;
    *wrong |= first->ends ? !second->begins : second->begins || !same;
    return !first->ends;
}

/* All of a message is here, from first to last: it need not wait for the TSNs before it. */
static enum err gather(struct sctp_reassembly *self, uint32_t first, uint32_t last)
{
    struct message *open = self->open;
    struct head head = self->head;
    uint32_t next = self->next;
    enum err e = ERR_OK;
    self->open = NULL;
    for (uint32_t tsn = first; tsn != last + 1 && e == ERR_OK; tsn++) {
        e = take_early(self, tsn);
        self->next = next; /* those before have not come */
    }
    if (self->open)
        drop(self, self->open);
    self->open = open;
    self->head = head;
    return e;
}

/* Joins the chunk of a TSN that was just kept to its neighbours. */
static enum err join(struct sctp_reassembly *self, uint32_t tsn)
{
    struct chunk *chunk = *slot_of(self, tsn), *before = early(self, tsn - 1),
                 *after = early(self, tsn + 1);
    uint32_t first = tsn, last = tsn;
    bool wrong = false;
    if (before && are_joined(before, chunk, &wrong))
        first = before->other_end;
    if (after && are_joined(chunk, after, &wrong))
        last = after->other_end;
    if (wrong)
        return ERR_CONTROL_PROTOCOL;
    (*slot_of(self, first))->other_end = last;
    (*slot_of(self, last))->other_end = first;
    if ((*slot_of(self, first))->begins && (*slot_of(self, last))->ends)
        return gather(self, first, last);
    return ERR_OK;
}

/* ---- one after the other ---- */

/* A TSN that is not here was gathered before: then no message may be open. */
static enum err go_on(struct sctp_reassembly *self, uint32_t cumulative)
{
    while (!is_before(cumulative, self->next)) {
        bool is_here = early(self, self->next) != NULL;
        if (!is_here && self->open)
            return ERR_CONTROL_PROTOCOL;
        enum err e = is_here ? take_early(self, self->next) : ERR_OK;
        if (e != ERR_OK)
            return e;
        self->next += !is_here;
    }
    return ERR_OK;
}

enum err sctp_reassembly_skip(struct sctp_reassembly *self, uint32_t tsn, uint32_t cumulative)
{
    return tsn == self->next ? go_on(self, cumulative) : ERR_OK;
}

enum err sctp_reassembly_add(struct sctp_reassembly *self, const struct sctp_data *data,
                             uint32_t cumulative)
{
    enum err e;
    if (data->tsn == self->next) {
        e = take_turn(self, data);
        return e == ERR_OK && self->next != cumulative + 1 ? go_on(self, cumulative) : e;
    }
    must(is_before(self->next, data->tsn) && data->tsn - self->next <= UINT16_MAX);
    keep(self, data);
    return join(self, data->tsn);
}

void sctp_reassembly_free(struct sctp_reassembly *self)
{
    if (!self)
        return;
    for (uint32_t i = 0; i < self->ring_size; i++)
        free(self->ring[i]);
    free(self->ring);
    struct waiting *next;
    for (uint32_t i = 0; i < self->table_size; i++)
        for (struct waiting *one = self->table[i]; one; one = next) {
            next = one->next;
            message_free(one->message);
            free(one);
        }
    free(self->table);
    free(self->turns);
    message_free(self->open);
    message_queue_clear(&self->ready);
    free(self);
}
