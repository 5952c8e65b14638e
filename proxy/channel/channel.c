/* A channel's sessions: what comes is decrypted and handled, what goes out is made into records. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/channel/channel_private.h"
#include "proxy/local/linger.h"

/* Ciphertext that may wait for its turn beyond a full window. Only small frames ever wait: an
 * honest peer, which sends a record when it has something for it, does not come near. */
#define INPUT_MAX (4u << 20)

static void fail(struct channel *channel, enum err why, const char *detail)
{
    char words[256]; /* detail lives in the session that ends */
    snprintf(words, sizeof words, "%s", detail ? detail : "");
    channel_session_stop(channel, why, words);
    channel_report(channel, CHANNEL_FAILED, why, words);
}

static void on_output(struct tls_output *output, struct message *message)
{
    channel_put(container_of(output, struct channel, output), message);
}

static bool wants_turn(const struct channel *channel)
{
    return channel->mux && channel->handshaken && mux_stream_wants_drain(channel->mux);
}

/* One record. False: there was nothing for it, or the session has ended. */
static bool make_record(struct channel *channel)
{
    struct message **plain = &channel->worker->plain;
    size_t limit = atomic_load_explicit(&channel->group->record_limit, memory_order_relaxed);
    size_t length = mux_stream_drain(channel->mux, (*plain)->data + TLS_SESSION_HEADROOM, limit);
    if (!length)
        return false;
    enum err result = tls_session_write_message(channel->session, plain, length);
    if (result != ERR_OK)
        fail(channel, result, tls_session_detail(channel->session));
    return result == ERR_OK;
}

struct message *channel_produce(struct channel *channel, bool *more)
{
    struct message *record = NULL;
    channel->produced = &record;
    /* New keys come first: the pump sees to them, in this turn. */
    *more = !channel->rekeys && wants_turn(channel) && make_record(channel) && wants_turn(channel);
    channel->produced = NULL;
    return record;
}

static bool advance(struct channel *channel);

/* Once for a lease, before its first record. False: the session has ended. */
static bool rekey(struct channel *channel)
{
    channel->rekeys = false;
    enum err result = tls_session_rekey(channel->session);
    /* TLS 1.2 knows no such thing. */
    if (result == ERR_OK && tls_session_is_13(channel->session))
        counter_add(&channel->group->tunnel->counters->leases_rekeyed, 1);
    if (result == ERR_OK || result == ERR_AGAIN) /* some 100 ms ago */
        return true;
    fail(channel, result, tls_session_detail(channel->session));
    return false;
}

/* First all that came in this turn is handled, then all that goes out is made: then the size of
 * both is known. */
static void on_pump(struct loop_task *task)
{
    struct channel *channel = container_of(task, struct channel, pump);
    if ((channel->input.fed && !channel->input.taker.waits && !advance(channel)) ||
        (channel->rekeys && !rekey(channel)))
        return;
    while (wants_turn(channel) && channel_has_room(channel) && make_record(channel))
        ;
    channel_carry_settle(channel);
}

static struct turn_share *share_of(const struct channel *channel)
{
    return &channel->group->shares[channel->worker->index];
}

/* It may go on in this turn, after something of this cost. */
static bool may_go_on(struct channel *channel, size_t cost)
{
    return channel->input.hurries ||
           turn_spend(&channel->worker->turn, share_of(channel), &channel->input.taker, cost);
}

static void on_turn(struct turn_taker *taker)
{
    on_pump(&container_of(taker, struct channel, input.taker)->pump);
}

static void on_wake(struct mail *mail)
{
    struct channel *channel = container_of(mail, struct channel, flow.wake);
    atomic_store(&channel->flow.wake_posted, false);
    channel_pump(channel);
}

static void on_timeout(struct loop_timer *timer)
{
    struct channel *channel = container_of(timer, struct channel, timer);
    fail(channel, ERR_TLS_TIMEOUT, channel->handshaken ? "the peer's BIND did not come" : "");
}

struct channel *channel_new(struct channel_group *group, struct worker *worker, uint16_t stream)
{
    struct channel *channel = check_alloc(sizeof *channel);
    channel->group = group;
    channel->worker = worker;
    channel->stream = stream;
    channel->output.on_output = on_output;
    channel->timer.on_expire = on_timeout;
    channel->pump.on_run = on_pump;
    channel->flow.wake.deliver = on_wake;
    channel->input.taker.on_turn = on_turn;
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

/* The records of a child that is up are GnuTLS's, or ours; all others can only be GnuTLS's. */
static bool is_by_gnutls(const struct channel *channel)
{
    return tls_session_records(channel->session) == TLS_RECORDS_GNUTLS;
}

static void end_session(struct channel *channel)
{
    if (channel->handshaken && is_by_gnutls(channel))
        counter_sub(&channel->group->tunnel->counters->children_by_gnutls, 1);
    loop_timer_cancel(channel->worker->loop, &channel->timer);
    loop_task_cancel(channel->worker->loop, &channel->pump);
    turn_leave(&channel->worker->turn, share_of(channel), &channel->input.taker);
    channel->input.bytes = 0;
    tls_session_free(channel->session);
    channel->session = NULL;
    mux_stream_free(channel->mux);
    channel->mux = NULL;
    channel->handshaken = channel->peer_finished = channel->input.fed = channel->rekeys = false;
}

void channel_session_stop(struct channel *channel, enum err why, const char *detail)
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
    struct tunnel_base *tunnel = channel->group->tunnel;
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
    const struct channel_group *group = channel->group;
    const struct config_tunnel *config = group->tunnel->config;
    struct mux_stream_options options = {
        .side = config->role == CONFIG_CLIENT ? MUX_CLIENT : MUX_SERVER,
        .stream = channel->stream,
        .windows = {group->window_promised, config->window.initial, config->window.max},
        .peer_window = group->peer_window,
        .budget = group->budget,
    };
    memcpy(options.association, group->association_id, sizeof options.association);
    channel->mux = mux_stream_new(&options, &channel->mux_events);
    channel->handshaken = true;
    if (is_by_gnutls(channel))
        note_records(channel);
    if (config->role == CONFIG_CLIENT) /* OPEN may follow BIND at once (rule B3) */
        channel_report(channel, CHANNEL_USABLE, ERR_OK, NULL);
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
        channel->input.bytes -= channel->input.bytes > length ? length : channel->input.bytes;
        goes_on = may_go_on(channel, mux_stream_take_cost(channel->mux));
    }
    if (goes_on && result != ERR_AGAIN) {
        fail(channel, result, tls_session_detail(channel->session));
        return false;
    }
    channel->input.fed = !goes_on; /* the rest in another turn */
    if (goes_on)
        channel->input.bytes = 0;
    channel_carry_push(channel);
    tls_session_release(channel->session);
    return true;
}

/* Goes on with what was fed. False: the session has ended. */
static bool advance(struct channel *channel)
{
    if (!channel->input.hurries &&
        !turn_may_begin(&channel->worker->turn, share_of(channel), &channel->input.taker)) {
        channel->input.fed = true; /* a client's first step is fed nothing */
        return true;
    }
    channel->input.fed = false;
    if (!channel->handshaken) {
        enum err result = tls_session_handshake(channel->session);
        if (channel_is_at_home(channel))
            channel->group->sink->step(channel);
        bool goes_on = may_go_on(channel, TURN_HANDSHAKE);
        if (result == ERR_AGAIN) { /* the next message goes on */
            turn_leave(&channel->worker->turn, share_of(channel), &channel->input.taker);
            return true;
        }
        if (result != ERR_OK) {
            fail(channel, result, tls_session_detail(channel->session));
            return false;
        }
        begin_mux(channel);
        channel->input.fed = !goes_on;
        if (!goes_on)
            return true;
    }
    return read_records(channel);
}

void channel_session_begin(struct channel *channel, uint8_t epoch,
                           const struct channel_roots *roots)
{
    struct tunnel_base *tunnel = channel->group->tunnel;
    worker_assert(channel->worker);
    channel_session_stop(channel, ERR_TLS_CLOSED, "the peer began another session on this stream");
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
    else if (tunnel->config->role == CONFIG_CLIENT)
        advance(channel);
}

/* The last bytes of a peer that left well may have come in this very turn. */
void channel_finish(struct channel *channel, enum err why, const char *detail)
{
    worker_assert(channel->worker);
    channel->input.hurries = true;
    if (channel->input.fed)
        advance(channel);
    channel->input.hurries = false;
    channel_session_stop(channel, why, detail);
}

void channel_session_feed(struct channel *channel, struct message *message)
{
    if (!channel->session) {
        message_free(message); /* failed here; the link is about to learn it */
        return;
    }
    channel->input.bytes += message->length;
    tls_session_feed(channel->session, message);
    channel->input.fed = true;
    if (channel->input.bytes > channel->group->tunnel->config->window.max + INPUT_MAX)
        fail(channel, ERR_CREDIT_EXCEEDED, "many small frames, faster than they are handled");
    else
        channel_pump(channel);
}
