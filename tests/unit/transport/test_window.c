#include "transport/window.h"

#include "tests/lib/tap.h"

#define UNIT   1460
#define RTT_US 100000
#define MB     1000000

/* usrsctp over a line: what it does to its window between two looks, every ms. */
struct line {
    struct window window;
    uint64_t now_us;
    uint32_t congestion_window;
    uint64_t delivered;
};

static void start(struct line *line, uint32_t congestion_window)
{
    *line = (struct line){.now_us = 1000000, .congestion_window = congestion_window};
    window_init(&line->window, UNIT);
}

static void look(struct line *line, bool used)
{
    line->now_us += 1000;
    if (line->window.limit && line->congestion_window > line->window.limit)
        line->congestion_window = line->window.limit;
    line->congestion_window =
        window_update(&line->window, line->now_us, line->congestion_window,
                      used ? line->congestion_window : 10000, RTT_US, line->delivered);
}

static void run(struct line *line, uint32_t ms, bool used)
{
    while (ms--)
        look(line, used);
}

/* A round trip of 50 samples that take so much longer than the line. */
static void sample(struct line *line, uint32_t longer_us)
{
    for (int i = 0; i < 50; i++) {
        run(line, 2, true);
        uint64_t sent_us = line->now_us - RTT_US - longer_us;
        window_sample(&line->window, sent_us, line->congestion_window / 2, line->now_us, true);
    }
}

static void slow_start(void)
{
    struct line line;
    start(&line, 64000);
    sample(&line, 0);
    line.congestion_window = 128000;
    sample(&line, 3000);
    ok(window_is_starting(&line.window) && line.congestion_window == 128000 && !line.window.limit,
       "slow start is usrsctp's");
    line.congestion_window = 4 * MB;
    sample(&line, 0);
    ok(line.window.limit == 6 * MB, "but a large window does not double (%u)", line.window.limit);
    sample(&line, 20000);
    uint32_t careful = line.congestion_window;
    ok(!window_is_starting(&line.window) && careful >= 2 * MB && careful <= 3 * MB,
       "a queue: back to the window with which it began to grow (%u)", careful);
    sample(&line, 0);
    sample(&line, 0);
    ok(window_is_starting(&line.window), "it has gone: on");
    sample(&line, 20000);
    sample(&line, 20000);
    sample(&line, 20000);
    ok(line.window.state == WINDOW_CUBIC && line.window.limit == line.congestion_window,
       "it stays: slow start is over");
    sample(&line, 0);
    sample(&line, 0);
    ok(line.window.state == WINDOW_START, "until it has gone");
}

static void near(void)
{
    struct line line;
    start(&line, 4 * MB);
    for (int i = 0; i < 1000; i++) {
        run(&line, 1, true);
        window_sample(&line.window, line.now_us - (i < 500 ? 100 : 50000), MB, line.now_us, false);
    }
    ok(window_is_starting(&line.window), "a near line has no queue worth looking at");
}

/* usrsctp halves it. */
static void lose(struct line *line)
{
    line->congestion_window /= 2;
    look(line, true);
}

static void loss(void)
{
    struct line line;
    start(&line, 10 * MB);
    run(&line, 10, true);
    lose(&line);
    uint32_t low = line.congestion_window;
    ok(low > 6.98 * MB && low <= 7 * MB, "a loss leaves seven tenths (%u)", low);
    /* K = cbrt(3 MB / 1460 / 0.4) = 17.2 s */
    run(&line, 8000, true);
    ok(line.congestion_window > 9 * MB, "quickly back at first (%u)", line.congestion_window);
    run(&line, 9200, true);
    uint32_t back = line.congestion_window;
    ok(back > 9.9 * MB && back < 10.1 * MB, "then as it was (%u)", back);
    run(&line, 5000, true);
    ok(line.congestion_window < 10.3 * MB, "there it lingers (%u)", line.congestion_window);
    run(&line, 10000, true);
    ok(line.congestion_window > 11 * MB, "and goes on (%u)", line.congestion_window);
    ok(line.window.limit == line.congestion_window, "usrsctp does not grow it");
    uint32_t before = line.congestion_window;
    run(&line, 20000, false);
    ok(line.congestion_window < before + before / 100, "what is not used does not grow (%u)",
       line.congestion_window);
}

static void losses(void)
{
    struct line line;
    start(&line, 10 * MB);
    run(&line, 10, true);
    lose(&line);
    lose(&line);
    ok(line.window.highest < 7 * MB * 0.86 && line.congestion_window <= 4.9 * MB,
       "a second one: it gives way to others");
    start(&line, 20 * UNIT);
    run(&line, 10, true);
    lose(&line);
    uint32_t low = line.congestion_window;
    ok(low == 14 * UNIT, "a small window (%u)", low / UNIT);
    run(&line, 3000, true); /* 6 / 0.53 round trips, then one packet in each */
    uint32_t grown = line.congestion_window / UNIT;
    ok(grown >= 34 && grown <= 42, "grows as Reno's (%u)", grown);
}

static void timeout(void)
{
    struct line line;
    start(&line, 10 * MB);
    run(&line, 10, true);
    line.congestion_window = UNIT + 12;
    look(&line, true);
    ok(line.congestion_window == 2 * UNIT && window_is_starting(&line.window),
       "a time-out: slow start anew");
    line.congestion_window = UNIT + 12;
    look(&line, true);
    ok(line.window.limit == 7 * MB, "to where it would be without, also after another one (%u)",
       line.window.limit);
    line.congestion_window = 7 * MB;
    look(&line, true);
    ok(line.window.state == WINDOW_CUBIC, "from there on slowly");
    run(&line, 20000, true);
    ok(line.congestion_window > 9.9 * MB, "to where it was (%u)", line.congestion_window);
}

/* usrsctp enters a fast recovery behind the time-out, in which its window stands still. */
static void timeout_in_recovery(void)
{
    struct line line;
    start(&line, MB);
    look(&line, true);
    line.congestion_window = UNIT;
    look(&line, true);
    uint32_t restart = line.congestion_window;
    run(&line, 1000, true);
    ok(restart == 2 * UNIT && line.congestion_window == restart,
       "what stands still after a time-out stays while nothing arrives");
    line.delivered = MB;
    look(&line, true);
    restart = line.congestion_window;
    for (int i = 0; i < 10; i++) {
        line.delivered -= 16;
        look(&line, true);
    }
    ok(line.congestion_window == restart, "and while what waits only gets headers (%u)",
       line.congestion_window);
    line.delivered = MB;
    for (int round_trip = 0; round_trip < 4; round_trip++) {
        line.delivered += line.congestion_window;
        look(&line, true);
    }
    ok(line.congestion_window == 16 * restart, "else it doubles with each round trip (%u)",
       line.congestion_window);
    line.delivered += MB;
    look(&line, false);
    ok(line.congestion_window == 16 * restart, "if it is used up");
    line.delivered += MB;
    look(&line, true);
    ok(line.congestion_window == 32 * restart, "never more, whatever a filled gap brings (%u)",
       line.congestion_window);
    for (int round_trip = 0; round_trip < 10 && window_is_starting(&line.window); round_trip++) {
        line.delivered += line.congestion_window;
        look(&line, true);
    }
    ok(line.congestion_window > 0.69 * MB && line.congestion_window <= 0.71 * MB,
       "to where slow start ends (%u)", line.congestion_window);
}

int main(void)
{
    slow_start();
    near();
    loss();
    losses();
    timeout();
    timeout_in_recovery();
    return tap_done();
}
