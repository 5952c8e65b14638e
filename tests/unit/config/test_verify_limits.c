/* Limits that depend on other options. */
#include "config/verify.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;

#define SERVER                                                                                     \
    "tunnels = ( { name = \"t\"; role = \"server\"; local = \"127.0.0.1:1\"; services = ();"       \
    "tls = { ca = \"ca.pem\"; cert = \"a.pem\"; key = \"a.key\"; allow = [ \"a\" ]; };\n"

static void says(const char *before, const char *more, const char *line)
{
    char text[2048];
    snprintf(text, sizeof(text), "%s" SERVER "%s } );", before, more);
    ok(fixture_says(&fixture, text, line), "%s", line);
}

static void test_defaults(void)
{
    struct config *config =
        fixture_load(&fixture, SERVER "max_peers = 100; streams = { max = 50; }; } );");
    const struct config_identity *identity = config ? &config->tunnels[0].identity : NULL;
    ok(identity && identity->max_associations == 50 && identity->max_streams == 400 &&
           identity->max_connections == 400 && identity->memory == 201326592,
       "what one identity may take follows from what all may");
    config_free(config);
    config = fixture_load(&fixture, SERVER "} );");
    ok(config && config->tunnels[0].streams.max == 8192 &&
           config->tunnels[0].identity.max_associations == 256,
       "a server allows more streams than a client asks for");
    config_free(config);
    config = fixture_load(&fixture, SERVER "max_peers = 1; } );");
    ok(config && config->tunnels[0].identity.max_associations == 1, "one at least");
    config_free(config);
}

int main(void)
{
    fixture_init(&fixture);
    test_defaults();
    says("", "max_peers = 8; identity = { max_associations = 9; };",
         "2: warning: identity.max_associations = 9 is more than max_peers = 8; max_peers decides");
    says("", "identity = { max_connections = 9; max_streams = 8; };",
         "2: warning: identity.max_connections = 9 is more than identity.max_streams = 8, and each "
         "connection takes a stream; raise that");
    says("", "identity = { memory = 268435457; };",
         "2: warning: identity.memory = 268435457 is more than memory_limit = 268435456; "
         "memory_limit decides");
    says("memory_limit = 4194304; ", "",
         "1: warning: memory_limit = 4194304 leaves room for 1024 connections, fewer than "
         "streams.max = 8192 (its default) of tunnel \"t\"; raise it, or lower streams.max");
    fixture_fini(&fixture);
    return tap_done();
}
