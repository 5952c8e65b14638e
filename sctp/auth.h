/* sctp/auth.h: authenticated chunks (RFC 4895): the parameters of INIT and INIT ACK, keys by
 * number, MACs made and checked. SHA-256 first, SHA-1 because section 3.3 demands it. Private to
 * sctp/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/wire.h"
#include "sctp/association.h"

/* RANDOM of 32 bytes with its header (36), CHUNKS and HMAC-ALGO: all three parameters as they stand
 * in the packet, which is what the key vector is made of (section 6.1). */
#define SCTP_AUTH_RANDOM         32
#define SCTP_AUTH_PARAMETERS_MAX 200

struct sctp_auth; /* of one association */

/* Writes our three parameters. Returns their length. */
size_t sctp_auth_put_parameters(struct wire_writer *writer,
                                const uint8_t random[static SCTP_AUTH_RANDOM]);
/* Finds the peer's among the parameters of its INIT or INIT ACK and copies them, in the order
 * RANDOM, CHUNKS, HMAC-ALGO. False: one is missing, comes twice or is malformed, there is no HMAC
 * that we know, or CHUNKS lists what must not be in it (sections 3.1 to 3.3): no AUTH with it. */
bool sctp_auth_read_parameters(struct wire_reader parameters,
                               uint8_t out[static SCTP_AUTH_PARAMETERS_MAX], size_t *length);

/* Both ends' parameters, as put and read above. Key 0 is empty and in use. Owns: caller. NULL: they
 * are not what sctp_auth_read_parameters gives. */
struct sctp_auth *sctp_auth_new(const uint8_t *own, size_t own_length, const uint8_t *peer,
                                size_t peer_length);
void sctp_auth_free(struct sctp_auth *self);

/* As association_auth_*; ERR_LIMIT-like errors: see association.h. */
enum err sctp_auth_add(struct sctp_auth *self, uint16_t number, const uint8_t *key, size_t length);
enum err sctp_auth_use(struct sctp_auth *self, uint16_t number);
enum err sctp_auth_drop(struct sctp_auth *self, uint16_t number);

/* Whether chunks of that type must be authenticated: as the peer asked for what we send, as we
 * asked for what it sends (section 6.3: others are dropped silently). */
bool sctp_auth_must_send(const struct sctp_auth *self, uint8_t type);
bool sctp_auth_must_come(const struct sctp_auth *self, uint8_t type);

/* An AUTH chunk with room for its MAC; everything written behind it until sctp_auth_sign is
 * covered. Returns where it begins; NULL: no room. */
uint8_t *sctp_auth_begin(const struct sctp_auth *self, struct wire_writer *writer);
void sctp_auth_sign(const struct sctp_auth *self, uint8_t *chunk, const uint8_t *packet_end);
/* Bytes of that chunk. */
size_t sctp_auth_size(const struct sctp_auth *self);

/* Of what comes: chunk is the AUTH chunk, end the end of the packet. The MAC's bytes are cleared
 * meanwhile and restored. False: wrong, or made with a key or HMAC that we do not have; then
 * *unsupported_hmac says whether an ERROR is due (section 4.1). */
bool sctp_auth_check(const struct sctp_auth *self, uint8_t *chunk, const uint8_t *end,
                     bool *unsupported_hmac);
