#include "transport/udp/auth.h"

#include "base/check.h"
#include "transport/udp/association.h"
#include "transport/udp/engine.h"
#include "transport/udp/path_io.h"

/* Of probes, each twice as long as the one before: about 1.1 s where the round trip is short. */
#define DOUBT_TIMEOUTS 3

enum err udp_auth_change(struct association *association, enum association_auth what,
                         uint16_t number, const uint8_t *key)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    must(self->transport->options.auth);
    if (!udp_association_is_up(self))
        return ERR_OK;
    enum err e = ERR_TRANSPORT_SOCKET;
    switch (what) {
    case ASSOCIATION_AUTH_ADD:
        e = sctp_association_auth_add(self->engine, number, key, TRANSPORT_AUTH_KEY);
        break;
    case ASSOCIATION_AUTH_USE:
        e = sctp_association_auth_use(self->engine, number);
        udp_engine_later(self); /* nothing may be in flight: then it is settled already */
        break;
    case ASSOCIATION_AUTH_DROP:
        e = sctp_association_auth_drop(self->engine, number);
        break;
    }
    return e == ERR_OK ? ERR_OK : ERR_TRANSPORT_SOCKET;
}

void udp_auth_doubt(struct udp_association *self)
{
    self->doubted = true;
    udp_path_io_trouble(udp_path_in_use(self), false);
}

void udp_auth_look(struct udp_association *self)
{
    if (self->doubted && self->choice.paths[self->choice.in_use].timeouts >= DOUBT_TIMEOUTS)
        udp_association_end(self, ERR_TRANSPORT_RESTARTED, "it does not know this association");
}
