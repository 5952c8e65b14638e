/* The search for the largest datagram that passes a path. */
#include "transport/udp/mtu.h"

#include <string.h>

#include "base/number.h"

/* IP packets of this size pass every path of IPv6, and in practice of IPv4 (RFC 8899 section
 * 5.1.2, BASE_PLPMTU). */
#define BASE_MTU 1280

/* IP packets: GRE in IPsec, IPsec, WireGuard over PPPoE, WireGuard, VXLAN, GRE, 6in4, PPPoE,
 * Ethernet; FDDI, jumbo frames; and what tunnels of user space and loopback devices take. */
static const uint32_t common[] = {1280, 1340, 1380, 1400, 1420, 1438,  1450,  1462, 1476,
                                  1480, 1492, 1500, 4352, 9000, 16384, 49328, 65428};
#define COMMON (sizeof common / sizeof *common)

_Static_assert(COMMON + 2 <= UDP_MTU_ROUND, "with the ceiling and a small probe");

/* Of a search, and of a verification. */
#define ROUNDS 3

/* A path on which nothing was answered is asked again after so long. */
#define RETRY_US (10ull * 1000 * 1000)

void udp_mtu_init(struct udp_mtu *self, const struct udp_mtu_limits *limits)
{
    *self = (struct udp_mtu){.limits = *limits};
    struct udp_mtu_limits *own = &self->limits;
    own->ceiling = (own->ceiling < own->floor ? own->floor : own->ceiling) & ~3u;
    own->guess = number_between(own->guess, own->floor, own->ceiling) & ~3u;
    self->base = number_between((BASE_MTU - own->overhead) & ~3u, own->floor, own->ceiling);
    self->size = self->base;
}

/* ---- states ---- */

/* Only sizes above passed are asked for. */
static void search(struct udp_mtu *self, uint32_t passed, unsigned round, uint64_t now_us)
{
    self->state = UDP_MTU_SEARCHING;
    self->passed = passed;
    self->round = round;
    self->small = false;
    self->due_us = self->searched_us = now_us;
}

static void rest(struct udp_mtu *self, uint64_t now_us, uint64_t for_us)
{
    self->state = UDP_MTU_DONE;
    self->due_us = now_us + for_us;
}

static void verify(struct udp_mtu *self, uint64_t now_us)
{
    self->state = UDP_MTU_VERIFYING;
    self->passed = 0;
    self->round = 0;
    self->small = false;
    self->due_us = self->verified_us = now_us;
}

void udp_mtu_start(struct udp_mtu *self, uint64_t now_us)
{
    if (self->state == UDP_MTU_IDLE)
        search(self, 0, 0, now_us);
}

void udp_mtu_suspect(struct udp_mtu *self, uint64_t now_us)
{
    if (self->state != UDP_MTU_DONE)
        return;
    uint64_t at = self->verified_us ? self->verified_us + UDP_MTU_SUSPECT_US : now_us;
    at = at < now_us ? now_us : at;
    if (at < self->due_us)
        self->due_us = at;
}

void udp_mtu_stop(struct udp_mtu *self, uint32_t size)
{
    self->state = UDP_MTU_IDLE;
    self->size = size;
    memset(self->open, 0, sizeof self->open);
}

static void end_search(struct udp_mtu *self, uint64_t now_us)
{
    if (!self->passed && self->small) {
        self->blackholes++;
        self->size = self->limits.floor;
    }
    if (self->passed)
        self->size = self->passed;
    bool conclusive = self->passed || self->small;
    if (!conclusive)
        self->searched_us = 0;
    rest(self, now_us, conclusive ? UDP_MTU_CONFIRM_US : RETRY_US);
}

/* Nothing was answered, not even a small probe: that says nothing about sizes. */
static void end_verification(struct udp_mtu *self, uint64_t now_us)
{
    if (!self->small || self->size == self->limits.floor) {
        rest(self, now_us, self->small ? UDP_MTU_CONFIRM_US : RETRY_US);
        return;
    }
    self->blackholes++;
    self->size = self->size > self->base ? self->base : self->limits.floor;
    memset(self->open, 0, sizeof self->open); /* answers under way are of the path as it was */
    search(self, 0, 1, now_us);
}

/* ---- rounds ---- */

static unsigned add(uint32_t *sizes, unsigned count, uint32_t size)
{
    sizes[count] = size;
    return count + 1;
}

static unsigned first_round(const struct udp_mtu *self, uint32_t *sizes)
{
    unsigned count = add(sizes, 0, self->limits.ceiling);
    if (self->limits.guess > self->passed && self->limits.guess < self->limits.ceiling)
        count = add(sizes, count, self->limits.guess);
    return count;
}

/* The largest first: its answer is the only one that changes anything. */
static unsigned all_sizes(const struct udp_mtu *self, uint32_t *sizes)
{
    unsigned count = add(sizes, 0, self->limits.ceiling);
    for (unsigned i = COMMON; i-- > 0;) {
        uint32_t size = (common[i] - self->limits.overhead) & ~3u;
        if (size > self->passed && size >= self->limits.floor && size < self->limits.ceiling)
            count = add(sizes, count, size);
    }
    return add(sizes, count, PROBE_SIZE);
}

static unsigned this_and_small(const struct udp_mtu *self, uint32_t *sizes)
{
    return add(sizes, add(sizes, 0, PROBE_SIZE), self->size);
}

static bool is_over(const struct udp_mtu *self)
{
    return self->round == ROUNDS ||
           (self->state == UDP_MTU_SEARCHING && self->passed == self->limits.ceiling);
}

unsigned udp_mtu_tick(struct udp_mtu *self, uint64_t now_us, uint64_t answer_us,
                      uint32_t sizes[UDP_MTU_ROUND])
{
    if (self->state == UDP_MTU_IDLE || now_us < self->due_us)
        return 0;
    if (self->state == UDP_MTU_DONE)
        verify(self, now_us);
    if (is_over(self) && self->state == UDP_MTU_VERIFYING)
        end_verification(self, now_us);
    else if (is_over(self))
        end_search(self, now_us);
    if (self->state == UDP_MTU_DONE)
        return 0;
    /* The last round waits longer, for answers in a queue that has filled meanwhile. */
    unsigned round = self->round++;
    self->due_us = now_us + (round == ROUNDS - 1 ? 2 * answer_us : answer_us);
    if (self->state == UDP_MTU_VERIFYING)
        return this_and_small(self, sizes);
    return round ? all_sizes(self, sizes) : first_round(self, sizes);
}

uint64_t udp_mtu_next(const struct udp_mtu *self)
{
    return self->state == UDP_MTU_IDLE ? UINT64_MAX : self->due_us;
}

/* ---- probes and replies ---- */

void udp_mtu_probed(struct udp_mtu *self, uint32_t size, const uint8_t nonce[PROBE_NONCE])
{
    unsigned slot = self->next_open++ % UDP_MTU_OPEN;
    memcpy(self->open[slot].nonce, nonce, PROBE_NONCE);
    self->open[slot].size = size;
}

static void passed(struct udp_mtu *self, uint32_t size, uint64_t now_us)
{
    if (size > self->passed)
        self->passed = size;
    if (size > self->size)
        self->size = size;
    if (self->state == UDP_MTU_SEARCHING && self->passed == self->limits.ceiling)
        end_search(self, now_us);
    if (self->state != UDP_MTU_VERIFYING || self->passed < self->size)
        return;
    bool stale = !self->searched_us || now_us >= self->searched_us + UDP_MTU_RAISE_US;
    if (self->size < self->limits.ceiling && stale)
        search(self, self->size, 0, now_us);
    else
        rest(self, now_us, UDP_MTU_CONFIRM_US);
}

bool udp_mtu_answered(struct udp_mtu *self, const uint8_t nonce[PROBE_NONCE], uint64_t now_us)
{
    unsigned slot = 0;
    while (slot < UDP_MTU_OPEN &&
           (!self->open[slot].size || memcmp(self->open[slot].nonce, nonce, PROBE_NONCE)))
        slot++;
    if (slot == UDP_MTU_OPEN)
        return false;
    uint32_t size = self->open[slot].size;
    self->open[slot].size = 0;
    if (size == PROBE_SIZE)
        self->small = true;
    else
        passed(self, size, now_us);
    return true;
}
