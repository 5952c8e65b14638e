/* config/option.h: the option table (options.def): from it come parsing, checks, defaults and
 * docs/CONFIGURATION.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Where a key may stand. Each section's values lie in one struct: SECTION_ROOT, _LOG, _ADMIN,
 * _SESSIONS and _REDIS in struct config, those of a tunnel in struct config_tunnel, of a service in
 * struct config_service. */
enum option_section {
    SECTION_ROOT,
    SECTION_LOG,
    SECTION_ADMIN,
    SECTION_SESSIONS,
    SECTION_REDIS,
    SECTION_TUNNEL,
    SECTION_STREAMS,
    SECTION_WINDOW,
    SECTION_WAITING,
    SECTION_IDENTITY,
    SECTION_RECONNECT,
    SECTION_PATHS,
    SECTION_TLS,
    SECTION_SERVICE,
    SECTION_SERVICE_STREAMS,
    SECTION_COUNT
};

enum option_type {
    OPTION_GROUP,     /* { … } of the section `group`, stored in the same struct */
    OPTION_GROUPS,    /* ( { … }, … ) of the section `group`, an array of structs */
    OPTION_INTEGER,   /* whole number */
    OPTION_SECONDS,   /* number with or without fraction, stored in µs */
    OPTION_BOOL,      /* true or false */
    OPTION_TEXT,      /* string as it is */
    OPTION_NAME,      /* string of [A-Za-z0-9._-]{1,63} */
    OPTION_MODE,      /* string of octal digits: permission bits */
    OPTION_FILE,      /* path of a file */
    OPTION_PLACE,     /* path of a file or a directory */
    OPTION_OBJECT,    /* path of a file, or a PKCS#11 URI, which stays as it is */
    OPTION_SOCKET,    /* path of a UNIX socket that is made */
    OPTION_CHOICE,    /* one word of a closed set, stored as its number */
    OPTION_WORD,      /* one word of a closed set, stored as text */
    OPTION_LISTEN,    /* address to bind: numeric, port 0 allowed, UNIX allowed */
    OPTION_CONNECT,   /* address to connect to: names and UNIX allowed */
    OPTION_ADDRESSES, /* "host:port" or [ … ]: numeric if the key is "local" */
    OPTION_NAMES,     /* "text" or [ … ] */
    OPTION_TYPE_COUNT
};

/* Bits: which tunnels an option is for. */
enum option_role {
    ROLE_NONE = 0,
    ROLE_CLIENT = 1,
    ROLE_SERVER = 2,
    ROLE_BOTH = 3,
};

/* One word of a closed set; the table ends with word NULL. */
struct option_choice {
    const char *word;
    int value;           /* OPTION_CHOICE */
    const char *stored;  /* OPTION_WORD */
    const char *refused; /* not NULL: known, but not possible, and why */
    const char *meaning;
};

struct option {
    enum option_section section;
    enum option_type type;
    const char *key;
    size_t offset, size; /* in the section's struct */
    size_t count_offset; /* of the number of elements, when it is an array */
    size_t element;      /* size of one element */
    enum option_section group;
    const struct option_choice *choices;
    const char *standard; /* default as written in the file; "[…]": worked out; NULL: none */
    double min, max;      /* numbers, in the unit of the file; array lengths */
    const char *unit;
    enum option_role required, roles;
    const char *meaning;
};

struct option_section_info {
    const char *name;    /* "a tunnel" */
    const char *where;   /* "in a tunnel" */
    const char *prefix;  /* before the key in messages: "tls." */
    const char *title;   /* heading of the reference page */
    const char *example; /* how it is written: "tls = { … }" */
};

extern const struct option option_table[];
extern const size_t option_count;
extern const struct option_section_info option_sections[SECTION_COUNT];

/* NULL if the section has no such key. */
const struct option *option_find(enum option_section section, const char *key);

/* A key of another section or program that the user probably meant: "did you mean 'remote'?",
 * "it belongs in tls = { … }", "known here are: …". Returns text. */
const char *option_suggest(enum option_section section, const char *key, char *text, size_t size);

/* A word of a choice, NULL if there is none. */
const struct option_choice *option_choice_find(const struct option *option, const char *word);

/* "a", "b" or "c": the words that are not refused. Returns text. */
const char *option_choice_words(const struct option *option, char *text, size_t size);

/* Whether the default stands for something worked out while loading. */
bool option_standard_is_derived(const struct option *option);
