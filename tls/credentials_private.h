/* tls/credentials_private.h: private to tls/: what credentials are made of. Everything but the
 * ticket keys is immutable after tls_credentials_new, and shared by all sessions.
 *
 * Functions that load return ERR_OK, or ERR_TLS_CREDENTIALS with a sentence in why that names the
 * file (and line) or URI. */
#pragma once

#include <stdatomic.h>

#include "tls/credentials.h"
#include "tls/files.h"
#include "tls/store.h"
#include "tls/ticket_key.h"

struct gnutls_certificate_credentials_st;
struct gnutls_priority_st;
struct gnutls_session_int;
struct gnutls_x509_crt_int;
struct gnutls_x509_trust_list_st;

/* ---- versions, key exchanges and ciphers: GnuTLS priorities made from the options ---- */

struct tls_policy {
    struct gnutls_priority_st *master;
    struct gnutls_priority_st *child_12; /* NULL: TLS 1.2 is not allowed */
    struct gnutls_priority_st *child_13; /* NULL: TLS 1.3 is not allowed */
};

/* Refuses a bad priority string, a version outside of the allowed ones, and TLS 1.2 with anything
 * but ephemeral key exchange and authenticated encryption. Owns: tls_policy_clear, in any case. */
enum err tls_policy_load(struct tls_policy *policy, const struct tls_options *options,
                         struct tls_reason why);
void tls_policy_clear(struct tls_policy *policy);
/* For the children of a master of that version (GnuTLS's number). NULL: not allowed (any more). */
struct gnutls_priority_st *tls_policy_child(const struct tls_policy *policy, int version);

/* True if ChaCha20-Poly1305 is faster here than AES-128-GCM; measured once by encrypting a few full
 * records with each (0.2 ms with AES instructions, some ms without). Thread: any. */
bool tls_cipher_is_chacha_faster(void);
/* The rule: ChaCha20-Poly1305 where it takes less than four fifths of AES-128-GCM's time.
 * INT64_MAX: there is no such cipher. */
bool tls_cipher_prefers_chacha(int64_t chacha_ns, int64_t aes_ns);

/* ---- our own certificate, or raw public key, from files or PKCS#11 tokens ---- */

/* Certificate, chain and key into x509. */
enum err tls_certificate_load(struct gnutls_certificate_credentials_st *x509, const char *cert,
                              const char *key, struct tls_reason why);
/* A raw public key (RFC 7250) into x509; it is made from the private one. */
enum err tls_certificate_load_raw_key(struct gnutls_certificate_credentials_st *x509,
                                      const char *key, struct tls_reason why);

/* ---- the CAs that we trust, and what they have revoked (RFC 5280) ----
 *
 * Revocation lists fail closed. One that has expired, is not valid yet, or that no CA of ours has
 * signed, is refused when it is loaded. When it expires while we run, nobody whose certificate the
 * same CA issued is accepted until a new one is loaded: an attacker who keeps the new list from us
 * would otherwise keep a revoked certificate alive. */

struct tls_trust;

/* More certificates in a chain are refused before anything is looked at. */
#define TLS_CHAIN_MAX 16

/* ca and crl as in struct tls_options. Owns: tls_trust_free, when ERR_OK. */
enum err tls_trust_load(const char *ca, const char *crl, struct tls_trust **out,
                        struct tls_reason why);
void tls_trust_free(struct tls_trust *trust); /* NULL is fine */
/* True if the chain (at most TLS_CHAIN_MAX, the peer's own first) leads to a CA, is valid now, not
 * revoked, and meant for purpose (an OID). Otherwise false, *alert is what to tell the peer
 * (GnuTLS's number), *text why, as the end of "the peer's certificate: ". Thread: any. */
bool tls_trust_accepts(const struct tls_trust *trust, struct gnutls_x509_crt_int **chain,
                       unsigned count, const char *purpose, int *alert, const char **text);
/* As tls_credentials_lists_until; trust may be NULL. */
int64_t tls_trust_lists_until(const struct tls_trust *trust, char *ca, size_t ca_size);
/* For signatures of OCSP responses. */
struct gnutls_x509_trust_list_st *tls_trust_list(const struct tls_trust *trust);

/* ---- OCSP responses that come with a certificate (RFC 6960, RFC 6066 section 8) ----
 *
 * In TLS 1.3 from both sides. A response that is there must be good in every way; one that is not
 * there matters only where it is required. We never ask a responder ourselves. */

/* The response in path for our own certificate, which x509 has already. One that is for another
 * certificate, has expired (a peer would refuse it), or says "revoked" is refused. */
enum err tls_ocsp_load(struct gnutls_certificate_credentials_st *x509, const char *path,
                       struct tls_reason why);
/* True if the responses that the peer stapled to the chain are good, and there if they must be.
 * Otherwise as tls_trust_accepts. */
bool tls_ocsp_accepts(const struct tls_trust *trust, enum tls_ocsp policy,
                      struct gnutls_session_int *session, struct gnutls_x509_crt_int **chain,
                      unsigned count, int *alert, const char **text);

/* ---- files of the keys by which peers are known ----
 *
 * Raw public keys (RFC 7250), in the manner of SSH's known_hosts: a key in a line, then its name.
 *
 *   sha256:9f86d0818884…                         laptop
 *   MCowBQYDK2VwAyEAqBb…                         office.example
 *
 * The key is a pin (tls/identity.h), or the SubjectPublicKeyInfo in base64: a PEM public key
 * without its first and last line. A key or a name that comes twice is an error.
 *
 * Pre-shared keys for masters (RFC 8446 section 2.2), as psktool writes them: `name:hex`, 16 to 64
 * bytes. The name goes over the network in the clear. The file must be readable by its owner alone.
 * Always with a key exchange (psk_dhe_ke): a recording stays closed when the key is stolen later.
 */

struct tls_known_keys;

struct tls_known_key {
    char *name;
    uint8_t pin[TLS_PIN_SIZE]; /* SHA-256 of the public key, or of the PSK */
    uint8_t secret[64];        /* PSK */
    size_t secret_size;
};

/* are_secret: PSKs. Owns: tls_known_keys_free. */
enum err tls_known_keys_load(const char *path, bool are_secret, struct tls_known_keys **out,
                             struct tls_reason why);
void tls_known_keys_free(struct tls_known_keys *known); /* wiped; NULL is fine */
/* The name of the key, NULL if it is not known. Thread: any, as all below. */
const char *tls_known_keys_name(const struct tls_known_keys *known,
                                const uint8_t pin[static TLS_PIN_SIZE]);
/* The key of that name; NULL if there is none. */
const struct tls_known_key *tls_known_keys_find(const struct tls_known_keys *known,
                                                const void *name, size_t size);
/* The key, if there is but one; else NULL. */
const struct tls_known_key *tls_known_keys_only(const struct tls_known_keys *known);
/* The first key and the number of others, for the log: `server is sha256:…`. */
void tls_known_keys_describe(const struct tls_known_keys *known, char *text, size_t size);

struct tls_psk;

/* Client: name is that of the key to use in the file path, which known was read from; NULL if there
 * is only one. Owns: tls_psk_free, before known. */
enum err tls_psk_new_client(const struct tls_known_keys *known, const char *path, const char *name,
                            struct tls_psk **out, struct tls_reason why);
/* Server: takes all keys of its session's credentials. Owns: tls_psk_free. */
struct tls_psk *tls_psk_new_server(void);
void tls_psk_free(struct tls_psk *psk); /* NULL is fine */
/* Makes a new session use it. False: GnuTLS has no memory. */
bool tls_psk_install(const struct tls_psk *psk, struct gnutls_session_int *session);
/* Client: the name that it shows. */
const char *tls_psk_chosen(const struct tls_psk *psk);

/* ---- all together ---- */

/* A hash over all that decides who is accepted and how, so that a session is never resumed under
 * other rules than it was made under. A client's own certificate and the name that it expects
 * belong to it; of a server only what applies to its clients, which is the same on each of several
 * servers. A new option that decides such a thing goes into make_fingerprint in credentials.c too.
 */
#define TLS_FINGERPRINT_SIZE 32

/* The ways to know a peer. */
enum tls_mode { TLS_MODE_CERTIFICATES, TLS_MODE_RAW_KEYS, TLS_MODE_PSK };

struct tls_credentials {
    atomic_uint references;
    struct tls_rules rules;
    enum tls_mode mode;
    struct gnutls_certificate_credentials_st *x509;
    struct tls_policy policy;
    struct tls_trust *trust;       /* TLS_MODE_CERTIFICATES; NULL: pins alone */
    uint8_t (*pins)[TLS_PIN_SIZE]; /* the same */
    size_t pin_count;
    struct tls_known_keys *known; /* TLS_MODE_RAW_KEYS, TLS_MODE_PSK */
    struct tls_psk *psk;          /* TLS_MODE_PSK */
    struct tls_files files;       /* all this was read from them */
    char *peer;                   /* client */
    char **allow;                 /* server */
    size_t allow_count;
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    struct tls_ticket_keys ticket_keys; /* server; has its own lock */
    char *ticket_key_file;              /* server; NULL: none */
    struct tls_store *store;            /* server; NULL: none */
    struct tls_helper *signer;          /* NULL: the key is in a file */
};

/* Makes a new session use certificate, raw key or PSK. False: GnuTLS has no memory. */
bool tls_credentials_install(const struct tls_credentials *credentials,
                             struct gnutls_session_int *session);

/* ---- the verdict on a peer (RFC 5280, RFC 6125, RFC 6960, RFC 7250) ----
 *
 * It is accepted if its certificate is signed by our CA for its role, not expired, not revoked, and
 * its key among our pins; or if its raw key or PSK is among ours; and if the configuration lets it
 * in. */

struct tls_verdict {
    enum err err; /* ERR_OK, ERR_TLS_PEER_UNVERIFIED, ERR_TLS_PEER_NAME or ERR_TLS_NO_CERTIFICATE */
    int alert;    /* for the peer (GnuTLS's number), when not ERR_OK */
    struct tls_identity *identity; /* the peer's, if ERR_OK; else NULL. Owns: caller */
    char detail[TLS_NAME_MAX * 4];
};

/* Works for full and resumed sessions (GnuTLS keeps chain, key or PSK's name in the ticket). */
void tls_verify_peer(const struct tls_credentials *credentials, struct gnutls_session_int *session,
                     struct tls_verdict *verdict);

/* The same for a peer that was accepted before, with other credentials. */
void tls_verify_again(const struct tls_credentials *credentials,
                      const struct tls_identity *identity, struct tls_verdict *verdict);

/* Adds names and pin to what a peer has shown; refuses what cannot be read, or is not in our file.
 * Public for a fuzzer. */
void tls_verify_name(const struct tls_credentials *credentials, struct tls_identity *identity,
                     struct tls_verdict *verdict);
