/* INIT, INIT ACK, COOKIE ECHO and COOKIE ACK. */
#include "sctp/handshake.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/receiving.h"
#include "sctp/recovery.h"
#include "sctp/replies.h"
#include "sctp/sending.h"

/* Of an unknown parameter (section 3.2.1). */
#define UNKNOWN_GO_ON  0x8000
#define UNKNOWN_REPORT 0x4000

/* Value of SCTP_PARAMETER_HAWSER. */
static const uint8_t hawser_version[] = {'H', 'W', 'S', 1};

/* ---- INIT and INIT ACK ---- */

/* Addresses count for nothing here: a path is the caller's matter. */
static bool is_known(uint16_t type)
{
    enum { IPV4 = 5, IPV6 = 6, COOKIE_PRESERVATIVE = 9, ADDRESS_TYPES = 12 };
    switch (type) {
    case IPV4:
    case IPV6:
    case SCTP_PARAMETER_STATE_COOKIE:
    case SCTP_PARAMETER_UNRECOGNIZED:
    case COOKIE_PRESERVATIVE:
    case SCTP_PARAMETER_HOST_NAME:
    case ADDRESS_TYPES:
        return true;
    default: /* RFC 4895's, ours and the list of extensions are skipped where they are not known */
        return false;
    }
}

static void note_parameter(struct sctp_offer *offer, const struct sctp_parameter *parameter)
{
    if (parameter->type == SCTP_PARAMETER_HAWSER)
        offer->is_hawser = parameter->length >= 3 && !memcmp(parameter->value, hawser_version, 3);
    else if (parameter->type == SCTP_PARAMETER_HOST_NAME && !offer->host_name.whole)
        offer->host_name = *parameter;
    else if (parameter->type == SCTP_PARAMETER_STATE_COOKIE && !offer->cookie) {
        offer->cookie = parameter->value;
        offer->cookie_length = parameter->length;
    }
}

void sctp_handshake_read_offer(struct wire_reader parameters, struct sctp_offer *offer)
{
    struct sctp_parameter parameter;
    offer->is_hawser = false;
    offer->host_name.whole = NULL;
    offer->cookie = NULL;
    offer->cookie_length = offer->unknown_count = 0;
    for (unsigned count = 0;
         count < SCTP_PARAMETERS_MAX && sctp_wire_next_parameter(&parameters, &parameter);
         count++) {
        note_parameter(offer, &parameter);
        if (is_known(parameter.type))
            continue;
        if (parameter.type & UNKNOWN_REPORT)
            offer->unknown[offer->unknown_count++] = parameter;
        if (!(parameter.type & UNKNOWN_GO_ON))
            return;
    }
}

uint8_t *sctp_handshake_begin_chunk(struct wire_writer *writer, uint8_t type,
                                    const struct sctp_init *init)
{
    uint8_t *chunk = sctp_wire_begin(writer, type, 0);
    wire_put_u32(writer, init->tag);
    wire_put_u32(writer, init->window);
    wire_put_u16(writer, init->streams_out);
    wire_put_u16(writer, init->streams_in);
    wire_put_u32(writer, init->tsn);
    return chunk;
}

/* The length of a chunk does not count the padding of its last parameter (section 3.2), so that is
 * one without. Linux wants AUTH in the list of extensions (RFC 5061 section 4.2.7), too. */
void sctp_handshake_end_chunk(struct wire_writer *writer, uint8_t *chunk,
                              const struct sctp_options *options, const uint8_t *random)
{
    static const uint8_t extensions[] = {SCTP_CHUNK_AUTH};
    if (random) {
        sctp_wire_put_parameter(writer, SCTP_PARAMETER_EXTENSIONS, extensions, sizeof extensions);
        sctp_auth_put_parameters(writer, random);
    }
    if (options->hawser)
        sctp_wire_put_parameter(writer, SCTP_PARAMETER_HAWSER, hawser_version,
                                sizeof hawser_version);
    sctp_wire_end(writer, chunk);
}

/* ---- T1 ---- */

static void set_due(struct sctp_handshake *handshake)
{
    handshake->sent = 0;
    handshake->is_due = true;
    handshake->deadline_us = SCTP_NEVER;
}

void sctp_handshake_timeout(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_handshake *handshake = self->handshake;
    if (now_us < handshake->deadline_us)
        return;
    handshake->deadline_us = SCTP_NEVER;
    if (handshake->sent > self->options.init_retransmissions)
        sctp_association_end(self, ERR_TRANSPORT_TIMEOUT, NULL, 0);
    else
        handshake->is_due = true;
}

/* ---- INIT ---- */

static uint32_t draw(const struct sctp_options *options)
{
    uint32_t number;
    options->random(options->random_context, &number, sizeof number);
    return number;
}

struct sctp_association *sctp_association_connect(const struct sctp_options *options)
{
    struct sctp_association *self = sctp_association_new(options);
    struct sctp_handshake *handshake = check_alloc(sizeof *handshake);
    self->handshake = handshake;
    self->own_tag = draw(options);
    self->own_tag += self->own_tag == 0;
    handshake->initial_tsn = sctp_handshake_first_tsn(options, draw(options));
    if (options->auth)
        options->random(options->random_context, handshake->random, sizeof handshake->random);
    sctp_sending_init(self, handshake->initial_tsn);
    set_due(handshake);
    handshake->is_due = !options->init_by_caller;
    return self;
}

void sctp_handshake_fini(struct sctp_association *self)
{
    if (self->handshake)
        free(self->handshake->cookie);
    free(self->handshake);
    self->handshake = NULL;
}

void sctp_handshake_put_init(const struct sctp_association *self, struct wire_writer *writer)
{
    const struct sctp_options *options = &self->options;
    struct sctp_init init = {.tag = self->own_tag,
                             .window = options->buffer,
                             .streams_out = options->streams,
                             .streams_in = options->streams,
                             .tsn = self->handshake->initial_tsn};
    uint8_t *chunk = sctp_handshake_begin_chunk(writer, SCTP_CHUNK_INIT, &init);
    sctp_handshake_end_chunk(writer, chunk, options,
                             options->auth ? self->handshake->random : NULL);
}

void sctp_handshake_put(struct sctp_association *self, uint64_t now_us, struct wire_writer *writer)
{
    struct sctp_handshake *handshake = self->handshake;
    if (self->state == SCTP_COOKIE_WAIT)
        sctp_handshake_put_init(self, writer);
    else
        sctp_wire_put_chunk(writer, SCTP_CHUNK_COOKIE_ECHO, 0, handshake->cookie,
                            handshake->cookie_length);
    handshake->is_due = handshake->takes_early = false;
    handshake->sent++;
    handshake->sent_us = now_us;
    handshake->deadline_us =
        now_us + sctp_net_timeout(self->nets[self->used], &self->options, handshake->sent - 1);
}

/* ---- INIT ACK ---- */

/* The TCB goes, and the peer is told why (section 5.1), also one that gave no tag (3.3.3). */
static void refuse(struct sctp_association *self, uint16_t cause, const void *value, size_t length)
{
    sctp_association_fail(self, ERR_CONTROL_PROTOCOL, cause, value, length);
}

/* False: it was refused. A cookie that no COOKIE ECHO has room for is as good as none; an empty one
 * is a cookie. */
static bool check_init_ack(struct sctp_association *self, const struct sctp_init *init,
                           const struct sctp_offer *offer)
{
    static const uint8_t one_cookie[] = {0, 0, 0, 1, 0, SCTP_PARAMETER_STATE_COOKIE};
    size_t room = self->options.mtu - SCTP_HEADER - SCTP_CHUNK_HEADER;
    if (!init->tag || !init->streams_out || !init->streams_in)
        refuse(self, SCTP_CAUSE_INVALID_PARAMETER, NULL, 0);
    else if (offer->host_name.whole)
        refuse(self, SCTP_CAUSE_UNRESOLVABLE_ADDRESS, offer->host_name.whole,
               SCTP_CHUNK_HEADER + offer->host_name.length);
    else if (!offer->cookie || offer->cookie_length > room)
        refuse(self, SCTP_CAUSE_MISSING_PARAMETER, one_cookie, sizeof one_cookie);
    else
        return true;
    return false;
}

/* self->auth; NULL: the peer does not have it. */
static void make_auth(struct sctp_association *self, const uint8_t *random, const uint8_t *peer,
                      size_t peer_length)
{
    uint8_t own[SCTP_AUTH_PARAMETERS_MAX];
    struct wire_writer writer = wire_writer(own, sizeof own);
    size_t length = sctp_auth_put_parameters(&writer, random);
    sctp_auth_free(self->auth);
    self->auth = sctp_auth_new(own, length, peer, peer_length);
}

/* Takes over the peer's INIT or INIT ACK. */
static void take_peer(struct sctp_association *self, uint32_t window, uint32_t tsn,
                      uint16_t streams, bool is_hawser)
{
    self->streams = streams;
    self->peer_is_hawser = is_hawser && self->options.hawser;
    self->sending.peer_window = window;
    sctp_receiving_fini(self); /* of a cookie that was stale */
    sctp_receiving_init(self, tsn);
}

void sctp_handshake_init_ack(struct sctp_association *self, uint64_t now_us, unsigned net,
                             const struct sctp_chunk *chunk)
{
    struct sctp_handshake *handshake = self->handshake;
    struct sctp_init init;
    struct sctp_offer offer;
    uint8_t peer[SCTP_AUTH_PARAMETERS_MAX];
    size_t peer_length;
    if (!sctp_wire_read_init(chunk, &init) || (init.tag && init.window < SCTP_WINDOW_MIN)) {
        self->counters.rejected++;
        return;
    }
    sctp_handshake_read_offer(init.parameters, &offer);
    self->peer_tag = init.tag;
    if (!check_init_ack(self, &init, &offer))
        return;
    for (unsigned i = 0; i < offer.unknown_count; i++)
        sctp_replies_add_cause(self, now_us, SCTP_CAUSE_UNRECOGNIZED_PARAMETERS,
                               offer.unknown[i].whole, SCTP_CHUNK_HEADER + offer.unknown[i].length);
    take_peer(self, init.window, init.tsn,
              number_least(self->options.streams, number_least(init.streams_out, init.streams_in)),
              offer.is_hawser);
    if (self->options.auth && sctp_auth_read_parameters(init.parameters, peer, &peer_length))
        make_auth(self, handshake->random, peer, peer_length);
    self->used = net;
    sctp_association_net(self, now_us, net); /* its first round trip is known in this state only */
    free(handshake->cookie);
    handshake->cookie = check_alloc(offer.cookie_length + 1);
    memcpy(handshake->cookie, offer.cookie, offer.cookie_length);
    handshake->cookie_length = offer.cookie_length;
    self->state = SCTP_COOKIE_ECHOED;
    set_due(handshake);
    /* Nothing is said to who is going to be told that RFC 4895 is missing. */
    self->answered = handshake->takes_early = !self->options.auth || self->auth;
}

/* ---- COOKIE ACK ---- */

/* Both ends are told, so it is told when there is an association at both. */
static void finish(struct sctp_association *self)
{
    if (self->options.auth && !self->auth) {
        static const char text[] = SCTP_AUTH_MISSING;
        sctp_association_fail(self, ERR_TRANSPORT_AUTH, SCTP_CAUSE_USER_ABORT, text,
                              sizeof text - 1);
    } else {
        sctp_association_up(self);
    }
    sctp_handshake_fini(self);
}

void sctp_handshake_cookie_ack(struct sctp_association *self, uint64_t now_us)
{
    const struct sctp_handshake *handshake = self->handshake;
    if (handshake->sent == 1)
        sctp_net_measured(self->nets[self->used], &self->options, now_us - handshake->sent_us);
    finish(self);
}

void sctp_handshake_stale(struct sctp_association *self)
{
    struct sctp_handshake *handshake = self->handshake;
    if (++handshake->stale > self->options.init_retransmissions) {
        sctp_association_end(self, ERR_TRANSPORT_TIMEOUT, NULL, 0);
        return;
    }
    self->state = SCTP_COOKIE_WAIT;
    self->peer_tag = 0;
    sctp_auth_free(self->auth);
    self->auth = NULL;
    set_due(handshake);
}

/* ---- cookies that came back ---- */

/* A time in which INIT ACK and COOKIE ECHO may have been under way once. */
static uint64_t round_trip(const struct sctp_options *options, uint64_t now_us,
                           const struct sctp_cookie *cookie)
{
    uint64_t age = now_us - cookie->made_us;
    return age < options->rto_initial_us ? age : 0;
}

static void take_cookie(struct sctp_association *self, const struct sctp_cookie *cookie,
                        const uint8_t *random)
{
    self->peer_tag = cookie->peer_tag;
    take_peer(self, cookie->peer_window, cookie->peer_tsn,
              number_least(cookie->streams_out, cookie->streams_in), cookie->peer_is_hawser);
    if (cookie->peer_auth_length)
        make_auth(self, random, cookie->peer_auth, cookie->peer_auth_length);
}

struct sctp_association *sctp_handshake_accept(const struct sctp_options *options, uint64_t now_us,
                                               unsigned net, const struct sctp_cookie *cookie)
{
    struct sctp_association *self = sctp_association_new(options);
    self->own_port = cookie->own_port;
    self->peer_port = cookie->peer_port;
    self->own_tag = cookie->own_tag;
    sctp_sending_init(self, sctp_handshake_first_tsn(options, cookie->own_tsn));
    take_cookie(self, cookie, cookie->random);
    self->used = net;
    self->nets[net] =
        sctp_net_new(&self->options, now_us, options->mtu, round_trip(options, now_us, cookie));
    sctp_association_up(self);
    self->owes_cookie_ack = true;
    return self;
}

bool sctp_handshake_cookie(struct sctp_association *self, uint64_t now_us, unsigned net,
                           const struct sctp_cookie *cookie)
{
    bool same_peer = cookie->peer_tag == self->peer_tag;
    if (self->state == SCTP_ENDED || cookie->own_tag != self->own_tag)
        return false;
    if (!same_peer && (!cookie->is_kept || self->state > SCTP_COOKIE_ECHOED))
        return false;
    if (self->state < SCTP_ESTABLISHED) {
        if (!same_peer) {
            if (self->flight.una != self->flight.next_tsn)
                sctp_recovery_lose(self, now_us, self->used);
            take_cookie(self, cookie, self->handshake->random);
            self->used = net;
            sctp_association_net(self, now_us, net);
        }
        finish(self);
    }
    self->owes_cookie_ack = self->state != SCTP_ENDED;
    return true;
}
