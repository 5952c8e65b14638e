/* The contract of a transport, tried on each: test_transport [name]. */
#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "tests/memory/memory.h"

static void connect_and_accept(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_connect(&bed);
    struct bed_user *peer = bed_latest(&bed);
    ok(user->up && peer->up, "both sides come up");
    ok(user->streams == 1024 && peer->streams == 1024, "with the streams asked for");
    ok(user->ups == 1 && peer->ups == 1, "and are told once");
    struct association_status status;
    association_status(user->association, &status);
    ok(status.path_count == 1 && status.paths[0].state == PATH_ACTIVE, "the path is active");
    ok(status.paths[0].rtt_us > 0, "its round trip time is known (%u us)", status.paths[0].rtt_us);
    ok(status.paths[0].mtu >= 1280, "its MTU is known (%u)", status.paths[0].mtu);
    ok(address_equal(&status.paths[0].address, transport_local(bed.server)),
       "its address is the peer's");
    transport_free(bed.client);
    bed.client = NULL;
    ok(user->downs == 1 && user->reason == ERR_LOCAL_SHUTDOWN,
       "transport_free ends its associations, once");
    ok(bed_wait_down(peer, 2 * SECOND) && peer->reason == ERR_TRANSPORT_ABORTED,
       "and their peers (%s)", err_name(peer->reason));
    bed_close(&bed);
    free(user);
}

static void ordered_delivery(const struct transport_ops *ops)
{
    static uint32_t numbers[300];
    const uint32_t sizes[] = {1, 4, 100, 1023, 1024, 1025, 1400, 5000, 16384, MESSAGE_MAX};
    memset(numbers, 0, sizeof numbers);
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    uint64_t random = tap_seed(), bytes = 0;
    for (unsigned i = 0; i < 3000; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint16_t stream = (uint16_t)(random >> 33) % 300;
        uint32_t size = sizes[(random >> 50) % 10];
        bytes += size;
        bed_send(user, stream, numbers[stream]++, size, (uint8_t)i);
    }
    ok(bed_wait_messages(peer, 3000, 10 * SECOND), "3000 messages on 300 streams arrive");
    ok(peer->bytes == bytes, "whole");
    ok(!peer->disorders, "in order within each stream (%u out of order)", peer->disorders);
    ok(!peer->damaged, "undamaged (%u damaged)", peer->damaged);
    ok(peer->messages == 3000 && user->up && peer->up, "once");
    bed_close(&bed);
    free(user);
}

static void both_ways(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    peer->echo = true;
    for (uint32_t i = 0; i < 200; i++)
        bed_send(user, 9, i, 700, 0x5a);
    ok(bed_wait_messages(user, 200, 5 * SECOND), "an echo sent from on_message comes back");
    ok(!user->disorders && !user->damaged, "in order and undamaged");
    ok(peer->last_epoch == 0x5a && user->last_epoch == 0x5a, "the epoch is carried");
    ok(user->last_stream == 9 && user->last_length == 700, "the stream and the length, too");
    bed_close(&bed);
    free(user);
}

static void most_streams(const struct transport_ops *ops)
{
    struct bed bed = {.ops = ops, .options = bed_default_options()};
    bed.options.streams = 65535;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    ok(user->streams == 65535 && peer->streams == 65535, "65535 streams are granted");
    bed_send(user, 65534, 0, 50, 1);
    bed_send(user, 0, 0, 50, 1);
    ok(bed_wait_messages(peer, 2, 3 * SECOND), "the first and the last carry messages");
    struct message *message = bed_message(65535, 0, 10, 0);
    ok(association_send(user->association, message) == ERR_TRANSPORT_STREAM,
       "there is none beyond");
    message_free(message);
    bed_close(&bed);
    free(user);
}

static void fewer_streams_win(const struct transport_ops *ops)
{
    struct bed bed = {.ops = ops, .options = bed_default_options()};
    bed.options.streams = 10;
    bed_open_at(&bed, NULL, "127.0.0.1:0");
    bed.options.streams = 1000;
    struct address any = bed_address("127.0.0.1:0");
    char why[128];
    ok(transport_open(ops, bed.loop, &any, 1, &bed.options, NULL, &bed.client, why, sizeof why) ==
           ERR_OK,
       "an endpoint with more streams opens");
    struct bed_user *user = bed_connect(&bed);
    ok(user->streams == 10 && bed_latest(&bed)->streams == 10, "the smaller number holds");
    bed_close(&bed);
    free(user);
}

static void again_and_writable(const struct transport_ops *ops)
{
    struct bed bed = {.ops = ops, .options = bed_default_options()};
    bed.options.buffer_bytes = 1 << 20;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    uint32_t sent = 0;
    size_t bytes = 0;
    /* Without turning the loop nothing leaves the queue, but what the kernel itself hands over into
     * the buffer of the peer's socket. */
    for (;; sent++) {
        struct message *message = bed_message(1, sent, 10000, 0);
        if (association_send(user->association, message) != ERR_OK) {
            message_free(message);
            break;
        }
        bytes += 10000;
    }
    /* The queue of udp is what leaves soon at the pace of now, which is slow on a busy machine. */
    size_t least = strcmp(ops->name, "udp") ? 100 * 1024 : 10000;
    ok(bytes >= least, "a burst of %zu KB is taken", bytes / 1024);
    ok(bytes <= 4 << 20, "before ERR_AGAIN limits it");
    bed_wait_messages(peer, sent, 5 * SECOND);
    ok(peer->messages == sent, "all of it arrives");
    bed_run(&bed, SECOND / 10);
    ok(user->writables == 1, "on_writable follows, once (%u)", user->writables);
    for (uint32_t i = 0; i < 500; i++)
        bed_send(user, 1, sent + i, 16000, 0);
    ok(bed_wait_messages(peer, sent + 500, 5 * SECOND) && !peer->disorders,
       "sending goes on in order");
    bed_close(&bed);
    free(user);
}

static void abort_with_words(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    association_close(user->association, ASSOCIATION_ABORT, "the certificate is not accepted");
    ok(!user->down, "on_down does not run inside association_close");
    ok(bed_wait_down(user, 3 * SECOND) && bed_wait_down(peer, 3 * SECOND), "an abort ends both");
    ok(user->reason == ERR_LOCAL_SHUTDOWN, "one by its own wish");
    ok(peer->reason == ERR_TRANSPORT_ABORTED, "the other by its peer's (%s)",
       err_name(peer->reason));
    ok(!strcmp(peer->detail, "\"the certificate is not accepted\""), "who said why: '%s'",
       peer->detail);
    free(user);
    user = bed_connect(&bed);
    peer = bed_latest(&bed);
    association_close(peer->association, ASSOCIATION_ABORT, NULL);
    ok(bed_wait_down(user, 3 * SECOND) && user->reason == ERR_TRANSPORT_ABORTED &&
           !strcmp(user->detail, ""),
       "the accepting side may abort too, and say nothing");
    bed_wait_down(peer, SECOND);
    bed_close(&bed);
    free(user);
}

static void shutdown_after_data(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    for (uint32_t i = 0; i < 400; i++)
        bed_send(user, (uint16_t)(i % 7), i / 7, 9000, 0);
    association_close(user->association, ASSOCIATION_SHUTDOWN, NULL);
    struct message *late = bed_message(0, 0, 10, 0);
    ok(association_send(user->association, late) == ERR_TRANSPORT_CLOSED,
       "nothing is taken after association_close");
    message_free(late);
    ok(bed_wait_down(peer, 5 * SECOND) && bed_wait_down(user, 5 * SECOND), "both end");
    ok(peer->messages == 400 && !peer->disorders && !peer->damaged, "after all that was sent (%lu)",
       (unsigned long)peer->messages);
    ok(peer->reason == ERR_TRANSPORT_CLOSED, "the peer is told that it was closed (%s)",
       err_name(peer->reason));
    ok(user->reason == ERR_LOCAL_SHUTDOWN, "the other that it wished so");
    bed_close(&bed);
    free(user);
}

static void abort_cuts_shutdown(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    for (uint32_t i = 0; i < 20; i++)
        bed_send(user, 1, i, 9000, 0);
    association_close(user->association, ASSOCIATION_SHUTDOWN, NULL);
    association_close(user->association, ASSOCIATION_ABORT, "in a hurry");
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_LOCAL_SHUTDOWN && user->downs == 1,
       "an abort cuts a shutdown short");
    /* The kernel may have delivered all and shut down before the second call. */
    ok(bed_wait_down(peer, 3 * SECOND) &&
           (peer->reason == ERR_TRANSPORT_ABORTED ||
            (peer->reason == ERR_TRANSPORT_CLOSED && peer->messages == 20)),
       "the peer sees it as one, unless all has arrived before (%s)", err_name(peer->reason));
    bed_close(&bed);
    free(user);
}

static void nobody_there(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct address gone = *transport_local(bed.server);
    transport_free(bed.server);
    bed.server = NULL;
    struct bed_user *user = bed_user_new(&bed);
    ok(association_connect(bed.client, &gone, 1, &user->events, &user->association) == ERR_OK,
       "connecting to nobody begins");
    ok(!user->down, "on_down does not run inside association_connect");
    ok(bed_wait_down(user, 2 * SECOND), "and fails at once");
    ok(user->reason == ERR_TRANSPORT_REFUSED, "because nobody is there (%s)",
       err_name(user->reason));
    bed_close(&bed);
    free(user);
}

static void no_acceptor(const struct transport_ops *ops)
{
    struct bed bed = {.ops = ops, .options = bed_default_options()};
    bed.options.connect_timeout_us = SECOND / 2;
    bed_open_at(&bed, "127.0.0.1:0", NULL);
    bed.server = bed.client; /* an endpoint that only connects */
    bed.client = NULL;
    struct address any = bed_address("127.0.0.1:0");
    char why[128];
    must(transport_open(ops, bed.loop, &any, 1, &bed.options, NULL, &bed.client, why, sizeof why) ==
         ERR_OK);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    ok(bed_wait_down(user, 2 * SECOND) &&
           (user->reason == ERR_TRANSPORT_TIMEOUT || user->reason == ERR_TRANSPORT_REFUSED),
       "an endpoint without acceptor takes nobody (%s)", err_name(user->reason));
    ok(bed.accepted_count == 0, "and tells nobody");
    bed_close(&bed);
    free(user);
}

static void refuses_from_now_on(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *first = bed_connect(&bed), *peer = bed_latest(&bed);
    transport_refuse(bed.server);
    struct bed_user *late = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &late->events,
                             &late->association) == ERR_OK);
    bed_run(&bed, SECOND / 5);
    ok(!late->ups && bed.accepted_count == 1, "an endpoint that refuses takes nobody more");
    ok(bed_send(first, 1, 0, 1000, 0) && bed_wait_messages(peer, 1, SECOND) &&
           bed_send(peer, 2, 0, 1000, 0) && bed_wait_messages(first, 1, SECOND),
       "and who was there goes on");
    bed_close(&bed);
    free(first);
    free(late);
}

static void refused_by_user(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    bed.accepting = false;
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    ok(bed_wait_down(user, 2 * SECOND), "on_incoming may refuse");
    ok(user->reason == ERR_TRANSPORT_ABORTED || user->reason == ERR_TRANSPORT_REFUSED,
       "the peer is told (%s)", err_name(user->reason));
    bed_close(&bed);
    free(user);
}

static void several_associations(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *users[8];
    for (int i = 0; i < 8; i++)
        users[i] = bed_connect(&bed);
    ok(bed.accepted_count == 8, "8 associations between two endpoints");
    for (uint32_t k = 0; k < 50; k++)
        for (unsigned i = 0; i < 8; i++)
            bed_send(users[i], (uint16_t)i, k, 3000, (uint8_t)i);
    bool all = true;
    for (unsigned i = 0; i < 8; i++) {
        struct bed_user *peer = bed.accepted[i];
        all = all && bed_wait_messages(peer, 50, 3 * SECOND) && !peer->disorders &&
              peer->last_epoch == i && peer->last_stream == i;
    }
    ok(all, "each carries its own messages");
    association_close(users[3]->association, ASSOCIATION_ABORT, NULL);
    bed_wait_down(bed.accepted[3], 2 * SECOND);
    bed_send(users[4], 4, 50, 10, 4);
    ok(bed_wait_messages(bed.accepted[4], 51, 2 * SECOND), "the end of one leaves the others");
    bed_close(&bed);
    for (int i = 0; i < 8; i++)
        free(users[i]);
}

static void bounded_associations(const struct transport_ops *ops)
{
    struct bed bed = {.ops = ops, .options = bed_default_options()};
    bed.options.max_associations = 2;
    bed.options.connect_timeout_us = SECOND / 2;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *first = bed_connect(&bed), *second = bed_connect(&bed);
    struct bed_user *third = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &third->events,
                             &third->association) == ERR_OK);
    ok(bed_wait_down(third, 2 * SECOND), "a third peer where two may be is not served");
    /* udp leaves its INIT unanswered; the kernel aborts it, as for any port that does not listen */
    ok((third->reason == ERR_TRANSPORT_TIMEOUT || third->reason == ERR_TRANSPORT_REFUSED) &&
           bed.accepted_count == 2,
       "nor does anybody hear of it (%s)", err_name(third->reason));
    association_close(first->association, ASSOCIATION_ABORT, NULL);
    bed_wait_down(bed.accepted[0], 2 * SECOND);
    struct bed_user *fourth = bed_connect(&bed);
    ok(fourth->up, "once one has gone, another is");
    bed_close(&bed);
    free(first);
    free(second);
    free(third);
    free(fourth);
}

static void ipv6(const struct transport_ops *ops)
{
    struct bed bed = {.ops = ops, .options = bed_default_options()};
    bed_open_at(&bed, "[::1]:0", "[::1]:0");
    if (!bed.client || !bed.server) {
        tap_skip("IPv6", "this machine has no ::1");
        bed_close(&bed);
        return;
    }
    struct bed_user *user = bed_connect(&bed);
    for (uint32_t i = 0; i < 100; i++)
        bed_send(user, 1, i, 12000, 0);
    ok(bed_wait_messages(bed_latest(&bed), 100, 3 * SECOND), "messages over IPv6");
    bed_close(&bed);
    free(user);
}

static void local_addresses(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct transport *other = NULL;
    char why[128] = "";
    enum err e = transport_open(ops, bed.loop, transport_local(bed.server), 1, &bed.options, NULL,
                                &other, why, sizeof why);
    ok(e == ERR_TRANSPORT_ADDRESS && !other && why[0], "an address in use is refused: %s", why);
    struct address path = bed_address("unix:/tmp/x");
    e = transport_open(ops, bed.loop, &path, 1, &bed.options, NULL, &other, why, sizeof why);
    ok(e == ERR_TRANSPORT_ADDRESS && !other, "a UNIX socket too: %s", why);
    struct bed_user *user = bed_user_new(&bed);
    ok(association_connect(bed.client, &path, 1, &user->events, &user->association) ==
           ERR_TRANSPORT_ADDRESS,
       "nor can one connect to it");
    bed_run(&bed, SECOND / 50);
    ok(!user->down, "and no callback follows");
    bed_close(&bed);
    free(user);
}

static void open_again(const struct transport_ops *ops)
{
    bool all = true;
    for (int round = 0; round < 20; round++) {
        struct bed bed;
        bed_open(&bed, ops);
        struct bed_user *user = bed_connect(&bed);
        all = all && bed_send(user, 1, 0, 5000, 0) &&
              bed_wait_messages(bed_latest(&bed), 1, 2 * SECOND);
        bed_close(&bed);
        free(user);
    }
    ok(all, "endpoints open and close 20 times");
}

static void free_while_connecting(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    transport_free(bed.client);
    bed.client = NULL;
    ok(user->down && user->reason == ERR_LOCAL_SHUTDOWN,
       "transport_free ends what is still connecting");
    bed_run(&bed, SECOND / 20);
    bed_close(&bed);
    free(user);
}

static void close_while_connecting(const struct transport_ops *ops)
{
    struct bed bed;
    bed_open(&bed, ops);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    struct message *message = bed_message(0, 0, 10, 0);
    ok(association_send(user->association, message) == ERR_AGAIN, "nothing is sent before on_up");
    message_free(message);
    association_close(user->association, ASSOCIATION_SHUTDOWN, NULL);
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_LOCAL_SHUTDOWN && !user->ups,
       "association_close ends what is still connecting");
    bed_close(&bed);
    free(user);
}

static const struct {
    const char *name;
    void (*run)(const struct transport_ops *ops);
} cases[] = {
    {"connect and accept", connect_and_accept},
    {"ordered delivery", ordered_delivery},
    {"both ways", both_ways},
    {"most streams", most_streams},
    {"fewer streams win", fewer_streams_win},
    {"again and writable", again_and_writable},
    {"abort with words", abort_with_words},
    {"shutdown after data", shutdown_after_data},
    {"abort cuts shutdown", abort_cuts_shutdown},
    {"nobody there", nobody_there},
    {"no acceptor", no_acceptor},
    {"refuses from now on", refuses_from_now_on},
    {"refused by the user", refused_by_user},
    {"several associations", several_associations},
    {"bounded associations", bounded_associations},
    {"IPv6", ipv6},
    {"local addresses", local_addresses},
    {"open again", open_again},
    {"free while connecting", free_while_connecting},
    {"close while connecting", close_while_connecting},
};

static void run_all(const char *name, bool auth)
{
    bed_auth = auth;
    const struct transport_ops *ops = transport_find(name);
    char why[256] = "";
    if (!ok(ops != NULL, "there is a transport %s", name))
        return;
    if (!transport_available(ops, why, sizeof why)) {
        tap_skip(name, why);
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tap_note("%s%s: %s", name, auth ? " with authentication" : "", cases[i].name);
        cases[i].run(ops);
    }
}

int main(int count, char **arguments)
{
    transport_add(&memory_ops);
    if (count > 1) {
        run_all(arguments[1], count > 2);
    } else {
        run_all("memory", false);
        run_all("udp", false);
        run_all("udp", true);
        run_all("kernel", false);
    }
    bed_auth = true;
    struct bed bed = {.ops = transport_find("memory"), .options = bed_default_options()};
    bed_open_at(&bed, "127.0.0.1:0", NULL);
    ok(!bed.client, "what cannot authenticate is refused");
    bed_close(&bed);
    ok(transport_find("carrier pigeon") == NULL, "there is no other transport");
    return tap_done();
}
