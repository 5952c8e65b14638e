/* base/wire.h: big-endian read and write cursors whose error sticks: after the first overrun all
 * further calls do nothing (reads give 0), so decoding is straight-line code with one check. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
    const uint8_t *at, *end;
    bool overrun;
};

struct wire_writer {
    uint8_t *at, *end;
    bool overrun;
};

static inline struct wire_reader wire_reader(const void *data, size_t length)
{
    const uint8_t *bytes = data;
    return (struct wire_reader){.at = bytes, .end = bytes + length};
}

static inline struct wire_writer wire_writer(void *data, size_t capacity)
{
    uint8_t *bytes = data;
    return (struct wire_writer){.at = bytes, .end = bytes + capacity};
}

static inline size_t wire_left(const struct wire_reader *r)
{
    return r->overrun ? 0 : (size_t)(r->end - r->at);
}

/* The next length bytes, not copied; NULL after an overrun. */
static inline const uint8_t *wire_get_bytes(struct wire_reader *r, size_t length)
{
    if (r->overrun || (size_t)(r->end - r->at) < length) {
        r->overrun = true;
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += length;
    return bytes;
}

static inline uint64_t wire_get(struct wire_reader *r, size_t width)
{
    const uint8_t *bytes = wire_get_bytes(r, width);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}
#define wire_get_u8(r)  ((uint8_t)wire_get((r), 1))
#define wire_get_u16(r) ((uint16_t)wire_get((r), 2))
#define wire_get_u32(r) ((uint32_t)wire_get((r), 4))
#define wire_get_u64(r) (wire_get((r), 8))

static inline size_t wire_room(const struct wire_writer *w)
{
    return w->overrun ? 0 : (size_t)(w->end - w->at);
}

static inline void wire_put(struct wire_writer *w, uint64_t value, size_t width)
{
    if (wire_room(w) < width) {
        w->overrun = true;
        return;
    }
    for (size_t i = width; i-- > 0; value >>= 8)
        w->at[i] = (uint8_t)value;
    w->at += width;
}
#define wire_put_u8(w, v)  wire_put((w), (v), 1)
#define wire_put_u16(w, v) wire_put((w), (v), 2)
#define wire_put_u32(w, v) wire_put((w), (v), 4)
#define wire_put_u64(w, v) wire_put((w), (v), 8)

static inline void wire_put_bytes(struct wire_writer *w, const void *data, size_t length)
{
    if (wire_room(w) < length) {
        w->overrun = true;
        return;
    }
    if (length)
        memcpy(w->at, data, length);
    w->at += length;
}
