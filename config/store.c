#include "config/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

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

void store_text(void *field, const char *text)
{
    char **stored = field;
    free(*stored);
    *stored = check_strdup(text);
}

void store_seconds(const struct option *option, void *field, double seconds)
{
    store_number(field, option->size, (uint64_t)(seconds * 1e6 + 0.5));
}

void store_choice(const struct option *option, const struct option_choice *choice, void *field)
{
    if (option->type == OPTION_CHOICE) {
        store_number(field, option->size, (uint64_t)choice->value);
    } else {
        char **text = field;
        free(*text);
        *text = check_strdup(choice->stored);
    }
}

/* The text between the quotes of a default. */
static void unquoted(const char *standard, char *text, size_t size)
{
    size_t length = strcspn(standard + 1, "\"");
    must(standard[0] == '"' && length < size);
    memcpy(text, standard + 1, length);
    text[length] = '\0';
}

void store_standard(const struct option *option, void *base)
{
    void *field = (char *)base + option->offset;
    char text[64];
    if (!option->standard || option_standard_is_derived(option))
        return;
    switch (option->type) {
    case OPTION_INTEGER:
        store_number(field, option->size, strtoull(option->standard, NULL, 10));
        break;
    case OPTION_SECONDS:
        store_seconds(option, field, strtod(option->standard, NULL));
        break;
    case OPTION_BOOL:
        store_number(field, option->size, strcmp(option->standard, "true") == 0);
        break;
    case OPTION_MODE:
        unquoted(option->standard, text, sizeof(text));
        store_number(field, option->size, strtoul(text, NULL, 8));
        break;
    case OPTION_CHOICE:
    case OPTION_WORD:
        unquoted(option->standard, text, sizeof(text));
        const struct option_choice *choice = option_choice_find(option, text);
        must(choice);
        store_choice(option, choice, field);
        break;
    default:
        must(!"a default for this type of option");
    }
}
