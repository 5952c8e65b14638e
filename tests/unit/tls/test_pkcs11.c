/* Private keys and certificates in a PKCS#11 token. */
#include "tests/unit/tls/token.h"
#include "tls/client_cache.h"

static char why[1024];

static struct tls_options token_options(const char *cert, const char *key)
{
    struct tls_options options = options_for(TLS_SERVER, "server");
    options.key = key;
    if (cert)
        options.cert = cert;
    return options;
}

static void test_good(const char *what, struct tls_options options)
{
    struct tls_credentials *client = load_credentials(options_for(TLS_CLIENT, "client")),
                           *server = load_credentials(options);
    size_t count;
    tls_credentials_files(server, &count);
    ok(count == (strncmp(options.cert, "pkcs11:", 7) ? 2 : 1), "%s: what is in a token is no file",
       what);
    struct pair pair, child;
    bool is_open = open_master(&pair, client, server, NULL);
    ok(is_open, "a master (%s)", tls_session_detail(pair.client.session));
    struct tls_generation *cg = tls_session_generation(pair.client.session),
                          *sg = tls_session_generation(pair.server.session);
    is_open = open_child(&child, client, cg, server, sg);
    ok(is_open && tls_session_is_resumed(child.server.session), "and a child");
    free_pair(&child);
    free_pair(&pair);
    tls_generation_unref(cg);
    tls_generation_unref(sg);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static struct tls_client_cache_key key_by_token(void)
{
    struct tls_options options = options_for(TLS_CLIENT, "client");
    options.cert = CERT;
    options.key = KEY "?pin-value=1234";
    struct tls_credentials *credentials = load_credentials(options);
    struct tls_client_cache_key key = tls_client_cache_key(credentials, "server:1");
    tls_credentials_unref(credentials);
    return key;
}

/* A ticket of the certificate before must not be used with the next one. */
static void test_another_certificate(const char *module)
{
    struct tls_client_cache_key one = key_by_token(), same = key_by_token();
    char provider[200], key[200], template[200], next[200];
    snprintf(provider, sizeof provider, "--provider=%s", module);
    snprintf(key, sizeof key, "--load-privkey=%s", path_of("server.key"));
    write_file("next.template", "cn = next\n", 10);
    write_file("next.pem", "", 0);
    snprintf(template, sizeof template, "--template=%s", path_of("next.template"));
    snprintf(next, sizeof next, "--outfile=%s", path_of("next.pem"));
    must(run("certtool",
             (const char *[]){"certtool", "--generate-self-signed", key, template, next, NULL}));
    must(run("p11tool", (const char *[]){"p11tool", provider, "--login", "--set-pin=1234",
                                         "--delete", "--batch", CERT, NULL}));
    snprintf(next, sizeof next, "--load-certificate=%s", path_of("next.pem"));
    must(run("p11tool", (const char *[]){"p11tool", provider, "--login", "--set-pin=1234",
                                         "--write", next, "--label=cert", "--no-mark-private",
                                         "--batch", "pkcs11:token=hawser", NULL}));
    struct tls_client_cache_key other = key_by_token();
    ok(memcmp(&one, &same, sizeof one) == 0 && memcmp(&one, &other, sizeof one) != 0,
       "another certificate behind the same URI: sessions of the one before are not used");
}

static void refuses(struct tls_options options, const char *words)
{
    struct tls_credentials *credentials;
    why[0] = 0;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS && strstr(why, words) && !strstr(why, "1234") &&
           !strstr(why, "9999"),
       "%s", why);
}

static void test_token(void)
{
    char from_file[300];
    write_file("pin", "1234", 4);
    snprintf(from_file, sizeof from_file, KEY "?pin-source=%s", path_of("pin"));
    test_good("key by URI, PIN in the URI", token_options(NULL, KEY "?pin-value=1234"));
    test_good("key and certificate by URI", token_options(CERT, KEY "?pin-value=1234"));
    test_good("PIN from a file", token_options(NULL, from_file));
    snprintf(from_file, sizeof from_file, KEY "?pin-source=file:%s", path_of("pin"));
    test_good("PIN from a file, as RFC 7512 writes it", token_options(NULL, from_file));
    snprintf(from_file, sizeof from_file, KEY "?pin-source=file://%s", path_of("pin"));
    test_good("PIN from a file, as a whole URI", token_options(NULL, from_file));
    refuses(token_options(NULL, KEY), "no pin-value or pin-source");
    refuses(token_options(NULL, KEY "?pin-value=9999"), "cannot be used");
    refuses(token_options(NULL, "pkcs11:token=hawser;object=nothing?pin-value=1234"),
            "object=nothing cannot be used");
    refuses(token_options("pkcs11:token=hawser;object=nothing;type=cert", KEY "?pin-value=1234"),
            "no usable certificate");
    struct tls_options options = options_for(TLS_SERVER, "client");
    options.key = KEY "?pin-value=1234";
    refuses(options, "does not belong to the certificate");
    ok(tls_credentials_check_pair(path_of("server.pem"), KEY "?pin-value=1234", why, sizeof why) ==
           ERR_OK,
       "a pair is checked by URI too");
}

int main(void)
{
    const char *module = find_module();
    make_certificates();
    if (!module || !make_token(module)) {
        tap_skip("PKCS#11 tokens", "softhsm2 and p11tool are needed");
        return tap_done();
    }
    must(gnutls_pkcs11_init(GNUTLS_PKCS11_FLAG_MANUAL, NULL) == 0);
    must(gnutls_pkcs11_add_provider(module, NULL) == 0);
    test_token();
    test_another_certificate(module);
    gnutls_pkcs11_deinit();
    message_cache_clear();
    return tap_done();
}
