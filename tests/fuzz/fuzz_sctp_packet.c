/* A program of packets for two engines that know each other, in whatever state the first one is:
 * any chunks with the right tag or another, signed or not, with TSNs near those that are expected,
 * to either end; while both talk, end it, change paths, and time passes. Every packet that they
 * send adds up and fits, no deadline stands still, what they keep is bounded, and in the end they
 * are quiet. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sctp/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUFFER     40000u
#define OPERATIONS 200

/* The memory that an association may take for its peer and its user (a queue of 256 KB), by its
 * true size. */
#define MEMORY_MAX (8u << 20)

struct program {
    struct wire_reader reader;
    struct pair pair;
};

static uint8_t next(struct program *program)
{
    return wire_get_u8(&program->reader);
}

static struct pair_end *end_of(struct program *program, bool b)
{
    return pair_end_of(&program->pair, b);
}

static bool is_there(struct program *program, bool b)
{
    const struct pair_end *end = end_of(program, b);
    return end->association && end->down.kind != SCTP_EVENT_DOWN;
}

/* ---- packets ---- */

enum packet_option { TO_B = 1, SIGNED = 2, RELATIVE = 4, OTHER_TAG = 8, TAG_NULL = 16 };

static uint32_t tag_of(const struct sctp_association *to, uint8_t options)
{
    if (options & TAG_NULL)
        return 0;
    return options & OTHER_TAG ? to->peer_tag : to->own_tag;
}

/* TSNs of DATA count from what it expects, those of SACK and SHUTDOWN from what it has sent. */
static void shift(const struct sctp_association *to, uint8_t type, uint8_t *value, size_t length)
{
    if (length < 4)
        return;
    uint32_t tsn = sctp_wire_u32(value);
    tsn += type == SCTP_CHUNK_DATA ? to->receiving.map.cumulative : to->flight.una;
    for (unsigned i = 0; i < 4; i++)
        value[i] = (uint8_t)(tsn >> (24 - 8 * i));
}

static void put_chunk(struct program *program, const struct sctp_association *to,
                      struct pair_forged *forged, uint8_t options)
{
    uint8_t type = next(program), flags = next(program), length = next(program), value[255];
    for (unsigned i = 0; i < length; i++)
        value[i] = next(program);
    if (options & RELATIVE &&
        (type == SCTP_CHUNK_DATA || type == SCTP_CHUNK_SACK || type == SCTP_CHUNK_SHUTDOWN))
        shift(to, type, value, length);
    sctp_wire_put_chunk(&forged->writer, type, flags, value, length);
}

static void packet(struct program *program, uint8_t options)
{
    struct pair *pair = &program->pair;
    bool to_b = options & TO_B;
    const struct sctp_association *to = end_of(program, to_b)->association;
    const struct pair_end *from = end_of(program, !to_b);
    struct pair_forged forged;
    unsigned count = 1 + next(program) % 5;
    if (!to)
        return;
    struct sctp_auth *auth = from->association ? from->association->auth : NULL;
    pair_forge(pair, to_b, tag_of(to, options), &forged);
    uint8_t *mac = options & SIGNED && auth ? sctp_auth_begin(auth, &forged.writer) : NULL;
    for (unsigned i = 0; i < count; i++)
        put_chunk(program, to, &forged, options);
    if (mac)
        sctp_auth_sign(auth, mac, forged.writer.at);
    pair_inject(pair, to_b, &forged);
}

/* ---- the users ---- */

static void nets(struct program *program, bool b)
{
    struct pair *pair = &program->pair;
    struct sctp_association *self = end_of(program, b)->association;
    uint8_t what = next(program), net = next(program) % SCTP_NETS_MAX;
    switch (what % 4) {
    case 0:
        sctp_association_net_use(self, pair->now_us, net);
        break;
    case 1:
        sctp_association_net_fail(self, pair->now_us, net);
        break;
    case 2:
        sctp_association_net_reset(self, pair->now_us, net);
        break;
    default:
        sctp_association_net_mtu(self, pair->now_us, net, 500 + 8u * what);
    }
}

static void keys(struct program *program, bool b)
{
    struct sctp_association *self = end_of(program, b)->association;
    uint8_t what = next(program), key[SCTP_KEY_MAX] = {what};
    if (what & 1)
        (void)!sctp_association_auth_add(self, what >> 4, key, sizeof key);
    else if (what & 2)
        (void)!sctp_association_auth_use(self, what >> 4);
    else
        (void)!sctp_association_auth_drop(self, what >> 4);
}

static void act(struct program *program, uint8_t what, bool b)
{
    struct pair *pair = &program->pair;
    if (!is_there(program, b))
        return;
    switch (what) {
    case 0:
        pair_say(pair, b, next(program) % 20, 1 + 64u * next(program));
        break;
    case 1:
        sctp_association_shutdown(end_of(program, b)->association, pair->now_us);
        break;
    case 2:
        sctp_association_abort(end_of(program, b)->association, "over");
        break;
    case 3:
        nets(program, b);
        break;
    default:
        keys(program, b);
    }
    pair_pump(pair, b);
}

/* ---- what must hold ---- */

static void check_end(struct pair_end *end)
{
    struct sctp_status status;
    message_queue_clear(&end->messages);
    end->event_count = 0;
    if (!end->association)
        return;
    sctp_association_status(end->association, &status);
    must(status.memory <= MEMORY_MAX);
    must(status.held <= BUFFER + MESSAGE_MAX + SCTP_CHUNK_COST);
}

static void check(struct program *program)
{
    check_end(&program->pair.a);
    check_end(&program->pair.b);
    pair_clear(&program->pair);
}

static void operate(struct program *program)
{
    struct pair *pair = &program->pair;
    uint8_t what = next(program), options = next(program);
    switch (what % 4) {
    case 0:
    case 1:
        packet(program, options);
        break;
    case 2:
        act(program, what / 4 % 5, options & TO_B);
        break;
    default:
        if (what & 128)
            pair->is_cut = options & 1;
        pair_run(pair, options * 20000u);
    }
    check(program);
}

/* As pair_prepare, with options. */
static void prepare(struct program *program)
{
    struct pair *pair = &program->pair;
    uint8_t first = next(program), second = next(program);
    if (!(first & 8)) {
        pair_prepare(pair, second, first % 8);
        return;
    }
    /* Up at both ends, perhaps with RFC 4895, or as strangers. */
    pair_init(pair, second);
    pair->wraps = first & 16;
    for (unsigned i = 0; i < 2; i++) {
        pair->options[i].auth = first & 32;
        pair->options[i].hawser = !(first & 64);
        pair->options[i].buffer = BUFFER;
    }
    pair_up(pair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program program = {.reader = wire_reader(data, size)};
    prepare(&program);
    for (unsigned i = 0; i < OPERATIONS && wire_left(&program.reader); i++)
        operate(&program);
    pair_run(&program.pair, 60000000);
    check(&program);
    pair_fini(&program.pair);
    return 0;
}
