/* The file of a client's sessions. The input is all of it but the checksum, which is put behind it
 * so that the rest is looked at. The cache is written and read again, and must be the same; the
 * cache stays within its bounds, and has no ticket that is over. */
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "tls/client_cache.h"
#include "tls/generation_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S     1800000000
#define PEERS_MAX 8
#define SUM_SIZE  32

time_t time(time_t *now)
{
    if (now)
        *now = NOW_S;
    return NOW_S;
}

static char directory[64], path[80];

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

/* In memory where the system has such a place: a file is written for each input. */
static void make_directory(void)
{
    if (directory[0])
        return;
    bool in_memory = access("/dev/shm", W_OK) == 0;
    snprintf(directory, sizeof directory, "%s/hawser-fuzz-XXXXXX", in_memory ? "/dev/shm" : "/tmp");
    must(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/sessions", directory);
    must(atexit(remove_directory) == 0);
}

static void write_file(const uint8_t *data, size_t size)
{
    static const uint8_t magic[8] = "HAWSERc1";
    uint8_t *bytes = check_alloc(sizeof magic + size + SUM_SIZE), sum[SUM_SIZE];
    size_t used = 0;
    if (!size || data[0] != 0xff) { /* 0xff: as it is, with another magic */
        memcpy(bytes, magic, sizeof magic);
        used = sizeof magic;
    }
    if (size)
        memcpy(bytes + used, data, size);
    used += size;
    must(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, used, sum) == 0);
    memcpy(bytes + used, sum, sizeof sum);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, used + SUM_SIZE) == (ssize_t)(used + SUM_SIZE));
    close(fd);
    free(bytes);
}

static struct tls_client_cache *load(enum err *e)
{
    struct tls_client_cache *cache = tls_client_cache_new(PEERS_MAX);
    char why[200] = "";
    *e = tls_client_cache_load(cache, path, why, sizeof why);
    must(*e == ERR_OK || (*e == ERR_TLS_CREDENTIALS && why[0]));
    struct stat status;
    must(*e != ERR_OK || lstat(path, &status) < 0);
    return cache;
}

static struct tls_client_cache_statistics look(struct tls_client_cache *cache)
{
    struct tls_client_cache_statistics statistics;
    tls_client_cache_statistics(cache, &statistics);
    must(statistics.peers <= PEERS_MAX && statistics.tickets >= statistics.peers);
    must(statistics.tickets <= PEERS_MAX * TLS_CLIENT_CACHE_PER_PEER);
    return statistics;
}

/* All that both have of a peer, newest first. */
static void compare(struct tls_client_cache *a, struct tls_client_cache *b,
                    const struct tls_client_cache_key *key)
{
    for (int i = 0; i < TLS_CLIENT_CACHE_PER_PEER; i++) {
        struct tls_ticket *one = tls_client_cache_take(a, key),
                          *other = tls_client_cache_take(b, key);
        must(!one == !other);
        if (one) {
            must(one->expires_at > NOW_S && one->expires_at <= NOW_S + TLS_CLIENT_CACHE_MAX_S);
            must(one->expires_at == other->expires_at && one->is_reusable == other->is_reusable);
            must(one->data_size == other->data_size &&
                 !memcmp(one->data, other->data, one->data_size));
            must(!memcmp(one->fingerprint, other->fingerprint, sizeof one->fingerprint));
        }
        tls_ticket_free(one);
        tls_ticket_free(other);
    }
}

static void compare_all(struct tls_client_cache *a, struct tls_client_cache *b, const uint8_t *data,
                        size_t size)
{
    for (size_t at = 4; at + 77 <= size;) {
        struct tls_client_cache_key key;
        memcpy(&key, data + at, sizeof key);
        compare(a, b, &key);
        size_t length = (size_t)data[at + 73] << 24 | (size_t)data[at + 74] << 16 |
                        (size_t)data[at + 75] << 8 | data[at + 76];
        if (length > size - at - 77)
            break;
        at += 77 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum err e;
    char why[200];
    make_directory();
    write_file(data, size);
    struct tls_client_cache *cache = load(&e);
    struct tls_client_cache_statistics before = look(cache);
    must(e == ERR_OK || before.tickets == 0);
    if (e == ERR_OK) {
        must(tls_client_cache_save(cache, path, why, sizeof why) == ERR_OK);
        struct tls_client_cache *again = load(&e);
        struct tls_client_cache_statistics after = look(again);
        must(e == ERR_OK && before.peers == after.peers && before.tickets == after.tickets);
        compare_all(cache, again, data, size);
        tls_client_cache_free(again);
    }
    tls_client_cache_free(cache);
    return 0;
}
