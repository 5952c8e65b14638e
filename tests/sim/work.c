/* The traffic of a simulated world: sends messages, and checks each that arrives. */
#include "tests/sim/work.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/sim/world.h"

#define TABLE        65536
#define NEVER        UINT64_MAX
#define CREDIT_FIRST 16u
#define AT_ONCE      200000 /* messages taken in one go: nobody's queue may be that long */

static uint8_t table[TABLE + MESSAGE_MAX];

static void fill_table(void)
{
    if (table[0] == 1)
        return;
    for (size_t i = 0; i < sizeof table; i++)
        table[i] = (uint8_t)sim_mix(i);
    table[0] = 1;
}

static uint64_t name_of(uint64_t life, uint16_t stream, uint32_t index)
{
    return sim_mix(life ^ sim_mix((uint64_t)stream << 32 | index));
}

static const struct sim_work *work_of(const struct sim_end *end, unsigned i)
{
    return &end->world->options.work[end->index][i];
}

/* The work that has a stream; NULL: none. */
static const struct sim_work *work_on(const struct sim_end *end, uint16_t stream)
{
    for (unsigned i = 0; i < SIM_WORKS; i++) {
        const struct sim_work *work = work_of(end, i);
        if (work->kind && stream >= work->stream && stream - work->stream < work->streams)
            return work;
    }
    return NULL;
}

static uint32_t length_of(const struct sim_work *work, uint64_t name)
{
    return work->least + (uint32_t)(sim_mix(name) % (work->most - work->least + 1));
}

static void remember_life(struct sim_end *end)
{
    uint32_t tag = sctp_association_own_tag(end->association);
    end->lives[end->life_count++ % SIM_LIVES] = (struct sim_life){tag, end->user.life};
}

void sim_user_begin(struct sim_end *end)
{
    fill_table();
    sim_user_fini(&end->user);
    memset(&end->user, 0, sizeof end->user);
    end->user.life = sim_mix(end->world->options.seed ^ sim_mix(end->index + 1) ^ end->life_count);
    for (unsigned i = 0; i < SIM_WORKS; i++)
        end->user.running[i].due_us = NEVER;
    remember_life(end);
}

void sim_user_fini(struct sim_user *user)
{
    for (unsigned i = 0; i < SIM_WORKS; i++) {
        message_free(user->running[i].pending);
        user->running[i].pending = NULL;
    }
}

void sim_user_up(struct sim_end *end, uint16_t streams)
{
    struct sim_user *user = &end->user;
    if (user->is_up)
        sim_world_fail(end->world, "end %u is up twice", end->index);
    user->is_up = true;
    user->up_us = end->world->now_us;
    user->streams = streams;
    remember_life(end);
    for (unsigned i = 0; i < SIM_WORKS; i++) {
        const struct sim_work *work = work_of(end, i);
        if (work->kind == SIM_EARLY && !user->running[i].sent)
            user->running[i].ready = 1;
        if (work->kind && work->kind != SIM_EARLY && work->kind != SIM_ANSWER)
            user->running[i].due_us = user->up_us + work->begin_us;
    }
}

static bool is_over(const struct sim_end *end, unsigned i)
{
    const struct sim_work *work = work_of(end, i);
    const struct sim_running *running = &end->user.running[i];
    if (work->kind == SIM_EARLY)
        return running->sent > 0;
    return (work->messages && running->sent >= work->messages) ||
           (work->end_us && end->world->now_us >= end->user.up_us + work->end_us);
}

/* Makes messages ready as time passes. */
static void make_ready(struct sim_end *end, unsigned i)
{
    const struct sim_work *work = work_of(end, i);
    struct sim_running *running = &end->user.running[i];
    uint64_t now = end->world->now_us;
    if (now < running->due_us || is_over(end, i))
        return;
    running->due_us = NEVER;
    if (work->kind == SIM_BULK) {
        running->ready = UINT32_MAX;
    } else if (work->kind == SIM_ASK) {
        running->ready = 1;
        end->user.asked_us = now;
    } else {
        running->ready += work->kind == SIM_BURST ? work->burst : 1;
        running->due_us =
            now + 1 +
            (work->kind == SIM_BURST ? work->pause_us
                                     : sim_chance(&end->world->chance, 2 * work->pause_us));
    }
}

static struct message *make_message(struct sim_end *end, unsigned i)
{
    const struct sim_work *work = work_of(end, i);
    struct sim_running *running = &end->user.running[i];
    uint64_t name = name_of(end->user.life, (uint16_t)(i + 1), (uint32_t)running->sent);
    uint16_t stream = (uint16_t)(work->stream + name % work->streams);
    if (work->kind == SIM_ANSWER)
        stream = running->stream;
    name = name_of(end->user.life, stream, end->user.sent[stream]);
    struct message *message = message_new(length_of(work, name));
    message->length = length_of(work, name);
    message->stream = stream;
    message->epoch = (uint8_t)name;
    memcpy(message->data, table + name % TABLE, message->length);
    return message;
}

/* False: the engine has no room, or takes no more. */
static bool send_one(struct sim_end *end, unsigned i)
{
    struct sim_user *user = &end->user;
    struct sim_running *running = &user->running[i];
    if (!running->pending)
        running->pending = make_message(end, i);
    struct message *message = running->pending;
    uint16_t stream = message->stream;
    uint32_t length = message->length;
    enum err e = sctp_association_send(end->association, end->world->now_us, message);
    if (e == ERR_TRANSPORT_CLOSED)
        user->is_closing = true;
    else if (e && e != ERR_AGAIN)
        sim_world_fail(end->world, "end %u: send says %s", end->index, err_name(e));
    if (e)
        return false;
    running->pending = NULL;
    running->sent++;
    running->ready -= running->ready != UINT32_MAX;
    user->sent[stream]++;
    user->messages_out++;
    user->bytes_out += length;
    return true;
}

/* If events are pulled too late for COOKIE ECHO, it goes once the association is up. */
void sim_user_answered(struct sim_end *end)
{
    for (unsigned i = 0; i < SIM_WORKS; i++)
        if (work_of(end, i)->kind == SIM_EARLY && !end->user.running[i].sent)
            send_one(end, i);
}

/* BULK by credit: how much of one stream may be on its way grows with what was taken, as the
 * windows of connections do. The sender knows at once how much the peer has taken, but looks only
 * when a packet comes. */
static bool has_credit(const struct sim_end *end, unsigned i)
{
    const struct sim_work *work = work_of(end, i);
    if (work->kind != SIM_BULK || !work->burst)
        return true;
    uint32_t taken = end->peer->user.received[work->stream],
             window = CREDIT_FIRST + taken < work->burst ? CREDIT_FIRST + taken : work->burst;
    return end->user.running[i].sent < (uint64_t)taken + window;
}

/* Messages that somebody waits for go first, those that only fill the line go last. */
static const enum sim_work_kind order[] = {SIM_EARLY, SIM_ANSWER, SIM_ASK,
                                           SIM_BURST, SIM_TALK,   SIM_BULK};

void sim_user_send(struct sim_end *end)
{
    struct sim_user *user = &end->user;
    unsigned taken = 0;
    if (!user->is_up)
        return;
    for (unsigned i = 0; i < SIM_WORKS; i++)
        make_ready(end, i);
    for (unsigned rank = 0; rank < sizeof order / sizeof *order; rank++)
        for (unsigned i = 0; i < SIM_WORKS; i++) {
            struct sim_running *running = &user->running[i];
            if (work_of(end, i)->kind != order[rank] || user->is_closing)
                continue;
            while (running->pending || (running->ready && !is_over(end, i) && has_credit(end, i))) {
                if (!send_one(end, i))
                    return;
                if (++taken > AT_ONCE) {
                    sim_world_fail(end->world, "end %u takes messages without end", end->index);
                    return;
                }
            }
        }
}

uint64_t sim_user_due(const struct sim_end *end)
{
    uint64_t due = NEVER;
    for (unsigned i = 0; end->user.is_up && !end->user.is_closing && i < SIM_WORKS; i++)
        if (end->user.running[i].due_us < due && !is_over(end, i))
            due = end->user.running[i].due_us;
    return due;
}

bool sim_user_is_done(const struct sim_end *end)
{
    for (unsigned i = 0; i < SIM_WORKS; i++) {
        const struct sim_work *work = work_of(end, i);
        const struct sim_running *running = &end->user.running[i];
        if (!work->kind)
            continue;
        bool over = work->kind == SIM_ANSWER ? !running->ready : is_over(end, i);
        if (!over || running->pending)
            return false;
    }
    return end->user.is_up;
}

bool sim_user_has_all(const struct sim_end *end)
{
    return !memcmp(end->user.received, end->peer->user.sent, sizeof end->user.received);
}

/* ---- what comes ---- */

static uint64_t find_peer_life(struct sim_end *end)
{
    uint32_t tag = sctp_association_peer_tag(end->association);
    unsigned count = end->peer->life_count;
    for (unsigned i = 1; i <= SIM_LIVES && i <= count;
         i++) { /* the latest first: tags may repeat */
        const struct sim_life *life = &end->peer->lives[(count - i) % SIM_LIVES];
        if (life->tag == tag)
            return life->life;
    }
    return 0;
}

static void check_message(struct sim_end *end, const struct message *message)
{
    struct sim_user *user = &end->user;
    uint16_t stream = message->stream;
    const struct sim_work *work = work_on(end->peer, stream);
    if (!user->peer_life)
        user->peer_life = find_peer_life(end);
    if (!work || stream >= SIM_STREAMS || !user->peer_life) {
        sim_world_fail(end->world, "end %u: a message on stream %u", end->index, stream);
        return;
    }
    uint64_t name = name_of(user->peer_life, stream, user->received[stream]);
    uint32_t length = length_of(work, name);
    if (message->length != length || message->epoch != (uint8_t)name ||
        memcmp(message->data, table + name % TABLE, length) != 0)
        sim_world_fail(end->world, "end %u: stream %u, message %u has %u bytes (%u), epoch %u (%u)",
                       end->index, stream, user->received[stream], message->length, length,
                       message->epoch, (uint8_t)name);
    user->received[stream]++;
}

static void note_round(struct sim_end *end)
{
    struct sim_user *user = &end->user;
    if (user->round_count < SIM_ROUNDS)
        user->rounds[user->round_count++] = (uint32_t)(end->world->now_us - user->asked_us);
}

void sim_user_message(struct sim_end *end, struct message *message)
{
    struct sim_user *user = &end->user;
    user->messages_in++;
    user->bytes_in += message->length;
    if (!end->world->options.is_forged)
        check_message(end, message);
    for (unsigned i = 0; i < SIM_WORKS; i++) {
        const struct sim_work *work = work_of(end, i);
        struct sim_running *running = &user->running[i];
        if (message->stream < work->stream || message->stream - work->stream >= work->streams)
            continue;
        if (work->kind == SIM_ANSWER) {
            running->ready++;
            running->stream = message->stream;
        } else if (work->kind == SIM_ASK) {
            note_round(end);
            running->due_us = end->world->now_us + work->pause_us;
        }
    }
    message_free(message);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

double sim_user_round_ms(struct sim_user *user, double share)
{
    if (!user->round_count)
        return 0;
    qsort(user->rounds, user->round_count, sizeof *user->rounds, by_size);
    unsigned i = (unsigned)(share * user->round_count);
    return user->rounds[i < user->round_count ? i : user->round_count - 1] / 1000.0;
}
