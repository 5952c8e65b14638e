#include "transport/transport.h"

#include <string.h>

#include "transport/kernel.h"
#include "transport/memory.h"
#include "transport/udp.h"

static const struct transport_ops *const transports[] = {&udp_ops, &kernel_ops, &memory_ops};

const struct transport_ops *transport_find(const char *name)
{
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
        if (!strcmp(transports[i]->name, name))
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
