/* Credentials: files, dates, policy, pairs of key and certificate. */
#include <sys/stat.h>

#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/pair.h"

static char why[512];

static enum err try_options(struct tls_options options)
{
    struct tls_credentials *credentials;
    why[0] = 0;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok((result == ERR_OK) == (credentials != NULL), "credentials are given exactly on success");
    tls_credentials_unref(credentials);
    return result;
}

static void refuses(struct tls_options options, const char *file, const char *reason)
{
    enum err result = try_options(options);
    ok(result == ERR_TLS_CREDENTIALS, "refused: %s", why);
    ok(strstr(why, file) && strstr(why, reason), "names \"%s\" and says \"%s\"", file, reason);
}

static void test_files(void)
{
    struct tls_options good = options_for(TLS_CLIENT, "client"), bad;
    ok(try_options(good) == ERR_OK, "good files are taken: %s", why);

    bad = good, bad.ca = path_of("nowhere.pem");
    refuses(bad, "nowhere.pem", "No such file");
    bad = good, bad.cert = path_of("nowhere.pem");
    refuses(bad, "nowhere.pem", "No such file");
    bad = good, bad.key = path_of("nowhere.key");
    refuses(bad, "nowhere.key", "No such file");
    bad = good, bad.ca = certificates_directory;
    refuses(bad, certificates_directory, "is not a CA certificate");

    write_file("junk", "junk\n", 5);
    write_file("empty", "", 0);
    bad = good, bad.ca = path_of("junk");
    refuses(bad, "junk", "no usable CA certificate");
    bad = good, bad.ca = path_of("empty");
    refuses(bad, "empty", "CA certificate");
    bad = good, bad.cert = path_of("junk");
    refuses(bad, "junk", "no usable certificate");
    bad = good, bad.key = path_of("junk");
    refuses(bad, "junk", "no usable private key");
    bad = good, bad.ca = path_of("server.pem");
    refuses(bad, "server.pem", "not a CA certificate");
    bad = good, bad.key = path_of("server.key");
    refuses(bad, "server.key", "does not belong to the certificate in");
}

static void test_encrypted_key(void)
{
    gnutls_x509_privkey_t key = new_key();
    gnutls_datum_t pem;
    must(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, "secret",
                                           GNUTLS_PKCS_PBES2_AES_128, &pem) == 0);
    write_object("locked", ".key", &pem);
    gnutls_x509_privkey_deinit(key);
    struct tls_options bad = options_for(TLS_CLIENT, "client");
    bad.key = path_of("locked.key");
    refuses(bad, "locked.key", "passphrase");
}

static void test_dates(void)
{
    refuses(options_for(TLS_SERVER, "expired"), "expired.pem", "expired on");
    refuses(options_for(TLS_SERVER, "future"), "future.pem", "not valid before");
}

static void test_policy(void)
{
    struct tls_options good = options_for(TLS_CLIENT, "client"), bad;
    bad = good, bad.priority = "NORMAL:+NONSENSE";
    refuses(bad, "NONSENSE", "priority string");
    bad = good, bad.priority = "NORMAL";
    refuses(bad, "NORMAL", "the minimum version is TLS 1.3");
    bad = good, bad.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+PSK";
    refuses(bad, "+PSK", "forward secrecy");
    bad = good, bad.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1";
    ok(try_options(bad) == ERR_OK, "another priority string of TLS 1.3: %s", why);
    bad = good, bad.peer = NULL;
    refuses(bad, "name", "not set");
    bad = good, bad.peer = "";
    refuses(bad, "name", "not set");
    bad = good, bad.rules.ticket_lifetime_s = 0;
    refuses(bad, "ticket lifetime", "1..604800");
    bad = good, bad.rules.ticket_lifetime_s = 604801;
    refuses(bad, "ticket lifetime", "1..604800");
}

static bool admits_one(struct tls_options options)
{
    struct tls_credentials *credentials;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    bool one = result == ERR_OK && tls_credentials_admit_one(credentials);
    ok(result == ERR_OK, "loaded %s", why);
    tls_credentials_unref(credentials);
    return one;
}

static void test_admit_one(void)
{
#define PIN_OF(last) "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0" last
    static const char *const pins[] = {PIN_OF("8"), PIN_OF("9")};
    static const char *const names[] = {"a.example", "b.example"}, *const star[] = {"*.a.example"};
    static const char known[] = PIN_OF("8") " one\n" PIN_OF("9") " two\n";
    static const char keys[] = "one:000102030405060708090a0b0c0d0e0f\n"
                               "two:101112131415161718191a1b1c1d1e1f\n";
    struct tls_options o = options_for(TLS_SERVER, "server");
    o.allow = NULL, o.allow_count = 0;
    ok(!admits_one(o), "a CA alone lets many in");
    o.allow = star, o.allow_count = 1;
    ok(!admits_one(o), "so does a pattern");
    o.allow = names, o.allow_count = 2;
    ok(!admits_one(o), "and two names");
    o.allow_count = 1;
    ok(admits_one(o), "one name is one");
    o.allow = NULL, o.allow_count = 0, o.pins = pins, o.pin_count = 2;
    ok(!admits_one(o), "two pins are two");
    o.pin_count = 1;
    ok(admits_one(o), "one is one");
    o.pin_count = 0, o.ca = NULL, o.cert = NULL, o.known = path_of("known");
    write_file("known", known, sizeof known - 1);
    ok(!admits_one(o), "a file of two keys lets two in");
    write_file("known", known, strcspn(known, "\n") + 1);
    ok(admits_one(o), "a file of one key one");
    o.known = NULL, o.key = NULL, o.psk = path_of("keys");
    write_file("keys", keys, sizeof keys - 1);
    chmod(path_of("keys"), 0600);
    ok(!admits_one(o), "and so two pre-shared keys");
    write_file("keys", keys, strcspn(keys, "\n") + 1);
    ok(admits_one(o), "and one");
}

static void test_check_pair(void)
{
    why[0] = 0;
    ok(tls_credentials_check_pair(path_of("client.pem"), path_of("client.key"), why, sizeof why) ==
           ERR_OK,
       "a key and its certificate");
    ok(tls_credentials_check_pair(path_of("client.pem"), path_of("server.key"), why, sizeof why) ==
           ERR_TLS_CREDENTIALS,
       "another key: %s", why);
    ok(strstr(why, "client.pem") && strstr(why, "server.key"), "both files are named");
}

static void test_small_buffer(void)
{
    char tiny[8];
    struct tls_options bad = options_for(TLS_CLIENT, "expired");
    struct tls_credentials *credentials;
    ok(tls_credentials_new(&bad, &credentials, tiny, sizeof tiny) == ERR_TLS_CREDENTIALS &&
           strlen(tiny) == 7,
       "a sentence is cut to its buffer");
}

int main(void)
{
    make_certificates();
    test_files();
    test_encrypted_key();
    test_dates();
    test_policy();
    test_check_pair();
    test_admit_one();
    test_small_buffer();
    tls_credentials_unref(NULL);
    return tap_done();
}
