/* Checks of the files that a configuration names. */
#include "config/verify.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;

static enum err reject_pair(const char *cert, const char *key, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s does not fit %s", strrchr(key, '/') + 1, strrchr(cert, '/') + 1);
    return ERR_TLS_CREDENTIALS;
}

static enum err expired(const char *cert, const char *key, char *why, size_t why_size)
{
    (void)key;
    snprintf(why, why_size, "the certificate in %s expired", cert);
    return ERR_TLS_CREDENTIALS;
}

static enum err accept_pair(const char *cert, const char *key, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    return strstr(cert, "a.pem") && strstr(key, "a.key") ? ERR_OK : ERR_TLS_CREDENTIALS;
}

static struct config *load(enum err (*check_pair)(const char *, const char *, char *, size_t))
{
    return fixture_load_checked(&fixture,
                                "tunnels = ( { name = \"t\"; role = \"client\"; remote = "
                                "\"127.0.0.1:1\"; services = ();\ntls = { peer = \"p\"; ca = "
                                "\"ca.pem\";\ncert = \"a.pem\";\nkey = \"a.key\"; }; } );",
                                check_pair);
}

static void path_of(const char *name, char path[static 128])
{
    snprintf(path, 128, "%s/%s", fixture.directory, name);
}

static void test_pair(void)
{
    struct config *config = load(accept_pair);
    ok(config && !*fixture.said, "a key that fits");
    config_free(config);
    ok(!load(reject_pair) &&
           strstr(fixture.said, "test.cfg:4: tls.key: a.key does not fit a.pem\n"),
       "a key that does not fit its certificate is named in the key's line");
    ok(!load(expired) && strstr(fixture.said, "test.cfg:3: tls.cert: the certificate in "),
       "what is wrong with the certificate alone, in the certificate's");
}

static void test_modes(void)
{
    char key[128];
    path_of("a.key", key);
    must(chmod(key, 0644) == 0);
    struct config *config = load(accept_pair);
    ok(config && strstr(fixture.said, ":4: warning: tls.key: others can read the private key ") &&
           strstr(fixture.said, "(mode 0644); run chmod 600 on it\n"),
       "a key that others can read is a warning");
    config_free(config);
    must(chmod(key, 0640) == 0);
    config = load(accept_pair);
    ok(config && !*fixture.said, "a key for a group is not");
    config_free(config);
    if (geteuid() == 0) {
        tap_skip("a key that we cannot read", "root can read every file");
    } else {
        must(chmod(key, 0) == 0);
        ok(!load(accept_pair) && strstr(fixture.said, "Permission denied"), "unreadable key");
    }
    must(chmod(key, 0600) == 0);
}

static void test_missing(void)
{
    char path[128];
    path_of("ca.pem", path);
    must(unlink(path) == 0);
    ok(!load(reject_pair) && strstr(fixture.said, ":2: tls.ca: cannot read ") &&
           strstr(fixture.said, "No such file or directory; a relative path begins at"),
       "a missing file");
    ok(strstr(fixture.said, ":4: tls.key: a.key does not fit"), "and what else is wrong");
    must(mkdir(path, 0700) == 0);
    struct config *config = load(accept_pair);
    ok(config && !*fixture.said, "a directory may stand for many CAs");
    config_free(config);
    must(rmdir(path) == 0 && mkfifo(path, 0600) == 0);
    ok(!load(accept_pair) && strstr(fixture.said, "it is not a regular file\n"),
       "a pipe is not waited for");
    must(unlink(path) == 0);
    fixture_write(&fixture, "ca.pem", "");
    ok(!load(accept_pair) && strstr(fixture.said, "it is empty\n"), "an empty file");
}

int main(void)
{
    fixture_init(&fixture);
    test_pair();
    test_modes();
    test_missing();
    fixture_fini(&fixture);
    return tap_done();
}
