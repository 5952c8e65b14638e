/* Options that have no use beside others. */
#include <arpa/inet.h>
#include <string.h>

#include "config/verify.h"

/* Bits: what the other options say. */
enum fact {
    KNOWN = 1 << 0,      /* the peer is known by raw public keys */
    PSK = 1 << 1,        /* by pre-shared keys */
    NO_PSK = 1 << 2,     /* not by them */
    PINS_ALONE = 1 << 3, /* by the pin of its certificate, without a CA */
    OCSP = 1 << 4,       /* OCSP responses are required */
    ONLY_12 = 1 << 5,    /* no TLS 1.3 */
    ONLY_13 = 1 << 6,    /* no TLS 1.2 */
    BY_IDS = 1 << 7,     /* resume_by = "ids" */
    PSK_CHILDREN = 1 << 8,
    UDP = 1 << 9,          /* the transport */
    LISTENS = 1 << 10,     /* the service */
    NO_SOCKET = 1 << 11,   /* it does not listen at a UNIX socket */
    NO_CLIENT = 1 << 12,   /* no client tunnel can be resumed after a restart */
    NO_STORE = 1 << 13,    /* no server tunnel allows TLS 1.2 */
    NAMED_REDIS = 1 << 14, /* the address of Redis is a name */
    NO_REDIS = 1 << 15,    /* built without Redis */
};

/* Options that must not be given, or have no use, while all of the facts hold. */
static const struct conflict {
    enum option_section section;
    unsigned facts;
    enum severity severity;
    const char *keys[6]; /* up to NULL */
    const char *why;
} conflicts[] = {
#define CONFLICT(where, bits, kind, options, text)                                                 \
    {.section = SECTION_##where,                                                                   \
     .facts = bits,                                                                                \
     .severity = SEVERITY_##kind,                                                                  \
     .keys = options,                                                                              \
     .why = text},
#define KEYS(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#include "config/conflicts.def"
#undef CONFLICT
};

/* ---- facts of a tunnel ---- */

/* One way to know the peer is allowed. */
static unsigned facts_of_peer(struct loader *loader, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    const char *by_certificate = tls->ca ? "ca" : tls->pins.count ? "pins" : NULL;
    const char *first = by_certificate ? by_certificate : tls->known && tls->psk ? "known" : NULL;
    bool is_second_psk = tls->psk && (!by_certificate || !tls->known);
    if (first && (tls->known || tls->psk)) {
        report(loader, ERROR, is_second_psk ? &tls->psk : &tls->known, tunnel,
               "tls.%s and tls.%s exclude each other: a peer is identified by certificates (ca, "
               "pins), "
               "or by raw public keys (known), or by pre-shared keys (psk); keep one of them",
               is_second_psk ? "psk" : "known", first);
        return 0; /* other conflicts would only repeat it */
    }
    return tls->psk ? PSK
                    : NO_PSK | (tls->known                    ? KNOWN
                                : tls->pins.count && !tls->ca ? PINS_ALONE
                                                              : 0);
}

static unsigned facts_of_versions(struct loader *loader, struct config_tunnel *tunnel)
{
    struct config_tls *tls = &tunnel->tls;
    if (!loader_is_given(loader, &tls->min_version) && tls->max_version < tls->min_version)
        tls->min_version = tls->max_version;
    bool has_12 = tls->min_version == CONFIG_TLS_1_2, has_13 = tls->max_version == CONFIG_TLS_1_3;
    if (tls->min_version > tls->max_version)
        report(loader, ERROR, &tls->min_version, tunnel,
               "tls.min_version = \"1.3\" is more than tls.max_version = \"1.2\"; raise "
               "max_version, or lower min_version");
    else if (has_12 && (tls->known || tls->psk))
        report(loader, ERROR,
               loader_is_given(loader, &tls->min_version) ? &tls->min_version : &tls->max_version,
               tunnel, "%s need TLS 1.3 alone; remove min_version and max_version",
               tls->known ? "raw public keys (tls.known)" : "pre-shared keys (tls.psk)");
    else
        return !has_12 ? ONLY_13 : !has_13 ? ONLY_12 : 0;
    return 0;
}

static unsigned facts_of_tunnel(struct loader *loader, struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    return facts_of_peer(loader, tunnel) | facts_of_versions(loader, tunnel) |
           (tls->ocsp_required ? OCSP : 0) | (tls->resume.by == CONFIG_BY_IDS ? BY_IDS : 0) |
           (tls->children_psk ? PSK_CHILDREN : 0) |
           (strcmp(tunnel->transport, "udp") == 0 ? UDP : 0);
}

/* ---- facts of the others ---- */

static unsigned facts_of_service(const struct config_service *service)
{
    bool listens = service->direction == CONFIG_LISTEN;
    bool is_unix = service->endpoint.text && !service->endpoint.needs_lookup &&
                   service->endpoint.address.any.sa_family == AF_UNIX;
    return (listens ? LISTENS : 0) | (listens && is_unix ? 0 : NO_SOCKET);
}

static unsigned facts_of_process(const struct config *config)
{
    unsigned facts = NO_CLIENT | NO_STORE;
#ifdef WITHOUT_REDIS
    facts |= NO_REDIS;
#endif
    for (size_t i = 0; i < config->tunnel_count; i++) {
        const struct config_tunnel *tunnel = &config->tunnels[i];
        if (tunnel->role == CONFIG_SERVER && tunnel->tls.min_version == CONFIG_TLS_1_2)
            facts &= ~NO_STORE;
        if (tunnel->role == CONFIG_CLIENT && !tunnel->tls.children_psk)
            facts &= ~NO_CLIENT;
    }
    return facts | (config->sessions.redis.address.needs_lookup ? NAMED_REDIS : 0);
}

/* ---- the peer ---- */

static bool is_name_or_address(const char *peer)
{
    struct in6_addr ignored;
    return !strchr(peer, ':') || strstr(peer, "://") || strncmp(peer, "sha256:", 7) == 0 ||
           inet_pton(AF_INET6, peer, &ignored) == 1;
}

static void check_peer(struct loader *loader, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    if (tls->peer && !is_name_or_address(tls->peer))
        report(loader, ERROR, &tls->peer, tunnel,
               "tls.peer = \"%s\" is not a name; write the DNS name or IP address in the "
               "server's certificate, without a port",
               tls->peer);
    if (tunnel->role == CONFIG_SERVER && tls->ca && !tls->pins.count && !tls->allow.count &&
        !loader_is_given(loader, &tls->allow.list))
        report(loader, WARNING, &tls->ca, tunnel,
               "the tunnel has no tls.allow: every certificate of the CA is accepted; write "
               "allow = [ \"name of the client\" ];");
}

/* max_peers does not count here: the first client to come would decide. */
bool verify_conflicts_admits_several(const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    bool names_one = tls->allow.count == 1 && !strchr(tls->allow.list[0], '*');
    return tunnel->role == CONFIG_SERVER && !names_one && tls->pins.count != 1 && !tls->known &&
           !tls->psk;
}

static void check_conflict(const struct verify_scope *scope, const struct conflict *conflict,
                           const char *key)
{
    const struct option_row *option = option_find(conflict->section, key);
    char *base = verify_base(scope, verify_owner(scope));
    const void *field = base + option->stored.offset;
    if (loader_is_given(scope->loader, field))
        diagnostics_add(scope->loader->diagnostics, conflict->severity,
                        loader_place(scope->loader, field, base), "%s %s", option->name,
                        conflict->why);
}

void verify_conflicts(const struct verify_scope *scope)
{
    enum option_owner owner = verify_owner(scope);
    unsigned facts = owner == OWNER_SERVICE  ? facts_of_service(scope->service)
                     : owner == OWNER_TUNNEL ? facts_of_tunnel(scope->loader, scope->tunnel)
                                             : facts_of_process(scope->config);
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++) {
        const struct conflict *conflict = &conflicts[i];
        if (option_sections[conflict->section].owner != owner ||
            (facts & conflict->facts) != conflict->facts)
            continue;
        for (size_t j = 0; conflict->keys[j]; j++)
            check_conflict(scope, conflict, conflict->keys[j]);
    }
    if (owner == OWNER_TUNNEL)
        check_peer(scope->loader, scope->tunnel);
}
