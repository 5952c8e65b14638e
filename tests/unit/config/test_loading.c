/* The place of each value in its file. */
#include "config/loading.h"

#include "tests/lib/tap.h"

#define FIELDS 1000

int main(void)
{
    static int fields[FIELDS];
    struct diagnostics *diagnostics = diagnostics_new();
    struct loading loading = {.diagnostics = diagnostics,
                              .sources = sources_read("/nonexistent/file", diagnostics)};
    ok(!loading_is_given(&loading, &fields[0]), "nothing is given at first");
    for (unsigned i = 0; i < FIELDS; i += 2)
        loading_set_place(&loading, &fields[i], (struct place){"f", i + 1});
    bool found = true, absent = true;
    for (unsigned i = 0; i < FIELDS; i += 2) {
        found &= loading_place(&loading, &fields[i], NULL).line == i + 1;
        absent &= !loading_is_given(&loading, &fields[i + 1]);
    }
    ok(found, "every value has its line");
    ok(absent, "others have none");
    ok(loading_place(&loading, &fields[1], &fields[4]).line == 5,
       "a default is where its owner is");
    ok(loading_place(&loading, &fields[1], NULL).line == 0, "else in the file as a whole");
    loading_set_place(&loading, &fields[4], (struct place){"f", 77});
    ok(loading_place(&loading, &fields[4], NULL).line == 77, "a second place replaces the first");
    loading_clear(&loading);
    sources_free(loading.sources);
    diagnostics_free(diagnostics);
    return tap_done();
}
