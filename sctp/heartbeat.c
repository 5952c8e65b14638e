#include "sctp/heartbeat.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Heartbeat Info of ours: the parameter's header, a nonce, the net (section 5.4). */
#define INFO_SIZE 16
#define INFO_TYPE SCTP_PARAMETER_HEARTBEAT_INFO

/* What stands before the info of an answer, at most, and padding: AUTH is 40 bytes. */
#define AROUND (SCTP_HEADER + 40 + SCTP_CHUNK_HEADER + 3)

/* ---- the peer's ---- */

void sctp_heartbeat_asked(struct sctp_association *self, unsigned net,
                          const struct sctp_chunk *chunk)
{
    struct sctp_heartbeat *heartbeat = &self->heartbeat;
    if (heartbeat->echo_count == SCTP_HEARTBEAT_ECHOES ||
        chunk->length + AROUND > sctp_association_mtu(self, net)) {
        self->counters.rejected++;
        return;
    }
    struct sctp_echo *echo = &heartbeat->echoes[heartbeat->echo_count++];
    echo->info = check_alloc(chunk->length + 1);
    memcpy(echo->info, chunk->value, chunk->length);
    echo->length = (uint16_t)chunk->length;
    echo->net = (uint8_t)net;
}

/* One that does not fit behind others waits for the next packet. */
static void put_echoes(struct sctp_heartbeat *heartbeat, unsigned net, struct wire_writer *writer)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < heartbeat->echo_count; i++) {
        struct sctp_echo *echo = &heartbeat->echoes[i];
        bool fits = wire_room(writer) >= SCTP_CHUNK_HEADER + sctp_wire_padded(echo->length);
        if (echo->net != net || !fits) {
            heartbeat->echoes[kept++] = *echo;
            continue;
        }
        sctp_wire_put_chunk(writer, SCTP_CHUNK_HEARTBEAT_ACK, 0, echo->info, echo->length);
        free(echo->info);
    }
    heartbeat->echo_count = kept;
}

/* ---- our own ---- */

/* Interval + RTO, of which half is random (section 8.3), doubled for each one not answered. */
static void arm(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_heartbeat *heartbeat = &self->heartbeat;
    uint64_t rto = sctp_net_timeout(self->nets[self->used], &self->options, heartbeat->unanswered);
    uint32_t chance;
    self->options.random(self->options.random_context, &chance, sizeof chance);
    heartbeat->next_us = now_us + self->options.heartbeat_us + rto / 2 + chance % (rto + 1);
}

void sctp_heartbeat_init(struct sctp_association *self, uint64_t now_us)
{
    if (self->options.heartbeat_us)
        arm(self, now_us);
}

void sctp_heartbeat_fini(struct sctp_association *self)
{
    struct sctp_heartbeat *heartbeat = &self->heartbeat;
    for (unsigned i = 0; i < heartbeat->echo_count; i++)
        free(heartbeat->echoes[i].info);
    heartbeat->echo_count = 0;
}

void sctp_heartbeat_answered(struct sctp_association *self, uint64_t now_us,
                             const struct sctp_chunk *chunk)
{
    struct sctp_heartbeat *heartbeat = &self->heartbeat;
    struct wire_reader reader = wire_reader(chunk->value, chunk->length);
    bool ours = wire_get_u16(&reader) == INFO_TYPE && wire_get_u16(&reader) == INFO_SIZE &&
                wire_get_u64(&reader) == heartbeat->nonce &&
                wire_get_u32(&reader) == heartbeat->net && !reader.overrun;
    if (!ours || !heartbeat->asked_us) {
        self->counters.rejected++;
        return;
    }
    if (self->nets[heartbeat->net]) { /* the answer may come by another one */
        sctp_net_measured(self->nets[heartbeat->net], &self->options, now_us - heartbeat->asked_us);
        self->nets[heartbeat->net]->errors = 0;
    }
    if (self->flight.una == self->flight.next_tsn)
        self->recovery.errors = 0;
    heartbeat->asked_us = 0;
    heartbeat->unanswered = 0;
}

static bool is_idle(const struct sctp_association *self, uint64_t now_us)
{
    const struct sctp_net *net = self->nets[self->used];
    return self->flight.una == self->flight.next_tsn &&
           (!net || now_us - net->heard_us >= self->options.heartbeat_us);
}

bool sctp_heartbeat_timeout(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_heartbeat *heartbeat = &self->heartbeat;
    if (now_us < sctp_heartbeat_deadline(self))
        return false;
    if (heartbeat->asked_us) {
        heartbeat->asked_us = 0;
        heartbeat->unanswered++;
        if (self->nets[heartbeat->net])
            self->nets[heartbeat->net]->errors++;
        if (heartbeat->net == self->used &&
            ++self->recovery.errors > self->options.retransmissions) {
            sctp_association_end(self, ERR_TRANSPORT_LOST, NULL, 0);
            return true;
        }
    }
    if (is_idle(self, now_us))
        heartbeat->is_due = true;
    arm(self, now_us);
    return false;
}

static void put_own(struct sctp_association *self, uint64_t now_us, struct wire_writer *writer)
{
    struct sctp_heartbeat *heartbeat = &self->heartbeat;
    uint8_t info[INFO_SIZE];
    if (wire_room(writer) < SCTP_CHUNK_HEADER + sizeof info)
        return;
    struct wire_writer value = wire_writer(info, sizeof info);
    self->options.random(self->options.random_context, &heartbeat->nonce, sizeof heartbeat->nonce);
    wire_put_u16(&value, INFO_TYPE);
    wire_put_u16(&value, INFO_SIZE);
    wire_put_u64(&value, heartbeat->nonce);
    wire_put_u32(&value, self->used);
    sctp_wire_put_chunk(writer, SCTP_CHUNK_HEARTBEAT, 0, info, sizeof info);
    heartbeat->net = self->used;
    heartbeat->asked_us = now_us;
    heartbeat->is_due = false;
}

/* ---- both ---- */

/* None goes once SHUTDOWN or SHUTDOWN ACK is out (section 8.3). */
static bool own_wants(const struct sctp_association *self)
{
    return self->heartbeat.is_due && sctp_association_may_send(self);
}

bool sctp_heartbeat_wants(const struct sctp_association *self, unsigned *net)
{
    const struct sctp_heartbeat *heartbeat = &self->heartbeat;
    bool own = own_wants(self);
    if (!own && !heartbeat->echo_count)
        return false;
    *net = own ? self->used : heartbeat->echoes[0].net;
    return true;
}

void sctp_heartbeat_put(struct sctp_association *self, uint64_t now_us, unsigned net,
                        struct wire_writer *writer)
{
    put_echoes(&self->heartbeat, net, writer);
    if (own_wants(self) && net == self->used)
        put_own(self, now_us, writer);
}

uint64_t sctp_heartbeat_deadline(const struct sctp_association *self)
{
    bool begins = self->options.heartbeat_us && sctp_association_may_send(self);
    return begins ? self->heartbeat.next_us : SCTP_NEVER;
}
