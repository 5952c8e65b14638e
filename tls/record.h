/* tls/record.h: private to tls/: the record protection of TLS 1.3 (RFC 8446
 * sections 5.2, 5.3, 7.2), for sessions that GnuTLS has handshaken. Why: docs/decisions/017. The
 * ciphers are GnuTLS's too, but AES-GCM where there is a faster one (tls/vaes_gcm.h).
 *
 * Thread: the session's. Alerts are GnuTLS's numbers; 0 (close_notify, which no record earns) is
 * none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gnutls_session_int;
struct api_aead_cipher_hd_st;
struct message;
struct tls_vaes_gcm;

#define TLS_RECORD_HEADER     5
#define TLS_RECORD_PLAIN_MAX  16384
#define TLS_RECORD_CIPHER_MAX (TLS_RECORD_PLAIN_MAX + 256)
#define TLS_RECORD_SECRET_MAX 48 /* SHA-384 */

/* Content types (RFC 8446 section 5.1). */
enum tls_record_type { TLS_RECORD_ALERT = 21, TLS_RECORD_HANDSHAKE = 22, TLS_RECORD_DATA = 23 };

/* One direction. */
struct tls_record_keys {
    struct tls_vaes_gcm *vaes; /* one of these two; both NULL: not taken over yet */
    struct api_aead_cipher_hd_st *aead;
    uint64_t sequence; /* of the next record */
    uint8_t iv[12];
    uint8_t secret[TLS_RECORD_SECRET_MAX]; /* application traffic secret: the next keys' parent */
};

struct tls_record {
    struct tls_record_keys in, out;
    int cipher, hash; /* GnuTLS's numbers */
    uint8_t tag_size, secret_size;
};

/* One of the two application traffic secrets. During the handshake. */
void tls_record_learn(struct tls_record *record, struct tls_record_keys *keys,
                      const uint8_t *secret, size_t size);
/* After it: takes keys and sequence numbers over. False: GnuTLS has to go on with this session: it
 * is not TLS 1.3, or holds data that were not read; the peer wants records shorter than 2^14 (RFC
 * 8449); or the keys in use do not come from the secrets that were learnt. */
bool tls_record_take(struct tls_record *record, struct gnutls_session_int *gnutls);
/* Wipes; record itself stays. */
void tls_record_clear(struct tls_record *record);

/* Encrypts in place: bytes has room for the header, then length bytes of content, then room for
 * tls_record_overhead less the header. Returns the size of the whole record. */
size_t tls_record_seal(struct tls_record *record, enum tls_record_type type, uint8_t *bytes,
                       size_t length);
/* A message with the record of length bytes of data. Owns: caller. */
struct message *tls_record_message(struct tls_record *record, enum tls_record_type type,
                                   const void *data, size_t length);
size_t tls_record_overhead(const struct tls_record *record);

/* Decrypts a whole record of size bytes in place: *data is inside of it. The header was looked at,
 * and is authenticated here. Returns an alert. */
int tls_record_open(struct tls_record *record, uint8_t *bytes, size_t size,
                    enum tls_record_type *type, const uint8_t **data, size_t *length);

/* The keys that come after keys, for a KeyUpdate (RFC 8446 section 7.2), which is still sealed with
 * the old ones. False: GnuTLS could not derive them, and *next holds nothing. Owns: the caller,
 * until tls_record_install. */
bool tls_record_next(const struct tls_record *record, const struct tls_record_keys *keys,
                     struct tls_record_keys *next);
/* They take the place of keys; the old ones are wiped, and *next is. */
void tls_record_install(struct tls_record_keys *keys, struct tls_record_keys *next);
/* Both at once. False: keys stay as they are. */
bool tls_record_update(const struct tls_record *record, struct tls_record_keys *keys);

/* True if other keys are due after the number of records that were sealed: 2^24 (RFC 8446
 * section 5.5 allows AES-GCM 2^24.5 full ones), with AES-CCM 2^23 (RFC 9147 section 4.5.3). */
bool tls_record_is_worn(const struct tls_record *record);
