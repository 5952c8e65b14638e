#include "transport/udp/path_io.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/number.h"
#include "transport/udp/association.h"
#include "transport/udp/auth.h"
#include "transport/udp/connect.h"
#include "transport/udp/engine.h"
#include "transport/udp/path_mtu.h"
#include "transport/udp/probe.h"
#include "transport/udp/receive.h"
#include "transport/udp/rest.h"
#include "transport/udp/route.h"

/* Denser probes of a path would be a load of their own: 100 a second. */
#define FAST_MIN_US 10000

/* NAT and firewalls forget a flow of UDP that is silent for longer. */
#define HEARTBEAT_MAX_US 60000000

static uint64_t now_of(const struct udp_association *self)
{
    return loop_now(self->transport->loop);
}

static void rearm(struct udp_association *self)
{
    uint64_t next = udp_paths_next(&self->choice, now_of(self));
    if (next == UINT64_MAX)
        loop_timer_cancel(self->transport->loop, &self->path_timer);
    else
        loop_timer_set(self->transport->loop, &self->path_timer, next);
}

/* ---- records ---- */

struct path_key udp_path_io_key(const struct udp_local *local, const struct address *wire)
{
    static const struct address any;
    struct address plain = datagram_plain_address(wire);
    return path_key(&plain, &any, local->number, 0, 0);
}

static void clear(struct udp_path *path)
{
    struct udp *transport = path->owner->transport;
    path_table_remove(&transport->paths, &path->node);
    path_table_remove(&transport->addresses, &path->address);
    if (transport->latest == path)
        transport->latest = NULL;
    path->owner->paths[path->number] = NULL;
    free(path);
}

/* The choice made room or forgot: the records follow. */
static void clear_absent(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths[i] && !self->choice.paths[i].present)
            clear(self->paths[i]);
}

struct udp_path *udp_path_io_add(struct udp_association *self, struct udp_local *local,
                                 const struct address *wire, const struct address *own,
                                 const struct path_key *key, bool confirmed)
{
    int number = udp_paths_add(&self->choice, now_of(self), confirmed);
    if (number < 0)
        return NULL;
    if (self->paths[number])
        clear(self->paths[number]);
    struct udp_path *path = self->paths[number] = check_alloc(sizeof *path);
    path->owner = self;
    path->number = (unsigned)number;
    path->local = local;
    path->route = (struct datagram_route){.to = *wire, .from = *own, .gso = self->choice.ours};
    udp_path_mtu_add(path);
    path->node.key = *key;
    path_table_add(&self->transport->paths, &path->node);
    path->address.key = udp_path_io_key(local, wire);
    path_table_add_another(&self->transport->addresses, &path->address);
    if (self->answered)
        sctp_association_net_reset(self->engine, udp_now(self->transport), path->number);
    return path;
}

void udp_path_io_remove(struct udp_path *path)
{
    udp_paths_remove(&path->owner->choice, path->number);
    clear(path);
}

bool udp_path_io_has_tag(const struct udp_association *self, const uint8_t *packet)
{
    uint32_t right = packet_tag_reflected(packet) ? self->peer_tag : self->own_tag;
    return packet_tag(packet) == right && right;
}

static void forget_tag(struct udp_association *self)
{
    if (self->tagged)
        path_table_remove(&self->transport->paths, &self->by_tag);
    self->tagged = false;
}

struct udp_association *udp_path_io_by_tag(struct udp *transport, uint32_t tag,
                                           const struct path_key *key)
{
    struct path_key by_tag = path_key_of_tag(tag, key->peer_port, key->own_port);
    struct path *node = path_table_find(&transport->paths, &by_tag);
    return node ? container_of(node, struct udp_association, by_tag) : NULL;
}

void udp_path_io_tags(struct udp_association *self)
{
    struct udp *transport = self->transport;
    forget_tag(self);
    self->own_tag = sctp_association_own_tag(self->engine);
    self->peer_tag = sctp_association_peer_tag(self->engine);
    self->by_tag.key = path_key_of_tag(self->own_tag, self->peer_port, self->own_port);
    self->tagged = !path_table_find(&transport->paths, &self->by_tag.key);
    if (self->tagged)
        path_table_add(&transport->paths, &self->by_tag);
}

void udp_path_io_fini(struct udp_association *self)
{
    loop_timer_cancel(self->transport->loop, &self->path_timer);
    udp_path_mtu_fini(self);
    forget_tag(self);
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths[i])
            clear(self->paths[i]);
    udp_paths_fini(&self->choice);
}

/* ---- out ---- */

/* It was configured, or the peer has answered there. */
static bool is_known(const struct udp_path *path)
{
    const struct udp_paths *choice = &path->owner->choice;
    return choice->options.chooses || choice->paths[path->number].confirmed;
}

void udp_path_io_question(const struct udp_path *path, uint8_t *packet, size_t size,
                          uint8_t nonce[PROBE_NONCE])
{
    const struct udp_association *self = path->owner;
    struct packet_ports ports = {self->own_port, self->peer_port};
    struct probe probe = {.path = path->number};
    if (path->number == self->choice.in_use)
        probe.flags = PROBE_IN_USE;
    must(getrandom(probe.nonce, sizeof probe.nonce, 0) == sizeof probe.nonce);
    probe_ask(packet, size, ports, self->peer_tag, &probe);
    memcpy(nonce, probe.nonce, PROBE_NONCE);
}

static void ask(struct udp_association *self, unsigned number)
{
    struct udp_path *path = self->paths[number];
    uint8_t packet[PROBE_SIZE], nonce[PROBE_NONCE];
    udp_path_io_question(path, packet, sizeof packet, nonce);
    udp_paths_asked(&self->choice, number, nonce, now_of(self));
    if (is_known(path) ||
        answers_allow(&self->transport->answers, ANSWERS_OTHER, &path->route.to, now_of(self)))
        datagram_send(&path->local->socket, &path->route, packet, sizeof packet);
}

static void switched(struct udp_association *self)
{
    self->used = self->choice.in_use;
    sctp_association_net_use(self->engine, udp_now(self->transport), self->used);
    if (self->choice.paths[self->used].rtt_us)
        sctp_association_net_rtt(self->engine, udp_now(self->transport), self->used,
                                 self->choice.paths[self->used].rtt_us);
    udp_path_in_use(self)->carries = true;
    udp_path_mtu_go_on(self);
    udp_engine_later(self);
}

/* What is in flight on a path that was left goes by the one in use at once, unless that path still
 * answers: there it may arrive. */
static void fail_nets(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++) {
        struct udp_path *path = self->paths[i];
        if (!path || !path->carries || i == self->used ||
            !udp_paths_doubtful(&self->choice.paths[i], now_of(self)))
            continue;
        path->carries = false;
        sctp_association_net_fail(self->engine, udp_now(self->transport), i);
        udp_engine_later(self);
    }
}

/* After anything that may have changed the choice. */
static void go_on(struct udp_association *self)
{
    for (int number; (number = udp_paths_tick(&self->choice, now_of(self))) >= 0;)
        ask(self, (unsigned)number);
    if (self->used != self->choice.in_use)
        switched(self);
    fail_nets(self);
    clear_absent(self);
    udp_path_mtu_go_on(self);
    rearm(self);
    if (self->choice.changed)
        udp_receive_touch(self);
}

static void on_path_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, path_timer);
    if (!udp_association_is_up(self)) {
        udp_connect_next(self);
        return;
    }
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->narrowed & 1u << i && self->paths[i])
            udp_path_mtu_narrowed(self->paths[i]);
    self->narrowed = 0;
    go_on(self);
    udp_auth_look(self);
    udp_receive_deliver(self->transport);
}

/* A living peer is heard several times within dead_after. */
static uint64_t heartbeat_us(const struct transport_options *options)
{
    uint64_t most = number_least(options->dead_after_us / 5, HEARTBEAT_MAX_US);
    return number_most(number_least(options->heartbeat_us, most), FAST_MIN_US);
}

void udp_path_io_init(struct udp_association *self, bool chooses)
{
    const struct transport_options *options = &self->transport->options;
    uint64_t fast_us = options->rto_min_us / 5;
    if (fast_us)
        fast_us = number_between(fast_us, FAST_MIN_US, UDP_PATHS_FAST_US);
    self->path_timer = (struct loop_timer){.on_expire = on_path_timer};
    udp_path_mtu_init(self);
    udp_paths_init(&self->choice, &(struct udp_paths_options){
                                      .chooses = chooses,
                                      .heartbeat_us = heartbeat_us(options),
                                      .rest_us = options->dead_after_us / UDP_REST_IN_DEAD_AFTER,
                                      .fast_us = fast_us,
                                      .failing_after = options->failing_after,
                                      .inactive_after = options->path_retransmissions});
}

void udp_path_io_up(struct udp_association *self)
{
    udp_rest_up(self);
    udp_path_io_tags(self);
    udp_paths_use(&self->choice, self->choice.in_use, now_of(self));
    self->used = self->choice.in_use;
    udp_path_in_use(self)->carries = true;
    udp_path_mtu_up(self);
    go_on(self);
}

void udp_path_io_busy(struct udp_association *self)
{
    if (udp_paths_busy(&self->choice, now_of(self)))
        rearm(self);
}

void udp_path_io_trouble(struct udp_path *path, bool too_large)
{
    struct udp_association *self = path->owner;
    if (!udp_association_is_up(self))
        return;
    if (too_large)
        self->narrowed |= (uint8_t)(1u << path->number);
    else
        udp_paths_suspect(&self->choice, path->number, now_of(self));
    loop_timer_set(self->transport->loop, &self->path_timer, now_of(self));
}

/* ---- in ---- */

/* Data, a probe, or a heartbeat of the peer's SCTP, which goes by the path that the peer uses. */
static bool shows_life(const uint8_t *packet, size_t length)
{
    return packet[SCTP_HEADER] == SCTP_CHUNK_HEARTBEAT || packet_only_moves_data(packet, length);
}

struct udp_path *udp_path_io_learn(struct udp_local *local, const struct address *wire,
                                   const struct address *own, const struct path_key *key,
                                   const uint8_t *packet, size_t length, bool *stray)
{
    struct udp_association *self = udp_path_io_by_tag(local->transport, packet_tag(packet), key);
    /* One that cannot follow its peer is given up soon by the answer to what is stray. */
    *stray = !self || self->choice.options.chooses || (self->choice.known && !self->choice.ours);
    /* The question that the new address gets is no larger than the factor. */
    if (*stray || !self->choice.known || !shows_life(packet, length) ||
        ANSWERS_FACTOR * length < PROBE_SIZE)
        return NULL;
    return udp_path_io_add(self, local, wire, own, key, false);
}

void udp_path_io_answer(struct udp_path *path, uint8_t *packet)
{
    struct udp_association *self = path->owner;
    if (!self->choice.paths[path->number].confirmed &&
        (!stray_allow(&self->transport->unconfirmed, &path->node.key, now_of(self)) ||
         !answers_allow(&self->transport->answers, ANSWERS_OTHER, &path->route.to, now_of(self))))
        return;
    probe_answer(packet, self->peer_tag, udp_rest_ask(self));
    datagram_send(&path->local->socket, &path->route, packet, PROBE_SIZE);
}

static void learn_kind(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths[i])
            self->paths[i]->route.gso = self->choice.ours;
}

static void take_probe(struct udp_association *self, struct udp_path *path, uint8_t *packet,
                       enum probe_kind kind, const struct probe *probe)
{
    unsigned number = path->number;
    bool right = packet_tag(packet) == self->own_tag && kind != PROBE_BAD;
    if (right && kind == PROBE_ANSWER)
        right = probe->path == number &&
                (udp_paths_answered(&self->choice, number, probe->nonce,
                                    probe->flags & PROBE_BY_OURS, now_of(self)) ||
                 udp_path_mtu_answered(path, probe));
    if (!right) {
        self->transport->counters.bad_probes++;
        return;
    }
    bool proved = kind == PROBE_ANSWER || !self->transport->options.auth;
    if (self->choice.paths[number].confirmed && proved)
        self->heard_us = now_of(self);
    self->doubted = self->doubted && kind != PROBE_ANSWER;
    if (kind == PROBE_QUESTION) {
        udp_path_io_answer(path, packet);
        udp_paths_heard(&self->choice, number, proved && probe->flags & PROBE_IN_USE, now_of(self));
    } else {
        learn_kind(self);
        udp_rest_take(self, probe->rest);
    }
    go_on(self);
}

static bool moves_data(const uint8_t *packet, size_t length)
{
    uint8_t type = packet_type(packet, length);
    return type == SCTP_CHUNK_DATA || type == SCTP_CHUNK_SACK;
}

/* Who knows nothing of the association cannot authenticate that he says so. */
static bool is_doubtful(const struct udp_association *self, const uint8_t *packet)
{
    return self->transport->options.auth && packet_tag_reflected(packet) &&
           packet[SCTP_HEADER] == SCTP_CHUNK_ABORT;
}

void udp_path_io_believe(struct udp_path *path, const uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    unsigned number = path->number, used = self->choice.in_use;
    bool confirmed = self->choice.paths[number].confirmed;
    if (confirmed)
        self->heard_us = now_of(self);
    udp_paths_heard(&self->choice, number, true, now_of(self));
    bool denser = moves_data(packet, length) && udp_paths_busy(&self->choice, now_of(self));
    if (denser || !confirmed || used != self->choice.in_use)
        go_on(self);
}

/* With the right tag and no probe. */
static enum udp_take take_packet(struct udp_association *self, struct udp_path *path,
                                 uint8_t **whole, size_t *whole_length)
{
    const uint8_t *packet = *whole;
    size_t length = *whole_length;
    unsigned number = path->number, used = self->choice.in_use;
    const struct udp_path_health *health = &self->choice.paths[number];
    bool confirmed = health->confirmed;
    if (!confirmed && (self->choice.options.chooses || !shows_life(packet, length)))
        return UDP_TAKE_DROP;
    /* Somebody there knows nothing of this association; the peer does, where it still answers. */
    if (number != used && packet_tag_reflected(packet) &&
        udp_paths_healthy(&self->choice.paths[used])) {
        if (self->transport->options.auth) /* which anybody can say: ask there */
            udp_paths_suspect(&self->choice, number, now_of(self));
        else
            udp_paths_refused(&self->choice, number, now_of(self));
        go_on(self);
        return UDP_TAKE_DROP;
    }
    if (is_doubtful(self, packet)) {
        if (number == used)
            udp_auth_doubt(self);
        return UDP_TAKE_DROP;
    }
    /* What must have a MAC, and is not looked at by the engine yet, is good for a question. */
    if (!self->transport->options.auth)
        udp_path_io_believe(path, packet, length);
    else if (!confirmed) {
        udp_paths_heard(&self->choice, number, false, now_of(self));
        go_on(self);
    }
    if (self->paths[number] != path) /* its time was over just now */
        return UDP_TAKE_DROP;
    /* Not before it has answered: who has seen packets can make some that end the association, such
     * as an ABORT, and send them from any address. The peer's own are sent again. */
    return confirmed && udp_path_mtu_join(self, whole, whole_length) ? UDP_TAKE_PASS
                                                                     : UDP_TAKE_DROP;
}

enum udp_take udp_path_io_take(struct udp_path *path, uint8_t **whole, size_t *length)
{
    uint8_t *packet = *whole;
    struct udp_association *self = path->owner;
    struct probe probe;
    enum probe_kind kind = probe_read(packet, *length, &probe);
    if (kind != PROBE_NONE) {
        take_probe(self, path, packet, kind, &probe);
        return UDP_TAKE_DROP;
    }
    if (udp_path_io_has_tag(self, packet))
        return take_packet(self, path, whole, length);
    return path == udp_path_in_use(self) ? UDP_TAKE_DROP : UDP_TAKE_STRAY;
}

/* ---- for the user ---- */

static void own_address(const struct udp_path *path, struct address *own)
{
    *own = path->route.from;
    if (own->length)
        own->in.sin_port = path->local->socket.local.in.sin_port;
    else if (!path->local->socket.wildcard)
        *own = path->local->socket.local;
    if (own->length)
        *own = datagram_plain_address(own);
}

void udp_path_io_status(struct udp_association *self, unsigned number, struct path_status *status)
{
    const struct udp_path *path = self->paths[number];
    const struct udp_path_health *health = &self->choice.paths[number];
    *status = (struct path_status){
        .address = datagram_plain_address(&path->route.to),
        .state = health->state,
        .in_use = number == self->choice.in_use,
        .rtt_us = health->rtt_us,
        .mtu = path->mtu.size + route_overhead(&path->route.to),
    };
    own_address(path, &status->local);
}

void udp_path_io_tell(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX && udp_association_is_up(self); i++) {
        if (!(self->choice.changed & 1u << i))
            continue;
        self->choice.changed &= (uint8_t) ~(1u << i);
        struct path_status status;
        if (!self->paths[i] || !self->events || !self->events->on_path)
            continue;
        udp_path_io_status(self, i, &status);
        self->events->on_path(self->events, &status);
    }
}
