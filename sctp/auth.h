/* sctp/auth.h: authenticated chunks (RFC 4895): the parameters of INIT and INIT ACK, keys by
 * number, MACs made and checked. UMAC-128 between two of ours, else SHA-256, or SHA-1 because
 * section 3.3 demands it. Private to sctp/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/wire.h"
#include "sctp/association.h"
#include "sctp/auth_chunks.h"

/* RANDOM of 32 bytes with its header (36), CHUNKS and HMAC-ALGO, as they stand in a packet. */
#define SCTP_AUTH_RANDOM         32
#define SCTP_AUTH_PARAMETERS_MAX 200

/* Keys of an association at most; a change of keys has three for a moment. */
#define SCTP_AUTH_KEYS_MAX 8

/* Identifiers of HMACs (section 3.3), and one of our own: UMAC-128 (RFC 4418) with a key for each
 * direction, 4 times as fast as SHA-256. By RFC 4895 both ends sign with one key, and the tag that
 * tells whose packet it is, is not signed: who sees the packets can send an end's own SACK or
 * SHUTDOWN back to it. HMAC-ALGO is part of the keys, so nobody can take this one out of it. Its
 * MAC is a nonce of 8 bytes, which no packet of an association has twice, and the tag of 16. */
#define SCTP_AUTH_SHA1    1
#define SCTP_AUTH_SHA256  3
#define SCTP_AUTH_UMAC128 0xbf48

struct sctp_auth; /* of one association */

/* Writes our three parameters. Returns their length, a multiple of 4. The last one needs no
 * padding. */
size_t sctp_auth_put_parameters(struct wire_writer *writer,
                                const uint8_t random[static SCTP_AUTH_RANDOM]);
/* Finds the peer's among the parameters of its INIT or INIT ACK and copies them, in the order
 * RANDOM, CHUNKS, HMAC-ALGO. False: one is missing, comes twice or is malformed, there is no HMAC
 * that we know, or CHUNKS lacks one that we want to be authenticated (docs/PROTOCOL.md section 8:
 * both ends, or none): no AUTH with it. */
bool sctp_auth_read_parameters(struct wire_reader parameters,
                               uint8_t out[static SCTP_AUTH_PARAMETERS_MAX], size_t *length);

/* Both ends' parameters, as put and read above. Key 0 is empty and in use. Owns: caller. NULL: they
 * are not what sctp_auth_read_parameters gives, or both are the same: our own came back. */
struct sctp_auth *sctp_auth_new(const uint8_t *own, size_t own_length, const uint8_t *peer,
                                size_t peer_length);
void sctp_auth_free(struct sctp_auth *self);

/* As association_auth_* in transport/transport.h. ERR_TRANSPORT_SOCKET: add: of a number that there
 * is, a key of more than SCTP_KEY_MAX bytes, or one too many; use, drop: of none that there is;
 * drop: of the one in use. */
enum err sctp_auth_add(struct sctp_auth *self, uint16_t number, const uint8_t *key, size_t length);
enum err sctp_auth_use(struct sctp_auth *self, uint16_t number);
enum err sctp_auth_drop(struct sctp_auth *self, uint16_t number);

/* Chunks of that type must be authenticated: when we send them, as the peer asked; when they come,
 * as we asked (section 6.3: others are dropped silently). */
bool sctp_auth_must_send(const struct sctp_auth *self, uint8_t type);
bool sctp_auth_must_come(uint8_t type);

/* An AUTH chunk with room for its MAC; everything written behind it until sctp_auth_sign is
 * covered. Returns where it begins; NULL: no room. */
uint8_t *sctp_auth_begin(const struct sctp_auth *self, struct wire_writer *writer);
void sctp_auth_sign(struct sctp_auth *self, uint8_t *chunk, const uint8_t *packet_end);
/* Bytes of that chunk. */
size_t sctp_auth_size(const struct sctp_auth *self);

/* Of what comes: chunk is the AUTH chunk, end the end of the packet. False: wrong, or made with a
 * key or HMAC that we do not have; then *unsupported_hmac says whether an ERROR is due (section
 * 4.1). */
bool sctp_auth_check(const struct sctp_auth *self, const uint8_t *chunk, const uint8_t *end,
                     bool *unsupported_hmac);
