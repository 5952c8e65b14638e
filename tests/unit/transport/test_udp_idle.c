/* Many idle associations at one server: how often each is asked about. */
#include "tests/unit/transport/stranger.h"
#include "transport/udp/association.h"
#include "transport/udp/udp.h"

#define USERS 4

static struct udp *udp_of(struct transport *transport)
{
    return container_of(transport, struct udp, base);
}

/* A bed whose server bears so many questions a second. */
static void open_bed(struct bed *bed, unsigned questions)
{
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.heartbeat_us = SECOND / 10;
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
    udp_of(bed->server)->limits.idle_probes_per_second = questions;
}

/* True if all of a transport's associations rest for us. */
struct resting {
    struct bed *bed;
    uint64_t us;
};

static bool all_rest(struct transport *transport, uint64_t us)
{
    struct association *one;
    bool all = true;
    TAILQ_FOREACH(one, &transport->associations, link)
    all = all && udp_association_of(one)->paths.choice.idle_us == us;
    return all;
}

static bool both_rest(void *argument)
{
    const struct resting *resting = argument;
    return all_rest(resting->bed->client, resting->us) &&
           all_rest(resting->bed->server, resting->us);
}

static void a_crowd_rests(void)
{
    struct bed bed;
    struct bed_user *users[USERS];
    open_bed(&bed, 4);
    for (unsigned i = 0; i < USERS; i++)
        users[i] = bed_connect(&bed);
    ok(bed_wait(&bed, both_rest, &(struct resting){&bed, SECOND}, 5 * SECOND),
       "four associations of a server that bears four questions a second rest for a second");
    udp_of(bed.server)->limits.idle_probes_per_second = 1000;
    ok(bed_wait(&bed, both_rest, &(struct resting){&bed, SECOND / 10}, 5 * SECOND),
       "and are asked at each heartbeat again when it bears more");
    udp_of(bed.server)->limits.idle_probes_per_second = 1;
    udp_of(bed.client)->limits.idle_probes_per_second = 1;
    ok(bed_wait(&bed, both_rest, &(struct resting){&bed, 4 * SECOND}, 5 * SECOND),
       "four seconds, when it bears one");
    association_close(users[0]->association, ASSOCIATION_SHUTDOWN, NULL);
    bed_wait_down(users[0], 5 * SECOND);
    ok(bed_wait(&bed, both_rest, &(struct resting){&bed, 3 * SECOND}, 10 * SECOND),
       "three, when one has gone");
    bed_close(&bed);
    for (unsigned i = 0; i < USERS; i++)
        free(users[i]);
}

static void within_dead_after(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.heartbeat_us = SECOND / 20;
    bed.options.dead_after_us = 3 * SECOND;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    udp_of(bed.server)->limits.idle_probes_per_second = 1;
    struct bed_user *users[USERS];
    for (unsigned i = 0; i < USERS; i++)
        users[i] = bed_connect(&bed);
    ok(bed_wait(&bed, both_rest, &(struct resting){&bed, SECOND}, 5 * SECOND),
       "a path never rests longer than a third of dead_after");
    bed_close(&bed);
    for (unsigned i = 0; i < USERS; i++)
        free(users[i]);
}

static struct heard *hear(struct bed *bed, int fd)
{
    struct heard *heard;
    for (int i = 0; !(heard = stranger_answers(fd))->count && i < 1000; i++)
        loop_turn(bed->loop, 10000);
    return heard;
}

/* INIT, COOKIE ECHO and a question, by hand; the rest that the answer asks for, -1: no answer. */
static int rest_told_to(struct bed *bed, uint16_t port, const void *parameters, size_t size)
{
    static uint8_t packet[PACKET_MAX];
    const struct address *server = transport_local(bed->server);
    const struct packet_ports ports = {port, UDP_SCTP_PORT};
    const struct probe question = {.flags = PROBE_IN_USE, .nonce = {1}};
    struct address own;
    struct probe answer = {0};
    int fd = stranger_socket(&own), rest = -1;
    size_t length = stranger_init(packet, port, UDP_SCTP_PORT, 77, parameters, size);
    stranger_send(fd, server, packet, length);
    struct heard *heard = hear(bed, fd);
    must(heard->latest[SCTP_HEADER] == SCTP_CHUNK_INIT_ACK);
    uint32_t tag = stranger_get32(heard->latest + SCTP_HEADER + 4);
    const uint8_t *cookie = heard->latest + SCTP_HEADER + 20; /* the first parameter */
    must(sctp_wire_u16(cookie) == SCTP_PARAMETER_STATE_COOKIE);
    length = stranger_chunk(packet, ports, tag, SCTP_CHUNK_COOKIE_ECHO << 8, cookie + 4,
                            sctp_wire_u16(cookie + 2) - 4u);
    stranger_send(fd, server, packet, length);
    hear(bed, fd);
    probe_request(packet, PROBE_SIZE, ports, tag, &question);
    stranger_send(fd, server, packet, PROBE_SIZE);
    for (int i = 0; i < 10 && rest < 0; i++) {
        heard = hear(bed, fd);
        if (probe_read(heard->latest, heard->length, &answer) == PROBE_REPLY)
            rest = answer.idle;
    }
    close(fd);
    return rest;
}

static void older_ones_are_not_told(void)
{
    static const uint8_t hawser[] = {0xbf, 0x48, 0, 8, 'H', 'W', 'S', 1};
    struct bed bed;
    open_bed(&bed, 1);
    ok(rest_told_to(&bed, 1000, NULL, 0) == 0,
       "a peer that does not say what it is gets an answer as it always was");
    ok(rest_told_to(&bed, 1001, hawser, sizeof hawser) == 2 * SECOND / PROBE_IDLE_US,
       "one of ours is told the rest");
    bed_close(&bed);
}

/* Timers of silence: those of many associations ring together. */
static void one_turn_for_all(void)
{
    struct bed bed;
    struct bed_user *users[USERS];
    open_bed(&bed, 1000);
    for (unsigned i = 0; i < USERS; i++) {
        users[i] = bed_connect(&bed);
        bed_run(&bed, SECOND / 20);
    }
    struct association *one;
    uint64_t latest = 0;
    unsigned turns = 0;
    TAILQ_FOREACH(one, &bed.server->associations, link)
    {
        struct loop_timer *timer = &udp_association_of(one)->timer;
        loop_timer_cancel(bed.loop, timer);
        timer->on_expire(timer);
        turns += timer->deadline != latest;
        latest = timer->deadline;
    }
    ok(turns <= 2, "4 associations that live are looked at in %u turns", turns);
    bed_close(&bed);
    for (unsigned i = 0; i < USERS; i++)
        free(users[i]);
}

int main(void)
{
    a_crowd_rests();
    within_dead_after();
    older_ones_are_not_told();
    one_turn_for_all();
    return tap_done();
}
