/* The begin of associations: both ends wired to each other, with packets that are lost, come twice
 * or late, or are forged. */
#include "sctp/closing.h"
#include "sctp/handshake.h"
#include "sctp/sending.h"
#include "tests/unit/sctp/pair.h"

#define SECOND UINT64_C(1000000)

static uint64_t seed;

/* ---- what was sent ---- */

/* First chunk of each packet, 'a' to 'z' by type, in capitals those of B. */
static char trace[256];
static uint64_t trace_us[256];
static unsigned traced;
static unsigned drop_from, drop_count; /* packets of the trace that are lost */

static bool note(struct pair *pair, struct pair_packet *packet)
{
    unsigned i = traced++;
    must(i + 1 < sizeof trace);
    trace[i] = (char)((packet->to_b ? 'a' : 'A') + packet->bytes[SCTP_HEADER]);
    trace[traced] = 0;
    trace_us[i] = pair->now_us;
    return i < drop_from || i >= drop_from + drop_count;
}
/* INIT b, INIT ACK C, COOKIE ECHO k, COOKIE ACK L, DATA a, SACK D, ABORT g, ERROR j */

static void begin(struct pair *pair, unsigned from, unsigned count)
{
    pair_init(pair, seed);
    pair->filter = note;
    traced = 0;
    trace[0] = 0;
    drop_from = from;
    drop_count = count;
}

static bool both_up(const struct pair *pair)
{
    return pair_told(&pair->a, SCTP_EVENT_UP) && pair_told(&pair->b, SCTP_EVENT_UP) &&
           pair->a.association->own_tag == pair->b.association->peer_tag &&
           pair->b.association->own_tag == pair->a.association->peer_tag;
}

/* ---- in order ---- */

static void plain(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    pair.options[0].streams = 100;
    pair.options[1].streams = 7;
    pair_connect(&pair);
    pair_run(&pair, SECOND);
    ok(!strcmp(trace, "bCkL") && both_up(&pair), "four packets (%s)", trace);
    ok(pair.a.up_streams == 7 && pair.b.up_streams == 7, "the fewer streams of both");
    ok(pair.a.association->nets[0]->srtt_us == 20000 &&
           pair.b.association->nets[0]->srtt_us == 20000,
       "each knows the round trip");
    ok(pair.a.association->peer_is_hawser && pair.b.association->peer_is_hawser &&
           !pair.a.association->handshake && !pair.b.association->handshake,
       "each knows the other for one of ours");
    ok(pair.a.events[0] == SCTP_EVENT_ANSWERED && pair.a.events[1] == SCTP_EVENT_UP &&
           pair.b.events[0] == SCTP_EVENT_UP,
       "and is told");
    ok(pair_say(&pair, false, 6, 3000) == ERR_OK && pair_say(&pair, true, 6, 3000) == ERR_OK,
       "both can send");
    pair_run(&pair, SECOND);
    ok(pair.a.messages.count == 1 && pair.b.messages.count == 1, "and be heard");
    pair_fini(&pair);
}

static void not_ours(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    pair.options[1].hawser = false;
    pair_up(&pair);
    ok(both_up(&pair) && !pair.a.association->peer_is_hawser && !pair.b.association->peer_is_hawser,
       "one that does not say it is ours is none of ours, either way");
    pair_fini(&pair);
}

static void answered_by(struct pair *pair, const char *expected, const char *what)
{
    pair->early = pair_message(0, 900, 'e');
    pair_connect(pair);
    pair_run(pair, 10 * SECOND);
    ok(!strcmp(trace, expected) && both_up(pair), "%s (%s)", what, trace);
    ok(pair->b.messages.count == 1 && pair->b.messages.first->length == 900 &&
           pair->b.messages.first->data[899] == 'e',
       "and the early message is there, once");
    pair_fini(pair);
}

static void all_ones(void *context, void *bytes, size_t length)
{
    (void)context;
    memset(bytes, 0xff, length);
}

static void all_zeros(void *context, void *bytes, size_t length)
{
    (void)context;
    memset(bytes, 0, length);
}

static void numbers(void)
{
    struct pair pair;
    begin(&pair, 2, 1);
    pair.options[0].random = all_ones;
    pair.options[0].first_tsn = 0;
    answered_by(&pair, "bCkkL", "a TSN of ffffffff is the first");
    begin(&pair, 2, 1);
    pair.options[0].random = all_zeros;
    pair.options[0].first_tsn = 0;
    answered_by(&pair, "bCkkL", "and one of 0");
    begin(&pair, 0, 0);
    pair.options[0].random = pair.options[1].random = all_zeros;
    pair_connect(&pair);
    pair_run(&pair, SECOND);
    ok(both_up(&pair) && pair.a.association->own_tag == 1, "no tag is 0");
    pair_fini(&pair);
}

static void losses(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    answered_by(&pair, "bCkL", "DATA goes behind COOKIE ECHO, SACK behind COOKIE ACK");
    begin(&pair, 0, 1);
    answered_by(&pair, "bbCkL", "INIT was lost");
    ok(trace_us[1] - trace_us[0] == SECOND, "it goes again after RTO.Initial");
    begin(&pair, 1, 1);
    answered_by(&pair, "bCbCkL", "INIT ACK was lost");
    begin(&pair, 2, 1);
    answered_by(&pair, "bCkkL", "COOKIE ECHO was lost");
    ok(trace_us[3] - trace_us[2] == 200000, "it goes again by the round trip of INIT");
    begin(&pair, 3, 1);
    answered_by(&pair, "bCkLkL", "COOKIE ACK was lost");
    begin(&pair, 2, 4);
    answered_by(&pair, "bCkkkkkL", "COOKIE ECHO was lost four times");
    ok(trace_us[5] - trace_us[4] == 800000, "the time doubles");
    begin(&pair, 0, 3);
    answered_by(&pair, "bbbbCkL", "INIT was lost three times");
    ok(trace_us[3] - trace_us[2] == 4 * SECOND, "that, too");
}

/* The server speaks first, or its COOKIE ACK is overtaken. */
static void implied(void)
{
    struct pair pair;
    begin(&pair, 3, 1);
    pair.early = pair_message(0, 900, 'e');
    pair_connect(&pair);
    pair_run(&pair, 35000);
    ok(pair.b.association && pair.a.association->state == SCTP_COOKIE_ECHOED,
       "COOKIE ACK was lost (%s)", trace);
    pair_say(&pair, true, 0, 3000);
    pair_run(&pair, 15000);
    ok(both_up(&pair) && pair.a.messages.count == 1, "DATA says the same (%s)", trace);
    pair_run(&pair, 10 * SECOND);
    ok(!strchr(strchr(trace, 'k') + 1, 'k') && pair.b.messages.count == 1 &&
           sctp_sending_is_done(pair.a.association) && sctp_sending_is_done(pair.b.association),
       "and all arrives (%s)", trace);
    pair_fini(&pair);
}

static void twice(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    pair_connect(&pair);
    pair_post(&pair, pair_copy(pair.wire), pair.now_us + 15000); /* INIT, and so INIT ACK */
    pair_post(&pair, pair_copy(pair.wire), pair.now_us + SECOND / 2);
    pair_run(&pair, SECOND);
    ok(!strcmp(trace, "bCCkLC") && both_up(&pair),
       "INIT three times, INIT ACKs in ECHOED and up (%s)", trace);
    pair_fini(&pair);
}

/* ---- nobody there ---- */

static struct pair_packet *first_init;
static unsigned other_inits;

static bool swallow(struct pair *pair, struct pair_packet *packet)
{
    if (!first_init)
        first_init = pair_copy(packet);
    other_inits += packet->length != first_init->length ||
                   memcmp(packet->bytes, first_init->bytes, packet->length) != 0;
    note(pair, packet);
    return false;
}

static void silence(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    pair.filter = swallow;
    pair_connect(&pair);
    pair_run(&pair, 1000 * SECOND);
    ok(!strcmp(trace, "bbbbbbbbb"), "INIT goes nine times (%s)", trace);
    ok(!other_inits && first_init->length == 40, "always the same 40 bytes");
    free(first_init);
    first_init = NULL;
    unsigned wrong = 0;
    for (unsigned i = 1; i < traced; i++) {
        uint64_t doubled = SECOND << (i - 1);
        wrong += trace_us[i] - trace_us[i - 1] != (doubled < 60 * SECOND ? doubled : 60 * SECOND);
    }
    ok(!wrong, "after 1, 2, 4 s and so on, 60 at most");
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_TIMEOUT), "then it has ended");
    pair_fini(&pair);
    begin(&pair, 2, 200);
    pair_connect(&pair);
    pair_run(&pair, 1000 * SECOND);
    ok(!strcmp(trace, "bCkkkkkkkkk") && pair_is_down(&pair.a, ERR_TRANSPORT_TIMEOUT),
       "COOKIE ECHO goes nine times (%s)", trace);
    pair_fini(&pair);
}

static void by_caller(void)
{
    struct pair pair;
    struct sctp_wants wants;
    uint8_t one[64], two[64];
    begin(&pair, 0, 0);
    pair.options[0].init_by_caller = true;
    pair_connect(&pair);
    struct sctp_association *a = pair.a.association;
    ok(!traced && !sctp_association_wants(a, pair.now_us, &wants) &&
           sctp_association_deadline(a) == SCTP_NEVER,
       "INIT is the caller's");
    size_t length = sctp_association_init_packet(a, one, sizeof one);
    ok(length == 40 && sctp_association_init_packet(a, two, sizeof two) == 40 &&
           !memcmp(one, two, 40) && !sctp_association_init_packet(a, two, 39),
       "always the same");
    pair_post(&pair, pair_new(true, 5, one, length), pair.now_us + 10000);
    pair_run(&pair, SECOND);
    ok(!strcmp(trace, "CkL") && both_up(&pair), "INIT ACK is heard (%s)", trace);
    ok(a->used == 5 && a->nets[5]->srtt_us == 20000, "where INIT was answered it goes on");
    ok(!sctp_association_init_packet(a, two, sizeof two), "no INIT once it is up");
    pair_fini(&pair);
}

/* ---- stale cookies ---- */

static const uint8_t stale[] = {0, 3, 0, 8, 0, 0, 0, 1};

static void stale_cookies(void)
{
    struct pair pair;
    begin(&pair, 2, 1);
    pair.early = pair_message(0, 900, 'e');
    pair_connect(&pair);
    pair_run(&pair, 30000); /* COOKIE ECHO is lost */
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ERROR, 0, stale, sizeof stale);
    pair_run(&pair, SECOND);
    ok(!strcmp(trace, "bCkbCkL") && both_up(&pair), "a stale cookie: begins anew (%s)", trace);
    ok(pair.b.messages.count == 1, "with the early message");
    pair_inject_chunk(&pair, false, SCTP_CHUNK_ERROR, 0, stale, sizeof stale);
    pair_run(&pair, SECOND);
    ok(!strcmp(trace, "bCkbCkL"), "not once it is up");
    pair_fini(&pair);
}

static bool all_stale(struct pair *pair, struct pair_packet *packet)
{
    note(pair, packet);
    if (packet->bytes[SCTP_HEADER] != SCTP_CHUNK_COOKIE_ECHO)
        return true;
    struct pair_forged forged;
    pair_forge(pair, false, pair->a.association->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, SCTP_CHUNK_ERROR, 0, stale, sizeof stale);
    size_t length = (size_t)(forged.writer.at - forged.bytes);
    sctp_wire_seal(forged.bytes, length);
    pair_post(pair, pair_new(false, 0, forged.bytes, length), pair->now_us + 20000);
    return false;
}

static void always_stale(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    pair.filter = all_stale;
    pair_connect(&pair);
    pair_run(&pair, 100 * SECOND);
    ok(!strcmp(trace, "bCkbCkbCkbCkbCkbCkbCkbCkbCk") &&
           pair_is_down(&pair.a, ERR_TRANSPORT_TIMEOUT),
       "nine stale cookies are enough (%s)", trace);
    pair_fini(&pair);
}

/* ---- RFC 4895 ---- */

static void with_auth(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    pair.options[0].auth = pair.options[1].auth = true;
    pair.early = pair_message(0, 900, 'e');
    pair_connect(&pair);
    pair_run(&pair, SECOND);
    ok(both_up(&pair) && pair.a.association->auth && pair.b.association->auth &&
           pair.b.messages.count == 1,
       "both authenticate (%s)", trace);
    ok(pair_say(&pair, true, 1, 5000) == ERR_OK, "and are heard");
    pair_run(&pair, SECOND);
    ok(pair.a.messages.count == 1 && !pair.a.association->counters.rejected, "by each other");
    pair_fini(&pair);
    begin(&pair, 0, 0);
    pair.options[0].auth = true;
    pair_connect(&pair);
    pair_run(&pair, SECOND);
    ok(pair_is_down(&pair.a, ERR_TRANSPORT_AUTH) && !pair_told(&pair.a, SCTP_EVENT_UP) &&
           !pair_told(&pair.a, SCTP_EVENT_ANSWERED),
       "only the client wants it: it ends (%s)", trace);
    ok(pair_is_down(&pair.b, ERR_TRANSPORT_ABORTED) &&
           pair.b.down.text_length == sizeof SCTP_AUTH_MISSING - 1 &&
           !memcmp(pair.b.text, SCTP_AUTH_MISSING, sizeof SCTP_AUTH_MISSING - 1),
       "and the server is told why");
    pair_fini(&pair);
    begin(&pair, 0, 0);
    pair.options[1].auth = true;
    pair_connect(&pair);
    pair_run(&pair, SECOND);
    ok(!strcmp(trace, "bG") && pair_is_down(&pair.a, ERR_TRANSPORT_REFUSED) &&
           pair.a.down.text_length == sizeof SCTP_AUTH_MISSING - 1 && !pair.b.association,
       "only the server wants it: the client is told why (%s)", trace);
    pair_fini(&pair);
}

/* ---- both at once, and again ---- */

/* B connects, too; its INITs are lost, as nobody listens at A, A's are answered. */
static void collision(unsigned lost, bool auth)
{
    struct pair pair;
    begin(&pair, 0, lost);
    pair.options[0].auth = pair.options[1].auth = auth;
    pair_connect(&pair);
    pair.b.association = sctp_association_connect(&pair.options[1]);
    uint32_t a = pair.a.association->own_tag, b = pair.b.association->own_tag;
    pair_run(&pair, 10 * SECOND);
    ok(both_up(&pair) && pair.a.association->own_tag == a && pair.b.association->own_tag == b,
       "both begin at once: one association with the tags of both (%s)", trace);
    ok(pair_say(&pair, false, 1, 5000) == ERR_OK && pair_say(&pair, true, 1, 5000) == ERR_OK,
       "which works");
    pair_run(&pair, SECOND);
    ok(pair.a.messages.count == 1 && pair.b.messages.count == 1, "both ways");
    pair_fini(&pair);
}

static void again(void)
{
    struct pair pair;
    begin(&pair, 0, 0);
    pair_up(&pair);
    uint32_t b = pair.b.association->own_tag;
    sctp_association_free(pair.a.association);
    pair.a.event_count = 0;
    pair.a.association = sctp_association_connect(&pair.options[0]);
    pair_pump(&pair, false);
    pair_run(&pair, SECOND);
    ok(pair.heir && both_up(&pair) && pair.b.association->own_tag != b,
       "a client that has lost its state gets a new association (%s)", trace);
    pair_fini(&pair);
}

int main(void)
{
    seed = tap_seed();
    plain();
    not_ours();
    numbers();
    losses();
    implied();
    twice();
    silence();
    by_caller();
    stale_cookies();
    always_stale();
    with_auth();
    collision(0, false);
    collision(1, false);
    collision(3, true);
    again();
    return tap_done();
}
