#include "config/value.h"

#include <libconfig.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/endpoints.h"
#include "config/nearest.h"
#include "config/store.h"

#define TEXT_MAX 1023 /* longest text of any option */

/* What one conversion needs. */
struct value {
    struct loading *loading;
    const struct option *option;
    const config_setting_t *setting;
    void *field, *base;
};

struct type_row {
    const char *name, *example;
    void (*read)(const struct value *value);
};

static void read_integer(const struct value *value);
static void read_seconds(const struct value *value);
static void read_bool(const struct value *value);
static void read_text(const struct value *value);
static void read_name(const struct value *value);
static void read_mode(const struct value *value);
static void read_file(const struct value *value);
static void read_socket(const struct value *value);
static void read_choice(const struct value *value);
static void read_endpoint(const struct value *value);
static void read_addresses(const struct value *value);
static void read_names(const struct value *value);

static const struct type_row types[OPTION_TYPE_COUNT] = {
    [OPTION_GROUP] = {"a group { … }", "{ … }", NULL},
    [OPTION_GROUPS] = {"a list of groups ( { … }, { … } )", "( { … }, { … } )", NULL},
    [OPTION_INTEGER] = {"a whole number", NULL, read_integer},
    [OPTION_SECONDS] = {"a number of seconds", NULL, read_seconds},
    [OPTION_BOOL] = {"true or false", "true", read_bool},
    [OPTION_TEXT] = {"text in double quotes", "\"…\"", read_text},
    [OPTION_NAME] = {"a name in double quotes", "\"web\"", read_name},
    [OPTION_MODE] = {"octal digits in double quotes", "\"0660\"", read_mode},
    [OPTION_FILE] = {"a path in double quotes", "\"FILE\"", read_file},
    [OPTION_PLACE] = {"a path in double quotes", "\"NAME.pem\"", read_file},
    [OPTION_OBJECT] = {"a path or PKCS#11 URI in double quotes", "\"NAME.pem\"", read_file},
    [OPTION_SOCKET] = {"a path in double quotes", "\"hawser.sock\"", read_socket},
    [OPTION_CHOICE] = {"a word in double quotes", NULL, read_choice},
    [OPTION_WORD] = {"a word in double quotes", NULL, read_choice},
    [OPTION_LISTEN] = {"an address in double quotes", "\"127.0.0.1:8080\"", read_endpoint},
    [OPTION_CONNECT] = {"an address in double quotes", "\"127.0.0.1:80\"", read_endpoint},
    [OPTION_ADDRESSES] = {"a list of addresses", "[ \"192.0.2.1:9899\" ]", read_addresses},
    [OPTION_NAMES] = {"a list of names", "[ \"client.example\" ]", read_names},
};

const char *value_type_name(enum option_type type)
{
    return types[type].name;
}

const char *value_example(const struct option *option, char *text, size_t size)
{
    if (option->choices)
        return option_choice_words(option, text, size);
    bool is_local = option->type == OPTION_ADDRESSES && strcmp(option->key, "local") == 0;
    const char *fixed = is_local ? "[ \"0.0.0.0:9899\" ]" : types[option->type].example;
    if (option->standard && !option_standard_is_derived(option))
        fixed = option->standard;
    if (fixed)
        snprintf(text, size, "%s", fixed);
    else
        snprintf(text, size, "%.10g", option->min);
    return text;
}

struct place value_place(const struct loading *loading, const config_setting_t *setting)
{
    unsigned line = config_setting_source_line(setting);
    return (struct place){sources_name(loading->sources, config_setting_source_file(setting)),
                          line ? line : 1};
}

#define refuse(value, ...) value_complain((value)->loading, (value)->setting, __VA_ARGS__)

static const char *prefix(const struct option *option)
{
    return option_sections[option->section].prefix;
}

static const char *found_type(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group { … }";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "text in quotes";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ARRAY:
        return "an array [ … ]";
    default:
        return "a list ( … )";
    }
}

/* What the user should write instead: the same number without its quotes if that is the mistake,
 * else the default, else an example of the type. */
static const char *example(const struct option *option, const config_setting_t *setting, char *text,
                           size_t size)
{
    const char *given = config_setting_get_string(setting);
    char *end = NULL;
    if (given && option->type == OPTION_INTEGER && strtoll(given, &end, 10) >= 0 && end != given &&
        !*end)
        snprintf(text, size, "%s", given);
    else
        value_example(option, text, size);
    return text;
}

void value_wrong_type(struct loading *loading, const struct option *option,
                      const config_setting_t *setting)
{
    char text[128];
    value_complain(loading, setting, "%s%s must be %s, not %s; write for example %s = %s;",
                   prefix(option), option->key, types[option->type].name, found_type(setting),
                   option->key, example(option, setting, text, sizeof(text)));
}

static void wrong_type(const struct value *value)
{
    value_wrong_type(value->loading, value->option, value->setting);
}

/* The text of the setting; NULL after an error. */
static const char *text_of(const struct value *value)
{
    const char *text = config_setting_get_string(value->setting);
    if (!text)
        wrong_type(value);
    else if (strlen(text) > TEXT_MAX)
        refuse(value, "%s%s is longer than %d characters", prefix(value->option),
               value->option->key, TEXT_MAX);
    else
        return text;
    return NULL;
}

static bool is_in_range(const struct value *value, double number)
{
    const struct option *option = value->option;
    if (number >= option->min && number <= option->max)
        return true;
    /* A number that libconfig wrapped has its own error, and is not what the file says. */
    if (diagnostics_has_error(value->loading->diagnostics,
                              value_place(value->loading, value->setting)))
        return false;
    refuse(value, "%s%s = %.15g is out of range; %.15g to %.15g%s%s is allowed", prefix(option),
           option->key, number, option->min, option->max, *option->unit ? " " : "",
           *option->unit ? (strcmp(option->unit, "s") == 0 ? "seconds" : option->unit) : "");
    return false;
}

static bool is_whole(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_INT ||
           config_setting_type(setting) == CONFIG_TYPE_INT64;
}

static void read_integer(const struct value *value)
{
    if (!is_whole(value->setting)) {
        wrong_type(value);
        return;
    }
    long long number = config_setting_get_int64(value->setting);
    if (is_in_range(value, (double)number))
        store_number(value->field, value->option->size, (uint64_t)number);
}

static void read_seconds(const struct value *value)
{
    double seconds;
    if (is_whole(value->setting)) {
        seconds = (double)config_setting_get_int64(value->setting);
    } else if (config_setting_type(value->setting) == CONFIG_TYPE_FLOAT) {
        seconds = config_setting_get_float(value->setting);
    } else {
        wrong_type(value);
        return;
    }
    if (is_in_range(value, seconds))
        store_seconds(value->option, value->field, seconds);
}

static void read_bool(const struct value *value)
{
    if (config_setting_type(value->setting) != CONFIG_TYPE_BOOL)
        wrong_type(value);
    else
        store_number(value->field, value->option->size,
                     config_setting_get_bool(value->setting) != 0);
}

static void read_text(const struct value *value)
{
    const struct option *option = value->option;
    const char *text = text_of(value);
    if (!text)
        return;
    size_t length = strlen(text);
    if ((double)length < option->min || (double)length > option->max)
        refuse(value, "%s%s is %zu characters long; %.10g to %.10g are allowed", prefix(option),
               option->key, length, option->min, option->max);
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
        refuse(value,
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
        refuse(value,
               "%s = \"%s\" is not a file mode; octal digits from \"0000\" to \"0777\" are "
               "allowed",
               value->option->key, text);
    else
        store_number(value->field, value->option->size, mode);
}

static void store_path(const struct value *value, const char *text)
{
    char *path = NULL;
    if (text[0] == '/')
        path = check_strdup(text);
    else
        check_made(asprintf(&path, "%s/%s", value->loading->config->directory, text) >= 0);
    store_text(value->field, path);
    free(path);
}

static void read_file(const struct value *value)
{
    const char *text = text_of(value);
    if (text && !*text)
        refuse(value, "%s%s is empty; write a path", prefix(value->option), value->option->key);
    else if (text && value->option->type == OPTION_OBJECT && strncmp(text, "pkcs11:", 7) == 0)
        store_text(value->field, text);
    else if (text)
        store_path(value, text);
}

static void read_socket(const struct value *value)
{
    const char *text = text_of(value);
    if (!text)
        return;
    struct endpoint endpoint;
    char why[256], address[TEXT_MAX + 8];
    bool has_prefix = strncmp(text, "unix:", 5) == 0;
    snprintf(address, sizeof(address), "%s%s", has_prefix ? "" : "unix:", text);
    if (endpoint_parse(&endpoint, address, value->loading->config->directory, why, sizeof(why)))
        refuse(value, "%s%s = \"%s\" cannot be used: %s", prefix(value->option), value->option->key,
               text, why);
    else
        store_text(value->field, endpoint.address.un.sun_path);
    endpoint_clear(&endpoint);
}

static void unknown_word(const struct value *value, const char *word)
{
    char words[256];
    struct nearest nearest = {.word = word};
    for (const struct option_choice *c = value->option->choices; c->word; c++)
        if (!c->refused)
            nearest_offer(&nearest, c->word);
    option_choice_words(value->option, words, sizeof(words));
    if (nearest.best)
        refuse(value, "%s%s = \"%s\" is not known; did you mean \"%s\"?", prefix(value->option),
               value->option->key, word, nearest.best);
    else
        refuse(value, "%s%s = \"%s\" is not known; write %s", prefix(value->option),
               value->option->key, word, words);
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
        refuse(value, "%s%s = \"%s\" is not possible: %s; write %s", prefix(value->option),
               value->option->key, word, choice->refused,
               option_choice_words(value->option, words, sizeof(words)));
    else
        store_choice(value->option, choice, value->field);
}

static void read_endpoint(const struct value *value)
{
    const char *text = text_of(value);
    struct endpoint endpoint;
    char why[512];
    if (!text)
        return;
    enum endpoints_use use =
        value->option->type == OPTION_LISTEN ? ENDPOINTS_LISTEN : ENDPOINTS_CONNECT;
    if (endpoints_parse(&endpoint, text, use, value->loading->config->directory, why,
                        sizeof(why))) {
        refuse(value, "%s = \"%s\" cannot be used: %s", value->option->key, text, why);
        return;
    }
    endpoint_clear(value->field);
    *(struct endpoint *)value->field = endpoint;
}

/* The elements of an array, a list or a single value. */
static size_t element_count(const config_setting_t *setting)
{
    return config_setting_is_array(setting) || config_setting_is_list(setting)
               ? (size_t)config_setting_length(setting)
               : 1;
}

static const config_setting_t *element(const config_setting_t *setting, size_t i)
{
    return config_setting_is_array(setting) || config_setting_is_list(setting)
               ? config_setting_get_elem(setting, (unsigned)i)
               : setting;
}

/* Makes room for an array; returns the number of elements to read, 0 after an error. */
static size_t make_array(const struct value *value, void **array)
{
    const struct option *option = value->option;
    if (config_setting_is_group(value->setting)) {
        wrong_type(value);
        return 0;
    }
    size_t count = element_count(value->setting);
    if ((double)count < option->min || (double)count > option->max) {
        refuse(value, "%s%s has %zu elements; %.10g to %.10g are allowed", prefix(option),
               option->key, count, option->min, option->max);
        return 0;
    }
    *array = check_alloc(count * option->element);
    return count;
}

static size_t *array_count(const struct value *value)
{
    return (size_t *)((char *)value->base + value->option->count_offset);
}

static void read_addresses(const struct value *value)
{
    bool is_local = strcmp(value->option->key, "local") == 0;
    struct endpoint **list = value->field;
    char why[512];
    size_t count = make_array(value, value->field);
    for (size_t i = 0; i < count; i++) {
        struct value one = *value;
        one.setting = element(value->setting, i);
        const char *text = text_of(&one);
        if (!text)
            continue;
        struct endpoint *endpoint = &(*list)[*array_count(value)];
        if (endpoints_parse(endpoint, text, is_local ? ENDPOINTS_LOCAL : ENDPOINTS_REMOTE, NULL,
                            why, sizeof(why)))
            refuse(&one, "%s \"%s\" cannot be used: %s", value->option->key, text, why);
        else
            ++*array_count(value);
    }
}

static void read_names(const struct value *value)
{
    char ***list = value->field;
    size_t count = make_array(value, value->field);
    for (size_t i = 0; i < count; i++) {
        struct value one = *value;
        one.setting = element(value->setting, i);
        const char *text = text_of(&one);
        if (text && !*text)
            refuse(&one, "%s%s has an empty name", prefix(value->option), value->option->key);
        else if (text)
            (*list)[(*array_count(value))++] = check_strdup(text);
    }
}

void value_read(struct loading *loading, const struct option *option,
                const config_setting_t *setting, void *base)
{
    struct value value = {loading, option, setting, (char *)base + option->offset, base};
    loading_set_place(loading, value.field, value_place(loading, setting));
    types[option->type].read(&value);
}
