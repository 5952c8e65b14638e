/* Two configurations: the options that differ. */
#include "config/compare.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;
static char said[1024];

static void on_change(struct compare *self, const struct option_row *option, const char *where)
{
    (void)self;
    size_t length = strlen(said);
    snprintf(said + length, sizeof said - length, "%s%s\n", where, option->name);
}

static const char base[] =
    "threads = 2; log = { level = \"info\"; };\n"
    "tunnels = ( { name = \"a\"; role = \"client\"; remote = [ \"192.0.2.1:1\" "
    "]; " FIXTURE_TLS_CLIENT
    " services = ( { name = \"web\"; listen = \"127.0.0.1:80\"; keepalive = true; } ); } );";

/* The configuration with a piece of it replaced. */
static struct config *load_with(const char *from, const char *to)
{
    char text[2048];
    const char *place = strstr(base, from);
    must(place);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(place - base), base, to, place + strlen(from));
    struct config *config = fixture_load(&fixture, text);
    if (!config)
        tap_note("%s", fixture.said);
    must(config);
    return config;
}

static const struct {
    const char *from, *to, *said;
} rows[] = {
    {"threads = 2", "threads = 2", ""},
    {"threads = 2", "threads = 3", "threads\n"},
    {"\"info\"", "\"debug\"", "log.level\n"},
    {"192.0.2.1:1", "192.0.2.2:1", "tunnel \"a\": remote\n"},
    {"\"192.0.2.1:1\"", "\"192.0.2.1:1\", \"192.0.2.2:1\"", "tunnel \"a\": remote\n"},
    {"role", "heartbeat = 2; role", "tunnel \"a\": heartbeat\n"},
    {"peer = \"p\"", "peer = \"q\"", "tunnel \"a\": tls.peer\n"},
    {"peer = \"p\"", "peer = \"p\"; pins = [ \"sha256:x\" ]", "tunnel \"a\": tls.pins\n"},
    {"keepalive = true", "keepalive = false", "tunnel \"a\", service \"web\": keepalive\n"},
    {"listen = \"127.0.0.1:80\"", "listen = \"127.0.0.1:81\"",
     "tunnel \"a\", service \"web\": listen\n"},
    {"listen = \"127.0.0.1:80\"", "connect = \"127.0.0.1:80\"",
     "tunnel \"a\", service \"web\": listen\ntunnel \"a\", service \"web\": connect\n"},
    {"name = \"web\"", "name = \"db\"", "tunnel \"a\": services\n"},
    {"keepalive = true; }", "keepalive = true; }, { name = \"db\"; connect = \"127.0.0.1:1\"; }",
     "tunnel \"a\": services\n"},
};

int main(void)
{
    struct compare compare = {.on_change = on_change};
    fixture_init(&fixture);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *old = load_with("threads = 2", "threads = 2");
        struct config *now = load_with(rows[i].from, rows[i].to);
        *said = '\0';
        compare_process(&compare, old, now);
        compare_tunnels(&compare, &old->tunnels[0], &now->tunnels[0]);
        if (!ok(strcmp(said, rows[i].said) == 0, "%s -> %s", rows[i].from, rows[i].to))
            tap_note("said: %s", said);
        config_free(old);
        config_free(now);
    }
    fixture_fini(&fixture);
    return tap_done();
}
