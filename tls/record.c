/* tls/record.c: the record protection of TLS 1.3. */
#include "tls/record.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/check.h"
#include "base/message.h"
#include "base/wire.h"
#include "tls/vaes_gcm.h"

#define KEY_MAX   32
#define LABEL_MAX 32

/* Records that one key may protect. */
#define RECORDS_OF_GCM (UINT64_C(1) << 24)
#define RECORDS_OF_CCM (UINT64_C(1) << 23)

void tls_record_learn(struct tls_record *record, struct tls_record_keys *keys,
                      const uint8_t *secret, size_t size)
{
    record->secret_size = 0; /* too long for any hash of today: tls_record_take wants another */
    if (size > sizeof keys->secret)
        return;
    memcpy(keys->secret, secret, size);
    record->secret_size = (uint8_t)size;
}

static void clear_key(struct tls_record_keys *keys)
{
    tls_vaes_gcm_free(keys->vaes);
    keys->vaes = NULL;
    if (keys->aead)
        gnutls_aead_cipher_deinit(keys->aead);
    keys->aead = NULL;
}

static bool set_key(const struct tls_record *record, struct tls_record_keys *keys,
                    gnutls_datum_t key)
{
    clear_key(keys);
    bool is_gcm =
        record->cipher == GNUTLS_CIPHER_AES_128_GCM || record->cipher == GNUTLS_CIPHER_AES_256_GCM;
    if (is_gcm)
        keys->vaes = tls_vaes_gcm_new(key.data, key.size);
    return keys->vaes || gnutls_aead_cipher_init(
                             &keys->aead, (gnutls_cipher_algorithm_t)record->cipher, &key) == 0;
}

/* HKDF-Expand-Label without context (RFC 8446 section 7.1). */
static bool expand(const struct tls_record *record, const uint8_t *secret, const char *label,
                   uint8_t *out, size_t size)
{
    uint8_t info[2 + 1 + LABEL_MAX + 1];
    struct wire_writer writer = wire_writer(info, sizeof info);
    wire_put_u16(&writer, size);
    wire_put_u8(&writer, 6 + strlen(label));
    wire_put_bytes(&writer, "tls13 ", 6);
    wire_put_bytes(&writer, label, strlen(label));
    wire_put_u8(&writer, 0);
    gnutls_datum_t key = {(unsigned char *)(uintptr_t)secret, record->secret_size},
                   about = {info, (unsigned)(writer.at - info)};
    return gnutls_hkdf_expand((gnutls_mac_algorithm_t)record->hash, &key, &about, out, size) == 0;
}

/* True if key and iv come from the secret that was learnt. The key log is made for people who look
 * at recordings: nothing but this says that it told both secrets, and the right ones. 0.6 us. */
static bool are_from_secret(const struct tls_record *record, const struct tls_record_keys *keys,
                            gnutls_datum_t key, gnutls_datum_t iv)
{
    uint8_t expected_key[KEY_MAX], expected_iv[sizeof keys->iv];
    bool same = key.size <= sizeof expected_key && iv.size == sizeof expected_iv &&
                expand(record, keys->secret, "key", expected_key, key.size) &&
                expand(record, keys->secret, "iv", expected_iv, iv.size) &&
                gnutls_memcmp(expected_key, key.data, key.size) == 0 &&
                gnutls_memcmp(expected_iv, iv.data, iv.size) == 0;
    gnutls_memset(expected_key, 0, sizeof expected_key);
    gnutls_memset(expected_iv, 0, sizeof expected_iv);
    return same;
}

static bool take_keys(struct tls_record *record, struct tls_record_keys *keys,
                      gnutls_session_t gnutls)
{
    gnutls_datum_t iv, key;
    uint8_t sequence[8];
    if (gnutls_record_get_state(gnutls, keys == &record->in, NULL, &iv, &key, sequence) < 0 ||
        !are_from_secret(record, keys, key, iv))
        return false;
    struct wire_reader reader = wire_reader(sequence, sizeof sequence);
    keys->sequence = wire_get_u64(&reader);
    memcpy(keys->iv, iv.data, iv.size);
    return set_key(record, keys, key);
}

/* gnutls_record_get_max_size of 3.7 gives the length that we would take, this what the peer takes.
 */
static bool sends_full_records(gnutls_session_t gnutls)
{
    const gnutls_range_st whole = {TLS_RECORD_PLAIN_MAX, TLS_RECORD_PLAIN_MAX};
    gnutls_range_st first, rest;
    return gnutls_range_split(gnutls, &whole, &first, &rest) == 0 &&
           first.high == TLS_RECORD_PLAIN_MAX;
}

bool tls_record_take(struct tls_record *record, gnutls_session_t gnutls)
{
    if (gnutls_protocol_get_version(gnutls) != GNUTLS_TLS1_3 ||
        gnutls_record_check_pending(gnutls) || !sends_full_records(gnutls))
        return false;
    record->cipher = (int)gnutls_cipher_get(gnutls);
    record->hash = (int)gnutls_prf_hash_get(gnutls);
    record->tag_size =
        (uint8_t)gnutls_cipher_get_tag_size((gnutls_cipher_algorithm_t)record->cipher);
    return record->secret_size == gnutls_hmac_get_len((gnutls_mac_algorithm_t)record->hash) &&
           take_keys(record, &record->in, gnutls) && take_keys(record, &record->out, gnutls);
}

void tls_record_clear(struct tls_record *record)
{
    clear_key(&record->in);
    clear_key(&record->out);
    gnutls_memset(record, 0, sizeof *record);
}

bool tls_record_next(const struct tls_record *record, const struct tls_record_keys *keys,
                     struct tls_record_keys *next)
{
    uint8_t key[KEY_MAX];
    size_t key_size = gnutls_cipher_get_key_size((gnutls_cipher_algorithm_t)record->cipher);
    memset(next, 0, sizeof *next);
    bool is_made = key_size <= sizeof key &&
                   expand(record, keys->secret, "traffic upd", next->secret, record->secret_size) &&
                   expand(record, next->secret, "key", key, key_size) &&
                   expand(record, next->secret, "iv", next->iv, sizeof next->iv) &&
                   set_key(record, next, (gnutls_datum_t){key, (unsigned)key_size});
    gnutls_memset(key, 0, sizeof key);
    if (!is_made)
        gnutls_memset(next, 0, sizeof *next);
    return is_made;
}

void tls_record_install(struct tls_record_keys *keys, struct tls_record_keys *next)
{
    clear_key(keys);
    *keys = *next;
    gnutls_memset(next, 0, sizeof *next);
}

bool tls_record_update(const struct tls_record *record, struct tls_record_keys *keys)
{
    struct tls_record_keys next;
    if (!tls_record_next(record, keys, &next))
        return false;
    tls_record_install(keys, &next);
    return true;
}

bool tls_record_is_worn(const struct tls_record *record)
{
    bool is_ccm = record->cipher == GNUTLS_CIPHER_AES_128_CCM ||
                  record->cipher == GNUTLS_CIPHER_AES_128_CCM_8;
    return record->out.sequence >= (is_ccm ? RECORDS_OF_CCM : RECORDS_OF_GCM);
}

/* RFC 8446 section 5.3. */
static void next_nonce(struct tls_record_keys *keys, uint8_t nonce[12])
{
    struct wire_writer writer = wire_writer(nonce, 12);
    wire_put_u32(&writer, 0);
    wire_put_u64(&writer, keys->sequence++);
    for (size_t i = 0; i < sizeof keys->iv; i++)
        nonce[i] ^= keys->iv[i];
}

size_t tls_record_overhead(const struct tls_record *record)
{
    return TLS_RECORD_HEADER + 1 + (size_t)record->tag_size;
}

size_t tls_record_seal(struct tls_record *record, enum tls_record_type type, uint8_t *bytes,
                       size_t length)
{
    uint8_t *content = bytes + TLS_RECORD_HEADER, nonce[12];
    content[length++] = (uint8_t)type;
    size_t size = length + record->tag_size;
    struct wire_writer writer = wire_writer(bytes, TLS_RECORD_HEADER);
    wire_put_u8(&writer, TLS_RECORD_DATA);
    wire_put_u16(&writer, 0x0303);
    wire_put_u16(&writer, size);
    next_nonce(&record->out, nonce);
    if (record->out.vaes)
        tls_vaes_gcm_seal(record->out.vaes, nonce, bytes, TLS_RECORD_HEADER, content, length);
    else
        must(gnutls_aead_cipher_encrypt(record->out.aead, nonce, sizeof nonce, bytes,
                                        TLS_RECORD_HEADER, record->tag_size, content, length,
                                        content, &size) == 0);
    return TLS_RECORD_HEADER + size;
}

struct message *tls_record_message(struct tls_record *record, enum tls_record_type type,
                                   const void *data, size_t length)
{
    struct message *message = message_new(length + tls_record_overhead(record));
    memcpy(message->data + TLS_RECORD_HEADER, data, length);
    message->length = (uint32_t)tls_record_seal(record, type, message->data, length);
    return message;
}

/* True if the tag fits; then *plain bytes stand at the beginning of content. */
static bool authenticate(struct tls_record *record, const uint8_t *header, uint8_t *content,
                         size_t sealed, size_t *plain)
{
    uint8_t nonce[12];
    next_nonce(&record->in, nonce);
    if (sealed < record->tag_size)
        return false;
    *plain = sealed - record->tag_size;
    if (record->in.vaes)
        return tls_vaes_gcm_open(record->in.vaes, nonce, header, TLS_RECORD_HEADER, content,
                                 *plain);
    return gnutls_aead_cipher_decrypt(record->in.aead, nonce, sizeof nonce, header,
                                      TLS_RECORD_HEADER, record->tag_size, content, sealed, content,
                                      plain) == 0;
}

int tls_record_open(struct tls_record *record, uint8_t *bytes, size_t size,
                    enum tls_record_type *type, const uint8_t **data, size_t *length)
{
    uint8_t *content = bytes + TLS_RECORD_HEADER;
    size_t plain;
    if (!authenticate(record, bytes, content, size - TLS_RECORD_HEADER, &plain))
        return GNUTLS_A_BAD_RECORD_MAC;
    if (plain > TLS_RECORD_PLAIN_MAX + 1) /* with its padding: RFC 8446 section 5.4 */
        return GNUTLS_A_RECORD_OVERFLOW;
    while (plain && !content[plain - 1]) /* padding */
        plain--;
    if (!plain--)
        return GNUTLS_A_UNEXPECTED_MESSAGE;
    *type = (enum tls_record_type)content[plain];
    *data = content;
    *length = plain;
    return 0;
}
