/* config/option.h: the option table (options.def): from it come parsing, checks, defaults and
 * docs/CONFIGURATION.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A place where a key may stand. */
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

/* The struct that the values of a section lie in: config, config_tunnel or config_service. */
enum option_owner { OWNER_PROCESS, OWNER_TUNNEL, OWNER_SERVICE };

enum option_type {
    OPTION_GROUP,   /* { … } of the section `group`, stored in the same struct */
    OPTION_GROUPS,  /* ( { … }, … ) of the section `group`, an array of structs */
    OPTION_INTEGER, /* whole number */
    OPTION_SECONDS, /* number with or without fraction, stored in µs */
    OPTION_BOOL,    /* true or false */
    OPTION_TEXT,    /* string as it is */
    OPTION_NAME,    /* string of [A-Za-z0-9._-]{1,63} */
    OPTION_MODE,    /* string of octal digits: permission bits */
    OPTION_FILE,    /* path of a file that is read */
    OPTION_PLACE,   /* path of a file or a directory that is read */
    OPTION_OBJECT,  /* path of a file that is read, or a PKCS#11 URI, which stays as it is */
    OPTION_MADE,    /* path of a file that is made */
    OPTION_SOCKET,  /* path of a UNIX socket that is made */
    OPTION_CHOICE,  /* one word of a closed set, stored as its number */
    OPTION_WORD,    /* one word of a closed set, stored as text */
    OPTION_LISTEN,  /* address to bind: numeric, port 0 allowed, UNIX allowed */
    OPTION_CONNECT, /* address to connect to: names and UNIX allowed */
    OPTION_LOCALS,  /* "host:port" or [ … ] to bind: numeric, port 0 allowed */
    OPTION_REMOTES, /* "host:port" or [ … ] to connect to: names allowed */
    OPTION_NAMES,   /* "text" or [ … ] */
    OPTION_TYPE_COUNT
};

/* The form of a value in its struct. */
enum option_storage {
    STORAGE_GROUP,     /* none: its options have their own */
    STORAGE_GROUPS,    /* array of structs, and its count */
    STORAGE_NUMBER,    /* of `size` bytes */
    STORAGE_TEXT,      /* char * */
    STORAGE_TEXTS,     /* char **, and its count */
    STORAGE_ENDPOINT,  /* struct endpoint */
    STORAGE_ENDPOINTS, /* array of them, and its count */
};

struct option_type_row {
    const char *name;    /* notation of a value, for messages and the reference page */
    const char *example; /* NULL: the default, or the least number */
    enum option_storage storage;
};

/* Bits: a tunnel's role. */
enum option_role {
    ROLE_CLIENT = 1,
    ROLE_SERVER = 2,
    ROLE_BOTH = 3,
};

/* One word of a closed set; the table ends with word NULL. */
struct option_choice {
    const char *word;
    int value; /* OPTION_CHOICE */
    const char *meaning;
    const char *refused; /* not NULL: known, but not possible, and why */
};

/* A row of options.def. */
struct option_row {
    const char *key, *name; /* "ca", and as messages call it: "tls.ca" */
    enum option_section section, group;
    enum option_type type;
    struct {
        size_t offset, size;
        size_t count_offset; /* of the number of elements, when it is an array */
        size_t element;      /* size of one element */
    } stored;
    const struct option_choice *choices;
    const char *standard;            /* default as written in the file; "[…]": worked out */
    double min, max;                 /* numbers, in the unit of the file; lengths */
    const char *unit;                /* NULL: none */
    enum option_role required, only; /* tunnels; only: 0 is both */
    bool is_reloaded;                /* a reload applies a change at once */
    const char *instead;             /* for the other role; NULL: nothing */
    const char *also;        /* words for it that other programs have, with blanks between */
    const char *cell, *text; /* of the reference page */
};

struct option_section_row {
    const char *name;   /* "a tunnel" */
    const char *where;  /* "in a tunnel" */
    const char *prefix; /* before the key in messages: "tls." */
    const char *title;  /* heading of the reference page */
    const char *syntax; /* "tls = { … }" */
    enum option_owner owner;
};

extern const struct option_row option_table[];
extern const size_t option_count;
extern const struct option_section_row option_sections[SECTION_COUNT];
extern const struct option_type_row option_types[OPTION_TYPE_COUNT];

/* NULL if the section has no such key. */
const struct option_row *option_find(enum option_section section, const char *key);

/* The type's storage. */
enum option_storage option_storage(const struct option_row *option);

/* A word of a choice, NULL if there is none. */
const struct option_choice *option_choice_find(const struct option_row *option, const char *word);

/* "a", "b" or "c": the words that are not refused. Returns text. */
const char *option_choice_words(const struct option_row *option, char *text, size_t size);

/* A value to show as an example, as it is written in the file. Returns text. */
const char *option_example(const struct option_row *option, char *text, size_t size);

/* True: the default stands for something that is worked out while loading. */
bool option_is_derived(const struct option_row *option);
