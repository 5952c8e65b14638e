/* config/verify.h: checks the options together: names unique, addresses free, limits in order,
 * files readable. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/loader.h"

/* Works out the derived defaults and adds a diagnostic for all that does not go together. */
void verify_config(struct loader *loader);

/* ---- between the files of verify ---- */

/* The structs that a check looks at. */
struct verify_scope {
    struct loader *loader;
    struct config *config;
    struct config_tunnel *tunnel;   /* NULL: the options outside of tunnels */
    struct config_service *service; /* NULL: those outside of services */
};

/* The struct that has the options of this owner; NULL: not in this scope. */
static inline void *verify_base(const struct verify_scope *scope, enum option_owner owner)
{
    return owner == OWNER_SERVICE  ? (void *)scope->service
           : owner == OWNER_TUNNEL ? (void *)scope->tunnel
                                   : (void *)scope->config;
}

/* The owner of a scope's options. */
static inline enum option_owner verify_owner(const struct verify_scope *scope)
{
    return scope->service ? OWNER_SERVICE : scope->tunnel ? OWNER_TUNNEL : OWNER_PROCESS;
}

/* Derived defaults of numbers, before anything compares them; then limits whose order is wrong, or
 * that others make useless. A default gives way to a given limit. */
void verify_limits(const struct verify_scope *scope);

/* Options that have no use beside others. Of tls also: one way to know the peer, versions in order;
 * a default min_version gives way to a lower max_version. */
void verify_conflicts(const struct verify_scope *scope);
/* True: the configuration lets more than one client in, whatever is in the files that it names (a
 * file of known or pre-shared keys may hold one or several, which only tls/ sees). At a client:
 * false. */
bool verify_conflicts_admits_several(const struct config_tunnel *tunnel);

/* local and remote: what one association can have, with this transport. */
void verify_addresses(struct loader *loader, const struct config_tunnel *tunnel);
/* Everything that is bound: no address twice. */
void verify_addresses_bound(struct loader *loader);

/* The files that the options of a scope name are there and readable, and so are the directories of
 * those that are made; others cannot read secrets; cert and key belong together. */
void verify_files(const struct verify_scope *scope);
