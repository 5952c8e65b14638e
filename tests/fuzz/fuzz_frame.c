/* Any bytes as a record: what is accepted must come out the same when it is written again. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "mux/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_open(const struct frame *frame)
{
    struct frame_open out;
    if (frame_get_open(frame, &out))
        return;
    struct mux_open again = {out.connection, out.service, out.client};
    uint8_t payload[FRAME_OPEN_MAX];
    must(frame_is_open(&again));
    must(frame_encode_open(payload, &again) == frame->length);
    must(memcmp(payload, frame->payload, frame->length) == 0);
}

static void check_refuse(const struct frame *frame)
{
    struct frame_refuse out;
    if (frame_get_refuse(frame, &out))
        return;
    uint8_t payload[FRAME_REFUSE_MAX];
    must(frame_encode_refuse(payload, out.why, out.text) == frame->length);
    must(memcmp(payload + 2, frame->payload + 2, frame->length - 2U) == 0);
}

static void check_frame(const struct frame *frame)
{
    must(frame_type_name(frame->type));
    must(frame->length <= FRAME_DATA_MAX);
    if (frame->type == FRAME_OPEN)
        check_open(frame);
    else if (frame->type == FRAME_REFUSE)
        check_refuse(frame);
    else if (frame->type == FRAME_BIND)
        must(frame_get_bind(frame).stream == (frame->payload[16] << 8 | frame->payload[17]));
    else if (frame->length && frame->length <= 8)
        must((frame_number(frame) & 0xff) == frame->payload[frame->length - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int channel = FRAME_ON_STREAM; channel <= FRAME_ON_CONTROL; channel++) {
        struct wire_reader r = wire_reader(data, size);
        struct frame frame;
        while (wire_left(&r) && !frame_next(&r, (enum frame_channel)channel, &frame))
            check_frame(&frame);
    }
    return 0;
}
