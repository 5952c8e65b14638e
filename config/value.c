/* One setting of the file becomes one value of the configuration. */
#include "config/value.h"

#include <libconfig.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/endpoints.h"
#include "config/store.h"
#include "config/suggestion.h"

#define TEXT_MAX 1023 /* longest text of any option */

/* One conversion. */
struct value {
    struct loader *loader;
    const struct option_row *option;
    const config_setting_t *setting;
    void *field, *base;
};

struct place value_place(const struct loader *loader, const config_setting_t *setting)
{
    unsigned line = config_setting_source_line(setting);
    return (struct place){sources_name(loader->sources, config_setting_source_file(setting)),
                          line ? line : 1};
}

#define error(value, ...) value_error((value)->loader, (value)->setting, __VA_ARGS__)

static bool is_whole(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_INT ||
           config_setting_type(setting) == CONFIG_TYPE_INT64;
}

static const char *found_type(const config_setting_t *setting)
{
    static const char *const names[] = {
        [CONFIG_TYPE_GROUP] = "a group { … }",   [CONFIG_TYPE_INT] = "a whole number",
        [CONFIG_TYPE_INT64] = "a whole number",  [CONFIG_TYPE_FLOAT] = "a number with a fraction",
        [CONFIG_TYPE_STRING] = "text in quotes", [CONFIG_TYPE_BOOL] = "true or false",
        [CONFIG_TYPE_ARRAY] = "an array [ … ]",  [CONFIG_TYPE_LIST] = "a list ( … )"};
    return names[config_setting_type(setting)];
}

void value_wrong_type(struct loader *loader, const struct option_row *option,
                      const config_setting_t *setting)
{
    char text[128];
    const char *given = config_setting_get_string(setting);
    bool is_quoted_number = given && option->type == OPTION_INTEGER && *given &&
                            strlen(given) < 20 && !given[strspn(given, "0123456789")];
    value_error(loader, setting, "%s must be %s, not %s; write for example %s = %s;", option->name,
                option_types[option->type].name, found_type(setting), option->key,
                is_quoted_number ? given : option_example(option, text, sizeof text));
}

static void wrong_type(const struct value *value)
{
    value_wrong_type(value->loader, value->option, value->setting);
}

/* The text of the setting; NULL after an error. */
static const char *text_of(const struct value *value)
{
    const char *text = config_setting_get_string(value->setting);
    if (text && strlen(text) <= TEXT_MAX)
        return text;
    if (text)
        error(value, "%s is longer than %d characters", value->option->name, TEXT_MAX);
    else
        wrong_type(value);
    return NULL;
}

static bool is_in_range(const struct value *value, double number)
{
    const struct option_row *option = value->option;
    if (number >= option->min && number <= option->max)
        return true;
    const char *unit = option->unit ? option->unit : "";
    /* A number that libconfig wrapped has its own error, and is not what the file says. */
    if (!diagnostics_has_error(value->loader->diagnostics,
                               value_place(value->loader, value->setting)))
        error(value, "%s = %.15g is out of range; %.15g to %.15g%s%s is allowed", option->name,
              number, option->min, option->max, *unit ? " " : "",
              strcmp(unit, "s") == 0 ? "seconds" : unit);
    return false;
}

static void read_number(const struct value *value)
{
    const config_setting_t *setting = value->setting;
    bool is_seconds = value->option->type == OPTION_SECONDS;
    double number;
    if (is_whole(setting)) {
        number = (double)config_setting_get_int64(setting);
    } else if (is_seconds && config_setting_type(setting) == CONFIG_TYPE_FLOAT) {
        number = config_setting_get_float(setting);
    } else {
        wrong_type(value);
        return;
    }
    if (is_in_range(value, number))
        store_number(value->field, value->option->stored.size,
                     (uint64_t)(is_seconds ? number * 1e6 + 0.5 : number));
}

static void read_bool(const struct value *value)
{
    if (config_setting_type(value->setting) != CONFIG_TYPE_BOOL)
        wrong_type(value);
    else
        store_number(value->field, value->option->stored.size,
                     config_setting_get_bool(value->setting) != 0);
}

static void read_text(const struct value *value)
{
    const struct option_row *option = value->option;
    const char *text = text_of(value);
    if (!text)
        return;
    size_t length = strlen(text);
    if ((double)length < option->min || (double)length > option->max)
        error(value, "%s is %zu characters long; %.10g to %.10g are allowed", option->name, length,
              option->min, option->max);
    else
        store_text(value->field, text);
}

static void read_name(const struct value *value)
{
    const char *text = text_of(value);
    if (!text)
        return;
    size_t fine = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (text[fine] || fine < value->option->min || fine > value->option->max)
        error(value,
              "name = \"%s\" cannot be used; 1 to 63 letters, digits, '.', '_' and '-' are "
              "allowed",
              text);
    else
        store_text(value->field, text);
}

static void read_mode(const struct value *value)
{
    const char *text = text_of(value);
    if (!text)
        return;
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    if (!*text || *end || mode > (unsigned long)value->option->max)
        error(value,
              "%s = \"%s\" is not a file mode; octal digits from \"0000\" to \"0777\" are "
              "allowed",
              value->option->name, text);
    else
        store_number(value->field, value->option->stored.size, mode);
}

static void read_path(const struct value *value)
{
    const char *text = text_of(value);
    if (!text)
        return;
    bool is_uri = value->option->type == OPTION_OBJECT && strncmp(text, "pkcs11:", 7) == 0;
    char path[PATH_MAX + TEXT_MAX + 2];
    snprintf(path, sizeof path, "%s/%s", value->loader->config->directory, text);
    if (*text)
        store_text(value->field, is_uri || text[0] == '/' ? text : path);
    else
        error(value, "%s is empty; write a path", value->option->name);
}

static void read_socket(const struct value *value)
{
    const char *text = text_of(value);
    if (!text)
        return;
    struct endpoint endpoint;
    char why[256], address[TEXT_MAX + 8];
    bool has_prefix = strncmp(text, "unix:", 5) == 0;
    snprintf(address, sizeof address, "%s%s", has_prefix ? "" : "unix:", text);
    if (endpoint_parse(&endpoint, address, value->loader->config->directory, why, sizeof why))
        error(value, "%s = \"%s\" cannot be used: %s", value->option->name, text, why);
    else
        store_text(value->field, endpoint.address.un.sun_path);
    endpoint_clear(&endpoint);
}

static void unknown_word(const struct value *value, const char *word)
{
    char words[256];
    struct suggestion nearest = {.word = word};
    for (const struct option_choice *c = value->option->choices; c->word; c++)
        if (!c->refused)
            suggestion_offer(&nearest, c->word);
    if (nearest.best)
        error(value, "%s = \"%s\" is not known; did you mean \"%s\"?", value->option->name, word,
              nearest.best);
    else
        error(value, "%s = \"%s\" is not known; write %s", value->option->name, word,
              option_choice_words(value->option, words, sizeof words));
}

static void read_choice(const struct value *value)
{
    const char *word = text_of(value);
    if (!word)
        return;
    char words[256];
    const struct option_choice *choice = option_choice_find(value->option, word);
    if (!choice)
        unknown_word(value, word);
    else if (choice->refused)
        error(value, "%s = \"%s\" is not possible: %s; write %s", value->option->name, word,
              choice->refused, option_choice_words(value->option, words, sizeof words));
    else if (value->option->type == OPTION_WORD)
        store_text(value->field, choice->word);
    else
        store_number(value->field, value->option->stored.size, (uint64_t)choice->value);
}

static bool read_endpoint(const struct value *value)
{
    static const enum endpoints_use uses[] = {[OPTION_LISTEN] = ENDPOINTS_LISTEN,
                                              [OPTION_CONNECT] = ENDPOINTS_CONNECT,
                                              [OPTION_LOCALS] = ENDPOINTS_LOCAL,
                                              [OPTION_REMOTES] = ENDPOINTS_REMOTE};
    const char *text = text_of(value);
    struct endpoint endpoint;
    char why[512];
    if (!text)
        return false;
    if (endpoints_parse(&endpoint, text, uses[value->option->type],
                        value->loader->config->directory, why, sizeof why)) {
        error(value, "%s = \"%s\" cannot be used: %s", value->option->name, text, why);
        return false;
    }
    endpoint_clear(value->field);
    *(struct endpoint *)value->field = endpoint;
    return true;
}

static void read_address(const struct value *value)
{
    read_endpoint(value);
}

/* Reads one element of a list; false after an error. */
static bool read_element(const struct value *value)
{
    if (option_storage(value->option) == STORAGE_ENDPOINTS)
        return read_endpoint(value);
    const char *text = text_of(value);
    if (text && *text)
        store_text(value->field, text);
    else if (text)
        error(value, "%s has an empty name", value->option->name);
    return text && *text;
}

/* An array, a list, or a single element without brackets. */
static void read_list(const struct value *value)
{
    const struct option_row *option = value->option;
    const config_setting_t *setting = value->setting;
    if (config_setting_is_group(setting)) {
        wrong_type(value);
        return;
    }
    bool is_list = config_setting_is_aggregate(setting);
    size_t count = is_list ? (size_t)config_setting_length(setting) : 1;
    if ((double)count < option->min || (double)count > option->max) {
        error(value, "%s has %zu elements; %.10g to %.10g are allowed", option->name, count,
              option->min, option->max);
        return;
    }
    char *array = *(void **)value->field = check_alloc(count * option->stored.element);
    size_t *stored = (size_t *)(void *)((char *)value->base + option->stored.count_offset);
    for (size_t i = 0; i < count; i++) {
        struct value one = *value;
        one.setting = is_list ? config_setting_get_elem(setting, (unsigned)i) : setting;
        one.field = array + *stored * option->stored.element;
        *stored += read_element(&one);
    }
}

void value_read(struct loader *loader, const struct option_row *option,
                const config_setting_t *setting, void *base)
{
    static void (*const readers[OPTION_TYPE_COUNT])(const struct value *value) = {
        [OPTION_INTEGER] = read_number,  [OPTION_SECONDS] = read_number,
        [OPTION_BOOL] = read_bool,       [OPTION_TEXT] = read_text,
        [OPTION_NAME] = read_name,       [OPTION_MODE] = read_mode,
        [OPTION_FILE] = read_path,       [OPTION_PLACE] = read_path,
        [OPTION_OBJECT] = read_path,     [OPTION_MADE] = read_path,
        [OPTION_SOCKET] = read_socket,   [OPTION_CHOICE] = read_choice,
        [OPTION_WORD] = read_choice,     [OPTION_LISTEN] = read_address,
        [OPTION_CONNECT] = read_address, [OPTION_LOCALS] = read_list,
        [OPTION_REMOTES] = read_list,    [OPTION_NAMES] = read_list,
    };
    struct value value = {loader, option, setting, (char *)base + option->stored.offset, base};
    readers[option->type](&value);
}
