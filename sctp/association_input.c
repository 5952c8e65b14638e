/* Packets in: verification tags, authentication, each chunk to its file. */
#include "base/check.h"
#include "sctp/acknowledge.h"
#include "sctp/association_private.h"
#include "sctp/closing.h"
#include "sctp/handshake.h"
#include "sctp/receiving.h"
#include "sctp/replies.h"
#include "sctp/sending.h"

/* The two highest bits of a chunk type that we do not know (RFC 9260 section 3.2). */
#define UNKNOWN_GO_ON  0x80
#define UNKNOWN_REPORT 0x40

/* A packet that is being read. */
struct arrival {
    struct sctp_association *self;
    uint64_t now_us;
    unsigned net;
    uint8_t *packet;
    size_t length;
    struct wire_reader chunks;
    struct sctp_chunk chunk;
    bool covered; /* by a good AUTH chunk before it */
    bool had_auth, had_data;
};

static void reject(struct arrival *a)
{
    a->self->counters.rejected++;
}

static bool is_alone(const struct arrival *a)
{
    return a->chunk.whole == a->packet + SCTP_HEADER && wire_left(&a->chunks) == 0;
}

/* ---- chunks ---- */

static void violate(struct sctp_association *self, uint16_t cause, const char *text)
{
    sctp_association_fail(self, ERR_CONTROL_PROTOCOL, cause, text, strlen(text));
}

/* Unordered DATA and DATA of a stream that there is not is acknowledged and dropped (section 6.5;
 * docs/PROTOCOL.md rules S2, S3). */
static void take_data(struct arrival *a)
{
    struct sctp_association *self = a->self;
    struct sctp_data data;
    if (self->state == SCTP_COOKIE_ECHOED) /* so COOKIE ACK was lost, or comes late */
        sctp_handshake_cookie_ack(self, a->now_us);
    if (self->state < SCTP_ESTABLISHED || self->state > SCTP_SHUTDOWN_SENT)
        return;
    if (!sctp_wire_read_data(&a->chunk, &data)) {
        reject(a);
        return;
    }
    if (!data.length) { /* section 6.2 */
        self->closing.abort_tsn = data.tsn;
        violate(self, SCTP_CAUSE_NO_USER_DATA, "DATA without data");
        return;
    }
    if (!a->had_data)
        sctp_receiving_packet(self);
    if (!self->had_data)
        sctp_receiving_tell(self); /* the first is acknowledged at once (section 5.1) */
    a->had_data = self->had_data = true;
    self->receiving.net = a->net;
    bool invalid_stream;
    if (sctp_receiving_data(self, &data, a->chunk.flags, &invalid_stream) != ERR_OK)
        violate(self, SCTP_CAUSE_PROTOCOL_VIOLATION, "message too long");
    if (invalid_stream) {
        const uint8_t stream[4] = {(uint8_t)(data.stream >> 8), (uint8_t)data.stream};
        sctp_replies_add_cause(self, a->now_us, SCTP_CAUSE_INVALID_STREAM, stream, sizeof stream);
    }
}

/* No peer acknowledges what was never sent. Somebody who sees packets can make a SACK that does,
 * and that passes for the peer's: also with RFC 4895, whose MACs are made with one key in both
 * directions and are not over the header, so that our own SACK, sent back to us, is good. So it is
 * dropped, and ends nothing. */
static void take_sack(struct arrival *a)
{
    struct sctp_association *self = a->self;
    struct sctp_sack sack;
    if (!sctp_association_may_send(self))
        return;
    if (!sctp_wire_read_sack(&a->chunk, &sack) ||
        sctp_acknowledge_sack(self, a->now_us, &sack) != ERR_OK)
        reject(a);
}

/* One with a format error is dropped (section 3.3.7). The text is that of the user's reason
 * (section 3.3.10.12). */
static void take_abort(struct arrival *a)
{
    struct sctp_association *self = a->self;
    struct wire_reader causes = wire_reader(a->chunk.value, a->chunk.length);
    struct sctp_parameter cause = {0};
    if (!sctp_wire_adds_up(causes)) {
        reject(a);
        return;
    }
    if (!sctp_wire_find(causes, SCTP_CAUSE_USER_ABORT, &cause))
        cause.length = 0;
    enum err reason = ERR_TRANSPORT_ABORTED;
    self->unknown_there = a->chunk.flags & SCTP_FLAG_REFLECTED;
    if (self->state < SCTP_ESTABLISHED)
        reason = ERR_TRANSPORT_REFUSED;
    else if (self->unknown_there && self->is_peer_closing && sctp_sending_is_done(self))
        reason = ERR_TRANSPORT_CLOSED; /* only its last word was lost */
    sctp_association_end(self, reason, cause.value, cause.length);
}

/* False: nothing behind it is read. */
static bool take_unknown(struct arrival *a)
{
    const struct sctp_chunk *chunk = &a->chunk;
    if (chunk->type & UNKNOWN_REPORT)
        sctp_replies_add_cause(a->self, a->now_us, SCTP_CAUSE_UNRECOGNIZED_CHUNK, chunk->whole,
                               SCTP_CHUNK_HEADER + chunk->length);
    return chunk->type & UNKNOWN_GO_ON;
}

/* RFC 4895 section 6.3. False: what is behind it is dropped. */
static bool take_auth(struct arrival *a)
{
    struct sctp_association *self = a->self;
    if (!self->auth)
        return take_unknown(a);
    uint8_t *chunk = a->packet + (a->chunk.whole - a->packet);
    bool unsupported_hmac = false;
    if (!a->had_auth &&
        sctp_auth_check(self->auth, chunk, a->packet + a->length, &unsupported_hmac)) {
        a->had_auth = a->covered = true;
        self->was_authentic = chunk == a->packet + SCTP_HEADER;
        return true;
    }
    reject(a);
    if (unsupported_hmac) /* the identifier stands behind the key's number */
        sctp_replies_add_cause(self, a->now_us, SCTP_CAUSE_UNSUPPORTED_HMAC, a->chunk.value + 2, 2);
    return false;
}

/* False: the rest of the packet is not read. Section 8.3 says in which states HEARTBEAT is
 * answered, section 6.10 which chunks are alone in their packet. */
static bool take(struct arrival *a)
{
    struct sctp_association *self = a->self;
    switch (a->chunk.type) {
    case SCTP_CHUNK_DATA:
        take_data(a);
        break;
    case SCTP_CHUNK_SACK:
        take_sack(a);
        break;
    case SCTP_CHUNK_INIT: /* has a packet of its own, with tag 0, which goes to the listener */
        reject(a);
        return false;
    case SCTP_CHUNK_INIT_ACK:
        if (!is_alone(a))
            reject(a);
        else if (self->state == SCTP_COOKIE_WAIT)
            sctp_handshake_init_ack(self, a->now_us, a->net, &a->chunk);
        return false;
    case SCTP_CHUNK_HEARTBEAT:
        if (self->state == SCTP_COOKIE_ECHOED || sctp_association_may_send(self))
            sctp_replies_heartbeat(self, a->net, &a->chunk);
        break;
    case SCTP_CHUNK_HEARTBEAT_ACK: /* the engine sends no HEARTBEAT: the transport's probes do */
        reject(a);
        break;
    case SCTP_CHUNK_ABORT:
        take_abort(a);
        break;
    case SCTP_CHUNK_SHUTDOWN:
        sctp_closing_shutdown(self, a->now_us, &a->chunk);
        break;
    case SCTP_CHUNK_SHUTDOWN_ACK:
        sctp_closing_shutdown_ack(self, sctp_wire_u32(a->packet + 4));
        break;
    case SCTP_CHUNK_ERROR:
        if (self->state == SCTP_COOKIE_ECHOED && sctp_wire_is_stale_cookie(&a->chunk))
            sctp_handshake_stale(self);
        break;
    case SCTP_CHUNK_COOKIE_ACK:
        if (self->state == SCTP_COOKIE_ECHOED)
            sctp_handshake_cookie_ack(self, a->now_us);
        break;
    case SCTP_CHUNK_SHUTDOWN_COMPLETE:
        if (is_alone(a))
            sctp_closing_shutdown_complete(self);
        else
            reject(a);
        break;
    case SCTP_CHUNK_AUTH:
        return take_auth(a);
    case SCTP_CHUNK_COOKIE_ECHO: /* the listener has read it */
    case SCTP_CHUNK_PAD:
        break;
    default:
        return take_unknown(a);
    }
    return true;
}

/* ---- verification tags ---- */

/* The two rules of section 8.5.1 that are of chunks, not of packets. By tag, and whether what had
 * to be authenticated was. */
static bool is_acceptable(const struct arrival *a, uint32_t tag)
{
    const struct sctp_association *self = a->self;
    uint8_t type = a->chunk.type;
    bool reflected = (type == SCTP_CHUNK_ABORT || type == SCTP_CHUNK_SHUTDOWN_COMPLETE) &&
                     a->chunk.flags & SCTP_FLAG_REFLECTED;
    if (reflected ? tag != self->peer_tag : tag != self->own_tag)
        return type == SCTP_CHUNK_AUTH ||
               (type == SCTP_CHUNK_SHUTDOWN_ACK && self->state < SCTP_ESTABLISHED);
    return !self->auth || a->covered || !sctp_auth_must_come(type);
}

static void read_chunks(struct arrival *a, uint32_t tag)
{
    while (a->self->state != SCTP_ENDED && sctp_wire_next_chunk(&a->chunks, &a->chunk)) {
        if (!is_acceptable(a, tag))
            reject(a);
        else if (!take(a))
            return;
    }
}

void sctp_association_input(struct sctp_association *self, uint64_t now_us, unsigned net,
                            uint8_t *packet, size_t length)
{
    struct arrival a; /* not cleared as a whole: that was a quarter of the time spent here */
    a.self = self;
    a.now_us = now_us;
    a.net = net;
    a.packet = packet;
    a.length = length;
    a.chunks = sctp_wire_chunks(packet, length);
    a.covered = a.had_auth = a.had_data = false;
    uint32_t tag = sctp_wire_u32(packet + 4);
    must(net < SCTP_NETS_MAX);
    self->was_authentic = false;
    self->counters.packets_in++;
    if (self->state == SCTP_ENDED)
        return;
    /* Of packets with another tag, section 8.5.1 excepts some chunks. INIT, with tag 0, goes to the
     * listener. */
    if (tag != self->own_tag &&
        (!tag || (tag != self->peer_tag && self->state >= SCTP_ESTABLISHED))) {
        reject(&a);
        return;
    }
    if (self->state == SCTP_SHUTDOWN_SENT && tag == self->own_tag)
        sctp_closing_heard(self, now_us);
    read_chunks(&a, tag);
    if (a.had_data && self->state == SCTP_SHUTDOWN_SENT)
        sctp_closing_data(self);
}

void sctp_association_input_end(struct sctp_association *self, uint64_t now_us)
{
    if (self->state < SCTP_ESTABLISHED || self->state == SCTP_ENDED)
        return;
    if (self->acknowledge.any)
        sctp_acknowledge_end(self, now_us);
    sctp_receiving_end(self, now_us);
    sctp_closing_continue(self, now_us);
}
