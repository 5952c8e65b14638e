/* tls/identity.h: the proved identity of a peer, and the patterns that let it in. Pure: no
 * sessions, no files; so that a tunnel and each of its services can have an `allow` of their own.
 *
 * A pattern is one of
 * - sha256:PIN: the SHA-256 of the key (SubjectPublicKeyInfo, DER) in 64 hex digits or base64.
 * - scheme://host/path: a URI among the alternative names, byte for byte. With a star behind its
 *   last slash: any URI below, with at least one more segment, and none that is empty, "." or ".."
 *   or has "%", "?", "#", a star or a backslash (SPIFFE forbids them all; they serve to deceive).
 * - An IP address: one of the alternative names.
 * - *.clients.example: a DNS name with exactly one label in place of the star. The star stands
 *   alone and first, and at least two labels follow it.
 * - Anything else: a DNS name, without case; the name of a known key or of a PSK; the common name
 *   of a certificate that has no alternative name at all (RFC 6125 section 6.4.4).
 *
 * Names that a certificate itself spells with a star are matched by nothing. Names count only if a
 * CA that we trust, or our own file of known keys or PSKs, vouches for them. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Longest name of a peer that is kept for the log and status. */
#define TLS_NAME_MAX 256
/* Names kept of one peer; more are not looked at, so that they can only fail to let it in. */
#define TLS_IDENTITY_NAMES_MAX 64
#define TLS_PIN_SIZE           32
/* "sha256:", 64 hex digits, NUL. */
#define TLS_PIN_TEXT_SIZE 72

enum tls_identity_kind {
    TLS_IDENTITY_CERTIFICATE, /* vouched for by a CA: names, addresses, pin */
    TLS_IDENTITY_PINNED,      /* a certificate known by its key alone: pin */
    TLS_IDENTITY_RAW_KEY,     /* a raw public key: its name in our file, pin */
    TLS_IDENTITY_PSK,         /* a pre-shared key: its name, no pin */
};

enum tls_name_kind { TLS_NAME_DNS, TLS_NAME_IP, TLS_NAME_URI, TLS_NAME_COMMON, TLS_NAME_KNOWN };

struct tls_name {
    enum tls_name_kind kind;
    char *text;
};

/* DER certificate, DER SubjectPublicKeyInfo, or SHA-256 of a PSK. */
struct tls_proof {
    uint8_t *data;
    size_t size;
};

/* Immutable once its maker hands it on; reference-counted. */
struct tls_identity {
    atomic_uint references;
    enum tls_identity_kind kind;
    struct tls_name names[TLS_IDENTITY_NAMES_MAX];
    size_t name_count;
    bool has_pin;
    uint8_t pin[TLS_PIN_SIZE];
    char label[TLS_NAME_MAX]; /* for people: first DNS name, else first name, else pin; may be "" */
    struct tls_proof *proofs; /* the peer showed them; a certificate's chain follows it */
    size_t proof_count;
};

/* Owns: caller has one reference. */
struct tls_identity *tls_identity_new(enum tls_identity_kind kind);
/* One reference more; what it says never changes, so a reader of it may keep it. Thread: any. */
struct tls_identity *tls_identity_ref(const struct tls_identity *identity);
void tls_identity_unref(struct tls_identity *identity); /* NULL is fine */

/* For its maker. A name with a NUL or another control character inside, an empty one, one that is
 * too long, or one too many is dropped: it must match nothing. */
void tls_identity_add_name(struct tls_identity *identity, enum tls_name_kind kind, const void *text,
                           size_t length);
void tls_identity_add_proof(struct tls_identity *identity, const void *data, size_t size);
/* Its label when it has no names (a common name that does not count). */
void tls_identity_set_label(struct tls_identity *identity, const void *text, size_t length);
void tls_identity_set_pin(struct tls_identity *identity, const uint8_t pin[static TLS_PIN_SIZE]);

/* True if one of the patterns matches. An empty list matches nobody. Thread: any. */
bool tls_identity_matches(const struct tls_identity *identity, const char *const *patterns,
                          size_t count);

/* True if both are the same peer: the same key shown in the same certificate, or the same PSK. */
bool tls_identity_is_same(const struct tls_identity *one, const struct tls_identity *other);

/* A key that stays the same when the peer comes again with a new certificate: the kind and the name
 * by which we know it; where no name is vouched for, the pin. For tables: nobody is let in by it.
 */
#define TLS_IDENTITY_KEY_SIZE (TLS_NAME_MAX + 8)
void tls_identity_key(const struct tls_identity *identity, char key[static TLS_IDENTITY_KEY_SIZE]);

/* Every name (or the label) and the pin: `dns "a.example", uri "spiffe://…", sha256:…`; cut to
 * size. */
void tls_identity_describe(const struct tls_identity *identity, char *text, size_t size);

/* ERR_OK for a well-formed pattern, else ERR_TLS_CREDENTIALS with a sentence in why. */
enum err tls_identity_check_pattern(const char *pattern, char *why, size_t why_size);

/* A pin is the SHA-256 of a public key (SubjectPublicKeyInfo, DER); as text as in RFC 7469. False
 * unless text is "sha256:" with 64 hex digits, or 43 characters of base64 and an optional "=". */
bool tls_pin_parse(const char *text, uint8_t pin[static TLS_PIN_SIZE]);
/* "sha256:" and hex. */
void tls_pin_format(const uint8_t pin[static TLS_PIN_SIZE], char text[static TLS_PIN_TEXT_SIZE]);
/* The pin of a SubjectPublicKeyInfo. */
void tls_pin_of(const void *spki, size_t size, uint8_t pin[static TLS_PIN_SIZE]);
