/* RFC 4895: parameters, keys, MACs. */
#include "sctp/auth.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/umac.h>
#include <string.h>

#include "base/check.h"
#include "sctp/umac.h"
#include "sctp/wire.h"

/* All that carry data, end or change an association; the last two are RE-CONFIG and FORWARD-TSN,
 * which a peer's kernel may send. */
const uint8_t sctp_auth_chunks[SCTP_AUTH_CHUNKS] = {SCTP_CHUNK_DATA,
                                                    SCTP_CHUNK_SACK,
                                                    SCTP_CHUNK_ABORT,
                                                    SCTP_CHUNK_SHUTDOWN,
                                                    SCTP_CHUNK_SHUTDOWN_ACK,
                                                    SCTP_CHUNK_ERROR,
                                                    130,
                                                    192};

bool sctp_auth_chunks_listed(const uint8_t *list, size_t count)
{
    for (size_t i = 0; i < SCTP_AUTH_CHUNKS; i++)
        if (!count || !memchr(list, sctp_auth_chunks[i], count))
            return false;
    return true;
}

/* Section 3.2: these cannot be authenticated, whatever CHUNKS says. */
static const uint8_t never_chunks[] = {SCTP_CHUNK_INIT, SCTP_CHUNK_INIT_ACK,
                                       SCTP_CHUNK_SHUTDOWN_COMPLETE, SCTP_CHUNK_AUTH};

/* The best first. A peer that lists SHA-1 first (Linux does) is sent SHA-256 all the same. */
static const struct hmac {
    uint16_t id;
    size_t size;    /* bytes of the MAC in the AUTH chunk; UMAC has a nonce before its tag */
    size_t context; /* bytes of its part of union mac */
} hmacs[] = {
    {SCTP_AUTH_UMAC128, SCTP_UMAC_NONCE + UMAC128_DIGEST_SIZE, sizeof(struct umac128_ctx)},
    {SCTP_AUTH_SHA256, SHA256_DIGEST_SIZE, sizeof(struct hmac_sha256_ctx)},
    {SCTP_AUTH_SHA1, SHA1_DIGEST_SIZE, sizeof(struct hmac_sha1_ctx)},
};

#define HMACS (sizeof hmacs / sizeof hmacs[0])

/* The AUTH chunk before the MAC: header, key, HMAC. */
#define HEAD 8

/* With its key absorbed; as large as the one that it is. */
union mac {
    struct hmac_sha1_ctx sha1;
    struct hmac_sha256_ctx sha256;
    struct umac128_ctx umac;
};

struct key {
    uint16_t number;
    size_t length;
    uint8_t bytes[SCTP_KEY_MAX];
    union mac *send, *receive[HMACS]; /* made when they are first used */
};

/* The parameters that an end has sent, without padding (section 6.1). */
struct vector {
    uint8_t bytes[SCTP_AUTH_PARAMETERS_MAX];
    size_t length;
};

struct sctp_auth {
    struct vector own, peer;
    uint32_t must_send[256 / 32];
    bool accepts[HMACS];
    const struct hmac *hmac; /* with which we send */
    uint64_t sent;           /* nonces that were used, with whatever key */
    struct key *used, *keys[SCTP_AUTH_KEYS_MAX];
};

/* ---- parameters ---- */

size_t sctp_auth_put_parameters(struct wire_writer *writer,
                                const uint8_t random[static SCTP_AUTH_RANDOM])
{
    uint8_t ids[2 * HMACS];
    const uint8_t *begin = writer->at;
    for (size_t i = 0; i < HMACS; i++)
        sctp_wire_store_u16(ids + 2 * i, hmacs[i].id);
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_RANDOM, random, SCTP_AUTH_RANDOM);
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_HMACS, ids, sizeof ids);
    sctp_wire_put_parameter(writer, SCTP_PARAMETER_CHUNKS, sctp_auth_chunks, SCTP_AUTH_CHUNKS);
    return writer->overrun ? 0 : (size_t)(writer->at - begin);
}

enum { RANDOM, CHUNKS, ALGORITHMS, PARAMETERS };

/* Those of them that are there, once each. */
static bool find(struct wire_reader reader, struct sctp_parameter found[static PARAMETERS])
{
    static const uint16_t types[PARAMETERS] = {SCTP_PARAMETER_RANDOM, SCTP_PARAMETER_CHUNKS,
                                               SCTP_PARAMETER_HMACS};
    struct sctp_parameter parameter;
    memset(found, 0, PARAMETERS * sizeof *found);
    while (sctp_wire_next_parameter(&reader, &parameter))
        for (int i = 0; i < PARAMETERS; i++) {
            if (parameter.type != types[i])
                continue;
            if (found[i].whole)
                return false;
            found[i] = parameter;
        }
    return !reader.overrun && found[RANDOM].whole && found[CHUNKS].whole && found[ALGORITHMS].whole;
}

static bool lists_hmac(const struct sctp_parameter *list, uint16_t hmac)
{
    for (size_t i = 0; i + 2 <= list->length; i += 2)
        if (sctp_wire_u16(list->value + i) == hmac)
            return true;
    return false;
}

/* The best one that is in both lists; NULL: there is none. */
static const struct hmac *choose_hmac(const struct sctp_parameter *own,
                                      const struct sctp_parameter *peer)
{
    for (size_t i = 0; i < HMACS; i++)
        if (lists_hmac(own, hmacs[i].id) && lists_hmac(peer, hmacs[i].id))
            return &hmacs[i];
    return NULL;
}

static bool are_good(const struct sctp_parameter found[static PARAMETERS])
{
    if (found[RANDOM].length != SCTP_AUTH_RANDOM || found[ALGORITHMS].length % 2 ||
        !choose_hmac(&found[ALGORITHMS], &found[ALGORITHMS]))
        return false;
    return sctp_auth_chunks_listed(found[CHUNKS].value, found[CHUNKS].length);
}

bool sctp_auth_read_parameters(struct wire_reader parameters,
                               uint8_t out[static SCTP_AUTH_PARAMETERS_MAX], size_t *length)
{
    struct sctp_parameter found[PARAMETERS];
    struct wire_writer writer = wire_writer(out, SCTP_AUTH_PARAMETERS_MAX);
    if (!find(parameters, found) || !are_good(found))
        return false;
    for (int i = 0; i < PARAMETERS; i++)
        sctp_wire_put_parameter(&writer, found[i].type, found[i].value, found[i].length);
    *length = (size_t)(writer.at - out);
    return !writer.overrun;
}

/* ---- keys ---- */

static void put_vector(struct vector *vector, const struct sctp_parameter found[static PARAMETERS])
{
    struct wire_writer writer = wire_writer(vector->bytes, sizeof vector->bytes);
    for (int i = 0; i < PARAMETERS; i++)
        wire_put_bytes(&writer, found[i].whole, SCTP_CHUNK_HEADER + found[i].length);
    vector->length = (size_t)(writer.at - vector->bytes);
    must(!writer.overrun);
}

/* As numbers. The first byte is never 0, so the longer one is the larger one. */
static int compare(const struct vector *a, const struct vector *b)
{
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->length);
}

struct sctp_auth *sctp_auth_new(const uint8_t *own, size_t own_length, const uint8_t *peer,
                                size_t peer_length)
{
    struct sctp_parameter ours[PARAMETERS], theirs[PARAMETERS];
    if (own_length > SCTP_AUTH_PARAMETERS_MAX || peer_length > SCTP_AUTH_PARAMETERS_MAX ||
        !find(wire_reader(own, own_length), ours) || !are_good(ours) ||
        !find(wire_reader(peer, peer_length), theirs) || !are_good(theirs) ||
        !memcmp(ours[RANDOM].value, theirs[RANDOM].value, SCTP_AUTH_RANDOM) ||
        !choose_hmac(&ours[ALGORITHMS], &theirs[ALGORITHMS]))
        return NULL;
    struct sctp_auth *self = check_alloc(sizeof *self);
    put_vector(&self->own, ours);
    put_vector(&self->peer, theirs);
    for (size_t i = 0; i < theirs[CHUNKS].length; i++) {
        uint8_t type = theirs[CHUNKS].value[i];
        if (!memchr(never_chunks, type, sizeof never_chunks))
            self->must_send[type / 32] |= UINT32_C(1) << type % 32;
    }
    self->hmac = choose_hmac(&ours[ALGORITHMS], &theirs[ALGORITHMS]);
    for (size_t i = 0; i < HMACS; i++)
        self->accepts[i] = (i == 0) == (self->hmac == &hmacs[0]); /* UMAC alone, or the others */
    must(sctp_auth_add(self, 0, NULL, 0) == ERR_OK && sctp_auth_use(self, 0) == ERR_OK);
    return self;
}

static void free_mac(union mac *mac, const struct hmac *hmac)
{
    if (mac)
        explicit_bzero(mac, hmac->context);
    free(mac);
}

static void free_key(const struct sctp_auth *self, struct key *key)
{
    free_mac(key->send, self->hmac);
    for (size_t i = 0; i < HMACS; i++)
        free_mac(key->receive[i], &hmacs[i]);
    explicit_bzero(key, sizeof *key);
    free(key);
}

void sctp_auth_free(struct sctp_auth *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < SCTP_AUTH_KEYS_MAX; i++)
        if (self->keys[i])
            free_key(self, self->keys[i]);
    free(self);
}

/* NULL: there is none of that number. */
static struct key *key_of(const struct sctp_auth *self, uint16_t number)
{
    for (size_t i = 0; i < SCTP_AUTH_KEYS_MAX; i++)
        if (self->keys[i] && self->keys[i]->number == number)
            return self->keys[i];
    return NULL;
}

enum err sctp_auth_add(struct sctp_auth *self, uint16_t number, const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    while (i < SCTP_AUTH_KEYS_MAX && self->keys[i])
        i++;
    if (i == SCTP_AUTH_KEYS_MAX || key_of(self, number) || length > SCTP_KEY_MAX)
        return ERR_TRANSPORT_SOCKET;
    struct key *key = self->keys[i] = check_alloc(sizeof *key);
    key->number = number;
    key->length = length;
    if (length)
        memcpy(key->bytes, bytes, length);
    return ERR_OK;
}

enum err sctp_auth_use(struct sctp_auth *self, uint16_t number)
{
    struct key *key = key_of(self, number);
    if (!key)
        return ERR_TRANSPORT_SOCKET;
    self->used = key;
    return ERR_OK;
}

enum err sctp_auth_drop(struct sctp_auth *self, uint16_t number)
{
    struct key *key = key_of(self, number);
    if (!key || key == self->used)
        return ERR_TRANSPORT_SOCKET;
    for (size_t i = 0; i < SCTP_AUTH_KEYS_MAX; i++)
        if (self->keys[i] == key)
            self->keys[i] = NULL;
    free_key(self, key);
    return ERR_OK;
}

/* ---- keys derived for these two ends ---- */

#define LABEL       "SCTP-AUTH UMAC-128"
#define DERIVED_MAX (SCTP_KEY_MAX + 2 * SCTP_AUTH_PARAMETERS_MAX)
#define UMAC_KEY    16

/* The association shared key (section 6.1). */
static size_t derive(const struct key *key, const struct vector *first, const struct vector *second,
                     uint8_t out[static DERIVED_MAX])
{
    struct wire_writer writer = wire_writer(out, DERIVED_MAX);
    wire_put_bytes(&writer, key->bytes, key->length);
    wire_put_bytes(&writer, first->bytes, first->length);
    wire_put_bytes(&writer, second->bytes, second->length);
    return (size_t)(writer.at - out);
}

/* The key of one direction, as draft-ietf-tsvwg-rfc4895-bis-02 derives one: RFC 5926 section 3.1
 * with HMAC-SHA-512, of which the first block is asked for. */
static void derive_directed(const struct key *key, const struct vector *sender,
                            const struct vector *receiver, uint8_t out[static SHA512_DIGEST_SIZE])
{
    static const uint8_t counter = 1, bits[2] = {0, UMAC_KEY * 8};
    struct hmac_sha512_ctx hmac;
    hmac_sha512_set_key(&hmac, key->length, key->bytes);
    hmac_sha512_update(&hmac, sizeof counter, &counter);
    hmac_sha512_update(&hmac, sizeof LABEL - 1, (const uint8_t *)LABEL);
    hmac_sha512_update(&hmac, sender->length, sender->bytes);
    hmac_sha512_update(&hmac, receiver->length, receiver->bytes);
    hmac_sha512_update(&hmac, sizeof bits, bits);
    hmac_sha512_digest(&hmac, SHA512_DIGEST_SIZE, out);
    explicit_bzero(&hmac, sizeof hmac);
}

/* Owns: caller, free_mac. */
static union mac *make_mac(const struct key *key, const struct hmac *hmac,
                           const struct vector *sender, const struct vector *receiver)
{
    uint8_t derived[DERIVED_MAX];
    bool in_order = compare(sender, receiver) < 0;
    union mac *mac = check_alloc(hmac->context);
    if (hmac->id == SCTP_AUTH_UMAC128) {
        derive_directed(key, sender, receiver, derived);
        umac128_set_key(&mac->umac, derived);
    } else {
        size_t length =
            derive(key, in_order ? sender : receiver, in_order ? receiver : sender, derived);
        if (hmac->id == SCTP_AUTH_SHA1)
            hmac_sha1_set_key(&mac->sha1, length, derived);
        else
            hmac_sha256_set_key(&mac->sha256, length, derived);
    }
    explicit_bzero(derived, sizeof derived);
    return mac;
}

/* ---- MACs ---- */

#define NONCE   SCTP_UMAC_NONCE
#define MAC_MAX 32

/* Over the chunk with zeros for its MAC, and all behind it (section 6.2); a nonce stands in the
 * chunk. */
static void compute(union mac *mac, const struct hmac *hmac, const uint8_t *chunk,
                    const uint8_t *end, uint8_t out[static MAC_MAX])
{
    uint8_t head[HEAD + MAC_MAX] = {0};
    size_t size = hmac->size, head_size = HEAD + size;
    const uint8_t *rest = chunk + head_size;
    size_t rest_size = (size_t)(end - rest);
    memcpy(head, chunk, HEAD);
    if (hmac->id == SCTP_AUTH_SHA1) {
        hmac_sha1_update(&mac->sha1, head_size, head);
        hmac_sha1_update(&mac->sha1, rest_size, rest);
        hmac_sha1_digest(&mac->sha1, size, out);
    } else if (hmac->id == SCTP_AUTH_SHA256) {
        hmac_sha256_update(&mac->sha256, head_size, head);
        hmac_sha256_update(&mac->sha256, rest_size, rest);
        hmac_sha256_digest(&mac->sha256, size, out);
    } else {
        memcpy(out, chunk + HEAD, NONCE);
        sctp_umac(&mac->umac, out, head, rest, rest_size, out + NONCE);
    }
}

bool sctp_auth_must_send(const struct sctp_auth *self, uint8_t type)
{
    return self->must_send[type / 32] >> type % 32 & 1;
}

bool sctp_auth_must_come(uint8_t type)
{
    return memchr(sctp_auth_chunks, type, SCTP_AUTH_CHUNKS) != NULL;
}

size_t sctp_auth_size(const struct sctp_auth *self)
{
    return HEAD + self->hmac->size;
}

uint8_t *sctp_auth_begin(const struct sctp_auth *self, struct wire_writer *writer)
{
    static const uint8_t zeros[MAC_MAX];
    if (wire_room(writer) < sctp_auth_size(self))
        return NULL;
    uint8_t *chunk = sctp_wire_begin(writer, SCTP_CHUNK_AUTH, 0);
    wire_put_u16(writer, self->used->number);
    wire_put_u16(writer, self->hmac->id);
    wire_put_bytes(writer, zeros, self->hmac->size);
    sctp_wire_end(writer, chunk);
    return chunk;
}

void sctp_auth_sign(struct sctp_auth *self, uint8_t *chunk, const uint8_t *packet_end)
{
    uint8_t mac[MAC_MAX];
    struct key *key = self->used;
    if (!key->send)
        key->send = make_mac(key, self->hmac, &self->own, &self->peer);
    if (self->hmac->id == SCTP_AUTH_UMAC128) {
        struct wire_writer nonce = wire_writer(chunk + HEAD, NONCE);
        wire_put_u64(&nonce, self->sent++);
    }
    compute(key->send, self->hmac, chunk, packet_end, mac);
    memcpy(chunk + HEAD, mac, self->hmac->size);
}

bool sctp_auth_check(const struct sctp_auth *self, const uint8_t *chunk, const uint8_t *end,
                     bool *unsupported_hmac)
{
    size_t length = sctp_wire_u16(chunk + 2);
    *unsupported_hmac = false;
    if (length < HEAD || length > (size_t)(end - chunk))
        return false;
    size_t which = 0;
    while (which < HMACS && hmacs[which].id != sctp_wire_u16(chunk + 6))
        which++;
    *unsupported_hmac = which == HMACS;
    if (which == HMACS || !self->accepts[which] || length != HEAD + hmacs[which].size)
        return false;
    struct key *key = key_of(self, sctp_wire_u16(chunk + 4));
    if (!key)
        return false;
    uint8_t mac[MAC_MAX];
    if (!key->receive[which])
        key->receive[which] = make_mac(key, &hmacs[which], &self->peer, &self->own);
    compute(key->receive[which], &hmacs[which], chunk, end, mac);
    return memeql_sec(mac, chunk + HEAD, hmacs[which].size);
}
