/* Answers of a Redis, or of an impostor: any bytes, in any pieces. hiredis is as it
 * is, but for its socket; the questions are asked and answered by the thread that does it in the
 * program. A hit must be what was sealed for that question with a key that we have, and whatever
 * comes, each question is answered once. */
#include <gnutls/gnutls.h>
#include <hiredis/hiredis.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/store.h"
#include "tls/store_redis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define QUESTIONS  3
#define TIMEOUT_MS 60
#define BETWEEN_US 100000 /* questions: the second attempt to connect may wait for 50 to 100 ms */
#define EXPIRES_AT 2000000000
#define SECRET     "the master secret of a session"

/* ---- in place of the clock ---- */

static atomic_uint_fast64_t now_us = 1000000000;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = (time_t)(now_us / 1000000);
    now->tv_nsec = (long)(now_us % 1000000 * 1000);
    return 0;
}

/* ---- in place of the socket ---- */

/* Touched by the thread of the store alone, from the question to the answer. */
static struct wire_reader script;
static uint8_t *sealed[QUESTIONS]; /* values that Redis would have */
static size_t sealed_size[QUESTIONS];

redisContext *redisConnectUnixWithTimeout(const char *path, const struct timeval timeout)
{
    (void)path, (void)timeout;
    redisContext *context = check_alloc(sizeof *context);
    context->reader = redisReaderCreate();
    must(context->reader);
    return context;
}

void redisFree(redisContext *context)
{
    redisReaderFree(context->reader);
    free(context);
}

int redisSetTimeout(redisContext *context, const struct timeval timeout)
{
    (void)context, (void)timeout;
    return REDIS_OK;
}

/* hiredis keeps what is to be written in a string of its own kind, whose beginning is not ours. */
int redisAppendCommand(redisContext *context, const char *format, ...)
{
    (void)context, (void)format;
    return REDIS_OK;
}

int redisBufferWrite(redisContext *context, int *done)
{
    (void)context;
    *done = 1;
    return REDIS_OK;
}

/* One piece: bytes of the script, a value that was sealed, or the end of the connection. */
int redisBufferRead(redisContext *context)
{
    static const char *const replies[] = {"$-1\r\n", ":1\r\n", "+OK\r\n"};
    char head[32];
    uint8_t about = wire_get_u8(&script);
    size_t length = about & 0x1f;
    if (!wire_left(&script))
        return REDIS_ERR;
    if (about >= 0xb0 && about < 0xc0) /* time passes, perhaps too much of it */
        now_us += (about & 15) * (TIMEOUT_MS * 1000 / 8);
    if (about >= 0xc0) {
        size_t which = about % QUESTIONS;
        int used = snprintf(head, sizeof head, "$%zu\r\n", sealed_size[which]);
        redisReaderFeed(context->reader, head, (size_t)used);
        redisReaderFeed(context->reader, (char *)sealed[which], sealed_size[which]);
        return redisReaderFeed(context->reader, "\r\n", 2);
    }
    if (about >= 0x80)
        return redisReaderFeed(context->reader, replies[about % 3], strlen(replies[about % 3]));
    if (about >= 0x40) /* a long run */
        length = wire_get_u16(&script);
    char *bytes = check_alloc(length + 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(wire_left(&script) ? wire_get_u8(&script) : 'x');
    int result = length ? redisReaderFeed(context->reader, bytes, length) : REDIS_OK;
    free(bytes);
    return result;
}

/* ---- questions ---- */

struct question {
    struct tls_store_query query; /* first: the store frees what was taken back */
    unsigned number;
};

static unsigned answered, asked;

static struct tls_store_key key_of(unsigned number)
{
    struct tls_store_key key;
    memset(&key, (int)(1 + number), sizeof key);
    return key;
}

static void on_answer(struct tls_store_query *query)
{
    struct question *question = container_of(query, struct question, query);
    answered++;
    must((query->answer == TLS_STORE_HIT) == (query->data != NULL));
    if (query->answer == TLS_STORE_HIT) {
        must(query->expires_at == EXPIRES_AT + question->number);
        must(query->size == sizeof SECRET && !memcmp(query->data, SECRET, sizeof SECRET));
    }
    free(query->data);
    free(question);
}

static void ask(struct tls_store_redis *redis, struct mailbox *box, unsigned number)
{
    struct question *question = check_alloc(sizeof *question);
    question->number = number;
    question->query =
        (struct tls_store_query){.on_answer = on_answer, .reply_to = box, .key = key_of(number)};
    asked++;
    tls_store_redis_ask(redis, &question->query);
}

/* A file of one key, which stays open. */
static const char *key_path(struct tls_key_file *keys)
{
    static char path[32];
    char text[] = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n", why[200];
    if (!path[0]) {
        int fd = memfd_create("keys", MFD_CLOEXEC);
        must(fd >= 0 && fchmod(fd, 0600) == 0);
        must(write(fd, text, sizeof text - 1) == sizeof text - 1);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    must(tls_key_file_read(path, TLS_STORE_KEY_SIZE, keys, why, sizeof why) == ERR_OK);
    return path;
}

/* The input as a value by itself. */
static void check_unseal(const struct tls_key_file *keys, const uint8_t *bytes, size_t size)
{
    struct tls_store_key key = key_of(0);
    uint8_t *out;
    size_t out_size;
    int64_t expires_at;
    must(!tls_store_unseal(keys, &key, bytes, size, &out, &out_size, &expires_at));
}

static void check_statistics(struct tls_store_redis *redis)
{
    struct tls_store_redis_statistics s;
    tls_store_redis_statistics(redis, &s);
    must(s.hits + s.misses + s.timeouts + s.unavailable + s.not_accepted == asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_key_file keys;
    char why[200];
    struct tls_store_redis_options options = {
        .host = "/nowhere", .keys = key_path(&keys), .timeout_ms = TIMEOUT_MS};
    for (unsigned i = 0; i < QUESTIONS && !sealed[i]; i++) {
        struct tls_store_key key = key_of(i);
        sealed[i] =
            tls_store_seal(&keys, &key, SECRET, sizeof SECRET, EXPIRES_AT + i, &sealed_size[i]);
    }
    check_unseal(&keys, data, size);
    script = wire_reader(data, size);
    now_us = 1000000000;
    answered = asked = 0;
    options.password = wire_get_u8(&script) & 1 ? "secret" : NULL;
    struct loop *loop = loop_new();
    struct mailbox box;
    struct tls_store_redis *redis;
    must(loop && mailbox_init(&box, loop) == 0);
    must(tls_store_redis_new(&options, &redis, why, sizeof why) == ERR_OK);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        now_us += BETWEEN_US;
        ask(redis, &box, i);
        while (answered < asked)
            loop_turn(loop, UINT64_MAX);
    }
    check_statistics(redis);
    tls_store_redis_free(redis);
    mailbox_fini(&box);
    loop_free(loop);
    return 0;
}
