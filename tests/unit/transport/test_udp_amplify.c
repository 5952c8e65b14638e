/* Everything that somebody may send in another's name, each from an address of its own, at a server
 * and at a client, with a tag that is nobody's and with that of an association: within seconds, in
 * which all timers run that it may have set, at most three times its bytes come back
 * (docs/PROTOCOL.md, S10). */
#include "tests/unit/transport/stranger.h"

#define ROOM 4096

/* ---- questions ---- */

struct forger {
    struct packet_ports ports;
    uint32_t tag;
    uint8_t packet[PACKET_MAX];
};

static size_t chunk(struct forger *f, uint8_t type, uint8_t flags, size_t size)
{
    static const uint8_t value[ROOM];
    return stranger_chunk(f->packet, f->ports, f->tag, (uint16_t)(type << 8 | flags), value, size);
}

/* With one parameter of this type, of so many bytes. */
static size_t init(struct forger *f, uint16_t type, size_t size)
{
    uint8_t parameters[ROOM] = {(uint8_t)(type >> 8), (uint8_t)type, (uint8_t)((size + 4) >> 8),
                                (uint8_t)(size + 4)};
    return stranger_init(f->packet, f->ports.source, f->ports.destination, 0x1234567, parameters,
                         type ? size + 4 : 0);
}

static size_t init_smallest(struct forger *f)
{
    return init(f, 0, 0);
}

static size_t init_unknown(struct forger *f)
{
    return init(f, 0xc0fe, 1200);
}

static size_t init_small_unknown(struct forger *f)
{
    return init(f, 0xc0fe, 4);
}

static size_t init_host_name(struct forger *f)
{
    return init(f, SCTP_PARAMETER_HOST_NAME, 200);
}

static size_t init_without_streams(struct forger *f)
{
    size_t length = init(f, 0, 0);
    memset(f->packet + SCTP_HEADER + 12, 0, 4);
    sctp_wire_seal(f->packet, length);
    return length;
}

static size_t init_without_window(struct forger *f)
{
    size_t length = init(f, 0, 0);
    memset(f->packet + SCTP_HEADER + 8, 0, 4);
    sctp_wire_seal(f->packet, length);
    return length;
}

static size_t data(struct forger *f)
{
    return stranger_data(f->packet, f->ports, f->tag, 1, 1000);
}

static size_t data_empty(struct forger *f)
{
    return stranger_data(f->packet, f->ports, f->tag, 1, 0);
}

static size_t sack(struct forger *f)
{
    return stranger_sack(f->packet, f->ports, f->tag, 1);
}

static size_t heartbeat(struct forger *f)
{
    uint8_t info[8] = {0, 1, 0, 8};
    return stranger_chunk(f->packet, f->ports, f->tag, SCTP_CHUNK_HEARTBEAT << 8, info, 8);
}

static size_t heartbeat_large(struct forger *f)
{
    uint8_t info[1400] = {0, 1, 1400 >> 8, 1400 & 0xff};
    return stranger_chunk(f->packet, f->ports, f->tag, SCTP_CHUNK_HEARTBEAT << 8, info, 1400);
}

static size_t probe(struct forger *f)
{
    struct probe one = {.flags = PROBE_IN_USE, .nonce = {1}};
    probe_request(f->packet, PROBE_SIZE, f->ports, f->tag, &one);
    return PROBE_SIZE;
}

static size_t probe_sized(struct forger *f)
{
    struct probe one = {.flags = PROBE_IN_USE, .nonce = {1}};
    probe_request(f->packet, 1400, f->ports, f->tag, &one);
    return 1400;
}

static size_t probe_answered(struct forger *f)
{
    probe(f);
    probe_reply(f->packet, f->tag, 0);
    return PROBE_SIZE;
}

/* As many chunks as a packet has, each of which wants something. */
static size_t many(struct forger *f)
{
    static const uint8_t types[] = {SCTP_CHUNK_HEARTBEAT, 0xfe, SCTP_CHUNK_SHUTDOWN_ACK};
    struct wire_writer writer =
        stranger_begin(f->packet, f->ports.source, f->ports.destination, f->tag);
    for (unsigned i = 0; i < 300; i++) {
        wire_put_u16(&writer, (uint16_t)(types[i % sizeof types] << 8));
        wire_put_u16(&writer, 4);
    }
    return stranger_end(f->packet, &writer);
}

static const struct question {
    const char *name;
    size_t (*make)(struct forger *forger); /* NULL: one chunk, as follows */
    uint8_t type, flags;
    size_t size; /* of its value, bytes */
} questions[] = {
    {"the smallest INIT", init_smallest, 0, 0, 0},
    {"INIT with 1200 bytes to be reported", init_unknown, 0, 0, 0},
    {"INIT with 8", init_small_unknown, 0, 0, 0},
    {"INIT with a host name", init_host_name, 0, 0, 0},
    {"INIT without streams", init_without_streams, 0, 0, 0},
    {"INIT without a window", init_without_window, 0, 0, 0},
    {"COOKIE ECHO", NULL, SCTP_CHUNK_COOKIE_ECHO, 0, 40},
    {"COOKIE ECHO of nothing", NULL, SCTP_CHUNK_COOKIE_ECHO, 0, 0},
    {"DATA", data, 0, 0, 0},
    {"DATA without data", data_empty, 0, 0, 0},
    {"SACK", sack, 0, 0, 0},
    {"HEARTBEAT", heartbeat, 0, 0, 0},
    {"HEARTBEAT of nothing", NULL, SCTP_CHUNK_HEARTBEAT, 0, 0},
    {"HEARTBEAT of 1400 bytes", heartbeat_large, 0, 0, 0},
    {"HEARTBEAT ACK", NULL, SCTP_CHUNK_HEARTBEAT_ACK, 0, 36},
    {"a probe", probe, 0, 0, 0},
    {"a probe of 1400 bytes", probe_sized, 0, 0, 0},
    {"the answer to a probe", probe_answered, 0, 0, 0},
    {"ABORT", NULL, SCTP_CHUNK_ABORT, SCTP_FLAG_REFLECTED, 0},
    {"ERROR", NULL, SCTP_CHUNK_ERROR, 0, 0},
    {"SHUTDOWN", NULL, SCTP_CHUNK_SHUTDOWN, 0, 4},
    {"SHUTDOWN ACK", NULL, SCTP_CHUNK_SHUTDOWN_ACK, 0, 0},
    {"SHUTDOWN COMPLETE", NULL, SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_FLAG_REFLECTED, 0},
    {"COOKIE ACK", NULL, SCTP_CHUNK_COOKIE_ACK, 0, 0},
    {"INIT ACK", NULL, SCTP_CHUNK_INIT_ACK, 0, 16},
    {"AUTH", NULL, SCTP_CHUNK_AUTH, 0, 36},
    {"a chunk to be reported", NULL, 0xfe, 0, 0},
    {"one of 1000 bytes", NULL, 0x7e, 0, 1000},
    {"one to be passed over", NULL, 0x3e, 0, 0},
    {"300 chunks", many, 0, 0, 0},
};

/* ---- asking ---- */

static bool is_up(void *user)
{
    return ((struct bed_user *)user)->up;
}

#define COUNT (sizeof questions / sizeof *questions)

struct asked {
    int fd;
    size_t asked, answered;
};

/* Each question from its own address; 127.0.0.first is the first. */
static void ask_all(struct asked *asked, unsigned first, const struct address *to,
                    struct packet_ports ports, uint32_t tag)
{
    static struct forger forger;
    for (unsigned i = 0; i < COUNT; i++) {
        const struct question *q = &questions[i];
        struct address own;
        forger.ports = ports;
        forger.tag = tag;
        asked[i].fd = stranger_socket_at(first + i, &own);
        asked[i].asked = q->make ? q->make(&forger) : chunk(&forger, q->type, q->flags, q->size);
        stranger_send(asked[i].fd, to, forger.packet, asked[i].asked);
    }
}

static unsigned judge(struct asked *asked, const char *where)
{
    unsigned answered = 0;
    bool good = true;
    for (unsigned i = 0; i < COUNT; i++) {
        asked[i].answered = stranger_answers(asked[i].fd)->bytes;
        answered += asked[i].answered > 0;
        if (asked[i].answered > ANSWERS_FACTOR * asked[i].asked) {
            good = false;
            tap_note("%s: %zu bytes for %zu", questions[i].name, asked[i].answered, asked[i].asked);
        }
        close(asked[i].fd);
    }
    ok(good, "%s: no answer is larger than three times the question", where);
    return answered;
}

static void run(bool authenticated)
{
    static struct asked at_server[COUNT], at_client[COUNT], knowing[COUNT], knowing_client[COUNT];
    struct bed bed = {.ops = &udp_ops};
    bed_auth = authenticated;
    bed.options = bed_default_options();
    bed.options.mtu = 1500;
    bed.options.distrusts = true;
    bed.options.max_associations = 100;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct observer *observer = observer_new(&bed);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, &observer->front_address, 1, &user->events,
                             &user->association) == ERR_OK);
    bed_wait(&bed, is_up, user, 5 * SECOND);
    bed_send(user, 1, 0, 100, 0);
    bed_run(&bed, SECOND / 5);
    must(user->up && bed.accepted_count == 1);
    struct bed_user *peer = bed_latest(&bed);
    association_trust(peer->association);
    struct packet_ports ports = observer->ports, back = {ports.destination, ports.source};
    ask_all(at_server, 10, &observer->server, ports, 0x7654321);
    ask_all(at_client, 50, &observer->client, back, 0x7654321);
    ask_all(knowing, 90, &observer->server, ports, observer->server_tag);
    ask_all(knowing_client, 130, &observer->client, back, observer->client_tag);
    bed_run(&bed, 5 * SECOND / 2);
    const char *how = authenticated ? ", with sctp_auth" : "";
    char where[64];
    snprintf(where, sizeof where, "at the server%s", how);
    unsigned answered = judge(at_server, where);
    ok(answered > 8, "%u of %zu are answered at all", answered, COUNT);
    snprintf(where, sizeof where, "at the client%s", how);
    judge(at_client, where);
    snprintf(where, sizeof where, "at the server with the tag of an association%s", how);
    answered = judge(knowing, where);
    ok(answered > 5, "%u of them are answered", answered);
    snprintf(where, sizeof where, "at the client with such a tag%s", how);
    judge(knowing_client, where);
    ok(user->up && peer->up, "and the association is up");
    observer_free(observer);
    bed_close(&bed);
    free(user);
}

int main(void)
{
    run(false);
    run(true);
    return tap_done();
}
