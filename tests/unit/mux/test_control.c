/* The control channel: HELLO, frames out, bounds. */
#include "tests/unit/mux/control_fixture.h"

static void test_hello(void)
{
    struct mux_hello hello = plain_hello;
    char names[MUX_SERVICES_MAX][MUX_SERVICE_NAME_MAX + 1];
    hello.service_count = MUX_SERVICES_MAX;
    for (int i = 0; i < MUX_SERVICES_MAX; i++) {
        memset(names[i], 'a' + i % 26, MUX_SERVICE_NAME_MAX);
        names[i][MUX_SERVICE_NAME_MAX] = '\0';
        hello.services[i] = names[i];
    }
    struct control_end client, server;
    control_start(&client, MUX_CLIENT, &hello);
    control_start(&server, MUX_SERVER, &plain_hello);
    ok(!mux_control_drain(server.control, server.out, sizeof server.out),
       "C2: the server waits for the client's HELLO");
    mux_control_ping(client.control, 1);
    ok(!control_pass(&client, &server) && mux_control_is_ready(server.control),
       "C3: the largest HELLO fits a record");
    ok(traced(&server, "hello(100,255) ") && !strcmp(server.last_service, names[254]) &&
           server.hello.window_initial == 65536,
       "C3: and arrives whole");
    ok(!control_pass(&server, &client) && traced(&client, "hello(100,0) pong(1,0) "),
       "C2: then the server's comes, and it first");
    mux_control_free(client.control);
    mux_control_free(server.control);
    mux_control_free(NULL);
}

static void test_promise(void)
{
    struct control_end client, server;
    control_start(&client, MUX_CLIENT, &plain_hello);
    control_start(&server, MUX_SERVER, &plain_hello);
    mux_control_promise(server.control, 7, 2048);
    ok(!control_pass(&client, &server) && !control_pass(&server, &client) &&
           traced(&client, "hello(7,0) ") && client.hello.window_initial == 2048,
       "C3: a server says what it can when it knows its client");
    ok(traced(&server, "hello(100,0) "), "the client's is what it was");
    mux_control_free(client.control);
    mux_control_free(server.control);
}

static void test_frames(void)
{
    struct control_end client, server;
    control_start_pair(&client, &server);
    mux_control_ping(client.control, 77);
    mux_control_renew(client.control, 9, 200);
    mux_control_child_failed(client.control, 3, 4, ERR_TLS_RECORD);
    mux_control_goaway(client.control, ERR_DRAINING);
    mux_control_goaway(client.control, ERR_INTERNAL);
    ok(!control_pass(&client, &server) &&
           traced(&server, "renew(9,200) tls_record(3,4) goaway(1,0) "),
       "what a client says, GOAWAY once");
    mux_control_auth_ready(client.control, 1);
    mux_control_auth_ready(client.control, 256);
    mux_control_auth_settled(client.control, 3);
    ok(!control_pass(&client, &server) && traced(&server, "ready(256,0) settled(3,0) "),
       "K2: keys of SCTP, the last of each kind");
    mux_control_want(server.control, 4);
    mux_control_want(server.control, 6);
    mux_control_child_failed(server.control, 100, 255, ERR_BIND_MISMATCH);
    ok(!control_pass(&server, &client) &&
           traced(&client, "bind_mismatch(100,255) want(6,0) pong(77,0) "),
       "what a server says, WANT once");
    ok(!mux_control_drain(client.control, client.out, sizeof client.out) &&
           !mux_control_drain(server.control, server.out, sizeof server.out),
       "nothing is left");
    mux_control_free(client.control);
    mux_control_free(server.control);
}

/* C8: a flood costs nothing. */
static void test_bounds(void)
{
    struct control_end client, server;
    control_start_pair(&client, &server);
    for (unsigned i = 0; i < 100000; i++) {
        mux_control_ping(client.control, i);
        mux_control_child_failed(server.control, (uint16_t)(1 + i % 100), (uint8_t)i,
                                 ERR_TLS_RECORD);
        mux_control_want(server.control, (uint16_t)i);
    }
    size_t length = mux_control_drain(client.control, client.out, sizeof client.out);
    ok(length == 16 * 12, "16 PINGs");
    for (int i = 0; i < 1000; i++)
        mux_control_receive(server.control, client.out, length);
    length = mux_control_drain(server.control, server.out, sizeof server.out);
    ok(length == 16 * 12 + 100 * 9 + 6, "16 PONGs, a CHILD_FAILED for each stream, one WANT");
    ok(!mux_control_drain(server.control, server.out, sizeof server.out), "and that is all");
    mux_control_free(client.control);
    mux_control_free(server.control);
}

/* More than a record takes goes into the next one. */
static void test_many_failures(void)
{
    struct mux_hello hello = plain_hello;
    hello.streams_max = 65535;
    struct control_end client, server;
    control_start(&client, MUX_CLIENT, &hello);
    control_start(&server, MUX_SERVER, &hello);
    control_pass(&client, &server);
    control_pass(&server, &client);
    for (unsigned stream = 1; stream <= 65535; stream++)
        mux_control_child_failed(client.control, (uint16_t)stream, 0, ERR_TLS_CLOSED);
    size_t length, total = 0, records = 0;
    while ((length = mux_control_drain(client.control, client.out, sizeof client.out))) {
        records++;
        total += length;
        must(mux_control_receive(server.control, client.out, length) == ERR_OK);
    }
    ok(total == 65535 * 9 && records == 37, "65535 failures in %zu records", records);
    mux_control_free(client.control);
    mux_control_free(server.control);
}

int main(void)
{
    test_hello();
    test_promise();
    test_frames();
    test_bounds();
    test_many_failures();
    return tap_done();
}
