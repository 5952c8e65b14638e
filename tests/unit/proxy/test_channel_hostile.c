/* A client that is let in and sends what costs much more than it carries: single bytes, credit,
 * records of nothing but small frames. It holds up itself: in one turn of the server's loop so much
 * is done for it, and no more. The test counts frames and system calls, never time; the length of a
 * turn is a remark only. */
#include <sys/syscall.h>

#include "base/wire.h"
#include "mux/frame.h"
#include "tests/unit/proxy/bed.h"

static unsigned sendmsgs; /* of the whole program */

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    sendmsgs++;
    return syscall(SYS_sendmsg, fd, message, flags);
}

#define LEASE 1 /* the first one of a session */

enum pattern { BYTES, BYTE_RECORDS, CREDITS };

struct attack {
    struct bed bed;
    struct channel *from, *to; /* the hostile client's, the server's */
    struct pair *pair;
};

/* Of this thread's processor: other programs do not count. */
static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct channel *with_connection(struct side *side)
{
    for (uint16_t id = 1; id <= side_link(side)->streams.max; id++)
        if (side_channel(side, id) && side_channel(side, id)->connection)
            return side_channel(side, id);
    return NULL;
}

static void begin(struct attack *attack)
{
    struct bed *bed = &attack->bed;
    bed_init(bed, 1, 1, false);
    bed->server.config.window.initial = bed->server.config.window.max = 1 << 20;
    bed_start(bed);
    bed_up(bed);
    attack->pair = bed_connect(bed, end_holds(10), end_holds(10));
    bed_reach(bed, attack->pair->client.received == 10 && attack->pair->target->received == 10);
    attack->from = with_connection(&bed->client);
    must(attack->from);
    attack->to = side_channel(&bed->server, attack->from->stream);
    must(attack->to && attack->to->connection);
    attack->pair->target->plan.bytes = 0; /* the bytes to come follow no plan */
}

static size_t put(struct wire_writer *w, enum pattern pattern)
{
    if (pattern == CREDITS) {
        frame_put_number(w, FRAME_CREDIT, LEASE, 1);
        return 0;
    }
    frame_put(w, FRAME_DATA, LEASE, 1);
    wire_put_bytes(w, "x", 1);
    return 1;
}

/* A record's plaintext, as full as the pattern has it; how many bytes of DATA. */
static size_t make(enum pattern pattern, uint8_t *record, size_t *length)
{
    struct wire_writer w = wire_writer(record, MUX_RECORD_MAX);
    size_t bytes = 0, each = pattern == CREDITS ? 12 : 5;
    do
        bytes += put(&w, pattern);
    while (pattern != BYTE_RECORDS && (size_t)(w.end - w.at) >= each);
    *length = (size_t)(w.at - record);
    return bytes;
}

/* Puts them straight into the server's session, as if they had come in one turn. */
static size_t flood(struct attack *attack, enum pattern pattern, unsigned records)
{
    static uint8_t record[MUX_RECORD_MAX];
    struct bed *bed = &attack->bed;
    struct link *link = side_link(&bed->client);
    size_t length, all = 0;
    for (unsigned i = 0; i < records; i++) {
        all += make(pattern, record, &length);
        must(tls_session_write(attack->from->session, record, length) == ERR_OK);
        struct message *message;
        struct link_stream *stream = &link->streams.list[attack->from->stream];
        while ((message = message_queue_pop(&stream->out))) {
            link->group.queued -= message->length;
            channel_sent(attack->from, message->length);
            message->epoch = attack->to->epoch;
            channel_feed(attack->to, message);
        }
        stream->wants = false;
        scheduler_remove(&link->sending.scheduler, &stream->entry);
    }
    return all;
}

/* The records' frames are handled over several turns, at most `most` bytes or records in each. */
static void bounded(enum pattern pattern, const char *what, unsigned records, size_t most)
{
    struct attack attack;
    begin(&attack);
    struct bed *bed = &attack.bed;
    struct loop *loop = bed->server.workers[0].loop;
    size_t bytes = flood(&attack, pattern, records);
    uint64_t first = mux_stream_received(attack.to->mux), longest = 0;
    size_t most_bytes = 0, turns = 0;
    unsigned before = sendmsgs, most_calls = 0;
    while (attack.to->mux && attack.to->input.fed && turns < 1000000) {
        uint64_t begun = now_us(), at = mux_stream_received(attack.to->mux);
        unsigned calls = sendmsgs;
        loop_turn(loop, 0);
        turns++;
        uint64_t took = now_us() - begun;
        longest = took > longest ? took : longest;
        must(attack.to->mux);
        size_t done = (size_t)(mux_stream_received(attack.to->mux) - at);
        most_bytes = done > most_bytes ? done : most_bytes;
        most_calls = sendmsgs - calls > most_calls ? sendmsgs - calls : most_calls;
    }
    tap_note("%s: %u records, %zu turns, the longest of %llu us, %u sendmsg, %zu bytes in a turn",
             what, records, turns, (unsigned long long)longest, sendmsgs - before, most_bytes);
    ok(mux_stream_received(attack.to->mux) - first == bytes, "%s: all %zu bytes are taken", what,
       bytes);
    ok(most_bytes <= most && (turns >= records / 300 || !records),
       "no more than %zu of them in one turn", most);
    ok(most_calls <= 2, "which writes them with one call (%u)", most_calls);
    end_reset(&attack.pair->client);
    ends_clear(&bed->ends);
    bed_fini(bed);
}

/* Nobody keeps what comes faster than it is handled. */
static void too_much(void)
{
    struct attack attack;
    begin(&attack);
    struct bed *bed = &attack.bed;
    flood(&attack, CREDITS, 1000);
    bed_expect(bed, !attack.to->connection && side_count(&bed->server, children_failed) == 1,
               "16 MB of small frames that wait: the stream's session ends");
    ends_clear(&bed->ends);
    struct pair *pair = bed_connect(bed, end_sends(100), end_sends(100));
    bed_expect(bed, pair_is_complete(pair), "the association goes on");
    bed_fini(bed);
}

/* ---- the control channel ---- */

/* Puts so many full records of PING into the server's master, as if they had come in one turn. */
static void flood_control(struct bed *bed, unsigned records)
{
    static uint8_t record[MUX_RECORD_MAX];
    struct link *from = side_link(&bed->client), *to = side_link(&bed->server);
    struct wire_writer w = wire_writer(record, sizeof record);
    while (frame_fits(&w, 8))
        frame_put_number(&w, FRAME_PING, 0, 1);
    for (unsigned i = 0; i < records; i++) {
        must(tls_session_write(from->masters.first.session, record, (size_t)(w.at - record)) ==
             ERR_OK);
        struct message *message;
        while ((message = message_queue_pop(&from->streams.list[0].out))) {
            from->group.queued -= message->length;
            if (to->state == LINK_READY)
                to->transport.events.on_message(&to->transport.events, message);
            else
                message_free(message);
        }
        from->streams.list[0].wants = false;
        scheduler_remove(&from->sending.scheduler, &from->streams.list[0].entry);
    }
}

static void control_bounded(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    struct link_master *master = &side_link(&bed.server)->masters.first;
    struct loop *loop = bed.server.workers[0].loop;
    loop_turn(loop, 0);
    flood_control(&bed, 40);
    size_t turns = 0, most = 0, all = master->input;
    while (master->taker.waits && turns < 1000) {
        size_t before = master->input;
        loop_turn(loop, 0);
        turns++;
        most = before - master->input > most ? before - master->input : most;
    }
    ok(all > 500000, "%zu KB of PING wait", all / 1024);
    ok(!master->input && !master->taker.waits, "and are all handled");
    ok(turns >= 10 && most <= 3 * MUX_RECORD_MAX, "in %zu turns, at most %zu bytes in each", turns,
       most);
    struct pair *pair = bed_connect(&bed, end_sends(100), end_sends(100));
    bed_expect(&bed, pair_is_complete(pair), "and the association goes on");
    bed_fini(&bed);
}

static void control_too_much(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    flood_control(&bed, 100);
    bed_expect(&bed, side_count(&bed.server, associations_up) == 0,
               "1.6 MB of PING that wait: the association ends");
    bed_expect(&bed, side_is_up(&bed.client) && side_is_up(&bed.server), "and another one begins");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    bounded(BYTES, "records of single bytes", 80, 2 * 3276);
    bounded(BYTE_RECORDS, "a record for each byte", 20000, TURN_TAKER_MAX / MUX_COST_RECORD + 1);
    bounded(CREDITS, "records of CREDIT", 200, 0);
    too_much();
    control_bounded();
    control_too_much();
    message_cache_clear();
    return tap_done();
}
