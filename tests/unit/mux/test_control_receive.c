/* Control frames in: each is accepted or refused, by rule. */
#include "tests/unit/mux/control_fixture.h"

#define HELLO_BYTES "\100\0\0\13\0\1\0\144\0\1\0\0\1\1w"
#define PING_BYTES  "\101\0\0\10\1\2\3\4\5\6\7\10"

struct receive_case {
    const char *what;
    enum mux_side side;
    bool after_hello;
    enum err expected;
    size_t length;
    const char *bytes;
};
#define ROW(what, side, after, expected, bytes)                                                    \
    {                                                                                              \
        what, MUX_##side, after, ERR_##expected, sizeof bytes - 1, bytes                           \
    }

static const struct receive_case cases[] = {
    ROW("HELLO", SERVER, false, OK, HELLO_BYTES),
    ROW("HELLO twice", SERVER, true, CONTROL_PROTOCOL, HELLO_BYTES),
    ROW("PING before HELLO", SERVER, false, CONTROL_PROTOCOL, PING_BYTES),
    ROW("HELLO of version 2", SERVER, false, VERSION_MISMATCH, "\100\0\0\11\0\2\0\0\0\0\0\0\0"),
    ROW("HELLO of version 2, longer", SERVER, false, VERSION_MISMATCH,
        "\100\0\0\14\0\2\0\0\0\0\0\0\0abc"),
    ROW("HELLO without streams", SERVER, false, CONTROL_PROTOCOL, "\100\0\0\11\0\1\0\0\0\1\0\0\0"),
    ROW("HELLO with a window of 1023", SERVER, false, CONTROL_PROTOCOL,
        "\100\0\0\11\0\1\0\1\0\0\3\377\0"),
    ROW("HELLO with a window of 1024", SERVER, false, OK, "\100\0\0\11\0\1\0\1\0\0\4\0\0"),
    ROW("HELLO with a bad name", SERVER, false, CONTROL_PROTOCOL,
        "\100\0\0\13\0\1\0\144\0\1\0\0\1\1/"),
    ROW("HELLO with fewer names than it says", SERVER, false, CONTROL_PROTOCOL,
        "\100\0\0\13\0\1\0\144\0\1\0\0\2\1w"),
    ROW("HELLO with bytes behind", SERVER, false, CONTROL_PROTOCOL,
        "\100\0\0\14\0\1\0\144\0\1\0\0\1\1wx"),
    ROW("an empty record", SERVER, true, CONTROL_PROTOCOL, ""),
    ROW("PING", SERVER, true, OK, PING_BYTES),
    ROW("PING with a lease", SERVER, true, CONTROL_PROTOCOL, "\101\1\0\10\1\2\3\4\5\6\7\10"),
    ROW("PING cut short", SERVER, true, CONTROL_PROTOCOL, "\101\0\0\10\1\2\3\4\5\6\7"),
    ROW("PING, then half a frame", SERVER, true, CONTROL_PROTOCOL, PING_BYTES "\101\0"),
    ROW("PONG without PING", SERVER, true, CONTROL_PROTOCOL, "\102\0\0\10\1\2\3\4\5\6\7\10"),
    ROW("WANT at a client", CLIENT, true, OK, "\103\0\0\2\0\5"),
    ROW("WANT at a server", SERVER, true, CONTROL_PROTOCOL, "\103\0\0\2\0\5"),
    ROW("RENEW at a server", SERVER, true, OK, "\105\0\0\3\0\5\1"),
    ROW("RENEW of a stream behind the children", SERVER, true, OK, "\105\0\0\3\0\145\1"),
    ROW("RENEW at a client", CLIENT, true, CONTROL_PROTOCOL, "\105\0\0\3\0\5\1"),
    ROW("RENEW of stream 0", SERVER, true, CONTROL_PROTOCOL, "\105\0\0\3\0\0\1"),
    ROW("CHILD_FAILED of the last stream", CLIENT, true, OK, "\104\0\0\5\0\144\1\0\60"),
    ROW("CHILD_FAILED of one beyond", CLIENT, true, CONTROL_PROTOCOL, "\104\0\0\5\0\145\1\0\60"),
    ROW("CHILD_FAILED of stream 0", CLIENT, true, CONTROL_PROTOCOL, "\104\0\0\5\0\0\1\0\60"),
    ROW("GOAWAY twice", CLIENT, true, CONTROL_PROTOCOL, "\106\0\0\2\0\12\106\0\0\2\0\12"),
    ROW("a stream's frame", CLIENT, true, CONTROL_PROTOCOL, "\5\0\0\1x"),
    ROW("AUTH_READY", CLIENT, true, OK, "\107\0\0\2\0\1"),
    ROW("AUTH_SETTLED", SERVER, true, OK, "\110\0\0\2\1\0"),
    ROW("AUTH_SETTLED without a number", SERVER, true, CONTROL_PROTOCOL, "\110\0\0\0"),
    ROW("an unknown frame", CLIENT, true, CONTROL_PROTOCOL, "\111\0\0\0"),
};

static void test_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct receive_case *c = &cases[i];
        struct control_end end;
        control_start(&end, c->side, &plain_hello);
        if (c->after_hello)
            must(!mux_control_receive(end.control, (const uint8_t *)HELLO_BYTES,
                                      sizeof HELLO_BYTES - 1));
        enum err e = mux_control_receive(end.control, (const uint8_t *)c->bytes, c->length);
        ok(e == c->expected, "%s: %s", c->what, err_name(e));
        mux_control_free(end.control);
    }
}

static void test_long_record(void)
{
    static uint8_t record[MUX_RECORD_MAX + 4];
    struct control_end end;
    control_start(&end, MUX_SERVER, &plain_hello);
    ok(mux_control_receive(end.control, record, sizeof record) == ERR_CONTROL_PROTOCOL,
       "a record that is too long");
    mux_control_free(end.control);
}

static void test_peer_has_fewer_streams(void)
{
    struct control_end end;
    control_start(&end, MUX_CLIENT, &plain_hello);
    static const uint8_t hello[] = "\100\0\0\11\0\1\0\4\0\0\4\0\0";
    static const uint8_t failed[] = "\104\0\0\5\0\5\1\0\60";
    ok(!mux_control_receive(end.control, hello, sizeof hello - 1) &&
           mux_control_receive(end.control, failed, sizeof failed - 1) == ERR_CONTROL_PROTOCOL,
       "C6: the smaller streams_max counts");
    mux_control_free(end.control);
}

static void test_one_pong_for_one_ping(void)
{
    struct control_end client, server;
    control_start_pair(&client, &server);
    mux_control_ping(client.control, 1);
    control_pass(&client, &server);
    size_t length = mux_control_drain(server.control, server.out, sizeof server.out);
    ok(!mux_control_receive(client.control, server.out, length), "C4: the answer");
    ok(mux_control_receive(client.control, server.out, length) == ERR_CONTROL_PROTOCOL,
       "C4: a second one to one PING");
    mux_control_free(client.control);
    mux_control_free(server.control);
}

int main(void)
{
    test_cases();
    test_long_record();
    test_peer_has_fewer_streams();
    test_one_pong_for_one_ping();
    return tap_done();
}
