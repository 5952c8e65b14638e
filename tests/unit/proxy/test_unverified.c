/* Associations whose peers never prove who they are, as a server's tunnel sees them: how many
 * there are, and what one costs that has begun a handshake. The transport is none: what the links
 * send is dropped, so that all that is allocated is theirs. */
#include "proxy/link/unverified.h"

#include "tests/lib/allocated.h"
#include "tests/unit/proxy/bed.h"

#define STREAMS 8194

/* ---- a transport that sends nothing ---- */

struct guest {
    struct association association;
    struct association_events *events;
    bool closed, down;
};

static enum err drop(struct association *association, struct message *message)
{
    (void)association;
    message_free(message);
    return ERR_OK;
}

static void note_close(struct association *association, enum association_close how,
                       const char *detail)
{
    (void)how, (void)detail;
    container_of(association, struct guest, association)->closed = true;
}

static void no_status(struct association *association, struct association_status *status)
{
    (void)association;
    *status = (struct association_status){.path_count = 0};
}

static const struct transport_ops dropping = {
    .name = "none", .send = drop, .close = note_close, .status = no_status};

/* ---- guests ---- */

static void turn(struct bed *bed)
{
    for (unsigned i = 0; i < 3; i++)
        loop_turn(bed->server.workers[0].loop, 0);
}

/* Those that the tunnel has closed go. */
static void let_go(struct bed *bed, struct guest *guests, unsigned count, bool all)
{
    for (unsigned i = 0; i < count; i++)
        if (guests[i].events && !guests[i].down && (all || guests[i].closed)) {
            guests[i].down = true;
            guests[i].events->on_down(guests[i].events, ERR_TRANSPORT_LOST, "");
        }
    turn(bed);
}

static struct address from(unsigned source)
{
    char text[64];
    snprintf(text, sizeof text, "[2001:db8:%x::1]:7000", source);
    struct endpoint endpoint;
    char why[100];
    must(endpoint_parse(&endpoint, text, ".", why, sizeof why) == ERR_OK);
    struct address address = endpoint.address;
    endpoint_clear(&endpoint);
    return address;
}

static void give(struct guest *guest, uint16_t stream, const uint8_t *bytes, size_t length)
{
    struct message *message = message_new(length);
    if (bytes)
        memcpy(message->data, bytes, length);
    else
        memset(message->data, 0x16, length);
    message->length = (uint32_t)length;
    message->stream = stream;
    guest->events->on_message(guest->events, message);
}

static uint8_t hello[4096];
static size_t hello_length;

static void come(struct bed *bed, struct guest *guest, unsigned source)
{
    struct address address = from(source);
    *guest = (struct guest){.association.ops = &dropping};
    guest->events = link_accept(&bed->server.tunnel->owner, &guest->association, &address);
    guest->events->on_up(guest->events, STREAMS);
    give(guest, 0, hello, hello_length);
}

/* ---- a client's first word ---- */

static void keep_hello(struct tls_output *output, struct message *message)
{
    (void)output;
    must(!hello_length && message->length <= sizeof hello);
    memcpy(hello, message->data, hello_length = message->length);
    message_free(message);
}

static void make_hello(struct bed *bed)
{
    struct tls_output output = {.on_output = keep_hello};
    struct tls_session *session =
        tls_session_new_master(bed->client.tunnel->owner.credentials, NULL, &output);
    must(session && tls_session_handshake(session) == ERR_AGAIN && hello_length);
    tls_session_free(session);
}

/* ---- tests ---- */

#define SOURCES 20

static struct guest guests[UNVERIFIED_MAX + 200];

static const struct newcomers *unverified_of(const struct bed *bed)
{
    return &bed->server.tunnel->owner.unverified.links;
}

static void what_one_costs(struct bed *bed)
{
    enum { WARM = 4, COUNT = 24 };
    size_t before = 0;
    for (unsigned i = 0; i < WARM + COUNT; i++) {
        if (i == WARM)
            before = allocated_bytes();
        come(bed, &guests[i], i);
        turn(bed);
    }
    message_cache_clear();
    size_t each = (allocated_bytes() - before) / COUNT;
    ok(unverified_of(bed)->count == WARM + COUNT, "%zu handshakes are begun",
       unverified_of(bed)->count);
    tap_note("of %zu bytes for %d streams at least", (STREAMS * sizeof(struct link_stream)),
             STREAMS);
    ok(before && each > 2000 && each < 65536, "each takes %zu bytes", each);
    before = allocated_bytes();
    for (unsigned i = 0; i < WARM + COUNT; i++)
        for (unsigned k = 0; k < 100; k++)
            give(&guests[i], (uint16_t)(1 + k), NULL, 2500);
    message_cache_clear();
    each = (allocated_bytes() - before) / (WARM + COUNT);
    ok(each > 100000 && each < 64 * 3000, "64 messages that come too early take %zu more", each);
    let_go(bed, guests, WARM + COUNT, true);
    ok(!unverified_of(bed)->count && !unverified_of(bed)->held, "and nothing once they are gone");
}

static void how_many(struct bed *bed)
{
    const unsigned count = UNVERIFIED_MAX + 100;
    size_t most = 0, most_early = 0, most_of_source = 0;
    unsigned gone = 0;
    size_t before = allocated_bytes();
    for (unsigned i = 0; i < count; i++) {
        come(bed, &guests[i], i);
        for (unsigned k = 0; k < 64; k++)
            give(&guests[i], (uint16_t)(1 + k), NULL, 4000);
        let_go(bed, guests, i + 1, false);
        most = unverified_of(bed)->count > most ? unverified_of(bed)->count : most;
        most_early = unverified_of(bed)->held > most_early ? unverified_of(bed)->held : most_early;
    }
    message_cache_clear();
    size_t all = allocated_bytes() - before;
    for (unsigned i = 0; i < count; i++)
        gone += guests[i].down;
    ok(most == UNVERIFIED_MAX && gone == count - UNVERIFIED_MAX,
       "there are %zu at once, the oldest make room", most);
    ok(most_early <= UNVERIFIED_EARLY_ALL + UNVERIFIED_MAX * UNVERIFIED_EARLY_LEAST,
       "what came too early of all takes %zu KB", most_early / 1024);
    ok(all <
           UNVERIFIED_MAX * 65536u + UNVERIFIED_EARLY_ALL + UNVERIFIED_MAX * UNVERIFIED_EARLY_LEAST,
       "they take %zu KB in all", all / 1024);
    ok(side_is_up(&bed->client) && side_is_up(&bed->server), "who is verified stays");
    let_go(bed, guests, count, true);
    for (unsigned i = 0; i < 2 * UNVERIFIED_OF_SOURCE; i++) {
        come(bed, &guests[i], 7); /* one host, and its whole /64 */
        let_go(bed, guests, i + 1, false);
        most_of_source =
            unverified_of(bed)->count > most_of_source ? unverified_of(bed)->count : most_of_source;
    }
    ok(most_of_source == UNVERIFIED_OF_SOURCE, "%zu of one source", most_of_source);
    let_go(bed, guests, 2 * UNVERIFIED_OF_SOURCE, true);
}

/* A place is got by who comes, however full it is. */
static void newcomer(struct bed *bed)
{
    for (unsigned i = 0; i < UNVERIFIED_MAX; i++)
        come(bed, &guests[i], i);
    side_init(&bed->second, bed, CONFIG_CLIENT, 1);
    bed->second.remote.address = bed->client.remote.address;
    side_start(&bed->second);
    unsigned came = 0;
    bed_arm(bed, BED_PATIENCE_US);
    while (!side_is_up(&bed->second) && bed_turn(bed)) {
        if (came == UNVERIFIED_MAX / 2)
            continue;
        struct guest *guest = &guests[UNVERIFIED_MAX + came % 200]; /* one after another */
        if (guest->events && !guest->down)
            continue;
        come(bed, guest, UNVERIFIED_MAX + came++);
        let_go(bed, guests, UNVERIFIED_MAX + 200, false);
    }
    ok(side_is_up(&bed->second), "a new client comes up while %u more begin", came);
    let_go(bed, guests, UNVERIFIED_MAX + 200, true);
}

int main(void)
{
    struct bed bed;
    bed_main_begin();
    bed_init(&bed, 1, 1, false);
    bed.server.config.streams.max = STREAMS - 2;
    bed.server.config.identity.max_streams = STREAMS;
    bed_start(&bed);
    bed_up(&bed);
    make_hello(&bed);
    what_one_costs(&bed);
    how_many(&bed);
    newcomer(&bed);
    bed_fini(&bed);
    message_cache_clear();
    return tap_done();
}
