/* ERROR chunks that are owed: bounded in size, in number and in time. */
#include "sctp/replies.h"

#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define SECOND 1000000u

static uint8_t packet[2048];

/* The chunk that is put; its length with padding, 0: none. */
static size_t put(struct sctp_association *self, size_t room)
{
    struct wire_writer writer = wire_writer(packet, room);
    if (self->replies.causes)
        sctp_replies_put_error(self, &writer);
    return writer.overrun ? 0 : (size_t)(writer.at - packet);
}

static void test_one(void)
{
    struct sctp_association self = {0};
    static const uint8_t stream[4] = {0, 99, 0, 0};
    ok(!self.replies.causes, "nothing is owed at first");
    sctp_replies_add_cause(&self, 5, SCTP_CAUSE_INVALID_STREAM, stream, sizeof stream);
    ok(self.replies.causes != NULL, "a cause is owed");
    ok(!put(&self, 8), "no room: it stays owed");
    ok(self.replies.causes != NULL, "it does");
    static const uint8_t expected[12] = {SCTP_CHUNK_ERROR, 0, 0, 12, 0, 1, 0, 8, 0, 99, 0, 0};
    ok(put(&self, sizeof packet) == 12 && !memcmp(packet, expected, 12),
       "ERROR: cause 1, the stream, reserved 0 (3.3.10.1)");
    ok(!self.replies.causes, "nothing is owed, or kept, any more");
    sctp_replies_fini(&self);
}

static void test_several(void)
{
    struct sctp_association self = {0};
    static const uint8_t chunk[7] = {0xc1, 0, 0, 7, 1, 2, 3};
    sctp_replies_add_cause(&self, 5, SCTP_CAUSE_UNRECOGNIZED_CHUNK, chunk, sizeof chunk);
    sctp_replies_add_cause(&self, 6, SCTP_CAUSE_UNSUPPORTED_HMAC, "\0\7", 2);
    size_t length = put(&self, sizeof packet);
    struct wire_reader reader = wire_reader(packet, length);
    struct sctp_chunk error;
    struct sctp_parameter cause;
    ok(sctp_wire_next_chunk(&reader, &error) && error.type == SCTP_CHUNK_ERROR && !error.flags,
       "several causes go in one ERROR");
    struct wire_reader causes = wire_reader(error.value, error.length);
    ok(sctp_wire_next_parameter(&causes, &cause) && cause.type == 6 && cause.length == 7 &&
           !memcmp(cause.value, chunk, 7),
       "the unknown chunk with its header (3.3.10.6)");
    ok(sctp_wire_next_parameter(&causes, &cause) && cause.type == 0x105 && cause.length == 2,
       "the HMAC's number (RFC 4895 4.1): length 6");
    ok(!sctp_wire_next_parameter(&causes, &cause) && !causes.overrun, "no more");
    sctp_replies_fini(&self);
}

static void test_size(void)
{
    struct sctp_association self = {0};
    static const uint8_t large[1400] = {0xc1};
    sctp_replies_add_cause(&self, 5, SCTP_CAUSE_UNRECOGNIZED_CHUNK, large, sizeof large);
    ok(self.replies.causes_length == SCTP_CAUSES_MAX, "one that is too long is cut to %u bytes",
       SCTP_CAUSES_MAX);
    sctp_replies_add_cause(&self, 5, SCTP_CAUSE_UNRECOGNIZED_CHUNK, large, 4);
    ok(self.replies.causes_length == SCTP_CAUSES_MAX, "no more than that is owed");
    ok(put(&self, sizeof packet) == SCTP_CAUSES_MAX + SCTP_CHUNK_HEADER, "the chunk adds up");
    unsigned count = 0;
    for (unsigned i = 0; i < 100; i++)
        sctp_replies_add_cause(&self, 5, SCTP_CAUSE_UNRECOGNIZED_CHUNK, large, 41);
    put(&self, sizeof packet);
    struct wire_reader reader = wire_reader(packet, sizeof packet);
    struct sctp_chunk error;
    struct sctp_parameter cause;
    sctp_wire_next_chunk(&reader, &error);
    struct wire_reader causes = wire_reader(error.value, error.length);
    while (sctp_wire_next_parameter(&causes, &cause))
        count += cause.length == 41;
    ok(count == SCTP_CAUSES_MAX / 48 && !causes.overrun, "of a hundred, those that fit whole");
    sctp_replies_fini(&self);
}

static unsigned given(struct sctp_association *self, uint64_t now_us, unsigned asked)
{
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++) {
        sctp_replies_add_cause(self, now_us, SCTP_CAUSE_UNRECOGNIZED_CHUNK, "abcd", 4);
        count += put(self, sizeof packet) > 0;
    }
    return count;
}

static void test_rate(uint64_t start)
{
    struct sctp_association self = {0};
    ok(given(&self, start, 100) == SCTP_ERRORS_PER_SECOND, "from %llu: %u at once, no more",
       (unsigned long long)start, SCTP_ERRORS_PER_SECOND);
    ok(given(&self, start + SECOND - 1, 100) == 0, "nor within the second");
    ok(given(&self, start + SECOND, 3) == 3 && given(&self, start + 2 * SECOND - 1, 100) == 7,
       "the next second has its own");
    ok(given(&self, start + 100 * SECOND, 100) == SCTP_ERRORS_PER_SECOND,
       "a pause saves nothing up");
    sctp_replies_fini(&self);
}

int main(void)
{
    test_one();
    test_several();
    test_size();
    test_rate(0);
    test_rate(12345678901234u);
    return tap_done();
}
