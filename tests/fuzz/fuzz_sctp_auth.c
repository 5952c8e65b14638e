/* RFC 4895's parameters, as a peer might send them, and AUTH chunks. Reading them again gives the
 * same; two ends that have read each other's agree, and nothing that was changed passes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/auth.h"
#include "sctp/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t own_random[SCTP_AUTH_RANDOM] = "the random number of this end";

static void add_key(struct sctp_auth *end)
{
    static const uint8_t key[] = "a key of both";
    must(sctp_auth_add(end, 3, key, sizeof key) == ERR_OK && sctp_auth_use(end, 3) == ERR_OK);
}

/* Signs these bytes at one end, checks them at the other, whole and with one of them changed. */
static void sign_and_check(struct sctp_auth *from, const struct sctp_auth *to, const uint8_t *data,
                           size_t size)
{
    uint8_t packet[600];
    struct wire_writer writer = wire_writer(packet, sizeof packet);
    bool unsupported;
    uint8_t *chunk = sctp_auth_begin(from, &writer);
    must(chunk == packet);
    size_t rest = size < 400 ? size & ~(size_t)3 : 400;
    wire_put_bytes(&writer, data, rest);
    sctp_auth_sign(from, chunk, writer.at);
    must(sctp_auth_check(to, packet, writer.at, &unsupported) && !unsupported);
    size_t length = (size_t)(writer.at - packet), which = size ? data[0] % length : 0;
    if (which == 0) /* the chunk's type: who calls has looked at it */
        which = 1;
    packet[which] ^= 1;
    must(!sctp_auth_check(to, packet, writer.at, &unsupported));
}

/* Any bytes as a chunk of AUTH; nobody makes a MAC by chance. */
static void check_any(const struct sctp_auth *end, const uint8_t *data, size_t size)
{
    uint8_t *copy = check_alloc(size);
    memcpy(copy, data, size);
    bool unsupported;
    if (size >= 4)
        must(!sctp_auth_check(end, copy, copy + size, &unsupported));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t own[SCTP_AUTH_PARAMETERS_MAX], peer[SCTP_AUTH_PARAMETERS_MAX],
        again[SCTP_AUTH_PARAMETERS_MAX];
    struct wire_writer writer = wire_writer(own, sizeof own);
    size_t own_length = sctp_auth_put_parameters(&writer, own_random), length, again_length;
    if (!sctp_auth_read_parameters(wire_reader(data, size), peer, &length)) {
        struct sctp_auth *none = sctp_auth_new(own, own_length, data, size);
        must(!none || size <= SCTP_AUTH_PARAMETERS_MAX);
        sctp_auth_free(none);
        return 0;
    }
    must(sctp_auth_read_parameters(wire_reader(peer, length), again, &again_length) &&
         again_length == length && !memcmp(peer, again, length));
    struct sctp_auth *a = sctp_auth_new(own, own_length, peer, length),
                     *b = sctp_auth_new(peer, length, own, own_length);
    must(!a == !b);
    if (a) {
        sign_and_check(a, b, data, size);
        sign_and_check(b, a, data, size);
        add_key(a);
        add_key(b);
        sign_and_check(a, b, data, size);
        check_any(a, data, size);
        for (unsigned type = 0; type < 256; type++)
            must(!sctp_auth_must_send(a, (uint8_t)type) ||
                 (type != SCTP_CHUNK_INIT && type != SCTP_CHUNK_AUTH));
    }
    sctp_auth_free(a);
    sctp_auth_free(b);
    return 0;
}
