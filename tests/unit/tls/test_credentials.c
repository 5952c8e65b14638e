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
    refuses(bad, certificates_directory, "is not that of a CA");

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
    refuses(bad, "server.pem", "not that of a CA");
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

    struct tls_credentials *credentials = load_credentials(options_for(TLS_SERVER, "short"));
    int64_t left = tls_credentials_expires_in(credentials);
    ok(left > 2 * DAY - 60 && left <= 2 * DAY, "two days left (%ld s)", (long)left);
    clock_shift = 3 * DAY;
    left = tls_credentials_expires_in(credentials);
    ok(left < 0, "three days later: expired (%ld s)", (long)left);
    clock_shift = 0;
    tls_credentials_unref(credentials);
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
    bad = good, bad.ticket_lifetime_s = 0;
    refuses(bad, "ticket lifetime", "1..604800");
    bad = good, bad.ticket_lifetime_s = 604801;
    refuses(bad, "ticket lifetime", "1..604800");
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
    test_small_buffer();
    tls_credentials_unref(NULL);
    return tap_done();
}
