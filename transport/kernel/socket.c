/* The kernel's SCTP sockets and their options. */
#include "transport/kernel/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/number.h"
#include "sctp/auth_chunks.h"

/* One association has one window and one send buffer for all its streams, and the kernel does not
 * tune them: 4 MB carry 300 Mbit/s over a round trip of 100 ms. */
#define BUFFER (4 << 20)

/* RFC 9260 section 16, lowered: RTO.Initial and Max are 1 s and 60 s there, Min 1 s. */
#define RTO_INITIAL_MS 1000
#define RTO_MAX_MS     10000
#define RTO_MIN_MS     200

/* Each address is asked again so soon, as with the udp transport (transport/udp/connect.c). */
#define INIT_AGAIN_MS 500

/* We count silence ourselves (kernel/association.c), so the kernel must not give up before. */
#define RETRANSMISSIONS_MAX      1000
#define RETRANSMISSIONS_INACTIVE 4

/* The kernel's default of 200 ms holds a small message back for so long when its SACK is lost. */
#define SACK_DELAY_MS  20
#define SACK_FREQUENCY 2

/* Of enum sctp_sched_type: round robin (Linux 4.15). */
#define SCHEDULER_ROUND_ROBIN 2

/* Of SCTP_EXPOSE_POTENTIALLY_FAILED_STATE (Linux 5.5), which has no name for it in its header. */
#define EXPOSE_FAILING 2

static int set(int fd, int option, const void *value, socklen_t size)
{
    return setsockopt(fd, IPPROTO_SCTP, option, value, size);
}

static uint32_t milliseconds(uint64_t wanted_us, uint32_t otherwise_ms)
{
    return wanted_us ? number_between(wanted_us / 1000, 1, 3600 * 1000) : otherwise_ms;
}

/* ---- options ---- */

/* Heartbeats must come several times within dead_after, and a lost one must be repeated in time,
 * so short limits shorten everything. */
static int set_clock(int fd, const struct transport_options *options)
{
    uint64_t dead_ms = options->dead_after_us / 1000;
    struct sctp_rtoinfo rto = {
        .srto_initial =
            milliseconds(options->rto_initial_us, number_between(dead_ms / 4, 50, RTO_INITIAL_MS)),
        .srto_max = milliseconds(options->rto_max_us, number_between(dead_ms / 4, 100, RTO_MAX_MS)),
        .srto_min = milliseconds(options->rto_min_us, number_between(dead_ms / 16, 20, RTO_MIN_MS)),
    };
    /* One that contradicts the defaults of the others moves them. */
    if (rto.srto_min > rto.srto_max)
        *(options->rto_max_us ? &rto.srto_min : &rto.srto_max) =
            options->rto_max_us ? rto.srto_max : rto.srto_min;
    rto.srto_initial = number_between(rto.srto_initial, rto.srto_min, rto.srto_max);
    return set(fd, SCTP_RTOINFO, &rto, sizeof rto);
}

static int set_association(int fd, const struct transport_options *options)
{
    uint32_t limit = options->association_retransmissions;
    struct sctp_assocparams parameters = {.sasoc_asocmaxrxt = (uint16_t)number_between(
                                              limit ? limit : RETRANSMISSIONS_MAX, 1, UINT16_MAX)};
    return set(fd, SCTP_ASSOCINFO, &parameters, sizeof parameters);
}

static int set_init(int fd, const struct transport_options *options)
{
    struct sctp_initmsg init = {.sinit_num_ostreams = options->streams,
                                .sinit_max_instreams = options->streams,
                                .sinit_max_attempts = RETRANSMISSIONS_MAX,
                                .sinit_max_init_timeo = INIT_AGAIN_MS};
    return set(fd, SCTP_INITMSG, &init, sizeof init);
}

static uint16_t path_limit(const struct transport_options *options)
{
    uint32_t limit = options->path_retransmissions;
    return (uint16_t)number_between(limit ? limit : RETRANSMISSIONS_INACTIVE, 1, UINT16_MAX);
}

static int set_paths(int fd, const struct transport_options *options)
{
    uint64_t dead_ms = options->dead_after_us / 1000;
    struct sctp_paddrparams path = {
        .spp_flags = SPP_HB_ENABLE,
        .spp_hbinterval = number_between(options->heartbeat_us / 1000, 10,
                                         number_between(dead_ms / 5, 10, 60000)),
        .spp_pathmaxrxt = path_limit(options),
    };
    path.spp_pathmtu = options->mtu || !options->mtu_found ? options->mtu : *options->mtu_found;
    if (path.spp_pathmtu)
        path.spp_flags |= SPP_PMTUD_DISABLE;
    return set(fd, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
}

static int set_thresholds(int fd, const struct transport_options *options)
{
    struct sctp_paddrthlds limits = {
        .spt_pathmaxrxt = path_limit(options),
        .spt_pathpfthld = (uint16_t)number_between(options->failing_after, 0, UINT16_MAX)};
    return set(fd, SCTP_PEER_ADDR_THLDS, &limits, sizeof limits);
}

static int set_sack(int fd, const struct transport_options *options)
{
    (void)options;
    struct sctp_sack_info sack = {.sack_delay = SACK_DELAY_MS, .sack_freq = SACK_FREQUENCY};
    return set(fd, SCTP_DELAYED_SACK, &sack, sizeof sack);
}

static int set_events(int fd, const struct transport_options *options)
{
    (void)options;
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_PEER_ADDR_CHANGE, SCTP_SHUTDOWN_EVENT};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct sctp_event event = {.se_type = types[i], .se_on = 1};
        if (set(fd, SCTP_EVENT, &event, sizeof event))
            return -1;
    }
    int on = 1;
    return set(fd, SCTP_RECVRCVINFO, &on, sizeof on);
}

static int set_close(int fd, const struct transport_options *options)
{
    (void)options;
    struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
}

static int set_nodelay(int fd, const struct transport_options *options)
{
    (void)options;
    int on = 1;
    return set(fd, SCTP_NODELAY, &on, sizeof on);
}

static int set_encapsulation(int fd, const struct transport_options *options)
{
    if (!options->encap_port)
        return 0;
    struct sctp_udpencaps encapsulation = {.sue_port = htons(options->encap_port)};
    encapsulation.sue_address.ss_family = AF_INET; /* a wildcard: all paths */
    return set(fd, SCTP_REMOTE_UDP_ENCAPS_PORT, &encapsulation, sizeof encapsulation);
}

static int set_scheduler(int fd, const struct transport_options *options)
{
    (void)options;
    struct sctp_assoc_value scheduler = {.assoc_value = SCHEDULER_ROUND_ROBIN};
    return set(fd, SCTP_STREAM_SCHEDULER, &scheduler, sizeof scheduler);
}

static int set_exposure(int fd, const struct transport_options *options)
{
    (void)options;
    struct sctp_assoc_value exposure = {.assoc_value = EXPOSE_FAILING};
    return set(fd, SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, &exposure, sizeof exposure);
}

/* Those that an older kernel may lack are said to be so: without them it works less well. */
static const struct {
    const char *name;
    int (*set)(int fd, const struct transport_options *options);
    bool is_optional;
} settings[] = {
    {"SO_LINGER", set_close, false},
    {"SCTP_NODELAY", set_nodelay, false},
    {"SCTP_INITMSG", set_init, false},
    {"SCTP_RTOINFO", set_clock, false},
    {"SCTP_ASSOCINFO", set_association, false},
    {"SCTP_PEER_ADDR_PARAMS", set_paths, false},
    {"SCTP_PEER_ADDR_THLDS", set_thresholds, true},
    {"SCTP_DELAYED_SACK", set_sack, false},
    {"SCTP_EVENT", set_events, false},
    {"SCTP_REMOTE_UDP_ENCAPS_PORT (Linux 5.11)", set_encapsulation, false},
    {"SCTP_STREAM_SCHEDULER", set_scheduler, true},
    {"SCTP_EXPOSE_POTENTIALLY_FAILED_STATE", set_exposure, true},
};

/* ---- buffers ---- */

static int wanted_buffer(const struct transport_options *options)
{
    return options->buffer_bytes ? (int)number_between(options->buffer_bytes, 16384, 1 << 30)
                                 : BUFFER;
}

/* The kernel doubles what it is given, for its own overhead. */
static int granted_buffer(int fd, int option)
{
    int size = 0;
    socklen_t length = sizeof size;
    getsockopt(fd, SOL_SOCKET, option, &size, &length);
    return size / 2;
}

static void set_buffer(int fd, int option, int force, int size)
{
    if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, option, &size, sizeof size);
}

/* Once in a process: the limit is the machine's, and sockets are many. */
static void warn_of_buffer(const char *what, const char *sysctl, int granted, int wanted)
{
    log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
              "the kernel grants SCTP a %s buffer of %d bytes instead of %d, which limits the "
              "rate over long lines: run sysctl -w %s=%d",
              what, granted, wanted, sysctl, wanted);
}

static void set_buffers(int fd, const struct transport_options *options)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    int wanted = wanted_buffer(options);
    set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, wanted);
    set_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, wanted);
    int sending = granted_buffer(fd, SO_SNDBUF), receiving = granted_buffer(fd, SO_RCVBUF);
    if ((sending >= wanted && receiving >= wanted) || atomic_flag_test_and_set(&warned))
        return;
    if (sending < wanted)
        warn_of_buffer("send", "net.core.wmem_max", sending, wanted);
    if (receiving < wanted)
        warn_of_buffer("receive", "net.core.rmem_max", receiving, wanted);
}

void kernel_socket_set_mark(int fd, const struct transport_options *options, size_t bytes)
{
    /* Setting doubles. */
    set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE,
               bytes ? (int)(bytes * 9 / 8) : wanted_buffer(options));
}

/* ---- opening ---- */

static int socket_family(const struct address *locals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (locals[i].any.sa_family == AF_INET6)
            return AF_INET6;
    return AF_INET;
}

/* Addresses one after the other, as sctp_bindx and sctp_connectx want them. */
static struct sockaddr *pack(const struct address *addresses, size_t count,
                             struct sockaddr_storage packed[TRANSPORT_ADDRESSES_MAX])
{
    char *end = (char *)packed;
    for (size_t i = 0; i < count; i++) {
        memcpy(end, &addresses[i].any, addresses[i].length);
        end += addresses[i].length;
    }
    return (struct sockaddr *)packed;
}

static int bind_all(int fd, struct address *locals, size_t count)
{
    struct sockaddr_storage packed[TRANSPORT_ADDRESSES_MAX];
    if (sctp_bindx(fd, pack(locals, count, packed), (int)count, SCTP_BINDX_ADD_ADDR))
        return -1;
    struct address bound = {.length = sizeof bound.in6};
    if (getsockname(fd, &bound.any, &bound.length))
        return -1;
    for (size_t i = 0; i < count; i++)
        locals[i].in.sin_port = bound.in.sin_port; /* at the same place in sockaddr_in6 */
    return 0;
}

static int configure(int fd, int family, const struct transport_options *options, char *why,
                     size_t why_size)
{
    int off = 0;
    if (family == AF_INET6)
        set(fd, SCTP_I_WANT_MAPPED_V4_ADDR, &off, sizeof off);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!settings[i].set(fd, options) || settings[i].is_optional)
            continue;
        snprintf(why, why_size, "the kernel refuses %s: %m", settings[i].name);
        return -1;
    }
    set_buffers(fd, options);
    return 0;
}

static int list_chunks(int fd)
{
    for (size_t i = 0; i < SCTP_AUTH_CHUNKS; i++) {
        struct sctp_authchunk chunk = {.sauth_chunk = sctp_auth_chunks[i]};
        if (set(fd, SCTP_AUTH_CHUNK, &chunk, sizeof chunk))
            return -1;
    }
    return 0;
}

/* Needs net.sctp.auth_enable = 1: SCTP_AUTH_SUPPORTED (Linux 5.4) would switch it on for one
 * socket, but not for those that are branched off from it. 0, or -1 with a sentence in why. */
static int prepare_auth(int fd, char *why, size_t why_size)
{
    struct sctp_assoc_value supported = {0};
    socklen_t size = sizeof supported;
    if (getsockopt(fd, IPPROTO_SCTP, SCTP_AUTH_SUPPORTED, &supported, &size) ||
        !supported.assoc_value) {
        snprintf(why, why_size, "sctp_auth needs sysctl -w net.sctp.auth_enable=1");
        errno = EACCES;
        return -1;
    }
    if (!list_chunks(fd))
        return 0;
    snprintf(why, why_size, "the kernel refuses to authenticate SCTP: %m");
    return -1;
}

int kernel_socket_open(const struct transport_options *options, struct address *locals,
                       size_t count, char *why, size_t why_size)
{
    int family = socket_family(locals, count), error;
    int fd = socket(family, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_SCTP);
    if (fd < 0) {
        snprintf(why, why_size, "no SCTP socket: %m");
        return -1;
    }
    if (configure(fd, family, options, why, why_size) ||
        (options->auth && prepare_auth(fd, why, why_size)))
        goto failed;
    if (bind_all(fd, locals, count)) {
        char text[ADDRESS_TEXT_MAX];
        snprintf(why, why_size, "cannot bind to %s%s: %m", address_format(locals, text),
                 count > 1 ? " and the addresses after it" : "");
        goto failed;
    }
    return fd;
failed:
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Listening again takes the port once more, which accepted sockets share: they must have agreed.
 * Another endpoint cannot take it, because that is decided when it binds. */
int kernel_socket_listen(int fd, bool on)
{
    int reuse = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse))
        return -1;
    /* Linux does not count the associations of a one-to-many socket; anything but 0 listens. */
    return listen(fd, on);
}

int kernel_socket_branch(int fd, int32_t association)
{
    /* sctp_peeloff_flags of lksctp-tools 1.0.19 is declared, but not exported. */
    sctp_peeloff_flags_arg_t request = {.p_arg = {.associd = association},
                                        .flags = SOCK_NONBLOCK | SOCK_CLOEXEC};
    socklen_t size = sizeof request;
    return getsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_PEELOFF_FLAGS, &request, &size) < 0
               ? -1
               : request.p_arg.sd;
}

/* The kernel asks the addresses in turn, and doubles the pause after each round up to this limit.
 * If it does not take that, the rounds are longer. */
static void set_pace(int fd, size_t count)
{
    struct sctp_initmsg init = {.sinit_max_init_timeo = (uint16_t)(INIT_AGAIN_MS / count)};
    (void)set(fd, SCTP_INITMSG, &init, sizeof init); /* 0 elsewhere: as it is */
}

int kernel_socket_connect(int fd, const struct address *remotes, size_t count)
{
    set_pace(fd, count);
    struct sockaddr_storage packed[TRANSPORT_ADDRESSES_MAX];
    sctp_assoc_t association = 0;
    int result = sctp_connectx(fd, pack(remotes, count, packed), (int)count, &association);
    if (result < 0 && errno != EINPROGRESS)
        return -1;
    int branch = kernel_socket_branch(fd, association);
    if (branch >= 0)
        return branch;
    /* On the same host the answer comes inside sctp_connectx. */
    int error = errno == EINVAL ? ECONNREFUSED : errno;
    kernel_socket_abort(fd, association, NULL);
    errno = error;
    return -1;
}

/* ---- while it lives ---- */

static void command(int fd, int32_t association, uint16_t flag, const char *text)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct sctp_sndinfo))];
    } control = {.header = {.cmsg_level = IPPROTO_SCTP,
                            .cmsg_type = SCTP_SNDINFO,
                            .cmsg_len = CMSG_LEN(sizeof(struct sctp_sndinfo))}};
    struct sctp_sndinfo info = {.snd_flags = flag, .snd_assoc_id = association};
    memcpy(CMSG_DATA(&control.header), &info, sizeof info);
    char copy[KERNEL_DETAIL_MAX]; /* because iov_base is not const */
    size_t length = text ? strnlen(text, sizeof copy) : 0;
    memcpy(copy, text ? text : "", length);
    struct iovec part = {.iov_base = copy, .iov_len = length};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void kernel_socket_abort(int fd, int32_t association, const char *detail)
{
    command(fd, association, SCTP_ABORT, detail);
}

void kernel_socket_shutdown(int fd)
{
    command(fd, 0, SCTP_EOF, NULL);
}

void kernel_socket_shrink(int fd, uint32_t mtu)
{
    struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE, .spp_pathmtu = mtu};
    (void)set(fd, SCTP_PEER_ADDR_PARAMS, &path, sizeof path); /* it fails when that has ended */
}
