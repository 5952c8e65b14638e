/* The bound of bytes that wait in the kernel's SCTP, on lines of several kinds. */
#include "transport/kernel/send_limit.h"

#include <stdbool.h>

#include "tests/lib/tap.h"

/* A sender that always fills the limit, every ms, over a line of so many bytes a second. */
struct line {
    struct send_limit limit;
    uint64_t now_us;
    size_t waiting;
    uint64_t delivered;
};

static void run(struct line *line, uint64_t rate, uint32_t window, uint32_t rtt_us, uint64_t for_us)
{
    const uint64_t step = 1000;
    for (uint64_t end = line->now_us + for_us; line->now_us < end; line->now_us += step) {
        size_t most = window * step / (rtt_us > step ? rtt_us : step); /* a window a round trip */
        size_t gone = rate * step / 1000000 < most ? rate * step / 1000000 : most;
        gone = gone < line->waiting ? gone : line->waiting;
        line->waiting -= gone;
        line->delivered += gone;
        send_limit_update(&line->limit, line->now_us, line->waiting, window, rtt_us);
        if (line->waiting < line->limit.limit) {
            send_limit_give(&line->limit, line->limit.limit - line->waiting);
            line->waiting = line->limit.limit;
        }
    }
}

static void start(struct line *line)
{
    *line = (struct line){.now_us = 1000000};
    send_limit_init(&line->limit);
}

static void depth(void)
{
    struct line line;
    start(&line);
    ok(line.limit.limit >= 100000 && line.limit.resume < line.limit.limit,
       "a burst is taken at once");
    size_t burst = line.limit.limit;
    run(&line, 1000000000, 4 << 20, 50, 200000);
    ok(line.limit.limit == burst, "a fast line without a round trip needs no more (%zu)",
       line.limit.limit);
    start(&line);
    run(&line, 1000000000, 4 << 20, 5000, 500000);
    ok(line.limit.limit >= 4 << 20 && line.delivered > 300000000,
       "with one of 5 ms it needs the whole window (%zu)", line.limit.limit);
    start(&line);
    run(&line, 12500000, 1 << 20, 50000, 2000000);
    ok(line.limit.limit >= 1 << 20, "100 Mbit/s over 50 ms: the whole window (%zu)",
       line.limit.limit);
    ok(line.limit.limit <= (1 << 20) + 128 * 1024, "and little beyond it");
    ok(line.limit.resume > 1 << 20, "writable before the window runs empty");
    size_t before = line.limit.limit;
    line.now_us += 5000000;
    run(&line, 12500000, 1 << 20, 50000, 10000);
    ok(line.limit.limit > before / 2, "a pause does not count as a slow line");
    /* A queue that makes its own round trips: 40 ms as long as more than the depth waits. */
    start(&line);
    run(&line, 100000000, 32 << 20, 2000, 100000);
    size_t most = 0;
    for (int i = 0; i < 6000; i++) {
        run(&line, 100000000, 32 << 20, line.waiting > 300000 ? 40000 : 2000, 10000);
        if (i > 3000 && line.limit.limit > most)
            most = line.limit.limit;
    }
    ok(most < 2000000, "its own queue does not count as the line's round trip (%zu)", most);
    start(&line);
    bool sane = true;
    for (uint32_t window = 1000; window < 4000000; window *= 2) {
        send_limit_update(&line.limit, line.now_us += 7000, 0, window, 1000);
        sane = sane && line.limit.resume < line.limit.limit && line.limit.resume > 0;
    }
    ok(sane, "there is always room below the limit");
}

static void pace(void)
{
    struct line line;
    start(&line);
    run(&line, 100000000, 4 << 20, 100, 200000);
    ok(line.limit.pace == 0, "nobody needs to care about the pace of a near line");
    start(&line);
    send_limit_update(&line.limit, line.now_us, 0, 17000, 20000);
    ok(line.limit.paced_rate > 3 * (17000 * 1000000ull / 20000),
       "the first window is sent in a part of the round trip");
    start(&line);
    run(&line, 100000000, 17000, 20000, 2000000);
    ok(line.limit.limit > 17000 && line.limit.limit < 17000 + 8192,
       "a window made small by losses is all that waits, nearly (%zu)", line.limit.limit);
    ok(line.limit.pace >= 1200 && line.limit.pace < 3000, "its pace is about a packet (%u)",
       line.limit.pace);
    line.limit.paced_until_us = 0;
    send_limit_accept(&line.limit, line.now_us, 1700);
    ok(send_limit_wait(&line.limit, line.now_us) == 0, "a packet and another leave at once");
    send_limit_accept(&line.limit, line.now_us, 1700);
    uint64_t wait_us = send_limit_wait(&line.limit, line.now_us);
    ok(wait_us > 2000 && wait_us < 4000, "the next waits for %d us", (int)wait_us);
    ok(send_limit_wait(&line.limit, line.now_us + wait_us) == 0, "and no later");
    uint64_t rate = line.limit.paced_rate, window_rate = 17000 * 1000000ull / 20000;
    ok(rate > window_rate && rate < window_rate * 14 / 10,
       "a full window is sent a little faster than it fits the round trip");
    for (int i = 0; i < 10; i++) {
        line.now_us += 21000;
        send_limit_accept(&line.limit, line.now_us, 17000);
        send_limit_wait(&line.limit, line.now_us);
        send_limit_update(&line.limit, line.now_us, 9000, 17000, 20000);
    }
    ok(line.limit.paced_rate > 10 * rate, "a window that does not fill hastens the pace (%d)",
       (int)(line.limit.paced_rate / rate));
    run(&line, 100000000, 2 << 20, 20000, 2000000);
    send_limit_accept(&line.limit, line.now_us, 100000);
    ok(send_limit_wait(&line.limit, line.now_us) == 0, "a fast line is not paced");
    ok(line.limit.pace > 100000, "and grows with the window (%u)", line.limit.pace);
}

int main(void)
{
    depth();
    pace();
    return tap_done();
}
