/* Values in the members of the configuration. */
#include "config/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "config/config.h"

static const void *field_of(const struct option_row *option, const void *base)
{
    return (const char *)base + option->stored.offset;
}

static size_t count_of(const struct option_row *option, const void *base)
{
    return *(const size_t *)(const void *)((const char *)base + option->stored.count_offset);
}

void store_number(void *field, size_t size, uint64_t number)
{
    switch (size) {
    case sizeof(uint8_t):
        *(uint8_t *)field = (uint8_t)number;
        break;
    case sizeof(uint16_t):
        *(uint16_t *)field = (uint16_t)number;
        break;
    case sizeof(uint32_t):
        *(uint32_t *)field = (uint32_t)number;
        break;
    default:
        must(size == sizeof(uint64_t));
        *(uint64_t *)field = number;
    }
}

uint64_t store_number_of(const struct option_row *option, const void *base)
{
    const void *field = field_of(option, base);
    switch (option->stored.size) {
    case sizeof(uint8_t):
        return *(const uint8_t *)field;
    case sizeof(uint16_t):
        return *(const uint16_t *)field;
    case sizeof(uint32_t):
        return *(const uint32_t *)field;
    default:
        return *(const uint64_t *)field;
    }
}

void store_text(void *field, const char *text)
{
    char **stored = field;
    free(*stored);
    *stored = check_strdup(text);
}

static bool is_same_text(const char *one, const char *other)
{
    return one == other || (one && other && strcmp(one, other) == 0);
}

/* A service has one endpoint, under the one key or the other. */
static const char *endpoint_text(const struct option_row *option, const void *base)
{
    const struct config_service *service = base;
    const struct endpoint *endpoint = field_of(option, base);
    bool listens = option->type == OPTION_LISTEN;
    if (option->section == SECTION_SERVICE && listens != (service->direction == CONFIG_LISTEN))
        return NULL;
    return endpoint->text;
}

/* The text of element i of an array of texts or endpoints. */
static const char *element_text(const struct option_row *option, const void *base, size_t i)
{
    const void *array = *(const void *const *)field_of(option, base);
    return option_storage(option) == STORAGE_TEXTS ? ((const char *const *)array)[i]
                                                   : ((const struct endpoint *)array)[i].text;
}

static bool is_same_array(const struct option_row *option, const void *old, const void *now)
{
    size_t count = count_of(option, old);
    bool same = count == count_of(option, now);
    for (size_t i = 0; same && i < count; i++)
        same = is_same_text(element_text(option, old, i), element_text(option, now, i));
    return same;
}

bool store_is_same(const struct option_row *option, const void *old, const void *now)
{
    switch (option_storage(option)) {
    case STORAGE_NUMBER:
        return store_number_of(option, old) == store_number_of(option, now);
    case STORAGE_TEXT:
        return is_same_text(*(const char *const *)field_of(option, old),
                            *(const char *const *)field_of(option, now));
    case STORAGE_ENDPOINT:
        return is_same_text(endpoint_text(option, old), endpoint_text(option, now));
    case STORAGE_TEXTS:
    case STORAGE_ENDPOINTS:
        return is_same_array(option, old, now);
    default:
        return true;
    }
}

static void clear_array(const struct option_row *option, void *base, void *array)
{
    for (size_t i = 0; i < count_of(option, base); i++) {
        void *element = (char *)array + i * option->stored.element;
        if (option_storage(option) == STORAGE_GROUPS)
            store_clear(option->group, element);
        else if (option_storage(option) == STORAGE_TEXTS)
            free(*(char **)element);
        else
            endpoint_clear(element);
    }
    free(array);
}

static void clear_value(const struct option_row *option, void *base)
{
    void *field = (char *)base + option->stored.offset;
    switch (option_storage(option)) {
    case STORAGE_NUMBER:
        break;
    case STORAGE_TEXT:
        free(*(char **)field);
        break;
    case STORAGE_ENDPOINT:
        endpoint_clear(field); /* a service's has two rows: the second time it is empty */
        break;
    case STORAGE_GROUP:
        store_clear(option->group, base);
        break;
    default:
        clear_array(option, base, *(void **)field);
    }
}

void store_clear(enum option_section section, void *base)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section)
            clear_value(&option_table[i], base);
}
