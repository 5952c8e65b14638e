#include "proxy/tunnel/carriers.h"

#include <stdbool.h>
#include <string.h>

/* Whether the transport is there; if not, a sentence in why. */
static bool add(struct carriers *carriers, const char *name, char *why, size_t why_size)
{
    const struct transport_ops *ops = transport_find(name);
    if (!ops)
        snprintf(why, why_size, "this build has no transport \"%s\"", name);
    else if (transport_available(ops, why, why_size))
        carriers->ops[carriers->count++] = ops;
    else
        return false;
    return ops;
}

int carriers_find(struct carriers *carriers, const char *transport, char *why, size_t why_size)
{
    *carriers = (struct carriers){0};
    if (strcmp(transport, "auto") != 0)
        return add(carriers, transport, why, why_size) ? 0 : -1;
    add(carriers, "kernel", carriers->why_not, sizeof(carriers->why_not));
    return add(carriers, "udp", why, why_size) ? 0 : -1;
}

bool carriers_are_several(const struct carriers *carriers)
{
    return carriers->count > 1;
}

bool carriers_share(const struct carriers *carriers)
{
    for (size_t i = 0; i < carriers->count; i++)
        if (carriers->ops[i]->shares)
            return true;
    return false;
}

void carriers_check(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < config->tunnel_count; i++) {
        const struct config_tunnel *tunnel = &config->tunnels[i];
        struct carriers carriers;
        char why[256] = "";
        if (carriers_find(&carriers, tunnel->transport, why, sizeof(why)) < 0)
            fprintf(out, "%s: warning: tunnel \"%s\" cannot run here with transport = \"%s\": %s\n",
                    config->file, tunnel->name, tunnel->transport, why);
        else if (*carriers.why_not)
            fprintf(out,
                    "%s: warning: tunnel \"%s\" with transport = \"auto\" has only %s here: %s\n",
                    config->file, tunnel->name, carriers.ops[0]->name, carriers.why_not);
    }
}
