#include "sctp/trouble.h"

#include <stdlib.h>

#include "base/check.h"

#define CAUSE_HEADER 4

#define SECOND_US 1000000

/* A second of ours begins with its first ERROR. */
static bool may_give(struct sctp_trouble *trouble, uint64_t now_us)
{
    if (!trouble->given || now_us - trouble->since_us >= SECOND_US) {
        trouble->since_us = now_us;
        trouble->given = 0;
    }
    return trouble->given < SCTP_TROUBLE_PER_SECOND;
}

void sctp_trouble_add(struct sctp_association *self, uint64_t now_us, uint16_t cause,
                      const void *value, size_t length)
{
    struct sctp_trouble *trouble = &self->trouble;
    if (!trouble->causes) {
        if (!may_give(trouble, now_us))
            return;
        trouble->given++;
        trouble->causes = check_alloc(SCTP_TROUBLE_MAX);
    }
    size_t left = SCTP_TROUBLE_MAX - trouble->length;
    if (!trouble->length && length > left - CAUSE_HEADER)
        length = left - CAUSE_HEADER;
    if (left < CAUSE_HEADER || length > left - CAUSE_HEADER)
        return;
    struct wire_writer writer = wire_writer(trouble->causes + trouble->length, left);
    sctp_wire_put_parameter(&writer, cause, value, length);
    trouble->length = (size_t)(writer.at - trouble->causes);
}

bool sctp_trouble_wants(const struct sctp_association *self)
{
    return self->trouble.causes != NULL;
}

bool sctp_trouble_put(struct sctp_association *self, struct wire_writer *writer)
{
    struct sctp_trouble *trouble = &self->trouble;
    sctp_wire_put_chunk(writer, SCTP_CHUNK_ERROR, 0, trouble->causes, trouble->length);
    if (writer->overrun)
        return false;
    sctp_trouble_fini(self);
    return true;
}

void sctp_trouble_fini(struct sctp_association *self)
{
    free(self->trouble.causes);
    self->trouble.causes = NULL;
    self->trouble.length = 0;
}
