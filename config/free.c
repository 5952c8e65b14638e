/* What the option table knows of is freed by it, so that no option can be forgotten. */
#include <stdlib.h>

#include "config/config.h"
#include "config/option.h"

static void free_values(enum option_section section, void *base);

static void free_array(const struct option *option, void *array, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *element = (char *)array + i * option->element;
        if (option->type == OPTION_GROUPS)
            free_values(option->group, element);
        else if (option->type == OPTION_ADDRESSES)
            endpoint_clear(element);
        else
            free(*(char **)element);
    }
    free(array);
}

static void free_value(const struct option *option, void *base)
{
    void *field = (char *)base + option->offset;
    switch (option->type) {
    case OPTION_GROUP:
        free_values(option->group, base);
        break;
    case OPTION_GROUPS:
    case OPTION_ADDRESSES:
    case OPTION_NAMES:
        free_array(option, *(void **)field,
                   *(size_t *)(void *)((char *)base + option->count_offset));
        break;
    case OPTION_LISTEN:
    case OPTION_CONNECT:
        endpoint_clear(field); /* a service's has two rows: the second time it is empty */
        break;
    case OPTION_INTEGER:
    case OPTION_SECONDS:
    case OPTION_BOOL:
    case OPTION_MODE:
    case OPTION_CHOICE:
        break;
    default:
        free(*(char **)field);
    }
}

static void free_values(enum option_section section, void *base)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section)
            free_value(&option_table[i], base);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free_values(SECTION_ROOT, config);
    free(config->directory);
    free(config->file);
    free(config);
}
