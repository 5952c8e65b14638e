/* Errors and warnings about a configuration. */
#include "config/diagnostics.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/quote.h"

struct diagnostic {
    enum severity severity;
    struct place place;
    size_t file; /* its first diagnostic */
    char *text;
};

struct diagnostics {
    struct diagnostic list[DIAGNOSTICS_MAX];
    size_t count, errors, left_out;
};

struct diagnostics *diagnostics_new(void)
{
    return check_alloc(sizeof(struct diagnostics));
}

void diagnostics_free(struct diagnostics *diagnostics)
{
    if (!diagnostics)
        return;
    for (size_t i = 0; i < diagnostics->count; i++)
        free(diagnostics->list[i].text);
    free(diagnostics);
}

static size_t file_index(const struct diagnostics *diagnostics, const char *file)
{
    size_t i = 0;
    while (i < diagnostics->count && strcmp(diagnostics->list[i].place.file, file) != 0)
        i++;
    return i;
}

void diagnostics_add(struct diagnostics *diagnostics, enum severity severity, struct place place,
                     const char *format, ...)
{
    diagnostics->errors += severity == SEVERITY_ERROR;
    if (diagnostics->count == DIAGNOSTICS_MAX) {
        diagnostics->left_out++;
        return;
    }
    struct diagnostic one = {severity, place, file_index(diagnostics, place.file), NULL};
    va_list arguments;
    va_start(arguments, format);
    check_made(vasprintf(&one.text, format, arguments) >= 0);
    va_end(arguments);
    quote_controls(one.text);
    diagnostics->list[diagnostics->count++] = one;
}

bool diagnostics_has_error(const struct diagnostics *diagnostics, struct place place)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *one = &diagnostics->list[i];
        if (one->severity == SEVERITY_ERROR && one->place.line == place.line &&
            strcmp(one->place.file, place.file) == 0)
            return true;
    }
    return false;
}

size_t diagnostics_errors(const struct diagnostics *diagnostics)
{
    return diagnostics->errors;
}

static int compare(const void *left, const void *right)
{
    const struct diagnostic *a = *(const struct diagnostic *const *)left;
    const struct diagnostic *b = *(const struct diagnostic *const *)right;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return a < b ? -1 : 1; /* in the order of arrival */
}

static void print_one(const struct diagnostic *one, FILE *out)
{
    fprintf(out, "%s:", one->place.file);
    if (one->place.line)
        fprintf(out, "%u:", one->place.line);
    fprintf(out, " %s%s\n", one->severity == SEVERITY_WARNING ? "warning: " : "", one->text);
}

void diagnostics_print(const struct diagnostics *diagnostics, FILE *out)
{
    const struct diagnostic *sorted[DIAGNOSTICS_MAX];
    for (size_t i = 0; i < diagnostics->count; i++)
        sorted[i] = &diagnostics->list[i];
    qsort(sorted, diagnostics->count, sizeof *sorted, compare);
    for (size_t i = 0; i < diagnostics->count; i++)
        print_one(sorted[i], out);
    if (diagnostics->left_out)
        fprintf(out, "… and %zu more\n", diagnostics->left_out);
}
