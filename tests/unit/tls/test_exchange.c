/* All that TLS 1.3 allows after a handshake, in any order, between our records and GnuTLS's: each
 * byte arrives, once and in its place. SEED repeats a run, TIMES lengthens it. */
#include "base/wire.h"
#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/mixed.h"
#include "tests/unit/tls/random.h"
#include "tls/session_private.h"

#define QUEUED 512

/* Records that one end has sent and the other one has not read. */
struct flow {
    uint64_t read, sent;
    uint16_t lengths[QUEUED];
};

struct play {
    struct mixed mixed;
    bool ours_is_server;
    bool has_asked; /* GnuTLS has asked for new keys of ours: twice is an error of its own making */
    int unread;     /* changes of our keys that it has not read: it bears 8 at once */
    struct flow ours, gnutls; /* by the sender */
};

static struct {
    uint64_t operations, sessions, records, bytes, pieces, updates, ends;
} count;

static size_t some_length(void)
{
    switch (random_below(8)) {
    case 0:
        return 1 + random_below(8);
    case 1:
        return TLS_RECORD_PLAIN_MAX - random_below(20);
    case 2:
        return 1990 + random_below(20); /* about where data are encrypted in place */
    case 3:
        return 1 + random_below(TLS_RECORD_PLAIN_MAX);
    default:
        return 1 + random_below(300);
    }
}

static bool has_room(const struct flow *flow)
{
    return flow->sent - flow->read < QUEUED;
}

static void note_sent(struct flow *flow, size_t length)
{
    flow->lengths[flow->sent++ % QUEUED] = (uint16_t)length;
    count.records++;
    count.bytes += length;
}

/* The next record of the flow, and no other. */
static void check_read(struct flow *flow, const uint8_t *data, size_t length)
{
    must(flow->read < flow->sent);
    must(length == flow->lengths[flow->read % QUEUED]);
    must(memcmp(data, random_payload(flow->read), length) == 0);
    flow->read++;
}

/* ---- what either end does ---- */

static void write_ours(struct play *play)
{
    struct tls_session *session = play->mixed.ours->session;
    size_t length = some_length();
    const uint8_t *payload = random_payload(play->ours.sent);
    if (!has_room(&play->ours) || play->unread == 7)
        return;
    play->unread += session->owes_update;
    if (random_one_in(2)) {
        struct message *plain = message_new(MESSAGE_MAX);
        memcpy(plain->data + TLS_SESSION_HEADROOM, payload, length);
        must(tls_session_write_message(session, &plain, length) == ERR_OK);
        message_free(plain);
    } else {
        must(tls_session_write(session, payload, length) == ERR_OK);
    }
    play->has_asked = false;
    note_sent(&play->ours, length);
}

static void write_gnutls(struct play *play)
{
    gnutls_session_t gnutls = gnutls_of(&play->mixed);
    size_t length = some_length(), room = TLS_RECORD_PLAIN_MAX - length,
           padding = random_one_in(3) ? random_below(room + 1) : 0;
    padding = padding < TLS_RECORD_PLAIN_MAX - 64 ? padding : 0; /* its own limit */
    if (!has_room(&play->gnutls))
        return;
    must(gnutls_record_send2(gnutls, random_payload(play->gnutls.sent), length, padding, 0) ==
         (ssize_t)length);
    note_sent(&play->gnutls, length);
}

static void read_gnutls(struct play *play, enum err end)
{
    const uint8_t *data;
    size_t length;
    enum err result;
    clock_shift += 2; /* another second, another 8 KeyUpdates */
    if (!play->mixed.ours->sent.first)
        play->unread = 0;
    while ((result = tls_session_read(play->mixed.gnutls->session, &data, &length)) == ERR_OK)
        check_read(&play->ours, data, length);
    must(result == end);
}

/* Some records are held, and must be what they were after all others. */
static enum err read_ours(struct play *play)
{
    struct tls_session *session = play->mixed.ours->session;
    struct {
        const uint8_t *data;
        uint64_t number;
        size_t length;
    } held[32];
    size_t holds = 0, length;
    const uint8_t *data;
    enum err result;
    while ((result = tls_session_read(session, &data, &length)) == ERR_OK) {
        check_read(&play->gnutls, data, length);
        if (holds < 32 && random_one_in(3) && tls_session_hold(session)) {
            held[holds].data = data;
            held[holds].number = play->gnutls.read - 1;
            held[holds++].length = length;
        }
        if (random_one_in(50)) {
            result = ERR_AGAIN;
            break;
        }
    }
    for (size_t i = 0; i < holds; i++)
        must(memcmp(held[i].data, random_payload(held[i].number), held[i].length) == 0);
    tls_session_release(session);
    return result;
}

/* ---- the line ---- */

/* Some messages, merged and cut anew. */
static void feed_pieces(struct end *from, struct end *to)
{
    static uint8_t bytes[6 * MESSAGE_MAX];
    size_t length = 0, most = 1 + random_below(6), way = random_below(3);
    for (struct message *m; most-- && (m = message_queue_pop(&from->sent)); message_free(m)) {
        memcpy(bytes + length, m->data, m->length);
        length += m->length;
    }
    for (size_t at = 0, part; at < length; at += part, count.pieces++) {
        part = 1 + random_below(way == 0 ? length < 2000 ? 8 : 600 : way == 1 ? 2000 : MESSAGE_MAX);
        part = part < length - at ? part : length - at;
        struct message *piece = message_new(part);
        memcpy(piece->data, bytes + at, part);
        piece->length = (uint32_t)part;
        tls_session_feed(to->session, piece);
    }
}

static void pass(struct end *from, struct end *to, size_t turns)
{
    while (turns-- && from->sent.first) {
        if (random_one_in(4))
            feed_pieces(from, to);
        else
            tls_session_feed(to->session, message_queue_pop(&from->sent));
    }
}

static void settle(struct play *play)
{
    struct end *ours = play->mixed.ours, *gnutls = play->mixed.gnutls;
    do {
        pass(ours, gnutls, SIZE_MAX);
        read_gnutls(play, ERR_AGAIN);
        pass(gnutls, ours, SIZE_MAX);
        must(read_ours(play) == ERR_AGAIN);
    } while (ours->sent.first || ours->session->input.first ||
             play->gnutls.read < play->gnutls.sent);
    must(play->ours.read == play->ours.sent);
}

/* ---- what is between data ---- */

static void update_keys(struct play *play, bool by_us)
{
    clock_shift += 2;
    count.updates++;
    if (by_us) {
        if (play->unread > 4)
            return;
        play->unread++;
        play->mixed.ours->session->rekeyed_at = 0; /* long ago */
        must(tls_session_rekey(play->mixed.ours->session) == ERR_OK);
        return;
    }
    bool asks = !play->has_asked && random_one_in(2);
    must(gnutls_session_key_update(gnutls_of(&play->mixed), asks ? GNUTLS_KU_PEER : 0) == 0);
    play->has_asked |= asks;
}

static void send_oddity(struct play *play)
{
    gnutls_session_t gnutls = gnutls_of(&play->mixed);
    if (!play->ours_is_server && random_one_in(2))
        must(gnutls_session_ticket_send(gnutls, 1 + (unsigned)random_below(3), 0) == 0);
    else
        must(gnutls_alert_send(gnutls, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED) == 0);
}

/* As if as many records had been sent as one key may protect. */
static void wear_keys_out(struct play *play)
{
    struct tls_record *record = &play->mixed.ours->session->established->record;
    uint8_t sequence[8];
    settle(play);
    for (record->out.sequence = 1 << 23; !tls_record_is_worn(record);)
        record->out.sequence = 1 << 24;
    record->out.sequence -= 1 + random_below(4);
    struct wire_writer writer = wire_writer(sequence, sizeof sequence);
    wire_put_u64(&writer, record->out.sequence);
    must(gnutls_record_set_state(gnutls_of(&play->mixed), 1, sequence) == 0);
    for (int i = 0; i < 6; i++)
        write_ours(play);
    play->unread++;
    must(record->out.sequence < 10);
}

static void step(struct play *play)
{
    struct mixed *mixed = &play->mixed;
    size_t choice = random_below(48);
    count.operations++;
    if (choice < 8)
        write_ours(play);
    else if (choice < 16)
        write_gnutls(play);
    else if (choice < 22)
        pass(mixed->ours, mixed->gnutls, random_below(6));
    else if (choice < 28)
        pass(mixed->gnutls, mixed->ours, random_below(6));
    else if (choice < 32)
        read_gnutls(play, ERR_AGAIN);
    else if (choice < 36)
        must(read_ours(play) == ERR_AGAIN);
    else if (choice < 40)
        update_keys(play, choice < 38);
    else if (choice < 42)
        send_oddity(play);
    else if (choice == 42 && random_one_in(5))
        settle(play);
    else if (choice == 43 && random_one_in(20))
        wear_keys_out(play);
}

/* ---- ends ---- */

static void end_by_us(struct play *play)
{
    struct mixed *mixed = &play->mixed;
    say_bye(mixed->ours);
    pass(mixed->ours, mixed->gnutls, SIZE_MAX);
    read_gnutls(play, ERR_TLS_CLOSED);
    write_gnutls(play);
    update_keys(play, false);
    write_gnutls(play);
    pass(mixed->gnutls, mixed->ours, SIZE_MAX);
    while (play->gnutls.read < play->gnutls.sent)
        must(read_ours(play) == ERR_AGAIN);
    must(!mixed->ours->sent.first);
    say_bye(mixed->gnutls);
    pass(mixed->gnutls, mixed->ours, SIZE_MAX);
    must(read_ours(play) == ERR_TLS_CLOSED);
}

static void end_by_gnutls(struct play *play)
{
    struct mixed *mixed = &play->mixed;
    enum err result;
    write_gnutls(play);
    say_bye(mixed->gnutls);
    pass(mixed->gnutls, mixed->ours, SIZE_MAX);
    while ((result = read_ours(play)) == ERR_AGAIN)
        ;
    must(result == ERR_TLS_CLOSED && play->gnutls.read == play->gnutls.sent);
    write_ours(play);
    pass(mixed->ours, mixed->gnutls, SIZE_MAX);
    read_gnutls(play, ERR_AGAIN);
    must(play->ours.read == play->ours.sent);
}

static void end_by_alert(struct play *play, bool by_us)
{
    struct mixed *mixed = &play->mixed;
    struct end *from = by_us ? mixed->ours : mixed->gnutls,
               *to = by_us ? mixed->gnutls : mixed->ours;
    const uint8_t *data;
    size_t length;
    if (by_us) {
        tls_failure_set(mixed->ours->session, ERR_TLS_RECORD, GNUTLS_A_INTERNAL_ERROR, "test");
        tls_failure_tell(mixed->ours->session);
    } else {
        must(gnutls_alert_send(gnutls_of(mixed), GNUTLS_AL_FATAL, GNUTLS_A_INTERNAL_ERROR) == 0);
    }
    pass(from, to, SIZE_MAX);
    enum err result = tls_session_read(to->session, &data, &length);
    must((result == ERR_TLS_RECORD || result == ERR_TLS_HANDSHAKE) && !to->sent.first);
    must(strstr(tls_session_detail(to->session), "(80)"));
    must(tls_session_write(to->session, "x", 1) == result);
}

static void end(struct play *play)
{
    size_t way = random_below(6);
    count.ends++;
    clock_shift += 2;
    if (way == 5)
        return; /* in the middle of everything */
    settle(play);
    if (way == 0)
        end_by_us(play);
    else if (way == 1)
        end_by_gnutls(play);
    else if (way < 4)
        end_by_alert(play, way == 2);
}

static void test_cipher(const char *cipher, size_t operations)
{
    struct bed bed;
    memset(&count, 0, sizeof count);
    clock_shift = 0;
    open_bed(&bed, cipher);
    while (count.operations < operations) {
        static struct play play;
        memset(&play, 0, sizeof play);
        play.ours_is_server = random_one_in(2);
        if (clock_shift > 1000) { /* its tickets are good for an hour */
            close_bed(&bed);
            clock_shift = 0;
            open_bed(&bed, cipher);
        }
        open_mixed(&play.mixed, &bed, play.ours_is_server);
        for (size_t left = 20 + random_below(300); left--;)
            step(&play);
        end(&play);
        free_pair(&play.mixed.pair);
        count.sessions++;
    }
    close_bed(&bed);
    ok(count.records && count.updates && count.pieces,
       "%s: %lu operations in %lu sessions: %lu records (%lu MB), %lu KeyUpdates, %lu pieces: all "
       "arrived",
       cipher, count.operations, count.sessions, count.records, count.bytes / 1000000,
       count.updates, count.pieces);
}

int main(void)
{
    make_certificates();
    random_begin();
    for (size_t i = 0; i < CIPHERS; i++)
        test_cipher(ciphers[i], random_times(8000));
    message_cache_clear();
    return tap_done();
}
