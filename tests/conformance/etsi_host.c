/* An endpoint of the engine with the sockets of a conformance script. */
#include "tests/conformance/etsi_host.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* An endless loop of the engine's would be one here. */
#define STEPS_MAX 10000

/* Always the same: xorshift. */
static void make_random(void *context, void *bytes, size_t length)
{
    struct host *host = context;
    uint8_t *out = bytes;
    for (size_t i = 0; i < length; i++) {
        host->random ^= host->random << 13;
        host->random ^= host->random >> 17;
        host->random ^= host->random << 5;
        out[i] = (uint8_t)(host->random >> 8);
    }
}

/* RFC 9260 section 16 where scripts rely on it; an Ethernet and IPv4. */
void host_open(struct host *host)
{
    *host = (struct host){.random = 1, .last = &host->first};
    sctp_association_defaults(&host->options);
    host->options.own_port = HOST_OWN_PORT;
    host->options.peer_port = HOST_PEER_PORT;
    host->options.streams = 10;
    host->options.buffer = 1 << 20;
    host->options.mtu = 1500 - 20;
    host->options.rto_initial_us = host->options.rto_min_us = 1000000;
    host->options.sack_delay_us = 200000;
    host->options.random = make_random;
    host->options.random_context = host;
}

void host_close(struct host *host)
{
    struct host_packet *packet;
    while ((packet = host_take(host)))
        free(packet);
    message_queue_clear(&host->heard);
    sctp_association_free(host->association);
    sctp_listener_free(host->listener);
}

/* Remembers of it as much as a peer would. */
static void look(struct host *host, const uint8_t *bytes, size_t length)
{
    struct wire_reader chunks = sctp_wire_chunks(bytes, length);
    struct sctp_chunk chunk;
    struct sctp_init init;
    struct sctp_parameter parameter;
    if (!sctp_wire_next_chunk(&chunks, &chunk) ||
        (chunk.type != SCTP_CHUNK_INIT && chunk.type != SCTP_CHUNK_INIT_ACK) ||
        !sctp_wire_read_init(&chunk, &init))
        return;
    while (sctp_wire_next_parameter(&init.parameters, &parameter))
        if (parameter.type == SCTP_PARAMETER_STATE_COOKIE &&
            parameter.length <= sizeof host->cookie) {
            memcpy(host->cookie, parameter.value, parameter.length);
            host->cookie_length = parameter.length;
        }
}

static void add_packet(struct host *host, const uint8_t *bytes, size_t length)
{
    struct host_packet *packet = check_alloc(sizeof *packet + length);
    *packet = (struct host_packet){.at_us = host->now_us, .length = length};
    memcpy(packet->bytes, bytes, length);
    *host->last = packet;
    host->last = &packet->next;
    look(host, bytes, length);
}

struct host_packet *host_take(struct host *host)
{
    struct host_packet *packet = host->first;
    if (!packet)
        return NULL;
    host->first = packet->next;
    if (!host->first)
        host->last = &host->first;
    return packet;
}

/* ---- the engine ---- */

static void take_event(struct host *host, struct sctp_event *event)
{
    switch (event->kind) {
    case SCTP_EVENT_UP:
        host->is_up = true;
        host->waiting += !host->connects;
        break;
    case SCTP_EVENT_MESSAGE:
        message_queue_push(&host->heard, event->message);
        break;
    case SCTP_EVENT_PEER_CLOSING:
        host->is_closing = true;
        break;
    case SCTP_EVENT_DOWN:
        host->is_down = true;
        host->reason = event->reason;
        break;
    case SCTP_EVENT_ANSWERED:
    case SCTP_EVENT_WRITABLE:
    case SCTP_EVENT_AUTH_SETTLED:
        break;
    }
}

/* Events, then packets, until there are no more. */
static void pump(struct host *host)
{
    struct sctp_event event;
    struct sctp_wants wants;
    uint8_t room[65536];
    for (unsigned steps = 0; host->association; steps++) {
        must(steps < STEPS_MAX);
        if (sctp_association_event(host->association, &event))
            take_event(host, &event);
        else if (sctp_association_wants(host->association, host->now_us, &wants)) {
            must(wants.size <= sizeof room);
            size_t length = sctp_association_output(host->association, host->now_us, &wants, room);
            must(length && length <= wants.size);
            add_packet(host, room, length);
        } else if (host->is_down) {
            if (host->listener)
                sctp_listener_ended(host->listener, sctp_association_own_tag(host->association));
            sctp_association_free(host->association);
            host->association = NULL;
        } else
            break;
    }
}

static struct sctp_listener *listener(struct host *host)
{
    if (!host->listener) {
        host->listener = sctp_listener_new(&host->options, host->now_us);
        sctp_listener_accept(host->listener, false);
    }
    return host->listener;
}

void host_listen(struct host *host)
{
    host->listens = true;
    sctp_listener_accept(listener(host), true);
}

void host_connect(struct host *host)
{
    host->connects = true;
    host->association = sctp_association_connect(&host->options);
    pump(host);
}

uint64_t host_deadline(const struct host *host)
{
    return host->association ? sctp_association_deadline(host->association) : SCTP_NEVER;
}

void host_advance(struct host *host, uint64_t to_us)
{
    for (unsigned steps = 0; host_deadline(host) <= to_us; steps++) {
        must(steps < STEPS_MAX);
        if (host_deadline(host) > host->now_us)
            host->now_us = host_deadline(host);
        sctp_association_timeout(host->association, host->now_us);
        pump(host);
    }
    if (to_us > host->now_us)
        host->now_us = to_us;
}

/* ---- packets that come ---- */

/* A new association takes the place of one that has ended, or that its peer has begun anew. */
static void take_made(struct host *host, struct sctp_association *made)
{
    sctp_association_free(host->association);
    host->association = made;
    host->is_down = host->is_closing = false;
    host->reason = ERR_OK;
}

static void give_stray(struct host *host, const uint8_t *bytes, size_t length)
{
    uint8_t reply[SCTP_REPLY_MAX];
    size_t reply_length = sctp_listener_ootb(bytes, length, reply);
    if (reply_length)
        add_packet(host, reply, reply_length);
}

static void give_to_listener(struct host *host, uint8_t *bytes, size_t length, bool elsewhere)
{
    const struct sctp_origin origin = {elsewhere ? "b" : "a", 1};
    struct sctp_association *made = NULL;
    uint8_t reply[SCTP_REPLY_MAX];
    size_t reply_length = 0;
    struct sctp_association *existing = host->association;
    /* An association answers INITs when the socket that listened is closed, too (section 5.2.2). */
    sctp_listener_accept(listener(host), host->listens || existing);
    switch (sctp_listener_input(listener(host), host->now_us, &origin, 0, bytes, length, existing,
                                reply, &reply_length, &made)) {
    case SCTP_HEARD_NOTHING:
        if (bytes[SCTP_HEADER] == SCTP_CHUNK_COOKIE_ECHO &&
            (!existing || sctp_association_own_tag(existing) != sctp_wire_u32(bytes + 4)))
            give_stray(host, bytes, length);
        break;
    case SCTP_HEARD_REPLY:
    case SCTP_HEARD_UNLIKE:
        add_packet(host, reply, reply_length);
        break;
    case SCTP_HEARD_MADE:
    case SCTP_HEARD_RESTARTED:
        take_made(host, made);
        break;
    case SCTP_HEARD_EXISTING:
        break;
    }
}

void host_input(struct host *host, uint8_t *bytes, size_t length, bool elsewhere)
{
    struct sctp_header header;
    struct sctp_chunk chunk;
    if (!sctp_wire_check(bytes, length, &header))
        return;
    host->came_tag = header.tag;
    struct wire_reader chunks = sctp_wire_chunks(bytes, length);
    must(sctp_wire_next_chunk(&chunks, &chunk));
    if (chunk.type == SCTP_CHUNK_INIT || chunk.type == SCTP_CHUNK_COOKIE_ECHO)
        give_to_listener(host, bytes, length, elsewhere);
    else if (host->association)
        sctp_association_input(host->association, host->now_us, 0, bytes, length);
    else
        give_stray(host, bytes, length);
    if (host->association)
        sctp_association_input_end(host->association, host->now_us);
    pump(host);
}

/* ---- what its user does ---- */

bool host_write(struct host *host, size_t length)
{
    struct message *message = message_new(length);
    message->length = (uint32_t)length;
    memset(message->data, 'x', length);
    if (!host->association ||
        sctp_association_send(host->association, host->now_us, message) != ERR_OK) {
        message_free(message);
        return false;
    }
    pump(host);
    return true;
}

void host_shutdown(struct host *host)
{
    if (!host->association)
        return;
    sctp_association_shutdown(host->association, host->now_us);
    pump(host);
}
