/* bench/idle_bench.c: the cost of idle associations: the udp transport alone, two
 * processes on loopback. Rows: memory of each association, and the processor time that all of them
 * take at the end that was connected to.
 *
 *   idle_bench [associations (10000) [seconds (20) [heartbeat (1) [dead_after (15)]]]] */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/row.h"
#include "transport/udp/udp.h"

/* So many are set up at once, so that no INIT waits for its second time. */
#define AT_ONCE 64

/* Of the client's associations that share a socket and an address: of one address 100 INITs are
 * answered in a second. */
#define OF_SOCKET 50
#define SOCKETS   1200

struct end {
    struct transport_acceptor acceptor;
    struct association_events events; /* of all of them */
    struct loop *loop;
    struct transport *transports[SOCKETS]; /* the first one's, of the server */
    unsigned opened;
    size_t wanted, begun, up;
};

static void on_up(struct association_events *events, uint16_t streams)
{
    struct end *self = container_of(events, struct end, events);
    (void)streams;
    self->up++;
}

static void on_message(struct association_events *events, struct message *message)
{
    (void)events;
    message_free(message);
}

static void on_writable(struct association_events *events)
{
    (void)events;
}

static void on_down(struct association_events *events, enum err reason, const char *detail)
{
    struct end *self = container_of(events, struct end, events);
    if (reason != ERR_LOCAL_SHUTDOWN)
        fprintf(stderr, "down: %s %s\n", err_text(reason), detail);
    self->up--;
}

static struct association_events *on_incoming(struct transport_acceptor *acceptor,
                                              struct association *association,
                                              const struct address *peer)
{
    (void)association;
    (void)peer;
    return &container_of(acceptor, struct end, acceptor)->events;
}

static void open_socket(struct end *self, const struct transport_options *options)
{
    struct address local = {.length = sizeof local.in};
    char why[256];
    local.in = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + self->opened)};
    must(self->opened < SOCKETS);
    must(transport_open(&udp_ops, self->loop, &local, 1, options, &self->acceptor,
                        &self->transports[self->opened++], why, sizeof why) == ERR_OK);
}

static void open_end(struct end *self, const struct transport_options *options)
{
    self->events = (struct association_events){
        .on_up = on_up, .on_message = on_message, .on_writable = on_writable, .on_down = on_down};
    self->acceptor.on_incoming = on_incoming;
    self->loop = loop_new();
    must(self->loop);
    open_socket(self, options);
}

static void close_end(struct end *self)
{
    transport_free(self->transports[0]);
    loop_free(self->loop);
}

static void turns(struct end *self, double seconds)
{
    uint64_t until = loop_now(self->loop) + (uint64_t)(seconds * 1e6);
    while (loop_now(self->loop) < until)
        loop_turn(self->loop, until - loop_now(self->loop));
}

static uint64_t packets(const struct end *self)
{
    struct udp_counters counters;
    udp_count(self->transports[0], &counters);
    return counters.datagrams.packets_in + counters.datagrams.packets_out;
}

/* Until all are up and their round trips and sizes of packets are known; then idle. */
static void serve(struct end *self, double seconds, int addresses)
{
    const struct address *local = transport_local(self->transports[0]);
    size_t before = mallinfo2().uordblks;
    char what[120];
    must(write(addresses, local, sizeof *local) == sizeof *local);
    while (self->up < self->wanted)
        loop_turn(self->loop, 100000);
    turns(self, 10);
    double used = (double)(mallinfo2().uordblks - before),
           begun = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) * 1e6;
    uint64_t sent = packets(self);
    turns(self, seconds);
    double share = (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) * 1e6 - begun) / seconds / 1e4;
    snprintf(what, sizeof what, "%zu idle associations: memory of each", self->wanted);
    print_row("idle", what, used / (double)self->wanted, "bytes");
    snprintf(what, sizeof what, "%zu idle associations: packets in and out", self->wanted);
    print_row("idle", what, (double)(packets(self) - sent) / seconds, "1/s");
    snprintf(what, sizeof what, "%zu idle associations: processor time", self->wanted);
    print_row("idle", what, share, "% of a core");
}

static void begin_one(struct end *self, const struct transport_options *options,
                      const struct address *server)
{
    struct association *association;
    if (self->begun && self->begun % OF_SOCKET == 0)
        open_socket(self, options);
    self->begun++;
    must(association_connect(self->transports[self->opened - 1], server, 1, &self->events,
                             &association) == ERR_OK);
}

static void connect_all(struct end *self, const struct transport_options *options, int addresses)
{
    struct address server;
    must(read(addresses, &server, sizeof server) == sizeof server);
    loop_turn(self->loop, 0);
    while (self->up < self->wanted) {
        while (self->begun < self->wanted && self->begun < self->up + AT_ONCE)
            begin_one(self, options, &server);
        loop_turn(self->loop, 100000);
    }
    for (;;)
        loop_turn(self->loop, 1000000);
}

int main(int count, char **arguments)
{
    static struct end end;
    int addresses[2];
    double numbers[] = {10000, 20, 1, 15};
    for (int i = 1; i < count && i <= 4; i++)
        numbers[i - 1] = atof(arguments[i]);
    end.wanted = (size_t)numbers[0];
    if (!end.wanted || end.wanted > 60000 || numbers[1] <= 0) {
        fprintf(stderr, "idle_bench [associations [seconds [heartbeat [dead_after]]]]\n");
        return 2;
    }
    struct transport_options options = {.streams = 2048,
                                        .max_associations = 65535,
                                        .mtu = 1500,
                                        .connect_timeout_us = 60000000,
                                        .heartbeat_us = (uint64_t)(numbers[2] * 1e6),
                                        .dead_after_us = (uint64_t)(numbers[3] * 1e6)};
    must(pipe(addresses) == 0);
    pid_t client = fork();
    must(client >= 0);
    if (client == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_end(&end, &options);
        connect_all(&end, &options, addresses[0]);
    }
    open_end(&end, &options);
    serve(&end, numbers[1], addresses[1]);
    kill(client, SIGKILL);
    waitpid(client, NULL, 0);
    close_end(&end);
    return 0;
}
