/* The number of answers to packets out of the blue. */
#include "transport/udp/answers.h"

#include <string.h>

#include "tests/lib/tap.h"

#define PER_SECOND 100

static struct path_key peer(unsigned number)
{
    struct address address;
    memset(&address, 0, sizeof address);
    address.length = sizeof address.in;
    address.in.sin_family = AF_INET;
    address.in.sin_addr.s_addr = number;
    return path_key(&address, &(struct address){0}, 0, 1, 2);
}

static unsigned allowed(struct answers_limit *limit, unsigned asked, uint64_t from_us,
                        uint64_t step_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++) {
        struct path_key key = peer(i);
        count += answers_limit_allow(limit, &key, from_us + i * step_us);
    }
    return count;
}

static void limited(void)
{
    struct answers_limit limit = {.per_second = PER_SECOND};
    ok(allowed(&limit, 1000, 5000000, 0) == PER_SECOND, "so many at once");
    ok(allowed(&limit, 100, 5009999, 0) == 0, "none more in the next 10 ms");
    ok(allowed(&limit, 100, 5010000, 0) == 1, "then one");
    unsigned count = allowed(&limit, 100000, 5020000, 100);
    ok(count >= 998 && count <= 1001, "in 10 s of a flood 1000 (%u)", count);
    ok(allowed(&limit, 1000, 1000000000000, 0) == PER_SECOND,
       "a long rest is worth no more than a second");
    struct answers_limit endpoint = {.per_second = ANSWERS_OOTB_PER_SECOND};
    ok(allowed(&endpoint, 2000, 5000000, 0) == 1000,
       "a thousand peers of an endpoint that was restarted learn of it at once");
    struct answers_limit fresh = {.per_second = PER_SECOND};
    ok(allowed(&fresh, 1, 0, 0) == 1, "right from the start of the clock");
}

static void not_repeated(void)
{
    struct answers_limit limit = {.per_second = PER_SECOND};
    struct path_key one = peer(1), other = peer(2);
    uint64_t now = 7000000;
    ok(answers_limit_allow(&limit, &one, now) &&
           !answers_limit_allow(&limit, &one, now + ANSWERS_REPEAT_US - 1),
       "a bulk of one peer's packets gets one answer");
    ok(answers_limit_allow(&limit, &one, now + ANSWERS_REPEAT_US),
       "what it repeats later gets another");
    ok(answers_limit_allow(&limit, &other, now + ANSWERS_REPEAT_US), "another peer does not wait");
    for (unsigned i = 0; i < 1000; i++)
        answers_limit_allow(&limit, &other, now + ANSWERS_REPEAT_US);
    ok(answers_limit_allow(&limit, &one, now + ANSWERS_REPEAT_US + 1), "nor pay for it");
}

int main(void)
{
    limited();
    not_repeated();
    return tap_done();
}
