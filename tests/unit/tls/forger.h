/* tests/unit/tls/forger.h: a peer that has the keys and sends what no TLS library would. It derives
 * and encrypts with GnuTLS's functions, not with tls/record.c, which it is to test. */
#pragma once

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/check.h"
#include "base/message.h"
#include "base/wire.h"

/* One direction of a session: RFC 8446 sections 5.2, 5.3, 7.1 and 7.3. */
struct forger {
    gnutls_aead_cipher_hd_t aead;
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t hash;
    uint64_t sequence;
    uint8_t iv[12], secret[48];
    size_t secret_size, tag_size;
};

static inline void forger_expand(const struct forger *forger, const char *label, uint8_t *out,
                                 size_t size)
{
    uint8_t info[64];
    struct wire_writer writer = wire_writer(info, sizeof info);
    wire_put_u16(&writer, size);
    wire_put_u8(&writer, 6 + strlen(label));
    wire_put_bytes(&writer, "tls13 ", 6);
    wire_put_bytes(&writer, label, strlen(label));
    wire_put_u8(&writer, 0);
    gnutls_datum_t secret = {(unsigned char *)(uintptr_t)forger->secret,
                             (unsigned)forger->secret_size},
                   about = {info, (unsigned)(writer.at - info)};
    must(gnutls_hkdf_expand(forger->hash, &secret, &about, out, size) == 0);
}

static inline void forger_rekey(struct forger *forger)
{
    uint8_t key[32];
    gnutls_datum_t datum = {key, (unsigned)gnutls_cipher_get_key_size(forger->cipher)};
    if (forger->aead)
        gnutls_aead_cipher_deinit(forger->aead);
    forger_expand(forger, "key", key, datum.size);
    forger_expand(forger, "iv", forger->iv, sizeof forger->iv);
    must(gnutls_aead_cipher_init(&forger->aead, forger->cipher, &datum) == 0);
    forger->sequence = 0;
    gnutls_memset(key, 0, sizeof key);
}

static inline void forger_open(struct forger *forger, gnutls_cipher_algorithm_t cipher,
                               gnutls_mac_algorithm_t hash, const uint8_t *secret,
                               size_t secret_size)
{
    *forger = (struct forger){.cipher = cipher,
                              .hash = hash,
                              .secret_size = secret_size,
                              .tag_size = gnutls_cipher_get_tag_size(cipher)};
    memcpy(forger->secret, secret, secret_size);
    forger_rekey(forger);
}

static inline void forger_close(struct forger *forger)
{
    gnutls_aead_cipher_deinit(forger->aead);
    gnutls_memset(forger, 0, sizeof *forger);
}

/* After a KeyUpdate. */
static inline void forger_update(struct forger *forger)
{
    uint8_t next[sizeof forger->secret];
    forger_expand(forger, "traffic upd", next, forger->secret_size);
    memcpy(forger->secret, next, forger->secret_size);
    gnutls_memset(next, 0, sizeof next);
    forger_rekey(forger);
}

static inline void forger_nonce(struct forger *forger, uint8_t nonce[12])
{
    memcpy(nonce, forger->iv, 12);
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(forger->sequence >> 8 * i);
    forger->sequence++;
}

/* A record of the inner plaintext as it is, content type and padding included. */
static inline struct message *forger_seal(struct forger *forger, uint8_t header_type,
                                          uint16_t version, const uint8_t *inner, size_t length)
{
    uint8_t nonce[12];
    size_t size = length + forger->tag_size;
    struct message *message = message_new(5 + size);
    struct wire_writer writer = wire_writer(message->data, 5);
    wire_put_u8(&writer, header_type);
    wire_put_u16(&writer, version);
    wire_put_u16(&writer, size);
    forger_nonce(forger, nonce);
    must(gnutls_aead_cipher_encrypt(forger->aead, nonce, sizeof nonce, message->data, 5,
                                    forger->tag_size, inner, length, message->data + 5,
                                    &size) == 0);
    message->length = (uint32_t)(5 + size);
    return message;
}

/* The same for content of a type. */
static inline struct message *forger_put(struct forger *forger, uint8_t type, const void *content,
                                         size_t length)
{
    static _Thread_local uint8_t inner[17000];
    must(length < sizeof inner);
    if (length)
        memcpy(inner, content, length);
    inner[length] = type;
    return forger_seal(forger, 23, 0x0303, inner, length + 1);
}

/* Opens a sealed record, type and padding included; inner has room for it. Returns its length. */
static inline size_t forger_take(struct forger *forger, const uint8_t *record, size_t size,
                                 uint8_t *inner)
{
    uint8_t nonce[12];
    size_t length = size - 5 - forger->tag_size;
    forger_nonce(forger, nonce);
    must(gnutls_aead_cipher_decrypt(forger->aead, nonce, sizeof nonce, record, 5, forger->tag_size,
                                    record + 5, size - 5, inner, &length) == 0);
    return length;
}
