/* The way out: messages to the kernel's SCTP. */
#include "transport/kernel/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "sctp/payload.h"

/* Messages of one turn are given to the kernel together, so that small ones share packets; beyond
 * this many bytes at once, so that the peer's processor works at the same time as ours. */
#define BURST_BYTES (64 * 1024)

/* ---- room ---- */

static size_t queued(const struct kernel_association *self)
{
    return self->out.outstanding + self->out.pending.bytes;
}

/* Two system calls: only when the bound was reached. */
static void look(struct kernel_association *self)
{
    struct kernel_state state = kernel_state_look(self->fd.fd);
    self->out.outstanding = state.queued;
    send_limit_update(&self->out.limit, loop_now(self->transport->base.loop), state.queued,
                      state.congestion_window, state.rtt_us);
    self->base.pace = state.chunk ? send_limit_chunks(&self->out.limit, state.chunk) : 0;
}

static bool has_room(struct kernel_association *self)
{
    if (queued(self) < self->out.limit.limit)
        return true;
    look(self);
    return queued(self) < self->out.limit.limit;
}

static size_t resume_of(const struct kernel_association *self)
{
    return self->out.limit.resume > KERNEL_SOCKET_MARK_MIN ? self->out.limit.resume
                                                           : KERNEL_SOCKET_MARK_MIN;
}

/* Not yet: the timer goes on. */
static bool is_paced(struct kernel_association *self)
{
    uint64_t now_us = loop_now(self->transport->base.loop);
    uint64_t wait_us = send_limit_wait(&self->out.limit, now_us);
    if (wait_us)
        loop_timer_set(self->transport->base.loop, &self->out.pace_timer, now_us + wait_us);
    return wait_us > 0;
}

static void on_pace(struct loop_timer *timer)
{
    kernel_send_continue(container_of(timer, struct kernel_association, out.pace_timer));
}

static void set_mark(struct kernel_association *self, size_t mark)
{
    if (mark != self->out.mark)
        kernel_socket_set_mark(self->fd.fd, &self->transport->options, mark);
    self->out.mark = mark;
}

/* epoll calls a socket writable when its send buffer has any room at all, and SCTP says nothing
 * of a lower mark (SO_SNDLOWAT is fixed). So the size of the buffer is that mark while the user
 * waits. Data that waits itself needs only that any room has come. */
void kernel_send_wait(struct kernel_association *self)
{
    if (!association_is_up(&self->base) || self->out.task.queued)
        return;
    bool may_send = self->key.state != KERNEL_KEY_WAITING;
    bool has_data = may_send && self->out.pending.first;
    bool wanted = may_send && self->out.want_writable && self->base.state == ASSOCIATION_UP &&
                  !is_paced(self);
    if (wanted && !has_data)
        set_mark(self, resume_of(self));
    uint32_t others = self->interest & ~(uint32_t)EPOLLOUT;
    kernel_life_watch(self, others | (has_data || wanted ? EPOLLOUT : 0));
}

void kernel_send_continue(struct kernel_association *self)
{
    if (!association_is_up(&self->base))
        return;
    set_mark(self, 0);
    if (self->out.pending.first)
        kernel_send_pending(self);
    if (!self->out.want_writable || self->out.pending.first || self->base.state != ASSOCIATION_UP) {
        kernel_send_wait(self);
        return;
    }
    look(self);
    bool has_come = queued(self) <= resume_of(self) && !is_paced(self);
    self->out.want_writable = !has_come;
    kernel_send_wait(self);
    if (has_come)
        self->base.events->on_writable(self->base.events);
}

/* ---- messages ---- */

enum err kernel_send_message(struct association *association, struct message *message)
{
    struct kernel_association *self = container_of(association, struct kernel_association, base);
    must(message->length > 0 && message->length <= MESSAGE_MAX);
    if (self->base.state == ASSOCIATION_SHUTTING || self->base.state == ASSOCIATION_ENDED)
        return ERR_TRANSPORT_CLOSED;
    if (self->base.state == ASSOCIATION_UP && message->stream >= self->streams)
        return ERR_TRANSPORT_STREAM;
    if (self->base.state != ASSOCIATION_UP || !has_room(self) || is_paced(self)) {
        self->out.want_writable = true;
        loop_task_queue(self->transport->base.loop, &self->out.task);
        return ERR_AGAIN;
    }
    send_limit_accept(&self->out.limit, loop_now(self->transport->base.loop), message->length);
    message_queue_push(&self->out.pending, message);
    if (self->out.pending.bytes >= BURST_BYTES)
        kernel_send_pending(self);
    else
        loop_task_queue(self->transport->base.loop, &self->out.task);
    return ERR_OK;
}

/* True: the message is to be forgotten after this error. A message larger than the send buffer
 * will never be taken, and without it its stream is broken, for which TLS would get the blame. */
static bool is_dropped(struct kernel_association *self, int error)
{
    if (error == EMSGSIZE) {
        kernel_life_end(self, ERR_TRANSPORT_SOCKET,
                        "the send buffer is smaller than a message: raise net.core.wmem_max");
        return false;
    }
    return error != EAGAIN && error != EINTR && error != ENOBUFS && error != ENOMEM;
}

/* False: the kernel takes no more now. Its other errors mean that the association is gone, which a
 * notification tells; the message is dropped with it. */
static bool give(struct kernel_association *self, struct message *message, int flags)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct sctp_sndinfo))];
    } control = {.header = {.cmsg_level = IPPROTO_SCTP,
                            .cmsg_type = SCTP_SNDINFO,
                            .cmsg_len = CMSG_LEN(sizeof(struct sctp_sndinfo))}};
    struct sctp_sndinfo info = {.snd_sid = message->stream,
                                .snd_ppid = htonl(SCTP_MESSAGE_PPID | message->epoch)};
    memcpy(CMSG_DATA(&control.header), &info, sizeof info);
    struct iovec part = {.iov_base = message->data, .iov_len = message->length};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    if (sendmsg(self->fd.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL | flags) < 0)
        return is_dropped(self, errno);
    self->out.outstanding += message->length;
    send_limit_give(&self->out.limit, message->length);
    return true;
}

void kernel_send_pending(struct kernel_association *self)
{
    if (!association_is_up(&self->base))
        return;
    /* The mark is the size of the send buffer, and a message that is larger gets EMSGSIZE. */
    if (self->out.pending.first)
        set_mark(self, 0);
    /* More follow: the kernel fills packets, and the last one pushes out the rest. */
    while (self->out.pending.first && self->key.state != KERNEL_KEY_WAITING) {
        bool more = self->out.pending.count > 1 && self->key.state == KERNEL_KEY_USED;
        if (!give(self, self->out.pending.first, more ? MSG_MORE : 0))
            break;
        message_free(message_queue_pop(&self->out.pending));
        if (self->key.state == KERNEL_KEY_WANTED)
            kernel_auth_wait(self);
    }
    if (!self->out.pending.first && self->base.state == ASSOCIATION_SHUTTING)
        kernel_socket_shutdown(self->fd.fd);
    kernel_send_wait(self);
}

static void on_send_task(struct loop_task *task)
{
    kernel_send_pending(container_of(task, struct kernel_association, out.task));
}

void kernel_send_init(struct kernel_association *self)
{
    self->out.task = (struct loop_task){.on_run = on_send_task};
    self->out.pace_timer = (struct loop_timer){.on_expire = on_pace};
    send_limit_init(&self->out.limit);
}
