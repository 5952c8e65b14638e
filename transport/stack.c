#include "transport/stack.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <usrsctp.h>

#include "base/check.h"
#include "base/log.h"

/* Intervals of usrsctp's timers. The finest is the delayed SACK of 20 ms. Without traffic only
 * heartbeats and late retransmissions are left: 20 wake-ups a second cost about 0.05% of a
 * core. */
#define TICK_BUSY_US 5000
#define TICK_IDLE_US 50000
/* How long after the last packet the ticks stay short: beyond the first retransmission. */
#define BUSY_FOR_US 300000

/* Steps of usrsctp's clock when it ends. Nothing waits for them: the clock is ours. */
#define END_STEPS   100
#define END_STEP_MS 1000

/* Unavoidable: usrsctp is one for the process. Only `owner` is looked at by other threads, all
 * the rest belongs to the thread of `loop`. */
static struct {
    _Atomic(struct loop *) owner;
    bool running; /* usrsctp is initialised */
    struct loop *loop;
    struct loop_timer tick;
    uint64_t ticked_us, busy_until_us;
    struct stack_user *users;
    struct stack_peer **peers; /* by slot; slot 0 is not used */
    uint32_t peer_count, peer_room;
    uint32_t *free_slots; /* ring: the slot longest out of use is taken first */
    uint32_t free_first, free_count;
    uint32_t in_use;
} stack;

static int on_packet(void *address, void *packet, size_t length, uint8_t tos, uint8_t set_df)
{
    (void)tos;
    (void)set_df;
    uintptr_t slot = (uintptr_t)address;
    struct stack_peer *peer = slot < stack.peer_count ? stack.peers[slot] : NULL;
    if (peer)
        peer->on_output(peer, packet, length);
    return 0;
}

/* ---- the clock ---- */

static void tick_after(uint64_t interval_us)
{
    loop_timer_set(stack.loop, &stack.tick, loop_now(stack.loop) + interval_us);
}

static void run_timers(void)
{
    uint64_t elapsed_ms = (loop_now(stack.loop) - stack.ticked_us) / 1000;
    stack.ticked_us += elapsed_ms * 1000;
    if (elapsed_ms)
        usrsctp_handle_timers((uint32_t)elapsed_ms);
}

static void on_tick(struct loop_timer *timer)
{
    (void)timer;
    run_timers();
    for (struct stack_user *user = stack.users, *next; user; user = next) {
        next = user->next;
        user->on_tick(user);
    }
    if (stack.in_use)
        tick_after(loop_now(stack.loop) < stack.busy_until_us ? TICK_BUSY_US : TICK_IDLE_US);
}

void stack_busy(void)
{
    uint64_t now = loop_now(stack.loop);
    if (now >= stack.busy_until_us && stack.in_use)
        tick_after(TICK_BUSY_US);
    stack.busy_until_us = now + BUSY_FOR_US;
}

/* ---- start and end ---- */

/* Extensions off: each is code that reads what peers send, and none is used here. */
static void set_defaults(void)
{
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auto_asconf(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_reconfig_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    usrsctp_sysctl_set_sctp_pr_enable(0);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    /* research/sctp.md section 5: the default of 512 chunks stalls, bursts of 4 packets waste
     * GSO, and 20 ms of SACK delay is a tenth of the smallest RTO. */
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(65536);
    usrsctp_sysctl_set_sctp_max_burst_default(0);
    /* For each SACK: with 4 a fast retransmission takes seconds where a window is large; without
     * any limit a cut took 250 to 700 ms instead of 200 to 340, and the same packet was sent 30
     * times within 120 ms. At the 30th usrsctp would end the association; when that ends is said by
     * dead_after and association_retransmissions. */
    usrsctp_sysctl_set_sctp_fr_max_burst_default(16);
    usrsctp_sysctl_set_sctp_max_retran_chunk(0);
    usrsctp_sysctl_set_sctp_delayed_sack_time_default(20);
    /* No answer to packets that belong to nothing: usrsctp does not limit how many it gives, and it
     * sees only what has a slot. transport/stray.h has ours. */
    usrsctp_sysctl_set_sctp_blackhole(2);
}

/* usrsctp starts one thread even here; it must take no signal. */
static void start(void)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    usrsctp_init_nothreads(0, on_packet, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    usrsctp_enable_crc32c_offload();
    set_defaults();
    stack.running = true;
}

/* Associations that were aborted may hang on short timers: let their time pass at once. */
static void end(void)
{
    for (int step = 0; step < END_STEPS; step++) {
        if (usrsctp_finish() == 0) {
            stack.running = false;
            return;
        }
        usrsctp_handle_timers(END_STEP_MS);
    }
    log_write(LOG_WARNING, LOG_ABOUT_NOTHING, "usrsctp did not end; it stays for the next start");
}

enum err stack_join(struct stack_user *user, struct loop *loop, char *why, size_t why_size)
{
    struct loop *nobody = NULL;
    if (!atomic_compare_exchange_strong(&stack.owner, &nobody, loop) && nobody != loop) {
        snprintf(why, why_size, "all udp transports of a process share one thread");
        return ERR_TRANSPORT_SOCKET;
    }
    if (!stack.users) {
        stack.loop = loop;
        stack.tick = (struct loop_timer){.on_expire = on_tick};
        stack.ticked_us = loop_now(loop);
        if (!stack.running)
            start();
    }
    user->next = stack.users;
    stack.users = user;
    return ERR_OK;
}

static void forget_slots(void)
{
    free(stack.peers);
    free(stack.free_slots);
    stack.peers = NULL;
    stack.free_slots = NULL;
    stack.peer_count = stack.peer_room = stack.free_first = stack.free_count = 0;
}

void stack_leave(struct stack_user *user)
{
    struct stack_user **link = &stack.users;
    while (*link && *link != user)
        link = &(*link)->next;
    must(*link);
    *link = user->next;
    if (stack.users)
        return;
    must(stack.in_use == 0);
    loop_timer_cancel(stack.loop, &stack.tick);
    end();
    if (!stack.running)
        forget_slots();
    stack.loop = NULL;
    atomic_store(&stack.owner, NULL);
}

/* ---- slots ---- */

static uint32_t new_slot(void)
{
    if (stack.peer_count == 0)
        stack.peer_count = 1;
    if (stack.peer_count >= stack.peer_room) {
        /* Only grows when every slot is in use, so the ring is empty and may move. */
        stack.peer_room = stack.peer_room ? stack.peer_room * 2 : 16;
        stack.peers = realloc(stack.peers, stack.peer_room * sizeof *stack.peers);
        stack.free_slots = realloc(stack.free_slots, stack.peer_room * sizeof *stack.free_slots);
        check_made(stack.peers && stack.free_slots);
        stack.free_first = 0;
    }
    uint32_t slot = stack.peer_count++;
    usrsctp_register_address((void *)(uintptr_t)slot);
    return slot;
}

static uint32_t used_slot(void)
{
    uint32_t slot = stack.free_slots[stack.free_first];
    stack.free_first = (stack.free_first + 1) % stack.peer_room;
    stack.free_count--;
    return slot;
}

void stack_slot_take(struct stack_peer *peer)
{
    if (!stack.in_use++) {
        run_timers(); /* the clock stood still while there was nobody */
        tick_after(TICK_BUSY_US);
    }
    peer->slot = stack.free_count ? used_slot() : new_slot();
    stack.peers[peer->slot] = peer;
}

void stack_slot_give(struct stack_peer *peer)
{
    if (!peer->slot)
        return;
    stack.peers[peer->slot] = NULL;
    stack.free_slots[(stack.free_first + stack.free_count++) % stack.peer_room] = peer->slot;
    peer->slot = 0;
    if (!--stack.in_use)
        loop_timer_cancel(stack.loop, &stack.tick);
}

void stack_slot_move(struct stack_peer *from, struct stack_peer *to)
{
    to->slot = from->slot;
    from->slot = 0;
    stack.peers[to->slot] = to;
}

void *stack_address(const struct stack_peer *peer)
{
    return (void *)(uintptr_t)peer->slot;
}

void stack_input(const struct stack_peer *peer, const uint8_t *packet, size_t length)
{
    usrsctp_conninput(stack_address(peer), packet, length, 0);
}
