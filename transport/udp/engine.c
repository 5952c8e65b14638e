/* The engine of an association at work: its options, packets out of it, messages into it. */
#include "transport/udp/engine.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/congestion.h"
#include "transport/udp/path_io.h"
#include "transport/udp/path_mtu.h"

/* One association has one receive window for all its streams. Behind a gap all of one stream waits
 * for a round trip, and the sender needs another one to hear that it is over: 32 MB are two and a
 * half times what 1 Gbit/s hold over 100 ms. Only what waits takes memory. */
#define BUFFER (32 << 20)

/* RFC 9260 section 16, lowered: RTO.Initial and Max are 1 s and 60 s there, Min 1 s. */
#define RTO_INITIAL_US 1000000
#define RTO_MAX_US     10000000
#define RTO_MIN_US     200000

/* RFC 9260 section 6.2 allows 500 ms; a tenth of the smallest RTO. */
#define SACK_DELAY_US 20000

/* We count silence (udp/association.c), watch the paths (udp/paths.c) and bound attempts
 * (udp/init.c) ourselves, so the engine must give up none of them. */
#define RETRANSMISSIONS_MAX 1000

/* Messages of one turn become packets together, so that small ones share them; beyond this many
 * bytes at once, so that the peer's processor works at the same time as ours: two packets of three
 * full records on loopback. */
#define BURST_BYTES (96 * 1024)

/* A packet that is larger than its path takes is divided from here. */
#define PACKET_MAX 65536

static void draw(void *context, void *bytes, size_t length)
{
    (void)context;
    must(getrandom(bytes, length, 0) == (ssize_t)length);
}

uint32_t udp_engine_buffer(const struct transport_options *options)
{
    return options->buffer_bytes ? options->buffer_bytes : BUFFER;
}

/* Lost packets must be sent again several times within dead_after, so short limits shorten
 * everything. Heartbeats are probes of ours: transport/udp/probe.h. */
struct sctp_options udp_engine_options(const struct udp *transport, uint32_t mtu)
{
    const struct transport_options *from = &transport->options;
    struct sctp_options options;
    uint64_t quarter_us = from->dead_after_us / 4;
    uint32_t most = from->association_retransmissions;
    sctp_association_defaults(&options);
    options.streams = from->streams;
    options.buffer = udp_engine_buffer(from);
    if (mtu)
        options.mtu = mtu;
    options.rto_initial_us = from->rto_initial_us
                                 ? from->rto_initial_us
                                 : number_between(quarter_us, 50000, RTO_INITIAL_US);
    options.rto_min_us = from->rto_min_us
                             ? from->rto_min_us
                             : number_between(from->dead_after_us / 16, 20000, RTO_MIN_US);
    options.rto_max_us =
        from->rto_max_us ? from->rto_max_us : number_between(quarter_us, 100000, RTO_MAX_US);
    options.init_retransmissions = RETRANSMISSIONS_MAX;
    options.retransmissions = most && most < RETRANSMISSIONS_MAX ? most : RETRANSMISSIONS_MAX;
    options.sack_delay_us = SACK_DELAY_US;
    options.init_by_caller = true;
    options.auth = from->auth;
    options.hawser = true;
    if (from->congestion)
        options.congestion = sctp_congestion_find(from->congestion);
    must(options.congestion);
    options.random = draw;
    return options;
}

/* ---- packets ---- */

/* A packet that was made for a larger path and is sent again. */
static void output_divided(struct udp_association *self, struct udp_path *path,
                           const struct sctp_wants *wants, uint64_t now_us)
{
    uint8_t packet[PACKET_MAX];
    size_t length = sctp_association_output(self->engine, now_us, wants, packet);
    udp_path_mtu_divide(path, packet, length);
}

static void output_one(struct udp_association *self, const struct sctp_wants *wants,
                       uint64_t now_us)
{
    struct udp_path *path = wants->net < TRANSPORT_ADDRESSES_MAX && self->paths.list[wants->net]
                                ? self->paths.list[wants->net]
                                : udp_path_in_use(self);
    struct datagram_socket *socket = &path->local->socket;
    uint8_t dropped[PACKET_MAX];
    if (wants->size > path->mtu.size) {
        output_divided(self, path, wants, now_us);
        return;
    }
    uint8_t *room = datagram_reserve(socket, &path->route, wants->size);
    size_t length = sctp_association_output(self->engine, now_us, wants, room ? room : dropped);
    if (room)
        datagram_commit(socket, length);
}

static void set_timer(struct udp_association *self)
{
    struct loop *loop = self->transport->base.loop;
    uint64_t deadline_us = sctp_association_deadline(self->engine);
    /* One that comes too early costs less than setting it for every packet. */
    if (deadline_us >= self->out.wakes_us && loop_timer_is_set(&self->out.timer))
        return;
    self->out.wakes_us = deadline_us;
    if (deadline_us == SCTP_NEVER)
        loop_timer_cancel(loop, &self->out.timer);
    else
        loop_timer_set(loop, &self->out.timer, deadline_us);
}

/* True: packets were lost since the last call. */
static bool has_lost(struct udp_association *self)
{
    struct sctp_status status;
    sctp_association_status(self->engine, &status);
    bool more = status.lost != self->out.lost;
    self->out.lost = status.lost;
    return more;
}

void udp_engine_output(struct udp_association *self)
{
    if (!self->engine)
        return;
    struct sctp_wants wants;
    uint64_t now_us = udp_now(self->transport);
    bool any = false;
    self->out.unsent = 0;
    while (sctp_association_wants(self->engine, now_us, &wants)) {
        output_one(self, &wants, now_us);
        any = true;
    }
    if (any && self->base.state != ASSOCIATION_CONNECTING) {
        if (has_lost(self))
            udp_path_mtu_lost(self);
        udp_path_io_busy(self);
    }
    self->base.pace = sctp_association_pace(self->engine);
    set_timer(self);
}

/* ---- messages ---- */

enum err udp_engine_send(struct association *association, struct message *message)
{
    struct udp_association *self = udp_association_of(association);
    must(message->length > 0 && message->length <= MESSAGE_MAX);
    if (self->base.state == ASSOCIATION_SHUTTING || self->base.state == ASSOCIATION_ENDED)
        return ERR_TRANSPORT_CLOSED;
    if (self->base.state == ASSOCIATION_CONNECTING && !self->out.takes_early) {
        self->out.wants_writable = true;
        return ERR_AGAIN;
    }
    size_t length = message->length;
    enum err e = sctp_association_send(self->engine, udp_now(self->transport), message);
    if (e == ERR_AGAIN && self->out.takes_early && !self->out.early) {
        self->out.early = message;
        return ERR_OK;
    }
    if (e != ERR_OK)
        return e;
    self->out.unsent += length;
    if (self->out.unsent >= BURST_BYTES) {
        udp_clock(self->transport);
        udp_engine_output(self);
        udp_flush(self->transport);
    } else {
        udp_send_later(self);
    }
    return ERR_OK;
}

void udp_engine_fini(struct udp_association *self)
{
    loop_timer_cancel(self->transport->base.loop, &self->out.timer);
    loop_task_cancel(self->transport->base.loop, &self->out.task);
    message_free(self->out.early);
    self->out.early = NULL;
    sctp_association_free(self->engine);
    self->engine = NULL;
}
