/* Masters by pre-shared key, and the children that are resumed from them. */
#include <sys/stat.h>

#include "tests/unit/tls/pair.h"
#include "tls/issue.h"

static char why[512];

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090A0B0C0D0E0F"

static void write_secret(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
    must(chmod(path_of(name), 0600) == 0);
}

static struct tls_options psk_options(enum tls_role role, const char *file)
{
    return (struct tls_options){
        .rules.role = role, .psk = path_of(file), .rules.ticket_lifetime_s = 3600};
}

static enum err result_at(struct end *end)
{
    const uint8_t *data;
    size_t length;
    enum err result = end->result;
    if (result == ERR_OK)
        result = tls_session_read(end->session, &data, &length);
    return result == ERR_AGAIN ? ERR_OK : result;
}

static void test_good(enum tls_children children, enum tls_resume resume)
{
    struct tls_options client_options = psk_options(TLS_CLIENT, "both.psk"),
                       server_options = psk_options(TLS_SERVER, "both.psk");
    const char *allow[] = {"laptop"};
    client_options.psk_identity = client_options.peer = "laptop";
    client_options.rules.children = server_options.rules.children = children;
    client_options.rules.resume = server_options.rules.resume = resume;
    server_options.allow = allow;
    server_options.allow_count = 1;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct pair pair, child;
    bool is_open = open_master(&pair, client, server, NULL);
    ok(is_open && !tls_session_is_resumed(pair.server.session), "a master by PSK (%s) (%s)",
       tls_session_detail(pair.client.session), tls_session_detail(pair.server.session));
    ok(strcmp(tls_session_peer(pair.client.session), "laptop") == 0 &&
           strcmp(tls_session_peer(pair.server.session), "laptop") == 0,
       "both call the other by the name of the key");
    ok(tls_session_identity(pair.server.session)->kind == TLS_IDENTITY_PSK &&
           !tls_session_identity(pair.server.session)->has_pin,
       "it is known as a PSK");
    struct tls_generation *cg = tls_session_generation(pair.client.session),
                          *sg = tls_session_generation(pair.server.session);
    struct tls_ticket *ticket = tls_session_take_ticket(pair.client.session);
    ok(cg && sg, "children can be resumed from it");
    for (int i = 0; i < 3; i++) {
        bool is_through = open_child(&child, client, cg, server, sg);
        ok(is_through && tls_session_is_resumed(child.client.session) &&
               tls_session_is_resumed(child.server.session),
           "a child is resumed (%s)", tls_session_detail(child.server.session));
        free_pair(&child);
    }
    free_pair(&pair);
    if (children == TLS_CHILDREN_DHE) {
        is_open = open_master(&pair, client, server, ticket);
        ok(is_open && tls_session_is_resumed(pair.server.session) &&
               strcmp(tls_session_peer(pair.server.session), "laptop") == 0,
           "the next master is resumed, and its peer is known from the ticket");
        free_pair(&pair);
    }
    tls_generation_unref(cg);
    tls_generation_unref(sg);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void test_refusal(const char *what, struct tls_options client_options,
                         struct tls_options server_options, enum err server_result,
                         const char *words)
{
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct pair pair;
    open_master(&pair, client, server, NULL);
    enum err at_client = result_at(&pair.client), at_server = result_at(&pair.server);
    ok(at_client != ERR_OK && at_server == server_result, "%s: client %s (%s), server %s (%s)",
       what, err_name(at_client), tls_session_detail(pair.client.session), err_name(at_server),
       tls_session_detail(pair.server.session));
    ok(strstr(tls_session_detail(pair.server.session), words), "  naming whom it saw");
    ok(!tls_session_generation(pair.client.session) && !tls_session_generation(pair.server.session),
       "  nothing can be resumed from it");
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void test_refusals(void)
{
    struct tls_options good = psk_options(TLS_SERVER, "a.psk");
    test_refusal("another key of the same name", psk_options(TLS_CLIENT, "wrong.psk"), good,
                 ERR_TLS_PEER_UNVERIFIED, "calls itself \"laptop\"");
    test_refusal("a name that the server does not have", psk_options(TLS_CLIENT, "b.psk"), good,
                 ERR_TLS_PEER_UNVERIFIED, "calls itself \"desktop\"");
    const char *allow[] = {"desktop"};
    good.allow = allow;
    good.allow_count = 1;
    test_refusal("a key that is known and not allowed", psk_options(TLS_CLIENT, "a.psk"), good,
                 ERR_TLS_PEER_NAME, "known \"laptop\"");
    test_refusal("a certificate at the server", psk_options(TLS_CLIENT, "a.psk"),
                 options_for(TLS_SERVER, "server"), ERR_TLS_HANDSHAKE, "");
    test_refusal("a certificate at the client", options_for(TLS_CLIENT, "client"),
                 psk_options(TLS_SERVER, "a.psk"), ERR_TLS_HANDSHAKE, "");
}

/* A child that shows the PSK instead of the ticket has not been resumed. */
static void test_fresh_child(enum tls_resume resume)
{
    struct tls_options client_options = psk_options(TLS_CLIENT, "a.psk"),
                       server_options = psk_options(TLS_SERVER, "a.psk");
    client_options.rules.resume = server_options.rules.resume = resume;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options),
                           *other = load_credentials(server_options);
    struct pair first, second, child;
    ok(open_master(&first, client, server, NULL) && open_master(&second, client, other, NULL),
       "two masters with servers of other ticket keys");
    struct tls_generation *cg = tls_session_generation(first.client.session),
                          *og = tls_session_generation(second.server.session);
    start_child(&child, client, cg, other, og, NULL);
    shake(&child);
    enum err result = result_at(&child.server);
    if (resume == TLS_RESUME_REQUIRE)
        ok(result == ERR_TLS_NOT_RESUMED, "a child by PSK is refused: %s",
           tls_session_detail(child.server.session));
    else
        ok(result == ERR_OK && !tls_session_is_resumed(child.server.session) &&
               strcmp(tls_session_peer(child.server.session), "laptop") == 0,
           "a child by PSK is accepted as not resumed (%s)",
           tls_session_detail(child.server.session));
    free_pair(&child);
    free_pair(&first);
    free_pair(&second);
    tls_generation_unref(cg);
    tls_generation_unref(og);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(other);
}

static void test_recheck(void)
{
    struct tls_credentials *client = load_credentials(psk_options(TLS_CLIENT, "a.psk")),
                           *server = load_credentials(psk_options(TLS_SERVER, "both.psk")),
                           *changed = load_credentials(psk_options(TLS_SERVER, "wrong.psk")),
                           *gone = load_credentials(psk_options(TLS_SERVER, "b.psk"));
    struct pair pair;
    must(open_master(&pair, client, server, NULL));
    const struct tls_identity *identity = tls_session_identity(pair.server.session);
    ok(tls_credentials_recheck(server, identity, why, sizeof why) == ERR_OK, "still there");
    enum err result = tls_credentials_recheck(changed, identity, why, sizeof why);
    ok(result == ERR_TLS_PEER_UNVERIFIED && strstr(why, "has changed"), "%s", why);
    result = tls_credentials_recheck(gone, identity, why, sizeof why);
    ok(result == ERR_TLS_PEER_UNVERIFIED && strstr(why, "no pre-shared key"), "%s", why);
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(changed);
    tls_credentials_unref(gone);
}

/* A ticket names a PSK, and not the key: it must not open what a new key closes. */
static void test_reload(void)
{
    struct tls_credentials *client = load_credentials(psk_options(TLS_CLIENT, "a.psk")),
                           *server = load_credentials(psk_options(TLS_SERVER, "a.psk")),
                           *changed = load_credentials(psk_options(TLS_SERVER, "wrong.psk"));
    struct pair pair;
    must(open_master(&pair, client, server, NULL));
    struct tls_ticket *ticket = tls_session_take_ticket(pair.client.session);
    must(ticket);
    free_pair(&pair);
    tls_credentials_inherit(changed, server);
    bool is_open = open_master(&pair, client, changed, ticket);
    ok(!is_open && result_at(&pair.server) == ERR_TLS_PEER_UNVERIFIED,
       "a ticket from before the key was changed: %s", tls_session_detail(pair.server.session));
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(changed);
}

static void refuses(struct tls_options options, const char *words)
{
    struct tls_credentials *credentials;
    why[0] = 0;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS && strstr(why, words), "%s", why);
}

static void refuses_file(const char *text, const char *words)
{
    write_secret("bad.psk", text);
    refuses(psk_options(TLS_SERVER, "bad.psk"), words);
}

static void test_files(void)
{
    refuses_file("", "holds no key");
    refuses_file("laptop\n", ":1: a line is name:key");
    refuses_file(":" KEY_A "\n", "a line is name:key");
    refuses_file("laptop:xyz\n", "hex digits");
    refuses_file("laptop:0123\n", "shorter than 16");
    refuses_file("laptop:" KEY_A KEY_A KEY_B "\n", "at most 64");
    refuses_file("laptop:" KEY_A "\nlaptop:" KEY_B "\n", ":2: the name \"laptop\" appears twice");
    refuses_file("a b:" KEY_A "\n", "cannot be the name");
    refuses(psk_options(TLS_CLIENT, "both.psk"), "several keys");
    struct tls_options options = psk_options(TLS_CLIENT, "both.psk");
    options.psk_identity = "nobody";
    refuses(options, "no key named \"nobody\"");
    must(chmod(path_of("a.psk"), 0640) == 0);
    refuses(psk_options(TLS_CLIENT, "a.psk"), "must be 600");
    must(chmod(path_of("a.psk"), 0600) == 0);
    if (geteuid() == 0) {
        must(chown(path_of("a.psk"), 4711, 0) == 0);
        refuses(psk_options(TLS_CLIENT, "a.psk"), "another user (4711)");
        must(chown(path_of("a.psk"), 0, 0) == 0);
    } else {
        tap_skip("a file of another user", "only root can make one");
    }
    must(mkfifo(path_of("pipe.psk"), 0600) == 0);
    refuses(psk_options(TLS_CLIENT, "pipe.psk"), "is not a file");
    must(unlink(path_of("pipe.psk")) == 0);
    refuses(psk_options(TLS_CLIENT, "nowhere"), "No such file");
    options = psk_options(TLS_CLIENT, "a.psk");
    options.rules.max_version = options.rules.min_version = TLS_VERSION_1_2;
    refuses(options, "need TLS 1.3");
    options = psk_options(TLS_SERVER, "a.psk");
    options.ticket_key_file = path_of("ticket.keys");
    refuses(options, "cannot be used with pre-shared keys");
}

int main(void)
{
    make_certificates();
    write_secret("a.psk", "# keys\nlaptop:" KEY_A "\n");
    write_secret("wrong.psk", "laptop:" KEY_B "\n");
    write_secret("b.psk", "desktop:" KEY_B "\n");
    write_secret("both.psk", "laptop:" KEY_A "\ndesktop:" KEY_B "\r\n");
    test_good(TLS_CHILDREN_DHE, TLS_RESUME_REQUIRE);
    test_good(TLS_CHILDREN_DHE, TLS_RESUME_PREFER);
    test_good(TLS_CHILDREN_PSK, TLS_RESUME_REQUIRE);
    test_refusals();
    test_fresh_child(TLS_RESUME_REQUIRE);
    test_fresh_child(TLS_RESUME_PREFER);
    test_recheck();
    test_reload();
    test_files();
    message_cache_clear();
    return tap_done();
}
