/* The udp transport and the kernel's, one at each end: SCTP over UDP (RFC 6951) through a pair of
 * network namespaces, in both roles, under load in both directions. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/auth_bed.h"
#include "tests/lib/tap.h"
#include "transport/kernel/kernel.h"
#include "transport/udp/udp.h"

/* The kernel's UDP port, and one for the other end that is not the usual one. */
#define KERNEL_PORT "9899"
#define UDP_PORT    9900

#define STREAMS 64
#define EACH    100

/* ---- two hosts ---- */

static int udp_host, kernel_host;

static void enter(int host)
{
    must(!setns(host, CLONE_NEWNET));
}

static bool sysctl_sctp(const char *name, const char *value)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/net/sctp/%s", name);
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    bool written = fputs(value, file) >= 0;
    return !fclose(file) && written;
}

/* A child holds the second namespace until its descriptor is open. */
static bool two_hosts(void)
{
    int ready[2];
    if (unshare(CLONE_NEWNET) || pipe(ready))
        return false;
    pid_t child = fork();
    if (child == 0) {
        bool done = !unshare(CLONE_NEWNET);
        if (write(ready[1], &done, sizeof done) == sizeof done)
            pause();
        _exit(0);
    }
    bool done = false;
    char text[192];
    must(read(ready[0], &done, sizeof done) == sizeof done);
    snprintf(text, sizeof text,
             "ip link add one type veth peer name two netns %d && "
             "ip link set one up && "
             "ip address add 10.72.0.1/24 dev one",
             (int)child);
    done = done && !system(text);
    snprintf(text, sizeof text, "/proc/%d/ns/net", (int)child);
    kernel_host = open(text, O_RDONLY | O_CLOEXEC);
    udp_host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    if (!done || kernel_host < 0 || udp_host < 0)
        return false;
    enter(kernel_host);
    /* Linux 6.1 loses what is to be cut into packets (docs/decisions/009-kernel-sctp.md). */
    done = !system("ip link set two gso_max_size 1500 up && ip address add 10.72.0.2/24 dev two") &&
           sysctl_sctp("udp_port", KERNEL_PORT) && sysctl_sctp("auth_enable", "1");
    enter(udp_host);
    return done;
}

/* Each opens its sockets on its own host. Later all happens on the kernel's, because it branches
 * off sockets only for its own namespace, and udp needs no other socket when its MTU is given. */
static struct transport *open_on(struct bed *bed, const struct transport_ops *ops,
                                 const char *local, struct transport_acceptor *acceptor)
{
    bed->ops = ops;
    enter(ops == &kernel_ops ? kernel_host : udp_host);
    struct transport *transport = bed_open_one(bed, local, acceptor);
    enter(kernel_host);
    must(transport);
    return transport;
}

static void open_pair(struct bed *bed, bool kernel_serves)
{
    *bed = (struct bed){.options = bed_default_options(), .accepting = true};
    bed->acceptor.on_incoming = bed_on_incoming;
    bed->loop = loop_new();
    bed->options.mtu = 1500;
    if (kernel_serves) {
        bed->server = open_on(bed, &kernel_ops, "10.72.0.2:" KERNEL_PORT, &bed->acceptor);
        bed->client = open_on(bed, &udp_ops, "10.72.0.1:0", NULL);
    } else {
        char local[32];
        snprintf(local, sizeof local, "10.72.0.1:%d", UDP_PORT);
        bed->server = open_on(bed, &udp_ops, local, &bed->acceptor);
        bed->options.encap_port = UDP_PORT;
        bed->client = open_on(bed, &kernel_ops, "10.72.0.2:0", NULL);
    }
}

/* The port of the address is udp's for udp, SCTP's for the kernel. */
static struct bed_user *connect_pair(struct bed *bed, bool kernel_serves)
{
    struct address server =
        bed_address(kernel_serves ? "10.72.0.2:" KERNEL_PORT : "10.72.0.1:9899");
    struct bed_user *user = bed_user_new(bed);
    unsigned before = bed->accepted_count;
    must(association_connect(bed->client, &server, 1, &user->events, &user->association) == ERR_OK);
    for (int i = 0; i < 250 && !user->down && !(user->up && bed->accepted_count > before); i++)
        loop_turn(bed->loop, 20000);
    return user;
}

/* ---- load ---- */

/* A sender of its own for each end: the number of messages sent. */
static uint32_t sent[2];
static struct bed_user *ends[2];

static void send_more(struct bed_user *self)
{
    uint32_t *count = &sent[self == ends[1]];
    while (self->association && *count < STREAMS * EACH) {
        uint32_t size = 1 + (*count * 2654435761u >> 8) % MESSAGE_MAX;
        struct message *message =
            bed_message((uint16_t)(*count % STREAMS), *count / STREAMS, size, 7);
        if (association_send(self->association, message) != ERR_OK) {
            message_free(message);
            return;
        }
        ++*count;
    }
}

static void load_both_ways(struct bed_user *user, struct bed_user *peer)
{
    ends[0] = user;
    ends[1] = peer;
    sent[0] = sent[1] = 0;
    user->on_writable = peer->on_writable = send_more;
    send_more(user);
    send_more(peer);
    bool there = bed_wait_messages(peer, STREAMS * EACH, 60 * SECOND);
    bool back = bed_wait_messages(user, STREAMS * EACH, 60 * SECOND);
    ok(there && back, "%u messages each way on %u streams arrive (%lu, %lu)", STREAMS * EACH,
       STREAMS, (unsigned long)peer->messages, (unsigned long)user->messages);
    ok(!user->disorders && !user->damaged && !peer->disorders && !peer->damaged,
       "in order and undamaged (%u, %u; %u, %u)", user->disorders, user->damaged, peer->disorders,
       peer->damaged);
}

static bool change_key(struct bed_user *user, struct bed_user *peer)
{
    return keyed_add(user, 1, 1) == ERR_OK && keyed_add(peer, 1, 1) == ERR_OK &&
           association_auth_use(user->association, 1) == ERR_OK &&
           association_auth_use(peer->association, 1) == ERR_OK;
}

static void run(bool kernel_serves, bool auth)
{
    tap_note("%s%s", kernel_serves ? "udp connects to the kernel" : "the kernel connects to udp",
             auth ? ", with authentication" : "");
    bed_auth = auth;
    struct bed bed;
    open_pair(&bed, kernel_serves);
    struct bed_user *user = connect_pair(&bed, kernel_serves);
    if (!ok(user->up && bed.accepted_count == 1, "they associate (%s: %s)", err_name(user->reason),
            user->detail))
        goto done;
    struct bed_user *peer = bed_latest(&bed);
    ok(user->streams == 1024 && peer->streams == 1024, "with 1024 streams");
    if (auth)
        ok(change_key(user, peer), "both take a key");
    load_both_ways(user, peer);
    association_close(user->association, ASSOCIATION_ABORT, "in these words");
    bed_wait_down(peer, 2 * SECOND);
    ok(peer->reason == ERR_TRANSPORT_ABORTED && !strcmp(peer->detail, "\"in these words\""),
       "one aborts, the other hears why (%s: %s)", err_name(peer->reason), peer->detail);
    bed_wait_down(user, 2 * SECOND);
    free(user);
    user = connect_pair(&bed, kernel_serves);
    if (!ok(user->up, "they associate again"))
        goto done;
    peer = bed_latest(&bed);
    for (uint32_t i = 0; i < 100; i++)
        bed_send(peer, 1, i, 9000, 0);
    association_close(peer->association, ASSOCIATION_SHUTDOWN, NULL);
    bed_wait_down(user, 5 * SECOND);
    bed_wait_down(peer, 5 * SECOND);
    ok(user->messages == 100 && user->reason == ERR_TRANSPORT_CLOSED &&
           peer->reason == ERR_LOCAL_SHUTDOWN,
       "the server shuts down after its data (%lu, %s, %s)", (unsigned long)user->messages,
       err_name(user->reason), err_name(peer->reason));
done:
    bed_close(&bed);
    free(user);
}

/* ---- a window of more than 4096 TSNs ---- */

#define SMALL     40 /* bytes: 20 messages in a packet, each with a TSN of its own */
#define FAR_COUNT 16000
#define LINUX_MAP 4096 /* TSNs: Linux drops what is further ahead, whatever its window says */

/* Chunks of data under way, at least: bytes of packets are counted. */
static unsigned udp_has(struct association *association)
{
    struct association_status status;
    association_status(association, &status);
    return (unsigned)(status.paths[0].in_flight / (16 + SMALL + 4));
}

/* DATA chunks that the kernel has thrown away, those that came twice among them. */
static unsigned long dropped(void)
{
    char line[128];
    unsigned long count = 0;
    FILE *file = fopen("/proc/net/sctp/snmp", "re");
    must(file);
    while (fgets(line, sizeof line, file))
        (void)!sscanf(line, "SctpInDataChunkDiscards %lu", &count);
    fclose(file);
    return count;
}

static uint32_t far_sent;

static void send_small(struct bed_user *self)
{
    while (self->association && far_sent < FAR_COUNT) {
        struct message *message =
            bed_message((uint16_t)(far_sent % STREAMS), far_sent / STREAMS, SMALL, 7);
        if (association_send(self->association, message) != ERR_OK) {
            message_free(message);
            return;
        }
        far_sent++;
    }
}

static void set_line(const char *how)
{
    char text[128];
    snprintf(text, sizeof text, "tc qdisc replace dev one root netem %s limit 100000", how);
    enter(udp_host);
    must(!system(text));
    enter(kernel_host);
}

/* udp sends to the kernel over a line of 1 s that loses packets. */
static void far_away(void)
{
    struct bed bed;
    unsigned most = 0;
    tap_note("over 1 s, 1%% lost, with authentication, messages of %d bytes", SMALL);
    bed_auth = true;
    open_pair(&bed, true);
    unsigned long before = dropped();
    set_line("delay 1s"); /* so that the first round trip is as the others */
    struct bed_user *user = connect_pair(&bed, true);
    if (ok(user->up && bed.accepted_count == 1, "they associate")) {
        struct bed_user *peer = bed_latest(&bed);
        user->on_writable = send_small;
        set_line("delay 1s loss 1%");
        send_small(user);
        for (int i = 0; i < 6000 && peer->messages < FAR_COUNT && user->up; i++) {
            most = udp_has(user->association) > most ? udp_has(user->association) : most;
            loop_turn(bed.loop, 5000);
        }
        ok(peer->messages == FAR_COUNT && !peer->disorders && !peer->damaged,
           "%u small messages arrive, in order (%lu)", FAR_COUNT, (unsigned long)peer->messages);
        ok(most > LINUX_MAP / 2, "at least %u are under way at once", most);
        ok(dropped() - before < FAR_COUNT / 100, "never so many that the kernel drops them (%lu)",
           dropped() - before);
    }
    bed_close(&bed);
    free(user);
}

int main(void)
{
    char why[512];
    if (!transport_available(&kernel_ops, why, sizeof why)) {
        tap_skip("the kernel transport", why);
        return tap_done();
    }
    if (!two_hosts()) {
        tap_skip("SCTP over UDP", "network namespaces, ip and net.sctp.udp_port are needed");
        return tap_done();
    }
    run(true, false);
    run(false, false);
    run(true, true);
    run(false, true);
    far_away();
    close(udp_host);
    close(kernel_host);
    return tap_done();
}
