/* tests/sim/work.h: sends the messages of both ends, and checks that each arrives once, whole and
 * in order.
 *
 * The content of a message follows from its association, its stream and its place in it, so the
 * receiver knows it without being told; sizes of 1 byte are possible. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"

#define SIM_WORKS   4
#define SIM_STREAMS 256

struct sim_world;
struct sim_end;

enum sim_work_kind {
    SIM_NONE,
    SIM_EARLY,  /* one message, behind COOKIE ECHO */
    SIM_BULK,   /* as fast as it goes */
    SIM_TALK,   /* messages at chance times */
    SIM_BURST,  /* so many messages at once, then a pause */
    SIM_ASK,    /* one; the next a pause after the answer */
    SIM_ANSWER, /* one for each that comes on its streams */
};
struct sim_work {
    enum sim_work_kind kind;
    uint16_t stream, streams;  /* the first, and how many: no other work of this end has them */
    uint32_t least, most;      /* bytes of a message */
    uint64_t begin_us, end_us; /* after it is up; end 0: never */
    uint64_t messages;         /* at most; 0: no limit */
    uint64_t pause_us;         /* TALK: on average */
    uint32_t burst; /* BURST: at once; BULK of one stream: that many not taken yet; 0: no limit */
};

#define SIM_ROUNDS 4096

struct sim_running {
    uint64_t sent;
    uint64_t due_us;         /* UINT64_MAX: not by time */
    uint32_t ready;          /* messages that may go now */
    struct message *pending; /* not sent yet: the engine had no room */
    uint16_t stream;         /* ANSWER: on which it was asked */
};

/* One association at one end. */
struct sim_user {
    uint64_t life; /* determines its messages */
    bool is_up, saw_down, is_closing, is_aborted;
    uint16_t streams;
    uint64_t up_us;
    uint64_t messages_in, bytes_in, messages_out, bytes_out;
    struct sim_running running[SIM_WORKS];
    uint32_t sent[SIM_STREAMS], received[SIM_STREAMS];
    uint64_t peer_life; /* 0: nothing has come */
    uint64_t asked_us;
    uint32_t rounds[SIM_ROUNDS]; /* microseconds from question to answer */
    uint32_t round_count;
};

void sim_user_begin(struct sim_end *end);
void sim_user_up(struct sim_end *end, uint16_t streams);
void sim_user_fini(struct sim_user *user);
void sim_user_answered(struct sim_end *end); /* SCTP_EVENT_ANSWERED */
/* Owns: takes the message. */
void sim_user_message(struct sim_end *end, struct message *message);
/* Sends what is due and fits; call also when the engine is writable. */
void sim_user_send(struct sim_end *end);
/* When sim_user_send has something by time; UINT64_MAX: never. */
uint64_t sim_user_due(const struct sim_end *end);
/* Everything it was to send is sent. */
bool sim_user_is_done(const struct sim_end *end);
/* All that the peer has sent has come. */
bool sim_user_has_all(const struct sim_end *end);
double sim_user_round_ms(struct sim_user *user, double share);
