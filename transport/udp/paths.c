/* The choice among the paths of an association, and when each is probed. */
#include "transport/udp/paths.h"

#include <string.h>

#include "base/check.h"
#include "base/number.h"

#define INACTIVE_AFTER 4

/* For the peer to answer, beyond the round trip: its loop may be busy with a bulk. */
#define ANSWER_US 20000
/* A time-out where no round trip was measured yet, and the interval of probes meanwhile. */
#define UNMEASURED_US       1000000
#define UNMEASURED_EVERY_US 200000
/* Time-outs double up to this. */
#define TIMEOUT_MAX_US 10000000
/* A single path of the side that connects is probed so often while data moves: when its address or
 * a NAT's has changed, the peer learns of it although only the peer sends. */
#define ROAMING_US 200000
/* An address of the peer's that is never confirmed is forgotten. */
#define FORGET_US 10000000
/* New addresses of the peer's at most each so often, after a bulk of TRANSPORT_ADDRESSES_MAX. */
#define LEARN_US 20000
/* Packets from an unconfirmed address that are not yet answered by probes. */
#define ALLOWANCE_MAX 3
/* A path that only repeated the peer's packets is not followed again for this time. */
#define BAN_US 3000000
/* A tick that comes later than this was held up by our own work, not by the path. */
#define LATE_US 20000

void udp_paths_init(struct udp_paths *self, const struct udp_paths_options *options)
{
    memset(self, 0, sizeof *self);
    self->options = *options;
    if (!self->options.inactive_after)
        self->options.inactive_after = INACTIVE_AFTER;
    if (!self->options.fast_us)
        self->options.fast_us = UDP_PATHS_FAST_US;
    self->left = TRANSPORT_ADDRESSES_MAX;
    self->due_us = UINT64_MAX;
    self->idle_us = options->heartbeat_us;
}

void udp_paths_fini(struct udp_paths *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        udp_open_probes_fini(&self->paths[i].open);
}

static void changed(struct udp_paths *self, unsigned path)
{
    self->changed |= (uint8_t)(1u << path);
}

static void set_state(struct udp_paths *self, unsigned path, enum path_state state)
{
    if (self->paths[path].state == state)
        return;
    self->paths[path].state = state;
    changed(self, path);
}

/* ---- which paths there are ---- */

static uint64_t worth(const struct udp_path_health *path)
{
    uint64_t heard_us = path->heard_us > path->answered_us ? path->heard_us : path->answered_us;
    if (!path->confirmed)
        return path->added_us;
    return (udp_paths_healthy(path) ? UINT64_MAX / 2 : UINT64_MAX / 4) + heard_us;
}

static unsigned make_room(struct udp_paths *self, bool confirmed)
{
    unsigned least = TRANSPORT_ADDRESSES_MAX;
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++) {
        if (!self->paths[i].present)
            return i;
        if (i != self->in_use && (least == TRANSPORT_ADDRESSES_MAX ||
                                  worth(&self->paths[i]) < worth(&self->paths[least])))
            least = i;
    }
    /* An attacker who has only seen a tag takes no place from a path on which the peer answers. */
    if (!confirmed && udp_paths_healthy(&self->paths[least]))
        return TRANSPORT_ADDRESSES_MAX;
    udp_paths_remove(self, least);
    return least;
}

/* A bucket of TRANSPORT_ADDRESSES_MAX that fills by one each LEARN_US. */
static bool may_learn(struct udp_paths *self, uint64_t now_us)
{
    uint64_t full_us = self->learned_us > now_us ? self->learned_us : now_us;
    if (full_us + LEARN_US > now_us + TRANSPORT_ADDRESSES_MAX * LEARN_US)
        return false;
    self->learned_us = full_us + LEARN_US;
    return true;
}

int udp_paths_add(struct udp_paths *self, uint64_t now_us, bool confirmed)
{
    if (self->count && !self->options.chooses && !may_learn(self, now_us))
        return -1;
    unsigned path = make_room(self, confirmed);
    if (path == TRANSPORT_ADDRESSES_MAX)
        return -1;
    if (!self->count++)
        self->in_use = path;
    udp_open_probes_fini(&self->paths[path].open);
    self->paths[path] = (struct udp_path_health){
        .present = true,
        .confirmed = confirmed,
        .state = confirmed ? PATH_ACTIVE : PATH_UNCONFIRMED,
        .added_us = now_us,
        .good_us = now_us,
        .allowance = self->options.chooses ? 1 : 0,
    };
    changed(self, path);
    return (int)path;
}

void udp_paths_remove(struct udp_paths *self, unsigned path)
{
    must(path != self->in_use && self->paths[path].present);
    self->paths[path].present = false;
    udp_open_probes_fini(&self->paths[path].open);
    self->changed &= (uint8_t) ~(1u << path);
    self->count--;
    if (self->left == path)
        self->left = TRANSPORT_ADDRESSES_MAX;
}

/* ---- choice ---- */

static void switch_to(struct udp_paths *self, unsigned path, uint64_t now_us)
{
    if (path == self->in_use)
        return;
    changed(self, self->in_use);
    changed(self, path);
    self->left = self->in_use;
    self->left_us = now_us;
    self->in_use = path;
}

void udp_paths_use(struct udp_paths *self, unsigned path, uint64_t now_us)
{
    self->paths[path].confirmed = true;
    self->paths[path].answered_us = self->paths[path].good_us = now_us;
    set_state(self, path, PATH_ACTIVE);
    switch_to(self, path, now_us);
    self->left = TRANSPORT_ADDRESSES_MAX;
}

static bool may_follow(const struct udp_path_health *path, uint64_t now_us)
{
    return udp_paths_healthy(path) && now_us >= path->banned_us;
}

/* Those that have answered since the one in use began not to. The side that follows takes the
 * one on which the peer was heard last. */
static void leave_failing(struct udp_paths *self, uint64_t now_us)
{
    const struct udp_path_health *used = &self->paths[self->in_use];
    unsigned best = self->in_use;
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++) {
        const struct udp_path_health *path = &self->paths[i];
        if (i == self->in_use || !udp_paths_healthy(path) || path->answered_us < used->failing_us)
            continue;
        if (best == self->in_use ||
            (!self->options.chooses && path->heard_us > self->paths[best].heard_us))
            best = i;
    }
    switch_to(self, best, now_us);
    self->left = TRANSPORT_ADDRESSES_MAX; /* it has failed: no way back by left_too_early */
}

static void go_back(struct udp_paths *self, uint64_t now_us)
{
    for (unsigned i = 0; i < self->in_use; i++)
        if (udp_paths_healthy(&self->paths[i]) &&
            now_us >= self->paths[i].good_us + UDP_PATHS_BACK_US) {
            switch_to(self, i, now_us);
            return;
        }
}

static void choose(struct udp_paths *self, uint64_t now_us)
{
    if (!udp_paths_healthy(&self->paths[self->in_use]))
        leave_failing(self, now_us);
    else if (self->options.chooses)
        go_back(self, now_us);
}

/* RFC 9000 section 9.3.3: who sees the peer's packets and sends copies of them from elsewhere,
 * a little faster, is followed; but then the path that was left still answers, and the peer's own
 * packets come on it. So back, and the copies are not followed for a while. */
static bool left_too_early(const struct udp_paths *self, unsigned path, uint64_t now_us)
{
    return path == self->left && now_us < self->left_us + UDP_PATHS_BACK_US &&
           self->paths[path].answered_us > self->left_us && udp_paths_healthy(&self->paths[path]);
}

static void follow(struct udp_paths *self, unsigned path, uint64_t now_us)
{
    struct udp_path_health *used = &self->paths[self->in_use];
    if (left_too_early(self, path, now_us)) {
        used->banned_us = now_us + BAN_US;
        switch_to(self, path, now_us);
        self->left = TRANSPORT_ADDRESSES_MAX;
    } else if (may_follow(&self->paths[path], now_us) &&
               (!udp_paths_healthy(used) || now_us >= used->heard_us + UDP_PATHS_QUIET_US)) {
        used->probed_us = 0; /* at once: does it still answer? */
        switch_to(self, path, now_us);
    }
}

void udp_paths_heard(struct udp_paths *self, unsigned path, bool chosen, uint64_t now_us)
{
    struct udp_path_health *health = &self->paths[path];
    if (!health->confirmed && health->allowance < ALLOWANCE_MAX)
        health->allowance++;
    if (!chosen)
        return;
    health->heard_us = now_us;
    if (!self->options.chooses && path != self->in_use)
        follow(self, path, now_us);
}

/* ---- times ---- */

static uint64_t longest_answer(const struct udp_path_health *path)
{
    return (uint64_t)path->rtt_us + 4ull * path->rtt_deviation_us + ANSWER_US;
}

static uint64_t fast_interval(const struct udp_paths *self, const struct udp_path_health *path)
{
    if (!path->rtt_us)
        return UNMEASURED_EVERY_US;
    return path->rtt_us / 8 > self->options.fast_us ? path->rtt_us / 8 : self->options.fast_us;
}

/* Three probes without a reply, so that loss alone is seldom taken for a failure. */
static uint64_t timeout_of(const struct udp_paths *self, const struct udp_path_health *path)
{
    uint64_t once =
        path->rtt_us ? longest_answer(path) + 2 * fast_interval(self, path) : UNMEASURED_US;
    unsigned doublings = path->timeouts < 8 ? path->timeouts : 8;
    return once << doublings < TIMEOUT_MAX_US ? once << doublings : TIMEOUT_MAX_US;
}

/* The path in use waits for an answer longer than usual, or has failed. */
static bool in_trouble(const struct udp_paths *self, uint64_t now_us)
{
    return udp_paths_doubtful(&self->paths[self->in_use], now_us);
}

bool udp_paths_doubtful(const struct udp_path_health *path, uint64_t now_us)
{
    return !udp_paths_healthy(path) ||
           (path->waiting_us && now_us >= path->waiting_us + longest_answer(path));
}

static bool is_busy(const struct udp_paths *self, uint64_t now_us)
{
    return now_us < self->busy_until_us;
}

/* Of the peer's addresses none is asked that has not said something first. */
static uint64_t interval_unconfirmed(const struct udp_paths *self,
                                     const struct udp_path_health *path, uint64_t now_us)
{
    if (!self->options.chooses)
        return path->allowance ? self->options.fast_us : UINT64_MAX;
    if (path->probes_sent < 3 || in_trouble(self, now_us))
        return UNMEASURED_EVERY_US;
    unsigned doublings = path->probes_sent - 3 < 4 ? path->probes_sent - 3 : 4;
    return self->options.heartbeat_us << doublings;
}

static uint64_t interval_in_use(const struct udp_paths *self, const struct udp_path_health *path,
                                uint64_t now_us)
{
    uint64_t idle = self->idle_us, busy;
    if (!self->known)
        return path->probes_sent < 3 ? UNMEASURED_EVERY_US : self->options.heartbeat_us;
    if (self->count > 1)
        busy = fast_interval(self, path);
    else
        busy = self->options.chooses ? ROAMING_US : idle;
    return is_busy(self, now_us) && busy < idle ? busy : idle;
}

static uint64_t interval(const struct udp_paths *self, unsigned number, uint64_t now_us)
{
    const struct udp_path_health *path = &self->paths[number];
    if (self->known && !self->ours)
        return self->options.heartbeat_us;
    if (!path->confirmed)
        return interval_unconfirmed(self, path, now_us);
    if (number == self->in_use && !self->known)
        return interval_in_use(self, path, now_us);
    uint64_t idle = self->options.heartbeat_us;
    if (path->state == PATH_INACTIVE)
        return idle;
    uint64_t fast = fast_interval(self, path) << (path->timeouts < 8 ? path->timeouts : 8);
    bool overdue = path->waiting_us && now_us >= path->waiting_us + longest_answer(path);
    if (overdue)
        return fast < idle ? fast : idle;
    if (number == self->in_use)
        return interval_in_use(self, path, now_us);
    if (in_trouble(self, now_us))
        return fast < idle ? fast : idle;
    return self->idle_us;
}

static uint64_t due(const struct udp_paths *self, unsigned number, uint64_t now_us)
{
    const struct udp_path_health *path = &self->paths[number];
    uint64_t every = interval(self, number, now_us);
    bool suspected = path->confirmed && !path->probed_us && self->ours;
    if (every == UINT64_MAX && !suspected)
        return UINT64_MAX;
    if (!path->probed_us)
        return now_us;
    /* Of a single path the probes of the side that chooses are enough, while they come. */
    if (!self->options.chooses && self->count == 1 && path->heard_us > path->probed_us &&
        !path->waiting_us)
        return path->heard_us + every + every / 2;
    return path->probed_us + every;
}

bool udp_paths_busy(struct udp_paths *self, uint64_t now_us)
{
    bool was = is_busy(self, now_us);
    self->busy_until_us = now_us + UDP_PATHS_BUSY_US;
    return !was && self->count + self->options.chooses > 1;
}

/* ---- time-outs ---- */

static void time_out(struct udp_paths *self, unsigned number, uint64_t now_us)
{
    struct udp_path_health *path = &self->paths[number];
    if (!path->timeouts)
        path->failing_us = path->waiting_us;
    path->timeouts++;
    path->good_us = UINT64_MAX - UDP_PATHS_BACK_US; /* not before the next answer */
    path->waiting_us = now_us;
    if (path->timeouts > self->options.inactive_after)
        set_state(self, number, PATH_INACTIVE);
    else if (path->timeouts > self->options.failing_after)
        set_state(self, number, PATH_FAILING);
}

/* The peer has left that address and answers there no more; it will come back by itself. */
static bool is_forgotten(const struct udp_paths *self, unsigned number, uint64_t now_us)
{
    const struct udp_path_health *path = &self->paths[number];
    if (self->options.chooses || number == self->in_use)
        return false;
    return path->confirmed ? path->state == PATH_INACTIVE && !(self->changed & 1u << number)
                           : now_us >= path->added_us + FORGET_US;
}

static void check_one(struct udp_paths *self, unsigned number, uint64_t now_us)
{
    struct udp_path_health *path = &self->paths[number];
    if (path->confirmed && path->waiting_us && self->known &&
        now_us >= path->waiting_us + timeout_of(self, path))
        time_out(self, number, now_us);
    if (is_forgotten(self, number, now_us))
        udp_paths_remove(self, number);
}

/* While this process was held up nobody's answers were read. */
static void forgive_lateness(struct udp_paths *self, uint64_t now_us)
{
    if (self->due_us >= now_us || now_us - self->due_us < LATE_US)
        return;
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths[i].present && self->paths[i].waiting_us)
            self->paths[i].waiting_us += now_us - self->due_us;
}

int udp_paths_tick(struct udp_paths *self, uint64_t now_us)
{
    forgive_lateness(self, now_us);
    self->due_us = UINT64_MAX;
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths[i].present)
            check_one(self, i, now_us);
    choose(self, now_us);
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths[i].present && now_us >= due(self, i, now_us))
            return (int)i;
    return -1;
}

uint64_t udp_paths_next(struct udp_paths *self, uint64_t now_us)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++) {
        const struct udp_path_health *path = &self->paths[i];
        if (!path->present)
            continue;
        next = number_least(next, due(self, i, now_us));
        if (path->confirmed && path->waiting_us && self->known) {
            uint64_t overdue = path->waiting_us + longest_answer(path);
            next = number_least(next, path->waiting_us + timeout_of(self, path));
            next = number_least(next, overdue > now_us ? overdue : next);
        }
    }
    self->due_us = number_most(next, now_us);
    return next;
}

/* ---- probes and replies ---- */

void udp_paths_probed(struct udp_paths *self, unsigned number, const uint8_t nonce[PROBE_NONCE],
                      uint64_t now_us)
{
    struct udp_path_health *path = &self->paths[number];
    udp_open_probes_add(&path->open, nonce, now_us);
    path->probed_us = now_us;
    path->probes_sent++;
    if (!path->waiting_us)
        path->waiting_us = now_us;
    if (!path->confirmed && path->allowance && !self->options.chooses)
        path->allowance--;
}

/* RFC 6298, as SCTP does it. */
static void measure(struct udp_path_health *path, uint64_t sample)
{
    uint32_t rtt_us = sample < 1 ? 1 : sample > UINT32_MAX / 8 ? UINT32_MAX / 8 : (uint32_t)sample;
    if (!path->rtt_us) {
        path->rtt_us = rtt_us;
        path->rtt_deviation_us = rtt_us / 2;
        return;
    }
    uint32_t off = rtt_us > path->rtt_us ? rtt_us - path->rtt_us : path->rtt_us - rtt_us;
    path->rtt_deviation_us = (uint32_t)((3ull * path->rtt_deviation_us + off) / 4);
    path->rtt_us = (uint32_t)((7ull * path->rtt_us + rtt_us) / 8);
}

bool udp_paths_answered(struct udp_paths *self, unsigned number, const uint8_t nonce[PROBE_NONCE],
                        bool by_ours, uint64_t now_us)
{
    struct udp_path_health *path = &self->paths[number];
    uint64_t sent_us = udp_open_probes_find(&path->open, nonce);
    if (!sent_us)
        return false;
    measure(path, now_us - sent_us);
    /* Probes that are older than this may still be answered, and count no more. */
    path->waiting_us = udp_open_probes_close(&path->open, sent_us);
    if (!self->known && number == self->in_use) {
        self->known = true;
        self->ours = by_ours;
    }
    if (path->state != PATH_ACTIVE || path->timeouts)
        path->good_us = now_us;
    bool confirmed_now = !path->confirmed;
    path->confirmed = true;
    path->answered_us = now_us;
    path->timeouts = path->probes_sent = 0;
    set_state(self, number, PATH_ACTIVE);
    choose(self, now_us);
    if (confirmed_now && !self->options.chooses && number != self->in_use && path->heard_us)
        follow(self, number, now_us);
    return true;
}

void udp_paths_refused(struct udp_paths *self, unsigned path, uint64_t now_us)
{
    if (path == self->in_use)
        return;
    self->paths[path].confirmed = false;
    self->paths[path].waiting_us = 0;
    self->paths[path].probes_sent = 3; /* as after the first probes */
    self->paths[path].probed_us = now_us;
    set_state(self, path, PATH_UNCONFIRMED);
}

void udp_paths_suspect(struct udp_paths *self, unsigned path, uint64_t now_us)
{
    struct udp_path_health *health = &self->paths[path];
    if (!self->ours || now_us < health->probed_us + self->options.fast_us / 4)
        return;
    health->probed_us = 0;
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths[i].present && self->paths[i].confirmed)
            self->paths[i].probed_us = 0;
}
