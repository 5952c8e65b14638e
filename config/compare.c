#include "config/compare.h"

#include <stdio.h>
#include <string.h>

static bool is_same_text(const char *one, const char *other)
{
    return one == other || (one && other && strcmp(one, other) == 0);
}

static const void *field(const struct option *option, const void *base)
{
    return (const char *)base + option->offset;
}

static const char *text_of(const struct option *option, const void *base)
{
    return *(const char *const *)field(option, base);
}

static size_t count_of(const struct option *option, const void *base)
{
    return *(const size_t *)(const void *)((const char *)base + option->count_offset);
}

static bool is_same_list(const struct option *option, const void *old, const void *now)
{
    const void *const *ones = field(option, old), *const *others = field(option, now);
    if (count_of(option, old) != count_of(option, now))
        return false;
    for (size_t i = 0; i < count_of(option, old); i++) {
        bool same = option->type == OPTION_ADDRESSES
                        ? is_same_text(((const struct endpoint *)*ones)[i].text,
                                       ((const struct endpoint *)*others)[i].text)
                        : is_same_text(((char *const *)*ones)[i], ((char *const *)*others)[i]);
        if (!same)
            return false;
    }
    return true;
}

/* A service has one endpoint, under the one key or the other. */
static const char *endpoint_text(const struct option *option, const void *base)
{
    const struct config_service *service = base;
    const struct endpoint *endpoint = field(option, base);
    bool listens = option->type == OPTION_LISTEN;
    if (option->section == SECTION_SERVICE && listens != (service->direction == CONFIG_LISTEN))
        return NULL;
    return endpoint->text;
}

static bool is_same(const struct option *option, const void *old, const void *now)
{
    switch (option->type) {
    case OPTION_GROUP: /* its options have rows of their own */
    case OPTION_GROUPS:
        return true;
    case OPTION_INTEGER:
    case OPTION_SECONDS:
    case OPTION_BOOL:
    case OPTION_MODE:
    case OPTION_CHOICE:
        return memcmp(field(option, old), field(option, now), option->size) == 0;
    case OPTION_LISTEN:
    case OPTION_CONNECT:
        return is_same_text(endpoint_text(option, old), endpoint_text(option, now));
    case OPTION_ADDRESSES:
    case OPTION_NAMES:
        return is_same_list(option, old, now);
    default:
        return is_same_text(text_of(option, old), text_of(option, now));
    }
}

enum owner { PROCESS, TUNNEL, SERVICE };

static enum owner owner_of(enum option_section section)
{
    switch (section) {
    case SECTION_ROOT:
    case SECTION_LOG:
    case SECTION_ADMIN:
    case SECTION_SESSIONS:
    case SECTION_REDIS:
        return PROCESS;
    case SECTION_SERVICE:
    case SECTION_SERVICE_STREAMS:
        return SERVICE;
    default:
        return TUNNEL;
    }
}

static void compare_owner(struct compare *self, enum owner owner, const void *old, const void *now,
                          const char *where)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (owner_of(option->section) == owner && !is_same(option, old, now))
            self->on_change(self, option, where);
    }
}

void compare_process(struct compare *self, const struct config *old, const struct config *now)
{
    compare_owner(self, PROCESS, old, now, "");
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
    snprintf(where, sizeof(where), "tunnel \"%s\": ", old->name);
    compare_owner(self, TUNNEL, old, now, where);
    if (!has_same_services(old, now)) {
        self->on_change(self, option_find(SECTION_TUNNEL, "services"), where);
        return;
    }
    for (size_t i = 0; i < old->service_count; i++) {
        snprintf(where, sizeof(where), "tunnel \"%s\", service \"%s\": ", old->name,
                 old->services[i].name);
        compare_owner(self, SERVICE, &old->services[i], &now->services[i], where);
    }
}
