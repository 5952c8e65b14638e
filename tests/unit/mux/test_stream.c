/* The stream as its owner sees it: leases, answers, ends. */
#include "tests/unit/mux/stream_fixture.h"

#include "mux/stream_private.h"

static void test_size(void)
{
    ok(sizeof(struct mux_stream) < 300, "a stream takes %zu bytes", sizeof(struct mux_stream));
}

static void test_open_needs_idle(void)
{
    struct fixture f;
    struct mux_open open = {1, "web", ""};
    fixture_start_unbound(&f, MUX_SERVER);
    ok(!mux_stream_is_bound(f.stream) && mux_stream_open(f.stream, &open) == ERR_AGAIN,
       "a server begins no lease before the client's BIND");
    drained(&f);
    peer_bind(&f, 0, 9, 5);
    ok(traced(&f, "bound ") && mux_stream_is_idle(f.stream), "idle after BIND");
    ok(mux_stream_open(f.stream, &open) == ERR_OK, "then it may be leased");
    ok(mux_stream_open(f.stream, &open) == ERR_AGAIN, "once");
    fixture_stop(&f);
}

static void client_opens_unbound(struct fixture *f)
{
    struct mux_open open = {1, "web", ""};
    fixture_start_unbound(f, MUX_CLIENT);
    ok(mux_stream_open(f->stream, &open) == ERR_OK, "a client opens before the server's BIND");
    f->source = "GET";
    f->source_left = 3;
    mux_stream_readable(f->stream);
    ok(strcmp(drained(f), "BIND0 OPEN1 DATA1") == 0, "behind its own, in one record");
}

static void test_open_before_bind(void)
{
    struct fixture f;
    client_opens_unbound(&f);
    ok(!mux_stream_is_bound(f.stream), "which binds nobody");
    peer_bind(&f, 0, 9, 5);
    ok(traced(&f, "bound ") && !mux_stream_is_idle(f.stream), "BIND leaves the lease alone");
    peer_accept(&f, 1);
    peer_data(&f, 1, "200");
    ok(traced(&f, "accept data:200 "), "and the lease goes on");
    ok(peer_bind(&f, 0, 9, 5) == ERR_FRAME_STATE, "B2: a second BIND");
    fixture_stop(&f);

    client_opens_unbound(&f);
    ok(peer_accept(&f, 1) == ERR_BIND_MISMATCH, "B2: ACCEPT before BIND is not believed");
    fixture_stop(&f);
    client_opens_unbound(&f);
    ok(peer_bind(&f, 0, 9, 6) == ERR_BIND_MISMATCH, "B2: nor is another stream's BIND");
    fixture_stop(&f);

    client_opens_unbound(&f);
    peer_bind(&f, 0, 9, 5);
    ok(peer_open(&f, 1) == ERR_OK, "L5: the server opened it at the same time");
    peer_accept(&f, 1);
    ok(traced(&f, "bound accept "), "and loses the race");
    fixture_stop(&f);
}

static void test_open_checks_words(void)
{
    struct fixture f;
    fixture_start(&f, MUX_CLIENT);
    char longest[MUX_TEXT_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[MUX_TEXT_MAX + 1] = '\0';
    struct mux_open bad[] = {{0, "web", ""}, {1, "", ""}, {1, "a b", ""}, {1, "web", longest}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(mux_stream_open(f.stream, &bad[i]) == ERR_FRAME_VALUE, "bad OPEN %zu is refused", i);
    struct mux_open largest = {1, longest + MUX_TEXT_MAX + 1 - MUX_SERVICE_NAME_MAX, longest + 1};
    ok(mux_stream_open(f.stream, &largest) == ERR_OK, "the largest OPEN is not");
    ok(mux_stream_drain(f.stream, f.out, 512) == 4 + FRAME_OPEN_MAX, "and fits 512 bytes");
    fixture_stop(&f);
}

static void test_whole_life(void)
{
    struct fixture f;
    fixture_start(&f, MUX_SERVER);
    peer_open(&f, 1);
    peer_data(&f, 1, "GET");
    peer_number(&f, FRAME_FIN, 1, 3);
    ok(traced(&f, "open:web data:GET fin "), "OPEN, DATA and FIN before the answer");
    f.source = "hello";
    f.source_left = 5;
    f.source_ends = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "") == 0, "no data before the answer");
    mux_stream_accept(f.stream);
    ok(strcmp(drained(&f), "ACCEPT1 DATA1 FIN1") == 0, "ACCEPT, DATA and FIN in one record");
    ok(traced(&f, "idle ") && mux_stream_is_idle(f.stream), "idle when both have ended");
    ok(mux_stream_sent(f.stream) == 5 && mux_stream_received(f.stream) == 3, "bytes are counted");
    fixture_stop(&f);
}

static void test_refuse(void)
{
    struct fixture f;
    fixture_start(&f, MUX_SERVER);
    peer_open(&f, 1);
    mux_stream_refuse(f.stream, ERR_CONNECT_REFUSED, "no");
    mux_stream_accept(f.stream);
    ok(strcmp(drained(&f), "REFUSE1") == 0, "one answer only");
    peer_data(&f, 1, "late");
    ok(traced(&f, "open:web ") && !mux_stream_is_idle(f.stream), "data is dropped until the end");
    peer_number(&f, FRAME_RESET, 1, 3);
    ok(traced(&f, "idle "), "the opener's end gives the stream back");
    fixture_stop(&f);
}

static void test_refused(void)
{
    struct fixture f;
    fixture_start_opening(&f, MUX_CLIENT);
    peer_refuse(&f, 1);
    ok(traced(&f, "refuse:connect_refused text:nobody "), "refused, with the reason");
    ok(strcmp(drained(&f), "RESET1") == 0 && traced(&f, "idle "), "RESET says that no data comes");
    struct mux_open open = {1, "web", ""};
    mux_stream_open(f.stream, &open);
    f.source_ends = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "OPEN2 FIN2") == 0, "the next lease, ended at once");
    peer_refuse(&f, 2);
    ok(traced(&f, "refuse:connect_refused text:nobody idle "), "after FIN no RESET is needed");
    ok(strcmp(drained(&f), "") == 0, "and none is sent");
    fixture_stop(&f);
}

static void test_reset(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    mux_stream_reset(f.stream, ERR_LOCAL_RESET);
    mux_stream_reset(f.stream, ERR_INTERNAL);
    ok(strcmp(drained(&f), "RESET1") == 0 && last_number(&f) == err_to_wire(ERR_LOCAL_RESET),
       "one RESET, with the first reason");
    peer_data(&f, 1, "late");
    peer_number(&f, FRAME_FIN, 1, 4);
    ok(traced(&f, "idle "), "what was on the way is dropped; FIN is an end too");
    fixture_stop(&f);
}

static void test_reset_after_fin(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    f.source_ends = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "FIN1") == 0, "half-closed");
    mux_stream_reset(f.stream, ERR_LOCAL_RESET);
    ok(strcmp(drained(&f), "RESET1") == 0, "RESET may follow FIN");
    peer_number(&f, FRAME_RESET, 1, 3);
    ok(traced(&f, "idle "), "idle after the peer's end");
    fixture_stop(&f);
}

static void test_reset_before_answer(void)
{
    struct fixture f;
    fixture_start(&f, MUX_CLIENT);
    peer_open(&f, 1);
    mux_stream_accept(f.stream);
    mux_stream_reset(f.stream, ERR_LOCAL_RESET);
    ok(strcmp(drained(&f), "REFUSE1") == 0, "RESET before the answer is a refusal (L6)");
    fixture_stop(&f);
}

static void test_idle_may_open(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    peer_number(&f, FRAME_FIN, 1, 0);
    f.source_ends = f.open_in_idle = true;
    mux_stream_readable(f.stream);
    ok(strcmp(drained(&f), "FIN1") == 0, "the end of one lease");
    ok(strcmp(drained(&f), "OPEN2") == 0, "the next begins inside on_idle");
    fixture_stop(&f);
}

static void test_no_lease(void)
{
    struct fixture f;
    fixture_start(&f, MUX_SERVER);
    mux_stream_accept(f.stream);
    mux_stream_refuse(f.stream, ERR_INTERNAL, NULL);
    mux_stream_reset(f.stream, ERR_INTERNAL);
    mux_stream_readable(f.stream);
    mux_stream_consumed(f.stream, 100);
    ok(!mux_stream_wants_drain(f.stream) && traced(&f, ""), "without a lease all is a no-op");
    fixture_stop(&f);
    mux_stream_free(NULL);
}

int main(void)
{
    test_size();
    test_open_needs_idle();
    test_open_before_bind();
    test_open_checks_words();
    test_whole_life();
    test_refuse();
    test_refused();
    test_reset();
    test_reset_after_fin();
    test_reset_before_answer();
    test_idle_may_open();
    test_no_lease();
    return tap_done();
}
