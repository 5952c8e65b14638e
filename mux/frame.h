/* mux/frame.h: the frames as bytes (docs/PROTOCOL.md section 3): one table of rules (frames.def),
 * the header, and the payloads that have an inner structure. Knows no state. Thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/wire.h"
#include "mux/stream.h"

#define FRAME_HEADER_SIZE 4
#define FRAME_DATA_MAX    (MUX_RECORD_MAX - FRAME_HEADER_SIZE)

enum frame_type {
#define FRAME_ROW(name, code, channel, min, max, phases) FRAME_##name = (code),
#include "mux/frames.def"
#undef FRAME_ROW
};

enum frame_channel { FRAME_ON_STREAM, FRAME_ON_CONTROL };

/* The state of a stream, as far as it decides which frames may come (rule X5). */
enum frame_phase {
    PHASE_UNBOUND = 1,
    PHASE_IDLE = 2,
    PHASE_OPENING = 4,
    PHASE_OPENED = 8,
    PHASE_OPEN = 16,
    PHASE_PEER_FIN = 32,
    PHASE_PEER_GONE = 64, /* after RESET or REFUSE: nothing */
};

struct frame {
    uint8_t type, lease;
    uint8_t phases; /* bits of enum frame_phase */
    uint16_t length;
    const uint8_t *payload; /* within the record */
};

struct frame_bind {
    uint8_t association[MUX_ASSOCIATION_ID_SIZE];
    uint16_t stream;
};

struct frame_open {
    uint64_t connection;
    char service[MUX_SERVICE_NAME_MAX + 1];
    char client[MUX_TEXT_MAX + 1];
};

struct frame_refuse {
    enum err why;
    char text[MUX_TEXT_MAX + 1];
};

/* Largest OPEN and REFUSE payloads: numbers, lengths and both texts. */
#define FRAME_OPEN_MAX   (8 + 1 + MUX_SERVICE_NAME_MAX + 1 + MUX_TEXT_MAX)
#define FRAME_REFUSE_MAX (2 + 1 + MUX_TEXT_MAX)

/* Takes the next frame of a record. ERR_OK; ERR_FRAME_UNKNOWN: not a type of this channel;
 * ERR_FRAME_LENGTH: crosses the record's end, or a length that the type does not have. */
enum err frame_next(struct wire_reader *record, enum frame_channel channel, struct frame *frame);

/* Payload as one number: FIN, RESET, CREDIT and the control frames with one field. */
uint64_t frame_number(const struct frame *frame);
/* ERR_OK, ERR_FRAME_LENGTH, ERR_FRAME_VALUE (rule F3; connection 0). */
enum err frame_get_open(const struct frame *frame, struct frame_open *open);
enum err frame_get_refuse(const struct frame *frame, struct frame_refuse *refuse);
/* Cannot fail: the length is checked already. */
struct frame_bind frame_get_bind(const struct frame *frame);

/* True: a frame with `payload` bytes still fits. */
bool frame_fits(const struct wire_writer *w, size_t payload);
/* The header; the caller puts the payload behind it. */
void frame_put(struct wire_writer *w, enum frame_type type, uint8_t lease, size_t length);
/* A frame whose payload is one number of the type's length. */
void frame_put_number(struct wire_writer *w, enum frame_type type, uint8_t lease, uint64_t value);
void frame_put_bind(struct wire_writer *w, const struct frame_bind *bind);

/* Payloads alone. open must be valid (frame_is_open); text is cut at MUX_TEXT_MAX bytes. */
size_t frame_encode_open(uint8_t to[static FRAME_OPEN_MAX], const struct mux_open *open);
size_t frame_encode_refuse(uint8_t to[static FRAME_REFUSE_MAX], enum err why, const char *text);

/* A name or text with its length in front, into a buffer with room for size - 1 bytes and a NUL.
 * ERR_OK, ERR_FRAME_LENGTH, ERR_FRAME_VALUE. */
enum err frame_get_name(struct wire_reader *r, char to[static MUX_SERVICE_NAME_MAX + 1]);
void frame_put_text(struct wire_writer *w, const char *text);

/* 1 to 63 of [A-Za-z0-9._-]. */
bool frame_is_name(const char *name, size_t length);
/* True: it may be sent: it has a name and a connection, and its text is not too long. */
bool frame_is_open(const struct mux_open *open);

/* "OPEN", static; NULL: no such type. */
const char *frame_type_name(uint8_t type);
