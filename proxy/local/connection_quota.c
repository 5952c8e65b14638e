/* The budget that a connection takes while no lease does, and the limits that it counts for. */
#include "proxy/local/connection.h"
#include "proxy/local/quota.h"
#include "proxy/local/service.h"

static struct mux_budget *budget_of(const struct connection *c)
{
    return c->quota ? &c->quota->budget : c->service->budget;
}

void connection_hold(struct connection *c, uint64_t bytes)
{
    mux_budget_force(budget_of(c), bytes);
    c->held += bytes;
}

void connection_drop(struct connection *c)
{
    mux_budget_give(budget_of(c), c->held);
    c->held = 0;
}

void connection_set_quota(struct connection *c, struct quota *quota)
{
    connection_drop(c);
    if (c->quota)
        quota_connection_end(c->quota);
    quota_unref(c->quota);
    c->quota = quota ? quota_ref(quota) : NULL;
}
