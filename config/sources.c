/* Reads a configuration file and those that it includes, for syntax.c. */
#include "config/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "config/syntax.h"

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
    struct source files[FILES_MAX];
    size_t count;
    struct syntax syntax;
};

int sources_open(const char *path, struct stat *status, const char **why)
{
    *status = (struct stat){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, status) == 0 && S_ISREG(status->st_mode))
        return fd;
    *why = status->st_mode ? "it is not a regular file" : strerror(errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The whole file with a NUL; NULL with a reason. */
static char *slurp(const char *name, size_t *length, const char **why)
{
    struct stat status;
    int fd = sources_open(name, &status, why);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    ssize_t got = -1;
    *why = "it is larger than 1 MiB";
    if (status.st_size <= FILE_SIZE_MAX) {
        text = check_alloc((size_t)status.st_size + 1);
        got = read(fd, text, (size_t)status.st_size);
        if (got < 0) {
            *why = strerror(errno);
            free(text);
            text = NULL;
        }
    }
    *length = (size_t)got;
    close(fd);
    return text;
}

/* Nothing more is reported of the syntax, because tokens are missing. */
#define cannot_read(sources, place, ...)                                                           \
    ((sources)->syntax.has_failed = true,                                                          \
     diagnostics_add((sources)->syntax.diagnostics, SEVERITY_ERROR, (place), __VA_ARGS__))

static void include_file(struct sources *sources, const struct token *token, unsigned depth);

static void read_text(struct sources *sources, const struct source *source, size_t length,
                      unsigned depth)
{
    struct token_reader reader = {
        source->text, source->text, source->text + length, {source->name, 1}};
    struct token token;
    do {
        token = token_next(&reader);
        if (token.kind == TOKEN_INCLUDE)
            include_file(sources, &token, depth);
        else if (token.kind != TOKEN_END || depth == 0)
            syntax_feed(&sources->syntax, &token);
    } while (token.kind != TOKEN_END);
}

/* include: NULL for the main file. */
static void read_file(struct sources *sources, const char *given, const struct token *include,
                      unsigned depth)
{
    const char *why = NULL;
    size_t length = 0;
    struct source *source = &sources->files[sources->count++];
    source->given = check_strdup(given);
    check_made(asprintf(&source->name, "%s%s", include ? sources->directory : "", given) >= 0);
    source->text = slurp(source->name, &length, &why);
    if (source->text)
        read_text(sources, source, length, depth);
    else if (include)
        cannot_read(sources, include->place, "cannot include %s: %s", source->name, why);
    else
        cannot_read(sources, ((struct place){source->name, 0}), "cannot read the configuration: %s",
                    why);
}

static void include_file(struct sources *sources, const struct token *token, unsigned depth)
{
    char *given = strndup(token->text, token->length);
    check_made(given);
    if (given[0] == '/')
        cannot_read(sources, token->place,
                    "cannot include %s; the path must be relative to the directory of the main "
                    "configuration file",
                    given);
    else if (depth == DEPTH_MAX || sources->count == FILES_MAX)
        cannot_read(sources, token->place,
                    "cannot include %s: files are included more than %d deep or %d in all; does "
                    "one include itself?",
                    given, DEPTH_MAX, FILES_MAX);
    else
        read_file(sources, given, token, depth + 1);
    free(given);
}

struct sources *sources_read(const char *file, struct diagnostics *diagnostics)
{
    struct sources *sources = check_alloc(sizeof *sources);
    const char *slash = strrchr(file, '/');
    sources->directory = strndup(file, slash ? (size_t)(slash - file) + 1 : 0);
    check_made(sources->directory);
    sources->syntax.diagnostics = diagnostics;
    read_file(sources, file, NULL, 0);
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

bool sources_can_be_parsed(const struct sources *sources)
{
    return !sources->syntax.has_failed;
}

const char *sources_name(const struct sources *sources, const char *libconfig_name)
{
    for (size_t i = 0; libconfig_name && i < sources->count; i++)
        if (strcmp(sources->files[i].given, libconfig_name) == 0)
            return sources->files[i].name;
    return sources->files[0].name;
}
