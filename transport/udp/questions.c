/* The open probes of a path. */
#include "transport/udp/questions.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void udp_questions_fini(struct udp_questions *self)
{
    free(self->open);
    *self = (struct udp_questions){0};
}

void udp_questions_add(struct udp_questions *self, const uint8_t nonce[PROBE_NONCE],
                       uint64_t now_us)
{
    if (!self->open)
        self->open = check_alloc(UDP_QUESTIONS_OPEN * sizeof *self->open);
    struct udp_question *question = &self->open[self->next++ % UDP_QUESTIONS_OPEN];
    memcpy(question->nonce, nonce, PROBE_NONCE);
    question->sent_us = now_us;
}

uint64_t udp_questions_find(const struct udp_questions *self, const uint8_t nonce[PROBE_NONCE])
{
    for (unsigned i = 0; self->open && i < UDP_QUESTIONS_OPEN; i++)
        if (self->open[i].sent_us && !memcmp(self->open[i].nonce, nonce, PROBE_NONCE))
            return self->open[i].sent_us;
    return 0;
}

uint64_t udp_questions_close(struct udp_questions *self, uint64_t until_us)
{
    uint64_t oldest_us = 0;
    for (unsigned i = 0; self->open && i < UDP_QUESTIONS_OPEN; i++) {
        uint64_t sent_us = self->open[i].sent_us;
        if (sent_us <= until_us)
            self->open[i].sent_us = 0;
        else if (!oldest_us || sent_us < oldest_us)
            oldest_us = sent_us;
    }
    return oldest_us;
}
