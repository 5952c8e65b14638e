/* States and end of an association, the same for all transports. */
#include "transport/association.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void tell_and_free(struct association *self)
{
    loop_task_cancel(self->transport->loop, &self->end_task);
    TAILQ_REMOVE(&self->transport->associations, self, link);
    if (self->events)
        self->events->on_down(self->events, self->reason, self->detail ? self->detail : "");
    free(self->detail);
    free(self);
}

static void on_end_task(struct loop_task *task)
{
    tell_and_free(container_of(task, struct association, end_task));
}

void association_init(struct association *self, struct transport *transport)
{
    self->ops = transport->ops;
    self->transport = transport;
    self->end_task = (struct loop_task){.on_run = on_end_task};
    TAILQ_INSERT_TAIL(&transport->associations, self, link);
}

void association_end(struct association *self, enum err reason, const char *detail)
{
    must(self->state != ASSOCIATION_ENDED);
    self->reason = self->state == ASSOCIATION_SHUTTING ? ERR_LOCAL_SHUTDOWN : reason;
    self->state = ASSOCIATION_ENDED;
    if (*detail) {
        self->detail = strdup(detail);
        check_made(self->detail);
    }
    loop_task_queue(self->transport->loop, &self->end_task);
}

void association_end_all(struct transport *transport)
{
    for (struct association *one; (one = TAILQ_FIRST(&transport->associations));) {
        association_close(one, ASSOCIATION_ABORT, NULL);
        tell_and_free(one);
    }
}

void association_tell_unheard(const struct address *peer, enum err reason, const char *detail,
                              struct log_limit *limit, uint64_t now_us)
{
    char text[ADDRESS_TEXT_MAX];
    uint64_t left_out;
    if (log_limit_allows(limit, now_us, &left_out))
        log_write(LOG_WARNING, LOG_ABOUT(.address = address_format(peer, text)),
                  "no association: %s%s%s (%" PRIu64 " more since the last line)", err_text(reason),
                  *detail ? ": " : "", detail, left_out);
}
