#include "tls/ticket_key.h"

#include "base/check.h"
#include "tests/lib/tap.h"
#include "tests/unit/tls/clock.h"

#include <string.h>

#define LIFETIME 100

static struct tls_ticket_keys keys = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What a master would get; *older says whether there was one. */
static struct tls_ticket_key *current(struct tls_ticket_key **older)
{
    struct tls_ticket_key *key = tls_ticket_key_current(&keys, LIFETIME, older);
    must(key);
    return key;
}

static void test_rotation(void)
{
    struct tls_ticket_key *older, *first = current(&older);
    ok(!older, "the first key has none before it");
    struct tls_ticket_key *again = current(&older);
    ok(again == first && !older, "within the lifetime the key stays");
    tls_ticket_key_unref(again);

    clock_shift = LIFETIME + 1;
    struct tls_ticket_key *second = current(&older);
    ok(second != first && older == first, "after it there is a new one, the old is kept");
    ok(memcmp(first->secret, second->secret, sizeof first->secret) != 0, "they differ");
    tls_ticket_key_unref(older);

    clock_shift += LIFETIME + 1;
    struct tls_ticket_key *third = current(&older);
    ok(older == second && third != second, "and so on");
    tls_ticket_key_unref(older);
    tls_ticket_key_unref(third);

    clock_shift += 5 * LIFETIME;
    struct tls_ticket_key *fourth = current(&older);
    ok(fourth != third && older == third, "after a long rest: new again");
    tls_ticket_key_unref(older);
    tls_ticket_key_unref(fourth);

    clock_shift += LIFETIME / 2;
    fourth = current(&older);
    ok(!older, "one whose tickets have all expired is given up");
    tls_ticket_key_unref(fourth);
    clock_shift = 0;
    tls_ticket_key_unref(first);
    tls_ticket_key_unref(second);
    tls_ticket_key_clear(&keys);
}

static void test_names(void)
{
    struct tls_ticket_key *older, *key = current(&older);
    uint8_t ticket[40], hello[200] = {0};
    for (size_t i = 0; i < sizeof ticket; i++)
        ticket[i] = (uint8_t)(i + 1);
    memcpy(hello + 77, ticket, sizeof ticket);
    ok(!tls_ticket_key_is_in(key, hello, sizeof hello), "without a name it is in nothing");
    tls_ticket_key_learn_name(key, ticket, 15);
    ok(!tls_ticket_key_is_in(key, hello, sizeof hello), "a ticket shorter than a name has none");
    tls_ticket_key_learn_name(key, ticket, sizeof ticket);
    ok(tls_ticket_key_is_in(key, hello, sizeof hello), "it is found by its name");
    ok(tls_ticket_key_is_in(key, hello, 77 + 16), "at the very end too");
    ok(!tls_ticket_key_is_in(key, hello, 77 + 15), "a part of the name is not enough");
    ok(!tls_ticket_key_is_in(key, hello, 0), "nothing is in no bytes");
    tls_ticket_key_unref(key);
    tls_ticket_key_clear(&keys);
}

int main(void)
{
    test_rotation();
    test_names();
    tls_ticket_key_unref(NULL);
    return tap_done();
}
