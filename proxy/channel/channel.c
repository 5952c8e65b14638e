#include "proxy/channel/channel.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/channel/carry.h"
#include "proxy/link/link.h"
#include "proxy/local/linger.h"
#include "proxy/local/service.h"
#include "proxy/worker/worker.h"

/* Below this much on its way a starved channel goes on: half, so that one wake moves many records.
 */
#define UNSENT_LOW (CHANNEL_UNSENT_MAX / 2)

/* Ciphertext that may wait for its turn beyond a full window. Only small frames ever wait: an
 * honest peer, which sends a record when it has something for it, does not come near. */
#define INPUT_MAX (4u << 20)

static void fail(struct channel *channel, enum err why, const char *detail)
{
    char words[256]; /* detail lives in the session that channel_stop frees */
    snprintf(words, sizeof(words), "%s", detail ? detail : "");
    channel_stop(channel, why, words);
    link_notify(channel, NOTICE_FAILED, why, words, NULL, false);
}

static void on_output(struct tls_output *output, struct message *message)
{
    struct channel *channel = container_of(output, struct channel, output);
    message->stream = channel->stream;
    message->epoch = channel->epoch;
    atomic_fetch_add_explicit(&channel->unsent, (int32_t)message->length, memory_order_relaxed);
    link_put(channel, message);
}

/* Whether there is room on the way to SCTP; if not, the link or channel_sent will come back. */
static bool has_room(struct channel *channel)
{
    bool is_full = link_is_full(channel->link);
    if (is_full && channel->worker == channel->link->tunnel->home) {
        link_want(channel);
        return false;
    }
    if (link_hold(channel))
        return false;
    if (atomic_load(&channel->unsent) < (is_full ? 1 : CHANNEL_UNSENT_MAX))
        return true;
    atomic_store(&channel->starved, true);
    /* It may have fallen between the two lines above, before anybody saw us starve. */
    return atomic_load(&channel->unsent) < (is_full ? 1 : UNSENT_LOW) &&
           atomic_exchange(&channel->starved, false);
}

static bool wants_turn(const struct channel *channel)
{
    return channel->mux && channel->handshaken && mux_stream_wants_drain(channel->mux);
}

/* One record. False: there was nothing for it, or the session has ended. */
static bool make_record(struct channel *channel)
{
    struct message **plain = &channel->worker->plain;
    size_t limit = atomic_load_explicit(&channel->link->record_limit, memory_order_relaxed);
    size_t length = mux_stream_drain(channel->mux, (*plain)->data + TLS_SESSION_HEADROOM, limit);
    if (!length)
        return false;
    enum err result = tls_session_write_message(channel->session, plain, length);
    if (result != ERR_OK)
        fail(channel, result, tls_session_detail(channel->session));
    return result == ERR_OK;
}

bool channel_produce(struct channel *channel)
{
    /* New keys come first: the pump sees to them, in this turn. */
    return !channel->rekeys && wants_turn(channel) && make_record(channel) && wants_turn(channel);
}

static bool advance(struct channel *channel);

/* Once for a lease, before its first record. False: the session has ended. */
static bool rekey(struct channel *channel)
{
    channel->rekeys = false;
    enum err result = tls_session_rekey(channel->session);
    /* TLS 1.2 knows no such thing. */
    if (result == ERR_OK && tls_session_is_13(channel->session))
        counter_add(&channel->link->tunnel->counters->leases_rekeyed, 1);
    if (result == ERR_OK || result == ERR_AGAIN) /* some 100 ms ago */
        return true;
    fail(channel, result, tls_session_detail(channel->session));
    return false;
}

/* What came in this turn first, then what is to go out: both know then how much there is. */
static void on_pump(struct loop_task *task)
{
    struct channel *channel = container_of(task, struct channel, pump);
    if ((channel->fed && !channel->taker.waits && !advance(channel)) ||
        (channel->rekeys && !rekey(channel)))
        return;
    while (wants_turn(channel) && has_room(channel) && make_record(channel))
        ;
    channel_carry_settle(channel);
}

static struct turn_share *share_of(const struct channel *channel)
{
    return &channel->link->shares[channel->worker->index].turn;
}

/* Whether it may go on in this turn, after something that cost so much. */
static bool may_go_on(struct channel *channel, size_t cost)
{
    return channel->hurries ||
           turn_spend(&channel->worker->turn, share_of(channel), &channel->taker, cost);
}

static void on_turn(struct turn_taker *taker)
{
    on_pump(&container_of(taker, struct channel, taker)->pump);
}

void channel_pump(struct channel *channel)
{
    loop_task_queue(channel->worker->loop, &channel->pump);
}

static void on_wake(struct mail *mail)
{
    struct channel *channel = container_of(mail, struct channel, wake);
    atomic_store(&channel->wake_posted, false);
    channel_pump(channel);
}

void channel_sent(struct channel *channel, uint32_t length)
{
    int32_t before = atomic_fetch_sub(&channel->unsent, (int32_t)length);
    if (before - (int32_t)length < UNSENT_LOW && atomic_exchange(&channel->starved, false))
        channel_wake(channel);
}

void channel_wake(struct channel *channel)
{
    if (!atomic_exchange(&channel->wake_posted, true))
        worker_post(channel->worker, &channel->wake);
}

static void on_timeout(struct loop_timer *timer)
{
    struct channel *channel = container_of(timer, struct channel, timer);
    fail(channel, ERR_TLS_TIMEOUT, channel->handshaken ? "the peer's BIND did not come" : "");
}

struct channel *channel_new(struct link *link, struct worker *worker, uint16_t stream)
{
    struct channel *channel = check_alloc(sizeof(*channel));
    channel->link = link;
    channel->worker = worker;
    channel->stream = stream;
    channel->output.on_output = on_output;
    channel->timer.on_expire = on_timeout;
    channel->pump.on_run = on_pump;
    channel->wake.deliver = on_wake;
    channel->taker.on_turn = on_turn;
    channel_carry_init(channel);
    return channel;
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    must(!channel->session && !channel->connection);
    free(channel);
}

/* Whose records those of a child that is up are; all others can only be GnuTLS's. */
static bool is_by_gnutls(const struct channel *channel)
{
    return tls_session_records(channel->session) == TLS_RECORDS_GNUTLS;
}

static void end_session(struct channel *channel)
{
    if (channel->handshaken && is_by_gnutls(channel))
        counter_sub(&channel->link->tunnel->counters->children_by_gnutls, 1);
    loop_timer_cancel(channel->worker->loop, &channel->timer);
    loop_task_cancel(channel->worker->loop, &channel->pump);
    turn_leave(&channel->worker->turn, share_of(channel), &channel->taker);
    channel->input = 0;
    tls_session_free(channel->session);
    channel->session = NULL;
    mux_stream_free(channel->mux);
    channel->mux = NULL;
    channel->handshaken = channel->peer_finished = channel->fed = channel->rekeys = false;
}

void channel_stop(struct channel *channel, enum err why, const char *detail)
{
    if (channel->connection) {
        struct connection *connection = channel->connection;
        channel->connection = NULL;
        /* why may be the peer's word: a session that ends never looks like the end of the data. */
        linger_end(connection, why == ERR_CLOSED ? ERR_TLS_CLOSED : why, detail);
    }
    end_session(channel);
}

/* Once for a tunnel: nothing fails, but nobody would look for the memory and the time elsewhere. */
static void note_records(struct channel *channel)
{
    struct tunnel_base *tunnel = channel->link->tunnel;
    counter_add(&tunnel->counters->children_by_gnutls, 1);
    if (!tls_session_is_left_to_gnutls(channel->session) ||
        atomic_exchange(&tunnel->told_records, true))
        return;
    log_write(LOG_WARNING, LOG_ABOUT(.tunnel = tunnel->config->name, .stream = channel->stream),
              "records of a child stay with GnuTLS, which takes more memory and time: this is FIPS "
              "mode, or the peer wants short records, or this GnuTLS is one whose keys cannot be "
              "taken over (tls.records = \"gnutls\" says that it is meant)");
}

/* The child is handshaken: its first frame is BIND, and it takes frames. */
static void begin_mux(struct channel *channel)
{
    const struct config_tunnel *config = channel->link->tunnel->config;
    struct mux_stream_options options = {
        .side = config->role == CONFIG_CLIENT ? MUX_CLIENT : MUX_SERVER,
        .stream = channel->stream,
        .windows = {channel->link->window_promised, config->window.initial, config->window.max},
        .peer_window = channel->link->peer_window,
        .budget = channel->link->budget,
    };
    memcpy(options.association, channel->link->association_id, sizeof(options.association));
    channel->mux = mux_stream_new(&options, &channel->mux_events);
    channel->handshaken = true;
    if (is_by_gnutls(channel))
        note_records(channel);
    if (config->role == CONFIG_CLIENT) /* OPEN may follow BIND at once (rule B3) */
        link_notify(channel, NOTICE_USABLE, ERR_OK, NULL, NULL, false);
    channel_pump(channel);
}

/* Decrypts and handles what has come. False: the session has ended. */
static bool read_records(struct channel *channel)
{
    const uint8_t *record;
    size_t length;
    enum err result;
    bool goes_on = true;
    while (goes_on && (result = tls_session_read(channel->session, &record, &length)) == ERR_OK) {
        result = mux_stream_receive(channel->mux, record, length);
        if (result != ERR_OK) {
            fail(channel, result, NULL);
            return false;
        }
        channel->input -= channel->input > length ? length : channel->input;
        goes_on = may_go_on(channel, mux_stream_take_cost(channel->mux));
    }
    if (goes_on && result != ERR_AGAIN) {
        fail(channel, result, tls_session_detail(channel->session));
        return false;
    }
    channel->fed = !goes_on; /* the rest in another turn */
    if (goes_on)
        channel->input = 0;
    channel_carry_push(channel);
    tls_session_release(channel->session);
    return true;
}

/* Goes on with what was fed. False: the session has ended. */
static bool advance(struct channel *channel)
{
    if (!channel->hurries &&
        !turn_may_begin(&channel->worker->turn, share_of(channel), &channel->taker)) {
        channel->fed = true; /* a client's first step is fed nothing */
        return true;
    }
    channel->fed = false;
    if (!channel->handshaken) {
        enum err result = tls_session_handshake(channel->session);
        link_handshake_step(channel);
        bool goes_on = may_go_on(channel, TURN_HANDSHAKE);
        if (result == ERR_AGAIN) { /* what goes on is the next message's */
            turn_leave(&channel->worker->turn, share_of(channel), &channel->taker);
            return true;
        }
        if (result != ERR_OK) {
            fail(channel, result, tls_session_detail(channel->session));
            return false;
        }
        begin_mux(channel);
        channel->fed = !goes_on;
        if (!goes_on)
            return true;
    }
    return read_records(channel);
}

void channel_begin(struct channel *channel, uint8_t epoch, const struct channel_roots *roots)
{
    struct tunnel_base *tunnel = channel->link->tunnel;
    channel_stop(channel, ERR_TLS_CLOSED, "the peer began another session on this stream");
    channel->epoch = epoch;
    channel->session = tls_session_new_child(roots->credentials, roots->generation, roots->previous,
                                             &channel->output);
    tls_generation_unref(roots->generation);
    tls_generation_unref(roots->previous);
    tls_credentials_unref(roots->credentials);
    loop_timer_set(channel->worker->loop, &channel->timer,
                   loop_now(channel->worker->loop) + tunnel->config->tls.handshake_timeout_us);
    if (!channel->session)
        fail(channel, ERR_TLS_HANDSHAKE, "GnuTLS gave no session");
    else if (link_is_client(channel->link))
        advance(channel);
}

void channel_catch_up(struct channel *channel)
{
    channel->hurries = true;
    if (channel->fed)
        advance(channel);
    channel->hurries = false;
}

void channel_feed(struct channel *channel, struct message *message)
{
    if (!channel->session) {
        message_free(message); /* failed here; the link is about to learn it */
        return;
    }
    channel->input += message->length;
    tls_session_feed(channel->session, message);
    channel->fed = true;
    if (channel->input > channel->link->tunnel->config->window.max + INPUT_MAX)
        fail(channel, ERR_CREDIT_EXCEEDED, "many small frames, faster than they are handled");
    else
        channel_pump(channel);
}
