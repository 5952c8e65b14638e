#include "transport/udp_receive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <usrsctp.h>

#include "base/check.h"
#include "base/quote.h"
#include "sctp/payload.h"
#include "transport/auth.h"
#include "transport/packet.h"
#include "transport/packet_init.h"
#include "transport/udp_arrival.h"
#include "transport/udp_association.h"
#include "transport/udp_auth.h"
#include "transport/udp_connect.h"
#include "transport/udp_path_io.h"
#include "transport/udp_sack.h"
#include "transport/udp_send.h"
#include "transport/udp_socket.h"
#include "transport/udp_trust.h"

/* Shorter messages are copied into small ones, so that a queue of them does not hold 16 KB
 * each. */
#define COPY_BELOW 1024

/* RFC 9260 section 3.3.10.12. */
#define CAUSE_USER_ABORT 12

/* RFC 6298: a new sample counts an eighth. */
#define RTT_SHARE 8

/* ---- packets ---- */

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void measure(struct udp_association *self, uint8_t type)
{
    if (!self->probe_us || (type != PACKET_CHUNK_INIT_ACK && type != PACKET_CHUNK_HEARTBEAT_ACK &&
                            type != PACKET_CHUNK_COOKIE_ACK))
        return;
    uint64_t sample = clock_us() - self->probe_us;
    self->probe_us = 0;
    if (sample > UINT32_MAX)
        return;
    int64_t difference = (int64_t)sample - self->rtt_us;
    self->rtt_us = self->rtt_us ? (uint32_t)(self->rtt_us + difference / RTT_SHARE)
                                : (uint32_t)(sample ? sample : 1);
}

static void note_sack(struct udp_association *self, const uint8_t *packet, size_t length)
{
    struct round_trip_mark mark;
    if (round_trip_acknowledged(&self->round_trip, packet_cumulative(packet, length), &mark))
        window_sample(&self->window, mark.sent_us, mark.window, clock_us(), self->backlog.pace > 0);
}

static struct udp_path *find(struct udp *transport, const struct path_key *key)
{
    struct udp_path *latest = transport->latest;
    if (latest && !memcmp(&latest->node.key, key, sizeof *key))
        return latest;
    struct path *node = path_table_find(&transport->paths, key);
    if (node)
        transport->latest = container_of(node, struct udp_path, node);
    return node ? transport->latest : NULL;
}

static void input(struct udp_association *self, const uint8_t *packet, size_t length)
{
    /* What has a MAC must stay as it is. */
    if (packet[PACKET_HEADER] == PACKET_CHUNK_SACK)
        udp_sack_input(self, packet, length);
    else if (!udp_ahead_keep(self, packet, length))
        stack_input(&self->peer, packet, length);
}

/* What must have a MAC is believed once usrsctp has found that good. What has to wait for its turn,
 * or has none, is not. */
static void pass_authenticated(struct udp_path *path, const uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    size_t waiting = self->ahead.bytes;
    uint32_t refused = udp_auth_refused();
    bool good = packet[PACKET_HEADER] == PACKET_CHUNK_AUTH;
    if (udp_auth_answered(self, packet, length)) {
        measure(self, PACKET_CHUNK_HEARTBEAT_ACK);
        self->heard_us = loop_now(self->transport->loop);
    }
    input(self, packet, length);
    if (!good || refused != udp_auth_refused() || waiting != self->ahead.bytes)
        return;
    if (packet_type(packet, length) == PACKET_CHUNK_SACK)
        note_sack(self, packet, length);
    udp_path_io_believe(path, packet, length);
}

static void pass(struct udp_path *path, const uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    uint8_t type = packet_type(packet, length);
    if (packet_acknowledges_unsent(packet, length, &self->sent)) {
        self->transport->counters.bad_packets++;
        return;
    }
    if (!udp_trust_allows(self, packet, length))
        return;
    if (type != PACKET_CHUNK_HEARTBEAT && type != PACKET_CHUNK_HEARTBEAT_ACK)
        stack_busy();
    if (udp_association_is_up(self) && self->transport->options.auth) {
        pass_authenticated(path, packet, length);
    } else {
        if (type != PACKET_CHUNK_HEARTBEAT_ACK || udp_auth_answered(self, packet, length))
            measure(self, type);
        if (type == PACKET_CHUNK_SACK && packet[PACKET_HEADER] == PACKET_CHUNK_SACK)
            note_sack(self, packet, length);
        input(self, packet, length);
    }
    udp_receive_touch(self);
}

/* A path may end by what comes on it, an association does not before it is delivered to. */
static void take_other(const struct udp_arrival *a, struct udp_path *path)
{
    uint8_t *packet = a->packet;
    size_t length = a->length;
    bool stray = false;
    if (!path)
        path = udp_path_io_learn(a->local, a->from, a->own, &a->key, a->packet, a->length, &stray);
    struct udp_association *self = path ? path->owner : NULL;
    enum udp_take take = UDP_TAKE_DROP;
    if (self)
        take = udp_association_is_up(self) ? udp_path_io_take(path, &packet, &length)
                                           : udp_connect_take(path, packet, length);
    if (stray || take == UDP_TAKE_STRAY)
        udp_arrival_stray(a);
    else if (take == UDP_TAKE_PASS && self->state != UDP_ENDED)
        pass(path, packet, length);
}

static bool is_plausible(struct udp *transport, struct udp_arrival *a, struct packet_ports *ports)
{
    a->kind = packet_check(a->packet, a->length, ports);
    if (a->kind == PACKET_BAD ||
        (!transport->options.auth && packet_has_auth(a->packet, a->length)))
        return false;
    uint8_t first = a->packet[PACKET_HEADER];
    return (first != PACKET_CHUNK_INIT && first != PACKET_CHUNK_INIT_ACK) ||
           packet_init_trim(a->packet, &a->length, transport->options.auth);
}

void udp_receive_packet(struct udp_local *local, const struct address *from,
                        const struct address *own, uint8_t *packet, size_t length)
{
    struct udp *transport = local->transport;
    struct packet_ports ports;
    struct udp_arrival arrival = {.local = local,
                                  .from = from,
                                  .own = own,
                                  .packet = packet,
                                  .length = length,
                                  .asked = length};
    if (!is_plausible(transport, &arrival, &ports)) {
        transport->counters.bad_packets++;
        return;
    }
    /* Where we began, the system chooses our address each time anew. */
    static const struct address any;
    if (ports.destination != UDP_SCTP_PORT)
        arrival.own = &any;
    arrival.key = path_key(from, arrival.own, local->number, ports.source, ports.destination);
    struct udp_path *path = find(transport, &arrival.key);
    if (arrival.kind == PACKET_INIT)
        udp_arrival_init(&arrival, path);
    else if (arrival.kind == PACKET_COOKIE_ECHO)
        udp_arrival_cookie(&arrival, path);
    else
        take_other(&arrival, path);
}

static bool is_at(const struct udp_path *path, const struct udp_local *local,
                  const struct address *plain)
{
    if (!path->owner || path->local != local)
        return false;
    struct address own_plain = datagram_plain_address(&path->route.to);
    return address_equal(&own_plain, plain);
}

static struct udp_path *path_at(struct udp_association *self, const struct udp_local *local,
                                const struct address *plain)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (is_at(&self->paths[i], local, plain))
            return &self->paths[i];
    return NULL;
}

/* What is up is only probed for it: anybody can forge it, and a restarting peer answers so. */
void udp_receive_refused(struct udp_local *local, const struct address *wire)
{
    struct udp_association *self;
    struct address plain = datagram_plain_address(wire);
    TAILQ_FOREACH(self, &local->transport->all, link)
    {
        struct udp_path *path = self->state == UDP_ENDED ? NULL : path_at(self, local, &plain);
        if (path && self->state == UDP_CONNECTING && self->events && udp_connect_refused(path))
            udp_association_end(self, ERR_TRANSPORT_REFUSED, "nobody listens at that port");
        else if (path)
            udp_path_io_trouble(path, false);
    }
}

void udp_receive_trouble(struct udp_local *local, const struct address *wire, bool too_large)
{
    struct udp_association *self;
    struct address plain = datagram_plain_address(wire);
    TAILQ_FOREACH(self, &local->transport->all, link)
    {
        struct udp_path *path = self->state == UDP_ENDED ? NULL : path_at(self, local, &plain);
        if (path)
            udp_path_io_trouble(path, too_large);
    }
}

/* ---- notifications ---- */

/* The text of a user-initiated ABORT, in quotes. usrsctp gives the chunk with its header. */
static void abort_text(const uint8_t *chunk, size_t length, char text[UDP_DETAIL_ROOM])
{
    text[0] = '\0';
    if (length < 8 || chunk[0] != PACKET_CHUNK_ABORT)
        return;
    size_t cause = (size_t)chunk[4] << 8 | chunk[5], size = (size_t)chunk[6] << 8 | chunk[7];
    if (cause != CAUSE_USER_ABORT || size < 4 || size > length - 4)
        return;
    size -= 4;
    if (size > UDP_DETAIL_MAX)
        size = UDP_DETAIL_MAX;
    if (size)
        quote_bytes(text, UDP_DETAIL_ROOM, chunk + 8, size);
}

static void lost_or_aborted(struct udp_association *self, const struct sctp_assoc_change *change,
                            size_t length)
{
    size_t info = length > sizeof *change ? length - sizeof *change : 0;
    bool by_peer = info > 0, connecting = self->state == UDP_CONNECTING;
    char text[UDP_DETAIL_ROOM];
    abort_text(change->sac_info, info, text);
    bool unknown_there = stray_is_abort(change->sac_info, info);
    if (unknown_there)
        snprintf(text, sizeof text,
                 "the peer does not know this association (it was restarted, or has ended it)");
    if (unknown_there && self->peer_closing) /* only its last word was lost: see on_timer */
        udp_association_end(self, ERR_TRANSPORT_CLOSED, "");
    else if (connecting)
        udp_association_end(self, by_peer ? ERR_TRANSPORT_REFUSED : ERR_TRANSPORT_TIMEOUT, text);
    else
        udp_association_end(self, by_peer ? ERR_TRANSPORT_ABORTED : ERR_TRANSPORT_LOST, text);
}

static uint16_t streams_of(const struct sctp_assoc_change *change)
{
    return change->sac_outbound_streams < change->sac_inbound_streams ? change->sac_outbound_streams
                                                                      : change->sac_inbound_streams;
}

static void came_up(struct udp_association *self, uint16_t streams)
{
    if (self->transport->options.auth && !udp_auth_agreed(self->socket)) {
        struct address plain = datagram_plain_address(&udp_path_in_use(self)->route.to);
        if (!self->events)
            auth_log_refusal(&plain, &self->transport->lines, loop_now(self->transport->loop));
        udp_socket_abort(self->socket, AUTH_MISSING);
        udp_association_end(self, ERR_TRANSPORT_AUTH, "");
        return;
    }
    udp_association_up(self, streams);
}

static void association_changed(struct udp_association *self,
                                const struct sctp_assoc_change *change, size_t length)
{
    switch (change->sac_state) {
    case SCTP_COMM_UP:
        if (self->state == UDP_CONNECTING)
            came_up(self, streams_of(change));
        break;
    case SCTP_RESTART:
        udp_association_restarted(self, streams_of(change));
        break;
    case SCTP_SHUTDOWN_COMP:
        udp_association_end(self, ERR_TRANSPORT_CLOSED, "");
        break;
    default: /* SCTP_COMM_LOST, SCTP_CANT_STR_ASSOC */
        lost_or_aborted(self, change, length);
        break;
    }
}

/* usrsctp keeps at most 512 bytes of an ABORT. */
#define NOTIFICATION_MAX 1024

static void notified(struct udp_association *self, const void *data, size_t length)
{
    union {
        union sctp_notification event;
        uint8_t bytes[NOTIFICATION_MAX];
    } copy = {0}; /* aligned, unlike the data of a message */
    if (length < sizeof copy.event.sn_header)
        return;
    if (length > sizeof copy)
        length = sizeof copy;
    memcpy(&copy, data, length);
    uint16_t type = copy.event.sn_header.sn_type;
    if (type == SCTP_SHUTDOWN_EVENT)
        self->peer_closing = true;
    if (type == SCTP_AUTHENTICATION_EVENT && length >= sizeof(struct sctp_authkey_event) &&
        copy.event.sn_auth_event.auth_indication == SCTP_AUTH_FREE_KEY)
        udp_auth_freed(self, copy.event.sn_auth_event.auth_keynumber);
    if (type == SCTP_ASSOC_CHANGE && length >= sizeof(struct sctp_assoc_change))
        association_changed(self, &copy.event.sn_assoc_change, length);
}

/* ---- messages ---- */

static struct message *own_copy(struct udp *transport, size_t length)
{
    struct message *message = transport->spare;
    if (length <= COPY_BELOW) {
        message = message_new(length);
        memcpy(message->data, transport->spare->data, length);
    } else {
        transport->spare = message_new(MESSAGE_MAX);
    }
    message->length = (uint32_t)length;
    return message;
}

static void received(struct udp_association *self, const struct sctp_rcvinfo *info, size_t length,
                     int flags)
{
    struct udp *transport = self->transport;
    if (!(flags & MSG_EOR)) {
        udp_socket_abort(self->socket, "message too long");
        udp_association_end(self, ERR_CONTROL_PROTOCOL, "message too long");
        return;
    }
    uint32_t ppid = ntohl(info->rcv_ppid);
    bool ours = (ppid & SCTP_MESSAGE_PPID_MASK) == SCTP_MESSAGE_PPID &&
                info->rcv_sid < self->streams && !(info->rcv_flags & SCTP_UNORDERED);
    if (!ours || !udp_association_is_up(self)) {
        transport->counters.bad_messages++;
        return;
    }
    struct message *message = own_copy(transport, length);
    message->stream = info->rcv_sid;
    message->epoch = (uint8_t)(ppid & SCTP_MESSAGE_EPOCH_MASK);
    self->events->on_message(self->events, message);
}

/* False when there is nothing more. */
static bool receive_one(struct udp_association *self)
{
    struct message *spare = self->transport->spare;
    struct sctp_rcvinfo info = {0};
    socklen_t info_size = sizeof info, from_size = 0;
    unsigned info_type = 0;
    int flags = 0;
    ssize_t length = usrsctp_recvv(self->socket, spare->data, MESSAGE_MAX, NULL, &from_size, &info,
                                   &info_size, &info_type, &flags);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (length <= 0)
        udp_association_end(self, length ? ERR_TRANSPORT_LOST : ERR_TRANSPORT_CLOSED, "");
    else if (flags & MSG_NOTIFICATION)
        notified(self, spare->data, (size_t)length);
    else
        received(self, &info, (size_t)length, flags);
    return true;
}

/* ---- a bulk of packets ---- */

void udp_receive_touch(struct udp_association *self)
{
    if (self->touched)
        return;
    self->touched = true;
    self->next_touched = NULL;
    *self->transport->last_touched = self;
    self->transport->last_touched = &self->next_touched;
}

static struct udp_association *next_touched(struct udp *transport)
{
    struct udp_association *self = transport->touched;
    if (!self)
        return NULL;
    transport->touched = self->next_touched;
    if (!transport->touched)
        transport->last_touched = &transport->touched;
    self->touched = false;
    return self;
}

void udp_receive_deliver(struct udp *transport)
{
    transport->delivering = true;
    for (struct udp_association *self; (self = next_touched(transport));) {
        udp_ahead_release(self);
        while (self->state != UDP_ENDED && receive_one(self))
            ;
        udp_send_continue(self);
        udp_path_io_tell(self);
    }
    transport->delivering = false;
    udp_flush(transport);
}
