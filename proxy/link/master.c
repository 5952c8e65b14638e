/* The master session: its handshake, its renewal, and what children are resumed from. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/wire.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"
#include "proxy/worker/worker.h"
#include "tls/client_cache.h"

/* Both ends derive it from the first master; BIND of every child carries it. */
#define ASSOCIATION_LABEL "EXPORTER-hawser-association"

/* Messages of a renewal that may overtake its RENEW frame: a ClientHello is one. */
#define RENEWAL_EARLY_MAX 4

/* Messages of a client that waits for its place: it sends one, HELLO, and then waits, too. */
#define KEPT_MAX 32

/* Control frames that may wait for their turn (rule W2): an honest peer has one HELLO of 16 KB, and
 * a few hundred bytes of others. */
#define CONTROL_WAITING_MAX (1u << 20)

/* What a record of control frames costs beyond its bytes (proxy/worker/turn.h): each byte as much
 * as an eighth of the smallest frames there are. */
#define CONTROL_COST(length) (MUX_COST_RECORD + (length) * (MUX_COST_FRAME / 8))

/* A renewal is a full handshake, 2 ms of a processor. A client makes one each two thirds of a
 * ticket's life, and tries again after a second: one a second, and eight that come at once. */
#define RENEWALS_AT_ONCE 8
#define RENEWAL_US       1000000

static void on_output(struct tls_output *output, struct message *message)
{
    struct link_master *master = container_of(output, struct link_master, output);
    message->stream = master->stream;
    message->epoch = master->epoch;
    link_enqueue(master->link, message);
}

static struct turn *turn_of(const struct link *link)
{
    return &link->tunnel->home->turn;
}

static struct turn_share *share_of(const struct link *link)
{
    return &link->group.shares[link->tunnel->home->index];
}

static void end_master(struct link_master *master)
{
    if (!master->link)
        return;
    turn_leave(turn_of(master->link), share_of(master->link), &master->taker);
    loop_timer_cancel(master->link->tunnel->home->loop, &master->timer);
    tls_session_free(master->session);
    tls_credentials_unref(master->credentials);
    master->session = NULL;
    master->credentials = NULL;
}

/* ---- what masters are resumed from ---- */

/* Servers are told apart by where they are, as it is configured; the rest of the key (name, CA,
 * own certificate…) is of the credentials. So two tunnels to the same server share its tickets. */
static struct tls_client_cache_key cache_key(const struct link_master *master)
{
    const struct config_tunnel *config = master->link->tunnel->config;
    char peer[TRANSPORT_ADDRESSES_MAX * 272];
    size_t used = 0;
    for (size_t i = 0; i < config->remote_count && used < sizeof(peer); i++)
        used += (size_t)snprintf(peer + used, sizeof(peer) - used, "%s ", config->remote[i].text);
    return tls_client_cache_key(master->credentials, peer);
}

static struct tls_ticket *find_ticket(const struct link_master *master)
{
    struct tls_client_cache_key key = cache_key(master);
    return tls_client_cache_take(master->link->owner->tickets, &key);
}

/* The server did not take the one that it was offered: it has no use for the others either. */
static void forget_tickets(const struct link_master *master)
{
    struct tls_client_cache_key key = cache_key(master);
    tls_client_cache_forget(master->link->owner->tickets, &key);
}

static void keep_ticket(struct link_master *master)
{
    struct tls_ticket *ticket = tls_session_take_ticket(master->session);
    if (!ticket)
        return;
    struct tls_client_cache_key key = cache_key(master);
    tls_client_cache_put(master->link->owner->tickets, &key, ticket);
}

/* ---- handshakes ---- */

static void fail_master(struct link_master *master, enum err why, const char *detail);

static void on_timeout(struct loop_timer *timer)
{
    struct link_master *master = container_of(timer, struct link_master, timer);
    fail_master(master, ERR_TLS_TIMEOUT, "master session");
}

/* Goes on with the control frames that were too many for one turn. */
static void on_turn(struct turn_taker *taker)
{
    struct link_master *master = container_of(taker, struct link_master, taker);
    if (master->link->state != LINK_CLOSING)
        link_master_advance(master->link, master);
}

static void on_store_answer(struct tls_output *output)
{
    struct link_master *master = container_of(output, struct link_master, output);
    if (master->link->state != LINK_CLOSING)
        link_master_advance(master->link, master);
}

/* resumes: from an earlier association. A renewal is a full handshake. */
static void begin_master(struct link *link, struct link_master *master, uint16_t stream,
                         uint8_t epoch, bool resumes)
{
    struct tunnel_base *tunnel = link->tunnel;
    end_master(master);
    *master = (struct link_master){.link = link,
                                   .stream = stream,
                                   .epoch = epoch,
                                   .credentials = tls_credentials_ref(link->owner->credentials),
                                   .output = {.on_output = on_output,
                                              .on_ready = on_store_answer,
                                              .reply_to = &tunnel->home->mailbox},
                                   .timer.on_expire = on_timeout,
                                   .taker.on_turn = on_turn};
    /* What the one before had to say concerns nobody any more; the peer may begin many. */
    scheduler_remove(&link->scheduler, &link->streams[stream].entry);
    message_queue_clear(&link->streams[stream].out);
    link->streams[stream].epoch = epoch;
    struct tls_ticket *ticket = resumes ? find_ticket(master) : NULL;
    master->offered = ticket;
    master->session = tls_session_new_master(master->credentials, ticket, &master->output);
    loop_timer_set(tunnel->home->loop, &master->timer,
                   link_now(link) + tunnel->config->tls.handshake_timeout_us);
}

/* ---- generations ---- */

static void schedule_renewal(struct link *link);

static void adopt_generation(struct link *link, struct tls_generation *generation,
                             struct tls_credentials *credentials)
{
    tls_generation_unref(link->previous_generation);
    link->previous_generation = link->generation;
    link->generation = generation;
    link->generation_refused = false;
    tls_credentials_unref(link->credentials);
    link->credentials = tls_credentials_ref(credentials);
    if (!link_is_client(link))
        return;
    schedule_renewal(link);
    if (credentials != link->owner->credentials) /* reloaded during the handshake */
        link_renew_now(link);
}

static void on_renew_time(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, renew_timer);
    if (link->state == LINK_MASTER) {
        schedule_renewal(link);
        return;
    }
    if (link->state != LINK_READY)
        return;
    uint16_t stream = (uint16_t)(link->streams_max + 1);
    uint8_t epoch = (uint8_t)(link->streams[stream].epoch + 1);
    mux_control_renew(link->control, stream, epoch);
    link_control_flush(link);
    begin_master(link, &link->renewal, stream, epoch, false);
    link_master_advance(link, &link->renewal);
}

/* At two thirds of what is left: early enough for several more attempts. */
static void schedule_renewal(struct link *link)
{
    struct loop *loop = link->tunnel->home->loop;
    int64_t left = tls_generation_expires_in(link->generation);
    uint64_t delay = left > 1 ? (uint64_t)left * 2000000 / 3 : 1000000;
    link->renew_timer.on_expire = on_renew_time;
    link->renew_us = loop_now(loop) + delay;
    loop_timer_set(loop, &link->renew_timer, link->renew_us);
}

/* The timer counts monotonic time, tickets live by the wall clock, and that may jump. A renewal
 * that has just failed is tried again within a second anyway. */
void link_renew_now(struct link *link)
{
    struct loop *loop = link->tunnel->home->loop;
    if (loop_timer_is_set(&link->renew_timer) && link->renew_us > loop_now(loop) + 1000000)
        loop_timer_set(loop, &link->renew_timer, 0);
}

static void fail_master(struct link_master *master, enum err why, const char *detail)
{
    struct link *link = master->link;
    counter_add(&link->tunnel->counters->masters_failed, 1);
    handshakes_failed(link->owner, why);
    if (master == &link->master) {
        link_close(link, why, detail, true);
        return;
    }
    log_write(LOG_WARNING, LINK_ABOUT(link), "renewal of the master session failed: %s: %s",
              err_text(why), detail);
    end_master(master);
    if (link_is_client(link))
        schedule_renewal(link);
}

/* ---- the handshake ---- */

static void first_master_verified(struct link *link)
{
    struct tls_session *session = link->master.session;
    struct counters *counters = link->tunnel->counters;
    bool resumed = tls_session_is_resumed(session);
    counter_add(resumed ? &counters->masters_resumed : &counters->masters_full, 1);
    if (link->master.offered && !resumed) {
        counter_add(&counters->masters_not_resumed, 1);
        forget_tickets(&link->master);
    }
    unverified_leave(link);
    if (link->stream_count < link->granted)
        link_streams_open(link, link->granted);
    snprintf(link->peer_name, sizeof(link->peer_name), "%s", tls_session_peer(session));
    link->tls_version = tls_session_version(session);
    link->tls_cipher = tls_session_cipher(session);
    link->master_resumed = resumed;
    if (link->association)
        association_trust(link->association);
    if (tls_session_export(session, ASSOCIATION_LABEL, link->group.association_id,
                           sizeof(link->group.association_id)) != ERR_OK) {
        link_close(link, ERR_TLS_MASTER, "no exporter", true);
        return;
    }
    struct wire_reader r =
        wire_reader(link->group.association_id, sizeof(link->group.association_id));
    link->group.log_id = wire_get_u64(&r);
    link_place_take(link);
}

/* Other credentials have come since the handshake began: they decide. */
static enum err check_again(const struct link_master *master, char *why, size_t why_size)
{
    const struct tls_credentials *credentials = master->link->owner->credentials;
    if (master->credentials == credentials)
        return ERR_OK;
    return tls_credentials_recheck(credentials, tls_session_identity(master->session), why,
                                   why_size);
}

static void take_identity(struct link_master *master)
{
    struct link *link = master->link;
    const struct tls_identity *identity = tls_session_identity(master->session);
    tls_identity_unref(link->identity);
    link->identity = tls_identity_ref(identity);
}

/* A renewed master must be the same peer: connections of the old one live on. */
static bool renewal_is_same_peer(struct link *link)
{
    if (strcmp(tls_session_peer(link->renewal.session), link->peer_name) == 0)
        return true;
    link_close(link, ERR_TLS_PEER_NAME, "the renewed master session is another peer's", true);
    return false;
}

/* Whether the master's resumable state is there: then it becomes the children's. */
static void look_for_generation(struct link *link, struct link_master *master)
{
    bool renewal = master == &link->renewal;
    if (link_is_client(link))
        keep_ticket(master);
    if (master->generation_taken)
        return;
    struct tls_generation *generation = tls_session_generation(master->session);
    if (!generation)
        return;
    master->generation_taken = true;
    adopt_generation(link, generation, master->credentials);
    if (!renewal)
        return;
    counter_add(&link->tunnel->counters->masters_renewed, 1);
    log_write(LOG_INFO, LINK_ABOUT(link), "master session renewed");
    loop_timer_cancel(link->tunnel->home->loop, &master->timer);
    link_start_children(link);
}

static void read_records(struct link *link, struct link_master *master)
{
    const uint8_t *record;
    size_t length;
    enum err result;
    if (!turn_may_begin(turn_of(link), share_of(link), &master->taker))
        return;
    while ((result = tls_session_read(master->session, &record, &length)) == ERR_OK) {
        if (master == &link->master) /* nothing is said on a renewal */
            result = mux_control_receive(link->control, record, length);
        if (result != ERR_OK) {
            link_close(link, result, NULL, true);
            return;
        }
        if (link->state == LINK_CLOSING)
            return;
        master->input -= master->input > length ? length : master->input;
        if (!turn_spend(turn_of(link), share_of(link), &master->taker, CONTROL_COST(length)))
            break;
    }
    if (result == ERR_AGAIN)
        master->input = 0;
    else if (result != ERR_OK) {
        char detail[512];
        snprintf(detail, sizeof(detail), "%s", tls_session_detail(master->session));
        fail_master(master, result, detail);
        return;
    }
    look_for_generation(link, master);
    link_control_flush(link);
}

void link_master_advance(struct link *link, struct link_master *master)
{
    if (!master->session) {
        fail_master(master, ERR_TLS_MASTER, "GnuTLS gave no session");
        return;
    }
    if (!master->verified) {
        char detail[512];
        enum err result = tls_session_handshake(master->session);
        if (result == ERR_AGAIN)
            return;
        snprintf(detail, sizeof(detail), "%s", tls_session_detail(master->session));
        if (result == ERR_OK)
            result = check_again(master, detail, sizeof(detail));
        if (result != ERR_OK) {
            fail_master(master, result, detail);
            return;
        }
        master->verified = true;
        take_identity(master);
        if (master == &link->master)
            first_master_verified(link);
        else if (!renewal_is_same_peer(link))
            return;
        else
            link->owner->events->on_identity(link->owner, link);
        if (link->control)
            link_auth_verified(link, master);
    }
    if (link->state == LINK_CLOSING || !link->control)
        return;
    read_records(link, master);
    if (link->state == LINK_MASTER && link->streams_max && link->generation)
        link_became_ready(link);
    else if (link->state == LINK_MASTER)
        link_early_begin(link);
}

void link_master_begin(struct link *link)
{
    begin_master(link, &link->master, 0, 0, link_is_client(link));
    if (link_is_client(link))
        link_master_advance(link, &link->master);
}

/* Of a renewal whose RENEW is still on its way. One of an older renewal is late, and must not take
 * the place. */
static bool is_early(const struct link *link, const struct message *message)
{
    return !link_is_client(link) && link->streams_max && message->stream == link->streams_max + 1 &&
           (int8_t)(message->epoch - link->renewal.epoch) > 0;
}

void link_master_receive(struct link *link, struct message *message)
{
    struct link_master *master = message->stream ? &link->renewal : &link->master;
    bool waits = link->place_awaited;
    if (waits && ++link->kept > KEPT_MAX) {
        message_free(message);
    } else if (master->session && message->stream == master->stream &&
               message->epoch == master->epoch) {
        master->input += message->length;
        tls_session_feed(master->session, message);
        if (master->taker.waits && master->input > CONTROL_WAITING_MAX)
            link_close(link, ERR_CONTROL_PROTOCOL, "too many control frames wait for their turn",
                       true);
        else
            link_master_advance(link, master);
    } else if (is_early(link, message) && link->renewal_early.count < RENEWAL_EARLY_MAX) {
        message_queue_push(&link->renewal_early, message);
    } else {
        message_free(message);
    }
}

static void begin_renewal(struct link *link)
{
    link->renewals_us += RENEWAL_US;
    loop_timer_cancel(link->tunnel->home->loop, &link->renewal_next.timer);
    begin_master(link, &link->renewal, link->renewal_next.stream, link->renewal_next.epoch, false);
    /* Only what there is now: a message of a newer epoch goes back to the queue. */
    for (size_t left = link->renewal_early.count; left; left--)
        link_master_receive(link, message_queue_pop(&link->renewal_early));
}

static void on_renewal_time(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, renewal_next.timer);
    if (link->state != LINK_CLOSING)
        begin_renewal(link);
}

/* What came for a renewal that this one replaces, and that has not had its time. */
static void drop_older(struct link *link, uint8_t epoch)
{
    for (size_t left = link->renewal_early.count; left; left--) {
        struct message *message = message_queue_pop(&link->renewal_early);
        if ((int8_t)(message->epoch - epoch) < 0)
            message_free(message);
        else
            message_queue_push(&link->renewal_early, message);
    }
}

/* A bucket of RENEWALS_AT_ONCE: renewals_us is when it will be full again. */
void link_master_renew(struct link *link, uint16_t stream, uint8_t epoch)
{
    struct loop *loop = link->tunnel->home->loop;
    uint64_t now = loop_now(loop);
    if (link->renewals_us < now)
        link->renewals_us = now;
    link->renewal_next.stream = stream;
    link->renewal_next.epoch = epoch;
    link->renewal_next.timer.on_expire = on_renewal_time;
    drop_older(link, epoch);
    uint64_t full = now + RENEWALS_AT_ONCE * RENEWAL_US;
    if (link->renewals_us + RENEWAL_US <= full)
        begin_renewal(link);
    else /* a newer one takes the place of one that waits */
        loop_timer_set(loop, &link->renewal_next.timer,
                       now + link->renewals_us + RENEWAL_US - full);
}

void link_master_end(struct link *link)
{
    struct loop *loop = link->tunnel->home->loop;
    loop_timer_cancel(loop, &link->renew_timer);
    loop_timer_cancel(loop, &link->renewal_next.timer);
    link_control_end(link);
    end_master(&link->master);
    end_master(&link->renewal);
    message_queue_clear(&link->renewal_early);
    tls_generation_unref(link->generation);
    tls_generation_unref(link->previous_generation);
    link->generation = link->previous_generation = NULL;
    tls_credentials_unref(link->credentials);
    link->credentials = NULL;
    tls_identity_unref(link->identity);
    link->identity = NULL;
}
