/* Packets of people of whom nothing is known. */
#include "transport/udp/arrival.h"

#include "transport/udp/association.h"
#include "transport/udp/path_io.h"
#include "transport/udp/unverified.h"

static bool may_answer(const struct udp_arrival *a, enum answers_kind kind)
{
    struct udp *transport = a->local->transport;
    bool allowed = answers_allow(&transport->limits.answers, kind, a->from, udp_now(transport));
    transport->counters.not_answered += !allowed;
    return allowed;
}

static void answer(const struct udp_arrival *a, const uint8_t *reply, size_t length)
{
    struct datagram_route route = {.to = *a->from, .from = *a->own};
    datagram_send(&a->local->socket, &route, reply, length);
}

/* Of an association of another endpoint at this address, which came with a packet of this one's. */
static bool is_elsewhere(const struct udp_arrival *a)
{
    const struct sctp_sharing *sharing = &a->local->transport->options.sharing;
    uint32_t tag = a->packet.header.tag;
    return sharing->count > 1 && tag && tag % sharing->count != sharing->index;
}

void udp_arrival_ootb(const struct udp_arrival *a)
{
    struct udp *transport = a->local->transport;
    uint8_t reply[SCTP_REPLY_MAX];
    transport->counters.ootb_packets++;
    /* One end of each association of ours has the port on which endpoints listen. */
    if (a->key.own_port != UDP_SCTP_PORT && a->key.peer_port != UDP_SCTP_PORT)
        return;
    if (is_elsewhere(a))
        return;
    size_t length = sctp_listener_ootb(a->packet.bytes, a->packet.length, reply);
    if (!length || !answers_limit_allow(&transport->limits.ootb, &a->key, udp_now(transport)) ||
        !may_answer(a, ANSWERS_OTHER))
        return;
    transport->counters.ootb_answers++;
    answer(a, reply, length);
}

/* ---- INIT and COOKIE ECHO ---- */

static bool may_begin(const struct udp_arrival *a)
{
    const struct udp *transport = a->local->transport;
    return transport->listener && !transport->refuses && a->key.own_port == UDP_SCTP_PORT;
}

static bool is_full(const struct udp *transport)
{
    return transport->accepted >= transport->options.max_associations;
}

static bool may_have_place(const struct udp *transport)
{
    return !is_full(transport) || transport->unverified.count;
}

/* The answer of the listener. existing: the association that is there, at path; NULL: none. */
struct hearing {
    enum sctp_heard heard;
    struct sctp_association *made;
    uint8_t reply[SCTP_REPLY_MAX];
    size_t length;
};

static void hear(const struct udp_arrival *a, struct udp_association *existing, unsigned net,
                 struct hearing *hearing)
{
    struct udp *transport = a->local->transport;
    struct sctp_origin origin = {&a->key, sizeof a->key};
    hearing->made = NULL;
    hearing->length = 0;
    hearing->heard = sctp_listener_input(
        transport->listener, udp_now(transport), &origin, net, a->packet.bytes, a->packet.length,
        existing ? existing->engine : NULL, hearing->reply, &hearing->length, &hearing->made);
}

/* Of a peer that does not authenticate, which its user learns by the reply and ours not at all. */
static void log_refusal(const struct udp_arrival *a)
{
    struct udp *transport = a->local->transport;
    struct address plain = datagram_plain_address(a->from);
    association_tell_unheard(&plain, ERR_TRANSPORT_AUTH, "", &transport->limits.lines,
                             loop_now(transport->base.loop));
}

/* A restart begins where the association is that it ends. It cannot be authenticated. */
static struct udp_association *restarts(struct udp_path *path)
{
    struct udp_association *self = path ? path->owner : NULL;
    return self && path == udp_path_in_use(self) ? self : NULL;
}

/* An endpoint that takes no associations, or that has begun the one at that address, takes no INIT:
 * nothing happens. An INIT changes nothing about an association before its cookie has come back. */
void udp_arrival_init(const struct udp_arrival *a, struct udp_path *path)
{
    struct udp *transport = a->local->transport;
    struct udp_association *existing = restarts(path);
    struct hearing hearing;
    if (!may_begin(a) || (path && path->owner->paths.choice.options.chooses) ||
        !may_answer(a, ANSWERS_INIT))
        return;
    if (existing && transport->options.auth) {
        udp_path_io_doubt(existing);
        return;
    }
    sctp_listener_accept(transport->listener, existing || may_have_place(transport));
    hear(a, existing, existing ? path->number : 0, &hearing);
    if (hearing.heard == SCTP_HEARD_UNLIKE)
        log_refusal(a);
    if (hearing.heard == SCTP_HEARD_EXISTING)
        udp_touch(existing);
    else if (hearing.length)
        answer(a, hearing.reply, hearing.length);
}

/* For one more association there. Those of whom nobody is verified make room for it. */
static bool has_place(const struct udp_arrival *a)
{
    struct udp *transport = a->local->transport;
    struct udp_association *evicted;
    if (!udp_unverified_has_room(transport, a->from, is_full(transport), &evicted))
        return false;
    if (evicted) {
        transport->counters.unverified_evicted++;
        udp_association_close(&evicted->base, ASSOCIATION_ABORT, "too many wait to be verified");
        evicted->base.reason = ERR_TRANSPORT_TIMEOUT;
    }
    return true;
}

/* There is no place. */
static void turn_away(const struct udp_arrival *a, struct sctp_association *engine)
{
    uint64_t now_us = udp_now(a->local->transport);
    uint8_t packet[UINT16_MAX];
    struct sctp_wants wants;
    a->local->transport->counters.unverified_evicted++;
    /* The cookie makes no other one: to turn one away costs more than to drop a packet. */
    sctp_listener_ended(a->local->transport->listener, sctp_association_own_tag(engine));
    sctp_association_abort(engine, "no room for one more");
    if (may_answer(a, ANSWERS_OTHER) && sctp_association_wants(engine, now_us, &wants))
        answer(a, packet, sctp_association_output(engine, now_us, &wants, packet));
    sctp_association_free(engine);
}

/* The association that the cookie has made comes up at this address; known: which another one has.
 */
static void adopt(const struct udp_arrival *a, struct udp_path *known,
                  struct sctp_association *engine)
{
    if (known)
        udp_path_remove(known);
    sctp_association_net_use(engine, udp_now(a->local->transport), 0);
    udp_association_accept(a->local, a->from, a->own, &a->key, engine);
}

/* A cookie whose association is there comes again, because COOKIE ACK was lost, or somebody repeats
 * it elsewhere. */
static bool is_repeated_elsewhere(const struct udp_arrival *a, const struct udp_path *path)
{
    struct udp_association *self =
        udp_path_by_tag(a->local->transport, a->packet.header.tag, &a->key);
    return self && (!path || path->owner != self);
}

static void take_cookie(const struct udp_arrival *a, struct udp_path *path,
                        struct udp_association *existing)
{
    struct hearing hearing;
    sctp_listener_accept(a->local->transport->listener, true);
    hear(a, existing, existing ? path->number : 0, &hearing);
    switch (hearing.heard) {
    case SCTP_HEARD_NOTHING:
        if (!existing)
            udp_arrival_ootb(a);
        break;
    case SCTP_HEARD_REPLY:
    case SCTP_HEARD_UNLIKE:
        if (may_answer(a, ANSWERS_OTHER))
            answer(a, hearing.reply, hearing.length);
        break;
    case SCTP_HEARD_MADE:
        if (has_place(a))
            adopt(a, path, hearing.made);
        else
            turn_away(a, hearing.made);
        break;
    case SCTP_HEARD_RESTARTED:
        udp_association_end(existing, ERR_TRANSPORT_RESTARTED, "");
        adopt(a, NULL, hearing.made);
        break;
    case SCTP_HEARD_EXISTING:
        existing->in.has_input = true;
        udp_touch(existing);
        break;
    }
}

void udp_arrival_cookie(const struct udp_arrival *a, struct udp_path *path)
{
    struct udp *transport = a->local->transport;
    struct udp_association *existing = restarts(path);
    if (is_repeated_elsewhere(a, path) || (path && path->owner->paths.choice.options.chooses))
        return;
    if (!existing && path && a->packet.header.tag == path->owner->tags.own)
        existing = path->owner;
    if (existing || (may_begin(a) && may_have_place(transport)))
        take_cookie(a, path, existing);
    else
        udp_arrival_ootb(a);
}
