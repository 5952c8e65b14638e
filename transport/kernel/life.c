/* The end of an association of the kernel's SCTP, and what depends on how many there are. */
#include <sys/epoll.h>

#include "transport/kernel/kernel.h"

/* The kernel refuses peers for a socket that does not listen. */
void kernel_life_listen(struct kernel *transport)
{
    bool listen =
        !transport->refuses && transport->established < transport->options.max_associations;
    if (!transport->acceptor || transport->endpoint.fd < 0 || listen == transport->is_listening)
        return;
    if (!kernel_socket_listen(transport->endpoint.fd, listen))
        transport->is_listening = listen;
}

void kernel_life_count(struct kernel_association *self, bool counted)
{
    if (self->counted == counted)
        return;
    self->counted = counted;
    self->transport->established += counted ? 1 : (size_t)-1;
    kernel_life_listen(self->transport);
}

void kernel_life_watch(struct kernel_association *self, uint32_t interest)
{
    if (interest == self->interest)
        return;
    self->interest = interest;
    must(!loop_fd_modify(self->transport->base.loop, &self->fd, interest));
}

void kernel_life_end(struct kernel_association *self, enum err reason, const char *detail)
{
    if (self->base.state == ASSOCIATION_ENDED)
        return;
    struct loop *loop = self->transport->base.loop;
    association_end(&self->base, reason, detail);
    loop_task_cancel(loop, &self->out.task);
    loop_timer_cancel(loop, &self->out.pace_timer);
    message_queue_clear(&self->out.pending);
    message_free(self->inbox);
    self->inbox = NULL;
    loop_timer_cancel(loop, &self->life.timer);
    if (self->fd.fd >= 0)
        loop_fd_close(loop, &self->fd);
    kernel_life_count(self, false);
}
