/* The frames of a record, and their order. */
#include "tests/unit/mux/stream_fixture.h"

static void test_one_record(void)
{
    struct fixture f;
    fixture_start_unbound(&f, MUX_CLIENT);
    peer_bind(&f, 0, 9, 5);
    struct mux_open open = {1, "web", ""};
    mux_stream_open(f.stream, &open);
    mux_stream_readable(f.stream);
    f.source = "GET /";
    f.source_left = 5;
    f.source_ends = true;
    ok(strcmp(drained(&f), "BIND0 OPEN1 DATA1 FIN1") == 0, "a whole request is one record");
    ok(last_number(&f) == 5, "FIN has the final offset");
    ok(!mux_stream_wants_drain(f.stream), "nothing is left");
    fixture_stop(&f);
}

static void test_server_waits(void)
{
    struct fixture f;
    fixture_start_opening(&f, MUX_SERVER);
    f.source_left = 5;
    mux_stream_readable(f.stream);
    ok(!mux_stream_wants_drain(f.stream) && strcmp(drained(&f), "") == 0,
       "L7: a server sends nothing before ACCEPT");
    peer_accept(&f, 1);
    ok(mux_stream_wants_drain(f.stream) && strcmp(drained(&f), "DATA1") == 0, "L7: but then");
    fixture_stop(&f);
}

static void test_short_fill(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    f.source_left = 10;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "DATA1") == 0, "ten bytes");
    f.source_left = 10;
    ok(!mux_stream_wants_drain(f.stream) && strcmp(drained(&f), "") == 0,
       "a short fill means empty until mux_stream_readable");
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "DATA1") == 0, "which asks again");
    fixture_stop(&f);
}

static void test_credit_stops(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    f.source_left = 5000;
    f.source_ends = true;
    mux_stream_readable(f.stream);
    drained(&f);
    ok(mux_stream_sent(f.stream) == WINDOW, "D2: as much as the peer's window");
    ok(!mux_stream_wants_drain(f.stream), "D2: and then it waits");
    peer_number(&f, FRAME_CREDIT, 1, WINDOW);
    peer_number(&f, FRAME_CREDIT, 1, 10);
    ok(!mux_stream_wants_drain(f.stream), "D2: an old offset changes nothing");
    peer_number(&f, FRAME_CREDIT, 1, UINT64_MAX);
    ok(mux_stream_wants_drain(f.stream), "D2: a new one does");
    ok(strcmp(drained(&f), "DATA1 FIN1") == 0 && last_number(&f) == 5000, "to the end");
    fixture_stop(&f);
}

static void test_full_records(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    peer_number(&f, FRAME_CREDIT, 1, 1 << 20);
    f.source_left = 2 * FRAME_DATA_MAX;
    f.source_ends = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "DATA1") == 0 && f.out_length == MUX_RECORD_MAX, "a full record");
    ok(mux_stream_wants_drain(f.stream), "more to come");
    ok(strcmp(drained(&f), "DATA1") == 0, "FIN does not fit behind the last bytes");
    ok(strcmp(drained(&f), "FIN1") == 0, "so it has a record of its own");
    fixture_stop(&f);
}

static void test_small_capacity(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    f.source_left = WINDOW;
    mux_stream_readable(f.stream);
    ok(mux_stream_drain(f.stream, f.out, 512) == 512 && mux_stream_sent(f.stream) == 508,
       "no more than the capacity");
    fixture_stop(&f);
}

static void test_sends_credit(void)
{
    struct fixture f;
    fixture_start(&f, MUX_SERVER);
    peer_open(&f, 1);
    char text[WINDOW / 2 + 1];
    memset(text, 'x', WINDOW / 2);
    text[WINDOW / 2] = '\0';
    peer_data(&f, 1, text);
    mux_stream_consumed(f.stream, WINDOW / 4 - 1);
    mux_stream_accept(f.stream);
    ok(strcmp(drained(&f), "ACCEPT1") == 0, "D3: no CREDIT before a quarter was taken");
    mux_stream_consumed(f.stream, 1);
    ok(strcmp(drained(&f), "CREDIT1") == 0 && last_number(&f) == WINDOW + WINDOW / 4, "D3: then");
    mux_stream_consumed(f.stream, WINDOW / 4);
    peer_number(&f, FRAME_FIN, 1, WINDOW / 2);
    ok(strcmp(drained(&f), "") == 0, "D3: none after the peer's FIN");
    fixture_stop(&f);
}

static void test_credit_waits_for_answer(void)
{
    struct fixture f;
    fixture_start(&f, MUX_SERVER);
    peer_open(&f, 1);
    peer_data(&f, 1, "0123456789");
    char text[WINDOW / 2 + 1];
    memset(text, 'x', WINDOW / 2);
    text[WINDOW / 2] = '\0';
    peer_data(&f, 1, text);
    mux_stream_consumed(f.stream, WINDOW / 2);
    ok(!mux_stream_wants_drain(f.stream) && strcmp(drained(&f), "") == 0,
       "L6: no CREDIT before the answer");
    mux_stream_accept(f.stream);
    ok(strcmp(drained(&f), "ACCEPT1 CREDIT1") == 0, "L6: but behind it");
    fixture_stop(&f);
}

static void test_reset_in_fill(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    f.source_left = 10;
    f.reset_in_fill = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "DATA1 RESET1") == 0 && mux_stream_sent(f.stream) == 10,
       "X2: a reset follows what was filled with it");
    fixture_stop(&f);
    fixture_start_open(&f, MUX_CLIENT);
    peer_number(&f, FRAME_CREDIT, 1, 1 << 20);
    f.source_left = FRAME_DATA_MAX;
    f.reset_in_fill = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "DATA1") == 0 && strcmp(drained(&f), "RESET1") == 0,
       "in a record of its own where that one is full");
    fixture_stop(&f);
}

/* A target that answers, ends well, and resets when more comes: what it ended is whole. */
static void test_reset_behind_fin(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    f.source_left = 10;
    f.source_ends = f.reset_in_fill = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "DATA1 FIN1 RESET1") == 0, "X3: the end, then the reset behind it");
    fixture_stop(&f);
    fixture_start_open(&f, MUX_CLIENT);
    peer_number(&f, FRAME_CREDIT, 1, 1 << 20);
    f.source_left = FRAME_DATA_MAX;
    f.source_ends = true;
    mux_stream_readable(f.stream);
    drained(&f);
    mux_stream_reset(f.stream, ERR_LOCAL_RESET);
    ok(mux_stream_wants_drain(f.stream) && strcmp(drained(&f), "FIN1 RESET1") == 0,
       "X3: also where FIN still waits");
    fixture_stop(&f);
    fixture_start_open(&f, MUX_CLIENT);
    peer_number(&f, FRAME_FIN, 1, 0);
    f.source_left = 10;
    f.source_ends = f.reset_in_fill = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "DATA1 FIN1") == 0 && mux_stream_is_idle(f.stream),
       "X3: but not where both have ended then");
    fixture_stop(&f);
}

/* The window becomes the initial one with the first record, where there is plenty. */
static void test_opens_window(void)
{
    static const struct credit_windows windows = {WINDOW, 3 * WINDOW, 4 * WINDOW};
    struct fixture f;
    fixture_windows = &windows;
    fixture_start(&f, MUX_CLIENT);
    struct mux_open open = {1, "web", ""};
    mux_stream_open(f.stream, &open);
    ok(strcmp(drained(&f), "OPEN1 CREDIT1") == 0 && last_number(&f) == 3 * WINDOW,
       "L6: a client's CREDIT comes with OPEN");
    fixture_stop(&f);
    fixture_start(&f, MUX_SERVER);
    mux_stream_open(f.stream, &open);
    ok(strcmp(drained(&f), "OPEN1") == 0, "L5: a server's does not: it may lose the race");
    ok(peer_open(&f, 1) == ERR_OK, "and does");
    mux_stream_accept(f.stream);
    ok(strcmp(drained(&f), "ACCEPT1 CREDIT1") == 0 && last_number(&f) == 3 * WINDOW,
       "L6: who was opened sends it with ACCEPT");
    fixture_stop(&f);
    fixture_start(&f, MUX_CLIENT);
    mux_budget_force(&f.budget, f.budget.limit / 2);
    mux_stream_open(f.stream, &open);
    ok(strcmp(drained(&f), "OPEN1") == 0, "none where half of the budget is used");
    mux_budget_give(&f.budget, f.budget.limit / 2);
    fixture_stop(&f);
    fixture_windows = NULL;
}

int main(void)
{
    test_opens_window();
    test_one_record();
    test_server_waits();
    test_short_fill();
    test_credit_stops();
    test_full_records();
    test_small_capacity();
    test_sends_credit();
    test_credit_waits_for_answer();
    test_reset_in_fill();
    test_reset_behind_fin();
    return tap_done();
}
