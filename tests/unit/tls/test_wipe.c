/* Secrets are gone from memory when they have done their work: all of it that can be written to is
 * searched, heap and stacks. */
#include "tests/unit/tls/forger.h"
#include "tests/unit/tls/mixed.h"
#include "tls/vaes_gcm.h"

/* ---- looking for bytes ---- */

#define MASK       0xa5
#define REGION_MAX ((size_t)64 << 20) /* larger ones are sanitizers' */

/* Kept so that it is not found itself. */
struct masked {
    uint8_t bytes[48];
    size_t size;
};

static struct masked mask(const uint8_t *bytes, size_t size)
{
    struct masked masked = {.size = size};
    must(size <= sizeof masked.bytes);
    for (size_t i = 0; i < size; i++)
        masked.bytes[i] = bytes[i] ^ MASK;
    return masked;
}

/* Eight bytes from an odd place; sanitizers fence what is between objects, and that is looked at,
 * too.
 */
struct eight {
    uint64_t bytes;
} __attribute__((packed, may_alias));

__attribute__((no_sanitize("address", "thread", "undefined"))) static size_t
count_in(const uint8_t *from, size_t size, const struct masked *wanted)
{
    const uint64_t first = ((const struct eight *)wanted->bytes)->bytes,
                   mask = UINT64_C(0x0101010101010101) * MASK;
    size_t count = 0;
    for (size_t i = 0; i + wanted->size <= size; i++) {
        size_t same = 8;
        if ((((const struct eight *)(from + i))->bytes ^ mask) != first)
            continue;
        while (same < wanted->size && (uint8_t)(from[i + same] ^ MASK) == wanted->bytes[same])
            same++;
        count += same == wanted->size;
    }
    return count;
}

static size_t count_of(const struct masked *wanted)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from, end;
    char line[512], rights[8];
    size_t count = 0;
    must(maps);
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %7s", &from, &end, rights) == 3 && rights[0] == 'r' &&
            rights[1] == 'w' && end - from <= REGION_MAX)
            count += count_in((const uint8_t *)from, end - from, wanted);
    fclose(maps);
    return count;
}

/* Calls far down the stack, so that nobody writes over what stays there. */
__attribute__((noinline)) static void call_below(void (*function)(void *), void *argument)
{
    volatile uint8_t room[64 * 1024];
    room[0] = 0;
    function(argument);
    room[sizeof room - 1] = 0;
}

__attribute__((noinline)) static void clear_stack(void *argument)
{
    uint8_t room[256 * 1024];
    (void)argument;
    gnutls_memset(room, 0, sizeof room);
}

/* ---- of a child ---- */

/* Of what an end sends. */
struct secrets {
    const struct tls_record *record;
    struct masked secret, key;
};

static void learn(void *argument)
{
    struct secrets *secrets = argument;
    const struct tls_record *record = secrets->record;
    uint8_t bytes[32];
    struct forger forger = {.hash = (gnutls_mac_algorithm_t)record->hash,
                            .secret_size = record->secret_size};
    size_t size = gnutls_cipher_get_key_size((gnutls_cipher_algorithm_t)record->cipher);
    memcpy(forger.secret, record->out.secret, forger.secret_size);
    forger_expand(&forger, "key", bytes, size);
    secrets->secret = mask(forger.secret, forger.secret_size);
    secrets->key = mask(bytes, size);
    gnutls_memset(bytes, 0, sizeof bytes);
    gnutls_memset(&forger, 0, sizeof forger);
}

static struct secrets secrets_of(struct end *end)
{
    struct secrets secrets = {.record = &end->session->established->record};
    call_below(learn, &secrets);
    call_below(clear_stack, NULL);
    return secrets;
}

static bool are_gone(const struct secrets *secrets)
{
    size_t found = count_of(&secrets->secret), keys = count_of(&secrets->key);
    if (found || keys)
        tap_note("the secret is found %zu times, the key %zu times", found, keys);
    return !found && !keys;
}

static enum err reads(struct end *end)
{
    const uint8_t *data;
    size_t length;
    return tls_session_read(end->session, &data, &length);
}

static void rekey(void *argument)
{
    struct pair *child = argument;
    child->client.session->rekeyed_at = 0;
    must(tls_session_rekey(child->client.session) == ERR_OK);
    deliver(&child->client, &child->server);
    must(reads(&child->server) == ERR_AGAIN);
}

static void say_goodbye(void *argument)
{
    struct pair *child = argument;
    must(carries_data(child));
    say_bye(&child->client);
    deliver(&child->client, &child->server);
    must(reads(&child->server) == ERR_TLS_CLOSED);
    free_pair(child);
}

static void forge(void *argument)
{
    struct pair *child = argument;
    must(tls_session_write(child->client.session, "data", 4) == ERR_OK);
    child->client.sent.first->data[9] ^= 1;
    deliver(&child->client, &child->server);
    must(reads(&child->server) == ERR_TLS_RECORD);
    free_pair(child);
}

static void break_off(void *argument)
{
    free_pair(argument);
}

static const struct {
    void (*end)(void *child);
    const char *what;
} ends[] = {{say_goodbye, "close_notify"}, {forge, "a forged record"}, {break_off, "nothing more"}};

static void test_child(const char *cipher)
{
    struct bed bed;
    struct pair child;
    open_bed(&bed, cipher);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        must(open_child(&child, bed.client, bed.a.client, bed.server, bed.a.server));
        struct secrets first = secrets_of(&child.client);
        must(count_of(&first.secret) >= 2); /* both ends have it: it can be found */
        call_below(rekey, &child);
        ok(are_gone(&first), "%s: after a KeyUpdate the old keys are gone", cipher);
        struct secrets second = secrets_of(&child.client);
        must(count_of(&second.secret) >= 2);
        call_below(ends[i].end, &child);
        ok(are_gone(&second), "%s: after %s and the end all are", cipher, ends[i].what);
    }
    close_bed(&bed);
}

/* Whom GnuTLS goes on with, it goes on with alone. */
static void fall_back(void *argument)
{
    struct pair *child = argument;
    must(shake(child));
}

static struct masked told;

static int on_secret(gnutls_session_t gnutls, const char *label, const gnutls_datum_t *secret)
{
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    if (strcmp(label, "CLIENT_TRAFFIC_SECRET_0") != 0)
        return 0;
    told = mask(secret->data, secret->size);
    tls_record_learn(&session->established->record, &session->established->record.out, secret->data,
                     secret->size);
    return 0;
}

static void test_fallback(struct bed *bed)
{
    struct mixed mixed;
    start_mixed(&mixed, bed, false);
    gnutls_session_set_keylog_function(mixed.ours->session->gnutls, on_secret);
    call_below(fall_back, &mixed.pair);
    must(mixed.ours->session->gnutls && told.size);
    free_pair(&mixed.pair);
    call_below(clear_stack, NULL);
    ok(!count_of(&told), "a secret that was not used is gone with its session");
}

/* ---- of the wide AES-GCM ---- */

static const uint8_t key[16] = "sixteen bytes ..", nonce[12] = "twelve bytes", header[5] = "head";
#define LENGTH 20

struct trial {
    struct tls_vaes_gcm *gcm;
    struct masked tag; /* the right one */
    uint8_t text[LENGTH + TLS_VAES_GCM_TAG];
};

static void encrypt(uint8_t *text)
{
    size_t size = LENGTH + TLS_VAES_GCM_TAG;
    gnutls_aead_cipher_hd_t aead;
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)key, sizeof key};
    must(gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &datum) == 0);
    must(gnutls_aead_cipher_encrypt(aead, nonce, sizeof nonce, header, sizeof header,
                                    TLS_VAES_GCM_TAG, text, LENGTH, text, &size) == 0);
    gnutls_aead_cipher_deinit(aead);
}

/* By GnuTLS. Encrypted twice a text is what it was: that has the tag of the text as ciphertext. */
static void work_out(void *argument)
{
    struct trial *trial = argument;
    uint8_t sealed[LENGTH + TLS_VAES_GCM_TAG];
    memcpy(sealed, trial->text, LENGTH);
    encrypt(sealed);
    encrypt(sealed);
    must(memcmp(sealed, trial->text, LENGTH) == 0);
    trial->tag = mask(sealed + LENGTH, TLS_VAES_GCM_TAG);
    gnutls_memset(sealed, 0, sizeof sealed);
}

static void open_forged(void *argument)
{
    struct trial *trial = argument;
    must(!tls_vaes_gcm_open(trial->gcm, nonce, header, sizeof header, trial->text, LENGTH));
}

static void test_wide(void)
{
    static struct trial trial;
    if (!tls_vaes_gcm_is_here()) {
        tap_skip("the wide AES-GCM", "this processor, or the build, has none");
        return;
    }
    trial.gcm = tls_vaes_gcm_new(key, sizeof key);
    memset(trial.text, 'x', sizeof trial.text); /* with a wrong tag */
    call_below(work_out, &trial);
    call_below(clear_stack, NULL);
    must(!count_of(&trial.tag));
    call_below(open_forged, &trial);
    ok(!count_of(&trial.tag), "the right tag of a forged record is not left on the stack");
    tls_vaes_gcm_free(trial.gcm);
}

int main(void)
{
    const char *under = getenv("UNDER");
    if (under && strstr(under, "valgrind")) {
        tap_skip("secrets in memory", "valgrind does not let anybody look at all of it");
        return tap_done();
    }
    make_certificates();
    for (size_t i = 0; i < 3; i++)
        test_child(ciphers[i]);
    struct bed bed;
    open_bed(&bed, ciphers[0]);
    test_fallback(&bed);
    close_bed(&bed);
    test_wide();
    message_cache_clear();
    return tap_done();
}
