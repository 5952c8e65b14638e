/* The public conformance scripts of ETSI for SCTP (nplab/ETSI-SCTP-Conformance-Testsuite, not part
 * of this tree) against the engine: etsi DIR [EXPECTED]. One line for each script, then the totals.
 * EXPECTED lists those that are not ours to pass, with reasons. Exit code 1: one failed that is not
 * in the list, or passed that is. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/conformance/etsi_play.h"

/* The whole file; exits where it cannot be read. Owns: caller. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t length = 0, got;
    if (!file) {
        perror(path);
        exit(2);
    }
    do {
        text = check_resize(text, length + 4096 + 1);
        got = fread(text + length, 1, 4096, file);
        length += got;
    } while (got);
    text[length] = 0;
    fclose(file);
    return text;
}

/* The reason why that script is not expected to pass; NULL: it is. Lines: name, tab, reason. */
static const char *reason_of(const char *expected, const char *name, size_t length, char *room,
                             size_t size)
{
    for (const char *line = expected; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (*line != '#' && !strncmp(line, name, length) && line[length] == '\t') {
            const char *reason = line + length + 1;
            snprintf(room, size, "%.*s", (int)strcspn(reason, "\n"), reason);
            return room;
        }
    return NULL;
}

/* As it is written for one of the two systems: texts leave open what they differ in. */
static struct play_result play(const char *text)
{
    struct play_result first = play_script(text, "FreeBSD");
    return first.passed ? first : play_script(text, "Linux");
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: etsi DIR [EXPECTED]\n");
        return 2;
    }
    char *expected = argc == 3 ? read_file(argv[2]) : check_alloc(1);
    char pattern[4096], room[500];
    glob_t files;
    snprintf(pattern, sizeof pattern, "%s/{*,*/*}.pkt", argv[1]);
    if (glob(pattern, GLOB_BRACE, NULL, &files)) {
        fprintf(stderr, "%s: no scripts there\n", argv[1]);
        return 2;
    }
    unsigned passed = 0, not_ours = 0, wrong = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *name = strrchr(files.gl_pathv[i], '/') + 1;
        int length = (int)strlen(name) - 4;
        char *text = read_file(files.gl_pathv[i]);
        struct play_result result = play(text);
        const char *reason = reason_of(expected, name, (size_t)length, room, sizeof room);
        printf("%-20.*s %s", length, name, result.passed ? "passed" : "failed");
        if (!result.passed)
            printf(", line %u: %s", result.line, result.why);
        if (reason)
            printf(" [%s: %s]", result.passed ? "although" : "because", reason);
        printf("\n");
        passed += result.passed;
        not_ours += !result.passed && reason;
        wrong += result.passed == (reason != NULL);
        free(text);
    }
    printf("%zu scripts: %u passed, %u are not ours, %u unexpected\n", files.gl_pathc, passed,
           not_ours, wrong);
    globfree(&files);
    free(expected);
    return wrong ? 1 : 0;
}
