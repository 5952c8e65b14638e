/* Values into members of the configuration, by size and type. */
#include "config/store.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "tests/lib/tap.h"

static void test_numbers(void)
{
    static const struct option_row rows[] = {
        {.stored = {.offset = 0, .size = 1}},
        {.stored = {.offset = 2, .size = 2}},
        {.stored = {.offset = 4, .size = 4}},
        {.stored = {.offset = 8, .size = 8}},
    };
    static const uint64_t numbers[] = {1, 65535, 70000, UINT64_C(1) << 40};
    _Alignas(8) char base[16] = {0};
    bool same = true;
    for (size_t i = 0; i < 4; i++)
        store_number(base + rows[i].stored.offset, rows[i].stored.size, numbers[i]);
    for (size_t i = 0; i < 4; i++)
        same &= store_number_of(&rows[i], base) == numbers[i];
    ok(same, "numbers of each size, side by side");
}

static void test_same(void)
{
    struct config_tunnel old = {0}, now = {0};
    const struct option_row *congestion = option_find(SECTION_TUNNEL, "congestion");
    const struct option_row *allow = option_find(SECTION_TLS, "allow");
    ok(store_is_same(congestion, &old, &now) && store_is_same(allow, &old, &now), "nothing");
    store_text(&old.sctp.congestion, "bbr");
    ok(!store_is_same(congestion, &old, &now), "a text and none");
    store_text(&now.sctp.congestion, "cubic");
    store_text(&now.sctp.congestion, "bbr");
    ok(store_is_same(congestion, &old, &now), "a text replaces the one before");
    char a[] = "a", b[] = "b", c[] = "c";
    char *names[] = {a, b}, *others[] = {a, c};
    old.tls.allow = (struct config_names){names, 2};
    now.tls.allow = (struct config_names){others, 1};
    ok(!store_is_same(allow, &old, &now), "lists of two lengths");
    now.tls.allow.count = 2;
    ok(!store_is_same(allow, &old, &now), "lists that differ at their ends");
    old.tls.allow = now.tls.allow = (struct config_names){0};
    store_clear(SECTION_TUNNEL, &old);
    store_clear(SECTION_TUNNEL, &now);
}

int main(void)
{
    test_numbers();
    test_same();
    return tap_done();
}
