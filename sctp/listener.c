/* INIT and COOKIE ECHO of peers, answered without state. */
#include "sctp/listener.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/closing.h"
#include "sctp/handshake.h"
#include "sctp/replies.h"

/* A reply is at most three times as long as its INIT. */
#define REPLY_TIMES 3

struct sctp_listener {
    struct sctp_options options;
    struct sctp_cookie_secrets *secrets;
    bool accepts;
    uint32_t ended[SCTP_LISTENER_ENDED]; /* a ring; 0: none */
    unsigned ended_next;
};

/* A packet that is being answered. */
struct request {
    struct sctp_listener *self;
    uint64_t now_us;
    const struct sctp_origin *origin;
    unsigned net;
    uint8_t *packet;
    size_t length;
    struct sctp_header header;
    struct sctp_chunk chunk; /* INIT or COOKIE ECHO */
    bool is_alone;
    struct sctp_association *existing; /* NULL: none that is alive */
    uint8_t *reply;
    size_t *reply_length;
    struct sctp_association **made;
};

struct sctp_listener *sctp_listener_new(const struct sctp_options *options, uint64_t now_us)
{
    struct sctp_listener *self = check_alloc(sizeof *self);
    self->options = *options;
    self->secrets = sctp_cookie_secrets_new(options, now_us);
    self->accepts = true;
    return self;
}

void sctp_listener_free(struct sctp_listener *self)
{
    if (self)
        sctp_cookie_secrets_free(self->secrets);
    free(self);
}

void sctp_listener_accept(struct sctp_listener *self, bool accepts)
{
    self->accepts = accepts;
}

void sctp_listener_ended(struct sctp_listener *self, uint32_t own_tag)
{
    self->ended[self->ended_next++ % SCTP_LISTENER_ENDED] = own_tag;
}

static bool has_ended(const struct sctp_listener *self, uint32_t own_tag)
{
    for (unsigned i = 0; i < SCTP_LISTENER_ENDED; i++)
        if (self->ended[i] == own_tag)
            return true;
    return false;
}

/* ---- replies ---- */

static struct wire_writer begin_reply(const struct request *q, uint32_t tag)
{
    struct wire_writer writer = wire_writer(q->reply, SCTP_REPLY_MAX);
    sctp_wire_put_header(&writer,
                         &(struct sctp_header){q->header.destination, q->header.source, tag});
    return writer;
}

static enum sctp_heard end_reply(struct request *q, const struct wire_writer *writer)
{
    size_t length = (size_t)(writer->at - q->reply);
    if (writer->overrun || length > REPLY_TIMES * q->length)
        return SCTP_HEARD_NOTHING;
    sctp_wire_seal(q->reply, length);
    *q->reply_length = length;
    return SCTP_HEARD_REPLY;
}

static enum sctp_heard reply_cause(struct request *q, uint8_t type, uint32_t tag, uint16_t cause,
                                   const void *value, size_t length)
{
    struct wire_writer writer = begin_reply(q, tag);
    sctp_wire_put_cause(&writer, type, 0, cause, value, length);
    return end_reply(q, &writer);
}

/* ---- INIT ---- */

/* Section 3.2.2, as far as there is room. */
static void put_reports(struct wire_writer *writer, const struct sctp_offer *offer, size_t room)
{
    const uint8_t *end = writer->at + (room < SCTP_REPORT_MAX ? room : SCTP_REPORT_MAX);
    for (unsigned i = 0; i < offer->unknown_count; i++) {
        size_t length = SCTP_CHUNK_HEADER + offer->unknown[i].length;
        if (length + SCTP_CHUNK_HEADER + 3 > (size_t)(end - writer->at))
            return;
        sctp_wire_put_parameter(writer, SCTP_PARAMETER_UNRECOGNIZED, offer->unknown[i].whole,
                                length);
    }
}

/* Bytes of an INIT ACK beside its cookie and reports: header, fixed part, a list of extensions, our
 * own parameter. */
#define PLAIN (SCTP_HEADER + 20 + SCTP_CHUNK_HEADER + 8 + 8)

static enum sctp_heard reply_init_ack(struct request *q, const struct sctp_cookie *cookie,
                                      const uint8_t *sealed, size_t sealed_length,
                                      const struct sctp_offer *offer)
{
    const struct sctp_options *options = &q->self->options;
    bool auth = cookie->peer_auth_length > 0;
    struct sctp_init init = {.tag = cookie->own_tag,
                             .window = options->buffer,
                             .streams_out = cookie->streams_out,
                             .streams_in = options->streams,
                             .tsn = sctp_handshake_first_tsn(options, cookie->own_tsn)};
    struct wire_writer writer = begin_reply(q, cookie->peer_tag);
    uint8_t *chunk = sctp_handshake_begin_chunk(&writer, SCTP_CHUNK_INIT_ACK, &init);
    size_t used = PLAIN + sealed_length + (auth ? SCTP_AUTH_PARAMETERS_MAX : 0u);
    if (used < REPLY_TIMES * q->length)
        put_reports(&writer, offer, REPLY_TIMES * q->length - used);
    sctp_wire_put_parameter(&writer, SCTP_PARAMETER_STATE_COOKIE, sealed, sealed_length);
    sctp_handshake_end_chunk(&writer, chunk, options, auth ? cookie->random : NULL);
    return end_reply(q, &writer);
}

/* Sections 5.2.1 and 5.2.2: an INIT of our own that is under way is repeated, an association that
 * is up is tied. */
static void note_existing(const struct request *q, struct sctp_cookie *cookie)
{
    const struct sctp_association *existing = q->existing;
    if (!existing)
        return;
    cookie->is_kept = existing->state < SCTP_ESTABLISHED;
    if (cookie->is_kept) {
        cookie->own_tag = existing->own_tag;
        cookie->own_tsn = existing->handshake->initial_tsn;
        memcpy(cookie->random, existing->handshake->random, sizeof cookie->random);
    }
    if (existing->state != SCTP_COOKIE_WAIT)
        cookie->tie = sctp_cookie_tie(q->self->secrets, existing->own_tag, existing->peer_tag);
}

static enum sctp_heard answer_init(struct request *q, const struct sctp_init *init)
{
    const struct sctp_options *options = &q->self->options;
    struct sctp_offer offer;
    struct sctp_cookie cookie = {.peer_tag = init->tag,
                                 .peer_tsn = init->tsn,
                                 .peer_window = init->window,
                                 .streams_out = number_least(options->streams, init->streams_in),
                                 .streams_in = number_least(options->streams, init->streams_out),
                                 .own_port = q->header.destination,
                                 .peer_port = q->header.source};
    uint8_t sealed[SCTP_COOKIE_MAX];
    sctp_handshake_read_offer(init->parameters, &offer);
    if (offer.host_name.whole)
        return reply_cause(
            q, SCTP_CHUNK_ABORT, init->tag, SCTP_CAUSE_UNRESOLVABLE_ADDRESS, offer.host_name.whole,
            offer.host_name.length < SCTP_REPORT_MAX ? SCTP_CHUNK_HEADER + offer.host_name.length
                                                     : 0);
    if (options->auth &&
        !sctp_auth_read_parameters(init->parameters, cookie.peer_auth, &cookie.peer_auth_length)) {
        static const char text[] = SCTP_AUTH_MISSING;
        enum sctp_heard heard = reply_cause(q, SCTP_CHUNK_ABORT, init->tag, SCTP_CAUSE_USER_ABORT,
                                            text, sizeof text - 1);
        return heard == SCTP_HEARD_REPLY ? SCTP_HEARD_UNLIKE : heard;
    }
    cookie.peer_is_hawser = offer.is_hawser;
    note_existing(q, &cookie);
    size_t length = sctp_cookie_seal(q->self->secrets, q->now_us, q->origin, &cookie, sealed);
    return reply_init_ack(q, &cookie, sealed, length, &offer);
}

/* Our own INIT is under way; that the peer's is answered is part of it (section 5.2.1). */
static bool is_connecting(const struct sctp_association *existing)
{
    return existing && existing->state < SCTP_ESTABLISHED;
}

static enum sctp_heard take_init(struct request *q)
{
    struct sctp_init init;
    if (!q->is_alone || q->header.tag || !sctp_wire_read_init(&q->chunk, &init) || !init.tag)
        return SCTP_HEARD_NOTHING; /* sections 8.5.1 A, 3.3.2 */
    if (q->existing && q->existing->state == SCTP_SHUTDOWN_ACK_SENT) {
        sctp_closing_repeat(q->existing); /* section 9.2 */
        return SCTP_HEARD_EXISTING;
    }
    if (!q->self->accepts && !is_connecting(q->existing))
        return SCTP_HEARD_NOTHING;
    if (init.window < SCTP_WINDOW_MIN || !init.streams_out || !init.streams_in)
        return reply_cause(q, SCTP_CHUNK_ABORT, init.tag, SCTP_CAUSE_INVALID_PARAMETER, NULL, 0);
    return answer_init(q, &init);
}

/* ---- COOKIE ECHO ---- */

/* The rest of the packet is for the association. */
static enum sctp_heard pass_to(struct request *q, struct sctp_association *association,
                               enum sctp_heard heard)
{
    sctp_association_input(association, q->now_us, q->net, q->packet, q->length);
    return heard;
}

static enum sctp_heard make(struct request *q, const struct sctp_cookie *cookie,
                            enum sctp_heard heard)
{
    struct sctp_listener *self = q->self;
    if (!self->accepts || cookie->is_kept || has_ended(self, cookie->own_tag))
        return SCTP_HEARD_NOTHING;
    struct sctp_association *made =
        sctp_handshake_accept(&self->options, q->now_us, q->net, cookie);
    if (self->options.auth && !made->auth) { /* its RANDOM is ours */
        sctp_association_free(made);
        return SCTP_HEARD_NOTHING;
    }
    *q->made = made;
    return pass_to(q, made, heard);
}

/* Section 5.2.4, A to D; what is in none of its rows is dropped. */
static enum sctp_heard compare_tags(struct request *q, const struct sctp_cookie *cookie)
{
    struct sctp_association *existing = q->existing;
    if (cookie->own_tag == existing->own_tag)
        return sctp_handshake_cookie(existing, q->now_us, q->net, cookie)
                   ? pass_to(q, existing, SCTP_HEARD_EXISTING)
                   : SCTP_HEARD_NOTHING;
    if (cookie->peer_tag == existing->peer_tag || is_connecting(existing) ||
        cookie->tie != sctp_cookie_tie(q->self->secrets, existing->own_tag, existing->peer_tag))
        return SCTP_HEARD_NOTHING;
    if (existing->state != SCTP_SHUTDOWN_ACK_SENT)
        return make(q, cookie, SCTP_HEARD_RESTARTED);
    sctp_closing_repeat(existing);
    sctp_replies_add_cause(existing, q->now_us, SCTP_CAUSE_COOKIE_IN_SHUTDOWN, NULL, 0);
    return SCTP_HEARD_EXISTING;
}

static enum sctp_heard take_cookie(struct request *q)
{
    const struct sctp_association *existing = q->existing;
    struct sctp_cookie cookie;
    uint32_t stale_us = 0;
    enum sctp_cookie_result result =
        sctp_cookie_open(q->self->secrets, q->now_us, q->origin, &q->header, q->chunk.value,
                         q->chunk.length, &cookie, &stale_us);
    if (result == SCTP_COOKIE_BAD)
        return SCTP_HEARD_NOTHING;
    bool same =
        existing && existing->own_tag == cookie.own_tag && existing->peer_tag == cookie.peer_tag;
    if (result == SCTP_COOKIE_STALE && !same) {
        uint8_t measure[4];
        struct wire_writer writer = wire_writer(measure, sizeof measure);
        wire_put_u32(&writer, stale_us);
        return reply_cause(q, SCTP_CHUNK_ERROR, cookie.peer_tag, SCTP_CAUSE_STALE_COOKIE, measure,
                           sizeof measure);
    }
    return existing ? compare_tags(q, &cookie) : make(q, &cookie, SCTP_HEARD_MADE);
}

/* AUTH may be before COOKIE ECHO (RFC 4895 section 6.3): the association looks at it. */
static bool find_chunk(struct request *q)
{
    struct wire_reader chunks = sctp_wire_chunks(q->packet, q->length);
    if (!sctp_wire_next_chunk(&chunks, &q->chunk))
        return false;
    q->is_alone = wire_left(&chunks) == 0;
    return q->chunk.type != SCTP_CHUNK_AUTH || sctp_wire_next_chunk(&chunks, &q->chunk);
}

/* It came here before that listener was there to take it. Its association would be of no use: what
 * follows goes there. The client sends COOKIE ECHO again. */
static bool is_elsewhere(const struct sctp_listener *self, uint32_t own_tag)
{
    const struct sctp_sharing *sharing = &self->options.sharing;
    return sharing->count > 1 && own_tag % sharing->count != sharing->index;
}

enum sctp_heard sctp_listener_input(struct sctp_listener *self, uint64_t now_us,
                                    const struct sctp_origin *origin, unsigned net, uint8_t *packet,
                                    size_t length, struct sctp_association *existing,
                                    uint8_t *reply, size_t *reply_length,
                                    struct sctp_association **made)
{
    struct request q = {
        .self = self,
        .now_us = now_us,
        .origin = origin,
        .net = net,
        .packet = packet,
        .length = length,
        .header = {sctp_wire_u16(packet), sctp_wire_u16(packet + 2), sctp_wire_u32(packet + 4)},
        .reply = reply,
        .reply_length = reply_length,
        .made = made};
    sctp_cookie_secrets_renew(self->secrets, now_us);
    if (!find_chunk(&q))
        return SCTP_HEARD_NOTHING;
    if (existing && existing->state != SCTP_ENDED)
        q.existing = existing;
    else if (existing && existing->own_tag == q.header.tag)
        return SCTP_HEARD_NOTHING; /* its cookie again */
    if (q.chunk.type == SCTP_CHUNK_INIT)
        return take_init(&q);
    if (is_elsewhere(self, q.header.tag))
        return SCTP_HEARD_NOTHING;
    return q.chunk.type == SCTP_CHUNK_COOKIE_ECHO ? take_cookie(&q) : SCTP_HEARD_NOTHING;
}

/* ---- out of the blue ---- */

/* Section 8.4 in its order; 0: no answer. One difference: a COOKIE ECHO whose cookie is not good is
 * dropped by section 5.1.5, and the client of a server that was restarted would wait; an ABORT lets
 * it begin anew at once. */
static uint8_t ootb_type(const uint8_t *packet, size_t length)
{
    struct wire_reader chunks = sctp_wire_chunks(packet, length);
    struct sctp_chunk chunk;
    bool asked = false, silent = false;
    while (sctp_wire_next_chunk(&chunks, &chunk)) {
        if (chunk.type == SCTP_CHUNK_ABORT || chunk.type == SCTP_CHUNK_INIT)
            return 0;
        asked = asked || chunk.type == SCTP_CHUNK_SHUTDOWN_ACK;
        silent = silent || chunk.type == SCTP_CHUNK_SHUTDOWN_COMPLETE ||
                 chunk.type == SCTP_CHUNK_COOKIE_ACK ||
                 (chunk.type == SCTP_CHUNK_ERROR && sctp_wire_is_stale_cookie(&chunk));
    }
    if (asked)
        return SCTP_CHUNK_SHUTDOWN_COMPLETE;
    return silent ? 0 : SCTP_CHUNK_ABORT;
}

size_t sctp_listener_ootb(const uint8_t *packet, size_t length, uint8_t *reply)
{
    uint8_t type = ootb_type(packet, length);
    if (!type)
        return 0;
    struct wire_writer writer = wire_writer(reply, SCTP_HEADER + SCTP_CHUNK_HEADER);
    sctp_wire_put_header(&writer,
                         &(struct sctp_header){sctp_wire_u16(packet + 2), sctp_wire_u16(packet),
                                               sctp_wire_u32(packet + 4)});
    sctp_wire_put_chunk(&writer, type, SCTP_FLAG_REFLECTED, NULL, 0);
    sctp_wire_seal(reply, SCTP_HEADER + SCTP_CHUNK_HEADER);
    return SCTP_HEADER + SCTP_CHUNK_HEADER;
}
