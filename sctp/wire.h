/* sctp/wire.h: SCTP packets as bytes (RFC 9260 section 3, RFC 4895 section 3 and 4): reading, with
 * every length checked, and writing. Nothing here keeps anything. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "sctp/reassembly.h"

/* Common header: ports, verification tag, checksum (section 3.1). */
#define SCTP_HEADER       12
#define SCTP_CHUNK_HEADER 4
#define SCTP_DATA_HEADER  16
#define SCTP_SACK_HEADER  16

enum sctp_chunk_type {
    SCTP_CHUNK_DATA = 0,
    SCTP_CHUNK_INIT = 1,
    SCTP_CHUNK_INIT_ACK = 2,
    SCTP_CHUNK_SACK = 3,
    SCTP_CHUNK_HEARTBEAT = 4,
    SCTP_CHUNK_HEARTBEAT_ACK = 5,
    SCTP_CHUNK_ABORT = 6,
    SCTP_CHUNK_SHUTDOWN = 7,
    SCTP_CHUNK_SHUTDOWN_ACK = 8,
    SCTP_CHUNK_ERROR = 9,
    SCTP_CHUNK_COOKIE_ECHO = 10,
    SCTP_CHUNK_COOKIE_ACK = 11,
    SCTP_CHUNK_SHUTDOWN_COMPLETE = 14,
    SCTP_CHUNK_AUTH = 15,  /* RFC 4895 */
    SCTP_CHUNK_PAD = 0x84, /* RFC 4820 */
};

enum sctp_chunk_flag {
    SCTP_FLAG_END = 1,       /* DATA */
    SCTP_FLAG_BEGIN = 2,     /* DATA */
    SCTP_FLAG_UNORDERED = 4, /* DATA */
    SCTP_FLAG_IMMEDIATE = 8, /* DATA: the I bit, acknowledge at once */
    SCTP_FLAG_REFLECTED = 1, /* ABORT, SHUTDOWN COMPLETE: the T bit, the tag is the sender's own */
};

/* Sections 3.3.2.1, 3.3.3.1, RFC 4895 section 3, RFC 5061 section 4.2.7, RFC 4820. */
enum sctp_parameter_type {
    SCTP_PARAMETER_HEARTBEAT_INFO = 1,
    SCTP_PARAMETER_STATE_COOKIE = 7,
    SCTP_PARAMETER_UNRECOGNIZED = 8,
    SCTP_PARAMETER_HOST_NAME = 11,
    SCTP_PARAMETER_RANDOM = 0x8002,
    SCTP_PARAMETER_CHUNKS = 0x8003,
    SCTP_PARAMETER_HMACS = 0x8004,
    SCTP_PARAMETER_EXTENSIONS = 0x8008,
    /* Our own; others skip it without a word, as its two highest bits say (section 3.2.1). Value:
     * "HWS", then a version. An endpoint that sends it never takes back what a gap block
     * acknowledged, takes 65 535 TSNs ahead, and takes nothing from a gap that a SACK left out. */
    SCTP_PARAMETER_HAWSER = 0xbf48,
};

/* Section 3.3.10. */
enum sctp_cause {
    SCTP_CAUSE_INVALID_STREAM = 1,
    SCTP_CAUSE_MISSING_PARAMETER = 2,
    SCTP_CAUSE_STALE_COOKIE = 3,
    SCTP_CAUSE_UNRESOLVABLE_ADDRESS = 5,
    SCTP_CAUSE_UNRECOGNIZED_CHUNK = 6,
    SCTP_CAUSE_INVALID_PARAMETER = 7,
    SCTP_CAUSE_UNRECOGNIZED_PARAMETERS = 8,
    SCTP_CAUSE_NO_USER_DATA = 9,
    SCTP_CAUSE_COOKIE_IN_SHUTDOWN = 10,
    SCTP_CAUSE_USER_ABORT = 12,
    SCTP_CAUSE_PROTOCOL_VIOLATION = 13,
    SCTP_CAUSE_UNSUPPORTED_HMAC = 0x0105, /* RFC 4895 section 4.1 */
};

struct sctp_header {
    uint16_t source, destination;
    uint32_t tag;
};

/* One chunk of a packet: a view, nothing is copied. */
struct sctp_chunk {
    uint8_t type, flags;
    const uint8_t *whole; /* with its header */
    const uint8_t *value;
    size_t length; /* of the value, without padding */
};

/* A parameter or an error cause. */
struct sctp_parameter {
    uint16_t type;
    const uint8_t *whole, *value;
    size_t length; /* of the value, without padding */
};

/* A SACK (section 3.3.4), host order; gaps and duplicates stand in the packet. */
struct sctp_sack {
    uint32_t cumulative, window;
    uint16_t gap_count, duplicate_count;
    const uint8_t *gaps, *duplicates;
};

/* The fixed part of INIT and INIT ACK (sections 3.3.2, 3.3.3), host order. */
struct sctp_init {
    uint32_t tag, window;
    uint16_t streams_out, streams_in;
    uint32_t tsn;
    struct wire_reader parameters;
};

/* ---- reading ---- */

/* Length (a multiple of 4, at least a header and one chunk), ports that are not 0, checksum; and
 * each chunk's length: at least 4, within the packet. False: drop it silently (sections 3.1, 6.8).
 * The functions below check each type's own length. */
bool sctp_wire_check(const uint8_t *packet, size_t length, struct sctp_header *header);

/* The chunks of a checked packet, one after the other. False after the last. */
struct wire_reader sctp_wire_chunks(const uint8_t *packet, size_t length);
bool sctp_wire_next_chunk(struct wire_reader *chunks, struct sctp_chunk *chunk);

/* Parameters or causes in a chunk's value. False after the last, and where the next one does not
 * add up: then reader->overrun is set. */
bool sctp_wire_next_parameter(struct wire_reader *reader, struct sctp_parameter *parameter);

/* True: there is one of that type among them; *found: the first. */
bool sctp_wire_find(struct wire_reader parameters, uint16_t type, struct sctp_parameter *found);
/* True: that ERROR has the cause "stale cookie". */
bool sctp_wire_is_stale_cookie(const struct sctp_chunk *error);
/* True: all of them add up. */
bool sctp_wire_adds_up(struct wire_reader parameters);

/* False: the chunk is too short for its type, or does not add up. DATA of no bytes is read (length
 * 0), because its TSN must be reported (section 6.2). */
bool sctp_wire_read_data(const struct sctp_chunk *chunk, struct sctp_data *data);
bool sctp_wire_read_sack(const struct sctp_chunk *chunk, struct sctp_sack *sack);
bool sctp_wire_read_init(const struct sctp_chunk *chunk, struct sctp_init *init);

static inline uint16_t sctp_wire_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t sctp_wire_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* With what fills up its last 4 bytes (section 3.2). */
static inline size_t sctp_wire_padded(size_t length)
{
    return (length + 3) & ~(size_t)3;
}

/* Block i: TSNs cumulative + *start to cumulative + *end. */
static inline void sctp_wire_gap(const struct sctp_sack *sack, unsigned i, uint16_t *start,
                                 uint16_t *end)
{
    *start = sctp_wire_u16(sack->gaps + 4 * (size_t)i);
    *end = sctp_wire_u16(sack->gaps + 4 * (size_t)i + 2);
}

/* ---- writing ---- */

/* The caller has checked the room. They return the place behind. */
static inline uint8_t *sctp_wire_store_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *sctp_wire_store_u32(uint8_t *at, uint32_t value)
{
    return sctp_wire_store_u16(sctp_wire_store_u16(at, value >> 16), value);
}

void sctp_wire_put_header(struct wire_writer *writer, const struct sctp_header *header);

/* A whole chunk or parameter with its padding. */
void sctp_wire_put_chunk(struct wire_writer *writer, uint8_t type, uint8_t flags, const void *value,
                         size_t length);
void sctp_wire_put_parameter(struct wire_writer *writer, uint16_t type, const void *value,
                             size_t length);

/* A chunk whose value follows: returns where it begins; sctp_wire_end fills in its length and pads
 * it. NULL: no room, and the writer has overrun. */
uint8_t *sctp_wire_begin(struct wire_writer *writer, uint8_t type, uint8_t flags);
void sctp_wire_end(struct wire_writer *writer, uint8_t *chunk);

/* ABORT or ERROR with one cause. */
void sctp_wire_put_cause(struct wire_writer *writer, uint8_t type, uint8_t flags, uint16_t cause,
                         const void *value, size_t length);

/* Fills in the checksum of a whole packet. */
void sctp_wire_seal(uint8_t *packet, size_t length);
