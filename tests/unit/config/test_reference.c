/* The reference page has every option, and is up to date. */
#include "config/config.h"
#include "config/option.h"
#include "tests/lib/tap.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static char *read_all(const char *name)
{
    FILE *file = fopen(name, "r");
    if (!file)
        return NULL;
    char *text = check_alloc(1 << 18);
    text[fread(text, 1, (1 << 18) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void note_difference(const char *page, const char *printed)
{
    size_t same = 0;
    while (page[same] && page[same] == printed[same])
        same++;
    tap_note("they differ at byte %zu: \"%.40s\" and \"%.40s\"", same, page + same, printed + same);
    tap_note("write the page again: hawser check --reference > docs/CONFIGURATION.md");
}

int main(void)
{
    char *printed = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&printed, &length);
    must(out);
    config_write_reference(out);
    fclose(out);

    bool complete = true;
    for (size_t i = 0; i < option_count; i++) {
        char row[80];
        snprintf(row, sizeof row, "\n| `%s` | ", option_table[i].key);
        complete = complete && strstr(printed, row);
    }
    ok(complete, "every option has a row");
    ok(!strstr(printed, "\"memory\""), "what is for tests only is not offered");
    char *page = read_all("docs/CONFIGURATION.md");
    ok(page, "docs/CONFIGURATION.md is there (run from the top folder)");
    bool same = page && strcmp(page, printed) == 0;
    ok(same, "and is what the option table says");
    if (page && !same)
        note_difference(page, printed);
    free(page);
    free(printed);
    return tap_done();
}
