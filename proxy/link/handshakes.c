/* The ends of handshakes, counted, and the warning when children are not resumed. */
#include "proxy/link/handshakes.h"

#include "base/log.h"
#include "proxy/link/owner.h"
#include "proxy/worker/worker.h"

static _Atomic uint64_t *counter_of(struct counters *counters, enum err why)
{
    switch (why) {
    case ERR_TLS_HANDSHAKE:
    case ERR_TLS_RECORD:
    case ERR_TLS_CLOSED:
        return &counters->failures_alert;
    case ERR_TLS_TIMEOUT:
        return &counters->failures_timeout;
    case ERR_TLS_NOT_RESUMED:
        return &counters->failures_not_resumed;
    case ERR_TLS_OTHER_MASTER:
    case ERR_BIND_MISMATCH:
        return &counters->failures_other_master;
    case ERR_TLS_PEER_UNVERIFIED:
    case ERR_TLS_NO_CERTIFICATE:
        return &counters->failures_unverified;
    case ERR_TLS_PEER_NAME:
        return &counters->failures_name;
    default:
        return &counters->failures_other;
    }
}

void handshakes_failed(struct link_owner *owner, enum err why)
{
    counter_add(counter_of(owner->tunnel->counters, why), 1);
}

static void remember(struct handshakes *handshakes, bool resumed)
{
    bool *place = &handshakes->was_resumed[handshakes->next];
    if (handshakes->count == HANDSHAKES_WINDOW)
        handshakes->resumed -= *place;
    else
        handshakes->count++;
    *place = resumed;
    handshakes->resumed += resumed;
    handshakes->next = (handshakes->next + 1) % HANDSHAKES_WINDOW;
}

void handshakes_child(struct link_owner *owner, bool resumed, enum err why)
{
    struct handshakes *handshakes = &owner->handshakes;
    uint64_t now = loop_now(owner->tunnel->home->loop);
    remember(handshakes, resumed);
    if (why != ERR_OK)
        handshakes->last_failure = why;
    unsigned others = handshakes->count - handshakes->resumed;
    if (resumed || others <= HANDSHAKES_FINE_WITHOUT ||
        (handshakes->warned_us && now < handshakes->warned_us + HANDSHAKES_SILENCE_US))
        return;
    handshakes->warned_us = now;
    log_write(LOG_WARNING, LOG_ABOUT(.tunnel = owner->tunnel->config->name),
              "%u of the last %u child sessions were not resumed from their master: %s%s", others,
              handshakes->count,
              handshakes->last_failure == ERR_OK ? "each cost a full handshake"
                                                 : "the last failure: ",
              handshakes->last_failure == ERR_OK ? "" : err_text(handshakes->last_failure));
}
