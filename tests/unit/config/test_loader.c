/* The place of each value in its file. */
#include "config/loader.h"

#include "tests/lib/tap.h"

#define FIELDS 1000

int main(void)
{
    static int fields[FIELDS];
    struct diagnostics *diagnostics = diagnostics_new();
    struct loader loader = {.diagnostics = diagnostics,
                            .sources = sources_read("/nonexistent/file", diagnostics)};
    ok(!loader_is_given(&loader, &fields[0]), "nothing is given at first");
    for (unsigned i = 0; i < FIELDS; i += 2)
        loader_set_place(&loader, &fields[i], (struct place){"f", i + 1});
    bool found = true, absent = true;
    for (unsigned i = 0; i < FIELDS; i += 2) {
        found &= loader_place(&loader, &fields[i], NULL).line == i + 1;
        absent &= !loader_is_given(&loader, &fields[i + 1]);
    }
    ok(found, "every value has its line");
    ok(absent, "others have none");
    ok(loader_place(&loader, &fields[1], &fields[4]).line == 5, "a default is where its owner is");
    ok(loader_place(&loader, &fields[1], NULL).line == 0, "else in the file as a whole");
    loader_set_place(&loader, &fields[4], (struct place){"f", 77});
    ok(loader_place(&loader, &fields[4], NULL).line == 77, "a second place replaces the first");
    loader_clear(&loader);
    sources_free(loader.sources);
    diagnostics_free(diagnostics);
    return tap_done();
}
