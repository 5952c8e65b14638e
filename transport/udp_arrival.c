#include "transport/udp_arrival.h"

#include "base/check.h"
#include "transport/packet_init.h"
#include "transport/udp_association.h"
#include "transport/udp_auth.h"
#include "transport/udp_path_io.h"
#include "transport/udp_receive.h"
#include "transport/udp_trust.h"

static bool may_answer(const struct udp_arrival *a)
{
    struct udp *transport = a->local->transport;
    bool allowed = answers_allow(&transport->answers, a->from, loop_now(transport->loop));
    transport->counters.not_answered += !allowed;
    return allowed;
}

/* One end of each association of ours has the port on which endpoints listen. */
void udp_arrival_stray(const struct udp_arrival *a)
{
    struct udp *transport = a->local->transport;
    uint8_t answer[STRAY_ANSWER];
    transport->counters.stray_packets++;
    if ((a->key.own_port != UDP_SCTP_PORT && a->key.peer_port != UDP_SCTP_PORT) ||
        !stray_answer(a->packet, a->length, answer) ||
        !stray_allow(&transport->strays, &a->key, loop_now(transport->loop)) || !may_answer(a))
        return;
    transport->counters.stray_answers++;
    struct datagram_route route = {.to = *a->from, .from = *a->own};
    datagram_send(&a->local->socket, &route, answer, sizeof answer);
}

/* ---- INIT and COOKIE ECHO ---- */

/* An address that is not verified gets so much. */
static void input_limited(struct udp_association *self, const struct udp_arrival *a)
{
    self->may_answer = ANSWERS_FACTOR * a->asked;
    stack_input(&self->peer, a->packet, a->length);
    self->may_answer = 0;
}

/* The INIT may be a repeated one, of which the answer was lost or is on its way. */
static void answer_init(struct udp_path *path, const struct udp_arrival *a)
{
    struct udp_association *self = path->owner;
    struct udp_cookie *cookie = &self->cookie;
    uint32_t tag = packet_init_tag(a->packet);
    if (cookie->answer && cookie->asked_tag == tag) {
        if (cookie->answer_length <= ANSWERS_FACTOR * a->asked)
            datagram_send(&path->local->socket, &path->route, cookie->answer,
                          cookie->answer_length);
        return;
    }
    cookie->asked_tag = tag;
    stack_busy();
    input_limited(self, a);
}

/* At an address where the association is that it would restart. A restart cannot be authenticated.
 */
static void take_restart(struct udp_path *path, const struct udp_arrival *a)
{
    struct udp_association *self = path->owner;
    if (!self->transport->options.auth)
        answer_init(path, a);
    else if (udp_association_is_up(self))
        udp_auth_doubt(self);
}

/* Who takes no associations, or has begun the one that is at that address, takes no INIT: nothing
 * happens. Elsewhere an INIT changes nothing about what is there before its cookie has come back.
 */
void udp_arrival_init(const struct udp_arrival *a, struct udp_path *path)
{
    struct udp *transport = a->local->transport;
    if (a->key.own_port != UDP_SCTP_PORT || !transport->acceptor ||
        (path && path->owner->choice.options.chooses) || !may_answer(a))
        return;
    if (path && path == udp_path_in_use(path->owner)) {
        take_restart(path, a);
        return;
    }
    struct path_key key = path_key_half_open(&a->key);
    struct path *node = path_table_find(&transport->paths, &key);
    struct udp_path *half_open =
        node ? container_of(node, struct udp_path, node)
             : udp_association_half_open(a->local, a->from, a->own, &a->key);
    if (half_open)
        answer_init(half_open, a);
}

/* The association that INIT began comes up, at this address; known: which another one has. */
static void settle(struct udp_path *half_open, struct udp_path *known, const struct udp_arrival *a,
                   const uint8_t *whole, size_t length)
{
    struct udp_association *self = half_open->owner;
    if (known && known == udp_path_in_use(known->owner))
        return; /* of which this INIT was no restart: it moved there meanwhile */
    if (known)
        udp_path_io_remove(known);
    udp_path_io_settle(half_open, &a->key);
    self->may_answer = SIZE_MAX;
    udp_trust_allows(self, whole, length); /* so little is always allowed */
    stack_busy();
    stack_input(&self->peer, whole, length);
    udp_association_accept(self);
    if (self->state == UDP_HALF_OPEN)
        udp_association_end(self, ERR_TRANSPORT_REFUSED, "");
    else
        udp_receive_touch(self);
}

/* Again, because COOKIE ACK was lost, or of a restart. */
static void take_cookie_again(struct udp_association *self, const uint8_t *whole, size_t length)
{
    stack_busy();
    stack_input(&self->peer, whole, length);
    udp_path_io_tags(self);
    udp_receive_touch(self);
}

/* usrsctp sees no cookie but of who has had our INIT ACK. */
void udp_arrival_cookie(const struct udp_arrival *a, struct udp_path *path)
{
    struct udp *transport = a->local->transport;
    uint8_t whole[UINT16_MAX];
    size_t length = 0;
    struct path_key key = path_key_half_open(&a->key);
    struct path *node = path_table_find(&transport->paths, &key);
    struct udp_path *half_open = node ? container_of(node, struct udp_path, node) : NULL;
    size_t taken = a->length > UDP_TRUST_COOKIE ? PACKET_HEADER + 4 + UDP_COOKIE_TOKEN : a->length;
    if (half_open)
        length =
            udp_cookie_restore(&half_open->owner->cookie, a->packet, taken, whole, sizeof whole);
    if (length) {
        settle(half_open, path, a, whole, length);
        return;
    }
    bool in_use = path && path == udp_path_in_use(path->owner);
    if (in_use)
        length = udp_cookie_restore(&path->owner->cookie, a->packet, taken, whole, sizeof whole);
    if (length && udp_trust_allows(path->owner, whole, length))
        take_cookie_again(path->owner, whole, length);
    else if (!in_use)
        udp_arrival_stray(a);
}
