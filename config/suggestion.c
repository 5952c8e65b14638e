/* Unknown keys and words: what was probably meant. */
#include "config/suggestion.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 63

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static int letter(const char *word, size_t i)
{
    return tolower((unsigned char)word[i]);
}

unsigned suggestion_distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > WORD_MAX || columns > WORD_MAX)
        return WORD_MAX;
    unsigned cost[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= rows; i++)
        cost[i][0] = (unsigned)i;
    for (size_t j = 0; j <= columns; j++)
        cost[0][j] = (unsigned)j;
    for (size_t i = 1; i <= rows; i++)
        for (size_t j = 1; j <= columns; j++) {
            unsigned replaced = cost[i - 1][j - 1] + (letter(a, i - 1) != letter(b, j - 1));
            cost[i][j] = least(replaced, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && letter(a, i - 1) == letter(b, j - 2) &&
                letter(a, i - 2) == letter(b, j - 1))
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    return cost[rows][columns];
}

void suggestion_offer(struct suggestion *suggestion, const char *candidate)
{
    unsigned distance = suggestion_distance(suggestion->word, candidate);
    if (distance > 2 || 2 * distance >= strlen(candidate))
        return;
    if (suggestion->best && suggestion->distance <= distance)
        return;
    suggestion->best = candidate;
    suggestion->distance = distance;
}

/* Words of other programs, and of people, for what is not one key of the section: others are in
 * options.def (ALSO). */
static const struct {
    enum option_section section;
    const char *word, *meant;
} synonyms[] = {
    {SECTION_ROOT, "log_level", "log = { level = … }"},
    {SECTION_ROOT, "log_format", "log = { format = … }"},
    {SECTION_ROOT, "admin_socket", "admin = { socket = … }"},
    {SECTION_TUNNEL, "listen", "local (listen belongs in services = ( { … } ))"},
    {SECTION_TUNNEL, "connect", "remote (connect belongs in services = ( { … } ))"},
    {SECTION_TUNNEL, "address", "local (at the server) or remote (at the client)"},
    {SECTION_TUNNEL, "timeout", "connect_timeout or dead_after"},
    {SECTION_TUNNEL, "max_streams", "streams = { max = … }"},
    {SECTION_TUNNEL, "rto", "paths = { rto_min = …; rto_initial = …; rto_max = …; }"},
    {SECTION_PATHS, "hb_interval", "heartbeat (in the tunnel, beside paths)"},
    {SECTION_PATHS, "heartbeat_interval", "heartbeat (in the tunnel, beside paths)"},
    {SECTION_TLS, "verify",
     "peer (at the client) or allow (at the server); verification is always on"},
    {SECTION_TLS, "version", "min_version and max_version"},
    {SECTION_TLS, "session_file", "sessions = { file = … } at the file's top level"},
    {SECTION_TLS, "session_cache", "sessions = { … } at the file's top level"},
    {SECTION_TLS, "redis", "sessions = { redis = { … } } at the file's top level"},
    {SECTION_REDIS, "socket", "address = \"unix:/path\""},
};

static bool is_word_of(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

static const char *synonym(enum option_section section, const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section && is_word_of(option_table[i].also, key))
            return option_table[i].key;
    for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++)
        if (synonyms[i].section == section && strcmp(synonyms[i].word, key) == 0)
            return synonyms[i].meant;
    return NULL;
}

static bool is_below(enum option_section parent, enum option_section child)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == parent && option_table[i].type <= OPTION_GROUPS &&
            option_table[i].group == child)
            return true;
    return false;
}

/* Another section with this key: a group inside this section before any other. */
static enum option_section other_section(enum option_section section, const char *key)
{
    enum option_section found = SECTION_COUNT;
    for (enum option_section other = 0; other < SECTION_COUNT; other++) {
        if (other == section || !option_find(other, key))
            continue;
        if (is_below(section, other))
            return other;
        if (found == SECTION_COUNT)
            found = other;
    }
    return found;
}

static void list_known(enum option_section section, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "known %s:", option_sections[section].where);
    const char *separator = " ";
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].section != section || used >= size)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", separator, option_table[i].key);
        separator = ", ";
    }
}

const char *suggestion_for_key(enum option_section section, const char *key, char *text,
                               size_t size)
{
    const char *meant = synonym(section, key);
    struct suggestion nearest = {.word = key};
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section)
            suggestion_offer(&nearest, option_table[i].key);
    enum option_section other = other_section(section, key);
    if (!meant && other != SECTION_ROOT && !is_below(section, other))
        meant = nearest.best;
    if (meant)
        snprintf(text, size, "did you mean %s?", meant);
    else if (other == SECTION_ROOT)
        snprintf(text, size, "it belongs at the file's top level");
    else if (other != SECTION_COUNT)
        snprintf(text, size, "it belongs in %s", option_sections[other].syntax);
    else
        list_known(section, text, size);
    return text;
}
