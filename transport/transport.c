#include "transport/transport.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "transport/kernel/kernel.h"
#include "transport/udp/udp.h"

static const struct transport_ops *transports[] = {&udp_ops, &kernel_ops, NULL};

void transport_add(const struct transport_ops *ops)
{
    transports[2] = ops;
}

const struct transport_ops *transport_find(const char *name)
{
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
        if (transports[i] && !strcmp(transports[i]->name, name))
            return transports[i];
    return NULL;
}

void transport_tell_unheard(const struct address *peer, enum err reason, const char *detail,
                            struct log_limit *limit, uint64_t now_us)
{
    char text[ADDRESS_TEXT_MAX];
    uint64_t left_out;
    if (log_limit_allows(limit, now_us, &left_out))
        log_write(LOG_WARNING, LOG_ABOUT(.address = address_format(peer, text)),
                  "no association: %s%s%s (%" PRIu64 " more since the last line)", err_text(reason),
                  *detail ? ": " : "", detail, left_out);
}

const char *transport_path_state_name(enum path_state state)
{
    static const char *const names[] = {[PATH_UNCONFIRMED] = "unconfirmed",
                                        [PATH_ACTIVE] = "active",
                                        [PATH_FAILING] = "failing",
                                        [PATH_INACTIVE] = "inactive"};
    return names[state];
}
