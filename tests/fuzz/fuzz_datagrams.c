/* Datagrams of strangers, observers and hostile peers against the udp transport: all of
 * udp/receive.c and what it calls, the engine of sctp/ included. Two endpoints in one process, an
 * honest association between them, a virtual clock, and a script that sends, loses, repeats,
 * changes and forges packets.
 *
 * First byte: who it is (2 bits), then flags. Must hold, besides that nothing breaks:
 *   0 a stranger off the path, who knows addresses and ports, but no tag: the association comes up,
 *     stays up on all its paths, and loses nothing.
 *   1 somebody on the path who sees all and sends anything in the name of either end, where SCTP is
 *     authenticated: the association stays up.
 *   2, 3 anybody, a hostile peer among them, who also loses and delays packets.
 * In all of them no address that has not been confirmed, by a cookie or the answer to a question,
 * is ever sent more than three times what came from it: neither at once nor later, by any timer. */
#include "tests/fuzz/udp_bed.h"
#include "transport/udp/unverified.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACTIONS_MAX  200
#define AMPLIFY_MOST 3
#define FLOWS_WITHIN 10 /* seconds */

static void act(uint8_t action, struct wire_reader *script)
{
    struct user *user = action & 0x10 ? bed.peer : &bed.users[0];
    enum association_auth what;
    uint16_t stream;
    switch (action & 0x0f) {
    case 0:
    case 1:
        stream = wire_get_u8(script) % STREAMS;
        (void)say(user, stream, wire_get_u8(script) * 100u);
        break;
    case 2:
        if (!is_safe() && user && user->association)
            association_close(user->association, ASSOCIATION_SHUTDOWN, "");
        break;
    case 3:
        if (!is_safe() && user && user->association)
            association_close(user->association, ASSOCIATION_ABORT, "because");
        break;
    case 4:
        if (!is_safe())
            connect_anew(new_user());
        break;
    case 5:
        what = (enum association_auth)(wire_get_u8(script) % 3);
        if (!is_safe())
            change_keys(user, what, wire_get_u8(script) % KEYS);
        break;
    case 6:
        if (!is_safe())
            transport_refuse(bed.server);
        break;
    case 7: /* the latest one has proved its identity */
        user = &bed.users[bed.user_count - 1];
        if (user->association)
            association_trust(user->association);
        break;
    default: { /* somebody looks */
        struct association_status status;
        if (user && user->association)
            association_status(user->association, &status);
    }
    }
}

/* ---- what happens on the wire ---- */

/* The source of a forged packet: one of the ends' addresses, or a stranger's. */
static struct address source(uint8_t about, bool to_client, struct wire_reader *script)
{
    if (bed.who != OBSERVER && about & 0x40)
        return world_stranger(about & 0x80 ? wire_get_u8(script) : about >> 4 & 3);
    struct address list[2];
    size_t count = locals(to_client ? 1 : 2, to_client ? SERVER_PORT : CLIENT_PORT, list);
    return list[(about >> 4 & 1) % count];
}

/* By a cookie that came back from there, or the answer to a probe. */
static bool is_confirmed(struct transport *transport, const struct address *address)
{
    struct association *base;
    TAILQ_FOREACH(base, &transport->associations, link)
    {
        const struct udp_association *one = udp_association_of(base);
        for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
            if (one->paths.list[i] && one->paths.choice.paths[i].confirmed &&
                address_equal(&one->paths.list[i]->route.to, address))
                return true;
    }
    return false;
}

static void check_answers(void)
{
    for (unsigned i = 0; i < WORLD_STRANGERS; i++) {
        struct address address = world_stranger(i);
        world.known[i] = world.known[i] || is_confirmed(bed.server, &address) ||
                         is_confirmed(bed.client, &address);
        must(world.known[i] || world.answered[i] <= AMPLIFY_MOST * world.asked[i]);
    }
}

static void arrive(uint8_t about, const struct address *from, const struct draft *d)
{
    struct address list[2];
    size_t count = locals(d->to_client ? 2 : 1, d->to_client ? CLIENT_PORT : SERVER_PORT, list);
    int stranger = world_is_stranger(from);
    if (stranger >= 0)
        world.asked[stranger] += d->length;
    world_arrive(from, &list[(about >> 5 & 1) % count], d->bytes, d->length);
    check_answers();
    loop_turn(bed.loop, 0);
}

static struct draft draft;

static void send_forged(struct wire_reader *script)
{
    uint8_t about = wire_get_u8(script), count = wire_get_u8(script);
    forge_begin(&draft, about, script);
    for (unsigned i = 0; i <= (count & 7u); i++)
        forge_chunk(&draft, script);
    if (count & 8)
        forge_edit(&draft, script);
    forge_seal(&draft, !(count & 16));
    struct address from = source(about, draft.to_client, script);
    arrive(about, &from, &draft);
}

static const struct world_packet *recall(struct wire_reader *script)
{
    unsigned known = world.seen_count < WORLD_SEEN ? world.seen_count : WORLD_SEEN;
    unsigned back = wire_get_u8(script);
    return known ? &world.seen[(world.seen_count - 1 - back % known) % WORLD_SEEN] : NULL;
}

/* Turned round, as an answer from where it was sent to; of a probe the one that is right. */
static void turn(const struct world_packet *old)
{
    draft.to_client = !draft.to_client;
    memcpy(draft.bytes, old->bytes + 2, 2);
    memcpy(draft.bytes + 2, old->bytes, 2);
    forge_put32(draft.bytes + 4, forge.honest.tag[draft.to_client]);
    if (draft.length == PROBE_SIZE && draft.bytes[SCTP_HEADER] == SCTP_CHUNK_HEARTBEAT) {
        draft.bytes[SCTP_HEADER] = SCTP_CHUNK_HEARTBEAT_ACK;
        draft.bytes[28] |= PROBE_BY_OURS;
    }
}

/* Repeats a packet of the past, from wherever, with changes, cut, or with chunks behind it. */
static void send_again(struct wire_reader *script)
{
    const struct world_packet *old = recall(script);
    uint8_t about = wire_get_u8(script), how = wire_get_u8(script);
    if (!old)
        return;
    struct address to = old->to;
    forge_begin(&draft, about & 0xf0, script);
    draft.to_client = old->bytes[0] == SERVER_PORT >> 8 && old->bytes[1] == (SERVER_PORT & 0xff);
    draft.length = old->length;
    memcpy(draft.bytes, old->bytes, old->length);
    if (how & 8)
        turn(old);
    if (how & 1)
        forge_edit(&draft, script);
    if (how & 2)
        draft.length -= wire_get_u16(script) % draft.length;
    if (how & 4)
        forge_chunk(&draft, script);
    forge_seal(&draft, true);
    struct address from = source(about, draft.to_client, script);
    arrive(about, how & 8 ? &to : &from, &draft);
}

static void disturb(uint8_t action, struct wire_reader *script)
{
    unsigned index = wire_get_u8(script);
    struct datagram_socket *socket = world.sockets[index % WORLD_SOCKETS];
    struct address peer = source((uint8_t)index, index & 1, script);
    if (is_safe())
        return;
    if (action == 0 && world.wire_count)
        world_remove(index % world.wire_count);
    else if (action == 1 && world.wire_count)
        world_deliver(index % world.wire_count);
    else if (action == 2 && socket)
        socket->events->on_refused(socket, &peer);
    else if (action == 3 && socket)
        socket->events->on_trouble(socket, &peer, index & 0x80);
}

static void play(struct wire_reader *script)
{
    static const uint32_t waits[] = {1, 5, 20, 50, 100, 300, 1000, 4000};
    for (unsigned i = 0; i < ACTIONS_MAX && wire_left(script); i++) {
        uint8_t action = wire_get_u8(script);
        switch (action >> 5) {
        case 0:
            act(action, script);
            break;
        case 1:
            deliver_all();
            break;
        case 2:
            pass(waits[action & 7] * 1000ull);
            break;
        case 3:
            disturb(action & 3, script);
            break;
        case 4:
        case 5:
            send_again(script);
            break;
        default:
            send_forged(script);
        }
        loop_turn(bed.loop, 0);
        check_answers();
    }
}

/* ---- beginning and end ---- */

static struct transport *open_at(uint8_t host, uint16_t port, struct transport_acceptor *acceptor)
{
    struct transport_options options = {
        .streams = STREAMS,
        .max_associations = 8,
        .connect_timeout_us = 10 * SECOND,
        .heartbeat_us = SECOND,
        .dead_after_us = 15 * SECOND,
        .mtu = bed.flags & NARROW ? 9000 : 1500,
        .buffer_bytes = 1 << 20,
        .auth = bed.flags & AUTH,
        .distrusts = true,
    };
    struct address list[2];
    size_t count = locals(host, port, list);
    if (host == 1 && bed.flags & WILDCARD) {
        list[0] = world_address(0, 0, port);
        count = 1;
    }
    struct transport *transport;
    char why[100];
    must(transport_open(&udp_ops, bed.loop, list, count, &options, acceptor, &transport, why,
                        sizeof why) == ERR_OK);
    return transport;
}

static void prepare(void)
{
    settle(SECOND / 5);
    must(bed.users[0].up && say(&bed.users[0], 0, 10) == ERR_OK); /* the acceptor waits for it */
    settle(SECOND / 10);
    must(bed.peer && bed.peer->up);
    if (bed.flags & AUTH) {
        for (int i = ASSOCIATION_AUTH_ADD; i <= ASSOCIATION_AUTH_USE; i++) {
            change_keys(&bed.users[0], (enum association_auth)i, 1);
            change_keys(bed.peer, (enum association_auth)i, 1);
        }
        settle(SECOND / 5);
        must(bed.users[0].settled == 1 && bed.peer->settled == 1);
        change_keys(&bed.users[0], ASSOCIATION_AUTH_DROP, 0);
        change_keys(bed.peer, ASSOCIATION_AUTH_DROP, 0);
    }
    must(say(&bed.users[0], 0, 100) == ERR_OK && say(bed.peer, 0, 3000) == ERR_OK);
    settle(SECOND / 10);
}

/* Nothing is kept of what nobody sent who was entitled to. */
static void check_kept(const struct user *user)
{
    const struct udp_association *self =
        container_of(user->association, struct udp_association, base);
    struct sctp_status status;
    sctp_association_status(self->engine, &status);
    must(status.held == 0);
    must(bed.flags & NARROW ||
         !self->paths.reassembly.bytes); /* else the peer's latest fragments stay */
}

/* A full queue empties. It takes some time here: one turn of the loop in a step of settle() lets
 * out what the pacer allows at that moment, 2 or 3 packets in 100 ms. */
static void check_flows(struct user *user)
{
    enum err e = say(user, 1, 50);
    for (unsigned i = 0; e == ERR_AGAIN && i < FLOWS_WITHIN; i++) {
        settle(SECOND);
        e = say(user, 1, 50);
    }
    must(e == ERR_OK);
}

static void check_alive(void)
{
    struct user *user = &bed.users[0];
    settle(4 * SECOND);
    must(user->up && bed.peer && bed.peer->up && !user->downs && !bed.peer->downs);
    if (bed.who == STRANGER) {
        check_kept(user);
        check_kept(bed.peer);
    }
    check_flows(user);
    check_flows(bed.peer);
    settle(SECOND);
    must(!memcmp(user->sent, bed.peer->came, sizeof user->sent));
    must(!memcmp(user->came, bed.peer->sent, sizeof user->sent));
    struct association_status status;
    association_status(user->association, &status);
    must(status.path_count == (bed.flags & TWO_PATHS ? 4u : 1u));
    check_answers();
}

/* The bound of all unverified peers together. */
static void check_cost(void)
{
    const struct udp *server = container_of(bed.server, struct udp, base);
    struct association *base;
    size_t sum = 0, count = 0;
    TAILQ_FOREACH(base, &server->base.associations, link)
    {
        const struct udp_association *one = udp_association_of(base);
        sum += one->unverified.held;
        count += one->unverified.is_in;
        must(one->unverified.held <= 2 * UDP_UNVERIFIED_ONE &&
             (one->unverified.is_in || !one->unverified.held));
    }
    must(count == server->unverified.count);
    must(sum == server->unverified.held &&
         sum <= UDP_UNVERIFIED_ALL + count * (UDP_UNVERIFIED_LEAST + UDP_UNVERIFIED_ADDED));
}

static void begin(uint8_t first)
{
    memset(&bed, 0, sizeof bed);
    memset(&forge, 0, sizeof forge);
    bed.who = first & 3;
    bed.flags = first & ~3u;
    if (bed.who == OBSERVER)
        bed.flags = (uint8_t)((bed.flags | AUTH) & ~(UNPREPARED | TWO_PATHS));
    forge.blind = bed.who == STRANGER;
    forge.own.tag[1] = FORGE_OWN_TAG;
    forge.own.tsn[0] = FORGE_OWN_TSN - 1;
    world_begin(first, bed.flags & NARROW ? 1400 : 9000);
    world.on_sent = forge_on_sent;
    bed.loop = loop_new();
    must(bed.loop);
    bed.acceptor.on_incoming = on_incoming;
    bed.server = open_at(1, SERVER_PORT, &bed.acceptor);
    bed.client = open_at(2, CLIENT_PORT, NULL);
    connect_anew(new_user());
    if (!(bed.flags & UNPREPARED))
        prepare();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct wire_reader script = wire_reader(data + 1, size - 1);
    begin(data[0]);
    bed.plays = true;
    play(&script);
    check_cost();
    if (is_safe())
        check_alive();
    transport_free(bed.client);
    transport_free(bed.server);
    for (unsigned i = 0; i < bed.user_count; i++)
        must(!bed.users[i].association);
    loop_turn(bed.loop, 0);
    loop_free(bed.loop);
    world_end();
    return 0;
}
