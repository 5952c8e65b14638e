/* The control channel, on the master session: its HELLO, and when its frames are written. */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"

/* Ciphertext of control frames that may wait for SCTP. Beyond it they wait in mux_control, which is
 * bounded: a peer that sends PINGs and takes nothing must not pile up our PONGs. */
#define CONTROL_UNSENT_MAX (64 * 1024)

void link_control_now(struct link *link)
{
    struct message **plain = &link->tunnel->home->plain;
    size_t length;
    while (link->control.mux && link->masters.first.session &&
           link->streams.list[0].out.bytes < CONTROL_UNSENT_MAX &&
           (length = mux_control_drain(link->control.mux, (*plain)->data + TLS_SESSION_HEADROOM,
                                       MUX_RECORD_MAX))) {
        enum err result = tls_session_write_message(link->masters.first.session, plain, length);
        if (result != ERR_OK) {
            link->wiring->on_failed(link, ERR_TLS_MASTER,
                                    tls_session_detail(link->masters.first.session), false);
            return;
        }
    }
}

static void on_control_task(struct loop_task *task)
{
    link_control_now(container_of(task, struct link, control.task));
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
    link->control.mux = mux_control_new(link_is_client(link) ? MUX_CLIENT : MUX_SERVER, &hello,
                                        &link->control.events);
    link->control.task.on_run = on_control_task;
    link_control_flush(link);
}

void link_control_flush(struct link *link)
{
    if (link->control.mux && link->state != LINK_CLOSING)
        loop_task_queue(link_loop(link), &link->control.task);
}

void link_control_end(struct link *link)
{
    loop_task_cancel(link_loop(link), &link->control.task);
    mux_control_free(link->control.mux);
    link->control.mux = NULL;
}
