/* Another SCTP as a peer: usrsctp behind a UDP socket. */
#include "tests/peers/usrsctp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <usrsctp.h>

#include "base/check.h"
#include "sctp/wire.h"

#define PORT       9899
#define CLIENT     51000
#define TICK_US    5000
#define PACKET_MAX 65536
#define MTU        1452
#define BUFFER     (8 << 20)

/* RFC 4895: what the two ends of Hawser ask for, too (transport/auth.c). */
static const uint8_t auth_chunks[] = {0, 3, 6, 7, 8, 9, 130, 192};

struct usrsctp_late {
    struct usrsctp_late *next;
    uint64_t at_us;
    size_t length;
    uint8_t bytes[];
};

static unsigned users;

/* ---- packets ---- */

static bool is_lost(struct usrsctp_peer *self, unsigned one_of)
{
    self->random = self->random * 6364136223846793005ull + 1442695040888963407ull;
    return self->cut || (one_of && (self->random >> 33) % one_of == 0);
}

static void send_now(struct usrsctp_peer *self, const void *packet, size_t length)
{
    (void)!sendto(self->fd.fd, packet, length, MSG_DONTWAIT, &self->to.any, self->to.length);
}

static void set_line(struct usrsctp_peer *self)
{
    if (self->late)
        loop_timer_set(self->loop, &self->line, self->late->at_us);
}

static void on_line(struct loop_timer *timer)
{
    struct usrsctp_peer *self = container_of(timer, struct usrsctp_peer, line);
    while (self->late && self->late->at_us <= loop_now(self->loop)) {
        struct usrsctp_late *late = self->late;
        self->late = late->next;
        send_now(self, late->bytes, late->length);
        free(late);
    }
    if (!self->late)
        self->last_late = &self->late;
    set_line(self);
}

static int on_output(void *address, void *packet, size_t length, uint8_t tos, uint8_t set_df)
{
    struct usrsctp_peer *self = address;
    (void)tos;
    (void)set_df;
    sctp_wire_seal(packet, length);
    if (!self->to.length || is_lost(self, self->lose_out))
        return 0;
    if (!self->delay_us) {
        send_now(self, packet, length);
        return 0;
    }
    struct usrsctp_late *late = check_alloc(sizeof *late + length);
    late->at_us = loop_now(self->loop) + self->delay_us;
    late->length = length;
    memcpy(late->bytes, packet, length);
    *self->last_late = late;
    self->last_late = &late->next;
    set_line(self);
    return 0;
}

static void receive(struct usrsctp_peer *self);

static void on_events(struct loop_fd *fd, uint32_t events)
{
    struct usrsctp_peer *self = container_of(fd, struct usrsctp_peer, fd);
    static uint8_t packet[PACKET_MAX];
    struct address from = {.length = sizeof from.in};
    (void)events;
    for (ssize_t length; (length = recvfrom(fd->fd, packet, sizeof packet, MSG_DONTWAIT, &from.any,
                                            &from.length)) >= 0;
         from.length = sizeof from.in) {
        if (is_lost(self, self->lose_in))
            continue;
        self->to = from;
        usrsctp_conninput(self, packet, (size_t)length, 0);
        receive(self);
    }
}

static void on_tick(struct loop_timer *timer)
{
    struct usrsctp_peer *self = container_of(timer, struct usrsctp_peer, tick);
    uint64_t elapsed_ms = (loop_now(self->loop) - self->ticked_us) / 1000;
    self->ticked_us += elapsed_ms * 1000;
    usrsctp_handle_timers((uint32_t)elapsed_ms);
    receive(self);
    loop_timer_set(self->loop, timer, loop_now(self->loop) + TICK_US);
}

/* ---- sockets ---- */

static void set(struct socket *socket, int level, int option, const void *value, socklen_t size)
{
    must(usrsctp_setsockopt(socket, level, option, value, size) == 0);
}

static void set_auth(struct socket *socket)
{
    for (size_t i = 0; i < sizeof auth_chunks; i++) {
        struct sctp_authchunk chunk = {.sauth_chunk = auth_chunks[i]};
        set(socket, IPPROTO_SCTP, SCTP_AUTH_CHUNK, &chunk, sizeof chunk);
    }
}

static struct socket *make_socket(struct usrsctp_peer *self, uint16_t port, uint16_t streams,
                                  bool auth)
{
    struct socket *made = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    int on = 1, size = BUFFER;
    struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    struct sctp_initmsg init = {.sinit_num_ostreams = streams, .sinit_max_instreams = streams};
    struct sctp_event event = {
        .se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = SCTP_ASSOC_CHANGE, .se_on = 1};
    struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE,
                                    .spp_pathmtu = MTU - SCTP_HEADER};
    struct sockaddr_conn own = {
        .sconn_family = AF_CONN, .sconn_port = htons(port), .sconn_addr = self};
    path.spp_address.ss_family = AF_CONN;
    must(made && usrsctp_set_non_blocking(made, 1) == 0);
    set(made, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    set(made, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    set(made, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
    set(made, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on);
    set(made, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on);
    set(made, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init);
    set(made, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
    set(made, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
    if (auth)
        set_auth(made);
    must(usrsctp_bind(made, (struct sockaddr *)&own, sizeof own) == 0);
    return made;
}

void usrsctp_peer_connect(struct usrsctp_peer *self, const struct address *to, uint16_t streams,
                          bool auth)
{
    struct sockaddr_conn peer = {
        .sconn_family = AF_CONN, .sconn_port = htons(PORT), .sconn_addr = self};
    self->to = *to;
    self->socket = make_socket(self, CLIENT, streams, auth);
    must(usrsctp_connect(self->socket, (struct sockaddr *)&peer, sizeof peer) == 0 ||
         errno == EINPROGRESS);
}

void usrsctp_peer_listen(struct usrsctp_peer *self, uint16_t streams, bool auth)
{
    self->listener = make_socket(self, PORT, streams, auth);
    must(usrsctp_listen(self->listener, 1) == 0);
}

/* ---- what comes ---- */

static void note_end(struct usrsctp_peer *self, const struct sctp_assoc_change *change,
                     size_t length)
{
    size_t info = length - sizeof *change;
    self->down = true;
    if (length <= sizeof *change + 8 || change->sac_info[0] != SCTP_CHUNK_ABORT)
        return;
    info = info - 8 < sizeof self->text - 1 ? info - 8 : sizeof self->text - 1;
    memcpy(self->text, change->sac_info + 8, info);
}

static void notified(struct usrsctp_peer *self, const void *data, size_t length)
{
    union {
        union sctp_notification event;
        uint8_t bytes[1024];
    } copy = {0};
    memcpy(&copy, data, length < sizeof copy ? length : sizeof copy);
    if (copy.event.sn_header.sn_type != SCTP_ASSOC_CHANGE)
        return;
    const struct sctp_assoc_change *change = &copy.event.sn_assoc_change;
    switch (change->sac_state) {
    case SCTP_COMM_UP:
        self->up = true;
        self->streams = change->sac_outbound_streams;
        break;
    case SCTP_RESTART:
        self->restarted = true;
        break;
    case SCTP_SHUTDOWN_COMP:
        self->down = self->closed = true;
        break;
    default:
        note_end(self, change, length < sizeof copy ? length : sizeof copy);
        break;
    }
}

static void accept_one(struct usrsctp_peer *self)
{
    struct socket *accepted = usrsctp_accept(self->listener, NULL, NULL);
    if (!accepted)
        return;
    must(usrsctp_set_non_blocking(accepted, 1) == 0);
    self->socket = accepted;
    usrsctp_close(self->listener);
    self->listener = NULL;
}

static bool receive_one(struct usrsctp_peer *self)
{
    static uint8_t data[100000];
    struct sctp_rcvinfo info = {0};
    socklen_t info_size = sizeof info, from_size = 0;
    unsigned info_type = 0;
    int flags = 0;
    ssize_t length = usrsctp_recvv(self->socket, data, sizeof data, NULL, &from_size, &info,
                                   &info_size, &info_type, &flags);
    if (length <= 0)
        return false;
    if (flags & MSG_NOTIFICATION) {
        notified(self, data, (size_t)length);
        return true;
    }
    self->messages++;
    self->bytes += (uint64_t)length;
    if (self->on_message)
        self->on_message(self, info.rcv_sid, ntohl(info.rcv_ppid), data, (size_t)length);
    return true;
}

static void receive(struct usrsctp_peer *self)
{
    if (self->listener)
        accept_one(self);
    while (self->socket && receive_one(self))
        ;
}

/* ---- what it does ---- */

bool usrsctp_peer_send(struct usrsctp_peer *self, uint16_t stream, uint32_t ppid, bool unordered,
                       const void *bytes, size_t length)
{
    struct sctp_sndinfo info = {
        .snd_sid = stream, .snd_ppid = htonl(ppid), .snd_flags = unordered ? SCTP_UNORDERED : 0};
    return usrsctp_sendv(self->socket, bytes, length, NULL, 0, &info, sizeof info,
                         SCTP_SENDV_SNDINFO, 0) == (ssize_t)length;
}

void usrsctp_peer_shutdown(struct usrsctp_peer *self)
{
    must(usrsctp_shutdown(self->socket, SHUT_WR) == 0);
}

void usrsctp_peer_abort(struct usrsctp_peer *self, const char *text)
{
    struct sctp_sndinfo info = {.snd_flags = SCTP_ABORT};
    usrsctp_sendv(self->socket, text, strlen(text), NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO,
                  0);
}

void usrsctp_peer_add_key(struct usrsctp_peer *self, uint16_t number, const uint8_t *bytes,
                          size_t length)
{
    struct sctp_authkey *key = check_alloc(sizeof *key + length);
    key->sca_keynumber = number;
    key->sca_keylength = (uint16_t)length;
    memcpy(key->sca_key, bytes, length);
    set(self->socket, IPPROTO_SCTP, SCTP_AUTH_KEY, key, (socklen_t)(sizeof *key + length));
    free(key);
}

void usrsctp_peer_use_key(struct usrsctp_peer *self, uint16_t number)
{
    struct sctp_authkeyid key = {.scact_keynumber = number};
    set(self->socket, IPPROTO_SCTP, SCTP_AUTH_ACTIVE_KEY, &key, sizeof key);
}

/* ---- its life ---- */

static void begin(void)
{
    if (users++)
        return;
    usrsctp_init_nothreads(0, on_output, NULL);
    usrsctp_enable_crc32c_offload();
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(65536);
    usrsctp_sysctl_set_sctp_blackhole(2);
}

/* Associations that were aborted may hang on short timers: let their time pass at once. */
static void end(void)
{
    if (--users)
        return;
    for (int step = 0; usrsctp_finish() && step < 100; step++)
        usrsctp_handle_timers(1000);
}

void usrsctp_peer_open(struct usrsctp_peer *self, struct loop *loop)
{
    begin();
    self->loop = loop;
    self->random = 1;
    self->last_late = &self->late;
    self->local = (struct address){.length = sizeof self->local.in};
    self->local.in.sin_family = AF_INET;
    self->local.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    self->fd =
        (struct loop_fd){.on_events = on_events,
                         .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    int size = BUFFER;
    must(self->fd.fd >= 0 && bind(self->fd.fd, &self->local.any, self->local.length) == 0 &&
         getsockname(self->fd.fd, &self->local.any, &self->local.length) == 0 &&
         loop_fd_add(loop, &self->fd, EPOLLIN) == 0);
    setsockopt(self->fd.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    usrsctp_register_address(self);
    self->tick = (struct loop_timer){.on_expire = on_tick};
    self->line = (struct loop_timer){.on_expire = on_line};
    self->ticked_us = loop_now(loop);
    loop_timer_set(loop, &self->tick, loop_now(loop) + TICK_US);
}

void usrsctp_peer_forget(struct usrsctp_peer *self)
{
    bool cut = self->cut;
    self->cut = true;
    if (self->socket)
        usrsctp_close(self->socket);
    self->socket = NULL;
    self->up = self->down = false;
    self->cut = cut;
}

void usrsctp_peer_close(struct usrsctp_peer *self)
{
    if (self->listener)
        usrsctp_close(self->listener);
    if (self->socket)
        usrsctp_close(self->socket);
    self->listener = self->socket = NULL;
    usrsctp_deregister_address(self);
    end();
    loop_timer_cancel(self->loop, &self->tick);
    loop_timer_cancel(self->loop, &self->line);
    loop_fd_close(self->loop, &self->fd);
    while (self->late) {
        struct usrsctp_late *late = self->late;
        self->late = late->next;
        free(late);
    }
}
