#include "transport/udp_sack.h"

#include <string.h>

#include "base/check.h"
#include "transport/packet.h"
#include "transport/udp_association.h"
#include "transport/udp_receive.h"
#include "transport/udp_send.h"
#include "transport/udp_socket.h"

/* A pause of so long for each MB in flight: a quarter of the processor at most. Below the least it
 * is not worth a timer. */
#define US_PER_MB   400
#define US_LEAST    400
#define BYTES_OF_MB (1 << 20)

/* The retransmission timer is restarted so many times before it can run out. */
#define RESTARTS 4

/* Round trips are taken for no shorter: a turn of the loop of a busy machine. */
#define STEP_MIN_US 1000

static bool is_before(uint32_t tsn, uint32_t other)
{
    return (int32_t)(tsn - other) < 0;
}

/* Before the first loss usrsctp's window grows with each step that it sees; later by window.c. */
static bool had_loss(struct udp_association *self)
{
    udp_send_look(self);
    return self->window.state == WINDOW_CUBIC || self->window.state == WINDOW_TIMEOUT;
}

/* What was sent again before the last step has arrived, or might have. */
static bool may_step(const struct udp_association *self)
{
    uint64_t round_us = self->loaded_us > self->rtt_us ? self->loaded_us : self->rtt_us;
    if (round_us < STEP_MIN_US)
        round_us = STEP_MIN_US;
    return !is_before(self->sack.heard, self->sack.awaited) ||
           loop_now(self->transport->loop) - self->sack.shown_us >= round_us;
}

/* By a newer one on its way. To what usrsctp was shown its gaps would be news. */
static void give_overtaken(struct udp_association *self, const uint8_t *packet, size_t length)
{
    uint8_t copy[UINT16_MAX];
    if (packet_sack_kind(packet, length) != PACKET_SACK_WITH_OTHERS)
        return;
    packet_sack_date(packet, length, self->sack.cumulative - 1, copy);
    stack_input(&self->peer, copy, length);
}

/* False: it has to be shown as it is. */
static bool give_held(struct udp_association *self, const uint8_t *packet, size_t length)
{
    uint8_t held[UINT16_MAX + PACKET_SACK_BLOCK];
    if (!self->sack.any || may_step(self) || !had_loss(self))
        return false;
    size_t held_length = packet_sack_hold(packet, length, self->sack.cumulative, held);
    if (held_length)
        stack_input(&self->peer, held, held_length);
    return held_length > 0;
}

static void give(struct udp_association *self, const uint8_t *packet, size_t length, bool has_gaps)
{
    struct udp_sack *sack = &self->sack;
    uint32_t cumulative = packet_cumulative(packet, length);
    if (sack->any && is_before(cumulative, sack->heard)) {
        give_overtaken(self, packet, length);
        return;
    }
    sack->heard = cumulative;
    if (!sack->any || is_before(sack->resent, cumulative))
        sack->resent = cumulative;
    if (has_gaps && cumulative != sack->cumulative && give_held(self, packet, length))
        return;
    if (!sack->any || cumulative != sack->cumulative) {
        sack->shown_us = loop_now(self->transport->loop);
        sack->awaited = sack->resent;
    }
    sack->any = true;
    sack->cumulative = cumulative;
    stack_input(&self->peer, packet, length);
}

static void on_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, sack.timer);
    self->sack.given_us = loop_now(self->transport->loop);
    size_t length = self->sack.length;
    self->sack.length = 0;
    give(self, self->sack.packet, length, packet_sack_has_gaps(self->sack.packet));
    if (self->state == UDP_ENDED)
        return;
    udp_receive_touch(self);
    udp_receive_deliver(self->transport);
}

void udp_sack_init(struct udp_association *self)
{
    self->sack.timer = (struct loop_timer){.on_expire = on_timer};
}

void udp_sack_fini(struct udp_association *self)
{
    loop_timer_cancel(self->transport->loop, &self->sack.timer);
}

static void forget(struct udp_association *self)
{
    if (!self->sack.length)
        return;
    self->sack.length = 0;
    loop_timer_cancel(self->transport->loop, &self->sack.timer);
}

/* Gaps are kept for the timer; false: usrsctp can bear it now. */
static bool keep(struct udp_association *self, const uint8_t *packet, size_t length)
{
    uint64_t pause_us = (uint64_t)self->outstanding * US_PER_MB / BYTES_OF_MB;
    uint64_t until_us = self->sack.given_us + pause_us;
    if (pause_us < US_LEAST || length > UDP_SACK_MAX || loop_now(self->transport->loop) >= until_us)
        return false;
    if (!self->sack.length)
        loop_timer_set(self->transport->loop, &self->sack.timer, until_us);
    memcpy(self->sack.packet, packet, length);
    self->sack.length = length;
    return true;
}

/* Whether the retransmission timer is to be restarted with this SACK. */
static bool is_due(struct udp_association *self, uint32_t cumulative)
{
    uint64_t now_us = loop_now(self->transport->loop);
    uint64_t every_us =
        self->rto_min_ms ? self->rto_min_ms : udp_socket_rto_min(&self->transport->options);
    every_us = every_us * 1000 / RESTARTS;
    if (cumulative == self->sack.cumulative || now_us - self->sack.restarted_us < every_us)
        return false;
    self->sack.restarted_us = now_us;
    return true;
}

void udp_sack_repeated(struct udp_association *self, const uint8_t *packet, size_t length)
{
    packet_data(packet, length, &self->sack.resent);
}

void udp_sack_input(struct udp_association *self, const uint8_t *packet, size_t length)
{
    uint8_t longer[PACKET_SACK_LONGER];
    uint32_t cumulative = packet_cumulative(packet, length);
    enum packet_sack kind = packet_sack_kind(packet, length);
    bool has_gaps = packet_sack_has_gaps(packet); /* before one is made up */
    bool is_old = self->sack.length &&
                  is_before(cumulative, packet_cumulative(self->sack.packet, self->sack.length));
    if (is_old && kind != PACKET_SACK_WITH_OTHERS)
        return; /* overtaken on its way by the one that waits */
    if (kind == PACKET_SACK_GAPS && keep(self, packet, length))
        return;
    if (!is_old)
        forget(self);
    if (kind == PACKET_SACK_GAPS)
        self->sack.given_us = loop_now(self->transport->loop);
    if (kind == PACKET_SACK_PLAIN && is_due(self, cumulative)) {
        packet_sack_lengthen(packet, longer);
        packet = longer;
        length = sizeof longer;
    }
    give(self, packet, length, has_gaps);
}
