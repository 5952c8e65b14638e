/* The listener's answers to INIT without an association, and to packets out of the blue. */
#include "tests/lib/allocated.h"
#include "tests/unit/sctp/listener_bed.h"

/* ---- INIT ---- */

static void smallest(void)
{
    struct bed bed;
    struct answer answer = {0};
    bed_open(&bed, false);
    ok(ask(&bed, &good_init) == SCTP_HEARD_REPLY && read_answer(&bed, &answer),
       "INIT is answered by INIT ACK");
    ok(bed.reply_length == 84, "of 84 bytes, for one of 32");
    ok(answer.init.tag && answer.init.window == bed.options.buffer &&
           answer.init.streams_out == 1000 && answer.init.streams_in == 1000 &&
           answer.offer.is_hawser,
       "with what we offer");
    ok(bed.reply[SCTP_HEADER + 3] == 84 - SCTP_HEADER, "its length counts no padding at the end");
    bed_close(&bed);
}

static void refused_init(void)
{
    struct bed bed;
    struct packet packet;
    bed_open(&bed, false);
    struct sctp_init init = good_init;
    init.tag = 0;
    ok(ask(&bed, &init) == SCTP_HEARD_NOTHING, "tag 0: dropped");
    init = good_init;
    init.window = 1499;
    ok(ask(&bed, &init) == SCTP_HEARD_REPLY &&
           replied_cause(&bed, SCTP_CHUNK_ABORT, SCTP_CAUSE_INVALID_PARAMETER),
       "a window of 1499: ABORT with its tag");
    init.window = 1500;
    ok(ask(&bed, &init) == SCTP_HEARD_REPLY && read_answer(&bed, &(struct answer){0}), "not 1500");
    init.streams_out = 0;
    ok(ask(&bed, &init) == SCTP_HEARD_REPLY &&
           replied_cause(&bed, SCTP_CHUNK_ABORT, SCTP_CAUSE_INVALID_PARAMETER),
       "no streams out: ABORT");
    init = good_init;
    init.streams_in = 0;
    ok(ask(&bed, &init) == SCTP_HEARD_REPLY &&
           replied_cause(&bed, SCTP_CHUNK_ABORT, SCTP_CAUSE_INVALID_PARAMETER),
       "no streams in: ABORT");
    uint8_t *chunk = begin_init(&packet, &good_init);
    sctp_wire_put_parameter(&packet.writer, SCTP_PARAMETER_HOST_NAME, "a.example", 10);
    sctp_wire_end(&packet.writer, chunk);
    ok(hear(&bed, &packet) == SCTP_HEARD_REPLY &&
           replied_cause(&bed, SCTP_CHUNK_ABORT, SCTP_CAUSE_UNRESOLVABLE_ADDRESS),
       "a host name: ABORT");
    static const char long_name[1500];
    chunk = begin_init(&packet, &good_init);
    sctp_wire_put_parameter(&packet.writer, SCTP_PARAMETER_HOST_NAME, long_name, sizeof long_name);
    sctp_wire_end(&packet.writer, chunk);
    ok(hear(&bed, &packet) == SCTP_HEARD_REPLY &&
           replied_cause(&bed, SCTP_CHUNK_ABORT, SCTP_CAUSE_UNRESOLVABLE_ADDRESS) &&
           bed.reply_length == 20,
       "a very long one: ABORT that does not repeat it");
    sctp_wire_end(&packet.writer, begin_init(&packet, &good_init));
    sctp_wire_put_chunk(&packet.writer, SCTP_CHUNK_PAD, 0, NULL, 0);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "INIT with company: dropped");
    begin(&packet, 1);
    chunk = sctp_handshake_begin_chunk(&packet.writer, SCTP_CHUNK_INIT, &good_init);
    sctp_wire_end(&packet.writer, chunk);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "INIT with a verification tag: dropped");
    begin(&packet, 0);
    sctp_wire_put_chunk(&packet.writer, SCTP_CHUNK_INIT, 0, "short", 5);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "half an INIT: dropped");
    begin(&packet, 0);
    sctp_wire_put_chunk(&packet.writer, SCTP_CHUNK_SACK, 0, "not asked", 9);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "neither INIT nor COOKIE ECHO: dropped");
    begin(&packet, 0);
    sctp_wire_put_chunk(&packet.writer, SCTP_CHUNK_AUTH, 0, "nothing behind", 14);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "nothing behind AUTH: dropped");
    sctp_listener_accept(bed.listener, false);
    ok(ask(&bed, &good_init) == SCTP_HEARD_NOTHING, "no more associations: INIT is not answered");
    bed_close(&bed);
}

/* Types whose two highest bits say what to do; at the end one that is reported if it is reached. */
static void unknown_parameters(void)
{
    static const struct {
        uint16_t type;
        unsigned reports;
        const char *what;
    } rows[] = {{0x0042, 0, "00: stops"},
                {0x4042, 1, "01: stops, is reported"},
                {0x8042, 1, "10: goes on"},
                {0xc042, 2, "11: goes on, is reported"},
                {0x8000, 1, "ECN: goes on"},
                {0xbf48, 1, "ours: goes on"},
                {5, 1, "an address: goes on"},
                {9, 1, "a longer life of the cookie: goes on"},
                {12, 1, "kinds of addresses: goes on"}};
    struct bed bed;
    bed_open(&bed, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct packet packet;
        struct answer answer;
        struct sctp_parameter parameter;
        uint8_t *chunk = begin_init(&packet, &good_init);
        sctp_wire_put_parameter(&packet.writer, rows[i].type, "12345678", 8);
        sctp_wire_put_parameter(&packet.writer, 0xc099, "x", 1);
        sctp_wire_end(&packet.writer, chunk);
        unsigned reports = 0, wrong = hear(&bed, &packet) != SCTP_HEARD_REPLY;
        wrong += !read_answer(&bed, &answer);
        while (!wrong && sctp_wire_next_parameter(&answer.init.parameters, &parameter))
            if (parameter.type == SCTP_PARAMETER_UNRECOGNIZED) {
                uint16_t type = sctp_wire_u16(parameter.value);
                wrong += type != rows[i].type && type != 0xc099;
                wrong += parameter.length != (type == 0xc099 ? 5u : 12u);
                reports++;
            }
        ok(!wrong && reports == rows[i].reports, "a parameter of type %04x, %s", rows[i].type,
           rows[i].what);
    }
    bed_close(&bed);
}

static void many_parameters(void)
{
    struct bed bed;
    bed_open(&bed, false);
    unsigned wrong = 0;
    size_t most = 0;
    for (size_t size = 0; size < 300; size++)
        for (unsigned count = 1; count <= 100 && count * (size + 8) < 1900; count += 33) {
            struct packet packet;
            static const uint8_t value[300];
            uint8_t *chunk = begin_init(&packet, &good_init);
            for (unsigned i = 0; i < count; i++)
                sctp_wire_put_parameter(&packet.writer, 0xc042, value, size);
            sctp_wire_end(&packet.writer, chunk);
            wrong += hear(&bed, &packet) != SCTP_HEARD_REPLY;
            most = bed.reply_length > most ? bed.reply_length : most;
        }
    ok(!wrong, "however many and long, INIT is answered, by three times its length at most");
    ok(most > 84 && most <= 84 + SCTP_REPORT_MAX, "reports of %d bytes at most (%zu)",
       SCTP_REPORT_MAX, most - 84);
    struct packet packet;
    struct answer answer;
    uint8_t *chunk = begin_init(&packet, &good_init);
    for (unsigned i = 0; i < SCTP_PARAMETERS_MAX; i++)
        sctp_wire_put_parameter(&packet.writer, 0x8042, NULL, 0);
    sctp_wire_put_parameter(&packet.writer, SCTP_PARAMETER_HOST_NAME, NULL, 0);
    sctp_wire_end(&packet.writer, chunk);
    ok(hear(&bed, &packet) == SCTP_HEARD_REPLY && read_answer(&bed, &answer),
       "the first %d are looked at, no more", SCTP_PARAMETERS_MAX);
    bed_close(&bed);
}

static void with_auth(void)
{
    struct bed bed;
    struct packet packet;
    struct answer answer;
    uint8_t random[SCTP_AUTH_RANDOM] = {1, 2, 3}, parameters[SCTP_AUTH_PARAMETERS_MAX];
    size_t length = 0;
    bed_open(&bed, true);
    ok(ask(&bed, &good_init) == SCTP_HEARD_UNLIKE &&
           replied_cause(&bed, SCTP_CHUNK_ABORT, SCTP_CAUSE_USER_ABORT) &&
           !memcmp(bed.reply + SCTP_HEADER + 8, SCTP_AUTH_MISSING, sizeof SCTP_AUTH_MISSING - 1),
       "without RFC 4895 where it is wanted: ABORT that says so");
    uint8_t *chunk = begin_init(&packet, &good_init);
    sctp_auth_put_parameters(&packet.writer, random);
    sctp_wire_end(&packet.writer, chunk);
    size_t asked = (size_t)(packet.writer.at - packet.bytes);
    ok(hear(&bed, &packet) == SCTP_HEARD_REPLY && read_answer(&bed, &answer) &&
           sctp_auth_read_parameters(answer.init.parameters, parameters, &length),
       "with it: INIT ACK has its parameters");
    tap_note("INIT %zu bytes, INIT ACK %zu", asked, bed.reply_length);
    echo(&bed, &packet);
    ok(hear(&bed, &packet) == SCTP_HEARD_MADE && bed.made->auth,
       "and the association authenticates");
    /* A peer that asked at the same time before knows the number that we would draw. */
    struct sctp_parameter ours = {0};
    chunk = begin_init(&packet, &good_init);
    sctp_auth_put_parameters(&packet.writer, random);
    sctp_wire_end(&packet.writer, chunk);
    must(hear(&bed, &packet) == SCTP_HEARD_REPLY && read_answer(&bed, &answer));
    while (sctp_wire_next_parameter(&answer.init.parameters, &ours) &&
           ours.type != SCTP_PARAMETER_RANDOM)
        continue;
    must(ours.length == sizeof random);
    memcpy(random, ours.value, sizeof random);
    chunk = begin_init(&packet, &good_init);
    sctp_auth_put_parameters(&packet.writer, random);
    sctp_wire_end(&packet.writer, chunk);
    must(hear(&bed, &packet) == SCTP_HEARD_REPLY);
    echo(&bed, &packet);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "not when our own parameters come back");
    bed_close(&bed);
}

/* Not a byte is kept. */
static void without_state(void)
{
    struct bed bed;
    bed_open(&bed, false);
    struct sctp_init init = good_init;
    ask(&bed, &init);
    size_t before = allocated_bytes();
    for (unsigned i = 0; i < 10000; i++, init.tag++)
        ask(&bed, &init);
    size_t after = allocated_bytes();
    ok(before && after == before, "10 000 INITs leave %zd bytes", (ssize_t)(after - before));
    bed_close(&bed);
}

/* ---- out of the blue ---- */

#define CHUNKS(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static uint8_t stray(const uint8_t *chunks, size_t length)
{
    struct packet packet;
    uint8_t reply[SCTP_REPLY_MAX];
    struct sctp_header header;
    begin(&packet, 0x12345678);
    wire_put_bytes(&packet.writer, chunks, length);
    size_t size = (size_t)(packet.writer.at - packet.bytes);
    sctp_wire_seal(packet.bytes, size);
    must(sctp_wire_check(packet.bytes, size, &header));
    size_t replied = sctp_listener_ootb(packet.bytes, size, reply);
    if (!replied)
        return 255;
    must(replied == 16 && replied <= size && sctp_wire_check(reply, replied, &header));
    must(header.source == OUR_PORT && header.destination == ITS_PORT && header.tag == 0x12345678);
    must(reply[13] == SCTP_FLAG_REFLECTED);
    return reply[12];
}

static void strays(void)
{
    ok(stray(CHUNKS(0, 3, 0, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 0, 0)) == 6,
       "DATA of no association: ABORT, the tag reflected");
    ok(stray(CHUNKS(4, 0, 0, 4)) == 6, "HEARTBEAT: ABORT");
    ok(stray(CHUNKS(10, 0, 0, 8, 1, 2, 3, 4)) == 6, "a COOKIE ECHO that is not good: ABORT");
    ok(stray(CHUNKS(8, 0, 0, 4)) == 14, "SHUTDOWN ACK: SHUTDOWN COMPLETE");
    ok(stray(CHUNKS(11, 0, 0, 4)) == 255, "COOKIE ACK: nothing");
    ok(stray(CHUNKS(14, 0, 0, 4)) == 255, "SHUTDOWN COMPLETE: nothing");
    ok(stray(CHUNKS(6, 0, 0, 4)) == 255, "ABORT: nothing");
    ok(stray(CHUNKS(0, 3, 0, 4, 6, 0, 0, 4)) == 255, "nor behind something else");
    ok(stray(CHUNKS(8, 0, 0, 4, 6, 0, 0, 4)) == 255, "nor behind SHUTDOWN ACK");
    ok(stray(CHUNKS(1, 0, 0, 4)) == 255, "INIT: nothing");
    ok(stray(CHUNKS(9, 0, 0, 12, 0, 3, 0, 8, 0, 0, 0, 0)) == 255, "ERROR, stale cookie: nothing");
    ok(stray(CHUNKS(9, 0, 0, 16, 0, 1, 0, 8, 0, 0, 0, 0, 0, 3, 0, 4)) == 255,
       "also where that is the second cause");
    ok(stray(CHUNKS(9, 0, 0, 12, 0, 1, 0, 8, 0, 0, 0, 0)) == 6, "another ERROR: ABORT");
}

int main(void)
{
    bed_seed = (uint32_t)tap_seed();
    smallest();
    refused_init();
    unknown_parameters();
    many_parameters();
    with_auth();
    without_state();
    strays();
    return tap_done();
}
