/* Frames of a peer, accepted or refused: docs/PROTOCOL.md by rule. */
#include "tests/unit/mux/stream_fixture.h"

static void test_bind(void)
{
    struct fixture f;
    fixture_start_unbound(&f, MUX_CLIENT);
    ok(peer_bind(&f, 0, 8, 5) == ERR_BIND_MISMATCH, "B2: another association");
    ok(peer_bind(&f, 0, 9, 6) == ERR_BIND_MISMATCH, "B2: another stream");
    ok(peer_bind(&f, 1, 9, 5) == ERR_BIND_MISMATCH, "B2: another lease");
    ok(peer_open(&f, 1) == ERR_BIND_MISMATCH, "B2: OPEN before BIND");
    ok(peer_number(&f, FRAME_CREDIT, 0, 1) == ERR_BIND_MISMATCH, "B2: CREDIT before BIND");
    ok(traced(&f, "") && !mux_stream_is_bound(f.stream), "none of them did anything");
    ok(peer_bind(&f, 0, 9, 5) == ERR_OK && traced(&f, "bound "), "B3: the right one binds");
    ok(peer_bind(&f, 0, 9, 5) == ERR_FRAME_STATE, "B2: but only once");
    fixture_stop(&f);
}

/* One frame of each type with a lease number, for the tables of states. */
static enum err send_type(struct fixture *f, enum frame_type type, uint8_t lease)
{
    switch (type) {
    case FRAME_OPEN:
        return peer_open(f, lease);
    case FRAME_ACCEPT:
        return peer_accept(f, lease);
    case FRAME_REFUSE:
        return peer_refuse(f, lease);
    case FRAME_DATA:
        return peer_data(f, lease, "x");
    default:
        return peer_number(f, type, lease, 0);
    }
}

struct state_case {
    const char *name;
    enum mux_side side;
    void (*reach)(struct fixture *f);
    const char *allowed; /* types with the current lease */
};

static void reach_opening(struct fixture *f)
{
    struct mux_open open = {1, "web", ""};
    mux_stream_open(f->stream, &open);
    drained(f);
}

static void reach_opened(struct fixture *f)
{
    peer_open(f, 1);
}

static void reach_open(struct fixture *f)
{
    reach_opening(f);
    peer_accept(f, 1);
}

static void reach_peer_fin(struct fixture *f)
{
    reach_open(f);
    peer_number(f, FRAME_FIN, 1, 0);
}

static void reach_peer_reset(struct fixture *f)
{
    reach_open(f);
    peer_number(f, FRAME_RESET, 1, 2);
}

static void reach_peer_refuse(struct fixture *f)
{
    reach_opening(f);
    peer_refuse(f, 1);
}

static void test_states(void)
{
    static const struct state_case cases[] = {
        {"opening, client", MUX_CLIENT, reach_opening, "OPEN ACCEPT REFUSE "},
        {"opening, server", MUX_SERVER, reach_opening, "OPEN ACCEPT REFUSE "},
        {"opened, by a server", MUX_CLIENT, reach_opened, "RESET CREDIT "},
        {"opened, by a client", MUX_SERVER, reach_opened, "DATA FIN RESET CREDIT "},
        {"open", MUX_CLIENT, reach_open, "DATA FIN RESET CREDIT "},
        {"after FIN", MUX_CLIENT, reach_peer_fin, "RESET CREDIT "},
        {"after RESET", MUX_CLIENT, reach_peer_reset, ""},
        {"after REFUSE", MUX_SERVER, reach_peer_refuse, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char allowed[64] = "", stale[64] = "";
        for (int type = FRAME_OPEN; type <= FRAME_CREDIT; type++)
            for (int lease = 0; lease <= 2; lease++) {
                struct fixture f;
                fixture_start(&f, cases[i].side);
                cases[i].reach(&f);
                enum err e = send_type(&f, (enum frame_type)type, (uint8_t)lease);
                must(e == ERR_OK || e == ERR_FRAME_STATE);
                char *list = lease == 1 ? allowed : stale;
                if (!e)
                    strcat(strcat(list, frame_type_name((uint8_t)type)), " ");
                mux_stream_free(f.stream);
            }
        ok(strcmp(allowed, cases[i].allowed) == 0, "X5: %s: may come: %s", cases[i].name, allowed);
        ok(!stale[0], "L4: %s: nothing with another lease %s", cases[i].name, stale);
    }
}

static void test_idle(void)
{
    struct fixture f;
    fixture_start(&f, MUX_SERVER);
    for (int type = FRAME_ACCEPT; type <= FRAME_CREDIT; type++) {
        ok(send_type(&f, (enum frame_type)type, 0) == ERR_FRAME_STATE &&
               send_type(&f, (enum frame_type)type, 1) == ERR_FRAME_STATE,
           "X5: no %s before the first lease", frame_type_name((uint8_t)type));
    }
    ok(peer_open(&f, 2) == ERR_FRAME_STATE, "L2: OPEN with a number that is not the next");
    ok(traced(&f, ""), "none of them did anything");
    fixture_stop(&f);
}

/* Lease 1 came and went. */
static void one_lease(struct fixture *f)
{
    peer_number(f, FRAME_FIN, 1, 0);
    mux_stream_reset(f->stream, ERR_LOCAL_RESET);
    drained(f);
    must(mux_stream_is_idle(f->stream));
    f->trace[0] = '\0';
}

static void test_late(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    one_lease(&f);
    ok(!peer_number(&f, FRAME_CREDIT, 1, 5000) && !peer_number(&f, FRAME_RESET, 1, 3),
       "L4: late CREDIT and RESET while idle");
    ok(peer_data(&f, 1, "x") == ERR_FRAME_STATE, "L4: but not DATA");
    reach_opening(&f);
    ok(!peer_number(&f, FRAME_CREDIT, 1, 5000) && !peer_number(&f, FRAME_RESET, 1, 3),
       "L4: late CREDIT and RESET in the next lease");
    f.source_left = 5000;
    mux_stream_readable(f.stream);
    drained(&f);
    ok(mux_stream_sent(f.stream) == WINDOW, "L4: late credit is not credit");
    ok(!peer_accept(&f, 2) && traced(&f, "accept "), "the answer comes through");
    ok(peer_number(&f, FRAME_CREDIT, 1, 5000) == ERR_FRAME_STATE, "L4: none after the answer");
    fixture_stop(&f);
}

static void test_race_client(void)
{
    struct fixture f;
    fixture_start_opening(&f, MUX_CLIENT);
    ok(peer_number(&f, FRAME_RESET, 1, 2) == ERR_FRAME_STATE, "L6: RESET is no answer");
    ok(!peer_open(&f, 1), "L5: the loser's OPEN is ignored");
    ok(!peer_number(&f, FRAME_RESET, 1, 2) && traced(&f, ""), "L5: and its RESET");
    ok(peer_number(&f, FRAME_RESET, 1, 2) == ERR_FRAME_STATE, "L5: one of them");
    ok(peer_open(&f, 1) == ERR_FRAME_STATE, "L5: one OPEN too");
    ok(!peer_accept(&f, 1) && traced(&f, "accept "), "L5: the answer is for the winner");
    fixture_stop(&f);
}

static void test_race_server(void)
{
    struct fixture f;
    fixture_start_opening(&f, MUX_SERVER);
    ok(!peer_open(&f, 1) && traced(&f, "lost_race open:web "), "L5: the server loses");
    mux_stream_accept(f.stream);
    ok(strcmp(drained(&f), "ACCEPT1") == 0, "L5: and answers the client's OPEN");
    fixture_stop(&f);
    fixture_start_opening(&f, MUX_SERVER);
    mux_stream_reset(f.stream, ERR_LOCAL_RESET);
    ok(!peer_open(&f, 1) && traced(&f, "lost_race open:web "), "L5: also after a reset");
    ok(strcmp(drained(&f), "") == 0, "L5: whose RESET is not sent any more");
    fixture_stop(&f);
}

static void test_credit_exceeded(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    char text[WINDOW + 1];
    memset(text, 'x', WINDOW);
    text[WINDOW] = '\0';
    ok(!peer_data(&f, 1, text), "D2: as much as the window");
    ok(peer_data(&f, 1, "x") == ERR_CREDIT_EXCEEDED, "D2: and not a byte more");
    fixture_stop(&f);
    fixture_start_open(&f, MUX_CLIENT);
    mux_stream_reset(f.stream, ERR_LOCAL_RESET);
    drained(&f);
    peer_data(&f, 1, text);
    ok(peer_data(&f, 1, "x") == ERR_CREDIT_EXCEEDED, "X4: also after a reset");
    fixture_stop(&f);
}

static void test_final_offset(void)
{
    for (uint64_t offset = 0; offset < 6; offset++) {
        struct fixture f;
        fixture_start_open(&f, MUX_CLIENT);
        peer_data(&f, 1, "abc");
        enum err e = peer_number(&f, FRAME_FIN, 1, offset);
        ok(e == (offset == 3 ? ERR_OK : ERR_OFFSET_MISMATCH), "X1: FIN at %u after 3 bytes",
           (unsigned)offset);
        ok(traced(&f, offset == 3 ? "data:abc fin " : "data:abc "), "X1: is the end, or no end");
        fixture_stop(&f);
    }
}

static void test_peer_reset(void)
{
    struct fixture f;
    fixture_start_open(&f, MUX_CLIENT);
    peer_number(&f, FRAME_RESET, 1, err_to_wire(ERR_LOCAL_RESET));
    ok(traced(&f, "reset:local_reset "), "X2: RESET, with its reason");
    ok(strcmp(drained(&f), "RESET1") == 0 && traced(&f, "idle "), "X2: is answered by RESET");
    reach_opening(&f);
    peer_accept(&f, 2);
    f.source_ends = true;
    mux_stream_readable(f.stream);
    drained(&f);
    f.trace[0] = '\0';
    peer_number(&f, FRAME_RESET, 2, 999);
    ok(traced(&f, "reset:internal idle "), "X2, F4: not after FIN; an unknown code is internal");
    ok(strcmp(drained(&f), "") == 0, "X2: nothing to send");
    fixture_stop(&f);
    fixture_start(&f, MUX_SERVER);
    peer_open(&f, 1);
    peer_number(&f, FRAME_RESET, 1, err_to_wire(ERR_LOCAL_RESET));
    mux_stream_accept(f.stream);
    ok(strcmp(drained(&f), "REFUSE1") == 0 && traced(&f, "open:web reset:local_reset idle "),
       "X2: before the answer by REFUSE");
    fixture_stop(&f);
}

static void test_records(void)
{
    struct fixture f;
    fixture_start(&f, MUX_SERVER);
    uint8_t record[MUX_RECORD_MAX + 1] = {0};
    ok(mux_stream_receive(f.stream, record, 0) == ERR_FRAME_LENGTH, "T6: an empty record");
    ok(mux_stream_receive(f.stream, record, sizeof record) == ERR_FRAME_LENGTH, "T6: a long one");
    frames_begin(&f);
    put_open(&f, 1, "web");
    put_data(&f, 1, "abc");
    size_t length = (size_t)(f.w.at - f.in);
    bool refused = true;
    for (size_t cut = 1; cut < length; cut++) {
        struct fixture g;
        fixture_start(&g, MUX_SERVER);
        enum err e = mux_stream_receive(g.stream, f.in, cut);
        refused &= (e == ERR_FRAME_LENGTH) == (cut != length - 7);
        mux_stream_free(g.stream);
    }
    ok(refused, "T6: a frame that the record's end cuts, at each byte");
    ok(!frames_end(&f) && traced(&f, "open:web data:abc "), "T6: two frames in a record");
    fixture_stop(&f);
}

int main(void)
{
    test_bind();
    test_states();
    test_idle();
    test_late();
    test_race_client();
    test_race_server();
    test_credit_exceeded();
    test_final_offset();
    test_peer_reset();
    test_records();
    return tap_done();
}
