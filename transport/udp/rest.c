#include "transport/udp/rest.h"

#include "transport/udp/udp.h"

void udp_rest_up(struct udp_association *self)
{
    struct sctp_status status;
    sctp_association_status(self->engine, &status);
    self->takes_rest = status.is_hawser;
}

/* So that all that are verified ask so often in all. */
static uint8_t rest_of(const struct udp *transport)
{
    uint64_t verified = transport->accepted - transport->trust.count;
    uint64_t rest = verified * 1000000 / transport->questions_per_second / PROBE_REST_US;
    return rest < UINT8_MAX ? (uint8_t)rest : UINT8_MAX;
}

uint8_t udp_rest_ask(struct udp_association *self)
{
    if (self->choice.options.chooses || !self->takes_rest)
        return 0;
    uint8_t rest = rest_of(self->transport);
    udp_paths_rest(&self->choice, rest * (uint64_t)PROBE_REST_US);
    return rest;
}

void udp_rest_take(struct udp_association *self, uint8_t rest)
{
    if (self->choice.options.chooses)
        udp_paths_rest(&self->choice, rest * (uint64_t)PROBE_REST_US);
}
