/* The registry of the endpoints of a test, and the packets between them. */
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/memory/memory_end.h"

#define FIRST_PORT 20000

/* Endpoints of any thread, by port or number. The
 * lock is also held while a packet is posted, so that the receiver cannot go meanwhile. */
static struct {
    pthread_mutex_t lock;
    struct memory *first;
    struct memory_faults faults;
    uint64_t last_number;
    uint16_t last_port;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .last_port = FIRST_PORT};

uint16_t memory_port_of(const struct address *address)
{
    return ntohs(address->any.sa_family == AF_INET ? address->in.sin_port : address->in6.sin6_port);
}

static struct memory *by_port(uint16_t port)
{
    struct memory *found = registry.first;
    while (found && memory_port_of(&found->local) != port)
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

void memory_packet_free(struct packet *packet)
{
    message_free(packet->message);
    free(packet);
}

bool memory_post(struct packet *packet, uint64_t transport)
{
    pthread_mutex_lock(&registry.lock);
    packet->transport = by_number(transport);
    bool found = packet->transport != NULL;
    if (found)
        mailbox_post(&packet->transport->box, &packet->mail);
    pthread_mutex_unlock(&registry.lock);
    if (!found)
        memory_packet_free(packet);
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

static bool take_port(struct memory *self)
{
    if (!memory_port_of(&self->local)) {
        while (by_port(++registry.last_port) || registry.last_port < FIRST_PORT)
            ;
        uint16_t port = htons(registry.last_port);
        if (self->local.any.sa_family == AF_INET)
            self->local.in.sin_port = port;
        else
            self->local.in6.sin6_port = port;
    }
    return !by_port(memory_port_of(&self->local));
}

bool memory_enlist(struct memory *self)
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

void memory_delist(struct memory *self)
{
    pthread_mutex_lock(&registry.lock);
    struct memory **link = &registry.first;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    pthread_mutex_unlock(&registry.lock);
}

void memory_set_faults(const struct memory_faults *faults)
{
    pthread_mutex_lock(&registry.lock);
    registry.faults = *faults;
    pthread_mutex_unlock(&registry.lock);
}

uint64_t memory_at_port(uint16_t port)
{
    pthread_mutex_lock(&registry.lock);
    const struct memory *found = by_port(port);
    uint64_t number = found ? found->number : 0;
    pthread_mutex_unlock(&registry.lock);
    return number;
}
