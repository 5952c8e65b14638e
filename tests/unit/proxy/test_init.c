/* `hawser init`: files, refusals, host names. */
#include "proxy/cli/init.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "config/config.h"
#include "tests/lib/tap.h"
#include "tls/credentials.h"

static char top[] = "/tmp/hawser-init-XXXXXX";

struct result {
    int code;
    char out[4096], err[1024];
};

static struct result init(const char *directory, const char *host)
{
    struct result result = {0};
    FILE *out = fmemopen(result.out, sizeof result.out - 1, "w");
    FILE *err = fmemopen(result.err, sizeof result.err - 1, "w");
    must(out && err);
    result.code =
        init_write(&(struct init_options){.directory = directory, .host = host}, out, err);
    fclose(out);
    fclose(err);
    return result;
}

static struct result init_raw(const char *directory)
{
    struct result result = {0};
    FILE *out = fmemopen(result.out, sizeof result.out - 1, "w");
    FILE *err = fmemopen(result.err, sizeof result.err - 1, "w");
    must(out && err);
    result.code = init_write(&(struct init_options){.directory = directory, .raw = true}, out, err);
    fclose(out);
    fclose(err);
    return result;
}

static const char *in_top(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

static mode_t mode_of(const char *name)
{
    struct stat status;
    return stat(in_top(name), &status) ? 0 : status.st_mode & 07777;
}

/* Loads a configuration with nothing said about it. */
static struct config *load(const char *name)
{
    char said[1024] = "";
    FILE *out = fmemopen(said, sizeof said - 1, "w");
    must(out);
    struct config *config = config_load(in_top(name), out, tls_credentials_check_pair);
    fclose(out);
    if (*said)
        tap_note("%s", said);
    if (!*said)
        return config;
    config_free(config);
    return NULL;
}

static void test_files(void)
{
    struct result r = init(in_top("a"), NULL);
    ok(r.code == 0 && !*r.err, "a new directory");
    ok(mode_of("a") == 0700, "for its owner only");
    ok(mode_of("a/ca.key") == 0600 && mode_of("a/server.key") == 0600 &&
           mode_of("a/client.key") == 0600,
       "keys too");
    ok(strstr(r.out, "Never copy ca.key") && strstr(r.out, "valid until 20"),
       "what to do next, and how long it lasts");
    struct config *server = load("a/server.cfg"), *client = load("a/client.cfg");
    ok(server && client, "both configurations pass the check without a warning");
    if (server && client) {
        const struct config_tunnel *s = &server->tunnels[0], *c = &client->tunnels[0];
        ok(s->local[0].port == 9899 && c->remote[0].port == 9899, "their ports meet");
        ok(s->tls.allow.count == 1 && strcmp(s->services[0].name, c->services[0].name) == 0,
           "and their services");
    }
    config_free(server);
    config_free(client);
}

static void test_raw(void)
{
    struct result r = init_raw(in_top("raw"));
    ok(r.code == 0 && !*r.err, "raw keys in a new directory");
    ok(mode_of("raw/server.key") == 0600 && mode_of("raw/client.key") == 0600 &&
           !mode_of("raw/ca.pem") && !mode_of("raw/server.pem"),
       "two keys, and no certificates");
    const char *pin = strstr(r.out, "sha256:");
    ok(pin && strstr(pin + 1, "sha256:"), "what it prints tells both keys");
    struct config *server = load("raw/server.cfg"), *client = load("raw/client.cfg");
    ok(server && client && server->tunnels[0].tls.known && !server->tunnels[0].tls.cert &&
           strcmp(client->tunnels[0].tls.peer, "server") == 0,
       "both configurations pass the check without a warning");
    config_free(server);
    config_free(client);
    r = init_raw(in_top("raw"));
    ok(r.code == 1 && strstr(r.err, "raw/server.key is there already"), "a second time is refused");
}

static void test_refusals(void)
{
    struct result r = init(in_top("a"), NULL);
    ok(r.code == 1 && strstr(r.err, "a/ca.pem is there already and is not overwritten"),
       "a second time is refused");
    ok(mkdir(in_top("b"), 0755) == 0 && init(in_top("b"), NULL).code == 0, "an empty directory");
    ok(mkdir(in_top("c"), 0755) == 0 && symlink("/nonexistent", in_top("c/client.cfg")) == 0,
       "a dangling link in the way");
    r = init(in_top("c"), NULL);
    ok(r.code == 1 && strstr(r.err, "c/client.cfg is there already"), "is not followed");
    ok(access(in_top("c/ca.pem"), F_OK) != 0, "and nothing is written beside it");
    r = init(in_top("none/d"), NULL);
    ok(r.code == 1 && strstr(r.err, "No such file or directory"), "a missing parent");
    r = init(in_top("a/ca.pem"), NULL);
    ok(r.code == 1 && strstr(r.err, "Not a directory"), "a file in place of the directory");
    static const char *const wrong[] = {"", "h:9899", "[::1]", "a b", "1.2.3", "h\"; x = \"", "é"};
    bool refused = true;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refused &= init(in_top("e"), wrong[i]).code == 1;
    ok(refused && access(in_top("e"), F_OK) != 0, "hosts that are none");
}

static void test_hosts(void)
{
    static const struct {
        const char *host, *remote, *local;
    } rows[] = {
        {"server.example", "server.example:9899", "0.0.0.0:9899"},
        {"192.0.2.7", "192.0.2.7:9899", "0.0.0.0:9899"},
        {"2001:db8::7", "[2001:db8::7]:9899", "[::]:9899"},
    };
    char name[32], file[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(name, sizeof name, "host%zu", i);
        must(init(in_top(name), rows[i].host).code == 0);
        snprintf(file, sizeof file, "%s/client.cfg", name);
        struct config *client = load(file);
        snprintf(file, sizeof file, "%s/server.cfg", name);
        struct config *server = load(file);
        ok(client && strcmp(client->tunnels[0].remote[0].text, rows[i].remote) == 0 && server &&
               strcmp(server->tunnels[0].local[0].text, rows[i].local) == 0,
           "--host %s", rows[i].host);
        config_free(client);
        config_free(server);
    }
}

int main(void)
{
    must(mkdtemp(top));
    test_files();
    test_raw();
    test_refusals();
    test_hosts();
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    must(system(command) == 0);
    return tap_done();
}
