/* The way in: messages and notifications of the kernel's SCTP. */
#include "transport/kernel/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/quote.h"
#include "sctp/payload.h"

/* Other associations of the loop get their turn after so many. */
#define MESSAGES_A_TURN 256
#define BYTES_A_TURN    (1 << 20)

/* Shorter messages are copied into small ones, so that a queue of them does not hold 16 KB
 * each. */
#define COPY_BELOW 1024

/* RFC 9260 section 3.3.10.12. */
#define CAUSE_USER_ABORT 12

/* Room beside the message in hand: one byte too many for a message is seen, and a notification
 * that comes between the pieces of a long message has its place. */
#define NOTIFICATION_MAX 1024

/* ---- notifications ---- */

/* The text of a user-initiated ABORT, in quotes. The kernel gives the causes without the chunk's
 * header. */
static void abort_text(const uint8_t *causes, size_t length, char text[KERNEL_DETAIL_ROOM])
{
    text[0] = '\0';
    if (length < 4)
        return;
    size_t cause = (size_t)causes[0] << 8 | causes[1], size = (size_t)causes[2] << 8 | causes[3];
    if (cause != CAUSE_USER_ABORT || size < 4 || size > length)
        return;
    size -= 4;
    if (size > KERNEL_DETAIL_MAX)
        size = KERNEL_DETAIL_MAX;
    if (size)
        quote_bytes(text, KERNEL_DETAIL_ROOM, causes + 4, size);
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

/* error is the socket's, cause the first that an ABORT gave, 0: none. */
static void lost_or_aborted(struct kernel_association *self, int error, uint16_t cause,
                            const char *text)
{
    bool by_peer = error != ETIMEDOUT, unknown_there = by_peer && !cause;
    if (self->base.state == ASSOCIATION_CONNECTING)
        kernel_life_end(self, by_peer ? ERR_TRANSPORT_REFUSED : ERR_TRANSPORT_TIMEOUT,
                        unknown_there ? KERNEL_NOBODY : text);
    else if (unknown_there && self->peer_closing) /* only its last word was lost: see on_timer */
        kernel_life_end(self, ERR_TRANSPORT_CLOSED, "");
    else if (unknown_there)
        kernel_life_end(
            self, ERR_TRANSPORT_ABORTED,
            "the peer does not know this association (it was restarted, or has ended it)");
    else
        kernel_life_end(self, by_peer ? ERR_TRANSPORT_ABORTED : ERR_TRANSPORT_LOST, text);
}

static void ended(struct kernel_association *self, const struct sctp_assoc_change *change,
                  size_t length)
{
    char text[KERNEL_DETAIL_ROOM];
    abort_text(change->sac_info, length - sizeof *change, text);
    lost_or_aborted(self, socket_error(self->fd.fd), change->sac_error, text);
}

static enum kernel_heard association_changed(struct kernel_association *self,
                                             const struct sctp_assoc_change *change, size_t length)
{
    switch (change->sac_state) {
    case SCTP_COMM_UP:
        return self->base.state == ASSOCIATION_CONNECTING ? KERNEL_HEARD_UP : KERNEL_HEARD_NOTHING;
    case SCTP_RESTART:
        return KERNEL_HEARD_RESTARTED;
    case SCTP_SHUTDOWN_COMP:
        kernel_life_end(self, ERR_TRANSPORT_CLOSED, "");
        break;
    default: /* SCTP_COMM_LOST, SCTP_CANT_STR_ASSOC */
        ended(self, change, length);
        break;
    }
    return KERNEL_HEARD_NOTHING;
}

union event {
    union sctp_notification event;
    uint8_t bytes[NOTIFICATION_MAX];
};

/* It lies in what was free of the inbox, and the rest in copy, where it is put together. */
static enum kernel_heard notified(struct kernel_association *self, const uint8_t *data, size_t room,
                                  union event *copy, size_t length)
{
    if (length > sizeof *copy) /* the causes of a peer's ABORT: the first is enough */
        length = sizeof *copy;
    size_t first = length < room ? length : room;
    memmove(copy->bytes + first, copy->bytes, length - first);
    memcpy(copy->bytes, data, first);
    if (length < sizeof copy->event.sn_header)
        return KERNEL_HEARD_NOTHING;
    uint16_t type = copy->event.sn_header.sn_type;
    if (type == SCTP_ASSOC_CHANGE && length >= sizeof(struct sctp_assoc_change))
        return association_changed(self, &copy->event.sn_assoc_change, length);
    if (type == SCTP_SHUTDOWN_EVENT)
        self->peer_closing = true;
    else if (type == SCTP_PEER_ADDR_CHANGE)
        kernel_path_look(self);
    else if (type == SCTP_SENDER_DRY_EVENT && kernel_auth_dry(self))
        kernel_send_continue(self);
    return KERNEL_HEARD_NOTHING;
}

/* ---- messages ---- */

static struct message *take_inbox(struct kernel_association *self)
{
    struct message *message = self->inbox;
    if (message->length <= COPY_BELOW) {
        message = message_new(self->inbox->length);
        memcpy(message->data, self->inbox->data, self->inbox->length);
        message->length = self->inbox->length;
    } else {
        self->inbox = message_new(MESSAGE_MAX);
    }
    self->inbox->length = 0;
    return message;
}

/* The inbox holds a message. */
static void received(struct kernel_association *self, const struct sctp_rcvinfo *info)
{
    uint32_t ppid = ntohl(info->rcv_ppid);
    bool ours = (ppid & SCTP_MESSAGE_PPID_MASK) == SCTP_MESSAGE_PPID &&
                info->rcv_sid < self->streams && !(info->rcv_flags & SCTP_UNORDERED);
    if (!ours || !association_is_up(&self->base)) {
        self->transport->bad_messages++;
        self->inbox->length = 0;
        return;
    }
    struct message *message = take_inbox(self);
    message->stream = info->rcv_sid;
    message->epoch = (uint8_t)(ppid & SCTP_MESSAGE_EPOCH_MASK);
    self->base.events->on_message(self->base.events, message);
}

static void received_piece(struct kernel_association *self, const struct sctp_rcvinfo *info,
                           size_t length, bool is_last)
{
    if (length > MESSAGE_MAX - self->inbox->length) {
        kernel_socket_abort(self->fd.fd, 0, "message too long");
        kernel_life_end(self, ERR_CONTROL_PROTOCOL, "message too long");
        return;
    }
    self->inbox->length += (uint32_t)length;
    if (is_last)
        received(self, info);
}

/* ---- one call ---- */

static struct sctp_rcvinfo receive_info(struct msghdr *header)
{
    struct sctp_rcvinfo info = {0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == IPPROTO_SCTP && c->cmsg_type == SCTP_RCVINFO)
            memcpy(&info, CMSG_DATA(c), sizeof info);
    return info;
}

/* Bytes taken, 0 when there is nothing more. */
static size_t receive_one(struct kernel_association *self, enum kernel_heard *heard)
{
    union event event;
    char control[CMSG_SPACE(sizeof(struct sctp_rcvinfo)) + 64];
    uint8_t *free_room = self->inbox->data + self->inbox->length;
    size_t room = MESSAGE_MAX - self->inbox->length;
    struct iovec parts[] = {{.iov_base = free_room, .iov_len = room},
                            {.iov_base = event.bytes, .iov_len = sizeof event}};
    struct msghdr header = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    ssize_t result = recvmsg(self->fd.fd, &header, MSG_DONTWAIT);
    if (result < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (result <= 0) {
        lost_or_aborted(self, result ? errno : 0, 0, "");
        return 0;
    }
    size_t length = (size_t)result;
    if (header.msg_flags & MSG_NOTIFICATION) {
        *heard = notified(self, free_room, room, &event, length);
    } else {
        struct sctp_rcvinfo info = receive_info(&header);
        received_piece(self, &info, length, header.msg_flags & MSG_EOR);
    }
    return length;
}

enum kernel_heard kernel_receive_all(struct kernel_association *self)
{
    enum kernel_heard heard = KERNEL_HEARD_NOTHING;
    size_t bytes = 0, length;
    for (int i = 0; i < MESSAGES_A_TURN && bytes < BYTES_A_TURN; i++) {
        if (self->base.state == ASSOCIATION_ENDED || heard || !(length = receive_one(self, &heard)))
            break;
        bytes += length;
    }
    return heard;
}
