/* The cipher that comes first is the one that this processor is faster with. That depends on the
 * processor, so the rule is tried with figures, and the order against what was measured: here, and
 * once more without the processor's AES instructions. */
#include <sys/wait.h>

#include "tests/unit/tls/pair.h"
#include "tls/credentials_private.h"

static void test_order(bool is_chacha_first)
{
    struct tls_credentials *client = load_credentials(options_for(TLS_CLIENT, "client")),
                           *server = load_credentials(options_for(TLS_SERVER, "server"));
    struct pair pair, child;
    bool is_open = open_master(&pair, client, server, NULL);
    const char *expected = is_chacha_first ? "CHACHA20-POLY1305" : "AES-128-GCM";
    ok(is_open && strcmp(tls_session_cipher(pair.client.session), expected) == 0, "%s is used (%s)",
       expected, tls_session_cipher(pair.client.session));
    struct tls_generation *cg = tls_session_generation(pair.client.session),
                          *sg = tls_session_generation(pair.server.session);
    is_open = open_child(&child, client, cg, server, sg);
    ok(is_open && strcmp(tls_session_cipher(child.server.session), expected) == 0,
       "for children as well");
    free_pair(&child);
    free_pair(&pair);
    tls_generation_unref(cg);
    tls_generation_unref(sg);
    tls_credentials_unref(client);
    tls_credentials_unref(server);

    struct tls_options options = options_for(TLS_CLIENT, "client");
    options.priority = TLS_PRIORITY_DEFAULT;
    client = load_credentials(options);
    server = load_credentials(options_for(TLS_SERVER, "server"));
    is_open = open_master(&pair, client, server, NULL);
    ok(is_open && strcmp(tls_session_cipher(pair.client.session), "AES-128-GCM") == 0,
       "a client's own priority string is left alone");
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void test_rule(void)
{
    ok(tls_cipher_prefers_chacha(100, 126) && !tls_cipher_prefers_chacha(100, 125),
       "ChaCha20 must be faster by a quarter");
    ok(!tls_cipher_prefers_chacha(125, 100), "not slower");
    ok(!tls_cipher_prefers_chacha(INT64_MAX, 100) && tls_cipher_prefers_chacha(100, INT64_MAX) &&
           !tls_cipher_prefers_chacha(INT64_MAX, INT64_MAX),
       "and it must be there, as with FIPS mode it is not");
}

static int run_without_instructions(const char *self)
{
    fflush(stdout);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        setenv("GNUTLS_CPUID_OVERRIDE", "0x1", 1);
        setenv("NETTLE_FAT_OVERRIDE", "vendor:other,aesni:0", 1);
        must(freopen("/dev/null", "w", stdout));
        execl(self, self, "again", (char *)NULL);
        _exit(127);
    }
    int status;
    must(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
    make_certificates();
    bool is_chacha_first = tls_cipher_is_chacha_faster();
    tap_note("%s is faster here", is_chacha_first ? "ChaCha20" : "AES");
    test_rule();
    test_order(is_chacha_first);
    if (argc == 1)
        ok(run_without_instructions(argv[0]) == 0, "the same without AES instructions");
    message_cache_clear();
    return tap_done();
}
