/* One endpoint of the udp transport: its clock, its sockets, its counters. */
#include "transport/udp/endpoint.h"

#include "base/clock.h"
#include "transport/udp/udp.h"

uint64_t udp_clock(struct udp *transport)
{
    uint64_t now_us = clock_us();
    if (now_us > transport->turn.now_us)
        transport->turn.now_us = now_us;
    return transport->turn.now_us;
}

uint64_t udp_now(struct udp *transport)
{
    if (loop_now(transport->base.loop) > transport->turn.now_us)
        transport->turn.now_us = loop_now(transport->base.loop);
    return transport->turn.now_us;
}

void udp_flush(struct udp *transport)
{
    for (uint16_t i = 0; i < transport->local_count; i++)
        if (transport->locals[i].socket.batch_count)
            datagram_flush(&transport->locals[i].socket);
}

void udp_touch(struct udp_association *self)
{
    if (self->is_touched)
        return;
    self->is_touched = true;
    STAILQ_INSERT_TAIL(&self->transport->turn.touched, self, touched_link);
}

void udp_count(struct transport *transport, struct udp_counters *counters)
{
    struct udp *self = container_of(transport, struct udp, base);
    *counters = self->counters;
    for (size_t i = 0; i < self->local_count; i++) {
        const struct datagram_counters *one = &self->locals[i].socket.counters;
        counters->datagrams.packets_in += one->packets_in;
        counters->datagrams.packets_out += one->packets_out;
        counters->datagrams.calls_in += one->calls_in;
        counters->datagrams.calls_out += one->calls_out;
        counters->datagrams.dropped_out += one->dropped_out;
    }
}

void udp_cut_local(struct transport *transport, size_t index, bool in, bool out)
{
    struct datagram_cut *cut = &container_of(transport, struct udp, base)->locals[index].socket.cut;
    cut->in = in;
    cut->out = out;
}

void udp_cut_above(struct transport *transport, size_t index, size_t size)
{
    container_of(transport, struct udp, base)->locals[index].socket.cut.above = size;
}

void udp_cut(struct transport *transport, bool cut)
{
    for (size_t i = 0; i < container_of(transport, struct udp, base)->local_count; i++)
        udp_cut_local(transport, i, cut, cut);
}
