#include "config/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "config/syntax.h"
#include "config/token.h"

#define DEPTH_MAX     10        /* libconfig's own limit */
#define FILES_MAX     64        /* includes that multiply are cut here */
#define FILE_SIZE_MAX (1 << 20) /* thousands of services fit */

struct source {
    char *name;  /* in messages */
    char *given; /* as libconfig calls it */
    char *text;  /* NULL: unreadable */
};

struct sources {
    char *directory; /* of the main file, with its slash; "" if there is none in its name */
    struct problems *problems;
    struct source files[FILES_MAX];
    size_t count;
    bool unreadable;
    struct syntax syntax;
};

static void read_file(struct sources *sources, struct source *source, const struct place *from,
                      unsigned depth);

static struct source *remember(struct sources *sources, const char *given, bool is_main)
{
    struct source *source = &sources->files[sources->count++];
    source->given = check_strdup(given);
    int length = asprintf(&source->name, "%s%s", is_main ? "" : sources->directory, given);
    check_made(length >= 0);
    return source;
}

/* "in line 3: " is said by the place; a file that is included is named in the text. */
static void unreadable(struct sources *sources, const struct source *source,
                       const struct place *from, const char *why)
{
    sources->unreadable = true;
    if (from)
        problems_add(sources->problems, PROBLEM_ERROR, *from, "cannot include %s: %s", source->name,
                     why);
    else
        problems_add(sources->problems, PROBLEM_ERROR, (struct place){source->name, 0},
                     "cannot read the configuration: %s", why);
}

/* The whole file; NULL with a reason. O_NONBLOCK: opening a pipe must not wait for a writer. */
static char *slurp(const char *name, size_t *length, const char **why)
{
    char *text = NULL;
    struct stat status;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status)) {
        *why = strerror(errno);
        goto out;
    }
    *why = "it is not a regular file";
    if (!S_ISREG(status.st_mode))
        goto out;
    *why = "it is larger than 1 MiB";
    if (status.st_size > FILE_SIZE_MAX)
        goto out;
    text = check_alloc((size_t)status.st_size + 1);
    ssize_t got = read(fd, text, (size_t)status.st_size);
    if (got < 0) {
        *why = strerror(errno);
        free(text);
        text = NULL;
        goto out;
    }
    *length = (size_t)got;
out:
    if (fd >= 0)
        close(fd);
    return text;
}

static void include(struct sources *sources, const struct token *token, const struct place *place,
                    unsigned depth)
{
    char *given = strndup(token->text, token->length);
    check_made(given);
    if (given[0] == '/') {
        sources->unreadable = true;
        problems_add(sources->problems, PROBLEM_ERROR, *place,
                     "cannot include %s; the path must be relative to the directory of the main "
                     "configuration file",
                     given);
    } else if (depth + 1 > DEPTH_MAX || sources->count == FILES_MAX) {
        sources->unreadable = true;
        problems_add(sources->problems, PROBLEM_ERROR, *place,
                     "cannot include %s: files are included more than %d deep or %d in all; does "
                     "one include itself?",
                     given, DEPTH_MAX, FILES_MAX);
    } else {
        read_file(sources, remember(sources, given, false), place, depth + 1);
    }
    free(given);
}

/* libconfig keeps only the low 32 bits of a number without L. */
static void check_integer(struct sources *sources, const struct token *token,
                          const struct place *place)
{
    char digits[64] = "";
    if (token->length < sizeof(digits))
        memcpy(digits, token->text, token->length);
    char *end;
    errno = 0;
    bool is_hexadecimal = strchr("xX", digits[1]) && digits[1];
    long long value = strtoll(digits, &end, is_hexadecimal ? 16 : 10);
    if (errno || !digits[0])
        problems_add(sources->problems, PROBLEM_ERROR, *place, "%.*s is too large a number",
                     token->length > 40 ? 40 : (int)token->length, token->text);
    else if (*end != 'L' && (value > INT32_MAX || value < INT32_MIN))
        problems_add(sources->problems, PROBLEM_ERROR, *place,
                     "%s does not fit into 32 bits; write %sL", digits, digits);
}

static void check_token(struct sources *sources, const struct token *token,
                        const struct token *before, const struct place *place, unsigned depth)
{
    if (token->kind == TOKEN_INCLUDE)
        include(sources, token, place, depth);
    else if (token->kind == TOKEN_INTEGER)
        check_integer(sources, token, place);
    else if (token->kind == TOKEN_STRING && before->kind == TOKEN_STRING)
        problems_add(sources->problems, PROBLEM_ERROR, *place,
                     "two texts stand side by side; put a comma or a semicolon after %.*s",
                     before->length > 40 ? 40 : (int)before->length, before->text);
}

static void read_text(struct sources *sources, const char *file, const char *text, size_t length,
                      unsigned depth)
{
    struct token_reader reader = {text, text + length, text, 1};
    struct token token = {.kind = TOKEN_END}, before;
    do {
        before = token;
        token = token_next(&reader);
        struct place place = {file, token.line};
        check_token(sources, &token, &before, &place, depth);
        sources->syntax.file = file;
        if (token.kind != TOKEN_END || depth == 0)
            syntax_feed(&sources->syntax, &token);
    } while (token.kind != TOKEN_END);
}

static void read_file(struct sources *sources, struct source *source, const struct place *from,
                      unsigned depth)
{
    const char *why = NULL;
    size_t length = 0;
    source->text = slurp(source->name, &length, &why);
    if (source->text)
        read_text(sources, source->name, source->text, length, depth);
    else
        unreadable(sources, source, from, why);
}

struct sources *sources_read(const char *file, struct problems *problems)
{
    struct sources *sources = check_alloc(sizeof(*sources));
    const char *slash = strrchr(file, '/');
    sources->directory = strndup(file, slash ? (size_t)(slash - file) + 1 : 0);
    check_made(sources->directory);
    sources->problems = problems;
    read_file(sources, remember(sources, file, true), NULL, 0);
    return sources;
}

void sources_free(struct sources *sources)
{
    if (!sources)
        return;
    for (size_t i = 0; i < sources->count; i++) {
        free(sources->files[i].name);
        free(sources->files[i].given);
        free(sources->files[i].text);
    }
    free(sources->directory);
    free(sources);
}

bool sources_are_readable(const struct sources *sources)
{
    return !sources->unreadable;
}

bool sources_explain(const struct sources *sources, struct problems *problems)
{
    const struct syntax *syntax = &sources->syntax;
    if (!syntax->error_line)
        return false;
    problems_add(problems, PROBLEM_ERROR, (struct place){syntax->error_file, syntax->error_line},
                 "%s", syntax->error);
    return true;
}

const char *sources_name(const struct sources *sources, const char *libconfig_name)
{
    for (size_t i = 0; libconfig_name && i < sources->count; i++)
        if (strcmp(sources->files[i].given, libconfig_name) == 0)
            return sources->files[i].name;
    return sources->files[0].name;
}
