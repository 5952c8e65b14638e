/* The paths of an association at work: probes, and what packets say about their path. */
#include "transport/udp/path_io.h"

#include "base/check.h"
#include "base/number.h"
#include "transport/udp/path_mtu.h"
#include "transport/udp/probe.h"
#include "transport/udp/status.h"

/* Denser probes of a path would be a load of their own: 100 a second. */
#define FAST_MIN_US 10000

/* NAT and firewalls forget a flow of UDP that is silent for longer. */
#define HEARTBEAT_MAX_US 60000000

/* An idle path is still probed so often within dead_after. A probe that is lost is repeated
 * within 100 ms, so this bears an outage of two thirds of dead_after. */
#define IDLE_IN_DEAD_AFTER 3

/* Of probes, each twice as long as the one before: about 1.1 s where the round trip is short. */
#define DOUBT_TIMEOUTS 3

static void rearm(struct udp_association *self)
{
    uint64_t next = udp_paths_next(&self->paths.choice, udp_turn_us(self));
    if (next == UINT64_MAX)
        loop_timer_cancel(self->transport->base.loop, &self->paths.timer);
    else
        loop_timer_set(self->transport->base.loop, &self->paths.timer, next);
}

/* ---- out ---- */

/* It was configured, or the peer has answered there. */
static bool is_known(const struct udp_path *path)
{
    const struct udp_paths *choice = &path->owner->paths.choice;
    return choice->options.chooses || choice->paths[path->number].confirmed;
}

static bool may_answer(struct udp_path *path)
{
    return answers_allow(&path->owner->transport->limits.answers, ANSWERS_OTHER, &path->route.to,
                         udp_turn_us(path->owner));
}

static void send_probe(struct udp_association *self, unsigned number)
{
    struct udp_path *path = self->paths.list[number];
    uint8_t packet[PROBE_SIZE], nonce[PROBE_NONCE];
    udp_path_write_probe(path, packet, sizeof packet, nonce);
    udp_paths_probed(&self->paths.choice, number, nonce, udp_turn_us(self));
    if (is_known(path) || may_answer(path))
        datagram_send(&path->local->socket, &path->route, packet, sizeof packet);
}

static void switched(struct udp_association *self)
{
    struct udp_path_set *paths = &self->paths;
    uint64_t now_us = udp_now(self->transport);
    paths->used = paths->choice.in_use;
    sctp_association_net_use(self->engine, now_us, paths->used);
    if (paths->choice.paths[paths->used].rtt_us)
        sctp_association_net_rtt(self->engine, now_us, paths->used,
                                 paths->choice.paths[paths->used].rtt_us);
    udp_path_in_use(self)->carries = true;
    udp_path_mtu_go_on(self);
    udp_send_later(self);
}

/* Packets in flight on a path that was left are sent again at once by the one in use, unless that
 * path still answers: there they may arrive. */
static void fail_nets(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++) {
        struct udp_path *path = self->paths.list[i];
        if (!path || !path->carries || i == self->paths.used ||
            !udp_paths_doubtful(&self->paths.choice.paths[i], udp_turn_us(self)))
            continue;
        path->carries = false;
        sctp_association_net_fail(self->engine, udp_now(self->transport), i);
        udp_send_later(self);
    }
}

/* After anything that may have changed the choice. */
static void go_on(struct udp_association *self)
{
    for (int number; (number = udp_paths_tick(&self->paths.choice, udp_turn_us(self))) >= 0;)
        send_probe(self, (unsigned)number);
    if (self->paths.used != self->paths.choice.in_use)
        switched(self);
    fail_nets(self);
    udp_path_clear_absent(self);
    udp_path_mtu_go_on(self);
    rearm(self);
    if (self->paths.choice.changed)
        udp_touch(self);
}

void udp_path_io_timeout(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths.narrowed & 1u << i && self->paths.list[i])
            udp_path_mtu_narrowed(self->paths.list[i]);
    self->paths.narrowed = 0;
    go_on(self);
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
    udp_paths_init(
        &self->paths.choice,
        &(struct udp_paths_options){.chooses = chooses,
                                    .heartbeat_us = heartbeat_us(options),
                                    .idle_most_us = options->dead_after_us / IDLE_IN_DEAD_AFTER,
                                    .fast_us = fast_us,
                                    .failing_after = options->failing_after,
                                    .inactive_after = options->path_retransmissions});
}

void udp_path_io_up(struct udp_association *self)
{
    struct sctp_status status;
    sctp_association_status(self->engine, &status);
    self->paths.takes_idle = status.is_hawser;
    udp_path_learn_tags(self);
    udp_paths_use(&self->paths.choice, self->paths.choice.in_use, udp_turn_us(self));
    self->paths.used = self->paths.choice.in_use;
    udp_path_in_use(self)->carries = true;
    udp_path_mtu_up(self);
    go_on(self);
}

void udp_path_io_busy(struct udp_association *self)
{
    if (udp_paths_busy(&self->paths.choice, udp_turn_us(self)))
        rearm(self);
}

void udp_path_io_trouble(struct udp_path *path, bool too_large)
{
    struct udp_association *self = path->owner;
    if (!association_is_up(&self->base))
        return;
    if (too_large)
        self->paths.narrowed |= (uint8_t)(1u << path->number);
    else
        udp_paths_suspect(&self->paths.choice, path->number, udp_turn_us(self));
    loop_timer_set(self->transport->base.loop, &self->paths.timer, udp_turn_us(self));
}

void udp_path_io_doubt(struct udp_association *self)
{
    self->paths.doubted = true;
    udp_path_io_trouble(udp_path_in_use(self), false);
}

bool udp_path_io_is_refuted(const struct udp_association *self)
{
    const struct udp_paths *choice = &self->paths.choice;
    return self->paths.doubted && choice->paths[choice->in_use].timeouts >= DOUBT_TIMEOUTS;
}

/* ---- idle associations ---- */

static void set_idle(struct udp_association *self, uint8_t periods)
{
    udp_paths_set_idle(&self->paths.choice, periods * (uint64_t)PROBE_IDLE_US);
}

/* The interval that makes all verified peers together probe so often; this end takes it, too. 0:
 * the peer does not know of intervals. */
static uint8_t idle_for_peer(struct udp_association *self)
{
    const struct udp *transport = self->transport;
    if (self->paths.choice.options.chooses || !self->paths.takes_idle)
        return 0;
    uint64_t verified = transport->accepted - transport->unverified.count;
    uint64_t all = verified * 1000000 / transport->limits.idle_probes_per_second / PROBE_IDLE_US;
    uint8_t periods = all < UINT8_MAX ? (uint8_t)all : UINT8_MAX;
    set_idle(self, periods);
    return periods;
}

/* ---- in ---- */

/* Data, a probe, or a heartbeat of the peer's SCTP, which goes by the path that the peer uses. */
static bool shows_life(const struct packet_view *packet)
{
    return packet->first == SCTP_CHUNK_HEARTBEAT || packet_view_only_moves_data(packet);
}

struct udp_path *udp_path_io_learn(struct udp_local *local, const struct address *wire,
                                   const struct address *own, const struct path_key *key,
                                   const struct packet_view *packet, bool *ootb)
{
    struct udp_association *self = udp_path_by_tag(local->transport, packet->header.tag, key);
    const struct udp_paths *choice = self ? &self->paths.choice : NULL;
    /* One that cannot follow its peer is given up soon by the answer to a packet out of the blue.
     */
    *ootb = !self || choice->options.chooses || (choice->known && !choice->ours);
    /* The probe that the new address gets is no larger than the factor. */
    if (*ootb || !choice->known || !shows_life(packet) ||
        ANSWERS_FACTOR * packet->length < PROBE_SIZE)
        return NULL;
    return udp_path_add(self, local, wire, own, key, false);
}

void udp_path_io_reply(struct udp_path *path, uint8_t *packet)
{
    struct udp_association *self = path->owner;
    struct answers_limit *unconfirmed = &self->transport->limits.unconfirmed;
    if (!self->paths.choice.paths[path->number].confirmed &&
        (!answers_limit_allow(unconfirmed, &path->node.key, udp_turn_us(self)) ||
         !may_answer(path)))
        return;
    probe_reply(packet, self->tags.peer, idle_for_peer(self));
    datagram_send(&path->local->socket, &path->route, packet, PROBE_SIZE);
}

static void learn_kind(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths.list[i])
            self->paths.list[i]->route.gso = self->paths.choice.ours;
}

static bool is_reply(struct udp_path *path, const struct probe *probe)
{
    struct udp_association *self = path->owner;
    return probe->path == path->number &&
           (udp_paths_answered(&self->paths.choice, path->number, probe->nonce,
                               probe->flags & PROBE_BY_OURS, udp_turn_us(self)) ||
            udp_path_mtu_answered(path, probe));
}

static void take_probe(struct udp_path *path, const struct packet_view *packet,
                       enum probe_kind kind, const struct probe *probe)
{
    struct udp_association *self = path->owner;
    struct udp_paths *choice = &self->paths.choice;
    if (packet->header.tag != self->tags.own || kind == PROBE_BAD ||
        (kind == PROBE_REPLY && !is_reply(path, probe))) {
        self->transport->counters.bad_probes++;
        return;
    }
    bool proved = kind == PROBE_REPLY || !self->transport->options.auth;
    if (choice->paths[path->number].confirmed && proved)
        self->heard_us = udp_turn_us(self);
    self->paths.doubted = self->paths.doubted && kind != PROBE_REPLY;
    if (kind == PROBE_REQUEST) {
        udp_path_io_reply(path, packet->bytes);
        udp_paths_heard(choice, path->number, proved && probe->flags & PROBE_IN_USE,
                        udp_turn_us(self));
    } else {
        learn_kind(self);
        if (choice->options.chooses)
            set_idle(self, probe->idle);
    }
    go_on(self);
}

void udp_path_io_believe(struct udp_path *path, const struct packet_view *packet)
{
    struct udp_association *self = path->owner;
    struct udp_paths *choice = &self->paths.choice;
    unsigned used = choice->in_use;
    bool confirmed = choice->paths[path->number].confirmed;
    bool moves_data = packet->type == SCTP_CHUNK_DATA || packet->type == SCTP_CHUNK_SACK;
    if (confirmed)
        self->heard_us = udp_turn_us(self);
    udp_paths_heard(choice, path->number, true, udp_turn_us(self));
    bool denser = moves_data && udp_paths_busy(choice, udp_turn_us(self));
    if (denser || !confirmed || used != choice->in_use)
        go_on(self);
}

/* Somebody there knows nothing of this association; the peer does, where it still answers. */
static bool is_refused_beside(const struct udp_path *path, const struct packet_view *packet)
{
    const struct udp_paths *choice = &path->owner->paths.choice;
    return path->number != choice->in_use && packet->is_reflected &&
           udp_paths_healthy(&choice->paths[choice->in_use]);
}

static void refused_beside(struct udp_path *path)
{
    struct udp_association *self = path->owner;
    if (self->transport->options.auth) /* anybody can say so: ask there */
        udp_paths_suspect(&self->paths.choice, path->number, udp_turn_us(self));
    else
        udp_paths_refused(&self->paths.choice, path->number, udp_turn_us(self));
    go_on(self);
}

/* A peer that does not know the association cannot authenticate its ABORT. */
static bool is_doubtful(const struct udp_association *self, const struct packet_view *packet)
{
    return self->transport->options.auth && packet->is_reflected &&
           packet->first == SCTP_CHUNK_ABORT;
}

/* With the right tag and no probe. */
static enum udp_take take_packet(struct udp_path *path, struct packet_view *packet)
{
    struct udp_association *self = path->owner;
    struct udp_paths *choice = &self->paths.choice;
    unsigned number = path->number;
    bool confirmed = choice->paths[number].confirmed;
    if (!confirmed && (choice->options.chooses || !shows_life(packet)))
        return UDP_TAKE_DROP;
    if (is_refused_beside(path, packet)) {
        refused_beside(path);
        return UDP_TAKE_DROP;
    }
    if (is_doubtful(self, packet)) {
        if (number == choice->in_use)
            udp_path_io_doubt(self);
        return UDP_TAKE_DROP;
    }
    /* A packet that must have a MAC, which the engine has not checked yet, is good for a probe. */
    if (!self->transport->options.auth)
        udp_path_io_believe(path, packet);
    else if (!confirmed) {
        udp_paths_heard(choice, number, false, udp_turn_us(self));
        go_on(self);
    }
    if (self->paths.list[number] != path) /* its time was over just now */
        return UDP_TAKE_DROP;
    /* Not before it has answered: who has seen packets can make some that end the association, such
     * as an ABORT, and send them from any address. The peer's own are sent again. */
    return confirmed && udp_path_mtu_join(self, packet) ? UDP_TAKE_PASS : UDP_TAKE_DROP;
}

enum udp_take udp_path_io_take(struct udp_path *path, struct packet_view *packet)
{
    struct udp_association *self = path->owner;
    struct probe probe;
    enum probe_kind kind = probe_read(packet->bytes, packet->length, &probe);
    if (kind != PROBE_NONE) {
        take_probe(path, packet, kind, &probe);
        return UDP_TAKE_DROP;
    }
    if (udp_path_has_tag(self, packet))
        return take_packet(path, packet);
    return path == udp_path_in_use(self) ? UDP_TAKE_DROP : UDP_TAKE_OOTB;
}

/* ---- for the user ---- */

void udp_path_io_tell(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX && association_is_up(&self->base); i++) {
        struct path_status status;
        if (!(self->paths.choice.changed & 1u << i))
            continue;
        self->paths.choice.changed &= (uint8_t) ~(1u << i);
        if (!self->paths.list[i] || !self->base.events || !self->base.events->on_path)
            continue;
        udp_status_path(self, i, &status);
        self->base.events->on_path(self->base.events, &status);
    }
}
