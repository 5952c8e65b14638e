/* The endpoint's socket: it takes the associations that peers begin. */
#include "transport/kernel/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/log.h"

/* No more than this many associations begin in one turn of the loop. */
#define EVENTS_A_TURN 64

static void log_turned_away(struct kernel *transport, int error)
{
    uint64_t left_out;
    transport->turned_away.per_minute = 6;
    if (log_limit_allows(&transport->turned_away, loop_now(transport->base.loop), &left_out))
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
                  "a peer was turned away, for there is no socket for its association: %s "
                  "(%" PRIu64 " more since the last line)",
                  strerrordesc_np(error), left_out);
}

/* When there is no descriptor for it, the peer is told so instead of waiting. */
static void begun(struct kernel *transport, sctp_assoc_t association)
{
    int fd = kernel_socket_branch(transport->endpoint.fd, association), error = errno;
    if (fd >= 0) {
        kernel_association_accept(transport, fd);
        return;
    }
    kernel_socket_abort(transport->endpoint.fd, association,
                        error == EMFILE || error == ENFILE ? "out of file descriptors"
                                                           : "no socket for the association");
    log_turned_away(transport, error);
}

/* Messages that came with the cookie move to the association's socket; what is left here belongs to
 * associations that have ended. */
static bool take_one(struct kernel *transport)
{
    union sctp_notification event;
    struct iovec part = {.iov_base = &event, .iov_len = sizeof event};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t length = recvmsg(transport->endpoint.fd, &header, MSG_DONTWAIT);
    if (length < 0)
        return errno == EINTR;
    if (header.msg_flags & MSG_NOTIFICATION && (size_t)length >= sizeof event.sn_assoc_change &&
        event.sn_header.sn_type == SCTP_ASSOC_CHANGE &&
        event.sn_assoc_change.sac_state == SCTP_COMM_UP)
        begun(transport, event.sn_assoc_change.sac_assoc_id);
    return true;
}

static void on_events(struct loop_fd *fd, uint32_t events)
{
    (void)events;
    struct kernel *transport = container_of(fd, struct kernel, endpoint);
    for (int i = 0; i < EVENTS_A_TURN && take_one(transport); i++)
        ;
}

int kernel_listener_open(struct kernel *transport, int fd)
{
    transport->endpoint = (struct loop_fd){.on_events = on_events, .fd = fd};
    if (transport->acceptor && kernel_socket_listen(fd, true))
        return -1;
    transport->is_listening = transport->acceptor;
    return loop_fd_add(transport->base.loop, &transport->endpoint, EPOLLIN);
}

void kernel_listener_close(struct kernel *transport)
{
    if (transport->endpoint.fd >= 0)
        loop_fd_close(transport->base.loop, &transport->endpoint);
}
