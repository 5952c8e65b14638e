#include "config/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/printable.h"

struct problem {
    enum problem_kind kind;
    struct place place;
    size_t order; /* of arrival: keeps the sort stable */
    size_t file;  /* index of the file, by first appearance */
    char *text;
};

struct problems {
    struct problem list[PROBLEMS_MAX];
    size_t count, errors, left_out;
};

struct problems *problems_new(void)
{
    return check_alloc(sizeof(struct problems));
}

void problems_free(struct problems *problems)
{
    if (!problems)
        return;
    for (size_t i = 0; i < problems->count; i++)
        free(problems->list[i].text);
    free(problems);
}

static size_t file_index(const struct problems *problems, const char *file)
{
    for (size_t i = 0; i < problems->count; i++)
        if (strcmp(problems->list[i].place.file, file) == 0)
            return problems->list[i].file;
    return problems->count;
}

__attribute__((format(printf, 1, 0))) static char *format_text(const char *format,
                                                               va_list arguments)
{
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    check_made(length >= 0);
    printable_make(text);
    return text;
}

void problems_add(struct problems *problems, enum problem_kind kind, struct place place,
                  const char *format, ...)
{
    problems->errors += kind == PROBLEM_ERROR;
    if (problems->count == PROBLEMS_MAX) {
        problems->left_out++;
        return;
    }
    size_t file = file_index(problems, place.file);
    struct problem *problem = &problems->list[problems->count];
    va_list arguments;
    va_start(arguments, format);
    problem->text = format_text(format, arguments);
    va_end(arguments);
    problem->kind = kind;
    problem->place = place;
    problem->order = problems->count;
    problem->file = file;
    problems->count++;
}

bool problems_has_error(const struct problems *problems, struct place place)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->list[i];
        if (problem->kind == PROBLEM_ERROR && problem->place.line == place.line &&
            strcmp(problem->place.file, place.file) == 0)
            return true;
    }
    return false;
}

size_t problems_errors(const struct problems *problems)
{
    return problems->errors;
}

static int compare(const void *left, const void *right)
{
    const struct problem *a = *(const struct problem *const *)left;
    const struct problem *b = *(const struct problem *const *)right;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static void print_one(const struct problem *problem, FILE *out)
{
    fprintf(out, "%s:", problem->place.file);
    if (problem->place.line)
        fprintf(out, "%u:", problem->place.line);
    fprintf(out, " %s%s\n", problem->kind == PROBLEM_WARNING ? "warning: " : "", problem->text);
}

void problems_print(const struct problems *problems, FILE *out)
{
    const struct problem *sorted[PROBLEMS_MAX];
    for (size_t i = 0; i < problems->count; i++)
        sorted[i] = &problems->list[i];
    qsort(sorted, problems->count, sizeof(*sorted), compare);
    for (size_t i = 0; i < problems->count; i++)
        print_one(sorted[i], out);
    if (problems->left_out)
        fprintf(out, "… and %zu more\n", problems->left_out);
}
