/* The control channel, on the master session: HELLO, what the peer wants and says, and when what we
 * say is written. */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"
#include "proxy/worker/worker.h"

/* Ciphertext of control frames that may wait for SCTP. Beyond it they wait in mux_control, which is
 * bounded: a peer that sends PINGs and takes nothing must not pile up our PONGs. */
#define CONTROL_UNSENT_MAX (64 * 1024)

void link_control_now(struct link *link)
{
    struct message **plain = &link->tunnel->home->plain;
    size_t length;
    while (link->control && link->master.session &&
           link->streams[0].out.bytes < CONTROL_UNSENT_MAX &&
           (length = mux_control_drain(link->control, (*plain)->data + TLS_SESSION_HEADROOM,
                                       MUX_RECORD_MAX))) {
        enum err result = tls_session_write_message(link->master.session, plain, length);
        if (result != ERR_OK) {
            link_close(link, ERR_TLS_MASTER, tls_session_detail(link->master.session), false);
            return;
        }
    }
}

static void on_control_task(struct loop_task *task)
{
    link_control_now(container_of(task, struct link, control_task));
}

/* To the peer, for each lease. */
static uint32_t promised(const struct link *link)
{
    return credit_promised(link->tunnel->budget, link->streams_max,
                           link->tunnel->config->window.initial);
}

static void on_hello(struct mux_control_events *events, const struct mux_hello *hello)
{
    struct link *link = container_of(events, struct link, control_events);
    const struct config_tunnel *config = link->tunnel->config;
    if (link->granted < 3) {
        link_close(link, ERR_CONTROL_PROTOCOL, "the peer allows no streams", true);
        return;
    }
    link_streams_agree(link, hello->streams_max);
    if (config->role == CONFIG_SERVER) {
        link->group.window_promised = promised(link);
        mux_control_promise(link->control, link->streams_max, link->group.window_promised);
    }
    link->group.peer_window = hello->window_initial;
    /* A full HELLO may have left some out (rule C3). */
    link->owner->events->on_services(link->owner, link, hello->services, hello->service_count,
                                     hello->service_count < MUX_SERVICES_MAX);
}

static void on_want(struct mux_control_events *events, uint16_t count)
{
    struct link *link = container_of(events, struct link, control_events);
    link->peer_wants = count;
    if (link->state == LINK_READY)
        link_start_children(link);
}

static void on_child_failed(struct mux_control_events *events, uint16_t stream, uint8_t epoch,
                            enum err why)
{
    struct link *link = container_of(events, struct link, control_events);
    if (stream && stream <= link->streams_max)
        link_child_failed(link, stream, epoch, why, "told by the far end", true);
}

static void on_renew(struct mux_control_events *events, uint16_t stream, uint8_t epoch)
{
    struct link *link = container_of(events, struct link, control_events);
    if (stream == link->streams_max + 1)
        link_master_renew(link, stream, epoch);
    else
        link_close(link, ERR_CONTROL_PROTOCOL, "renewal on a stream that is not for it", true);
}

static void on_pong(struct mux_control_events *events, uint64_t token)
{
    link_place_answered(container_of(events, struct link, control_events), token);
}

static void on_goaway(struct mux_control_events *events, enum err why)
{
    struct link *link = container_of(events, struct link, control_events);
    log_write(LOG_INFO, LINK_ABOUT(link), "far end takes no new connections: %s",
              why == ERR_DRAINING ? "it is shutting down" : err_text(why));
    link_place_drains(link);
    if (link->pool) /* those that wait would be refused: they wait for the next association */
        pool_dismiss(link->pool);
}

void link_control_begin(struct link *link)
{
    const struct config_tunnel *config = link->tunnel->config;
    link->group.window_promised = link->tunnel->promised;
    struct mux_hello hello = {.version = MUX_PROTOCOL_VERSION,
                              .streams_max = (uint16_t)config->streams.max,
                              .window_initial = link->group.window_promised};
    for (size_t i = 0; i < config->service_count && hello.service_count < MUX_SERVICES_MAX; i++)
        if (config->services[i].direction == CONFIG_CONNECT)
            hello.services[hello.service_count++] = config->services[i].name;
    link->control_events = (struct mux_control_events){.on_hello = on_hello,
                                                       .on_want = on_want,
                                                       .on_child_failed = on_child_failed,
                                                       .on_renew = on_renew,
                                                       .on_pong = on_pong,
                                                       .on_goaway = on_goaway};
    link->control = mux_control_new(link_is_client(link) ? MUX_CLIENT : MUX_SERVER, &hello,
                                    &link->control_events);
    link->control_task.on_run = on_control_task;
    link_control_flush(link);
}

void link_control_flush(struct link *link)
{
    if (link->control && link->state != LINK_CLOSING)
        loop_task_queue(link->tunnel->home->loop, &link->control_task);
}

void link_control_end(struct link *link)
{
    loop_task_cancel(link->tunnel->home->loop, &link->control_task);
    mux_control_free(link->control);
    link->control = NULL;
}
