/* Somebody on the path spoils what a peer sends: nothing comes out but what went in, in its order,
 * and what our records bear, GnuTLS's do. SEED repeats a run, TIMES lengthens it. */
#include "tests/unit/tls/twin.h"

#define RECORDS 80
#define ROOM    ((size_t)RECORDS * 17000)

static const char *const kind_names[] = {
    "nothing",     "a bit",      "its end", "its beginning", "a record twice",   "two swapped",
    "one missing", "junk",       "foreign", "a longer one",  "a shorter header", "an old one again",
    "its type",    "its version"};
enum kind {
    NOTHING,
    BIT,
    END,
    BEGINNING,
    TWICE,
    SWAPPED,
    MISSING,
    JUNK,
    FOREIGN,
    LONGER,
    SHORTER,
    OLD,
    TYPE,
    VERSION,
    KINDS
};

/* The peer's bytes: records one behind the other. */
struct line {
    uint8_t *bytes;
    size_t size, count;
    struct {
        size_t at, length;
    } records[RECORDS];
};

static struct {
    size_t all, lived[KINDS], died[KINDS];
} count;

static uint8_t sent[ROOM], lines[2][ROOM], results[2][ROOM];
static size_t sent_size;

static void collect_records(struct line *line, struct end *from)
{
    for (struct message *m; (m = message_queue_pop(&from->sent)); message_free(m)) {
        for (size_t at = 0, length; at < m->length; at += length) {
            length = 5 + (size_t)(m->data[at + 3] << 8 | m->data[at + 4]);
            must(line->count < RECORDS && line->size + length <= ROOM);
            line->records[line->count].at = line->size;
            line->records[line->count++].length = length;
            memcpy(line->bytes + line->size, m->data + at, length);
            line->size += length;
        }
    }
}

static void speak(struct twin *twin, struct line *line)
{
    gnutls_session_t peer = gnutls_of(&twin->mixed);
    sent_size = 0;
    for (size_t i = 1 + random_below(10); i--;) {
        size_t length = random_one_in(5) ? 1 + random_below(16384) : 1 + random_below(100),
               padding = random_one_in(4) && length < 16000 ? random_below(200) : 0;
        const uint8_t *payload = random_payload(random_next());
        if (random_one_in(6))
            must(gnutls_session_key_update(peer, 0) == 0);
        must(gnutls_record_send2(peer, payload, length, padding, 0) == (ssize_t)length);
        memcpy(sent + sent_size, payload, length);
        sent_size += length;
    }
    collect_records(line, twin->mixed.gnutls);
}

/* In the bytes of one record. Returns what is done then. */
static enum kind spoil_bytes(uint8_t *record, size_t length, enum kind kind)
{
    size_t told = (size_t)(record[3] << 8 | record[4]), new;
    uint8_t before[3] = {record[0], record[1], record[2]};
    switch (kind) {
    case BIT:
        record[random_below(length)] ^= (uint8_t)(1 << random_below(8));
        return kind;
    case LONGER:
    case SHORTER:
        new = kind == SHORTER ? random_below(told)
                              : told + 1 + random_below(random_one_in(2) ? 30 : 20000);
        record[3] = (uint8_t)(new >> 8);
        record[4] = (uint8_t) new;
        return kind;
    case TYPE:
        record[0] = (uint8_t)(random_one_in(2) ? 20 + random_below(5) : random_below(256));
        break;
    case VERSION:
        record[1] = (uint8_t)random_below(256);
        record[2] = (uint8_t)random_below(256);
        break;
    default:
        return kind;
    }
    return memcmp(before, record, sizeof before) == 0 ? NOTHING : kind;
}

/* In the order of records; order has room for one more. */
static enum kind spoil_order(size_t *order, size_t *length, size_t victim, enum kind kind)
{
    switch (kind) {
    case TWICE:
        memmove(order + victim + 1, order + victim, (*length - victim) * sizeof *order);
        (*length)++;
        return kind;
    case SWAPPED:
        if (*length < 2)
            return NOTHING;
        victim -= victim == *length - 1;
        order[victim]++;
        order[victim + 1]--;
        return kind;
    case MISSING:
        (*length)--;
        memmove(order + victim, order + victim + 1, (*length - victim) * sizeof *order);
        return kind;
    case OLD:
        order[victim] = victim ? random_below(victim) : 0;
        return victim ? kind : NOTHING;
    default:
        return kind;
    }
}

static size_t put(uint8_t *out, size_t at, const uint8_t *bytes, size_t length)
{
    must(at + length <= ROOM);
    memcpy(out + at, bytes, length);
    return at + length;
}

static size_t put_junk(uint8_t *out, size_t at)
{
    uint8_t junk[40];
    size_t length = 1 + random_below(sizeof junk);
    for (size_t i = 0; i < length; i++)
        junk[i] = (uint8_t)(random_one_in(3) ? 0x17 : random_one_in(2) ? 3 : random_next());
    return put(out, at, junk, length);
}

/* A record of another session between the same two. */
static size_t put_foreign(uint8_t *out, size_t at, struct bed *bed, bool ours_is_server)
{
    struct mixed other;
    open_mixed(&other, bed, ours_is_server);
    must(tls_session_write(other.gnutls->session, random_payload(0), 50) == ERR_OK);
    struct message *message = message_queue_pop(&other.gnutls->sent);
    at = put(out, at, message->data, message->length);
    message_free(message);
    free_pair(&other.pair);
    return at;
}

/* The bytes that arrive. */
static size_t spoil(struct line *line, uint8_t *out, struct bed *bed, bool ours_is_server,
                    enum kind *kind)
{
    size_t order[RECORDS + 1], length = line->count, victim = random_below(length), at = 0;
    for (size_t i = 0; i < length; i++)
        order[i] = i;
    *kind =
        spoil_bytes(line->bytes + line->records[victim].at, line->records[victim].length, *kind);
    *kind = spoil_order(order, &length, victim, *kind);
    for (size_t i = 0; i < length; i++) {
        const uint8_t *record = line->bytes + line->records[order[i]].at;
        size_t size = line->records[order[i]].length, cut = 1 + random_below(size - 1);
        if (i == victim && *kind == JUNK)
            at = put_junk(out, at);
        if (i == victim && *kind == FOREIGN)
            at = put_foreign(out, at, bed, ours_is_server);
        if (i == victim && *kind == BEGINNING)
            at = put(out, at, record + cut, size - cut);
        else
            at = put(out, at, record, i == victim && *kind == END ? size - cut : size);
    }
    return at;
}

/* The peer understands the alert: it was sent under keys that both have. */
static void check_alert(struct twin *twin, const struct outcome *ours)
{
    struct mixed *mixed = &twin->mixed;
    const uint8_t *data;
    size_t length;
    if (ours->end != TWIN_DEAD)
        return;
    must(ours->alert && mixed->ours->sent.count == 1);
    deliver(mixed->ours, mixed->gnutls);
    must(tls_session_read(mixed->gnutls->session, &data, &length) != ERR_OK);
    must((int)gnutls_alert_get(gnutls_of(mixed)) == ours->alert);
}

/* GnuTLS looks at the version of records, which says nothing any more (RFC 8446 section 5.1), and
 * takes records in the clear that begin as handshake messages do; else what it refuses, we do, and
 * what we take it takes. */
static bool is_no_laxer(const struct outcome *ours, const struct outcome *gnutls)
{
    bool is_version = gnutls->end == TWIN_DEAD && gnutls->alert == GNUTLS_A_PROTOCOL_VERSION;
    if (is_version)
        return true;
    return ours->size <= gnutls->size && (ours->end == gnutls->end || ours->end == TWIN_DEAD);
}

static void attack(struct bed *bed, bool ours_is_server)
{
    static struct twin twin;
    struct line line = {.bytes = lines[0]};
    struct outcome ours = {.data = results[0], .room = ROOM},
                   gnutls = {.data = results[1], .room = ROOM};
    enum kind kind = (enum kind)random_below(KINDS);
    twin_open(&twin, bed, ours_is_server);
    speak(&twin, &line);
    size_t size = spoil(&line, lines[1], bed, ours_is_server, &kind);
    twin_feed(&twin, lines[1], size);
    twin_read_ours(&twin, &ours);
    twin_read_gnutls(&twin, &gnutls);
    must(ours.size <= sent_size && memcmp(ours.data, sent, ours.size) == 0);
    must(kind != NOTHING || (ours.size == sent_size && ours.end == TWIN_LIVES));
    must(is_no_laxer(&ours, &gnutls));
    check_alert(&twin, &ours);
    count.all++;
    *(ours.end == TWIN_DEAD ? &count.died[kind] : &count.lived[kind]) += 1;
    twin_close(&twin);
}

/* Faults that can leave a session alive: it comes to its end, or waits for more. */
static void check_counts(void)
{
    for (int kind = NOTHING; kind < KINDS; kind++) {
        bool may_live = kind == NOTHING || kind == BIT || kind == END || kind == BEGINNING ||
                        kind == MISSING || kind == JUNK || kind == LONGER;
        ok(may_live || !count.lived[kind], "spoilt: %s: %zu sessions died, %zu went on or wait",
           kind_names[kind], count.died[kind], count.lived[kind]);
    }
    ok(!count.died[NOTHING] && count.all, "%zu attacks: nothing came out but what went in",
       count.all);
}

int main(void)
{
    make_certificates();
    random_begin();
    for (size_t i = 0; i < CIPHERS; i++) {
        struct bed bed;
        open_bed(&bed, ciphers[i]);
        for (size_t left = random_times(250); left--;) {
            twin_renew(&bed, ciphers[i]);
            attack(&bed, random_one_in(2));
        }
        close_bed(&bed);
    }
    check_counts();
    message_cache_clear();
    return tap_done();
}
