/* tls/credentials.h: certificate, key, CA, policy and ticket key of one tunnel: immutable,
 * reference-counted. A reload makes a new one; sessions keep the one they were born with. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "tls/identity.h"
#include "tls/tls.h"

struct tls_credentials;
struct tls_helper;

/* The rules of a tunnel's sessions; zero is the default of each but the lifetime. */
struct tls_rules {
    enum tls_role role;
    enum tls_resume resume;
    enum tls_ocsp ocsp;                        /* with ca: the peer must staple this */
    enum tls_version min_version, max_version; /* both ends: the best that they share is used */
    enum tls_children children;                /* TLS 1.3; the same at both ends */
    enum tls_records records;                  /* TLS 1.3, children */
    enum tls_resume_by resume_by;              /* server, TLS 1.2 */
    uint32_t ticket_lifetime_s; /* of a master's tickets; the same value for master and children,
                                 * else GnuTLS resumes nothing */
    uint64_t rekey_bytes; /* TLS 1.3: KeyUpdate after as many bytes written; 0: when the cipher
                           * needs it (2^24 records of AES-GCM) */
};

/* Three ways to know the peer; exactly one is set:
 *   ca, or pins, or both     certificates
 *   known                    raw public keys (RFC 7250), in the manner of SSH and WireGuard
 *   psk                      a shared secret (TLS 1.3 with a key exchange of its own)
 */
struct tls_options {
    struct tls_rules rules;
    const char *ca;   /* PEM file with one or more CA certificates, or a directory of such files
                       * (*.pem, *.crt, *.cer) */
    const char *crl;  /* with ca: PEM or DER file of revocation lists, or a directory (*.pem, *.crl,
                       * *.der); NULL: none */
    const char *cert; /* with ca or pins: PEM file or PKCS#11 URI: certificate, then its chain */
    const char *key;  /* PEM file or PKCS#11 URI (PIN: its pin-value or pin-source); not with psk */
    const char *staple;      /* OCSP response for cert, DER or PEM file; NULL: none */
    const char *const *pins; /* "sha256:…": the keys, one of which the peer's certificate must
                              * have, beside or instead of a CA */
    size_t pin_count;
    const char *known;        /* file of known raw public keys (tls/credentials_private.h) */
    const char *psk;          /* file of pre-shared keys (the same) */
    const char *psk_identity; /* client: the line of it to use; NULL: there is only one */
    const char *priority;     /* GnuTLS priority string; NULL: as TLS_PRIORITY_DEFAULT */
    const char *peer; /* client: the server that it wants, a pattern of tls/identity.h; a DNS
                       * name or IP with a CA is compared as RFC 6125 says; needed with ca */
    const char *const *allow; /* server: patterns of tls/identity.h, one of which must match */
    size_t allow_count;       /* server: 0 allows every peer that is known or that the CA signed */
    /* Server: keys that several servers share and that outlive it (tls/key_file.h, 64 bytes a key).
     * NULL: a random key, made anew each lifetime. Not used for TLS_CHILDREN_PSK, refused with psk.
     */
    const char *ticket_key_file;
    struct tls_store *store;   /* server, TLS 1.2: keeps masters by session id; several credentials
                                * may share one. NULL: none is kept */
    struct tls_helper *signer; /* masters wait there for a key in a token; outlives the credentials.
                                * NULL: they wait on the thread of their session */
};

/* TLS 1.3 only, X25519, AES-128-GCM first; the measured cheapest with forward secrecy. If no string
 * is set, ChaCha20-Poly1305 goes before AES where it is faster on this processor
 * (tls/cipher.c). Other versions have defaults of the same kind. A priority string that allows a
 * version outside of min_version..max_version, PSK without a key exchange, or a suite of TLS 1.2
 * other than ECDHE with an AEAD cipher is refused. */
extern const char TLS_PRIORITY_DEFAULT[];

/* The part that no file can mend: the priority string, which options are set together, patterns,
 * pins, the ticket lifetime. Returns ERR_OK or ERR_TLS_CREDENTIALS with a sentence in why. Thread:
 * any. */
enum err tls_credentials_check(const struct tls_options *options, char *why, size_t why_size);

/* Loads and checks everything: files readable, key fits certificate, certificate not expired,
 * priority string valid, ticket lifetime within 1 s and 7 days, peer set at a client. Returns
 * ERR_OK, ERR_TLS_TICKET_KEYS or ERR_TLS_CREDENTIALS with a sentence in why that names the file.
 * Thread: any (reads files: not on a worker). Owns: caller has one reference. */
enum err tls_credentials_new(const struct tls_options *options, struct tls_credentials **out,
                             char *why, size_t why_size);
struct tls_credentials *tls_credentials_ref(struct tls_credentials *credentials);
/* Frees with the last reference, secrets wiped. NULL is fine. Thread: any. */
void tls_credentials_unref(struct tls_credentials *credentials);
/* Reads ticket_key_file again: masters from now on use the new keys. With an error the old keys
 * stay. ERR_OK (also without such a file), or ERR_TLS_TICKET_KEYS with a sentence. Thread: any but
 * a worker (a file). */
enum err tls_credentials_reload_ticket_keys(struct tls_credentials *credentials, char *why,
                                            size_t why_size);
/* Server, after a reload: new resumes what old gave tickets for (but for those of ticket_key_file,
 * which comes along by itself): random ticket keys go on, if the lifetime is the same and old has
 * them itself: after a ticket_key_file new ones are made. A peer that is resumed is checked against
 * the new rules. With psk its ticket could not be: nothing goes on. Thread: any. */
void tls_credentials_inherit(struct tls_credentials *new, struct tls_credentials *old);
/* Server: whether all that could be let in are one client: allow names one, or there is one pin,
 * one known key or one PSK. Then it is clear without a word who serves a service that listens here.
 * Thread: any. */
bool tls_credentials_admit_one(const struct tls_credentials *credentials);
/* When the first of the revocation lists expires (wall clock, seconds; INT64_MAX: never, or there
 * is none), and the name of its CA, as a person may read it. Thread: any. */
int64_t tls_credentials_lists_until(const struct tls_credentials *credentials, char *ca,
                                    size_t ca_size);

/* The files and directories that they were made from: when one changes, make new ones. (Not
 * ticket_key_file, nor what a PKCS#11 token holds.) Valid as long as the credentials. */
const char *const *tls_credentials_files(const struct tls_credentials *credentials, size_t *count);

/* Judges a peer that was accepted before (tls_session_identity) by these credentials: its CA
 * still trusted, its certificate not revoked or expired, its key still pinned or known, its PSK the
 * same, let in by allow or peer. Staples are not asked for again. ERR_OK, ERR_TLS_PEER_UNVERIFIED
 * or ERR_TLS_PEER_NAME with a sentence in why. Thread: any; under 1 ms for a certificate. */
enum err tls_credentials_recheck(const struct tls_credentials *credentials,
                                 const struct tls_identity *identity, char *why, size_t why_size);

/* Checks that key belongs to the certificate in cert; a sentence in why otherwise. For
 * `hawser check`. Returns ERR_OK or ERR_TLS_CREDENTIALS. */
enum err tls_credentials_check_pair(const char *cert, const char *key, char *why, size_t why_size);

/* Checks that GnuTLS works at all here: it needs random numbers and, in FIPS mode, tests itself. If
 * that failed as the process began, each call into it fails in its own way. ERR_OK, or
 * ERR_TLS_CREDENTIALS with a sentence in why. */
enum err tls_credentials_check_library(char *why, size_t why_size);

/* True if key is a "pkcs11:" URI whose token is plugged in; its PIN is not used. Thread: any but a
 * worker. */
bool tls_credentials_has_token(const char *key);
