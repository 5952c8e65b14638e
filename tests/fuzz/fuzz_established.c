/* The records of a TLS 1.3 child that goes on without GnuTLS: what a peer with the right keys
 * sends, and somebody without them. The input is a script of records: true ones, padded, of any
 * type and content, KeyUpdates, changed and repeated ones, in pieces of any size. Data come out as
 * they were put in, in order, and nothing else does; what we put out opens with the peer's keys. */
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/session_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX  (TLS_RECORD_CIPHER_MAX + 400)
#define STREAM_MAX (4 * BYTES_MAX)
#define UPDATES    24 /* a handshake message of this type */

#define UPDATES_AT_ONCE 32 /* below the 64 that a session takes */

static uint64_t now_us;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = (time_t)(now_us / 1000000);
    now->tv_nsec = (long)(now_us % 1000000 * 1000);
    return 0;
}

/* ---- both ends ---- */

static struct tls_session *session;
static struct tls_record peer;
static struct message_queue expected; /* data that should come, each a record */
static bool is_over;                  /* the peer has broken a rule, or said that it ends */

static const struct {
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t hash;
    uint8_t secret_size, tag_size;
} suites[] = {{GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_SHA256, 32, 16},
              {GNUTLS_CIPHER_AES_256_GCM, GNUTLS_MAC_SHA384, 48, 16},
              {GNUTLS_CIPHER_CHACHA20_POLY1305, GNUTLS_MAC_SHA256, 32, 16},
              {GNUTLS_CIPHER_AES_128_CCM_8, GNUTLS_MAC_SHA256, 32, 8}};

static void key(struct tls_record *record, uint8_t about, bool is_server)
{
    unsigned suite = about % 4;
    uint8_t secret[TLS_RECORD_SECRET_MAX];
    record->cipher = (int)suites[suite].cipher;
    record->hash = (int)suites[suite].hash;
    record->tag_size = suites[suite].tag_size;
    memset(secret, 'c', sizeof secret);
    tls_record_learn(record, is_server ? &record->in : &record->out, secret,
                     suites[suite].secret_size);
    memset(secret, 's', sizeof secret);
    tls_record_learn(record, is_server ? &record->out : &record->in, secret,
                     suites[suite].secret_size);
    must(tls_record_update(record, &record->in) && tls_record_update(record, &record->out));
}

/* Nothing but data, alerts and KeyUpdates, one after the other under the peer's keys. */
static void on_output(struct tls_output *self, struct message *message)
{
    enum tls_record_type type;
    const uint8_t *data;
    size_t length;
    (void)self;
    must(message->length <= MESSAGE_MAX && message->length > TLS_RECORD_HEADER);
    must((size_t)(message->data[3] << 8 | message->data[4]) == message->length - TLS_RECORD_HEADER);
    must(tls_record_open(&peer, message->data, message->length, &type, &data, &length) == 0);
    if (type == TLS_RECORD_HANDSHAKE) {
        must(length == 5 && data[0] == UPDATES && data[4] == 0);
        must(tls_record_update(&peer, &peer.in));
    } else if (type == TLS_RECORD_ALERT) {
        must(length == 2 && (data[0] == 1 || data[0] == 2));
    } else {
        must(type == TLS_RECORD_DATA);
    }
    message_free(message);
}

static struct tls_output output = {.on_output = on_output};

static void begin(uint8_t about)
{
    session = check_alloc(sizeof *session);
    session->output = &output;
    session->is_established = true;
    session->is_server = about & 4;
    session->established = check_alloc(sizeof *session->established);
    memset(&peer, 0, sizeof peer);
    key(&session->established->record, about, session->is_server);
    key(&peer, about, !session->is_server);
    now_us = 1000000000;
    is_over = false;
}

static void end(void)
{
    message_queue_clear(&expected);
    message_queue_clear(&session->input);
    tls_established_free(session->established);
    free(session->detail);
    free(session);
    tls_record_clear(&peer);
}

/* ---- what comes in ---- */

static uint8_t stream[STREAM_MAX]; /* not yet in messages */
static size_t stream_length;
static unsigned updates_unread; /* of those that come slowly enough; read late they are too many */

static void read_all(void)
{
    const uint8_t *data;
    size_t length;
    enum err e;
    if (session->failure != ERR_OK || session->is_closed)
        return;
    while ((e = tls_established_read(session, &data, &length)) == ERR_OK) {
        struct message *message = message_queue_pop(&expected);
        must(message && message->length == length && !memcmp(message->data, data, length));
        message_free(message);
        if (length % 3 == 0)
            tls_established_hold(session->established);
        else if (length % 3 == 1)
            tls_established_release(session->established);
    }
    must(e == ERR_AGAIN || is_over);
    must(e != ERR_AGAIN || !expected.count || session->input.count || stream_length);
    must(e == ERR_AGAIN || e == ERR_TLS_CLOSED || session->failure == e);
}

static void feed(size_t piece)
{
    for (size_t at = 0, part; at < stream_length; at += part) {
        part = stream_length - at < piece ? stream_length - at : piece;
        struct message *message = message_new(part);
        message->length = (uint32_t)part;
        memcpy(message->data, stream + at, part);
        if (session->failure == ERR_OK && !session->is_closed)
            message_queue_push(&session->input, message);
        else
            message_free(message);
    }
    stream_length = 0;
    updates_unread = 0;
    read_all();
}

/* A record of the peer's: content, its type, so many zeros. */
static void seal(uint8_t type, const uint8_t *content, size_t length, size_t zeros)
{
    if (stream_length + BYTES_MAX > STREAM_MAX)
        feed(MESSAGE_MAX);
    uint8_t *at = stream + stream_length;
    if (length)
        memcpy(at + TLS_RECORD_HEADER, content, length);
    if (zeros) { /* the last of them is what tls_record_seal takes for the type */
        at[TLS_RECORD_HEADER + length++] = type;
        memset(at + TLS_RECORD_HEADER + length, 0, --zeros);
        length += zeros;
        type = 0;
    }
    stream_length += tls_record_seal(&peer, (enum tls_record_type)type, at, length);
}

static void send_data(struct wire_reader *script)
{
    static uint8_t content[TLS_RECORD_PLAIN_MAX + 400];
    size_t length = wire_get_u8(script), zeros = wire_get_u8(script);
    if (length >= 0xf0) /* to the limit, and beyond it */
        length = TLS_RECORD_PLAIN_MAX - 0xf8 + length;
    zeros = zeros < 0x80 ? 0 : zeros - 0x80;
    memset(content, (int)(length + zeros), length);
    seal(TLS_RECORD_DATA, content, length, zeros); /* it may feed a record sealed before it */
    if (length + zeros > TLS_RECORD_PLAIN_MAX) {
        is_over = true;
    } else { /* comes in its turn, if the session lives */
        struct message *message = message_new(length);
        message->length = (uint32_t)length;
        memcpy(message->data, content, length);
        message_queue_push(&expected, message);
    }
}

/* Any type, any content: what is not good ends the session, and never becomes data. */
static void send_crafted(struct wire_reader *script)
{
    uint8_t content[64], type = 1 + wire_get_u8(script) % 31; /* 0 would be padding */
    size_t length = wire_get_u8(script) % sizeof content, zeros = wire_get_u8(script) % 4;
    for (size_t i = 0; i < length; i++)
        content[i] = wire_get_u8(script);
    if (type != TLS_RECORD_DATA) {
        is_over = true;
        seal(type, content, length, zeros);
    }
}

static void send_update(uint8_t wants)
{
    const uint8_t update[] = {UPDATES, 0, 0, 1, wants & 1};
    seal(TLS_RECORD_HANDSHAKE, update, sizeof update, 0);
    must(tls_record_update(&peer, &peer.out));
}

/* Without the keys: bytes of the script, or what is on its way, changed or once more. */
static void disturb(struct wire_reader *script)
{
    size_t length = wire_get_u8(script);
    is_over = true;
    if (length & 1 && stream_length) {
        stream[wire_get_u16(script) % stream_length] ^= (uint8_t)(length | 2);
        return;
    }
    if (stream_length + 2 * length + 600 > STREAM_MAX)
        feed(MESSAGE_MAX);
    if (length & 2 && stream_length && stream_length < 300) {
        memcpy(stream + stream_length, stream, stream_length);
        stream_length *= 2;
        return;
    }
    for (size_t i = 0; i < length; i++)
        stream[stream_length++] = wire_get_u8(script);
}

static void act(uint8_t action)
{
    static const uint8_t hello[] = "hello";
    if (session->failure != ERR_OK)
        return;
    if (action & 1)
        must(tls_established_rekey(session) == ERR_OK);
    else
        must(tls_established_write(session, hello, sizeof hello) == ERR_OK);
}

static void play(struct wire_reader *script)
{
    for (unsigned i = 0; i < 200 && wire_left(script); i++) {
        uint8_t action = wire_get_u8(script);
        switch (action & 7) {
        case 0:
        case 1:
            send_data(script);
            break;
        case 2:
            if (updates_unread++ == UPDATES_AT_ONCE)
                feed(MESSAGE_MAX);
            send_update(action >> 3);
            now_us += 130000;
            break;
        case 3:
            send_crafted(script);
            break;
        case 4:
            disturb(script);
            break;
        case 5:
            act(action >> 3);
            break;
        case 6: /* many at once: too many, perhaps */
            is_over = true;
            for (unsigned n = action >> 3; n; n--)
                send_update((uint8_t)n);
            break;
        default:
            feed(action >> 3 ? (size_t)(action >> 3) * (action >> 3) : MESSAGE_MAX);
        }
    }
    feed(MESSAGE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader script = wire_reader(data, size);
    stream_length = updates_unread = 0;
    begin(wire_get_u8(&script));
    play(&script);
    must(is_over || !expected.count);
    end();
    return 0;
}
