/* bench/transport_bench.c: throughput of the udp transport over loopback: two processes,
 * as the two ends of a tunnel are. Rows for each case: payload MB/s and messages/s, the processor
 * time that each end took, packets for each system call, and the round trip of a 64-byte message on
 * stream 0 meanwhile.
 *
 * make build/default/bench/transport_bench, then
 * transport_bench [seconds] [message bytes, mtu (0: auto), streams [auth]] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/row.h"
#include "transport/udp/udp.h"

#define PING_BYTES 64

struct bench {
    struct transport_acceptor acceptor;
    struct association_events events;
    struct association *association;
    struct loop *loop;
    uint32_t size;
    uint16_t streams, next_stream;
    bool sending, bulk, auth;
    uint64_t ping_ns;
    uint32_t trips[1 << 20]; /* ns, of the pings */
    size_t trip_count;
    uint64_t messages; /* received */
    uint64_t bytes;    /* received or sent, of bulk */
    uint64_t start_us, end_us, stop_us;
    char name[80];
};

static void ping(struct bench *self)
{
    struct message *message = message_new(PING_BYTES);
    message->length = PING_BYTES;
    self->ping_ns = clock_ns();
    if (association_send(self->association, message) != ERR_OK) {
        message_free(message);
        self->ping_ns = 0;
    }
}

static void pong(struct bench *self)
{
    if (self->trip_count < sizeof self->trips / sizeof *self->trips)
        self->trips[self->trip_count++] = (uint32_t)(clock_ns() - self->ping_ns);
    self->ping_ns = 0;
    if (self->sending)
        ping(self);
}

/* Until ERR_AGAIN; on_writable goes on. */
static void fill(struct bench *self)
{
    if (self->sending && !self->ping_ns)
        ping(self);
    while (self->sending && self->bulk) {
        struct message *message = message_new(self->size);
        message->length = self->size;
        message->stream = self->next_stream;
        if (association_send(self->association, message) != ERR_OK) {
            message_free(message);
            return;
        }
        self->bytes += self->size;
        self->next_stream = (uint16_t)(self->next_stream % (self->streams - 1) + 1);
    }
}

static void on_up(struct association_events *events, uint16_t streams)
{
    struct bench *self = container_of(events, struct bench, events);
    (void)streams;
    self->start_us = loop_now(self->loop);
    self->sending = self->stop_us > 0;
    fill(self);
}

static void on_message(struct association_events *events, struct message *message)
{
    struct bench *self = container_of(events, struct bench, events);
    if (message->stream == 0) {
        if (self->stop_us)
            pong(self);
        else if (association_send(self->association, message) == ERR_OK)
            return;
        message_free(message);
        return;
    }
    self->messages++;
    self->bytes += message->length;
    self->end_us = loop_now(self->loop);
    message_free(message);
}

static void on_writable(struct association_events *events)
{
    fill(container_of(events, struct bench, events));
}

static void on_down(struct association_events *events, enum err reason, const char *detail)
{
    struct bench *self = container_of(events, struct bench, events);
    self->association = NULL;
    if (reason != ERR_LOCAL_SHUTDOWN && reason != ERR_TRANSPORT_CLOSED)
        printf("down: %s %s\n", err_text(reason), detail);
    loop_stop(self->loop);
}

static struct association_events *on_incoming(struct transport_acceptor *acceptor,
                                              struct association *association,
                                              const struct address *peer)
{
    struct bench *self = container_of(acceptor, struct bench, acceptor);
    (void)peer;
    self->association = association;
    return &self->events;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static struct transport *open_end(struct bench *self, uint32_t mtu)
{
    struct address local = {.length = sizeof local.in};
    local.in =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct transport_options options = {.streams = self->streams,
                                        .max_associations = 4,
                                        .connect_timeout_us = 5000000,
                                        .heartbeat_us = 1000000,
                                        .dead_after_us = 15000000,
                                        .mtu = mtu,
                                        .auth = self->auth};
    struct transport *transport = NULL;
    char why[256];
    self->events = (struct association_events){
        .on_up = on_up, .on_message = on_message, .on_writable = on_writable, .on_down = on_down};
    self->acceptor.on_incoming = on_incoming;
    self->loop = loop_new();
    must(self->loop);
    must(transport_open(&udp_ops, self->loop, &local, 1, &options, &self->acceptor, &transport, why,
                        sizeof why) == ERR_OK);
    return transport;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void say(const struct bench *self, const char *what, double value, const char *unit)
{
    char words[160];
    snprintf(words, sizeof words, "%s: %s", self->name, what);
    print_row("transport", words, value, unit);
}

static void report_end(const char *end, const struct bench *self, struct transport *transport)
{
    struct udp_counters counters;
    udp_count(transport, &counters);
    const struct datagram_counters *d = &counters.datagrams;
    char what[64];
    snprintf(what, sizeof what, "processor time, %s", end);
    say(self, what, cpu_seconds() / (double)self->bytes * 1e9, "s/GB");
    snprintf(what, sizeof what, "packets in a call, %s in", end);
    say(self, what, (double)d->packets_in / (double)(d->calls_in + 1), "");
    snprintf(what, sizeof what, "packets in a call, %s out", end);
    say(self, what, (double)d->packets_out / (double)(d->calls_out + 1), "");
    if (d->dropped_out)
        say(self, "packets dropped on the way out", (double)d->dropped_out, "");
}

static void report(const char *end, struct bench *self, struct transport *transport)
{
    double seconds = (double)(self->end_us - self->start_us) / 1e6;
    if (self->messages) {
        say(self, "payload", (double)self->bytes / seconds / 1e6, "MB/s");
        say(self, "messages", (double)self->messages / seconds, "1/s");
    }
    if (self->bulk)
        report_end(end, self, transport);
    if (self->trip_count) {
        qsort(self->trips, self->trip_count, sizeof *self->trips, by_size);
        say(self, "round trip, median", self->trips[self->trip_count / 2] / 1e3, "µs");
        say(self, "round trip, 99th percentile", self->trips[self->trip_count * 99 / 100] / 1e3,
            "µs");
    }
}

static void serve(struct bench *self, uint32_t mtu, int address_pipe)
{
    struct transport *transport = open_end(self, mtu);
    const struct address *local = transport_local(transport);
    must(write(address_pipe, local, sizeof *local) == sizeof *local);
    loop_run(self->loop);
    report("receiver", self, transport);
    transport_free(transport);
    loop_free(self->loop);
}

static void run(struct bench *self, uint32_t mtu, int address_pipe, double seconds)
{
    struct transport *transport = open_end(self, mtu);
    struct address server;
    must(read(address_pipe, &server, sizeof server) == sizeof server);
    loop_turn(self->loop, 0);
    self->stop_us = loop_now(self->loop) + (uint64_t)(seconds * 1e6);
    must(association_connect(transport, &server, 1, &self->events, &self->association) == ERR_OK);
    while (self->association && loop_now(self->loop) < self->stop_us)
        loop_turn(self->loop, 10000);
    self->sending = false;
    if (self->association)
        association_close(self->association, ASSOCIATION_SHUTDOWN, NULL);
    while (self->association)
        loop_turn(self->loop, 10000);
    report("sender", self, transport);
    transport_free(transport);
    loop_free(self->loop);
}

static void one_case(uint32_t size, uint32_t mtu, uint16_t streams, bool auth, double seconds)
{
    int address_pipe[2];
    must(pipe(address_pipe) == 0);
    static struct bench bench;
    bench = (struct bench){
        .size = size, .streams = streams, .next_stream = 1, .bulk = size > 0, .auth = auth};
    snprintf(bench.name, sizeof bench.name, "%u-byte messages, mtu %s%.0u, %u streams%s", size,
             mtu ? "" : "auto", mtu, streams, auth ? ", authenticated" : "");
    if (!size)
        snprintf(bench.name, sizeof bench.name, "no bulk");
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        serve(&bench, mtu, address_pipe[1]);
        _exit(0);
    }
    pid_t other = fork(); /* a fresh process, too */
    must(other >= 0);
    if (other == 0) {
        run(&bench, mtu, address_pipe[0], seconds);
        _exit(0);
    }
    waitpid(other, NULL, 0);
    waitpid(child, NULL, 0);
    close(address_pipe[0]);
    close(address_pipe[1]);
}

int main(int count, char **arguments)
{
    double seconds = count > 1 ? atof(arguments[1]) : 2;
    if (seconds <= 0) {
        fprintf(stderr,
                "transport_bench [seconds] [message bytes, mtu (0: auto), streams [auth]]\n");
        return 2;
    }
    if (count > 3) {
        one_case((uint32_t)atoi(arguments[2]), (uint32_t)atoi(arguments[3]),
                 (uint16_t)(count > 4 ? atoi(arguments[4]) : 16), count > 5, seconds);
        return 0;
    }
    one_case(0, 0, 16, false, seconds); /* pings alone */
    one_case(16384, 0, 16, false, seconds);
    one_case(16384, 1500, 16, false, seconds);
    one_case(16384, 0, 16, true, seconds);
    one_case(16384, 1500, 16, true, seconds);
    one_case(100, 0, 16, false, seconds);
    one_case(100, 1500, 16, false, seconds);
    one_case(16384, 0, 1024, false, seconds);
    return 0;
}
