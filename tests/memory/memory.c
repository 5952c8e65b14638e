/* The transport for tests: its endpoints, and how they find each other. */
#include "tests/memory/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/memory/memory_end.h"

#define FIRST_PORT 20000

/* How the two ends of a test find each other: endpoints of any thread, by port or number. The
 * lock is also held while a letter is posted, so that the receiver cannot go meanwhile. */
static struct {
    pthread_mutex_t lock;
    struct memory *first;
    struct memory_faults faults;
    uint64_t last_number;
    uint16_t last_port;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .last_port = FIRST_PORT};

static uint16_t port_of(const struct address *address)
{
    return ntohs(address->any.sa_family == AF_INET ? address->in.sin_port : address->in6.sin6_port);
}

static struct memory *by_port(uint16_t port)
{
    struct memory *found = registry.first;
    while (found && port_of(&found->local) != port)
        found = found->next;
    return found;
}

static struct memory *by_number(uint64_t number)
{
    struct memory *found = registry.first;
    while (found && found->number != number)
        found = found->next;
    return found;
}

uint64_t memory_new_number(void)
{
    pthread_mutex_lock(&registry.lock);
    uint64_t number = ++registry.last_number;
    pthread_mutex_unlock(&registry.lock);
    return number;
}

/* splitmix64. */
uint64_t memory_random(struct memory *self, uint64_t limit)
{
    uint64_t z = self->random += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return limit ? (z ^ z >> 31) % limit : 0;
}

bool memory_post(struct letter *letter, uint64_t transport)
{
    pthread_mutex_lock(&registry.lock);
    letter->transport = by_number(transport);
    bool found = letter->transport != NULL;
    if (found)
        mailbox_post(&letter->transport->box, &letter->mail);
    pthread_mutex_unlock(&registry.lock);
    if (!found)
        memory_end_letter_free(letter);
    return found;
}

struct address memory_address(uint64_t transport, const struct address *otherwise)
{
    pthread_mutex_lock(&registry.lock);
    const struct memory *found = by_number(transport);
    struct address address = found ? found->local : *otherwise;
    pthread_mutex_unlock(&registry.lock);
    return address;
}

static bool memory_available(char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    return true;
}

static bool take_port(struct memory *self)
{
    if (!port_of(&self->local)) {
        while (by_port(++registry.last_port) || registry.last_port < FIRST_PORT)
            ;
        uint16_t port = htons(registry.last_port);
        if (self->local.any.sa_family == AF_INET)
            self->local.in.sin_port = port;
        else
            self->local.in6.sin6_port = port;
    }
    return !by_port(port_of(&self->local));
}

static bool enlist(struct memory *self)
{
    pthread_mutex_lock(&registry.lock);
    bool free_port = take_port(self);
    if (free_port) {
        self->number = ++registry.last_number;
        self->faults = registry.faults;
        self->random = self->faults.seed + self->number;
        self->next = registry.first;
        registry.first = self;
    }
    pthread_mutex_unlock(&registry.lock);
    return free_port;
}

static void delist(struct memory *self)
{
    pthread_mutex_lock(&registry.lock);
    struct memory **link = &registry.first;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    pthread_mutex_unlock(&registry.lock);
}

/* Paths are not what it is for: only the first address of each end counts. */
static enum err memory_open(struct loop *loop, const struct address *local, size_t local_count,
                            const struct transport_options *options,
                            struct transport_acceptor *acceptor, struct transport **transport,
                            char *why, size_t why_size)
{
    must(local_count > 0);
    if (local->any.sa_family != AF_INET && local->any.sa_family != AF_INET6) {
        snprintf(why, why_size, "needs an IPv4 or IPv6 address");
        return ERR_TRANSPORT_ADDRESS;
    }
    struct memory *self = check_alloc(sizeof *self);
    self->base.ops = &memory_ops;
    self->loop = loop;
    self->options = *options;
    self->acceptor = acceptor;
    self->local = *local;
    TAILQ_INIT(&self->ends);
    if (mailbox_init(&self->box, loop)) {
        snprintf(why, why_size, "mailbox: no descriptor");
        free(self);
        return ERR_TRANSPORT_SOCKET;
    }
    if (!enlist(self)) {
        snprintf(why, why_size, "port %u is taken", port_of(local));
        mailbox_fini(&self->box);
        free(self);
        return ERR_TRANSPORT_ADDRESS;
    }
    *transport = &self->base;
    return ERR_OK;
}

static struct memory *memory_of(struct transport *transport)
{
    return container_of(transport, struct memory, base);
}

static void memory_free(struct transport *transport)
{
    struct memory *self = memory_of(transport);
    delist(self);
    self->acceptor = NULL;
    for (struct memory_end *end; (end = TAILQ_FIRST(&self->ends));) {
        association_close(&end->base, ASSOCIATION_ABORT, NULL);
        memory_end_free(end);
    }
    mailbox_fini(&self->box);
    while (!TAILQ_EMPTY(&self->ends)) /* begun by the last letters */
        memory_end_free(TAILQ_FIRST(&self->ends));
    free(self);
}

static const struct address *memory_local(struct transport *transport, size_t index)
{
    return index ? NULL : &memory_of(transport)->local;
}

static enum err memory_connect(struct transport *transport, const struct address *remote,
                               size_t remote_count, struct association_events *events,
                               struct association **association)
{
    struct memory *self = memory_of(transport);
    must(remote_count > 0);
    if (remote->any.sa_family != AF_INET && remote->any.sa_family != AF_INET6)
        return ERR_TRANSPORT_ADDRESS;
    struct memory_end *end = memory_end_new(self, remote);
    end->events = events;
    end->state = END_CONNECTING;
    loop_timer_set(self->loop, &end->limit_timer,
                   loop_now(self->loop) + self->options.connect_timeout_us);
    pthread_mutex_lock(&registry.lock);
    const struct memory *peer = by_port(port_of(remote));
    end->peer_transport = peer ? peer->number : 0;
    pthread_mutex_unlock(&registry.lock);
    struct letter *letter = memory_end_letter(end, LETTER_CONNECT);
    letter->streams = self->options.streams;
    if (!memory_post(letter, end->peer_transport))
        memory_end_go_down(end, ERR_TRANSPORT_REFUSED, "nobody listens at that port");
    *association = &end->base;
    return ERR_OK;
}

static void memory_refuse(struct transport *transport)
{
    memory_of(transport)->refuses = true;
}

const struct transport_ops memory_ops = {
    .name = "memory",
    .available = memory_available,
    .open = memory_open,
    .free = memory_free,
    .refuse = memory_refuse,
    .local = memory_local,
    .connect = memory_connect,
    .send = memory_end_send,
    .close = memory_end_close,
    .status = memory_end_status,
};

void memory_set_faults(const struct memory_faults *faults)
{
    pthread_mutex_lock(&registry.lock);
    registry.faults = *faults;
    pthread_mutex_unlock(&registry.lock);
}
