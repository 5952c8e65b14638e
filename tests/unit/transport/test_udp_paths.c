/* The choice of paths with a clock of its own: each path answers, or does not. */
#include "transport/udp/paths.h"

#include <string.h>

#include "tests/lib/tap.h"

#define MS      1000ull
#define SECOND  1000000ull
#define PATHS   TRANSPORT_ADDRESSES_MAX
#define RTT     (10 * MS)
#define PENDING 64

static struct {
    struct udp_paths self;
    uint64_t now;
    bool dead[PATHS];
    bool foreign;
    unsigned asked[PATHS], switches;
    uint64_t switched_us;
    struct {
        uint64_t due_us;
        unsigned path;
        uint8_t nonce[PROBE_NONCE];
    } answers[PENDING];
    unsigned answer_count;
    uint32_t nonce;
} world;

static void begin(bool chooses, unsigned paths)
{
    udp_paths_fini(&world.self);
    memset(&world, 0, sizeof world);
    world.now = 1000 * SECOND;
    udp_paths_init(&world.self, &(struct udp_paths_options){.chooses = chooses,
                                                            .heartbeat_us = SECOND,
                                                            .idle_most_us = 5 * SECOND});
    for (unsigned i = 0; i < paths; i++)
        udp_paths_add(&world.self, world.now, false);
    udp_paths_use(&world.self, 0, world.now);
}

static void ask(unsigned path)
{
    uint8_t nonce[PROBE_NONCE] = {0};
    world.nonce++;
    memcpy(nonce, &world.nonce, 4);
    udp_paths_probed(&world.self, path, nonce, world.now);
    world.asked[path]++;
    if (world.dead[path] || world.answer_count == PENDING)
        return;
    world.answers[world.answer_count].due_us = world.now + RTT;
    world.answers[world.answer_count].path = path;
    memcpy(world.answers[world.answer_count++].nonce, nonce, PROBE_NONCE);
}

static void answer_due(void)
{
    for (unsigned i = 0; i < world.answer_count;) {
        if (world.answers[i].due_us > world.now) {
            i++;
            continue;
        }
        unsigned path = world.answers[i].path;
        if (!world.dead[path])
            udp_paths_answered(&world.self, path, world.answers[i].nonce, !world.foreign,
                               world.now);
        world.answers[i] = world.answers[--world.answer_count];
    }
}

/* One millisecond at a time, as the timer would. */
static void run(uint64_t for_us, bool busy)
{
    for (uint64_t end = world.now + for_us; world.now < end; world.now += MS) {
        unsigned before = world.self.in_use;
        if (busy)
            udp_paths_busy(&world.self, world.now);
        answer_due();
        world.self.changed = 0; /* as told */
        if (udp_paths_next(&world.self, world.now) <= world.now)
            for (int path; (path = udp_paths_tick(&world.self, world.now)) >= 0;)
                ask((unsigned)path);
        if (before != world.self.in_use) {
            world.switches++;
            world.switched_us = world.now;
        }
    }
}

static enum path_state state(unsigned path)
{
    return world.self.paths[path].state;
}

static void cut_and_back(void)
{
    begin(true, 2);
    run(SECOND, true);
    ok(state(0) == PATH_ACTIVE && state(1) == PATH_ACTIVE, "both paths are confirmed");
    unsigned before = world.asked[0], idle = world.asked[1];
    run(SECOND, true);
    ok(world.asked[0] - before >= 24 && world.asked[0] - before <= 26 && world.asked[1] - idle <= 2,
       "busy: %u probes a second on the path in use, %u on the other", world.asked[0] - before,
       world.asked[1] - idle);
    world.dead[0] = true;
    uint64_t cut = world.now;
    run(SECOND, true);
    ok(world.self.in_use == 1 && world.switched_us - cut < 200 * MS,
       "cut: the other one after %.3f s", (double)(world.switched_us - cut) / SECOND);
    run(10 * SECOND, true);
    ok(state(0) == PATH_INACTIVE && world.switches == 1, "the dead one becomes inactive");
    world.dead[0] = false;
    cut = world.now;
    run(6 * SECOND, true);
    ok(world.self.in_use == 0 && world.switched_us - cut > 3 * SECOND, "back after %.1f s",
       (double)(world.switched_us - cut) / SECOND);
}

static void idle_is_cheap(void)
{
    begin(true, 2);
    run(2 * SECOND, false);
    unsigned before = world.asked[0] + world.asked[1];
    run(10 * SECOND, false);
    ok(world.asked[0] + world.asked[1] - before <= 22, "idle: a probe for each path and second");
    begin(true, 1);
    run(2 * SECOND, false);
    ok(world.asked[0] >= 2 && world.asked[0] <= 3, "a single path is asked once in a second");
    run(10 * SECOND, true);
    ok(world.asked[0] > 40 && world.asked[0] < 60, "and while data moves, for a peer that roams");
    begin(false, 1);
    run(10 * SECOND, true);
    ok(world.asked[0] >= 9 && world.asked[0] <= 12, "not so often by the side that listens");
    before = world.asked[0];
    for (int i = 0; i < 10; i++) {
        udp_paths_heard(&world.self, 0, true, world.now);
        run(SECOND, false);
    }
    ok(world.asked[0] - before <= 1, "and not at all while the other asks");
    run(4 * SECOND, false);
    ok(world.asked[0] - before >= 3, "until it is silent");
}

/* The side that is asked has many associations. */
static void rests(void)
{
    begin(true, 1);
    run(2 * SECOND, false);
    udp_paths_set_idle(&world.self, 3 * SECOND);
    unsigned before = world.asked[0];
    run(30 * SECOND, false);
    ok(world.asked[0] - before >= 9 && world.asked[0] - before <= 11,
       "a path that rests for 3 s is asked %u times in 30 s", world.asked[0] - before);
    before = world.asked[0];
    run(SECOND, true);
    ok(world.asked[0] - before >= 4, "but as ever once data moves");
    world.dead[0] = true;
    run(4 * SECOND, false);
    before = world.asked[0];
    run(2 * SECOND, false);
    ok(world.asked[0] - before >= 2, "and no less than at each heartbeat without an answer");
    world.dead[0] = false;
    run(SECOND + 100 * MS, false);
    ok(state(0) == PATH_ACTIVE, "so that it is found when it is back");
    udp_paths_set_idle(&world.self, SECOND / 2);
    before = world.asked[0];
    run(10 * SECOND, false);
    ok(world.asked[0] - before >= 9 && world.asked[0] - before <= 11,
       "a rest below the heartbeat is none");
    udp_paths_set_idle(&world.self, 3600 * SECOND);
    run(SECOND, false);
    before = world.asked[0];
    run(20 * SECOND, false);
    ok(world.asked[0] - before >= 4 && world.asked[0] - before <= 5,
       "nor is it longer than may be");
}

static void rests_and_listens(void)
{
    begin(false, 1);
    run(2 * SECOND, false);
    udp_paths_set_idle(&world.self, 3 * SECOND);
    unsigned before = world.asked[0];
    for (int i = 0; i < 10; i++) {
        udp_paths_heard(&world.self, 0, true, world.now);
        run(3 * SECOND, false);
    }
    ok(world.asked[0] == before, "the side that listens does not ask while the other does");
    run(3 * SECOND, false);
    ok(world.asked[0] - before >= 1, "until it is silent");
    begin(true, 2);
    run(SECOND, false);
    udp_paths_set_idle(&world.self, 3 * SECOND);
    run(5 * SECOND, false);
    world.dead[0] = true;
    uint64_t cut = world.now;
    run(SECOND, true);
    ok(world.self.in_use == 1 && world.switched_us - cut < 400 * MS,
       "of two that rest the other is used %.3f s after data begin to move",
       (double)(world.switched_us - cut) / SECOND);
}

static void flapping(void)
{
    begin(true, 2);
    run(SECOND, true);
    for (int i = 0; i < 10; i++) {
        world.dead[0] = !world.dead[0];
        run(SECOND, true);
    }
    ok(world.switches <= 1 && world.self.in_use == 1,
       "a path that comes and goes is not gone back to (%u switches)", world.switches);
}

static void lossy(void)
{
    begin(true, 2);
    run(SECOND, true);
    for (int i = 0; i < 2000; i++) { /* two of three probes lost, never three in a row */
        world.dead[0] = i % 3 != 0;
        run(40 * MS, true);
    }
    ok(world.switches <= 40, "loss alone is seldom taken for a failure: %u switches in 80 s",
       world.switches);
}

static void all_dead(void)
{
    begin(true, 3);
    run(SECOND, true);
    world.dead[0] = world.dead[1] = world.dead[2] = true;
    run(20 * SECOND, true);
    unsigned before = world.asked[0] + world.asked[1] + world.asked[2];
    run(10 * SECOND, true);
    before = world.asked[0] + world.asked[1] + world.asked[2] - before;
    ok(before <= 40 && world.self.in_use == 0,
       "when all are dead they are asked at the pace of heartbeats (%u in 10 s)", before);
    world.dead[2] = false;
    uint64_t back = world.now;
    run(2 * SECOND, true);
    ok(world.self.in_use == 2 && world.switched_us - back < SECOND + 100 * MS,
       "the first that answers is used");
}

static void held_up(void)
{
    begin(true, 2);
    run(SECOND, true);
    world.now += 500 * MS; /* this process did not run; answers wait in the socket */
    run(SECOND, true);
    ok(!world.switches, "what our own delay made late is not the path's fault");
}

static void foreign_peer(void)
{
    begin(true, 2);
    world.foreign = true;
    run(SECOND, true);
    unsigned before = world.asked[0] + world.asked[1];
    run(10 * SECOND, true);
    ok(world.self.known && !world.self.ours && world.asked[0] - before <= 11,
       "a peer that is none of ours is asked at the pace of heartbeats");
    ok(world.self.in_use == 0 && state(0) == PATH_ACTIVE, "which it answers, by one path");
}

static void nonces(void)
{
    begin(true, 1);
    uint8_t right[PROBE_NONCE] = {1}, wrong[PROBE_NONCE] = {2}, none[PROBE_NONCE] = {0};
    udp_paths_probed(&world.self, 0, right, world.now);
    world.now += MS;
    ok(!udp_paths_answered(&world.self, 0, wrong, true, world.now) &&
           !udp_paths_answered(&world.self, 0, none, true, world.now),
       "an answer with another nonce is none");
    ok(udp_paths_answered(&world.self, 0, right, true, world.now), "the right one is");
    ok(!udp_paths_answered(&world.self, 0, right, true, world.now), "once");
}

/* ---- the side that follows ---- */

static void begin_roaming(void)
{
    begin(false, 1);
    run(SECOND, true);
    udp_paths_heard(&world.self, 0, true, world.now);
}

static void roaming(void)
{
    begin_roaming();
    world.dead[0] = true; /* the old address is gone */
    run(100 * MS, true);
    int path = udp_paths_add(&world.self, world.now, false);
    ok(path == 1 && world.self.in_use == 0, "a new address is not used at once");
    udp_paths_heard(&world.self, 1, true, world.now);
    uint64_t start = world.now;
    run(RTT / 2, true);
    ok(world.self.in_use == 0 && world.asked[1] == 1, "but asked");
    run(SECOND, true);
    udp_paths_heard(&world.self, 1, true, world.now);
    ok(world.self.in_use == 1, "and used once it has answered");
    ok(world.switched_us - start <= RTT + 2 * MS, "after a round trip");
    run(20 * SECOND, true);
    ok(!world.self.paths[0].present, "the old one is forgotten when it is dead");
}

static void no_answer(void)
{
    begin_roaming();
    udp_paths_add(&world.self, world.now, false);
    world.dead[1] = true;
    for (int i = 0; i < 20; i++) {
        udp_paths_heard(&world.self, 1, true, world.now);
        run(100 * MS, true);
    }
    ok(world.self.in_use == 0 && world.asked[1] <= 20,
       "an address that cannot answer gets %u questions for 20 packets, and no data",
       world.asked[1]);
    unsigned before = world.asked[1];
    run(5 * SECOND, true);
    ok(world.asked[1] <= before + 3, "nor is it asked without a reason");
    run(10 * SECOND, true);
    ok(!world.self.paths[1].present, "and is forgotten");
}

/* Somebody sends a copy of each packet from his own address, a little earlier, and answers. */
static void copies(void)
{
    begin_roaming();
    udp_paths_add(&world.self, world.now, false);
    unsigned stolen = 0, taken = 0, rounds = 400;
    for (unsigned i = 0; i < rounds; i++) {
        udp_paths_heard(&world.self, 1, true, world.now);
        run(MS, true);
        udp_paths_heard(&world.self, 0, true, world.now);
        run(10 * MS, true);
        stolen += world.self.in_use == 1;
    }
    ok(stolen == 0, "copies from elsewhere steal no steady flow");
    for (unsigned i = 0; i < 100; i++) { /* with pauses: the copy is the first that is heard */
        run(100 * MS, true);
        udp_paths_heard(&world.self, 1, true, world.now);
        taken += world.self.in_use == 1;
        run(MS, true);
        udp_paths_heard(&world.self, 0, true, world.now);
        run(50 * MS, true);
        udp_paths_heard(&world.self, 0, true, world.now);
        stolen += world.self.in_use == 1;
    }
    ok(taken > 0 && stolen <= 10,
       "nor, for long, one with pauses: taken %u times, %u of 100 rounds stolen", taken, stolen);
}

static void bounded(void)
{
    begin_roaming();
    unsigned added = 0;
    for (int i = 0; i < 1000; i++) {
        added += udp_paths_add(&world.self, world.now, false) >= 0;
        world.now += MS;
    }
    ok(world.self.count <= PATHS && added <= 60 && world.self.paths[0].present,
       "1000 new addresses in a second: %u taken, %u kept, and the one in use", added,
       world.self.count);
}

/* Eight paths of the peer's that work; who has seen its tag asks for more. */
static void displaces_nobody(void)
{
    begin_roaming();
    for (int i = 1; i < PATHS; i++) {
        world.now += 30 * MS;
        udp_paths_add(&world.self, world.now, true);
    }
    world.now += SECOND;
    ok(world.self.count == PATHS && udp_paths_add(&world.self, world.now, false) < 0,
       "an address that is not confirmed takes no place from those that work");
    world.self.paths[3].state = PATH_INACTIVE;
    world.self.paths[3].heard_us = world.self.paths[3].answered_us = 1;
    ok(udp_paths_add(&world.self, world.now, false) == 3, "but from one that does not");
}

static void follows(void)
{
    begin(false, 2);
    udp_paths_heard(&world.self, 1, false, world.now);
    run(SECOND, true);
    ok(state(1) == PATH_ACTIVE && world.self.in_use == 0, "a probe alone decides nothing");
    udp_paths_heard(&world.self, 1, true, world.now);
    ok(world.self.in_use == 1, "the peer decides by what it uses");
    udp_paths_heard(&world.self, 0, true, world.now);
    ok(world.self.in_use == 1, "a late packet on the old one changes nothing");
    world.dead[1] = true;
    run(SECOND, true);
    ok(world.self.in_use == 0, "but a path that fails is left");
}

static void refused(void)
{
    begin(true, 2);
    run(SECOND, true);
    udp_paths_refused(&world.self, 1, world.now);
    ok(state(1) == PATH_UNCONFIRMED, "a path that leads to somebody else is none");
    world.dead[0] = true;
    udp_paths_suspect(&world.self, 0, world.now);
    unsigned before = world.asked[0];
    run(5 * MS, true);
    ok(world.asked[0] == before + 1, "trouble that the system reports is looked into at once");
}

int main(void)
{
    cut_and_back();
    idle_is_cheap();
    rests();
    rests_and_listens();
    flapping();
    lossy();
    all_dead();
    held_up();
    foreign_peer();
    nonces();
    roaming();
    no_answer();
    copies();
    bounded();
    displaces_nobody();
    follows();
    refused();
    udp_paths_fini(&world.self);
    return tap_done();
}
