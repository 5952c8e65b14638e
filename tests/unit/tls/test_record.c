/* Records at the edges: of the longest that may come, of what the library may fail in, and of the
 * memory that they lie in. */
#include "tls/record.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/tls/forger.h"
#include "tests/unit/tls/mixed.h"
#include "tls/vaes_gcm.h"

/* ---- GnuTLS's derivation, which can be made to fail; -1: never ---- */

static int derivations_left = -1;

int gnutls_hkdf_expand(gnutls_mac_algorithm_t hash, const gnutls_datum_t *key,
                       const gnutls_datum_t *info, void *out, size_t size)
{
    static int (*real)(gnutls_mac_algorithm_t, const gnutls_datum_t *, const gnutls_datum_t *,
                       void *, size_t);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "gnutls_hkdf_expand");
    if (!derivations_left)
        return GNUTLS_E_MEMORY_ERROR;
    derivations_left -= derivations_left > 0;
    return real(hash, key, info, out, size);
}

static enum err reads(struct end *end)
{
    const uint8_t *data;
    size_t length;
    return tls_session_read(end->session, &data, &length);
}

/* A forger with the peer's keys, in the peer's place. */
static void open_forger(struct forger *forger, const struct end *ours)
{
    const struct tls_record *record = &ours->session->established->record;
    forger_open(forger, (gnutls_cipher_algorithm_t)record->cipher,
                (gnutls_mac_algorithm_t)record->hash, record->in.secret, record->secret_size);
    forger->sequence = record->in.sequence;
}

/* ---- the longest records ---- */

/* RFC 8446 section 5.4: content, type and padding together are at most 2^14 + 1 bytes. */
static const struct {
    size_t data, padding;
    enum err result;
    const char *what;
} longest[] = {
    {16384, 0, ERR_OK, "2^14 bytes"},
    {16385, 0, ERR_TLS_RECORD, "a byte more"},
    {1, 16383, ERR_OK, "a byte, padded to as many"},
    {1, 16384, ERR_TLS_RECORD, "one of padding more"},
    {100, 16384 + 255 - 16 - 100, ERR_TLS_RECORD, "padded to the longest ciphertext"},
    {0, 16384, ERR_OK, "nothing but padding"},
    {0, 16385, ERR_TLS_RECORD, "one more of that"},
};

static void test_longest(struct bed *bed)
{
    static uint8_t inner[17000];
    for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
        struct mixed mixed;
        struct forger forger;
        open_mixed(&mixed, bed, true);
        open_forger(&forger, mixed.ours);
        memset(inner, 0, sizeof inner);
        memset(inner, 'x', longest[i].data);
        inner[longest[i].data] = 23;
        tls_session_feed(
            mixed.ours->session,
            forger_seal(&forger, 23, 0x0303, inner, longest[i].data + 1 + longest[i].padding));
        enum err result = reads(mixed.ours);
        ok(result == longest[i].result &&
               (result == ERR_OK || mixed.ours->session->alert == GNUTLS_A_RECORD_OVERFLOW),
           "%s: %s (%s)", longest[i].what, err_name(result),
           tls_session_detail(mixed.ours->session));
        forger_close(&forger);
        free_pair(&mixed.pair);
    }
}

/* ---- keys that cannot be derived ---- */

static enum err after_update_of_peer(struct mixed *mixed)
{
    must(gnutls_session_key_update(gnutls_of(mixed), 0) == 0);
    deliver(mixed->gnutls, mixed->ours);
    return reads(mixed->ours);
}

static enum err after_own_update(struct mixed *mixed)
{
    return tls_session_rekey(mixed->ours->session);
}

static enum err with_data_when_asked(struct mixed *mixed)
{
    struct message *plain = message_new(MESSAGE_MAX);
    int left = derivations_left;
    derivations_left = -1;
    must(gnutls_session_key_update(gnutls_of(mixed), GNUTLS_KU_PEER) == 0);
    deliver(mixed->gnutls, mixed->ours);
    must(reads(mixed->ours) == ERR_AGAIN);
    derivations_left = left;
    enum err result = tls_session_write_message(mixed->ours->session, &plain, 10000);
    message_free(plain);
    return result;
}

static const struct {
    enum err (*try)(struct mixed *mixed);
    const char *what;
} updates[] = {
    {after_update_of_peer, "a KeyUpdate of the peer"},
    {after_own_update, "one of ours"},
    {with_data_when_asked, "one that it asks for"},
};

/* The peer still understands the alert: it comes under the keys that are there. */
static void test_derivations(struct bed *bed)
{
    for (size_t i = 0; i < sizeof updates / sizeof updates[0]; i++) {
        int wrong = 0;
        for (int left = 0; left < 3; left++) {
            struct mixed mixed;
            open_mixed(&mixed, bed, true);
            derivations_left = left;
            enum err result = updates[i].try(&mixed);
            derivations_left = -1;
            deliver(mixed.ours, mixed.gnutls);
            wrong += result != ERR_TLS_RECORD || reads(mixed.gnutls) == ERR_OK ||
                     gnutls_alert_get(gnutls_of(&mixed)) != GNUTLS_A_INTERNAL_ERROR;
            free_pair(&mixed.pair);
        }
        ok(!wrong, "%s whose keys cannot be derived ends the session, and no more",
           updates[i].what);
    }
    struct mixed mixed;
    start_mixed(&mixed, bed, true);
    derivations_left = 0;
    bool is_through = shake(&mixed.pair);
    derivations_left = -1;
    ok(is_through && mixed.ours->session->gnutls, "secrets that cannot be checked are not used");
    free_pair(&mixed.pair);
}

/* ---- the ends of memory ---- */

#define AREA ((size_t)8 * 4096)

/* Bytes between two pages that cannot be touched: assembly is not seen by sanitizers. */
static uint8_t *fenced(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    must(AREA % page == 0);
    uint8_t *all = mmap(NULL, AREA + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(all != MAP_FAILED && mprotect(all + page, AREA, PROT_READ | PROT_WRITE) == 0);
    return all + page;
}

static void release_fenced(uint8_t *bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(bytes - page, AREA + 2 * page);
}

static uint8_t content_of(size_t place, size_t length)
{
    return (uint8_t)(place * 7 + length + 1);
}

static bool is_untouched(const uint8_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (from[i] != 0xee)
            return false;
    return true;
}

/* Sealed with out, opened with in, of the same keys, at the beginning of area or at its end. */
static bool fits(struct tls_record *record, uint8_t *area, bool at_end, size_t length)
{
    size_t whole = TLS_RECORD_HEADER + length + 1 + record->tag_size, got;
    uint8_t *bytes = at_end ? area + AREA - whole : area;
    const uint8_t *outside = at_end ? bytes - 256 : bytes + whole, *data;
    enum tls_record_type type;
    memset(at_end ? bytes - 256 : bytes, 0xee, whole + 256);
    for (size_t i = 0; i < length; i++)
        bytes[TLS_RECORD_HEADER + i] = content_of(i, length);
    if (tls_record_seal(record, TLS_RECORD_DATA, bytes, length) != whole ||
        !is_untouched(outside, 256) ||
        tls_record_open(record, bytes, whole, &type, &data, &got) != 0 || got != length ||
        type != TLS_RECORD_DATA || !is_untouched(outside, 256))
        return false;
    for (size_t i = 0; i < length; i++)
        if (data[i] != content_of(i, length))
            return false;
    return true;
}

/* A record of which both directions have the same keys. */
static void open_mirror(struct tls_record *record, const struct tls_record *of)
{
    struct tls_record_keys next;
    *record = *of;
    memset(&record->in, 0, sizeof record->in);
    memset(&record->out, 0, sizeof record->out);
    must(tls_record_next(of, &of->out, &next));
    tls_record_install(&record->out, &next);
    must(tls_record_next(of, &of->out, &next));
    tls_record_install(&record->in, &next);
}

static void test_edges(const char *cipher)
{
    struct bed bed;
    struct pair child;
    struct tls_record record;
    uint8_t *area = fenced();
    size_t wrong = 0, count = 0;
    open_bed(&bed, cipher);
    must(open_child(&child, bed.client, bed.a.client, bed.server, bed.a.server));
    open_mirror(&record, &child.client.session->established->record);
    for (size_t length = 0; length <= TLS_RECORD_PLAIN_MAX; count++) {
        wrong += !fits(&record, area, false, length) + !fits(&record, area, true, length);
        length += length < 600 || length >= TLS_RECORD_PLAIN_MAX - 40 ? 1 : 61;
    }
    ok(!wrong, "%s: records of %zu lengths, at both edges of a page: nothing outside is touched",
       cipher, count);
    tls_record_clear(&record);
    release_fenced(area);
    free_pair(&child);
    close_bed(&bed);
}

/* Key, nonce and header at the very end of their pages, too. */
static void test_wide_edges(void)
{
    uint8_t *keys = fenced() + AREA - 32, *nonce = fenced() + AREA - 12,
            *header = fenced() + AREA - 5, *area = fenced();
    size_t wrong = 0;
    if (!tls_vaes_gcm_is_here()) {
        tap_skip("the wide AES-GCM at the edges of a page",
                 "this processor, or the build, has none");
        return;
    }
    memset(keys, 3, 32);
    for (size_t key_size = 16; key_size <= 32; key_size += 16) {
        struct tls_vaes_gcm *gcm = tls_vaes_gcm_new(keys + 32 - key_size, key_size);
        for (size_t length = 0; length < 1100; length++) {
            uint8_t *text = area + AREA - length - TLS_VAES_GCM_TAG;
            tls_vaes_gcm_seal(gcm, nonce, header, 5, text, length);
            wrong += !tls_vaes_gcm_open(gcm, nonce, header, 5, text, length);
        }
        tls_vaes_gcm_free(gcm);
    }
    ok(!wrong, "nor of a key, nonce or header at the end of a page");
    release_fenced(keys + 32 - AREA);
    release_fenced(nonce + 12 - AREA);
    release_fenced(header + 5 - AREA);
    release_fenced(area);
}

int main(void)
{
    struct bed bed;
    make_certificates();
    open_bed(&bed, "AES-128-GCM");
    test_longest(&bed);
    test_derivations(&bed);
    close_bed(&bed);
    for (size_t i = 0; i < CIPHERS; i++)
        test_edges(ciphers[i]);
    test_wide_edges();
    message_cache_clear();
    return tap_done();
}
