/* The udp transport, while it connects: any mix of addresses that swallow everything, refuse, or
 * begin to listen late. A swallowing address is a socket that nobody reads, a refusing one a closed
 * port. */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/packet.h"
#include "transport/udp/udp.h"

/* The promise of docs/PROTOCOL.md, S12. */
#define BACK_WITHIN SECOND
#define PLACES      TRANSPORT_ADDRESSES_MAX

struct place {
    struct address address;
    int socket; /* that swallows; -1: closed */
    unsigned inits;
};

struct trial {
    struct bed bed;
    struct place places[PLACES];
    size_t count;
    struct bed_user *user;
    struct transport *late;
};

static void swallow(struct place *place)
{
    place->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(place->socket >= 0);
    must(bind(place->socket, &place->address.any, place->address.length) == 0);
    must(getsockname(place->socket, &place->address.any, &place->address.length) == 0);
}

static void refuse(struct place *place)
{
    close(place->socket);
    place->socket = -1;
}

static void count_inits(struct trial *self)
{
    char packet[2048];
    for (size_t i = 0; i < self->count; i++)
        while (self->places[i].socket >= 0 &&
               recv(self->places[i].socket, packet, sizeof packet, 0) > 0)
            self->places[i].inits++;
}

/* Each letter is an address: 's' swallows, 'r' refuses. */
static void begin(struct trial *self, const char *places, uint64_t connect_timeout_us)
{
    *self = (struct trial){.bed = {.ops = &udp_ops, .options = bed_default_options()}};
    self->bed.options.connect_timeout_us = connect_timeout_us;
    bed_open_at(&self->bed, "127.0.0.1:0", NULL);
    struct address remotes[PLACES];
    for (; places[self->count]; self->count++) {
        struct place *place = &self->places[self->count];
        char text[32];
        snprintf(text, sizeof text, "127.0.1.%zu:0", self->count + 1);
        place->address = bed_address(text);
        swallow(place);
        if (places[self->count] == 'r')
            refuse(place);
        remotes[self->count] = place->address;
    }
    self->user = bed_user_new(&self->bed);
    must(association_connect(self->bed.client, remotes, self->count, &self->user->events,
                             &self->user->association) == ERR_OK);
}

static void end(struct trial *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->places[i].socket >= 0)
            close(self->places[i].socket);
    transport_free(self->late);
    bed_close(&self->bed);
    free(self->user);
}

static bool is_settled(void *argument)
{
    struct trial *self = argument;
    count_inits(self);
    return self->user->up || self->user->down;
}

/* A server comes to this place. Returns after how long the association is up. */
static double seconds_until_up(struct trial *self, size_t number)
{
    struct place *place = &self->places[number];
    char why[256] = "";
    if (place->socket >= 0)
        refuse(place);
    self->bed.accepting = true;
    if (transport_open(&udp_ops, self->bed.loop, &place->address, 1, &self->bed.options,
                       &self->bed.acceptor, &self->late, why, sizeof why) != ERR_OK)
        tap_note("%s", why);
    must(self->late);
    loop_turn(self->bed.loop, 0);
    return (double)bed_took(&self->bed, is_settled, self, 20 * SECOND) / SECOND;
}

struct asked {
    struct trial *trial;
    size_t number;
    unsigned inits;
};

static bool was_asked(void *argument)
{
    struct asked *asked = argument;
    return is_settled(asked->trial) || asked->trial->places[asked->number].inits >= asked->inits;
}

static void wait_asked(struct trial *self, size_t number, unsigned inits)
{
    bed_wait(&self->bed, was_asked, &(struct asked){self, number, inits}, 60 * SECOND);
}

/* The server comes back at the address at `at`, after another one, which swallows, was asked so
 * often. */
static void comes_back(const char *places, size_t at, unsigned inits, const char *what)
{
    struct trial trial;
    size_t dead = strchr(places, 's') - places;
    begin(&trial, places, 60 * SECOND);
    wait_asked(&trial, dead, inits);
    double took = seconds_until_up(&trial, at);
    ok(trial.user->up && took * SECOND < BACK_WITHIN, "%s: up %.2f s after the server came", what,
       took);
    end(&trial);
}

/* In all, so that waiting costs nobody anything: an INIT in half a second to each address. */
static void pace(const char *places)
{
    struct trial trial;
    begin(&trial, places, 60 * SECOND);
    size_t dead = strchr(places, 's') - places;
    loop_turn(trial.bed.loop, 0);
    uint64_t since = loop_now(trial.bed.loop);
    wait_asked(&trial, dead, 5);
    double took = (double)(loop_now(trial.bed.loop) - since) / SECOND;
    unsigned most = 0;
    for (size_t i = 0; i < trial.count; i++)
        most = trial.places[i].inits > most ? trial.places[i].inits : most;
    ok(took > 1.4 && most <= 6,
       "%s: five INITs to an address take about two seconds (%.2f), none has "
       "more than 6 (%u)",
       places, took, most);
    end(&trial);
}

/* All say no: that ends the attempt at once, so that the caller can look the names up again. */
static void all_refuse(void)
{
    struct trial trial;
    begin(&trial, "rrr", 60 * SECOND);
    ok(bed_wait(&trial.bed, is_settled, &trial, 5 * SECOND) && trial.user->down &&
           trial.user->reason == ERR_TRANSPORT_REFUSED,
       "all refuse: the attempt ends so");
    end(&trial);
}

/* Between the first place and the server: only INIT and its answer pass. */
struct relay {
    struct trial *trial;
    struct address client;
    unsigned cookies;
};

static bool relay_until_settled(void *argument)
{
    struct relay *self = argument;
    const struct address *server = transport_local(self->trial->late);
    int fd = self->trial->places[0].socket;
    uint8_t packet[2048];
    struct address from = {.length = sizeof from.in6};
    ssize_t length;
    while ((length = recvfrom(fd, packet, sizeof packet, 0, &from.any, &from.length)) > 12) {
        uint8_t type = packet[12];
        bool back = address_equal(&from, server);
        if (!back)
            self->client = from;
        const struct address *to = back ? &self->client : server;
        self->cookies += type == SCTP_CHUNK_COOKIE_ECHO;
        if (type == SCTP_CHUNK_INIT || type == SCTP_CHUNK_INIT_ACK)
            must(sendto(fd, packet, (size_t)length, 0, &to->any, to->length) == length);
    }
    return self->trial->user->up || self->trial->user->down;
}

/* Somebody answers INIT, and is gone before the cookie: the other addresses are not kept waiting
 * for as long as an attempt may last. */
static void answers_and_goes(void)
{
    struct trial trial;
    struct address any = bed_address("127.0.0.1:0");
    char why[256];
    begin(&trial, "s", 60 * SECOND);
    must(transport_open(&udp_ops, trial.bed.loop, &any, 1, &trial.bed.options, &trial.bed.acceptor,
                        &trial.late, why, sizeof why) == ERR_OK);
    struct relay relay = {.trial = &trial};
    loop_turn(trial.bed.loop, 0);
    uint64_t since = loop_now(trial.bed.loop);
    bed_wait(&trial.bed, relay_until_settled, &relay, 20 * SECOND);
    double took = (double)(loop_now(trial.bed.loop) - since) / SECOND;
    ok(trial.user->down && trial.user->reason == ERR_TRANSPORT_TIMEOUT && relay.cookies > 1 &&
           took < 5,
       "gone after its answer: given up after %.2f s and %u cookies", took, relay.cookies);
    end(&trial);
}

int main(void)
{
    comes_back("sr", 1, 2, "a dead address, and one that has refused");
    comes_back("rs", 0, 2, "one that has refused, and a dead one");
    comes_back("ssrrssrr", 7, 2, "eight addresses, dead and refusing");
    comes_back("srssssss", 1, 2, "one of eight had refused");
    comes_back("s", 0, 8, "the only address, after a long silence");
    comes_back("ss", 1, 8, "the second of two, after a long silence");
    pace("s");
    pace("rs");
    pace("ssrrssrr");
    all_refuse();
    answers_and_goes();
    return tap_done();
}
