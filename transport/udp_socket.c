#include "transport/udp_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <usrsctp.h>

#include "transport/packet.h"
#include "transport/udp.h"
#include "transport/udp_auth.h"

/* One association has one window and one send buffer for all its streams: 16 MB carry 1 Gbit/s over
 * a round trip of 100 ms (usrsctp counts 256 bytes for each chunk, too). Only what waits takes
 * memory. */
#define BUFFER (16 << 20)

/* RFC 9260 section 16, lowered: RTO.Initial and Max are 1 s and 60 s there, Min 1 s. */
#define RTO_INITIAL_MS 1000
#define RTO_MAX_MS     10000
#define RTO_MIN_MS     200

/* INITs are repeated at least so often. */
#define INIT_RTO_MAX_MS 3000

/* We count silence (udp_association.c) and watch the paths (udp_paths.c) ourselves, so usrsctp must
 * give up neither: to the one path that it knows it would send no DATA until a heartbeat of its own
 * is answered, which after an outage is up to RTO.Max after COOKIE ACK. */
#define RETRANSMISSIONS_MAX 1000

/* So many packets that the ClientHellos of 64 children leave in one flight, paced over a quarter of
 * a round trip: see docs/decisions/015-reconnect.md. Where packets are much larger, fewer of them.
 */
#define INITIAL_PACKETS_MAX 44
#define INITIAL_PACKETS_MIN 3
#define INITIAL_BYTES       131072

/* Bytes in SCTP's queues of an association; in usrsctp's own headers, but not in the public one
 * (0.9.3 to master of 2025). */
#define GET_SNDBUF_USE 0x1101
struct buffer_use {
    sctp_assoc_t association;
    uint32_t sending, receiving;
};

/* The same: verification tags, of sctp_uio.h. */
#define GET_NONCE_VALUES 0x1105
struct nonce_values {
    sctp_assoc_t association;
    uint32_t peer, own;
};

/* The same: congestion controls. */
#define PLUGGABLE_CC 0x1202
#define CC_RFC_9260  0

/* usrsctp adds to SCTP_MAXSEG the header of DATA, the common header and one of IPv4, even for
 * AF_CONN: the sum is the size of a packet. */
#define MAXSEG_OFFSET 48

static int set(struct socket *socket, int option, const void *value, socklen_t size)
{
    return usrsctp_setsockopt(socket, IPPROTO_SCTP, option, value, size);
}

static uint32_t clamp(uint64_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : (uint32_t)value;
}

/* Heartbeats must come several times within dead_after, and a lost one must be repeated in time,
 * so short limits shorten everything. usrsctp sends a heartbeat after interval + RTO, plus or
 * minus half an RTO. */
static uint32_t milliseconds(uint64_t us, uint32_t otherwise)
{
    return us ? clamp(us / 1000, 1, UINT32_MAX) : otherwise;
}

uint32_t udp_socket_rto_min(const struct transport_options *options)
{
    return milliseconds(options->rto_min_us, clamp(options->dead_after_us / 16000, 20, RTO_MIN_MS));
}

static int set_times(struct socket *socket, const struct transport_options *options)
{
    uint64_t dead_ms = options->dead_after_us / 1000;
    struct sctp_rtoinfo rto = {
        .srto_initial =
            milliseconds(options->rto_initial_us, clamp(dead_ms / 4, 50, RTO_INITIAL_MS)),
        .srto_max = milliseconds(options->rto_max_us, clamp(dead_ms / 4, 100, RTO_MAX_MS)),
        .srto_min = udp_socket_rto_min(options),
    };
    uint32_t most = options->association_retransmissions;
    struct sctp_assocparams limits = {.sasoc_asocmaxrxt = most && most < RETRANSMISSIONS_MAX
                                                              ? (uint16_t)most
                                                              : RETRANSMISSIONS_MAX};
    struct sctp_initmsg init = {.sinit_num_ostreams = options->streams,
                                .sinit_max_instreams = options->streams,
                                .sinit_max_attempts = RETRANSMISSIONS_MAX,
                                .sinit_max_init_timeo = INIT_RTO_MAX_MS};
    return set(socket, SCTP_RTOINFO, &rto, sizeof rto) ||
           set(socket, SCTP_ASSOCINFO, &limits, sizeof limits) ||
           set(socket, SCTP_INITMSG, &init, sizeof init);
}

static int set_path(struct socket *socket, const struct transport_options *options,
                    uint32_t payload)
{
    uint64_t dead_ms = options->dead_after_us / 1000;
    struct sctp_paddrparams path = {
        .spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE,
        .spp_hbinterval = clamp(options->heartbeat_us / 1000, 10, clamp(dead_ms / 5, 10, 60000)),
        .spp_pathmtu = payload - PACKET_HEADER, /* usrsctp adds the common header */
        .spp_pathmaxrxt = RETRANSMISSIONS_MAX,
    };
    path.spp_address.ss_family = AF_CONN;
    return set(socket, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
}

static int set_events(struct socket *socket)
{
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct sctp_event event = {
            .se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = types[i], .se_on = 1};
        if (set(socket, SCTP_EVENT, &event, sizeof event))
            return -1;
    }
    return 0;
}

uint32_t udp_socket_buffer(const struct transport_options *options)
{
    return options->buffer_bytes ? options->buffer_bytes : BUFFER;
}

static int configure(struct socket *socket, const struct transport_options *options,
                     uint32_t payload)
{
    int on = 1, size = (int)udp_socket_buffer(options);
    struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    return usrsctp_set_non_blocking(socket, 1) ||
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) ||
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) ||
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_LINGER, &abort_on_close,
                              sizeof abort_on_close) ||
           set(socket, SCTP_NODELAY, &on, sizeof on) ||
           set(socket, SCTP_RECVRCVINFO, &on, sizeof on) || set_times(socket, options) ||
           set_path(socket, options, payload) || set_events(socket) ||
           (options->auth && udp_auth_prepare(socket));
}

static struct sockaddr_conn conn_address(void *address, uint16_t port)
{
    return (struct sockaddr_conn){
        .sconn_family = AF_CONN, .sconn_port = htons(port), .sconn_addr = address};
}

struct socket *udp_socket_open(const struct transport_options *options, uint32_t payload,
                               void *address, uint16_t port)
{
    struct socket *socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (!socket)
        return NULL;
    struct sockaddr_conn own = conn_address(address, port);
    if (configure(socket, options, payload) ||
        usrsctp_bind(socket, (struct sockaddr *)&own, sizeof own)) {
        int error = errno;
        usrsctp_close(socket);
        errno = error;
        return NULL;
    }
    return socket;
}

void udp_socket_close(struct socket *socket)
{
    usrsctp_close(socket);
}

void udp_socket_prepare(uint32_t payload)
{
    usrsctp_sysctl_set_sctp_initial_cwnd(
        clamp(INITIAL_BYTES / payload, INITIAL_PACKETS_MIN, INITIAL_PACKETS_MAX));
}

int udp_socket_connect(struct socket *socket, void *address)
{
    struct sockaddr_conn peer = conn_address(address, UDP_SCTP_PORT);
    int result = usrsctp_connect(socket, (struct sockaddr *)&peer, sizeof peer);
    return result && errno != EINPROGRESS ? -1 : 0;
}

int udp_socket_listen(struct socket *socket)
{
    return usrsctp_listen(socket, 1);
}

struct socket *udp_socket_accept(struct socket *listener)
{
    struct socket *accepted = usrsctp_accept(listener, NULL, NULL);
    if (accepted)
        usrsctp_set_non_blocking(accepted, 1);
    return accepted;
}

bool udp_socket_tags(struct socket *socket, uint32_t *own, uint32_t *peer)
{
    struct nonce_values values = {0};
    socklen_t size = sizeof values;
    if (usrsctp_getsockopt(socket, IPPROTO_SCTP, GET_NONCE_VALUES, &values, &size))
        return false;
    *own = values.own;
    *peer = values.peer;
    return true;
}

void udp_socket_cut(struct socket *socket, uint32_t payload)
{
    struct sctp_assoc_value most = {.assoc_value = payload - MAXSEG_OFFSET};
    set(socket, SCTP_MAXSEG, &most, sizeof most);
}

/* What an association begins with is also what it gets when it is given a congestion control. */
void udp_socket_window(struct socket *socket, uint32_t bytes, uint32_t unit)
{
    struct sctp_assoc_value module = {.assoc_value = CC_RFC_9260};
    uint32_t initial = usrsctp_sysctl_get_sctp_initial_cwnd();
    usrsctp_sysctl_set_sctp_initial_cwnd(bytes / unit);
    set(socket, PLUGGABLE_CC, &module, sizeof module);
    usrsctp_sysctl_set_sctp_initial_cwnd(initial);
}

void udp_socket_window_limit(struct socket *socket, uint32_t limit)
{
    struct sctp_assoc_value most = {.assoc_value = limit};
    set(socket, SCTP_MAX_CWND, &most, sizeof most);
}

void udp_socket_set_rto_min(struct socket *socket, uint32_t ms)
{
    struct sctp_rtoinfo rto = {.srto_min = ms}; /* 0: as it is */
    set(socket, SCTP_RTOINFO, &rto, sizeof rto);
}

void udp_socket_cork(struct socket *socket, bool corked)
{
    int nodelay = !corked;
    set(socket, SCTP_NODELAY, &nodelay, sizeof nodelay);
}

void udp_socket_abort(struct socket *socket, const char *detail)
{
    struct sctp_sndinfo info = {.snd_flags = SCTP_ABORT};
    size_t length = detail ? strnlen(detail, UDP_DETAIL_MAX) : 0;
    usrsctp_sendv(socket, length ? detail : "", length, NULL, 0, &info, sizeof info,
                  SCTP_SENDV_SNDINFO, 0);
}

struct udp_socket_state udp_socket_look(struct socket *socket)
{
    struct udp_socket_state state = {0};
    struct buffer_use use = {0};
    struct sctp_status status = {0};
    socklen_t use_size = sizeof use, status_size = sizeof status;
    if (!usrsctp_getsockopt(socket, IPPROTO_SCTP, GET_SNDBUF_USE, &use, &use_size))
        state.queued = use.sending;
    if (!usrsctp_getsockopt(socket, IPPROTO_SCTP, SCTP_STATUS, &status, &status_size)) {
        state.congestion_window = status.sstat_primary.spinfo_cwnd;
        state.rtt_us = status.sstat_primary.spinfo_srtt * 1000;
    }
    return state;
}
