/* The number of answers that an endpoint gives to addresses that it does not know. */
#include "transport/udp/answers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define NOW 5000000000ull

static struct address address(const char *text)
{
    struct endpoint endpoint;
    char why[128];
    must(endpoint_parse(&endpoint, text, ".", why, sizeof why) == ERR_OK);
    struct address parsed = endpoint.address;
    endpoint_clear(&endpoint);
    return parsed;
}

static unsigned allowed_of(struct answers *self, enum answers_kind kind, const char *text,
                           unsigned asked, uint64_t now_us)
{
    struct address from = address(text);
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++)
        count += answers_allow(self, kind, &from, now_us);
    return count;
}

static unsigned allowed(struct answers *self, const char *text, unsigned asked, uint64_t now_us)
{
    return allowed_of(self, ANSWERS_OTHER, text, asked, now_us);
}

static struct answers *fresh(void)
{
    struct answers *self = check_alloc(sizeof *self);
    answers_init(self, &(struct sctp_sharing){0});
    return self;
}

static void of_one_source(void)
{
    struct answers *self = fresh();
    ok(allowed(self, "192.0.2.1:1", 5000, NOW) == ANSWERS_OF_SOURCE, "one source gets so many");
    ok(!allowed(self, "192.0.2.1:2", 10, NOW) && !allowed(self, "[::ffff:192.0.2.1]:2", 10, NOW),
       "also from other ports, and however its address is written");
    ok(allowed(self, "192.0.2.2:1", 10, NOW) == 10, "another is not kept out by it");
    ok(allowed(self, "192.0.2.1:1", 5000, NOW + 100000) == ANSWERS_OF_SOURCE / 10,
       "a tenth of a second later a tenth of it is back");
    ok(allowed(self, "[2001:db8::1]:1", 5000, NOW + 1000000) == ANSWERS_OF_SOURCE &&
           !allowed(self, "[2001:db8::ffff:1:2]:1", 10, NOW + 1000000),
       "a /64 of IPv6 is one source");
    ok(allowed(self, "[2001:db8:0:1::1]:1", 10, NOW + 2000000) == 10, "the next /64 is another");
    free(self);
}

static void of_all(void)
{
    struct answers *self = fresh();
    unsigned count = 0;
    char text[64];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "10.%u.%u.1:9", i / 250, i % 250);
        count += allowed(self, text, 1, NOW);
    }
    ok(count == ANSWERS_PER_SECOND, "5000 sources together get no more than the allowance of all");
    ok(allowed(self, "192.0.2.1:1", 1, NOW + 1000000) == 1, "which comes back");
    free(self);
}

/* A flood of forged INITs takes the answers of nobody whose address it does not forge. */
static void of_inits(void)
{
    struct answers *self = fresh();
    unsigned count = 0;
    char text[64];
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "10.%u.%u.%u:9", i >> 16, i >> 8 & 255, i & 255);
        count += allowed_of(self, ANSWERS_INIT, text, 1, NOW);
    }
    ok(count == 100000, "INITs of 100000 sources at once are answered (%u)", count);
    ok(allowed_of(self, ANSWERS_INIT, "192.0.2.1:1", 5000, NOW) > ANSWERS_OF_SOURCE / 2,
       "and of one more");
    ok(!allowed(self, "192.0.2.1:1", 10, NOW), "one source has one allowance for all kinds");
    ok(allowed(self, "192.0.2.2:1", 10, NOW) == 10, "other answers are counted by themselves");
    free(self);
}

/* Several sockets at one address have the allowance of one. */
static void of_parts(void)
{
    unsigned all = 0, source = 0, least = 0;
    char text[64];
    for (unsigned part = 0; part < 4; part++) {
        struct answers *self = check_alloc(sizeof *self);
        answers_init(self, &(struct sctp_sharing){.index = part, .count = 4});
        source += allowed(self, "192.0.2.1:1", 5000, NOW);
        for (unsigned i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "10.%u.%u.1:9", i / 250, i % 250);
            all += allowed(self, text, 1, NOW + 10000000);
        }
        answers_init(self, &(struct sctp_sharing){.index = part, .count = 64});
        least += allowed_of(self, ANSWERS_INIT, "192.0.2.9:1", 5000, NOW + 20000000);
        free(self);
    }
    ok(source == ANSWERS_OF_SOURCE, "four parts give one source no more (%u)", source);
    ok(all == ANSWERS_PER_SECOND, "nor all sources (%u)", all);
    ok(least == 4 * ANSWERS_OF_SOURCE_LEAST, "of many parts each has some for a source");
}

int main(void)
{
    of_parts();
    of_one_source();
    of_all();
    of_inits();
    return tap_done();
}
