/* tests/sim/world.h: pairs of endpoints, each a sctp_listener and at most one sctp_association,
 * that talk over shared lines, under a virtual clock. Everything depends on the options and the
 * seed alone. The workload is tests/sim/work.h's; what must always hold is looked at after each
 * step, and the first thing that does not is kept as a sentence in sim_world.wrong. */
#pragma once

#include "sctp/association.h"
#include "sctp/congestion.h"
#include "sctp/listener.h"
#include "tests/sim/line.h"
#include "tests/sim/work.h"

#define SIM_PAIRS 4
#define SIM_LINES 4
#define SIM_LIVES 16
#define SIM_SEC   1000000ull
#define SIM_MS    1000ull

struct sim_world;

/* One endpoint. */
struct sim_end {
    struct sim_world *world;
    struct sim_end *peer;
    unsigned index; /* 2 * pair + side; side 0 connects */
    struct sctp_options options;
    struct sctp_listener *listener;
    struct sctp_association *association; /* NULL: none */
    struct sim_user user;                 /* of the association: tests/sim/work.h */
    struct sim_life {
        uint32_t tag;
        uint64_t life;
    } lives[SIM_LIVES]; /* by its own tag, the latest of them */
    unsigned life_count;
    uint32_t mtu[SIM_LINES]; /* as the engine was told */
    bool has_sent;           /* DATA; the highest TSN: */
    uint32_t highest_tsn;
    size_t largest;     /* packet sent */
    bool is_asleep;     /* pulls no events */
    uint64_t pumped_us; /* latest time at which outputs were taken */

    uint64_t packets_out, packets_in, batches_in, bytes_out;
    uint64_t data_in, sacks_out, repeats_out; /* packets with DATA; chunks */
    uint64_t ms, outputs_in_ms, timeouts_in_ms, bytes_in_ms;
    uint64_t outputs_most, timeouts_most; /* in one virtual millisecond */
    uint64_t memory_most, held_most;
    uint64_t progress_us, progress_messages, longest_gap_us;
    bool waited;                /* for something to arrive, at the last look */
    uint64_t rto_most_us;       /* since then, with its backoff */
    uint64_t strays_out, ended; /* replies to strays; associations that ended */
    enum err reason;            /* of the latest that ended */
    uint64_t settled;           /* SCTP_EVENT_AUTH_SETTLED so often */
    uint16_t settled_key;
    uint64_t restarted;
    unsigned line; /* in use */
    bool is_down;  /* the association is over, and freed once its outputs were taken */
};

struct sim_options {
    uint64_t seed;
    unsigned pairs, lines;              /* 0: 1 */
    struct sim_line line[SIM_LINES][2]; /* [..][0]: from side 0 to side 1 */
    /* sctp_association_defaults, then what sim_defaults sets; changed before sim_world_new. */
    struct sctp_options sctp[2 * SIM_PAIRS];
    struct sim_work work[2 * SIM_PAIRS][SIM_WORKS];
    uint64_t connect_us[SIM_PAIRS]; /* when side 0 connects */
    bool both_connect;              /* side 1, too, at the same time */
    uint64_t batch_us;              /* packets are read at multiples of that: batches */
    uint64_t late_us;               /* timers are so late */
    bool near_wrap;                 /* chance gives 0xffffffXX */
    bool says;                      /* each packet, timer and change is printed */
    bool is_light;  /* rows of rates: what costs time is looked at every 64th step only */
    bool is_forged; /* somebody forges packets: only what must hold even then is asked */
    /* Without a message for so many time-outs (T3, as it stands) an end that has sent is stuck; 0:
     * it is not asked. */
    unsigned patience;
    size_t memory_limit; /* bytes of one association */
    /* Told of each packet before it enters a line; false: it is swallowed. */
    bool (*filter)(struct sim_world *world, struct sim_end *from, unsigned line, uint8_t *packet,
                   size_t length);
    void *context; /* of the filter and of acts */
};

typedef void sim_act(struct sim_world *world, uint64_t a, uint64_t b);

struct sim_event {
    uint64_t at_us, sequence;
    enum { SIM_ARRIVAL, SIM_ACT, SIM_WORK } kind;
    unsigned end, line;
    struct sim_packet {
        size_t length;
        uint8_t bytes[];
    } * packet;
    sim_act *act;
    uint64_t a, b;
};

struct sim_world {
    struct sim_options options;
    uint64_t now_us;
    struct sim_chance chance, key;
    struct sim_end ends[2 * SIM_PAIRS];
    struct sim_way ways[SIM_LINES][2];
    struct sim_event *heap;
    unsigned acts; /* that are to come */
    size_t heap_count, heap_size;
    uint64_t sequence, steps, steps_in_ms, look_us;
    uint64_t worked_us; /* no line was cut or mended, nobody fell asleep or woke, since then */
    unsigned cuts;      /* ways that are cut now */
    uint64_t trace;     /* of every packet sent: when, by whom, where, which bytes */
    char wrong[300];    /* "": nothing */
};

/* Sensible values: mtu 1452 with 48 bytes below, buffers of 16 MB, hawser at both ends, bbr. */
void sim_defaults(struct sim_options *options, uint64_t seed);
struct sim_world *sim_world_new(const struct sim_options *options); /* Owns: caller */
void sim_world_free(struct sim_world *world);

/* act(world, a, b) at that time. */
void sim_world_at(struct sim_world *world, uint64_t at_us, sim_act *act, uint64_t a, uint64_t b);
/* Runs until that time, or until something is wrong. */
void sim_world_run(struct sim_world *world, uint64_t until_us);
/* The same, and ends as soon as all work is done and acknowledged, and no act is to come;
 * true: it is. */
bool sim_world_finish(struct sim_world *world, uint64_t until_us);
/* SHUTDOWN at that end; true: both ends say DOWN in order within 200 s, with nothing left. */
bool sim_world_close(struct sim_world *world, struct sim_end *end);

/* A packet for that end, as if it had come over a line; the caller keeps it. */
void sim_world_inject(struct sim_world *world, struct sim_end *to, unsigned line,
                      const uint8_t *packet, size_t length);
void sim_world_fail(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Acts: a is an end's index or a line, b what the name says. */
void sim_act_connect(struct sim_world *world, uint64_t end, uint64_t unused);
void sim_act_restart(struct sim_world *world, uint64_t end,
                     uint64_t unused); /* forgets, connects */
void sim_act_forget(struct sim_world *world, uint64_t end, uint64_t unused);
void sim_act_shutdown(struct sim_world *world, uint64_t end, uint64_t unused);
void sim_act_abort(struct sim_world *world, uint64_t end, uint64_t unused);
void sim_act_cut(struct sim_world *world, uint64_t line, uint64_t is_cut);  /* both ways */
void sim_act_cut_way(struct sim_world *world, uint64_t line, uint64_t way); /* way + 2: mends */
void sim_act_line_mtu(struct sim_world *world, uint64_t line, uint64_t mtu);
void sim_act_net_use(struct sim_world *world, uint64_t line, uint64_t unused); /* both ends */
void sim_act_net_fail(struct sim_world *world, uint64_t line, uint64_t unused);
void sim_act_net_reset(struct sim_world *world, uint64_t line, uint64_t unused);
void sim_act_net_mtu(struct sim_world *world, uint64_t line, uint64_t mtu);
void sim_act_sleep(struct sim_world *world, uint64_t end, uint64_t is_asleep);
void sim_act_key(struct sim_world *world, uint64_t number,
                 uint64_t unused); /* both add, then use */
