#include "transport/udp_auth.h"

#include <errno.h>
#include <string.h>
#include <usrsctp.h>

#include "base/check.h"
#include "transport/auth.h"
#include "transport/udp_association.h"
#include "transport/udp_path_io.h"

/* A list of chunks has a byte for each of the 256 types at most. */
#define CHUNKS_MAX 256

/* Of probes, each twice as long as the one before: about 1.1 s where the round trip is short. */
#define DOUBT_TIMEOUTS 3

/* As in usrsctp's own headers; the public one lacks a field (0.9.3 to 0.9.5). */
struct chunk_list {
    sctp_assoc_t association;
    uint32_t count;
    uint8_t types[CHUNKS_MAX];
};

static int set(struct socket *socket, int option, const void *value, socklen_t size)
{
    return usrsctp_setsockopt(socket, IPPROTO_SCTP, option, value, size);
}

int udp_auth_prepare(struct socket *socket)
{
    for (size_t i = 0; i < auth_chunk_count; i++) {
        struct sctp_authchunk chunk = {.sauth_chunk = auth_chunks[i]};
        if (set(socket, SCTP_AUTH_CHUNK, &chunk, sizeof chunk))
            return -1;
    }
    struct sctp_event event = {
        .se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = SCTP_AUTHENTICATION_EVENT, .se_on = 1};
    return set(socket, SCTP_EVENT, &event, sizeof event);
}

bool udp_auth_agreed(struct socket *socket)
{
    struct chunk_list peer = {0};
    socklen_t size = sizeof peer;
    if (usrsctp_getsockopt(socket, IPPROTO_SCTP, SCTP_PEER_AUTH_CHUNKS, &peer, &size))
        return errno == ENOENT; /* ended meanwhile: the next notification says why */
    return peer.count <= CHUNKS_MAX && auth_chunks_listed(peer.types, peer.count);
}

/* ---- keys ---- */

static int add(struct socket *socket, uint16_t number, const uint8_t *bytes)
{
    union {
        struct sctp_authkey head;
        uint8_t bytes[sizeof(struct sctp_authkey) + TRANSPORT_AUTH_KEY];
    } key = {.head = {.sca_keynumber = number, .sca_keylength = TRANSPORT_AUTH_KEY}};
    memcpy(key.bytes + sizeof key.head, bytes, TRANSPORT_AUTH_KEY);
    int result = set(socket, SCTP_AUTH_KEY, &key, sizeof key);
    explicit_bzero(&key, sizeof key);
    return result;
}

static int with_number(struct socket *socket, int option, uint16_t number)
{
    struct sctp_authkeyid key = {.scact_keynumber = number};
    return set(socket, option, &key, sizeof key);
}

/* usrsctp says when nothing is left that was sent with the old key: udp_auth_freed. */
static int use(struct udp_association *self, uint16_t number)
{
    struct udp_auth_keys *keys = &self->auth;
    if (keys->old_count == UDP_AUTH_OLD_MAX ||
        with_number(self->socket, SCTP_AUTH_ACTIVE_KEY, number) ||
        with_number(self->socket, SCTP_AUTH_DEACTIVATE_KEY, keys->used))
        return -1;
    keys->old[keys->old_count++] = keys->used;
    keys->used = number;
    loop_task_queue(self->transport->loop, &self->send_task); /* which looks for it */
    return 0;
}

enum err udp_auth_change(struct association *association, enum association_auth what,
                         uint16_t number, const uint8_t *key)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    must(self->transport->options.auth);
    if (!udp_association_is_up(self))
        return ERR_OK;
    int result = -1;
    switch (what) {
    case ASSOCIATION_AUTH_ADD:
        result = add(self->socket, number, key);
        break;
    case ASSOCIATION_AUTH_USE:
        result = use(self, number);
        break;
    case ASSOCIATION_AUTH_DROP:
        result = with_number(self->socket, SCTP_AUTH_DELETE_KEY, number);
        break;
    }
    return result ? ERR_TRANSPORT_SOCKET : ERR_OK;
}

/* Whether it was the last of the old ones. */
static bool forget(struct udp_auth_keys *keys, uint16_t number)
{
    for (size_t i = 0; i < keys->old_count; i++)
        if (keys->old[i] == number) {
            keys->old[i] = keys->old[--keys->old_count];
            return keys->old_count == 0;
        }
    return false;
}

void udp_auth_freed(struct udp_association *self, uint16_t number)
{
    if (forget(&self->auth, number) && udp_association_is_up(self) && self->events->on_auth_settled)
        self->events->on_auth_settled(self->events, self->auth.used);
}

/* ---- peers that are gone ---- */

void udp_auth_doubt(struct udp_association *self)
{
    self->doubted = true;
    udp_path_io_trouble(udp_path_in_use(self), false);
}

void udp_auth_look(struct udp_association *self)
{
    if (self->doubted && self->choice.paths[self->choice.in_use].timeouts >= DOUBT_TIMEOUTS)
        udp_association_end(self, ERR_TRANSPORT_RESTARTED, "it does not know this association");
}

/* ---- what proves itself without a MAC, and what has a good one ---- */

/* Of a HEARTBEAT or its answer that begins a packet, and is alone there. */
static const uint8_t *heartbeat_value(const uint8_t *packet, size_t length, size_t *size)
{
    *size = ((size_t)packet[PACKET_HEADER + 2] << 8 | packet[PACKET_HEADER + 3]) - 4;
    return *size <= UDP_HEARTBEAT_MAX && PACKET_HEADER + 4 + *size <= length
               ? packet + PACKET_HEADER + 4
               : NULL;
}

void udp_auth_asked(struct udp_association *self, const uint8_t *packet, size_t length)
{
    size_t size;
    const uint8_t *value = heartbeat_value(packet, length, &size);
    self->heartbeat_length = value ? size : 0;
    if (value)
        memcpy(self->heartbeat, value, size);
}

bool udp_auth_answered(struct udp_association *self, const uint8_t *packet, size_t length)
{
    size_t size;
    if (packet[PACKET_HEADER] != PACKET_CHUNK_HEARTBEAT_ACK)
        return false;
    const uint8_t *value = heartbeat_value(packet, length, &size);
    if (!value || !size || size != self->heartbeat_length || memcmp(value, self->heartbeat, size))
        return false;
    self->heartbeat_length = 0;
    return true;
}

uint32_t udp_auth_refused(void)
{
    struct sctpstat stat;
    usrsctp_get_stat(&stat);
    return stat.sctps_recvauthmissing + stat.sctps_recvivalhmacid + stat.sctps_recvivalkeyid +
           stat.sctps_recvauthfailed;
}
