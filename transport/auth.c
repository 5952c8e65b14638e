#include "transport/auth.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

/* The last two are used by the kernel's SCTP alone: RE-CONFIG (RFC 6525), FORWARD-TSN (RFC 3758).
 */
const uint8_t auth_chunks[] = {0 /* DATA */,         3 /* SACK */,  6 /* ABORT */, 7 /* SHUTDOWN */,
                               8 /* SHUTDOWN ACK */, 9 /* ERROR */, 130,           192};
const size_t auth_chunk_count = sizeof auth_chunks;

void auth_log_refusal(const struct address *peer, struct log_limit *limit, uint64_t now_us)
{
    char text[ADDRESS_TEXT_MAX];
    uint64_t left_out;
    if (log_limit_allows(limit, now_us, &left_out))
        log_write(LOG_WARNING, LOG_ABOUT(.address = address_format(peer, text)),
                  "no association: %s (%" PRIu64 " more since the last line)",
                  err_text(ERR_TRANSPORT_AUTH), left_out);
}

bool auth_chunks_listed(const uint8_t *list, size_t count)
{
    for (size_t i = 0; i < auth_chunk_count; i++)
        if (!count || !memchr(list, auth_chunks[i], count))
            return false;
    return true;
}
