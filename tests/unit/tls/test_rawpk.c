/* Raw public keys with files of known keys: pairs without a CA. */
#include "tests/unit/tls/pair.h"
#include "tls/issue.h"

static char why[512];

static struct tls_issue_pair server_key, client_key, stranger_key;

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void write_known(const char *file, const char *key, const char *name)
{
    char line[512];
    snprintf(line, sizeof line, "# known\n\n  %s\t%s  # comment\n", key, name);
    write_text(file, line);
}

static struct tls_options raw_options(enum tls_role role, const char *key, const char *known)
{
    return (struct tls_options){.rules.role = role,
                                .key = path_of(key),
                                .known = path_of(known),
                                .rules.ticket_lifetime_s = 3600};
}

static void make_keys(void)
{
    struct tls_issue_pair *const pairs[] = {&server_key, &client_key, &stranger_key};
    static const char *const names[] = {"raw-server.key", "raw-client.key", "raw-stranger.key"};
    for (int i = 0; i < 3; i++) {
        enum err result = tls_issue_pair(pairs[i], why, sizeof why);
        ok(result == ERR_OK, "a key pair: %s", pairs[i]->public_key);
        write_text(names[i], pairs[i]->key_pem);
    }
    write_known("knows-server", server_key.public_key, "office");
    write_known("knows-client", client_key.pin, "laptop.clients.example");
    write_known("knows-stranger", stranger_key.pin, "stranger");
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

static void test_good(enum tls_resume resume)
{
    struct tls_options client_options = raw_options(TLS_CLIENT, "raw-client.key", "knows-server"),
                       server_options = raw_options(TLS_SERVER, "raw-server.key", "knows-client");
    const char *allow[] = {"*.clients.example"};
    client_options.peer = "office";
    server_options.allow = allow;
    server_options.allow_count = 1;
    client_options.rules.resume = server_options.rules.resume = resume;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct pair pair, child;
    bool is_open = open_master(&pair, client, server, NULL);
    ok(is_open, "a master by raw keys (%s) (%s)", tls_session_detail(pair.client.session),
       tls_session_detail(pair.server.session));
    ok(strcmp(tls_session_peer(pair.client.session), "office") == 0 &&
           strcmp(tls_session_peer(pair.server.session), "laptop.clients.example") == 0,
       "each calls the other as its own file does: %s, %s", tls_session_peer(pair.client.session),
       tls_session_peer(pair.server.session));
    const struct tls_identity *identity = tls_session_identity(pair.server.session);
    const char *const patterns[] = {client_key.pin, server_key.pin};
    ok(identity && identity->kind == TLS_IDENTITY_RAW_KEY &&
           tls_identity_matches(identity, &patterns[0], 1) &&
           !tls_identity_matches(identity, &patterns[1], 1),
       "the server knows the client's pin");
    struct tls_generation *cg = tls_session_generation(pair.client.session),
                          *sg = tls_session_generation(pair.server.session);
    ok(cg && sg, "children can be resumed from it");
    struct tls_ticket *ticket = tls_session_take_ticket(pair.client.session);
    ok(ticket, "and so can the next master");
    for (int i = 0; i < 3; i++) {
        ok(open_child(&child, client, cg, server, sg) &&
               tls_session_is_resumed(child.client.session) &&
               tls_session_is_resumed(child.server.session),
           "a child is resumed");
        ok(strcmp(tls_session_peer(child.server.session), "laptop.clients.example") == 0,
           "it knows its peer");
        free_pair(&child);
    }
    free_pair(&pair);
    is_open = open_master(&pair, client, server, ticket);
    ok(is_open && tls_session_is_resumed(pair.server.session), "the next master is resumed (%s)",
       tls_session_detail(pair.server.session));
    ok(strcmp(tls_session_peer(pair.client.session), "office") == 0 &&
           strcmp(tls_session_peer(pair.server.session), "laptop.clients.example") == 0,
       "and its peers are known from the ticket");
    free_pair(&pair);
    tls_generation_unref(cg);
    tls_generation_unref(sg);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static const struct {
    const char *what, *client_key, *client_known, *server_known, *peer, *allow;
    enum err client, server;
    const char *words;
} refusals[] = {
    {"a client whose key is not known", "raw-stranger.key", "knows-server", "knows-client", NULL,
     NULL, ERR_TLS_HANDSHAKE, ERR_TLS_PEER_UNVERIFIED, "not among the known keys"},
    {"a server whose key is not known", "raw-client.key", "knows-stranger", "knows-client", NULL,
     NULL, ERR_TLS_PEER_UNVERIFIED, ERR_TLS_HANDSHAKE, "not among the known keys"},
    {"a server of another name", "raw-client.key", "knows-server", "knows-client", "home", NULL,
     ERR_TLS_PEER_NAME, ERR_TLS_HANDSHAKE, "known \"office\""},
    {"a client that is known and not allowed", "raw-client.key", "knows-server", "knows-client",
     NULL, "desktop", ERR_TLS_HANDSHAKE, ERR_TLS_PEER_NAME, "known \"laptop.clients.example\""},
};

static void test_refusals(void)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct tls_options client_options = raw_options(TLS_CLIENT, refusals[i].client_key,
                                                        refusals[i].client_known),
                           server_options =
                               raw_options(TLS_SERVER, "raw-server.key", refusals[i].server_known);
        client_options.peer = refusals[i].peer;
        server_options.allow = &refusals[i].allow;
        server_options.allow_count = refusals[i].allow ? 1 : 0;
        struct tls_credentials *client = load_credentials(client_options),
                               *server = load_credentials(server_options);
        struct pair pair;
        open_master(&pair, client, server, NULL);
        enum err at_client = result_at(&pair.client), at_server = result_at(&pair.server);
        ok(at_client == refusals[i].client && at_server == refusals[i].server,
           "%s: client %s, server %s", refusals[i].what, err_name(at_client), err_name(at_server));
        const char *detail = tls_session_detail(
            at_client == ERR_TLS_HANDSHAKE ? pair.server.session : pair.client.session);
        ok(strstr(detail, refusals[i].words), "  %s", detail);
        ok(!tls_session_generation(pair.client.session) &&
               !tls_session_generation(pair.server.session),
           "  nothing can be resumed from it");
        free_pair(&pair);
        tls_credentials_unref(client);
        tls_credentials_unref(server);
    }
}

/* One side has certificates, the other raw keys. */
static void test_mixed(bool raw_client)
{
    struct tls_credentials *client = load_credentials(
                               raw_client
                                   ? raw_options(TLS_CLIENT, "raw-client.key", "knows-server")
                                   : options_for(TLS_CLIENT, "client")),
                           *server = load_credentials(
                               raw_client
                                   ? options_for(TLS_SERVER, "server")
                                   : raw_options(TLS_SERVER, "raw-server.key", "knows-client"));
    struct pair pair;
    open_master(&pair, client, server, NULL);
    enum err at_client = result_at(&pair.client), at_server = result_at(&pair.server);
    ok(at_client != ERR_OK && at_server != ERR_OK,
       "raw keys at one end, certificates at the other: %s (%s), %s (%s)", err_name(at_client),
       tls_session_detail(pair.client.session), err_name(at_server),
       tls_session_detail(pair.server.session));
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

/* A child that was not resumed, by somebody whom we know too. */
static void test_other_child(void)
{
    char both[1024];
    snprintf(both, sizeof both, "%s laptop\n%s stranger\n", client_key.pin, stranger_key.pin);
    write_text("knows-both", both);
    struct tls_options options = raw_options(TLS_CLIENT, "raw-client.key", "knows-server");
    options.rules.resume = TLS_RESUME_PREFER;
    struct tls_credentials *client = load_credentials(options);
    options.key = path_of("raw-stranger.key");
    struct tls_credentials *stranger = load_credentials(options);
    options = raw_options(TLS_SERVER, "raw-server.key", "knows-both");
    options.rules.resume = TLS_RESUME_PREFER;
    struct tls_credentials *server = load_credentials(options), *other = load_credentials(options);
    struct pair first, second, child;
    ok(open_master(&first, client, server, NULL) && open_master(&second, client, other, NULL),
       "two masters with servers of other ticket keys");
    struct tls_generation *cg = tls_session_generation(first.client.session),
                          *og = tls_session_generation(second.server.session);
    ok(open_child(&child, client, cg, other, og) && !tls_session_is_resumed(child.server.session),
       "a child that cannot be resumed is accepted with the same key");
    free_pair(&child);
    start_child(&child, stranger, cg, other, og, NULL);
    shake(&child);
    ok(result_at(&child.server) == ERR_TLS_NOT_RESUMED,
       "and refused with another that is known: %s", tls_session_detail(child.server.session));
    free_pair(&child);
    free_pair(&first);
    free_pair(&second);
    tls_generation_unref(cg);
    tls_generation_unref(og);
    tls_credentials_unref(client);
    tls_credentials_unref(stranger);
    tls_credentials_unref(server);
    tls_credentials_unref(other);
}

static void test_recheck(void)
{
    struct tls_credentials *client = load_credentials(
                               raw_options(TLS_CLIENT, "raw-client.key", "knows-server")),
                           *server = load_credentials(
                               raw_options(TLS_SERVER, "raw-server.key", "knows-client")),
                           *later = load_credentials(
                               raw_options(TLS_SERVER, "raw-server.key", "knows-stranger"));
    struct pair pair;
    must(open_master(&pair, client, server, NULL));
    const struct tls_identity *identity = tls_session_identity(pair.server.session);
    ok(tls_credentials_recheck(server, identity, why, sizeof why) == ERR_OK, "still known");
    ok(tls_credentials_recheck(later, identity, why, sizeof why) == ERR_TLS_PEER_UNVERIFIED &&
           strstr(why, client_key.pin),
       "no longer known: %s", why);
    struct tls_credentials *certificates = load_credentials(options_for(TLS_SERVER, "server"));
    ok(tls_credentials_recheck(certificates, identity, why, sizeof why) == ERR_TLS_PEER_UNVERIFIED,
       "known in another way: %s", why);
    free_pair(&pair);
    tls_credentials_unref(certificates);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(later);
}

static void refuses_file(const char *text, const char *words)
{
    struct tls_credentials *credentials;
    write_text("known", text);
    struct tls_options options = raw_options(TLS_CLIENT, "raw-client.key", "known");
    why[0] = 0;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS && strstr(why, words), "%s", why);
}

static void test_files(void)
{
    char text[512], line[256];
    refuses_file("", "holds no key");
    refuses_file("# only a comment\n", "holds no key");
    refuses_file("sha256:00 x\n", ":1: \"sha256:00\" is neither");
    snprintf(line, sizeof line, "%s a\n", server_key.pin);
    snprintf(text, sizeof text, "%s%s b\n", line, server_key.public_key);
    refuses_file(text, ":2: the key of \"a\" appears twice");
    snprintf(text, sizeof text, "\n%s\n%s A\n", line, client_key.public_key);
    refuses_file(text, ":4: the name \"A\" appears twice");
    snprintf(text, sizeof text, "%s\n", server_key.pin);
    refuses_file(text, "a name must follow");
    snprintf(text, sizeof text, "%s a b\n", server_key.pin);
    refuses_file(text, "cannot be the name");
    snprintf(text, sizeof text, "%s *.example\n", server_key.pin);
    refuses_file(text, "cannot be the name");
    snprintf(text, sizeof text, "%.20s x\n", server_key.public_key);
    refuses_file(text, "is neither");
    struct tls_options options = raw_options(TLS_CLIENT, "nowhere", "knows-server");
    struct tls_credentials *credentials;
    ok(tls_credentials_new(&options, &credentials, why, sizeof why) == ERR_TLS_CREDENTIALS &&
           strstr(why, "nowhere"),
       "%s", why);
    options.known = path_of("nowhere");
    ok(tls_credentials_new(&options, &credentials, why, sizeof why) == ERR_TLS_CREDENTIALS, "%s",
       why);
    options = raw_options(TLS_CLIENT, "raw-client.key", "knows-server");
    options.ca = path_of("ca.pem");
    ok(tls_credentials_new(&options, &credentials, why, sizeof why) == ERR_TLS_CREDENTIALS &&
           strstr(why, "exactly one"),
       "%s", why);
    options.ca = NULL;
    options.rules.min_version = TLS_VERSION_1_2;
    ok(tls_credentials_new(&options, &credentials, why, sizeof why) == ERR_TLS_CREDENTIALS &&
           strstr(why, "need TLS 1.3"),
       "%s", why);
}

int main(void)
{
    make_certificates();
    make_keys();
    test_good(TLS_RESUME_REQUIRE);
    test_good(TLS_RESUME_PREFER);
    test_refusals();
    test_mixed(true);
    test_mixed(false);
    test_other_child();
    test_recheck();
    test_files();
    tls_issue_pair_clear(&server_key);
    tls_issue_pair_clear(&client_key);
    tls_issue_pair_clear(&stranger_key);
    message_cache_clear();
    return tap_done();
}
