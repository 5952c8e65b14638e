/* The table of transports. */
#include "transport/transport.h"

#include <string.h>

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

const char *transport_path_state_name(enum path_state state)
{
    static const char *const names[] = {[PATH_UNCONFIRMED] = "unconfirmed",
                                        [PATH_ACTIVE] = "active",
                                        [PATH_FAILING] = "failing",
                                        [PATH_INACTIVE] = "inactive"};
    return names[state];
}
