/* The option table, the words of closed sets, and the sections and types of options. */
#include "config/option.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"

/* clang-format off */
#define CHOICES(set)                    static const struct option_choice set[] = {
#define WORD(text, number, explanation) {text, number, explanation, NULL},
#define REFUSED(text, reason)           {text, 0, NULL, reason},
#define END_OF_CHOICES                  {0}};
#include "config/choices.def"
/* clang-format on */

#define PREFIX_ROOT            ""
#define PREFIX_LOG             "log."
#define PREFIX_ADMIN           "admin."
#define PREFIX_SESSIONS        "sessions."
#define PREFIX_REDIS           "redis."
#define PREFIX_TUNNEL          ""
#define PREFIX_STREAMS         "streams."
#define PREFIX_WINDOW          "window."
#define PREFIX_WAITING         "waiting."
#define PREFIX_IDENTITY        "identity."
#define PREFIX_RECONNECT       "reconnect."
#define PREFIX_PATHS           "paths."
#define PREFIX_TLS             "tls."
#define PREFIX_SERVICE         ""
#define PREFIX_SERVICE_STREAMS "streams."

#define OFFSET_OF(structure, member) offsetof(struct structure, member)
#define SIZE_OF(structure, member)   sizeof(((struct structure *)NULL)->member)
#define FIELD(structure, member)                                                                   \
    .stored = {.offset = OFFSET_OF(structure, member), .size = SIZE_OF(structure, member)}
#define ARRAY(structure, member, count)                                                            \
    .stored = {.offset = OFFSET_OF(structure, member),                                             \
               .count_offset = OFFSET_OF(structure, count),                                        \
               .element = SIZE_OF(structure, member[0])}
#define GROUP_OF(name) .group = SECTION_##name
#define GROUPS_OF(structure, member, count, name)                                                  \
    ARRAY(structure, member, count), .group = SECTION_##name
#define ONE_OF(structure, member, words) FIELD(structure, member), .choices = words
#define DEFAULT(value)                   .standard = value,
#define RANGE(least, most, measure)      .min = least, .max = most, .unit = measure,
#define REQUIRED(role)                   .required = ROLE_##role,
#define ONLY(role)                       .only = ROLE_##role,
#define INSTEAD(words)                   .instead = words,
#define ALSO(words)                      .also = words,
#define RELOADED                         .is_reloaded = true,

const struct option_row option_table[] = {
#define OPTION(where, word, kind, storage, more, short_text, long_text)                            \
    {.section = SECTION_##where,                                                                   \
     .key = word,                                                                                  \
     .name = PREFIX_##where word,                                                                  \
     .type = OPTION_##kind,                                                                        \
     storage,                                                                                      \
     more.cell = short_text,                                                                       \
     .text = long_text},
#include "config/options.def"
#undef OPTION
};
const size_t option_count = sizeof option_table / sizeof *option_table;

#define GROUP(id, owner, word, where, title)                                                       \
    [SECTION_##id] = {word, "in " where, PREFIX_##id, title, word " = { … }", OWNER_##owner}
const struct option_section_row option_sections[SECTION_COUNT] = {
    [SECTION_ROOT] = {"the file", "at the file's top level", "", "Top level", NULL, OWNER_PROCESS},
    [SECTION_TUNNEL] = {"a tunnel", "in a tunnel", "", "A tunnel", "tunnels = ( { … } )",
                        OWNER_TUNNEL},
    [SECTION_SERVICE] = {"a service", "in a service", "", "A service", "services = ( { … } )",
                         OWNER_SERVICE},
    GROUP(LOG, PROCESS, "log", "log", "log"),
    GROUP(ADMIN, PROCESS, "admin", "admin", "admin"),
    GROUP(SESSIONS, PROCESS, "sessions", "sessions", "sessions"),
    GROUP(REDIS, PROCESS, "redis", "redis", "redis of sessions"),
    GROUP(STREAMS, TUNNEL, "streams", "a tunnel's streams", "streams of a tunnel"),
    GROUP(WINDOW, TUNNEL, "window", "window", "window of a tunnel"),
    GROUP(WAITING, TUNNEL, "waiting", "waiting", "waiting of a tunnel"),
    GROUP(IDENTITY, TUNNEL, "identity", "identity", "identity of a tunnel"),
    GROUP(RECONNECT, TUNNEL, "reconnect", "reconnect", "reconnect of a tunnel"),
    GROUP(PATHS, TUNNEL, "paths", "paths", "paths of a tunnel"),
    GROUP(TLS, TUNNEL, "tls", "tls", "tls of a tunnel"),
    GROUP(SERVICE_STREAMS, SERVICE, "streams", "a service's streams", "streams of a service"),
};

const struct option_type_row option_types[OPTION_TYPE_COUNT] = {
    [OPTION_GROUP] = {"a group { … }", "{ … }", STORAGE_GROUP},
    [OPTION_GROUPS] = {"a list of groups ( { … }, { … } )", "( { … }, { … } )", STORAGE_GROUPS},
    [OPTION_INTEGER] = {"a whole number", NULL, STORAGE_NUMBER},
    [OPTION_SECONDS] = {"a number of seconds", NULL, STORAGE_NUMBER},
    [OPTION_BOOL] = {"true or false", "true", STORAGE_NUMBER},
    [OPTION_TEXT] = {"text in double quotes", "\"…\"", STORAGE_TEXT},
    [OPTION_NAME] = {"a name in double quotes", "\"web\"", STORAGE_TEXT},
    [OPTION_MODE] = {"octal digits in double quotes", "\"0660\"", STORAGE_NUMBER},
    [OPTION_FILE] = {"a path in double quotes", "\"FILE\"", STORAGE_TEXT},
    [OPTION_PLACE] = {"a path in double quotes", "\"NAME.pem\"", STORAGE_TEXT},
    [OPTION_OBJECT] = {"a path or PKCS#11 URI in double quotes", "\"NAME.pem\"", STORAGE_TEXT},
    [OPTION_MADE] = {"a path in double quotes", "\"FILE\"", STORAGE_TEXT},
    [OPTION_SOCKET] = {"a path in double quotes", "\"hawser.sock\"", STORAGE_TEXT},
    [OPTION_CHOICE] = {"a word in double quotes", NULL, STORAGE_NUMBER},
    [OPTION_WORD] = {"a word in double quotes", NULL, STORAGE_TEXT},
    [OPTION_LISTEN] = {"an address in double quotes", "\"127.0.0.1:8080\"", STORAGE_ENDPOINT},
    [OPTION_CONNECT] = {"an address in double quotes", "\"127.0.0.1:80\"", STORAGE_ENDPOINT},
    [OPTION_LOCALS] = {"a list of addresses", "[ \"0.0.0.0:9899\" ]", STORAGE_ENDPOINTS},
    [OPTION_REMOTES] = {"a list of addresses", "[ \"192.0.2.1:9899\" ]", STORAGE_ENDPOINTS},
    [OPTION_NAMES] = {"a list of names", "[ \"client.example\" ]", STORAGE_TEXTS},
};

const struct option_row *option_find(enum option_section section, const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section && strcmp(option_table[i].key, key) == 0)
            return &option_table[i];
    return NULL;
}

enum option_storage option_storage(const struct option_row *option)
{
    return option_types[option->type].storage;
}

const struct option_choice *option_choice_find(const struct option_row *option, const char *word)
{
    for (const struct option_choice *choice = option->choices; choice->word; choice++)
        if (strcmp(choice->word, word) == 0)
            return choice;
    return NULL;
}

const char *option_choice_words(const struct option_row *option, char *text, size_t size)
{
    size_t used = 0, left = 0;
    text[0] = '\0';
    for (const struct option_choice *choice = option->choices; choice->word; choice++)
        left += !choice->refused;
    for (const struct option_choice *choice = option->choices; choice->word; choice++) {
        if (choice->refused || used >= size)
            continue;
        const char *after = left == 1 ? "" : left == 2 ? " or " : ", ";
        left--;
        used += (size_t)snprintf(text + used, size - used, "\"%s\"%s", choice->word, after);
    }
    return text;
}

bool option_is_derived(const struct option_row *option)
{
    return option->standard && option->standard[0] == '[';
}

const char *option_example(const struct option_row *option, char *text, size_t size)
{
    const char *fixed = option_types[option->type].example;
    if (option->choices)
        return option_choice_words(option, text, size);
    if (option->standard && !option_is_derived(option))
        fixed = option->standard;
    if (fixed)
        snprintf(text, size, "%s", fixed);
    else
        snprintf(text, size, "%.10g", option->min);
    return text;
}
