/* Reads packetdrill scripts: events, times and chunks. */
#include "tests/conformance/etsi_script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* packetdrill's own. */
#define TOLERANCE_US 4000

/* ---- events ---- */

static char *copy_of(const char *text, size_t length)
{
    char *copy = check_alloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* A line without its comment and the space at its end. */
static size_t length_of(const char *line, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++)
        if (line[i] == '/' && line[i + 1] == '/')
            length = i;
    while (length && isspace((unsigned char)line[length - 1]))
        length--;
    return length;
}

/* "+0.1", "+ 0.1", "0.1" or "*". False: the line goes on with the event before it. */
static bool read_time(const char **line, struct script_event *event)
{
    const char *at = skip_space(*line);
    if (*at == '*') {
        event->any_time = true;
        *line = skip_space(at + 1);
        return true;
    }
    event->relative = *at == '+';
    if (event->relative)
        at = skip_space(at + 1);
    char *end;
    double seconds = strtod(at, &end);
    if (end == at || (*end != ' ' && *end != '\t'))
        return false;
    event->at_us = (uint64_t)(seconds * 1e6 + 0.5);
    *line = skip_space(end);
    return true;
}

static void add_event(struct script *script, struct script_event event, const char *text,
                      size_t length)
{
    if (script->count == script->capacity) {
        script->capacity = script->capacity ? 2 * script->capacity : 16;
        script->events = check_resize(script->events, script->capacity * sizeof *script->events);
    }
    event.kind = *text == '>' ? SCRIPT_OUT : *text == '<' ? SCRIPT_IN : SCRIPT_CALL;
    event.text = copy_of(text, length);
    script->events[script->count++] = event;
}

static void add_to_event(struct script_event *event, const char *text, size_t length)
{
    size_t old = strlen(event->text);
    event->text = check_resize(event->text, old + length + 2);
    event->text[old] = ' ';
    memcpy(event->text + old + 1, text, length);
    event->text[old + 1 + length] = 0;
}

/* NULL, or what is wrong. */
static const char *take_line(struct script *script, const char *line, size_t length,
                             unsigned number)
{
    struct script_event event = {.line = number};
    char *copy = copy_of(line, length);
    const char *at = copy, *error = NULL;
    unsigned tolerance;
    if (!strncmp(skip_space(copy), "--tolerance_usecs=", 18)) {
        tolerance = (unsigned)strtoul(skip_space(copy) + 18, NULL, 10);
        script->tolerance_us = tolerance;
    } else if (read_time(&at, &event)) {
        if (*at != '`') /* a command of the shell */
            add_event(script, event, at, strlen(at));
    } else if (script->count)
        add_to_event(&script->events[script->count - 1], skip_space(copy),
                     strlen(skip_space(copy)));
    else
        error = "a line before the first event";
    free(copy);
    return error;
}

struct script *script_parse(const char *text, const char *system, const char **error)
{
    struct script *script = check_alloc(sizeof *script);
    script->tolerance_us = TOLERANCE_US;
    bool skips = false;
    *error = NULL;
    for (unsigned number = 1; *text && !*error; number++) {
        size_t whole = strcspn(text, "\n"), length = length_of(text, whole);
        if (!strncmp(text, "#ifdef ", 7))
            skips = length - 7 != strlen(system) || memcmp(text + 7, system, length - 7) != 0;
        else if (!strncmp(text, "#endif", 6))
            skips = false;
        else if (*text == '#')
            *error = "a directive that is not known";
        else if (length && !skips)
            *error = take_line(script, text, length, number);
        text += whole + (text[whole] == '\n');
    }
    if (!*error)
        return script;
    script_free(script);
    return NULL;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    for (size_t i = 0; i < script->count; i++)
        free(script->events[i].text);
    free(script->events);
    free(script);
}

/* ---- expressions ---- */

static const char *skip_all_space(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* The text between the brackets; *text is behind the first one. */
static bool parse_children(const char **text, struct script_node *node)
{
    struct script_node **last = &node->children;
    node->has_children = true;
    *text = skip_all_space(*text);
    while (**text != ']') {
        *last = script_node_parse(text);
        if (!*last)
            return false;
        last = &(*last)->next;
        *text = skip_all_space(*text);
        if (**text != ',' && **text != ']')
            return false;
        *text = skip_all_space(*text + (**text == ','));
    }
    ++*text;
    return true;
}

static char *parse_word(const char **text)
{
    bool quoted = **text == '"';
    const char *begin = *text + quoted;
    size_t length = strcspn(begin, quoted ? "\"" : ",[];= \t\n\"");
    *text = begin + length + (quoted && begin[length] == '"');
    return length ? copy_of(begin, length) : NULL;
}

struct script_node *script_node_parse(const char **text)
{
    struct script_node *node = check_alloc(sizeof *node);
    bool good = true;
    *text = skip_all_space(*text);
    if (**text != '[') {
        node->word = parse_word(text);
        good = node->word != NULL;
    }
    if (good && **text == '=') {
        ++*text;
        node->key = node->word;
        node->word = NULL;
        if (**text != '[') {
            node->word = parse_word(text);
            good = node->word != NULL;
        }
    }
    if (good && **text == '[') {
        ++*text;
        good = parse_children(text, node);
    }
    if (good)
        return node;
    script_node_free(node);
    return NULL;
}

void script_node_free(struct script_node *node)
{
    while (node) {
        struct script_node *next = node->next;
        script_node_free(node->children);
        free(node->key);
        free(node->word);
        free(node);
        node = next;
    }
}

const struct script_node *script_node_get(const struct script_node *node, const char *key)
{
    for (const struct script_node *child = node->children; child; child = child->next)
        if (child->key && !strcmp(child->key, key))
            return child;
    return NULL;
}

bool script_node_is(const struct script_node *node, const char *word)
{
    return node && node->word && !strcmp(node->word, word);
}

bool script_node_number(const struct script_node *node, uint64_t *number)
{
    if (!node || !node->word || !isdigit((unsigned char)*node->word))
        return false;
    char *end;
    *number = strtoull(node->word, &end, 0);
    return !*end;
}
