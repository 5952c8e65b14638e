/* tests/unit/transport/stranger.h: somebody without credentials: a UDP socket of his own, packets
 * made by hand, and, where a test wants one, a place between client and server from which he sees
 * theirs. A header with code, because each test program is one source file. */
#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include "base/wire.h"
#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/packet.h"
#include "transport/udp/probe.h"
#include "transport/udp/udp.h"

#define PACKET_MAX 66000

/* At 127.0.0.number: a source of its own. */
static inline int stranger_socket_at(unsigned number, struct address *own)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 8 << 20;
    char text[32];
    snprintf(text, sizeof text, "127.0.0.%u:0", number);
    *own = bed_address(text);
    must(fd >= 0 && bind(fd, &own->any, own->length) == 0 &&
         getsockname(fd, &own->any, &own->length) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static inline int stranger_socket(struct address *own)
{
    return stranger_socket_at(1, own);
}

static inline void stranger_send(int fd, const struct address *to, const uint8_t *bytes,
                                 size_t length)
{
    if (to->length)
        (void)!sendto(fd, bytes, length, MSG_DONTWAIT, &to->any, to->length);
}

/* ---- packets ---- */

static inline struct wire_writer stranger_begin(uint8_t *packet, uint16_t from, uint16_t to,
                                                uint32_t tag)
{
    struct wire_writer writer = wire_writer(packet, PACKET_MAX);
    wire_put_u16(&writer, from);
    wire_put_u16(&writer, to);
    wire_put_u32(&writer, tag);
    wire_put_u32(&writer, 0);
    return writer;
}

static inline size_t stranger_end(uint8_t *packet, const struct wire_writer *writer)
{
    size_t length = (size_t)(writer->at - packet);
    sctp_wire_seal(packet, length);
    return length;
}

/* An INIT of ours with these bytes of parameters. */
static inline size_t stranger_init(uint8_t *packet, uint16_t from, uint16_t to, uint32_t tag,
                                   const void *parameters, size_t size)
{
    struct wire_writer writer = stranger_begin(packet, from, to, 0);
    wire_put_u16(&writer, SCTP_CHUNK_INIT << 8);
    wire_put_u16(&writer, (uint16_t)(20 + size));
    wire_put_u32(&writer, tag);
    wire_put_u32(&writer, 1 << 20);
    wire_put_u16(&writer, 16);
    wire_put_u16(&writer, 16);
    wire_put_u32(&writer, 1);
    if (size)
        wire_put_bytes(&writer, parameters, size);
    return stranger_end(packet, &writer);
}

/* A chunk of this type, flags and value. */
static inline size_t stranger_chunk(uint8_t *packet, struct packet_ports ports, uint32_t tag,
                                    uint16_t type_and_flags, const void *value, size_t size)
{
    struct wire_writer writer = stranger_begin(packet, ports.source, ports.destination, tag);
    wire_put_u16(&writer, type_and_flags);
    wire_put_u16(&writer, (uint16_t)(4 + size));
    if (size)
        wire_put_bytes(&writer, value, size);
    while ((writer.at - packet) % 4)
        wire_put_u8(&writer, 0);
    return stranger_end(packet, &writer);
}

static inline size_t stranger_data(uint8_t *packet, struct packet_ports ports, uint32_t tag,
                                   uint32_t tsn, size_t size)
{
    static uint8_t value[PACKET_MAX];
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, tsn);
    wire_put_u16(&writer, 7);
    wire_put_u16(&writer, (uint16_t)(1 + tsn % 30000)); /* none is the first of its stream */
    wire_put_u32(&writer, 0x48575300);
    return stranger_chunk(packet, ports, tag, 3, value, 12 + size);
}

static inline size_t stranger_sack(uint8_t *packet, struct packet_ports ports, uint32_t tag,
                                   uint32_t cumulative)
{
    uint8_t value[12];
    struct wire_writer writer = wire_writer(value, sizeof value);
    wire_put_u32(&writer, cumulative);
    wire_put_u32(&writer, 1 << 20);
    wire_put_u32(&writer, 0);
    return stranger_chunk(packet, ports, tag, SCTP_CHUNK_SACK << 8, value, sizeof value);
}

static inline uint32_t stranger_get32(const uint8_t *at)
{
    struct wire_reader reader = wire_reader(at, 4);
    return wire_get_u32(&reader);
}

/* All that answered. */
struct heard {
    unsigned count;
    size_t bytes, largest, length; /* of the latest */
    uint8_t latest[PACKET_MAX];
};

static inline struct heard *stranger_answers(int fd)
{
    static struct heard answers;
    answers.count = 0;
    answers.bytes = answers.largest = answers.length = 0;
    for (ssize_t length;
         (length = recv(fd, answers.latest, sizeof answers.latest, MSG_DONTWAIT)) > 0;) {
        answers.count++;
        answers.length = (size_t)length;
        answers.bytes += answers.length;
        if (answers.length > answers.largest)
            answers.largest = answers.length;
    }
    return &answers;
}

/* ---- between the two ends ---- */

/* The client sends to front's address, the server sees back's. on_packet, if there is one, says
 * whether a packet goes on. */
struct observer {
    struct loop *loop;
    struct loop_fd front, back;
    struct address front_address, back_address, client, server;
    bool (*on_packet)(struct observer *self, uint8_t *bytes, size_t length, bool to_server);
    struct packet_ports ports;           /* of the client's packets */
    uint32_t server_tag, client_tag;     /* carried by packets to them */
    uint32_t acknowledged, acknowledges; /* latest cumulative TSN of the server's, client's SACKs */
    uint8_t sack[128];                   /* latest of the client's that is small */
    size_t sack_length;
};

static inline const uint8_t *first_chunk(const uint8_t *packet)
{
    const uint8_t *chunk = packet + SCTP_HEADER;
    return *chunk == SCTP_CHUNK_AUTH ? chunk + ((sctp_wire_u16(chunk + 2) + 3) & ~3) : chunk;
}

static inline void observer_note(struct observer *self, uint8_t *bytes, size_t length,
                                 bool to_server)
{
    struct packet_view packet;
    if (!packet_view_read(&packet, bytes, length))
        return;
    uint32_t *tag = to_server ? &self->server_tag : &self->client_tag;
    if (to_server)
        self->ports = (struct packet_ports){packet.header.source, packet.header.destination};
    if (packet.first != SCTP_CHUNK_INIT && packet.first != SCTP_CHUNK_ABORT)
        *tag = packet.header.tag;
    if (packet.type == SCTP_CHUNK_SACK)
        *(to_server ? &self->acknowledges : &self->acknowledged) =
            stranger_get32(first_chunk(bytes) + 4);
    if (to_server && packet.type == SCTP_CHUNK_SACK && length <= sizeof self->sack) {
        memcpy(self->sack, bytes, length);
        self->sack_length = length;
    }
}

static inline void observer_relay(struct observer *self, int from, bool to_server)
{
    static uint8_t bytes[PACKET_MAX];
    struct address sender = {.length = sizeof sender.in6};
    for (ssize_t length; (length = recvfrom(from, bytes, sizeof bytes, MSG_DONTWAIT, &sender.any,
                                            &sender.length)) > 0;
         sender.length = sizeof sender.in6) {
        if (to_server)
            self->client = sender;
        if (length > SCTP_HEADER)
            observer_note(self, bytes, (size_t)length, to_server);
        if (!self->on_packet || self->on_packet(self, bytes, (size_t)length, to_server))
            stranger_send(to_server ? self->back.fd : self->front.fd,
                          to_server ? &self->server : &self->client, bytes, (size_t)length);
    }
}

static inline void observer_on_front(struct loop_fd *fd, uint32_t events)
{
    (void)events;
    observer_relay(container_of(fd, struct observer, front), fd->fd, true);
}

static inline void observer_on_back(struct loop_fd *fd, uint32_t events)
{
    (void)events;
    observer_relay(container_of(fd, struct observer, back), fd->fd, false);
}

/* The server sees it at 127.0.0.number. */
static inline struct observer *observer_new_at(struct bed *bed, unsigned number)
{
    struct observer *self = check_alloc(sizeof *self);
    self->loop = bed->loop;
    self->server = *transport_local(bed->server);
    self->front = (struct loop_fd){.on_events = observer_on_front,
                                   .fd = stranger_socket(&self->front_address)};
    self->back = (struct loop_fd){.on_events = observer_on_back,
                                  .fd = stranger_socket_at(number, &self->back_address)};
    must(loop_fd_add(bed->loop, &self->front, EPOLLIN) == 0);
    must(loop_fd_add(bed->loop, &self->back, EPOLLIN) == 0);
    return self;
}

static inline struct observer *observer_new(struct bed *bed)
{
    return observer_new_at(bed, 1);
}

static inline void observer_free(struct observer *self)
{
    loop_fd_remove(self->loop, &self->front);
    loop_fd_remove(self->loop, &self->back);
    close(self->front.fd);
    close(self->back.fd);
    free(self);
}

/* A client that is up at both ends, by way of the observer alone. */
static inline struct bed_user *observer_connect(struct bed *bed, struct observer *self)
{
    struct bed_user *user = bed_user_new(bed);
    must(association_connect(bed->client, &self->front_address, 1, &user->events,
                             &user->association) == ERR_OK);
    bed_wait(bed, bed_both_up, user, 5 * SECOND);
    must(user->up);
    return user;
}
