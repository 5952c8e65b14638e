/* Patterns and names: what matches, and above all what does not. */
#include <stdio.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "tls/identity.h"

#define PIN_HEX "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define PIN_64  "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const struct {
    enum tls_name_kind kind;
    const char *name, *pattern;
    bool matches;
} cases[] = {
    {TLS_NAME_DNS, "a.example", "a.example", true},
    {TLS_NAME_DNS, "A.Example", "a.eXAMPLE", true},
    {TLS_NAME_DNS, "a.example", "b.example", false},
    {TLS_NAME_DNS, "a.example.", "a.example", false},
    {TLS_NAME_DNS, "xa.example", "a.example", false},
    {TLS_NAME_DNS, "a.clients.example", "*.clients.example", true},
    {TLS_NAME_DNS, "A.CLIENTS.example", "*.clients.example", true},
    {TLS_NAME_DNS, "a.b.clients.example", "*.clients.example", false},
    {TLS_NAME_DNS, "clients.example", "*.clients.example", false},
    {TLS_NAME_DNS, ".clients.example", "*.clients.example", false},
    {TLS_NAME_DNS, "*.clients.example", "*.clients.example", false},
    {TLS_NAME_DNS, "*.clients.example", "a.clients.example", false},
    {TLS_NAME_DNS, "a/b.clients.example", "*.clients.example", false},
    {TLS_NAME_DNS, "a b.clients.example", "*.clients.example", false},
    {TLS_NAME_DNS, "evilclients.example", "*.clients.example", false},
    {TLS_NAME_DNS, "a.clients.example.evil.com", "*.clients.example", false},
    {TLS_NAME_DNS,
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.clients.example",
     "*.clients.example", false},
    {TLS_NAME_DNS, "a.com", "*.com", false},
    {TLS_NAME_DNS, "aXb.example.org", "a*b.example.org", false},
    {TLS_NAME_DNS, "x", "*", false},
    {TLS_NAME_COMMON, "a.example", "a.example", true},
    {TLS_NAME_COMMON, "Alice Smith", "alice smith", true},
    {TLS_NAME_KNOWN, "laptop", "laptop", true},
    {TLS_NAME_KNOWN, "laptop.clients.example", "*.clients.example", true},
    {TLS_NAME_IP, "192.0.2.1", "192.0.2.1", true},
    {TLS_NAME_IP, "2001:db8::1", "2001:0DB8:0:0::1", true},
    {TLS_NAME_IP, "192.0.2.1", "192.0.2.10", false},
    {TLS_NAME_DNS, "192.0.2.1", "192.0.2.1", false},
    {TLS_NAME_COMMON, "192.0.2.1", "192.0.2.1", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/a", "spiffe://example.org/ns/a", true},
    {TLS_NAME_URI, "spiffe://example.org/ns/A", "spiffe://example.org/ns/a", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/a/", "spiffe://example.org/ns/a", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/a", "spiffe://example.org/ns/*", true},
    {TLS_NAME_URI, "spiffe://example.org/ns/a/sa/b", "spiffe://example.org/ns/*", true},
    {TLS_NAME_URI, "spiffe://example.org/ns", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/nsevil/a", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.orgevil/ns/a", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org.evil/ns/a", "spiffe://example.org/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/../admin", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/a/..", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/./a", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns//a", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/a/", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/%2e%2e/a", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/a?b", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/a#b", "spiffe://example.org/ns/*", false},
    {TLS_NAME_URI, "spiffe://example.org/ns/..a/.b", "spiffe://example.org/ns/*", true},
    {TLS_NAME_URI, "spiffe://example.org/ns/*", "spiffe://example.org/ns/*", false},
    {TLS_NAME_DNS, "spiffe://example.org/ns/a", "spiffe://example.org/ns/a", false},
    {TLS_NAME_COMMON, "spiffe://example.org/ns/a", "spiffe://example.org/ns/a", false},
    {TLS_NAME_URI, "a.example", "a.example", false},
    {TLS_NAME_COMMON, PIN_HEX, PIN_HEX, false},
    {TLS_NAME_DNS, PIN_HEX, PIN_HEX, false},
};

static void test_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_CERTIFICATE);
        tls_identity_add_name(identity, cases[i].kind, cases[i].name, strlen(cases[i].name));
        const char *patterns[] = {"nobody.example", cases[i].pattern};
        ok(tls_identity_matches(identity, patterns, 2) == cases[i].matches, "%s %s \"%s\"",
           cases[i].name, cases[i].matches ? "matches" : "does not match", cases[i].pattern);
        ok(!tls_identity_matches(identity, patterns, 0), "  and not an empty list");
        tls_identity_unref(identity);
    }
}

static void test_names(void)
{
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_CERTIFICATE);
    const char *cn[] = {"cn.example"}, *dns[] = {"a.example"};
    tls_identity_add_name(identity, TLS_NAME_DNS, "a.example\0.evil", 15);
    tls_identity_add_name(identity, TLS_NAME_DNS, "", 0);
    tls_identity_add_name(identity, TLS_NAME_DNS, "new\nline", 8);
    char long_name[TLS_NAME_MAX + 1];
    memset(long_name, 'a', sizeof long_name);
    tls_identity_add_name(identity, TLS_NAME_DNS, long_name, TLS_NAME_MAX);
    ok(identity->name_count == 0 && !tls_identity_matches(identity, dns, 1),
       "names with a NUL, control characters, no or too many characters are dropped");
    tls_identity_add_name(identity, TLS_NAME_COMMON, "cn.example", 10);
    ok(tls_identity_matches(identity, cn, 1), "a common name alone counts");
    tls_identity_add_name(identity, TLS_NAME_URI, "spiffe://x/y", 12);
    ok(!tls_identity_matches(identity, cn, 1), "and beside an alternative name it does not");
    for (int i = 0; i < 2 * TLS_IDENTITY_NAMES_MAX; i++)
        tls_identity_add_name(identity, TLS_NAME_DNS, "b.example", 9);
    tls_identity_add_name(identity, TLS_NAME_DNS, "a.example", 9);
    ok(identity->name_count == TLS_IDENTITY_NAMES_MAX && !tls_identity_matches(identity, dns, 1),
       "names beyond the bound let nobody in");
    char text[200];
    tls_identity_describe(identity, text, sizeof text);
    ok(strlen(text) == sizeof text - 1 &&
           strstr(text, "cn \"cn.example\", uri \"spiffe://x/y\", dns \"b.example\"") == text,
       "described, cut to size: %s", text);
    tls_identity_unref(identity);
}

static void test_pins(void)
{
    uint8_t pin[TLS_PIN_SIZE], parsed[TLS_PIN_SIZE];
    char text[TLS_PIN_TEXT_SIZE];
    for (int i = 0; i < TLS_PIN_SIZE; i++)
        pin[i] = (uint8_t)i;
    tls_pin_format(pin, text);
    ok(strcmp(text, PIN_HEX) == 0, "a pin's text: %s", text);
    static const char *const good[] = {
        PIN_HEX, PIN_64, "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "sha256:000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"};
    static const char *const bad[] = {
        "",
        "sha256:",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
        "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g",
        "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A",
        "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-=",
        "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH===",
        "sha1:0001020304050607080900010203040506070809"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ok(tls_pin_parse(good[i], parsed) && memcmp(parsed, pin, sizeof pin) == 0, "a pin: %s",
           good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(!tls_pin_parse(bad[i], parsed), "no pin: %s", bad[i]);

    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_PINNED);
    const char *pattern = PIN_64, *other = PIN_HEX;
    ok(!tls_identity_matches(identity, &pattern, 1), "no pin, no match");
    tls_identity_set_pin(identity, pin);
    ok(tls_identity_matches(identity, &pattern, 1) && tls_identity_matches(identity, &other, 1),
       "matched in base64 and hex");
    ok(strcmp(identity->label, PIN_HEX) == 0, "a peer without a name is called by its pin");
    identity->pin[31]++;
    ok(!tls_identity_matches(identity, &pattern, 1), "one bit more, and it is somebody else");
    tls_identity_unref(identity);
}

static void test_patterns(void)
{
    static const char *const good[] = {"a.example",   "*.a.example", "laptop",
                                       "Alice Smith", "spiffe://a",  "spiffe://a/*",
                                       "192.0.2.1",   "::1",         PIN_64};
    static const char *const bad[] = {"",
                                      "*",
                                      "*.",
                                      "*.com",
                                      "*.com.",
                                      "*..com",
                                      "*.a..com",
                                      "a*b.example",
                                      "a.*.example",
                                      "*.*.example",
                                      "**.a.example",
                                      "spiffe://",
                                      "spiffe:///a",
                                      "://a/b",
                                      "spiffe://*",
                                      "spiffe://a/b*",
                                      "spiffe://a/*/b",
                                      "spiffe://*/a",
                                      "spiffe://a*/b",
                                      "sha256:abc",
                                      "new\nline"};
    char why[256];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ok(tls_identity_check_pattern(good[i], why, sizeof why) == ERR_OK, "fine: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(tls_identity_check_pattern(bad[i], why, sizeof why) == ERR_TLS_CREDENTIALS &&
               strstr(why, bad[i]),
           "refused: %s", i == sizeof bad / sizeof bad[0] - 1 ? "a new line" : why);
}

static void test_same(void)
{
    struct tls_identity *one = tls_identity_new(TLS_IDENTITY_CERTIFICATE),
                        *other = tls_identity_new(TLS_IDENTITY_CERTIFICATE);
    ok(!tls_identity_is_same(one, other), "who has shown nothing is nobody's equal");
    tls_identity_add_proof(one, "leaf", 4);
    tls_identity_add_proof(one, "ca", 2);
    tls_identity_add_proof(other, "leaf", 4);
    ok(tls_identity_is_same(one, other), "the same certificate");
    other->kind = TLS_IDENTITY_PINNED;
    ok(!tls_identity_is_same(one, other), "known in another way");
    other->kind = TLS_IDENTITY_CERTIFICATE;
    other->proofs[0].data[0] = 'L';
    ok(!tls_identity_is_same(one, other), "another certificate");
    tls_identity_unref(one);
    tls_identity_unref(tls_identity_ref(other));
    tls_identity_unref(other);
    tls_identity_unref(NULL);
}

static const char *key_of(enum tls_identity_kind kind, const char *name, uint8_t pin, char *key)
{
    uint8_t bytes[TLS_PIN_SIZE] = {pin};
    struct tls_identity *identity = tls_identity_new(kind);
    if (name)
        tls_identity_add_name(identity, strstr(name, "://") ? TLS_NAME_URI : TLS_NAME_DNS, name,
                              strlen(name));
    tls_identity_set_pin(identity, bytes);
    tls_identity_key(identity, key);
    tls_identity_unref(identity);
    return key;
}

static void test_keys(void)
{
    char one[TLS_IDENTITY_KEY_SIZE], other[TLS_IDENTITY_KEY_SIZE];
#define SAME(a, b) (strcmp(key_of a, key_of b) == 0)
    ok(SAME((TLS_IDENTITY_CERTIFICATE, "a.example", 1, one),
            (TLS_IDENTITY_CERTIFICATE, "A.example", 2, other)),
       "a renewed certificate is the same identity");
    ok(!SAME((TLS_IDENTITY_CERTIFICATE, "a.example", 1, one),
             (TLS_IDENTITY_CERTIFICATE, "b.example", 1, other)),
       "another name is another one");
    ok(!SAME((TLS_IDENTITY_CERTIFICATE, "spiffe://a/B", 1, one),
             (TLS_IDENTITY_CERTIFICATE, "spiffe://a/b", 1, other)),
       "URIs differ by case");
    ok(!SAME((TLS_IDENTITY_CERTIFICATE, "a.example", 1, one),
             (TLS_IDENTITY_RAW_KEY, "a.example", 1, other)),
       "and so do kinds of the same name");
    ok(!SAME((TLS_IDENTITY_PINNED, "a.example", 1, one),
             (TLS_IDENTITY_PINNED, "a.example", 2, other)),
       "a name that nobody vouches for does not count, the pin does");
    ok(!SAME((TLS_IDENTITY_CERTIFICATE, NULL, 1, one), (TLS_IDENTITY_CERTIFICATE, NULL, 2, other)),
       "nor does no name");
}

int main(void)
{
    test_keys();
    test_cases();
    test_names();
    test_pins();
    test_patterns();
    test_same();
    return tap_done();
}
