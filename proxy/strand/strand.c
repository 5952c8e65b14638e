#include "proxy/strand/strand.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/local/linger.h"
#include "proxy/strand/carry.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

/* Below this much on its way a starved strand goes on: half, so that one wake moves many records.
 */
#define UNSENT_LOW (STRAND_UNSENT_MAX / 2)

/* Ciphertext that may wait for its turn beyond a full window. Only small frames ever wait: an
 * honest peer, which sends a record when it has something for it, does not come near. */
#define INPUT_MAX (4u << 20)

static void fail(struct strand *strand, enum err why, const char *detail)
{
    char words[256]; /* detail lives in the session that strand_stop frees */
    snprintf(words, sizeof(words), "%s", detail ? detail : "");
    strand_stop(strand, why, words);
    link_notify(strand, NOTICE_FAILED, why, words, NULL, false);
}

static void on_output(struct tls_output *output, struct message *message)
{
    struct strand *strand = container_of(output, struct strand, output);
    message->stream = strand->stream;
    message->epoch = strand->epoch;
    atomic_fetch_add_explicit(&strand->unsent, (int32_t)message->length, memory_order_relaxed);
    link_put(strand, message);
}

/* Whether there is room on the way to SCTP; if not, the link or strand_sent will come back. */
static bool has_room(struct strand *strand)
{
    bool is_full = link_is_full(strand->link);
    if (is_full && strand->worker == strand->link->tunnel->home) {
        link_want(strand);
        return false;
    }
    if (link_hold(strand))
        return false;
    if (atomic_load(&strand->unsent) < (is_full ? 1 : STRAND_UNSENT_MAX))
        return true;
    atomic_store(&strand->starved, true);
    /* It may have fallen between the two lines above, before anybody saw us starve. */
    return atomic_load(&strand->unsent) < (is_full ? 1 : UNSENT_LOW) &&
           atomic_exchange(&strand->starved, false);
}

static bool wants_turn(const struct strand *strand)
{
    return strand->mux && strand->handshaken && mux_stream_wants_drain(strand->mux);
}

/* One record. False: there was nothing for it, or the session has ended. */
static bool make_record(struct strand *strand)
{
    struct message **plain = &strand->worker->plain;
    size_t limit = atomic_load_explicit(&strand->link->record_limit, memory_order_relaxed);
    size_t length = mux_stream_drain(strand->mux, (*plain)->data + TLS_SESSION_HEADROOM, limit);
    if (!length)
        return false;
    enum err result = tls_session_write_message(strand->session, plain, length);
    if (result != ERR_OK)
        fail(strand, result, tls_session_detail(strand->session));
    return result == ERR_OK;
}

bool strand_produce(struct strand *strand)
{
    /* New keys come first: the pump sees to them, in this turn. */
    return !strand->rekeys && wants_turn(strand) && make_record(strand) && wants_turn(strand);
}

static bool advance(struct strand *strand);

/* Once for a lease, before its first record. False: the session has ended. */
static bool rekey(struct strand *strand)
{
    strand->rekeys = false;
    enum err result = tls_session_rekey(strand->session);
    /* TLS 1.2 knows no such thing. */
    if (result == ERR_OK && strcmp(tls_session_version(strand->session), "TLS1.3") == 0)
        counter_add(&strand->link->tunnel->counters.leases_rekeyed, 1);
    if (result == ERR_OK || result == ERR_AGAIN) /* some 100 ms ago */
        return true;
    fail(strand, result, tls_session_detail(strand->session));
    return false;
}

/* What came in this turn first, then what is to go out: both know then how much there is. */
static void on_pump(struct loop_task *task)
{
    struct strand *strand = container_of(task, struct strand, pump);
    if ((strand->fed && !strand->taker.waits && !advance(strand)) ||
        (strand->rekeys && !rekey(strand)))
        return;
    while (wants_turn(strand) && has_room(strand) && make_record(strand))
        ;
    strand_carry_settle(strand);
}

static struct turn_share *share_of(const struct strand *strand)
{
    return &strand->link->shares[strand->worker->index].turn;
}

/* Whether it may go on in this turn, after something that cost so much. */
static bool may_go_on(struct strand *strand, size_t cost)
{
    return strand->hurries ||
           turn_spend(&strand->worker->turn, share_of(strand), &strand->taker, cost);
}

static void on_turn(struct turn_taker *taker)
{
    on_pump(&container_of(taker, struct strand, taker)->pump);
}

void strand_pump(struct strand *strand)
{
    loop_task_queue(strand->worker->loop, &strand->pump);
}

static void on_wake(struct mail *mail)
{
    struct strand *strand = container_of(mail, struct strand, wake);
    atomic_store(&strand->wake_posted, false);
    strand_pump(strand);
}

void strand_sent(struct strand *strand, uint32_t length)
{
    int32_t before = atomic_fetch_sub(&strand->unsent, (int32_t)length);
    if (before - (int32_t)length < UNSENT_LOW && atomic_exchange(&strand->starved, false))
        strand_wake(strand);
}

void strand_wake(struct strand *strand)
{
    if (!atomic_exchange(&strand->wake_posted, true))
        worker_post(strand->worker, &strand->wake);
}

static void on_timeout(struct loop_timer *timer)
{
    struct strand *strand = container_of(timer, struct strand, timer);
    fail(strand, ERR_TLS_TIMEOUT, strand->handshaken ? "the peer's BIND did not come" : "");
}

struct strand *strand_new(struct link *link, struct worker *worker, uint16_t stream)
{
    struct strand *strand = check_alloc(sizeof(*strand));
    strand->link = link;
    strand->worker = worker;
    strand->stream = stream;
    strand->output.on_output = on_output;
    strand->timer.on_expire = on_timeout;
    strand->pump.on_run = on_pump;
    strand->wake.deliver = on_wake;
    strand->taker.on_turn = on_turn;
    strand_carry_init(strand);
    return strand;
}

void strand_free(struct strand *strand)
{
    if (!strand)
        return;
    must(!strand->session && !strand->connection);
    free(strand);
}

/* Whose records those of a child that is up are; all others can only be GnuTLS's. */
static bool is_by_gnutls(const struct strand *strand)
{
    return tls_session_records(strand->session) == TLS_RECORDS_GNUTLS;
}

static void end_session(struct strand *strand)
{
    if (strand->handshaken && is_by_gnutls(strand))
        counter_sub(&strand->link->tunnel->counters.children_by_gnutls, 1);
    loop_timer_cancel(strand->worker->loop, &strand->timer);
    loop_task_cancel(strand->worker->loop, &strand->pump);
    turn_leave(&strand->worker->turn, share_of(strand), &strand->taker);
    strand->input = 0;
    tls_session_free(strand->session);
    strand->session = NULL;
    mux_stream_free(strand->mux);
    strand->mux = NULL;
    strand->handshaken = strand->peer_finished = strand->fed = strand->rekeys = false;
}

void strand_stop(struct strand *strand, enum err why, const char *detail)
{
    if (strand->connection) {
        struct connection *connection = strand->connection;
        strand->connection = NULL;
        /* why may be the peer's word: a session that ends never looks like the end of the data. */
        linger_end(connection, why == ERR_CLOSED ? ERR_TLS_CLOSED : why, detail);
    }
    end_session(strand);
}

/* Once for a tunnel: nothing fails, but nobody would look for the memory and the time elsewhere. */
static void note_records(struct strand *strand)
{
    struct tunnel *tunnel = strand->link->tunnel;
    counter_add(&tunnel->counters.children_by_gnutls, 1);
    if (!tls_session_is_left_to_gnutls(strand->session) ||
        atomic_exchange(&tunnel->told_records, true))
        return;
    log_write(LOG_WARNING, LOG_ABOUT(.tunnel = tunnel->config->name, .stream = strand->stream),
              "records of a child stay with GnuTLS, which takes more memory and time: this is FIPS "
              "mode, or the peer wants short records, or this GnuTLS is one whose keys cannot be "
              "taken over (tls.records = \"gnutls\" says that it is meant)");
}

/* The child is handshaken: its first frame is BIND, and it takes frames. */
static void begin_mux(struct strand *strand)
{
    const struct config_tunnel *config = strand->link->tunnel->config;
    struct mux_stream_options options = {
        .side = config->role == CONFIG_CLIENT ? MUX_CLIENT : MUX_SERVER,
        .stream = strand->stream,
        .windows = {strand->link->window_promised, config->window_initial, config->window_max},
        .peer_window = strand->link->peer_window,
        .budget = strand->link->budget,
    };
    memcpy(options.association, strand->link->association_id, sizeof(options.association));
    strand->mux = mux_stream_new(&options, &strand->mux_events);
    strand->handshaken = true;
    if (is_by_gnutls(strand))
        note_records(strand);
    if (config->role == CONFIG_CLIENT) /* OPEN may follow BIND at once (rule B3) */
        link_notify(strand, NOTICE_USABLE, ERR_OK, NULL, NULL, false);
    strand_pump(strand);
}

/* Decrypts and handles what has come. False: the session has ended. */
static bool read_records(struct strand *strand)
{
    const uint8_t *record;
    size_t length;
    enum err result;
    bool goes_on = true;
    while (goes_on && (result = tls_session_read(strand->session, &record, &length)) == ERR_OK) {
        result = mux_stream_receive(strand->mux, record, length);
        if (result != ERR_OK) {
            fail(strand, result, NULL);
            return false;
        }
        strand->input -= strand->input > length ? length : strand->input;
        goes_on = may_go_on(strand, mux_stream_take_cost(strand->mux));
    }
    if (goes_on && result != ERR_AGAIN) {
        fail(strand, result, tls_session_detail(strand->session));
        return false;
    }
    strand->fed = !goes_on; /* the rest in another turn */
    if (goes_on)
        strand->input = 0;
    strand_carry_push(strand);
    tls_session_release(strand->session);
    return true;
}

/* Goes on with what was fed. False: the session has ended. */
static bool advance(struct strand *strand)
{
    if (!strand->hurries &&
        !turn_may_begin(&strand->worker->turn, share_of(strand), &strand->taker)) {
        strand->fed = true; /* a client's first step is fed nothing */
        return true;
    }
    strand->fed = false;
    if (!strand->handshaken) {
        enum err result = tls_session_handshake(strand->session);
        link_handshake_step(strand);
        bool goes_on = may_go_on(strand, TURN_HANDSHAKE);
        if (result == ERR_AGAIN) { /* what goes on is the next message's */
            turn_leave(&strand->worker->turn, share_of(strand), &strand->taker);
            return true;
        }
        if (result != ERR_OK) {
            fail(strand, result, tls_session_detail(strand->session));
            return false;
        }
        begin_mux(strand);
        strand->fed = !goes_on;
        if (!goes_on)
            return true;
    }
    return read_records(strand);
}

void strand_begin(struct strand *strand, uint8_t epoch, const struct strand_roots *roots)
{
    struct tunnel *tunnel = strand->link->tunnel;
    strand_stop(strand, ERR_TLS_CLOSED, "the peer began another session on this stream");
    strand->epoch = epoch;
    strand->session = tls_session_new_child(roots->credentials, roots->generation, roots->previous,
                                            &strand->output);
    tls_generation_unref(roots->generation);
    tls_generation_unref(roots->previous);
    tls_credentials_unref(roots->credentials);
    loop_timer_set(strand->worker->loop, &strand->timer,
                   loop_now(strand->worker->loop) + tunnel->config->tls.handshake_timeout_us);
    if (!strand->session)
        fail(strand, ERR_TLS_HANDSHAKE, "GnuTLS gave no session");
    else if (tunnel_is_client(tunnel))
        advance(strand);
}

void strand_catch_up(struct strand *strand)
{
    strand->hurries = true;
    if (strand->fed)
        advance(strand);
    strand->hurries = false;
}

void strand_feed(struct strand *strand, struct message *message)
{
    if (!strand->session) {
        message_free(message); /* failed here; the link is about to learn it */
        return;
    }
    strand->input += message->length;
    tls_session_feed(strand->session, message);
    strand->fed = true;
    if (strand->input > strand->link->tunnel->config->window_max + INPUT_MAX)
        fail(strand, ERR_CREDIT_EXCEEDED, "many small frames, faster than they are handled");
    else
        strand_pump(strand);
}
