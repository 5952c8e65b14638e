/* The udp transport and another SCTP (usrsctp behind a UDP socket), each as the side that connects
 * and as the one that listens: messages both ways over a line that loses packets, windows beyond
 * its 4096 TSNs, authenticated chunks, restart, shutdown, abort; and what no Hawser would send. */
#include "transport/udp/udp.h"

#include "sctp/payload.h"
#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "tests/peers/usrsctp.h"

#define MESSAGES 300
#define PPID     SCTP_MESSAGE_PPID

struct pair {
    struct bed bed;
    struct usrsctp_peer peer;
    struct bed_user *user; /* ours */
    bool we_connect;
};

static bool is_up(void *argument)
{
    const struct pair *self = argument;
    const struct bed_user *user = self->we_connect           ? self->user
                                  : self->bed.accepted_count ? self->bed.accepted[0]
                                                             : NULL;
    return (user && user->up && self->peer.up) || (user && user->down);
}

static void begin(struct pair *self, bool we_connect, bool auth, unsigned lose)
{
    struct bed *bed = &self->bed;
    *self = (struct pair){.we_connect = we_connect, .peer = {.lose_in = lose, .lose_out = lose}};
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.mtu = 1500;
    bed->options.auth = auth;
    bed->options.rto_initial_us = 100000;
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
    usrsctp_peer_open(&self->peer, bed->loop);
    if (we_connect) {
        usrsctp_peer_listen(&self->peer, 1024, auth);
        self->user = bed_user_new(bed);
        must(association_connect(bed->client, &self->peer.local, 1, &self->user->events,
                                 &self->user->association) == ERR_OK);
    } else {
        usrsctp_peer_connect(&self->peer, transport_local(bed->server), 1024, auth);
    }
    bed_wait(bed, is_up, self, 20 * SECOND);
    if (!we_connect && bed->accepted_count)
        self->user = bed->accepted[0];
    must(self->user);
}

static void end(struct pair *self)
{
    usrsctp_peer_close(&self->peer);
    bed_close(&self->bed);
    if (self->we_connect)
        free(self->user);
}

/* ---- messages ---- */

static unsigned damaged;

static void check_message(struct usrsctp_peer *peer, uint16_t stream, uint32_t ppid,
                          const uint8_t *bytes, size_t length)
{
    static uint32_t next_of_stream[8];
    if (peer->messages == 1)
        memset(next_of_stream, 0, sizeof next_of_stream);
    struct message *expected =
        bed_message(stream, next_of_stream[stream % 8]++, (uint32_t)length, 0);
    damaged += ppid != PPID || memcmp(expected->data, bytes, length);
    message_free(expected);
}

static uint32_t length_of(uint32_t number)
{
    return number % 3 ? 16000 : 40 + number;
}

static void peer_says(struct pair *self, uint16_t stream, uint32_t number, uint32_t length)
{
    struct message *message = bed_message(stream, number, length, 0);
    for (int i = 0; !usrsctp_peer_send(&self->peer, stream, PPID, false, message->data, length) &&
                    self->peer.socket && !self->peer.down && i < 2000;
         i++)
        loop_turn(self->bed.loop, 10000);
    message_free(message);
}

static bool all_came(void *argument)
{
    const struct pair *self = argument;
    return (self->peer.messages >= MESSAGES && self->user->messages >= MESSAGES) ||
           self->user->down || self->peer.down;
}

static void exchange(struct pair *self, const char *what)
{
    damaged = 0;
    self->peer.on_message = check_message;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        bed_send(self->user, (uint16_t)(i % 5), i / 5, length_of(i), 0);
        peer_says(self, (uint16_t)(i % 5), i / 5, length_of(i));
    }
    bed_wait(&self->bed, all_came, self, 60 * SECOND);
    ok(self->peer.messages == MESSAGES && self->user->messages == MESSAGES,
       "%s: all messages arrive both ways (%lu, %lu)", what, (unsigned long)self->peer.messages,
       (unsigned long)self->user->messages);
    ok(!damaged && !self->user->damaged && !self->user->disorders, "whole and in order");
}

static bool peer_is_down(void *argument)
{
    return ((struct pair *)argument)->peer.down;
}

static void both_ways(bool we_connect, unsigned lose)
{
    struct pair self;
    char what[64];
    begin(&self, we_connect, false, lose);
    snprintf(what, sizeof what, "%s, 1 of %u lost", we_connect ? "we connect" : "it connects",
             lose);
    ok(self.user->up && self.peer.up && self.user->streams == 1024 && self.peer.streams == 1024,
       "%s: up, with 1024 streams", what);
    exchange(&self, what);
    struct association_status status;
    association_status(self.user->association, &status);
    ok(status.path_count == 1 && status.paths[0].state == PATH_ACTIVE && status.paths[0].rtt_us > 0,
       "one path, which answers");
    association_close(self.user->association, ASSOCIATION_SHUTDOWN, NULL);
    ok(bed_wait_down(self.user, 20 * SECOND) && self.user->reason == ERR_LOCAL_SHUTDOWN &&
           bed_wait(&self.bed, peer_is_down, &self, 20 * SECOND) && self.peer.closed,
       "and we end it in order");
    end(&self);
}

/* 300 ms and 12 MB on their way: 8000 packets, twice what its map of TSNs holds. */
static void far_away(void)
{
    struct pair self;
    begin(&self, true, false, 0);
    self.peer.delay_us = 300000;
    uint32_t sent = 0;
    for (; sent < 1500 && self.user->up; sent++)
        bed_send(self.user, 1, sent, 16000, 0);
    for (int i = 0; self.peer.messages < sent && i < 3000 && !self.peer.down; i++)
        loop_turn(self.bed.loop, 10000);
    ok(self.peer.messages == sent && self.user->up,
       "24 MB over a round trip of 0.3 s arrive (%lu of %u)", (unsigned long)self.peer.messages,
       sent);
    end(&self);
}

/* ---- the end ---- */

static void it_shuts_down(bool we_connect)
{
    struct pair self;
    begin(&self, we_connect, false, 0);
    for (uint32_t i = 0; i < 20; i++)
        peer_says(&self, 1, i, 9000);
    usrsctp_peer_shutdown(&self.peer);
    ok(bed_wait_down(self.user, 5 * SECOND) && self.user->reason == ERR_TRANSPORT_CLOSED &&
           self.user->messages == 20,
       "it shuts down after 20 messages, which all came (%s)", err_name(self.user->reason));
    end(&self);
}

static void aborts(void)
{
    struct pair self;
    begin(&self, true, false, 0);
    usrsctp_peer_abort(&self.peer, "so long");
    ok(bed_wait_down(self.user, 5 * SECOND) && self.user->reason == ERR_TRANSPORT_ABORTED &&
           !strcmp(self.user->detail, "\"so long\""),
       "its ABORT is heard, and its words: %s", self.user->detail);
    end(&self);
    begin(&self, false, false, 0);
    association_close(self.user->association, ASSOCIATION_ABORT, "farewell");
    bed_wait(&self.bed, peer_is_down, &self, 5 * SECOND);
    ok(self.peer.down && !strcmp(self.peer.text, "farewell"), "so is ours: %s", self.peer.text);
    end(&self);
}

static bool second_is_up(void *argument)
{
    const struct pair *self = argument;
    return self->bed.accepted_count > 1 && self->peer.up;
}

static void it_restarts(void)
{
    struct pair self;
    begin(&self, false, false, 0);
    peer_says(&self, 1, 0, 100);
    must(bed_wait_messages(self.user, 1, SECOND));
    usrsctp_peer_forget(&self.peer);
    usrsctp_peer_connect(&self.peer, transport_local(self.bed.server), 1024, false);
    ok(bed_wait(&self.bed, second_is_up, &self, 5 * SECOND) && self.user->down &&
           self.user->reason == ERR_TRANSPORT_RESTARTED,
       "it restarts at the same address: the old association ends (%s)",
       err_name(self.user->reason));
    self.user = bed_latest(&self.bed);
    peer_says(&self, 1, 0, 100);
    ok(bed_wait_messages(self.user, 1, SECOND) && !self.user->disorders, "and the new one works");
    end(&self);
}

static void we_restart(void)
{
    struct pair self;
    begin(&self, true, false, 0);
    struct address same = *transport_local(self.bed.client);
    char why[128];
    udp_cut(self.bed.client, true);
    transport_free(self.bed.client);
    must(transport_open(&udp_ops, self.bed.loop, &same, 1, &self.bed.options, NULL,
                        &self.bed.client, why, sizeof why) == ERR_OK);
    struct bed_user *again = bed_user_new(&self.bed);
    usrsctp_peer_listen(&self.peer, 1024, false);
    must(association_connect(self.bed.client, &self.peer.local, 1, &again->events,
                             &again->association) == ERR_OK);
    for (int i = 0; !again->up && !again->down && i < 500; i++)
        loop_turn(self.bed.loop, 10000);
    ok(again->up && self.peer.restarted, "we restart: it says so, and we are up");
    uint64_t before = self.peer.messages;
    bed_send(again, 1, 0, 100, 0);
    for (int i = 0; self.peer.messages == before && i < 200; i++)
        loop_turn(self.bed.loop, 10000);
    ok(self.peer.messages == before + 1, "and messages arrive");
    free(self.user);
    self.user = again;
    end(&self);
}

/* ---- RFC 4895 ---- */

static void authenticated(bool we_connect)
{
    struct pair self;
    begin(&self, we_connect, true, 0);
    ok(self.user->up && self.peer.up, "with authentication, %s",
       we_connect ? "we connect" : "it connects");
    for (uint16_t number = 1; number <= 3 && self.user->association; number++) {
        uint8_t key[TRANSPORT_AUTH_KEY];
        memset(key, number, sizeof key);
        usrsctp_peer_add_key(&self.peer, number, key, sizeof key);
        must(association_auth_add(self.user->association, number, key) == ERR_OK);
        for (uint32_t i = 0; i < 20; i++)
            bed_send(self.user, 7, 20u * (number - 1u) + i, 5000, 0);
        must(association_auth_use(self.user->association, number) == ERR_OK);
        usrsctp_peer_use_key(&self.peer, number);
    }
    for (int i = 0; self.peer.messages < 60 && i < 500 && self.user->up; i++)
        loop_turn(self.bed.loop, 10000);
    ok(self.peer.messages == 60 && self.user->up, "60 messages under four keys arrive (%lu)",
       (unsigned long)self.peer.messages);
    for (uint32_t i = 0; i < 20; i++)
        peer_says(&self, 7, i, 5000);
    ok(bed_wait_messages(self.user, 20, 5 * SECOND) && !self.user->disorders,
       "and 20 from it under the last");
    end(&self);
}

/* ---- what no Hawser would send ---- */

static void foreign_messages(void)
{
    struct pair self;
    static uint8_t data[MESSAGE_MAX + 1];
    begin(&self, false, false, 0);
    must(usrsctp_peer_send(&self.peer, 1, 51, false, data, 100));
    must(usrsctp_peer_send(&self.peer, 1, PPID, true, data, 100));
    peer_says(&self, 1, 0, 100);
    ok(bed_wait_messages(self.user, 1, SECOND) && !self.user->disorders && self.user->up,
       "messages that are not ours are passed over");
    must(usrsctp_peer_send(&self.peer, 1, PPID, false, data, sizeof data));
    ok(bed_wait_down(self.user, SECOND) && self.user->reason == ERR_CONTROL_PROTOCOL,
       "a message that is too long ends the association (%s)", err_name(self.user->reason));
    ok(bed_wait(&self.bed, peer_is_down, &self, SECOND), "at both ends");
    end(&self);
}

int main(void)
{
    both_ways(true, 0);
    both_ways(false, 0);
    both_ways(true, 30);
    both_ways(false, 30);
    far_away();
    it_shuts_down(true);
    it_shuts_down(false);
    aborts();
    it_restarts();
    we_restart();
    authenticated(true);
    authenticated(false);
    foreign_messages();
    return tap_done();
}
