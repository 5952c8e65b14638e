/* tls/policy.c: GnuTLS priorities from the options. */
#include "tls/credentials_private.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#include "tls/files.h"

#define PRIORITY_MAX 1024

/* One group and one cipher do nearly always, so a client makes one key share and the server never
 * has to ask for another; AES-128 with SHA-256 halves the key schedule of AES-256 with SHA-384.
 * Child, both ends: 240 µs against 350 to 460 µs with the library's defaults. The compatibility
 * mode of TLS 1.3 is for middleboxes on TCP: there are none inside SCTP. */
#define COMMON                                                                                     \
    ":-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM:"                                   \
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE"
#define ONLY_13  ":-VERS-ALL:+VERS-TLS1.3"
#define ONLY_PSK ONLY_13 ":-ECDHE-PSK:+PSK"
#define ONLY_12  ":-VERS-ALL:+VERS-TLS1.2"
/* Puts what was first behind the others. */
#define CHACHA_FIRST ":-AES-128-GCM:-AES-256-GCM:+AES-128-GCM:+AES-256-GCM"
/* Key exchanges and MACs are those of TLS 1.2; TLS 1.3 has its own. */
#define SAFE_12 ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL:+AEAD"
/* The extension that ties a renegotiation to its session (RFC 5746); there is none, but a peer that
 * does not know it may be open to one that somebody in between begins. */
#define BOUND_12 ":%SAFE_RENEGOTIATION"

/* Else a client of TLS 1.3 offers to be resumed with and without a key exchange, and a server may
 * choose. */
#define WITH_EXCHANGE ":+ECDHE-PSK"

#define DEFAULT_13 "NORMAL" ONLY_13 COMMON
const char TLS_PRIORITY_DEFAULT[] = DEFAULT_13;

/* By whether TLS 1.2 and TLS 1.3 are wanted. */
static const char *const defaults[2][2] = {
    [0][1] = DEFAULT_13,
    [1][0] = "NORMAL" ONLY_12 SAFE_12 COMMON BOUND_12,
    [1][1] = "NORMAL" ONLY_13 ":+VERS-TLS1.2" SAFE_12 COMMON BOUND_12,
};

static const char *version_name(bool is_13)
{
    return is_13 ? "TLS 1.3" : "TLS 1.2";
}

static bool wants_12(const struct tls_options *options)
{
    return options->rules.min_version == TLS_VERSION_1_2;
}

static bool wants_13(const struct tls_options *options)
{
    return options->rules.max_version != TLS_VERSION_1_2;
}

/* Raw keys and PSKs: TLS 1.3 alone (tls_policy_load sees to it). */
static const char *mode_added(const struct tls_options *options)
{
    if (options->known)
        return ":-CTYPE-ALL:+CTYPE-RAWPK";
    return options->psk ? ":-KX-ALL:+ECDHE-PSK" : "";
}

/* The configured string with what is added to it; errors show only what the user wrote. */
static enum err init_priority(struct gnutls_priority_st **out, const struct tls_options *options,
                              const char *text, const char *added, struct tls_reason why)
{
    char whole[PRIORITY_MAX];
    const char *at = NULL, *mode = mode_added(options),
               *order = !options->priority && tls_cipher_is_chacha_faster() ? CHACHA_FIRST : "";
    size_t extra = strlen(mode) + strlen(order) + strlen(added);
    if ((size_t)snprintf(whole, sizeof whole, "%s%s%s%s", text, mode, order, added) >= sizeof whole)
        return tls_reason_set(why, "the priority string is longer than %d bytes",
                              PRIORITY_MAX - 1 - (int)extra);
    int rc = gnutls_priority_init(out, whole, &at);
    if (rc >= 0)
        return ERR_OK;
    *out = NULL;
    return tls_reason_set(why, "priority string \"%s\": %s at \"%s\"", text, gnutls_strerror(rc),
                          at ? at : "");
}

static enum err check_versions(gnutls_priority_t priority, const struct tls_options *options,
                               bool *has_12, bool *has_13, const char *text, struct tls_reason why)
{
    const unsigned *list;
    int count = gnutls_priority_protocol_list(priority, &list);
    *has_12 = *has_13 = false;
    for (int i = 0; i < count; i++) {
        bool is_13 = list[i] == GNUTLS_TLS1_3;
        if (!is_13 && list[i] != GNUTLS_TLS1_2)
            return tls_reason_set(
                why, "priority string \"%s\" allows %s; only TLS 1.2 and 1.3 are supported", text,
                gnutls_protocol_get_name(list[i]));
        if (is_13 ? !wants_13(options) : !wants_12(options))
            return tls_reason_set(why, "priority string \"%s\" allows %s, the %s version is %s",
                                  text, version_name(is_13), is_13 ? "maximum" : "minimum",
                                  version_name(!is_13));
        *(is_13 ? has_13 : has_12) = true;
    }
    return count > 0 ? ERR_OK
                     : tls_reason_set(why, "priority string \"%s\" allows no version of TLS", text);
}

/* A pure PSK is for children, by another option; see enum tls_children. */
static enum err check_exchanges(gnutls_priority_t priority, const char *text, struct tls_reason why)
{
    const unsigned *list;
    int count = gnutls_priority_kx_list(priority, &list);
    for (int i = 0; i < count; i++) {
        if (list[i] == GNUTLS_KX_PSK)
            return tls_reason_set(why, "priority string \"%s\" allows PSK without forward secrecy",
                                  text);
    }
    return ERR_OK;
}

/* TLS 1.2: nothing without forward secrecy, nothing of CBC and its oracles. */
static enum err check_suites(gnutls_priority_t only_12, const char *text, struct tls_reason why)
{
    unsigned index;
    int rc;
    for (unsigned i = 0; (rc = gnutls_priority_get_cipher_suite_index(only_12, i, &index)) !=
                         GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
         i++) {
        gnutls_kx_algorithm_t kx;
        gnutls_mac_algorithm_t mac;
        const char *name =
            rc < 0 ? NULL : gnutls_cipher_suite_info(index, NULL, &kx, NULL, &mac, NULL);
        if (!name)
            continue; /* a combination that GnuTLS does not know */
        if ((kx != GNUTLS_KX_ECDHE_ECDSA && kx != GNUTLS_KX_ECDHE_RSA) || mac != GNUTLS_MAC_AEAD)
            return tls_reason_set(
                why,
                "priority string \"%s\" allows %s; with TLS 1.2 only ECDHE with an AEAD "
                "cipher is supported",
                text, name);
    }
    return ERR_OK;
}

/* A child of psk_ke that must be resumed needs no groups, and then makes no key share. */
static const char *child_13_added(const struct tls_options *options)
{
    if (options->rules.children == TLS_CHILDREN_DHE)
        return ONLY_13 WITH_EXCHANGE;
    return options->rules.resume == TLS_RESUME_REQUIRE ? ONLY_PSK ":-GROUP-ALL" : ONLY_PSK;
}

enum err tls_policy_load(struct tls_policy *policy, const struct tls_options *options,
                         struct tls_reason why)
{
    const char *base =
        options->priority ? options->priority : defaults[wants_12(options)][wants_13(options)];
    bool has_12, has_13;
    memset(policy, 0, sizeof *policy);
    if ((options->known || options->psk) && (wants_12(options) || !wants_13(options)))
        return tls_reason_set(why, "raw public keys and pre-shared keys need TLS 1.3");
    if (!base) /* minimum above maximum */
        return tls_reason_set(why, "the minimum version is %s, the maximum %s", version_name(true),
                              version_name(false));
    enum err result =
        init_priority(&policy->master, options, base,
                      wants_12(options) ? BOUND_12 WITH_EXCHANGE : WITH_EXCHANGE, why);
    if (result == ERR_OK)
        result = check_versions(policy->master, options, &has_12, &has_13, base, why);
    if (result == ERR_OK)
        result = check_exchanges(policy->master, base, why);
    if (result == ERR_OK && has_12)
        result = init_priority(&policy->child_12, options, base, BOUND_12 ONLY_12, why);
    if (result == ERR_OK && has_12)
        result = check_suites(policy->child_12, base, why);
    if (result == ERR_OK && has_13)
        result = init_priority(&policy->child_13, options, base, child_13_added(options), why);
    return result;
}

void tls_policy_clear(struct tls_policy *policy)
{
    if (policy->master)
        gnutls_priority_deinit(policy->master);
    if (policy->child_12)
        gnutls_priority_deinit(policy->child_12);
    if (policy->child_13)
        gnutls_priority_deinit(policy->child_13);
    memset(policy, 0, sizeof *policy);
}

struct gnutls_priority_st *tls_policy_child(const struct tls_policy *policy, int version)
{
    return version == GNUTLS_TLS1_3 ? policy->child_13 : policy->child_12;
}
