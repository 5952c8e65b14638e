/* A master session: its handshake, and the control frames on it. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"
#include "tls/client_cache.h"

/* Control frames that may wait for their turn (rule W2): an honest peer has one HELLO of 16 KB, and
 * a few hundred bytes of others. */
#define CONTROL_WAITING_MAX (1u << 20)

/* The cost of a record of control frames beyond its bytes (proxy/worker/turn.h): each byte as much
 * as an eighth of the smallest frames there are. */
#define CONTROL_COST(length) (MUX_COST_RECORD + (length) * (MUX_COST_FRAME / 8))

static void on_output(struct tls_output *output, struct message *message)
{
    struct link_master *master = container_of(output, struct link_master, output);
    message->stream = master->stream;
    message->epoch = master->epoch;
    link_send_enqueue(master->link, message);
}

static struct turn *turn_of(const struct link *link)
{
    return &link->tunnel->home->turn;
}

static struct turn_share *share_of(const struct link *link)
{
    return &link->group.shares[link->tunnel->home->index];
}

/* ---- tickets of earlier associations ---- */

/* Servers are told apart by where they are, as it is configured; the rest of the key (name, CA,
 * own certificate…) is of the credentials. So two tunnels to the same server share its tickets. */
static struct tls_client_cache_key cache_key(const struct link_master *master)
{
    const struct config_tunnel *config = master->link->tunnel->config;
    char peer[TRANSPORT_ADDRESSES_MAX * 272];
    size_t used = 0;
    for (size_t i = 0; i < config->remote_count && used < sizeof peer; i++)
        used += (size_t)snprintf(peer + used, sizeof peer - used, "%s ", config->remote[i].text);
    return tls_client_cache_key(master->credentials, peer);
}

static struct tls_ticket *find_ticket(const struct link_master *master)
{
    struct tls_client_cache_key key = cache_key(master);
    return tls_client_cache_take(master->link->owner->tickets, &key);
}

void link_master_forget_tickets(const struct link_master *master)
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

/* ---- the handshake ---- */

static void fail(struct link_master *master, enum err why, const char *detail)
{
    master->link->wiring->on_master_failed(master->link, master, why, detail);
}

static void on_timeout(struct loop_timer *timer)
{
    fail(container_of(timer, struct link_master, timer), ERR_TLS_TIMEOUT, "master session");
}

static void advance_if_open(struct link_master *master)
{
    if (master->link->state != LINK_CLOSING)
        link_master_advance(master);
}

/* Goes on with the control frames that were too many for one turn. */
static void on_turn(struct turn_taker *taker)
{
    advance_if_open(container_of(taker, struct link_master, taker));
}

static void on_store_answer(struct tls_output *output)
{
    advance_if_open(container_of(output, struct link_master, output));
}

void link_master_begin(struct link *link, struct link_master *master, uint16_t stream,
                       uint8_t epoch, bool resumes)
{
    struct tunnel_base *tunnel = link->tunnel;
    link_master_end(master);
    *master = (struct link_master){.link = link,
                                   .stream = stream,
                                   .epoch = epoch,
                                   .credentials = tls_credentials_ref(link->owner->credentials),
                                   .output = {.on_output = on_output,
                                              .on_ready = on_store_answer,
                                              .reply_to = &tunnel->home->mailbox},
                                   .timer.on_expire = on_timeout,
                                   .taker.on_turn = on_turn};
    /* Messages of the one before are of no use any more; the peer may begin many. */
    scheduler_remove(&link->sending.scheduler, &link->streams.list[stream].entry);
    message_queue_clear(&link->streams.list[stream].out);
    link->streams.list[stream].epoch = epoch;
    struct tls_ticket *ticket = resumes ? find_ticket(master) : NULL;
    master->offered = ticket;
    master->session = tls_session_new_master(master->credentials, ticket, &master->output);
    loop_timer_set(tunnel->home->loop, &master->timer,
                   link_now(link) + tunnel->config->tls.handshake_timeout_us);
}

void link_master_end(struct link_master *master)
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

/* Other credentials have come since the handshake began: they decide. */
static enum err check_again(const struct link_master *master, char *why, size_t why_size)
{
    const struct tls_credentials *credentials = master->link->owner->credentials;
    if (master->credentials == credentials)
        return ERR_OK;
    return tls_credentials_recheck(credentials, tls_session_identity(master->session), why,
                                   why_size);
}

/* False: it goes on later, or has failed. */
static bool handshake(struct link_master *master)
{
    char detail[512];
    enum err result = tls_session_handshake(master->session);
    if (result == ERR_AGAIN)
        return false;
    snprintf(detail, sizeof detail, "%s", tls_session_detail(master->session));
    if (result == ERR_OK)
        result = check_again(master, detail, sizeof detail);
    if (result != ERR_OK)
        fail(master, result, detail);
    master->verified = result == ERR_OK;
    return master->verified;
}

/* ---- what comes on it ---- */

/* The master's resumable state becomes the children's when it is there. */
static void look_for_generation(struct link_master *master)
{
    if (link_is_client(master->link))
        keep_ticket(master);
    struct tls_generation *generation =
        master->generation_taken ? NULL : tls_session_generation(master->session);
    if (!generation)
        return;
    master->generation_taken = true;
    master->link->wiring->on_generation(master->link, master, generation);
}

static void read_records(struct link *link, struct link_master *master)
{
    const uint8_t *record;
    size_t length;
    enum err result;
    if (!turn_may_begin(turn_of(link), share_of(link), &master->taker))
        return;
    while ((result = tls_session_read(master->session, &record, &length)) == ERR_OK) {
        if (master->stream == 0) /* nothing is said on a renewal */
            result = mux_control_receive(link->control.mux, record, length);
        if (result != ERR_OK) {
            link->wiring->on_failed(link, result, NULL, true);
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
        snprintf(detail, sizeof detail, "%s", tls_session_detail(master->session));
        fail(master, result, detail);
        return;
    }
    look_for_generation(master);
    link_control_flush(link);
}

void link_master_advance(struct link_master *master)
{
    struct link *link = master->link;
    if (!master->session) {
        fail(master, ERR_TLS_MASTER, "GnuTLS gave no session");
        return;
    }
    if (!master->verified) {
        if (!handshake(master))
            return;
        link->wiring->on_verified(link, master);
    }
    if (link->state == LINK_CLOSING || !link->control.mux)
        return;
    read_records(link, master);
    link->wiring->on_read(link);
}

bool link_master_feed(struct link_master *master, struct message *message)
{
    if (!master->session || message->stream != master->stream || message->epoch != master->epoch)
        return false;
    master->input += message->length;
    tls_session_feed(master->session, message);
    if (master->taker.waits && master->input > CONTROL_WAITING_MAX)
        master->link->wiring->on_failed(master->link, ERR_CONTROL_PROTOCOL,
                                        "too many control frames wait for their turn", true);
    else
        link_master_advance(master);
    return true;
}
