/* Authenticated chunks of the kernel's SCTP: agreement and keys. */
#include "transport/kernel/kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "sctp/auth_chunks.h"

/* A list of chunks has a byte for each of the 256 types at most. */
#define CHUNKS_MAX 256

static int set(int fd, int option, const void *value, socklen_t size)
{
    return setsockopt(fd, IPPROTO_SCTP, option, value, size);
}

bool kernel_auth_agreed(int fd)
{
    union {
        struct sctp_authchunks head;
        uint8_t bytes[sizeof(struct sctp_authchunks) + CHUNKS_MAX];
    } peer = {0};
    socklen_t size = sizeof peer;
    /* It may have ended meanwhile: the next notification says why. If it has not, the list is
     * longer than any that there can be, or there is none. */
    if (getsockopt(fd, IPPROTO_SCTP, SCTP_PEER_AUTH_CHUNKS, &peer, &size))
        return !kernel_state_streams(fd);
    return peer.head.gauth_number_of_chunks <= CHUNKS_MAX &&
           sctp_auth_chunks_listed(peer.bytes + sizeof peer.head, peer.head.gauth_number_of_chunks);
}

/* ---- keys ---- */

static int add(int fd, uint16_t number, const uint8_t *bytes)
{
    union {
        struct sctp_authkey head;
        uint8_t bytes[sizeof(struct sctp_authkey) + TRANSPORT_AUTH_KEY];
    } key = {.head = {.sca_keynumber = number, .sca_keylength = TRANSPORT_AUTH_KEY}};
    memcpy(key.bytes + sizeof key.head, bytes, TRANSPORT_AUTH_KEY);
    int result = set(fd, SCTP_AUTH_KEY, &key, sizeof key);
    explicit_bzero(&key, sizeof key);
    return result;
}

static int with_number(int fd, int option, uint16_t number)
{
    struct sctp_authkeyid key = {.scact_keynumber = number};
    return set(fd, option, &key, sizeof key);
}

static int want_dry_event(struct kernel_association *self, bool on)
{
    struct sctp_event event = {.se_type = SCTP_SENDER_DRY_EVENT, .se_on = on};
    return set(self->fd.fd, SCTP_EVENT, &event, sizeof event);
}

static void fail(struct kernel_association *self)
{
    char why[128];
    snprintf(why, sizeof why, "the kernel refuses to change the key: %m");
    kernel_life_end(self, ERR_TRANSPORT_SOCKET, why);
}

void kernel_auth_wait(struct kernel_association *self)
{
    self->key.state = KERNEL_KEY_WAITING;
    if (want_dry_event(self, true))
        fail(self);
}

bool kernel_auth_dry(struct kernel_association *self)
{
    if (self->key.state != KERNEL_KEY_WAITING || !association_is_up(&self->base))
        return false;
    if (want_dry_event(self, false) ||
        with_number(self->fd.fd, SCTP_AUTH_ACTIVE_KEY, self->key.next)) {
        fail(self);
        return false;
    }
    self->key.state = KERNEL_KEY_USED;
    if (self->base.events->on_auth_settled)
        self->base.events->on_auth_settled(self->base.events, self->key.next);
    return true;
}

static void use(struct kernel_association *self, uint16_t number)
{
    self->key.next = number;
    if (self->key.state != KERNEL_KEY_USED)
        return;
    if (self->out.pending.first)
        self->key.state = KERNEL_KEY_WANTED;
    else
        kernel_auth_wait(self);
}

enum err kernel_auth_change(struct association *association, enum association_auth what,
                            uint16_t number, const uint8_t *key)
{
    struct kernel_association *self = container_of(association, struct kernel_association, base);
    must(self->transport->options.auth);
    if (!association_is_up(&self->base))
        return ERR_OK;
    int result = -1;
    switch (what) {
    case ASSOCIATION_AUTH_ADD:
        result = add(self->fd.fd, number, key);
        break;
    case ASSOCIATION_AUTH_USE:
        use(self, number);
        result = 0;
        break;
    case ASSOCIATION_AUTH_DROP:
        result = with_number(self->fd.fd, SCTP_AUTH_DELETE_KEY, number);
        break;
    }
    return result ? ERR_TRANSPORT_SOCKET : ERR_OK;
}
