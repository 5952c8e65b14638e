/* Compares the configuration that runs with the file as it is now. */
#include "config/compare.h"

#include <stdio.h>
#include <string.h>

#include "config/store.h"

static void compare_owner(struct compare *self, enum option_owner owner, const void *old,
                          const void *now, const char *where)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *option = &option_table[i];
        if (option_sections[option->section].owner == owner && !store_is_same(option, old, now))
            self->on_change(self, option, where);
    }
}

void compare_process(struct compare *self, const struct config *old, const struct config *now)
{
    compare_owner(self, OWNER_PROCESS, old, now, "");
}

static bool has_same_services(const struct config_tunnel *old, const struct config_tunnel *now)
{
    bool same = old->service_count == now->service_count;
    for (size_t i = 0; same && i < old->service_count; i++)
        same = strcmp(old->services[i].name, now->services[i].name) == 0;
    return same;
}

void compare_tunnels(struct compare *self, const struct config_tunnel *old,
                     const struct config_tunnel *now)
{
    char where[192];
    snprintf(where, sizeof where, "tunnel \"%s\": ", old->name);
    compare_owner(self, OWNER_TUNNEL, old, now, where);
    if (!has_same_services(old, now)) {
        self->on_change(self, option_find(SECTION_TUNNEL, "services"), where);
        return;
    }
    for (size_t i = 0; i < old->service_count; i++) {
        snprintf(where, sizeof where, "tunnel \"%s\", service \"%s\": ", old->name,
                 old->services[i].name);
        compare_owner(self, OWNER_SERVICE, &old->services[i], &now->services[i], where);
    }
}
