/* tests/conformance/etsi_script.h: the language of packetdrill scripts, as far as the public
 * conformance scripts for SCTP use it: events with times, and chunks as expressions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_kind { SCRIPT_CALL, SCRIPT_IN, SCRIPT_OUT };

struct script_event {
    enum script_kind kind;
    unsigned line;
    bool any_time;  /* "*" */
    bool relative;  /* "+0.1": to the event before */
    uint64_t at_us; /* in the script's time */
    char *text;     /* the rest, without comments, on one line */
};

struct script {
    struct script_event *events;
    size_t count, capacity;
    uint64_t tolerance_us;
};

/* system: "FreeBSD" or "Linux", for #ifdef. NULL: *error is a sentence. Owns: caller. */
struct script *script_parse(const char *text, const char *system, const char **error);
void script_free(struct script *script);

/* An expression: NAME[key=value, NAME[...], ...], a list [1, 2], a word or a number. */
struct script_node {
    char *key;  /* of key=value; else NULL */
    char *word; /* name, number, string without its quotes, or "..."; NULL: a list */
    struct script_node *children, *next;
    bool has_children; /* there were brackets, perhaps empty ones */
};

/* Parses one expression at *text and moves it behind. NULL: it is none. Owns: caller. */
struct script_node *script_node_parse(const char **text);
void script_node_free(struct script_node *node);

/* The value of that key; NULL: it is not there. */
const struct script_node *script_node_get(const struct script_node *node, const char *key);
bool script_node_is(const struct script_node *node, const char *word);
/* False: it is no number. */
bool script_node_number(const struct script_node *node, uint64_t *number);
