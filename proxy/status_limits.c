#include "proxy/status_limits.h"

#include "proxy/link.h"
#include "proxy/places.h"
#include "proxy/tunnel.h"

json_t *status_limits_printable(const char *name)
{
    char text[1024];
    size_t length = 0;
    for (; length < sizeof(text) - 1 && name[length]; length++)
        text[length] = name[length] >= ' ' && name[length] <= '~' ? name[length] : '?';
    return json_stringn(text, length);
}

json_t *status_limits_streams(const struct link *link)
{
    if (!link->streams_max)
        return json_null();
    return json_pack("{s:s, s:I, s:I}", "by", link_streams_limiter(link), "here",
                     (json_int_t)link->tunnel->config->streams_max, "far_end",
                     (json_int_t)link->peer_streams);
}

json_t *status_limits_queued(const struct link *link)
{
    return json_integer((json_int_t)atomic_load_explicit(&link->queued, memory_order_relaxed));
}

json_t *status_limits_memory(const struct mux_budget *budget)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    return json_pack("{s:I, s:I}", "used", (json_int_t)used, "limit", (json_int_t)budget->limit);
}

static void report_quota(void *all, struct quota *quota)
{
    const struct config_identity *limits = quota->limits;
    json_array_append_new(all, json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "identity",
                                         status_limits_printable(quota->label), "associations",
                                         (json_int_t)quota->associations, "max_associations",
                                         (json_int_t)limits->max_associations, "connections",
                                         (json_int_t)atomic_load(&quota->connections),
                                         "max_connections", (json_int_t)limits->max_connections,
                                         "streams", (json_int_t)quota->streams, "max_streams",
                                         (json_int_t)limits->max_streams, "memory",
                                         status_limits_memory(&quota->budget)));
}

json_t *status_limits_identities(const struct tunnel *tunnel)
{
    json_t *all = json_array();
    places_each_identity(tunnel->places, report_quota, all);
    return all;
}
