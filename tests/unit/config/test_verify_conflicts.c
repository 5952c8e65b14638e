/* Checks of options that have no use beside others. */
#include "config/verify.h"

#include "tests/lib/tap.h"
#include "tests/unit/config/fixture.h"

static struct fixture fixture;

#define CA   "ca = \"ca.pem\"; "
#define CERT "cert = \"a.pem\"; key = \"a.key\"; "
#define PEER "peer = \"p\"; "
#define PIN  "pins = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"; "
#define TWO_PINS                                                                                   \
    "pins = [ "                                                                                    \
    "\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\", "                \
    "\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a09\" ]; "

/* Loads one tunnel, its tls in line 2; global: before it, in line 1. */
static struct config *load(const char *role, const char *tls, const char *global)
{
    char text[4096];
    bool client = strcmp(role, "client") == 0;
    snprintf(text, sizeof text,
             "%s tunnels = ( { name = \"t\"; role = \"%s\"; %s = \"127.0.0.1:1\"; %s\n"
             "tls = { %s }; } );",
             global, role, client ? "remote" : "local", FIXTURE_SERVICES, tls);
    return fixture_load(&fixture, text);
}

static bool is_fine(const char *role, const char *tls, const char *global)
{
    struct config *config = load(role, tls, global);
    bool fine = config && !*fixture.said;
    if (!fine)
        printf("# said: %s", fixture.said);
    config_free(config);
    return fine;
}

/* True if exactly this line was printed. */
static bool says_with(const char *role, const char *tls, const char *global, const char *line)
{
    char expected[1024];
    config_free(load(role, tls, global));
    snprintf(expected, sizeof expected, "%s:%s\n", fixture.file, line);
    bool same = strcmp(fixture.said, expected) == 0;
    if (!same)
        printf("# said: %s# not: %s", fixture.said, expected);
    return same;
}

static bool says(const char *role, const char *tls, const char *line)
{
    return says_with(role, tls, "", line);
}

static void fine_ones(void)
{
    static const struct {
        const char *role, *tls;
    } rows[] = {
        {"client", CA CERT PEER "records = \"gnutls\"; "},
        {"server", CA CERT "allow = \"c\"; records = \"own\"; "},
        {"client", CA CERT PEER},
        {"client", CA CERT "peer = \"spiffe://example/server\";"},
        {"client", CERT PIN},
        {"client", CA CERT PEER PIN},
        {"server", CA CERT PIN},
        {"client", "known = \"a.pem\"; key = \"a.key\";"},
        {"server", "known = \"a.pem\"; key = \"a.key\";"},
        {"client", "psk = \"a.key\"; psk_identity = \"x\";"},
        {"server", "psk = \"a.key\";"},
        {"client", CA PEER "cert = \"pkcs11:object=c\"; key = \"pkcs11:object=k\";"},
        {"server", CA CERT "allow = \"c\"; crl = \"ca.pem\"; ocsp = \"require\"; staple = "
                           "\"a.pem\"; ticket_key_file = \"a.key\";"},
        {"server", CA CERT "allow = \"c\"; min_version = \"1.2\"; resume_by = \"ids\";"},
        {"client", CA CERT PEER "max_version = \"1.2\";"},
        {"client", CA CERT PEER "children = \"psk\"; rekey_on_lease = true; rekey_bytes = 1000;"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ok(is_fine(rows[i].role, rows[i].tls, ""), "fine: %s", rows[i].tls);
}

static void values(void)
{
    struct config *config =
        load("server",
             CERT CA "allow = \"c\"; max_version = \"1.2\"; resume_by = \"ids\"; crl = \"ca.pem\";",
             "sessions = { max_entries = 99; max_servers = 7; };");
    const struct config_tls *tls = config ? &config->tunnels[0].tls : NULL;
    ok(tls && tls->min_version == CONFIG_TLS_1_2 && tls->max_version == CONFIG_TLS_1_2,
       "a default min_version gives way");
    ok(tls && tls->resume.by == CONFIG_BY_IDS && tls->crl[0] == '/' && !tls->children_psk,
       "words and paths");
    const struct config_sessions *sessions = config ? &config->sessions : NULL;
    ok(sessions && sessions->max_entries == 99 && sessions->max_servers == 7 &&
           sessions->max_bytes == 33554432,
       "sessions");
    config_free(config);
    config = load("client", CA PEER "cert = \"pkcs11:object=c\"; key = \"pkcs11:object=k\";", "");
    ok(config && strcmp(config->tunnels[0].tls.key, "pkcs11:object=k") == 0, "a URI is no path");
    config_free(config);
}

static void ways(void)
{
    static const char one[] = "exclude each other: a peer is identified by certificates (ca, "
                              "pins), or by raw public keys "
                              "(known), or by pre-shared keys (psk); keep one of them";
    static const struct {
        const char *tls, *keys;
    } rows[] = {
        {CA "key = \"a.key\"; known = \"a.pem\"; peer = \"p\";", "tls.known and tls.ca"},
        {PIN "known = \"a.pem\"; key = \"a.key\";", "tls.known and tls.pins"},
        {CA PEER "psk = \"a.key\";", "tls.psk and tls.ca"},
        {"known = \"a.pem\"; psk = \"a.key\";", "tls.psk and tls.known"},
    };
    char line[512];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line, "2: %s %s", rows[i].keys, one);
        ok(says("client", rows[i].tls, line), "%s", rows[i].keys);
    }
    ok(says("client", "known = \"a.pem\";", "2: tls has no key; write key = \"NAME.pem\";"),
       "a raw key is needed");
    ok(says("client", CA CERT, "2: tls has no peer; write peer = \"…\";"), "a CA needs a name");
    ok(says("client", PIN "key = \"a.key\";", "2: tls has no cert; write cert = \"NAME.pem\";"),
       "pins are for certificates");
    static const char raw[] = "is for certificates, but tls.known says that raw public keys are "
                              "used; remove it, or use ca instead of known";
    static const char *const useless[] = {"cert", "crl", "staple"};
    char tls[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(tls, sizeof tls, "known = \"a.pem\"; key = \"a.key\"; %s = \"a.pem\";",
                 useless[i]);
        snprintf(line, sizeof line, "2: tls.%s %s", useless[i], raw);
        ok(says("server", tls, line), "raw keys with %s", useless[i]);
    }
    ok(says("server", "psk = \"a.key\"; key = \"a.key\";",
            "2: tls.key has no use with tls.psk, which identifies both ends; remove it, or "
            "use ca or known instead of psk"),
       "psk with a key");
    ok(says("server", "psk = \"a.key\"; ticket_key_file = \"a.key\";",
            "2: tls.ticket_key_file has no use with tls.psk: such masters are never resumed across "
            "a restart, a new one costs as little; remove it"),
       "psk with ticket keys");
    ok(says("client", CA CERT PEER "psk_identity = \"x\";",
            "2: tls.psk_identity names a key of tls.psk, which is not given; write psk = "
            "\"FILE\", or remove it"),
       "psk_identity alone");
    ok(says("server", CERT PIN "crl = \"a.pem\";",
            "2: tls.crl needs the CA that has signed it; add ca = \"NAME.pem\""),
       "a CRL without its CA");
    ok(says("server", CERT PIN "ocsp = \"require\";",
            "2: tls.ocsp = \"require\" needs the CA that signs responses; add ca = \"NAME.pem\""),
       "OCSP without its CA");
    ok(is_fine("server", CERT PIN "ocsp = \"stapled\";", ""), "OCSP where it comes along");
}

static void versions(void)
{
    ok(says("client", CA CERT PEER "min_version = \"1.3\"; max_version = \"1.2\";",
            "2: tls.min_version = \"1.3\" is more than tls.max_version = \"1.2\"; raise "
            "max_version, or lower min_version"),
       "versions in order");
    ok(says("client", CA CERT PEER "min_version = \"1.1\";",
            "2: tls.min_version = \"1.1\" is not possible: TLS 1.1 is broken; write \"1.2\" or "
            "\"1.3\""),
       "old versions");
    ok(says("client", "known = \"a.pem\"; key = \"a.key\"; max_version = \"1.2\";",
            "2: raw public keys (tls.known) need TLS 1.3 alone; remove min_version and "
            "max_version"),
       "raw keys with TLS 1.2");
    ok(says("server", "psk = \"a.key\"; min_version = \"1.2\";",
            "2: pre-shared keys (tls.psk) need TLS 1.3 alone; remove min_version and max_version"),
       "psk with TLS 1.2");
    ok(says("server", CA CERT "allow = \"c\"; resume_by = \"ids\";",
            "2: tls.resume_by is for TLS 1.2, which is not allowed here; write min_version = "
            "\"1.2\", or remove it"),
       "resume_by without TLS 1.2");
    static const char *const only_13[] = {"children = \"psk\"", "rekey_bytes = 1",
                                          "rekey_on_lease = true", "records = \"gnutls\""};
    char tls[256], line[256];
    for (size_t i = 0; i < sizeof only_13 / sizeof *only_13; i++) {
        snprintf(tls, sizeof tls, CA CERT PEER "max_version = \"1.2\"; %s;", only_13[i]);
        snprintf(
            line, sizeof line,
            "2: tls.%.*s is for TLS 1.3, but max_version = \"1.2\"; raise that, or remove this",
            (int)strcspn(only_13[i], " "), only_13[i]);
        ok(says("client", tls, line), "%s without TLS 1.3", only_13[i]);
    }
    ok(says("server", CA CERT "allow = \"c\"; children = \"psk\"; ticket_key_file = \"a.key\";",
            "2: tls.ticket_key_file has no use with children = \"psk\": such masters are never "
            "resumed; remove one of them"),
       "ticket keys that nothing uses");
    ok(says("server",
            CA CERT "allow = \"c\"; max_version = \"1.2\"; resume_by = \"ids\"; ticket_key_file = "
                    "\"a.key\";",
            "2: tls.ticket_key_file has no use with resume_by = \"ids\": no tickets are given; "
            "remove one of them"),
       "and tickets that nobody gets");
}

static void roles(void)
{
    ok(says("client", CA CERT PEER "ticket_key_file = \"a.key\";",
            "2: tls.ticket_key_file is only for role = \"server\"; remove it here"),
       "ticket keys are the server's");
    ok(says("server", CA CERT "allow = \"c\"; psk_identity = \"x\";",
            "2: tls.psk_identity is only for role = \"client\"; remove it here"),
       "psk_identity is the client's");
    ok(says("client", CA CERT "peer = \"h:99\";",
            "2: tls.peer = \"h:99\" is not a name; write the DNS name or IP address in the "
            "server's certificate, without a port"),
       "a port in peer");
}

static void redis(void)
{
    static const char text[] = "sessions = { redis = { address = \"127.0.0.1:6379\"; key_file = "
                               "\"a.key\"; }; };";
#ifdef WITHOUT_REDIS
    ok(says_with("server", CA CERT "allow = \"c\"; min_version = \"1.2\";", text,
                 "1: redis.address has no use: this hawser is built without Redis (WITH_REDIS=0)"),
       "Redis, which is not built in");
#else
    struct config *config = load(
        "server", CA CERT "allow = \"c\"; min_version = \"1.2\";",
        "sessions = { redis = { address = \"unix:r\"; key_file = \"a.key\"; timeout = 0.1; }; };");
    const struct config_redis *read = config ? &config->sessions.redis : NULL;
    ok(read && read->timeout_us == 100000 && read->max_queued == 1024 &&
           read->address.address.any.sa_family == AF_UNIX &&
           read->address.address.un.sun_path[0] == '/',
       "what Redis is given");
    config_free(config);
    ok(is_fine("server", CA CERT "allow = \"c\"; min_version = \"1.2\";", text), "Redis");
    ok(says_with("server", CA CERT "allow = \"c\";", text,
                 "1: warning: redis.address has no use: no server tunnel allows TLS 1.2 "
                 "(tls.min_version); with TLS 1.3, servers share tls.ticket_key_file"),
       "Redis without TLS 1.2");
    ok(says_with("server", CA CERT "allow = \"c\"; min_version = \"1.2\";",
                 "sessions = { redis = { address = \"redis.example:6379\"; key_file = "
                 "\"a.key\"; }; };",
                 "1: redis.address is a name, and no handshake can wait "
                 "until it is looked up; write the IP address, or \"unix:/path\""),
       "Redis by name");
    ok(says_with("server", CA CERT "allow = \"c\"; min_version = \"1.2\";",
                 "sessions = { redis = { address = \"127.0.0.1:6379\"; }; };",
                 "1: redis has no key_file; write key_file = \"FILE\";"),
       "Redis without a key");
#endif
}

static void sessions(void)
{
    ok(says_with("server", CA CERT "allow = \"c\";", "sessions = { file = \"kept\"; };",
                 "1: warning: sessions.file has no use: no client tunnel can be resumed after a "
                 "restart"),
       "a client's file at a server");
    ok(is_fine("client", CA CERT PEER, "sessions = { file = \"kept\"; };"),
       "at a client it need not be there");
    config_free(load("client", CA CERT PEER, "sessions = { file = \"none/kept\"; };"));
    ok(strstr(fixture.said, "1: warning: sessions.file: cannot use the directory ") &&
           strstr(fixture.said, "/none: No such file or directory\n"),
       "but its directory");
}

static void transports(void)
{
    ok(fixture_client_says(
           &fixture, "encap_port = 9899; " FIXTURE_SERVICES,
           "3: warning: encap_port has no effect with transport = \"udp\", which is inside UDP "
           "anyway, at the ports of local and remote; it is for transport = \"kernel\""),
       "encap_port with udp");
}

static void services(void)
{
    struct config *config = fixture_load_client(
        &fixture, "services = ( { name = \"a\"; connect = \"127.0.0.1:80\"; allow = [ \"x\", "
                  "\"sha256:y\" ]; } );");
    ok(config && config->tunnels[0].services[0].allow.count == 2, "allow of a service");
    config_free(config);
}

/* True if a listening service of a server with this tls is refused without a rule of its own. */
static bool wants_rule(const char *tls, const char *rule)
{
    char text[2048];
    snprintf(
        text, sizeof text,
        "tunnels = ( { name = \"t\"; role = \"server\"; local = \"127.0.0.1:1\"; max_peers = 1;\n"
        "tls = { %s };\nservices = ( { name = \"back\";\nlisten = \"127.0.0.1:80\"; %s } ); } "
        ");",
        tls, rule);
    config_free(fixture_load(&fixture, text));
    return strstr(fixture.said,
                  ":4: service \"back\" listens at the server, and tls lets more than "
                  "one client in");
}

static void who_serves(void)
{
    static const char *const several[] = {CA CERT,
                                          CA CERT "allow = [ \"a\", \"b\" ];",
                                          CA CERT "allow = \"*.a.example\";",
                                          CA CERT "allow = \"spiffe://example/*\";",
                                          CERT TWO_PINS,
                                          CA CERT TWO_PINS};
    static const char *const one[] = {CA CERT "allow = \"a\";", CERT PIN,
                                      CERT TWO_PINS "allow = \"sha256:9f\";", "psk = \"a.key\";",
                                      "known = \"a.key\"; key = \"a.key\";"};
    for (size_t i = 0; i < sizeof several / sizeof several[0]; i++)
        ok(wants_rule(several[i], "") && !wants_rule(several[i], "allow = \"a\";"),
           "who serves a service must be said with %s", several[i]);
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++)
        ok(!wants_rule(one[i], ""), "but not with %s", one[i]);
    struct config *config = fixture_load_client(
        &fixture, "services = ( { name = \"a\"; listen = \"127.0.0.1:80\"; allow = \"x\"; } );");
    ok(config && config->tunnels[0].services[0].allow.count == 1, "a client may say it, too");
    config_free(config);
}

int main(void)
{
    fixture_init(&fixture);
    fine_ones();
    values();
    ways();
    versions();
    roles();
    redis();
    sessions();
    transports();
    services();
    who_serves();
    fixture_fini(&fixture);
    return tap_done();
}
