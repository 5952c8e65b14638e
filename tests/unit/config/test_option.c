/* The option table is consistent. */
#include "config/option.h"

#include <string.h>

#include "config/config.h"
#include "tests/lib/tap.h"

static bool is_sound(const struct option_row *option)
{
    bool is_group = option->type == OPTION_GROUP || option->type == OPTION_GROUPS;
    bool is_choice = option->type == OPTION_CHOICE || option->type == OPTION_WORD;
    return option->key && *option->cell && option->min <= option->max &&
           (option->choices != NULL) == is_choice && (is_group == (option->group != 0)) &&
           (!option->only || !(option->required & ~option->only)) &&
           !(option->required && option->standard) &&
           option_find(option->section, option->key) == option;
}

static void test_table(void)
{
    bool sound = true;
    for (size_t i = 0; i < option_count; i++)
        if (!is_sound(&option_table[i])) {
            tap_note("row %s", option_table[i].key);
            sound = false;
        }
    ok(sound, "every row is sound, and no key is twice in a section");
    const struct option_row *threads = option_find(SECTION_ROOT, "threads");
    ok(threads && threads->stored.offset == offsetof(struct config, threads),
       "a row finds its member");
    ok(option_is_derived(threads), "a default that is worked out");
    ok(!option_is_derived(option_find(SECTION_ROOT, "log")), "no default");
    ok(!option_find(SECTION_ROOT, "ca"), "a key of another section");
}

static void test_choices(void)
{
    char text[128];
    const struct option_row *transport = option_find(SECTION_TUNNEL, "transport");
    ok(strcmp(option_choice_words(transport, text, sizeof text),
              "\"udp\", \"kernel\" or \"auto\"") == 0,
       "the words are named");
    const struct option_row *version = option_find(SECTION_TLS, "min_version");
    ok(strcmp(option_choice_words(version, text, sizeof text), "\"1.2\" or \"1.3\"") == 0,
       "refused words are not offered");
    ok(option_choice_find(version, "1.0")->refused, "but known");
    ok(!option_choice_find(transport, "tcp"), "an unknown word");
    const struct option_row *level = option_find(SECTION_LOG, "level");
    ok(strcmp(option_choice_words(level, text, sizeof text),
              "\"error\", \"warning\", \"info\" or \"debug\"") == 0,
       "several words");
}

int main(void)
{
    test_table();
    test_choices();
    return tap_done();
}
