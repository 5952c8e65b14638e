/* Strangers from more addresses than this machine has: how many may come of one source, and what
 * each costs. Their packets are handed to the transport where its socket would; the answers go
 * nowhere, so cookies are asked for at its listener. */
#include "transport/udp/unverified.h"

#include "tests/lib/allocated.h"
#include "tests/unit/transport/stranger.h"
#include "transport/udp/association.h"
#include "transport/udp/receive.h"

struct scene {
    struct bed bed;
    struct udp *server;
};

static void open_scene(struct scene *scene)
{
    scene->bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    scene->bed.options.distrusts = true;
    scene->bed.options.streams = 2048;
    scene->bed.options.max_associations = UDP_UNVERIFIED_COUNT + 10;
    bed_open_at(&scene->bed, "[::1]:0", "[::1]:0");
    scene->server = container_of(scene->bed.server, struct udp, base);
}

struct guest {
    struct address from;
    struct packet_ports ports;
    uint32_t tag; /* of its packets */
};

static const struct address any;

static void arrive(struct scene *scene, const struct guest *guest, uint8_t *packet, size_t length)
{
    udp_receive_events.on_packet(&scene->server->locals[0].socket, &guest->from, &any, packet,
                                 length);
}

static void end_batch(struct scene *scene)
{
    udp_association_deliver(scene->server);
    loop_turn(scene->bed.loop, 0);
}

/* Finds the cookie in an INIT ACK. */
static size_t find_cookie(const uint8_t *reply, size_t length, const uint8_t **cookie)
{
    for (size_t at = SCTP_HEADER + 20; at + 4 <= length;) {
        size_t size = sctp_wire_u16(reply + at + 2);
        *cookie = reply + at + 4;
        if (sctp_wire_u16(reply + at) == SCTP_PARAMETER_STATE_COOKIE)
            return size - 4;
        at += (size + 3) & ~(size_t)3;
    }
    return 0;
}

/* INIT and COOKIE ECHO from there. False: it was turned away. */
static bool come_up(struct scene *scene, struct guest *guest, const struct address *from,
                    uint16_t port)
{
    static uint8_t packet[PACKET_MAX];
    struct udp *server = scene->server;
    struct path_key key = path_key(from, &any, server->locals[0].number, port, UDP_SCTP_PORT);
    const struct sctp_origin origin = {&key, sizeof key};
    uint8_t reply[SCTP_REPLY_MAX];
    const uint8_t *cookie = NULL;
    size_t replied = 0, count = server->unverified.count;
    uint64_t dropped = server->counters.unverified_evicted;
    struct sctp_association *made = NULL;
    size_t length = stranger_init(packet, port, UDP_SCTP_PORT, 1000u + port, NULL, 0);
    sctp_wire_seal(packet, length);
    must(sctp_listener_input(server->listener, udp_now(server), &origin, 0, packet, length, NULL,
                             reply, &replied, &made) == SCTP_HEARD_REPLY);
    size_t size = find_cookie(reply, replied, &cookie);
    must(size);
    guest->from = *from;
    guest->ports = (struct packet_ports){port, UDP_SCTP_PORT};
    guest->tag = sctp_wire_u32(reply + SCTP_HEADER + 4);
    length =
        stranger_chunk(packet, guest->ports, guest->tag, SCTP_CHUNK_COOKIE_ECHO << 8, cookie, size);
    arrive(scene, guest, packet, length);
    end_batch(scene);
    return server->unverified.count + (server->counters.unverified_evicted - dropped) ==
               count + 1 &&
           udp_path_by_tag(server, guest->tag, &key);
}

static struct address numbered(unsigned site, unsigned host)
{
    char text[64];
    snprintf(text, sizeof text, "[2001:db8:%x:1::%x]:7000", site, host);
    return bed_address(text);
}

/* ---- how many ---- */

/* So few that all of them are young until the test has looked. */
#define FEW 64

static void of_one_site(void)
{
    struct scene scene;
    struct guest guest;
    struct address from;
    unsigned up = 0;
    open_scene(&scene);
    ok(scene.server->unverified.most_of_source == UDP_UNVERIFIED_OF_SOURCE,
       "one source may have so many");
    scene.server->unverified.most_of_source = FEW;
    for (unsigned i = 0; i < FEW; i++) {
        from = numbered(1, i + 1);
        up += come_up(&scene, &guest, &from, 5000);
    }
    ok(up == FEW, "as many addresses of one /64 come up as one source may (%u)", up);
    from = numbered(1, 1000);
    ok(!come_up(&scene, &guest, &from, 5000), "one more address of that /64 does not");
    from = numbered(2, 1000);
    ok(come_up(&scene, &guest, &from, 5000), "one of another /64 does");
    bed_run(&scene.bed, UDP_UNVERIFIED_YOUNG_US);
    from = numbered(1, 1000);
    ok(come_up(&scene, &guest, &from, 5000) && scene.server->unverified.count == up + 1,
       "the oldest of its own /64 makes room, once it has had its time");
    scene.server->unverified.most_of_source = UDP_UNVERIFIED_OF_SOURCE;
    for (unsigned i = 0; i < UDP_UNVERIFIED_OF_SOURCE + 50; i++) {
        from = numbered(3, i + 1);
        come_up(&scene, &guest, &from, 5000);
    }
    unsigned others = FEW + 1;
    ok(scene.server->unverified.count > others &&
           scene.server->unverified.count <= others + UDP_UNVERIFIED_OF_SOURCE,
       "there are never more of one source (%zu)", scene.server->unverified.count - others);
    bed_close(&scene.bed);
}

/* ---- how much ---- */

/* Each from a source of its own. */
static void silent_ones(void)
{
    struct scene scene;
    struct guest guest;
    struct address from;
    const unsigned warm = 100, count = warm + tap_scaled(3900);
    size_t before = 0;
    unsigned up = 0;
    open_scene(&scene);
    for (unsigned i = 0; i < count; i++) {
        if (i == warm)
            before = allocated_bytes();
        from = numbered(i + 1, 1);
        up += come_up(&scene, &guest, &from, 5000);
    }
    size_t each = (allocated_bytes() - before) / (count - warm);
    ok(up == count && scene.server->unverified.count == count, "%u silent ones come up", up);
    ok(before && each > 1000 && each < 8192, "each takes %zu bytes, of all that is allocated",
       each);
    bed_close(&scene.bed);
}

/* Less than a message, so that nobody hears of it. */
static size_t first_part(uint8_t *packet, const struct guest *guest, uint32_t tsn, uint16_t stream,
                         size_t size)
{
    static uint8_t value[PACKET_MAX];
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, tsn);
    wire_put_u16(&writer, stream);
    wire_put_u16(&writer, 0);
    wire_put_u32(&writer, 0x48575300);
    return stranger_chunk(packet, guest->ports, guest->tag, SCTP_FLAG_BEGIN, value, 12 + size);
}

static size_t kept_by_all(const struct udp *server)
{
    struct association *one;
    struct sctp_status status;
    size_t sum = 0;
    TAILQ_FOREACH(one, &server->base.associations, link)
    {
        sctp_association_status(udp_association_of(one)->engine, &status);
        sum += status.kept;
    }
    return sum;
}

#define MANY 400

/* The memory that each may have even when all have used up theirs, for any packets in one batch. */
static void begun_ones(void)
{
    static struct guest guests[MANY];
    static uint8_t packet[PACKET_MAX];
    struct scene scene;
    struct address from;
    open_scene(&scene);
    for (unsigned i = 0; i < MANY; i++) {
        from = numbered(i + 1, 1);
        must(come_up(&scene, &guests[i], &from, 5000));
    }
    size_t before = allocated_bytes();
    for (unsigned i = 0; i < MANY; i++)
        arrive(&scene, &guests[i], packet, first_part(packet, &guests[i], 1, 255, 1));
    end_batch(&scene);
    size_t each = (allocated_bytes() - before) / MANY;
    ok(each < 2048, "the first byte of a message takes %zu bytes", each);
    for (unsigned i = 0; i < MANY; i++)
        for (uint32_t k = 0; k < 8; k++) { /* behind a gap */
            size_t length = stranger_data(packet, guests[i].ports, guests[i].tag, 10 + k, 16000);
            arrive(&scene, &guests[i], packet, length);
        }
    size_t kept = kept_by_all(scene.server),
           most = UDP_UNVERIFIED_ALL + MANY * (UDP_UNVERIFIED_LEAST + UDP_UNVERIFIED_ADDED);
    ok(kept > UDP_UNVERIFIED_ALL / 2 && kept <= most && scene.server->unverified.held == kept,
       "of 51 MB in one batch %zu KB are kept, of %zu that all may", kept / 1024, most / 1024);
    ok(scene.server->counters.unverified_dropped > MANY, "the rest is dropped");
    end_batch(&scene);
    for (unsigned i = 0; i < MANY; i++) /* small ones, as many as may be, and the last stream */
        for (uint32_t k = 0; k < 200; k++) {
            size_t length = stranger_data(packet, guests[i].ports, guests[i].tag, 3 + k, 1);
            arrive(&scene, &guests[i], packet, length);
        }
    kept = kept_by_all(scene.server);
    ok(kept <= most && scene.server->unverified.held == kept, "nor more of small ones (%zu KB)",
       kept / 1024);
    bed_close(&scene.bed);
}

int main(void)
{
    of_one_site();
    silent_ones();
    begun_ones();
    return tap_done();
}
