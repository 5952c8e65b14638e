#include "config/verify.h"

#include <arpa/inet.h>
#include <string.h>

/* An option that is given, and why that cannot be. */
struct clash {
    const void *field;
    const char *key, *why;
};

static void complain_of(struct loading *loading, const struct config_tunnel *tunnel,
                        const struct clash *clashes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (loading_is_given(loading, clashes[i].field))
            complain(loading, ERROR, clashes[i].field, tunnel, "tls.%s %s", clashes[i].key,
                     clashes[i].why);
}
#define complain_of_all(loading, tunnel, ...)                                                      \
    complain_of((loading), (tunnel), (const struct clash[]){__VA_ARGS__},                          \
                sizeof((const struct clash[]){__VA_ARGS__}) / sizeof(struct clash))

/* ---- how the peer is known ---- */

/* False: in several ways, and what else does not fit only repeats it. */
static bool is_one_way(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    const void *first = tls->ca ? (const void *)&tls->ca : tls->pins.count ? &tls->pins.list : NULL;
    const char *first_key = tls->ca ? "ca" : "pins";
    const void *second = tls->known ? &tls->known : tls->psk ? (const void *)&tls->psk : NULL;
    const char *second_key = tls->known ? "known" : "psk";
    if (!first && tls->known && tls->psk) {
        first = &tls->known;
        first_key = "known";
        second = &tls->psk;
        second_key = "psk";
    }
    if (!first || !second)
        return true;
    complain(loading, ERROR, second, tunnel,
             "tls.%s and tls.%s exclude each other: a peer is known by certificates (ca, pins), or "
             "by raw public keys (known), or by pre-shared keys (psk); keep one of them",
             second_key, first_key);
    return false;
}

static void verify_raw_keys(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    static const char why[] = "is for certificates, but tls.known says that raw public keys are "
                              "used; remove it, or use ca instead of known";
    complain_of_all(loading, tunnel, {&tls->cert, "cert", why}, {&tls->crl, "crl", why},
                    {&tls->staple, "staple", why}, {&tls->ocsp_required, "ocsp", why});
}

static void verify_psk(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    static const char why[] = "has no use with tls.psk, by which both ends know each other; remove "
                              "it, or use ca or known instead of psk";
    complain_of_all(loading, tunnel, {&tls->cert, "cert", why}, {&tls->key, "key", why},
                    {&tls->crl, "crl", why}, {&tls->staple, "staple", why},
                    {&tls->ocsp_required, "ocsp", why},
                    {&tls->resume.ticket_key_file, "ticket_key_file",
                     "has no use with tls.psk: such masters are never resumed across a restart, a "
                     "new one costs as little; remove it"});
}

static void verify_certificates(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    complain_of_all(loading, tunnel,
                    {&tls->psk_identity, "psk_identity",
                     "names a key of tls.psk, which is not given; write psk = \"FILE\", or remove "
                     "it"});
    if (!tls->ca && tls->pins.count)
        complain_of_all(
            loading, tunnel,
            {&tls->crl, "crl", "needs the CA that has signed it; add ca = \"NAME.pem\""},
            {tls->ocsp_required ? &tls->ocsp_required : NULL, "ocsp",
             "= \"require\" needs the CA that signs responses; add ca = "
             "\"NAME.pem\""});
}

static bool is_pattern_of_another_kind(const char *peer)
{
    return strstr(peer, "://") || strncmp(peer, "sha256:", 7) == 0;
}

static void verify_peer(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    struct in6_addr ignored;
    if (tls->peer && strchr(tls->peer, ':') && !is_pattern_of_another_kind(tls->peer) &&
        inet_pton(AF_INET6, tls->peer, &ignored) != 1)
        complain(loading, ERROR, &tls->peer, tunnel,
                 "tls.peer = \"%s\" is not a name; write the DNS name or IP address in the "
                 "server's certificate, without a port",
                 tls->peer);
    if (tunnel->role == CONFIG_SERVER && tls->ca && !tls->pins.count && !tls->allow.count &&
        !loading_is_given(loading, &tls->allow.list))
        complain(loading, WARNING, &tls->ca, tunnel,
                 "the tunnel has no tls.allow: every certificate of the CA is accepted; write "
                 "allow = [ \"name of the client\" ];");
}

/* max_peers is no matter here: who comes first would decide. */
bool verify_tls_admits_several(const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    bool names_one = tls->allow.count == 1 && !strchr(tls->allow.list[0], '*');
    return tunnel->role == CONFIG_SERVER && !names_one && tls->pins.count != 1 && !tls->known &&
           !tls->psk;
}

/* ---- versions ---- */

static void verify_only_13(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    complain_of_all(loading, tunnel,
                    {&tls->resume.by, "resume_by",
                     "is for TLS 1.2, which is not allowed here; write min_version = \"1.2\", or "
                     "remove it"});
    if (tls->children_psk)
        complain_of_all(loading, tunnel,
                        {&tls->resume.ticket_key_file, "ticket_key_file",
                         "has no use with children = \"psk\": such masters are never resumed; "
                         "remove one of them"});
}

static void verify_only_12(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    static const char why[] =
        "is for TLS 1.3, but max_version = \"1.2\"; raise that, or remove this";
    complain_of_all(loading, tunnel, {&tls->children_psk, "children", why},
                    {&tls->records_gnutls, "records", why}, {&tls->rekey.bytes, "rekey_bytes", why},
                    {&tls->rekey.on_lease, "rekey_on_lease", why});
    if (tls->resume.by == CONFIG_BY_IDS)
        complain_of_all(loading, tunnel,
                        {&tls->resume.ticket_key_file, "ticket_key_file",
                         "has no use with resume_by = \"ids\": no tickets are given; remove one of "
                         "them"});
}

static void verify_versions(struct loading *loading, struct config_tunnel *tunnel)
{
    struct config_tls *tls = &tunnel->tls;
    if (!loading_is_given(loading, &tls->min_version) && tls->max_version < tls->min_version)
        tls->min_version = tls->max_version;
    if (tls->min_version > tls->max_version) {
        complain(loading, ERROR, &tls->min_version, tunnel,
                 "tls.min_version = \"1.3\" is more than tls.max_version = \"1.2\"; raise "
                 "max_version, or lower min_version");
        return;
    }
    bool has_12 = tls->min_version == CONFIG_TLS_1_2, has_13 = tls->max_version == CONFIG_TLS_1_3;
    if (has_12 && (tls->known || tls->psk))
        complain(loading, ERROR,
                 loading_is_given(loading, &tls->min_version) ? &tls->min_version
                                                              : &tls->max_version,
                 tunnel, "%s need TLS 1.3 alone; remove min_version and max_version",
                 tls->known ? "raw public keys (tls.known)" : "pre-shared keys (tls.psk)");
    else if (!has_12)
        verify_only_13(loading, tunnel);
    else if (!has_13)
        verify_only_12(loading, tunnel);
}

void verify_tls(struct loading *loading, struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    if (is_one_way(loading, tunnel)) {
        if (tls->known)
            verify_raw_keys(loading, tunnel);
        else if (tls->psk)
            verify_psk(loading, tunnel);
        if (!tls->psk)
            verify_certificates(loading, tunnel);
    }
    verify_peer(loading, tunnel);
    verify_versions(loading, tunnel);
}

/* ---- sessions ---- */

static void verify_redis(struct loading *loading, bool has_12)
{
    const struct config_redis *redis = &loading->config->sessions.redis;
#ifdef WITHOUT_REDIS
    if (redis->key_file)
        complain(loading, ERROR, &redis->address, NULL,
                 "sessions.redis: this hawser is built without Redis (WITH_REDIS=0)");
#endif
    if (redis->address.needs_lookup)
        complain(loading, ERROR, &redis->address, NULL,
                 "redis.address = \"%s\" is a name, and no handshake can wait until it is looked "
                 "up; write the IP address, or \"unix:/path\"",
                 redis->address.text);
    if (redis->key_file && !has_12)
        complain(loading, WARNING, &redis->address, NULL,
                 "sessions.redis has no use: no server tunnel allows TLS 1.2 (tls.min_version); "
                 "with TLS 1.3, servers share tls.ticket_key_file");
}

void verify_tls_sessions(struct loading *loading)
{
    const struct config *config = loading->config;
    bool has_12 = false, has_client = false;
    for (size_t i = 0; i < config->tunnel_count; i++) {
        const struct config_tunnel *tunnel = &config->tunnels[i];
        has_12 |= tunnel->role == CONFIG_SERVER && tunnel->tls.min_version == CONFIG_TLS_1_2;
        has_client |= tunnel->role == CONFIG_CLIENT && !tunnel->tls.children_psk;
    }
    verify_redis(loading, has_12);
    if (config->sessions.file && !has_client)
        complain(loading, WARNING, &config->sessions.file, NULL,
                 "sessions.file has no use: no client tunnel can be resumed after a restart");
}
