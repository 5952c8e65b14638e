/* One endpoint of a simulated world, and the checks after each of its steps. */
#include "tests/sim/end.h"

#include <string.h>

#include "base/check.h"

#define OUTPUTS_AT_ONCE 100000 /* without a step of the clock: more is a loop */
#define QUANTUM_MAX     65536
#define QUEUE_MAX       (4u << 20) /* bytes accepted and not sent */

unsigned sim_end_net(const struct sim_end *end, unsigned line)
{
    return end->index % 2 ? end->world->options.lines - 1 - line : line;
}

void sim_end_begin(struct sim_end *end)
{
    end->listener = sctp_listener_new(&end->options, end->world->now_us);
}

void sim_end_fini(struct sim_end *end)
{
    sim_end_forget(end);
    sim_user_fini(&end->user);
    sctp_listener_free(end->listener);
}

void sim_end_forget(struct sim_end *end)
{
    if (end->association)
        sctp_listener_ended(end->listener, sctp_association_own_tag(end->association));
    sctp_association_free(end->association);
    end->association = NULL;
    end->is_down = false;
}

static void adopt(struct sim_end *end, struct sctp_association *association)
{
    end->association = association;
    end->is_down = false;
    end->progress_us = end->world->now_us;
    for (unsigned i = 0; i < SIM_LINES; i++)
        end->mtu[i] = end->options.mtu;
    end->has_sent = false;
    end->largest = 0;
    sim_user_begin(end);
}

void sim_end_connect(struct sim_end *end)
{
    if (end->association)
        return;
    end->line = 0;
    adopt(end, sctp_association_connect(&end->options));
    sim_end_pump(end);
}

/* ---- in ---- */

static bool begins_association(const uint8_t *packet, size_t length, bool *has_data)
{
    struct wire_reader chunks = sctp_wire_chunks(packet, length);
    struct sctp_chunk chunk;
    bool begins = false;
    for (unsigned i = 0; sctp_wire_next_chunk(&chunks, &chunk); i++) {
        bool first = i == 0 || (i == 1 && packet[SCTP_HEADER] == SCTP_CHUNK_AUTH);
        begins |= first && (chunk.type == SCTP_CHUNK_INIT || chunk.type == SCTP_CHUNK_COOKIE_ECHO);
        *has_data |= chunk.type == SCTP_CHUNK_DATA;
    }
    return begins;
}

static bool is_up(const struct sim_end *end)
{
    struct sctp_status status = {0};
    if (end->association)
        sctp_association_status(end->association, &status);
    return status.is_up;
}

static void hear(struct sim_end *end, unsigned line, uint8_t *packet, size_t length)
{
    struct sim_world *world = end->world;
    uint64_t place = (uint64_t)line << 8 | end->index / 2;
    struct sctp_origin origin = {&place, sizeof place};
    struct sctp_association *made = NULL;
    uint8_t reply[SCTP_REPLY_MAX];
    size_t reply_length = 0;
    switch (sctp_listener_input(end->listener, world->now_us, &origin, sim_end_net(end, line),
                                packet, length, end->association, reply, &reply_length, &made)) {
    case SCTP_HEARD_NOTHING:
    case SCTP_HEARD_EXISTING:
        break;
    case SCTP_HEARD_REPLY:
    case SCTP_HEARD_UNLIKE:
        if (reply_length > 3 * length)
            sim_world_fail(world, "end %u: %zu bytes answered by %zu", end->index, length,
                           reply_length);
        sim_world_transmit(end, line, reply, reply_length);
        break;
    case SCTP_HEARD_RESTARTED:
        end->restarted++;
        end->reason = ERR_TRANSPORT_RESTARTED;
        sim_end_forget(end);
        adopt(end, made);
        break;
    case SCTP_HEARD_MADE:
        if (is_up(end)) /* else it is over, and its user sleeps */
            sim_world_fail(world, "end %u: a second association", end->index);
        sim_end_forget(end);
        adopt(end, made);
        end->line = line;
        break;
    }
}

void sim_end_receive(struct sim_end *end, unsigned line, uint8_t *packet, size_t length)
{
    struct sctp_header header;
    bool has_data = false;
    if (!sctp_wire_check(packet, length, &header) || header.destination != end->options.own_port)
        return;
    bool begins = begins_association(packet, length, &has_data);
    if (end->world->options.says)
        sim_say_packet(end, "reads", line, packet, length);
    end->packets_in++;
    end->data_in += has_data;
    if (begins) {
        hear(end, line, packet, length);
    } else if (end->association) {
        sctp_association_input(end->association, end->world->now_us, sim_end_net(end, line), packet,
                               length);
    } else {
        uint8_t reply[SCTP_REPLY_MAX];
        size_t reply_length = sctp_listener_ootb(packet, length, reply);
        if (reply_length > length)
            sim_world_fail(end->world, "end %u: a stray is answered by more", end->index);
        end->strays_out += reply_length > 0;
        if (reply_length)
            sim_world_transmit(end, line, reply, reply_length);
    }
}

void sim_end_read(struct sim_end *end)
{
    end->batches_in++;
    if (end->association)
        sctp_association_input_end(end->association, end->world->now_us);
    sim_end_pump(end);
}

void sim_end_timeout(struct sim_end *end)
{
    uint64_t ms = end->world->now_us / SIM_MS;
    if (ms != end->ms)
        end->outputs_in_ms = end->timeouts_in_ms = end->bytes_in_ms = 0;
    end->ms = ms;
    if (++end->timeouts_in_ms > end->timeouts_most)
        end->timeouts_most = end->timeouts_in_ms;
    if (end->world->options.says)
        sim_say(end, "timer");
    sctp_association_timeout(end->association, end->world->now_us);
    sim_end_pump(end);
    uint64_t deadline = end->association ? sctp_association_deadline(end->association) : SCTP_NEVER;
    if (deadline <= end->world->now_us)
        sim_world_fail(end->world, "end %u: deadline %llu is not after now", end->index,
                       (unsigned long long)deadline);
}

/* ---- events ---- */

static void went_down(struct sim_end *end, const struct sctp_event *event)
{
    struct sctp_status status;
    sctp_association_status(end->association, &status);
    end->reason = event->reason;
    end->is_down = end->user.saw_down = true;
    end->ended++;
    if (event->text_length > SCTP_TEXT_MAX)
        sim_world_fail(end->world, "end %u: a text of %zu bytes", end->index, event->text_length);
    bool in_order = event->reason == ERR_TRANSPORT_CLOSED || event->reason == ERR_LOCAL_SHUTDOWN;
    if (in_order && end->user.is_up && !end->user.is_aborted && !end->world->options.is_forged &&
        (status.queued || status.held))
        sim_world_fail(end->world, "end %u is closed with %zu queued, %zu held", end->index,
                       status.queued, status.held);
}

static void on_event(struct sim_end *end, const struct sctp_event *event)
{
    switch (event->kind) {
    case SCTP_EVENT_ANSWERED:
        sim_user_answered(end);
        break;
    case SCTP_EVENT_UP:
        sim_user_up(end, event->streams);
        break;
    case SCTP_EVENT_MESSAGE:
        if (!end->user.is_up)
            sim_world_fail(end->world, "end %u: a message before UP", end->index);
        sim_user_message(end, event->message);
        break;
    case SCTP_EVENT_WRITABLE:
        break;
    case SCTP_EVENT_AUTH_SETTLED:
        end->settled++;
        end->settled_key = event->key;
        break;
    case SCTP_EVENT_PEER_CLOSING:
        end->user.is_closing = true;
        break;
    case SCTP_EVENT_DOWN:
        went_down(end, event);
        break;
    }
}

static unsigned pull(struct sim_end *end)
{
    struct sctp_event event;
    unsigned count = 0;
    while (!end->is_asleep && sctp_association_event(end->association, &event)) {
        if (end->is_down)
            sim_world_fail(end->world, "end %u: event %d after DOWN", end->index, event.kind);
        on_event(end, &event);
        if (++count > OUTPUTS_AT_ONCE) {
            sim_world_fail(end->world, "end %u: events without end", end->index);
            break;
        }
    }
    return count;
}

/* ---- out ---- */

/* DATA of a packet: how much of it, and whether all of it was sent before. */
static void look_at_data(struct sim_end *end, const struct sctp_chunk *chunk, unsigned *count,
                         bool *repeats)
{
    struct sctp_data data;
    if (!sctp_wire_read_data(chunk, &data))
        return;
    bool is_new = !end->has_sent || (int32_t)(data.tsn - end->highest_tsn) > 0;
    if (is_new)
        end->highest_tsn = data.tsn;
    end->has_sent = true;
    *repeats = !is_new && (*repeats || !*count);
    ++*count;
}

/* A packet that was cut before its net shrank, or for another one, goes as it was made. */
static void look_at_packet(struct sim_end *end, unsigned line, const uint8_t *packet, size_t length,
                           const struct sctp_wants *wants)
{
    struct sim_world *world = end->world;
    struct wire_reader chunks = sctp_wire_chunks(packet, length);
    struct sctp_chunk chunk;
    struct sctp_header header;
    unsigned count = 0;
    bool repeats = false;
    while (sctp_wire_next_chunk(&chunks, &chunk)) {
        end->sacks_out += chunk.type == SCTP_CHUNK_SACK;
        if (chunk.type == SCTP_CHUNK_DATA)
            look_at_data(end, &chunk, &count, &repeats);
    }
    if (length > end->largest)
        end->largest = length;
    if (!length || length > wants->size || (wants->full && length != wants->size))
        sim_world_fail(world, "end %u: a packet of %zu bytes, %zu wanted%s", end->index, length,
                       wants->size, wants->full ? ", full" : "");
    if (length > end->mtu[line] && !(repeats && count == 1))
        sim_world_fail(world, "end %u: a packet of %zu bytes on a net of %u", end->index, length,
                       end->mtu[line]);
    if (!world->options.is_light && !sctp_wire_check(packet, length, &header))
        sim_world_fail(world, "end %u sends a packet that does not add up", end->index);
}

static unsigned take_outputs(struct sim_end *end)
{
    static uint8_t room[65536];
    struct sim_world *world = end->world;
    struct sctp_wants wants;
    unsigned count = 0;
    while (sctp_association_wants(end->association, world->now_us, &wants)) {
        unsigned line = sim_end_net(end, wants.net);
        if (line >= world->options.lines || wants.size > sizeof room) {
            sim_world_fail(world, "end %u wants net %u, %zu bytes", end->index, wants.net,
                           wants.size);
            break;
        }
        size_t length = sctp_association_output(end->association, world->now_us, &wants, room);
        look_at_packet(end, line, room, length, &wants);
        if (world->options.says)
            sim_say_packet(end, "sends", line, room, length);
        if (world->wrong[0])
            break;
        sim_world_transmit(end, line, room, length);
        if (++count > OUTPUTS_AT_ONCE) {
            sim_world_fail(world, "end %u: packets without end", end->index);
            break;
        }
    }
    return count;
}

/* ---- what must hold ---- */

struct flights {
    uint64_t in_flight[SIM_LINES];
    uint64_t probes;
};

static void note_flights(const struct sim_end *end, struct flights *flights)
{
    struct sctp_net_status net;
    struct sctp_status status;
    sctp_association_status(end->association, &status);
    flights->probes = status.probes + status.timeouts;
    for (unsigned i = 0; i < end->world->options.lines; i++)
        flights->in_flight[i] =
            sctp_association_net_status(end->association, sim_end_net(end, i), &net) ? net.in_flight
                                                                                     : 0;
}

/* Bytes in flight may exceed the window where that shrank; they may not grow then, but by what goes
 * at once, and by one probe (RFC 8985 section 7.3). */
static void check_windows(struct sim_end *end, const struct flights *before)
{
    struct sctp_net_status net;
    struct sctp_status status;
    sctp_association_status(end->association, &status);
    bool probed = status.probes + status.timeouts != before->probes;
    for (unsigned i = 0; i < end->world->options.lines; i++) {
        if (!sctp_association_net_status(end->association, sim_end_net(end, i), &net))
            continue;
        uint64_t quantum = net.pace / 1000;
        quantum = quantum > QUANTUM_MAX ? QUANTUM_MAX : quantum;
        quantum = quantum < 2 * end->mtu[i] ? 2 * end->mtu[i] : quantum;
        quantum += end->largest; /* a repeated one may be larger than its net takes */
        uint64_t grown = net.in_flight - before->in_flight[i];
        if (net.in_flight > before->in_flight[i] && net.in_flight > net.window + quantum &&
            !(probed && grown <= end->largest))
            sim_world_fail(end->world, "end %u: %llu bytes in flight, the window is %llu",
                           end->index, (unsigned long long)net.in_flight,
                           (unsigned long long)net.window);
    }
}

static uint64_t rto_of(const struct sim_end *end)
{
    struct sctp_net_status net;
    uint64_t most = 0;
    for (unsigned i = 0; i < end->world->options.lines; i++)
        if (sctp_association_net_status(end->association, sim_end_net(end, i), &net) &&
            net.rto_us > most)
            most = net.rto_us;
    return most;
}

static void check_progress(struct sim_end *end)
{
    struct sim_world *world = end->world;
    const struct sim_user *user = &end->user, *there = &end->peer->user;
    bool waits = user->messages_out > there->messages_in && user->is_up && there->is_up &&
                 !end->peer->is_asleep && end->peer->association && !end->is_down && !world->cuts;
    if (!waits || !end->waited || there->messages_in != end->progress_messages ||
        end->progress_us < world->worked_us) {
        end->progress_us = world->now_us;
        end->rto_most_us = 0;
    }
    uint64_t rto = rto_of(end);
    if (rto > end->rto_most_us)
        end->rto_most_us = rto;
    end->waited = waits;
    end->progress_messages = there->messages_in;
    uint64_t gap = world->now_us - end->progress_us;
    if (gap > end->longest_gap_us)
        end->longest_gap_us = gap;
    if (world->options.patience && gap > 3 * SIM_SEC &&
        gap > world->options.patience * end->rto_most_us)
        sim_world_fail(world, "end %u: nothing arrives for %.3f s, RTO %.3f s", end->index,
                       (double)gap / SIM_SEC, (double)end->rto_most_us / SIM_SEC);
}

static void check_status(struct sim_end *end)
{
    struct sim_world *world = end->world;
    struct sctp_status status;
    sctp_association_status(end->association, &status);
    if (status.memory > end->memory_most)
        end->memory_most = status.memory;
    if (status.held > end->held_most)
        end->held_most = status.held;
    if (world->options.memory_limit && status.memory > world->options.memory_limit)
        sim_world_fail(world, "end %u: %zu bytes of memory", end->index, status.memory);
    size_t most = end->options.buffer + 2u * MESSAGE_MAX; /* a message, and a packet of others */
    if (status.held > (world->options.is_forged ? 2 * most : most))
        sim_world_fail(world, "end %u: holds %zu bytes", end->index, status.held);
    if (status.queued > QUEUE_MAX)
        sim_world_fail(world, "end %u: %zu bytes queued", end->index, status.queued);
}

void sim_end_pump(struct sim_end *end)
{
    struct sim_world *world = end->world;
    if (!end->association)
        return;
    bool looks = !world->options.is_light || world->steps % 64 == 0;
    struct flights before = {0};
    if (looks)
        note_flights(end, &before);
    for (unsigned i = 0; !world->wrong[0]; i++) {
        unsigned pulled = pull(end);
        if (!end->is_down)
            sim_user_send(end);
        if (!take_outputs(end) && !pulled)
            break;
        if (i > OUTPUTS_AT_ONCE)
            sim_world_fail(world, "end %u: events and packets without end", end->index);
    }
    if (world->options.says)
        sim_say(end, "is done");
    if (!end->is_down && looks) {
        check_windows(end, &before);
        check_status(end);
        check_progress(end);
    }
    if (end->is_down)
        sim_end_forget(end);
}
