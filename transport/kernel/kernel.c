/* Linux SCTP as a transport: what transport.h asks of it. */
#include "transport/kernel/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "transport/kernel/socket.h"

/* Opening a socket loads the module where that is allowed. */
static bool kernel_available(char *why, size_t why_size)
{
    int fd = socket(AF_INET, SOCK_SEQPACKET | SOCK_CLOEXEC, IPPROTO_SCTP);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)
        snprintf(why, why_size,
                 "this kernel has no SCTP: load the module sctp (modprobe sctp; remove it from the "
                 "blacklist in /etc/modprobe.d if it is there; on RHEL and its like it is in the "
                 "package kernel-modules-extra), or use transport = \"udp\"");
    else
        snprintf(why, why_size, "no SCTP socket: %m; transport = \"udp\" does without");
    return false;
}

static struct kernel *kernel_of(struct transport *transport)
{
    return container_of(transport, struct kernel, base);
}

/* ---- encapsulation ---- */

/* The UDP port of this host's encapsulation: 0: none, -1: the kernel knows none (before 5.11). */
static int encapsulation_port(void)
{
    int port = -1;
    FILE *file = fopen("/proc/sys/net/sctp/udp_port", "re");
    if (!file)
        return -1;
    if (fscanf(file, "%d", &port) != 1)
        port = -1;
    fclose(file);
    return port;
}

static void check_encapsulation(const struct transport_options *options)
{
    if (!options->encap_port)
        return;
    log_write(LOG_INFO, LOG_ABOUT_NOTHING,
              "SCTP in UDP: Linux loses its own bursts on devices that cut them up, which only "
              "\"ip link set dev DEV gso_max_size 1500\" prevents (docs/MULTIHOMING.md)");
    if (encapsulation_port() == 0)
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
                  "SCTP is to be encapsulated in UDP (encap_port = %u), but this host takes no "
                  "such packets: run sysctl -w net.sctp.udp_port=9899",
                  options->encap_port);
}

/* ---- open ---- */

static enum err refuse_addresses(const struct address *locals, size_t count, char *why,
                                 size_t why_size)
{
    for (size_t i = 0; i < count; i++) {
        int family = locals[i].any.sa_family;
        if (family == AF_INET || family == AF_INET6)
            continue;
        char text[ADDRESS_TEXT_MAX];
        snprintf(why, why_size, "%s is not an IP address", address_format(&locals[i], text));
        return ERR_TRANSPORT_ADDRESS;
    }
    return ERR_OK;
}

static enum err open_socket(struct kernel *self, char *why, size_t why_size)
{
    int fd = kernel_socket_open(&self->options, self->locals, self->local_count, why, why_size);
    if (fd < 0)
        return errno == EADDRINUSE || errno == EADDRNOTAVAIL || errno == EINVAL || errno == EACCES
                   ? ERR_TRANSPORT_ADDRESS
                   : ERR_TRANSPORT_SOCKET;
    if (!kernel_listener_open(self, fd))
        return ERR_OK;
    if (errno == ENOSYS)
        snprintf(why, why_size,
                 "SCTP cannot sign its cookies, because the kernel has no HMAC for them: load the "
                 "module that net.sctp.cookie_hmac_alg names (modprobe hmac md5 sha1_generic)");
    else
        snprintf(why, why_size, "cannot listen: %m");
    kernel_listener_close(self);
    return ERR_TRANSPORT_SOCKET;
}

static enum err kernel_open(struct loop *loop, const struct address *locals, size_t local_count,
                            const struct transport_options *options,
                            struct transport_acceptor *acceptor, struct transport **transport,
                            char *why, size_t why_size)
{
    must(options->streams > 0 && local_count > 0 && local_count <= TRANSPORT_ADDRESSES_MAX);
    enum err e = refuse_addresses(locals, local_count, why, why_size);
    if (e != ERR_OK)
        return e;
    struct kernel *self = check_alloc(sizeof *self);
    self->base.ops = &kernel_ops;
    self->base.loop = loop;
    self->lines.per_minute = TRANSPORT_LINES;
    self->options = *options;
    self->acceptor = acceptor;
    memcpy(self->locals, locals, local_count * sizeof *locals);
    self->local_count = local_count;
    TAILQ_INIT(&self->base.associations);
    e = open_socket(self, why, why_size);
    if (e != ERR_OK) {
        free(self);
        return e;
    }
    check_encapsulation(options);
    *transport = &self->base;
    return ERR_OK;
}

static void kernel_free(struct transport *transport)
{
    struct kernel *self = kernel_of(transport);
    kernel_listener_close(self);
    association_end_all(transport);
    free(self);
}

static const struct address *kernel_local(struct transport *transport, size_t index)
{
    struct kernel *self = kernel_of(transport);
    return index < self->local_count ? &self->locals[index] : NULL;
}

static void kernel_refuse(struct transport *transport)
{
    struct kernel *self = container_of(transport, struct kernel, base);
    self->refuses = true;
    kernel_life_listen(self);
}

const struct transport_ops kernel_ops = {
    .name = "kernel",
    .one_refusal_ends = true,
    .available = kernel_available,
    .open = kernel_open,
    .free = kernel_free,
    .refuse = kernel_refuse,
    .local = kernel_local,
    .connect = kernel_association_connect,
    .send = kernel_send_message,
    .close = kernel_association_close,
    .status = kernel_path_status,
    .auth = kernel_auth_change,
};
