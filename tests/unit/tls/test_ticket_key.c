/* Ticket keys: rotation, names, shared files. */
#include "tls/ticket_key.h"

#include "base/check.h"
#include "tests/lib/tap.h"
#include "tests/unit/tls/clock.h"

#include <gnutls/crypto.h>
#include <string.h>

#define LIFETIME 100

static struct tls_ticket_keys keys = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The key for a master whose ClientHello has a ticket of that key; NULL: none. */
static struct tls_ticket_key *choose(const struct tls_ticket_key *offered)
{
    uint8_t hello[300] = {0}, input[8 + TLS_TICKET_KEY_SIZE] = {0}, derived[64];
    if (offered) {
        uint64_t period = (uint64_t)time(NULL) / (3 * LIFETIME);
        for (int i = 0; i < 8; i++)
            input[i] = (uint8_t)(period >> (56 - 8 * i));
        memcpy(input + 8, offered->secret, sizeof offered->secret);
        must(gnutls_hash_fast(GNUTLS_DIG_SHA3_512, input, sizeof input, derived) == 0);
        memcpy(hello + 200, derived, TLS_TICKET_KEY_NAME);
    }
    struct tls_ticket_key *key = tls_ticket_key_choose(&keys, LIFETIME, hello, sizeof hello);
    must(key);
    return key;
}

static void test_rotation(void)
{
    clock_shift = 0;
    struct tls_ticket_key *first = choose(NULL), *again = choose(first);
    ok(again == first, "within the lifetime the key stays");
    tls_ticket_key_unref(again);

    clock_shift = LIFETIME + 1;
    struct tls_ticket_key *second = choose(NULL);
    ok(second != first && memcmp(first->secret, second->secret, sizeof first->secret) != 0,
       "after it there is a new one");
    again = choose(first);
    ok(again == first, "a ticket of the one before is still met with its key");
    tls_ticket_key_unref(again);

    clock_shift += LIFETIME + 1;
    struct tls_ticket_key *third = choose(first);
    ok(third != second && third != first, "but not one of the one before that");
    again = choose(second);
    ok(again == second, "the second still");
    tls_ticket_key_unref(again);
    tls_ticket_key_unref(third);

    clock_shift += 5 * LIFETIME;
    struct tls_ticket_key *fourth = choose(NULL);
    clock_shift += LIFETIME / 2;
    again = choose(third);
    ok(again == fourth, "one whose tickets have all expired is given up");
    tls_ticket_key_unref(again);
    tls_ticket_key_unref(fourth);
    clock_shift = 0;
    tls_ticket_key_unref(first);
    tls_ticket_key_unref(second);
    tls_ticket_key_clear(&keys);
}

static void test_names(void)
{
    struct tls_ticket_key *key = tls_ticket_key_new();
    uint8_t hello[200] = {0};
    ok(!tls_ticket_key_is_in(key, LIFETIME, hello, sizeof hello), "a key is not in just anything");
    ok(!tls_ticket_key_is_in(key, LIFETIME, hello, 0), "nothing is in no bytes");
    tls_ticket_key_unref(key);
}

static void test_shared(void)
{
    struct tls_key_file file = {.count = 3};
    for (size_t i = 0; i < 3; i++)
        memset(file.keys[i], (int)i + 1, sizeof file.keys[i]);
    tls_ticket_key_share(&keys, &file);
    struct tls_ticket_key *current = choose(NULL);
    ok(current->secret[0] == 1, "the first of the file is the current one");
    clock_shift = 100 * LIFETIME;
    struct tls_ticket_key *again = choose(NULL);
    ok(again == current, "for as long as the file says so");
    tls_ticket_key_unref(again);
    for (size_t i = 1; i < 3; i++) {
        struct tls_ticket_key wanted = {0};
        memcpy(wanted.secret, file.keys[i], sizeof wanted.secret);
        again = choose(&wanted);
        ok(again->secret[0] == i + 1, "number %zu is met by its tickets", i + 1);
        tls_ticket_key_unref(again);
    }
    file.count = 1;
    memset(file.keys[0], 9, sizeof file.keys[0]);
    tls_ticket_key_share(&keys, &file);
    again = choose(current);
    ok(again->secret[0] == 9, "what is taken out of the file is not used any more");
    tls_ticket_key_unref(again);
    ok(current->secret[0] == 1, "but by the masters that have it");
    tls_ticket_key_unref(current);
    tls_ticket_key_clear(&keys);
    clock_shift = 0;
}

int main(void)
{
    test_rotation();
    test_names();
    test_shared();
    tls_ticket_key_unref(NULL);
    return tap_done();
}
