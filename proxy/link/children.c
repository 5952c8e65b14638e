/* The children: sessions of channels begin, fail and begin anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"
#include "proxy/local/service.h"

/* Children that may fail before the association is given up; one is forgiven each second. More than
 * a burst of bad luck, few enough that a peer that resumes nothing is told apart at once. */
#define FAILURES_MAX   64
#define FORGIVENESS_US 1000000

/* Handshakes of children that are under way at once. One takes 20 KB at each end until it is over,
 * of an idle child's 3: thousands together are a peak that the heap keeps, and 1000 children were
 * ready a sixth later than by 64 at a time, out of the cache. A round trip must not leave the
 * processors idle: two make 5 in a millisecond. */
#define AT_ONCE_MIN    64
#define AT_ONCE_PER_MS 16

/* ---- sessions ---- */

/* Stream 1, which is leased first, is at home and needs no mail. */
static struct worker *worker_of(const struct tunnel_base *tunnel, uint16_t id)
{
    return &tunnel->workers[(tunnel->home->index + id - 1u) % tunnel->worker_count];
}

void link_children_start_one(struct link *link, uint16_t id, uint8_t epoch)
{
    struct link_stream *stream = &link->streams.list[id];
    struct tunnel_base *tunnel = link->tunnel;
    if (!stream->channel)
        stream->channel = channel_new(&link->group, worker_of(tunnel, id), id);
    link_send_forget(link, stream);
    stream->epoch = epoch;
    stream->child = CHILD_STARTED;
    link->children.started++;
    counter_add(&tunnel->counters->children_started, 1);
    struct channel_roots roots = {
        .credentials = tls_credentials_ref(link->masters.credentials),
        .generation = tls_generation_ref(link->masters.generation),
        .previous = link->masters.previous_generation
                        ? tls_generation_ref(link->masters.previous_generation)
                        : NULL,
    };
    channel_begin(stream->channel, epoch, &roots);
}

void link_children_start(struct link *link)
{
    if (link->state != LINK_READY)
        return;
    uint32_t wanted = pool_wanted(link->leases.pool, link->children.started);
    if (!link_is_client(link)) {
        uint32_t waiting = pool_waiting(link->leases.pool);
        if (waiting) {
            mux_control_want(link->control.mux,
                             waiting < UINT16_MAX ? (uint16_t)waiting : UINT16_MAX);
            link_control_flush(link);
        }
        return;
    }
    /* From an expired master nothing resumes: wait for the renewal rather than fail, because enough
     * failures would end the association and with it connections that are well. */
    if (link->masters.generation_refused ||
        tls_generation_expires_in(link->masters.generation) <= 0) {
        link_renew_now(link);
        return;
    }
    /* The server repeats itself while it waits: those under way are meant for it, too. */
    uint32_t peer_wants = link->children.peer_wants;
    link->children.peer_wants = 0;
    if (peer_wants > link->children.started && peer_wants - link->children.started > wanted)
        wanted = peer_wants - link->children.started;
    uint32_t room = link->children.started < link->children.at_once
                        ? link->children.at_once - link->children.started
                        : 0;
    if (wanted > room)
        wanted = room; /* each that is through comes here again */
    for (; wanted && link->children.first_unused <= link->streams.max;
         link->children.first_unused++) {
        struct link_stream *stream = &link->streams.list[link->children.first_unused];
        if (stream->child != CHILD_NONE)
            continue;
        link_children_start_one(link, link->children.first_unused,
                                stream->channel ? (uint8_t)(stream->epoch + 1) : stream->epoch);
        wanted--;
    }
}

void link_children_usable(struct link *link, uint16_t id)
{
    link->streams.list[id].child = CHILD_USABLE;
    link->children.started--;
    counter_add(&link->tunnel->counters->children_ready, 1);
    pool_add_idle(link->leases.pool, id);
    if (++link->children.seen == link->children.initial)
        log_write(LOG_INFO, LINK_ABOUT(link), "%u streams ready, %.1f ms after the first packet",
                  link->children.initial, (double)(link_now(link) - link->life.begun_us) / 1e3);
}

void link_children_ready(struct link *link, uint16_t id, bool resumed)
{
    struct link_stream *stream = &link->streams.list[id];
    struct counters *counters = link->tunnel->counters;
    if (stream->child == CHILD_STARTED)
        link_children_usable(link, id);
    stream->child = CHILD_READY;
    counter_add(resumed ? &counters->children_resumed : &counters->children_full, 1);
    handshakes_child(link->owner, resumed, ERR_OK);
    if (!resumed)
        log_write(LOG_WARNING, LINK_ABOUT(link, .stream = id),
                  "child session was not resumed: a full handshake took its place");
}

/* The stream has no session any more. */
static void forget_child(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams.list[id];
    struct counters *counters = link->tunnel->counters;
    if (stream->child == CHILD_STARTED)
        link->children.started--;
    if (stream->child >= CHILD_USABLE)
        counter_sub(&counters->children_ready, 1);
    if (stream->lease == LEASE_OWN || stream->lease == LEASE_BOTH)
        pool_return(link->leases.pool, stream->service, id, false);
    else if (link->leases.pool)
        pool_remove_idle(link->leases.pool, id);
    stream->lease = LEASE_NONE;
    stream->child = CHILD_NONE;
    if (id < link->children.first_unused)
        link->children.first_unused = id;
}

/* The server's tickets end earlier than we believe: it was told another ticket_lifetime, and
 * session ids of TLS 1.2 do not say how long they live. True: this was noticed before; the sessions
 * that were under way are refused as well, and say nothing new. A server that resumes nothing at
 * all still gets to FAILURES_MAX: each renewal, and so each other generation, counts. */
static bool is_known_to_be_refused(struct link *link, enum err why)
{
    bool was_known = link->masters.generation_refused;
    if (!link_is_client(link) || link->state != LINK_READY || why != ERR_TLS_NOT_RESUMED)
        return false;
    link->masters.generation_refused = true;
    return was_known;
}

static enum err count_failure(struct link *link, enum err why)
{
    counter_add(&link->tunnel->counters->children_failed, 1);
    if (is_known_to_be_refused(link, why))
        return ERR_OK;
    uint64_t forgiven = (link_now(link) - link->children.failures_us) / FORGIVENESS_US;
    link->children.failures =
        forgiven > link->children.failures ? 0 : link->children.failures - (uint32_t)forgiven;
    link->children.failures_us += forgiven * FORGIVENESS_US;
    return ++link->children.failures <= FAILURES_MAX ? ERR_OK : ERR_TOO_MANY_FAILURES;
}

enum err link_children_failed(struct link *link, uint16_t id, uint8_t epoch, enum err why,
                              const char *detail, bool told_by_peer)
{
    struct link_stream *stream = &link->streams.list[id];
    if (link->state == LINK_CLOSING || stream->child == CHILD_NONE || stream->epoch != epoch)
        return ERR_OK;
    log_write(LOG_WARNING, LINK_ABOUT(link, .stream = id), "child session failed: %s%s%s",
              err_text(why), *detail ? ": " : "", detail);
    if (told_by_peer) {
        channel_stop(stream->channel, why);
    } else {
        mux_control_child_failed(link->control.mux, id, epoch, why);
        link_control_flush(link);
    }
    if (stream->child != CHILD_READY) {
        handshakes_failed(link->owner, why);
        handshakes_child(link->owner, false, why);
    }
    forget_child(link, id);
    enum err result = count_failure(link, why);
    if (result == ERR_OK)
        link_children_start(link);
    return result;
}

void link_children_abandon(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams.list[id];
    must(stream->child == CHILD_STARTED);
    channel_stop(stream->channel, ERR_TLS_CLOSED);
    link_send_forget(link, stream);
    stream->child = CHILD_NONE;
    link->children.started--;
}

/* A message of a newer epoch: the peer gave up the session that the stream has, and its words for
 * it are still on their way. It counts like any failure, or a peer could have handshakes made
 * without end. */
static enum err replace_child(struct link *link, uint16_t id)
{
    if (link->streams.list[id].child == CHILD_NONE)
        return ERR_OK;
    forget_child(link, id);
    return count_failure(link, ERR_TLS_CLOSED);
}

enum err link_children_receive(struct link *link, struct message *message)
{
    struct link_stream *stream = &link->streams.list[message->stream];
    int8_t newer = (int8_t)(message->epoch - stream->epoch);
    bool begins = !link_is_client(link) && (newer > 0 || (!newer && !stream->channel));
    enum err result =
        begins && link->state == LINK_READY ? replace_child(link, message->stream) : ERR_OK;
    bool is_fit = link->state == LINK_READY && (newer == 0 || begins) && result == ERR_OK;
    if (is_fit && begins)
        link_children_start_one(link, message->stream, message->epoch);
    if (is_fit && stream->channel)
        channel_feed(stream->channel, message);
    else
        message_free(message);
    return result;
}

/* ---- begin and end ---- */

static uint32_t at_once(const struct link *link)
{
    uint64_t count = (uint64_t)link_paths_rtt(link) * AT_ONCE_PER_MS / 1000;
    return count < AT_ONCE_MIN ? AT_ONCE_MIN : count < UINT16_MAX ? (uint32_t)count : UINT16_MAX;
}

void link_children_begin(struct link *link)
{
    const struct config_tunnel *config = link->tunnel->config;
    link->children.initial =
        config->streams.initial < link->streams.max ? config->streams.initial : link->streams.max;
    link->children.first_unused = 1;
    link->children.at_once = at_once(link);
}

void link_children_end(struct link *link)
{
    message_queue_clear(&link->children.early);
    for (uint32_t i = 1; i < link->streams.count; i++)
        if (link->streams.list[i].child >= CHILD_USABLE)
            counter_sub(&link->tunnel->counters->children_ready, 1);
}
