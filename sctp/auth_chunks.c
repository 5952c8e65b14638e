#include "sctp/auth_chunks.h"

#include <string.h>

#include "sctp/wire.h"

/* All that carry data, end or change an association; the last two are RE-CONFIG and FORWARD-TSN,
 * which a peer's kernel may send. */
const uint8_t sctp_auth_chunks[SCTP_AUTH_CHUNKS] = {SCTP_CHUNK_DATA,
                                                    SCTP_CHUNK_SACK,
                                                    SCTP_CHUNK_ABORT,
                                                    SCTP_CHUNK_SHUTDOWN,
                                                    SCTP_CHUNK_SHUTDOWN_ACK,
                                                    SCTP_CHUNK_ERROR,
                                                    130,
                                                    192};

bool sctp_auth_chunks_listed(const uint8_t *list, size_t count)
{
    for (size_t i = 0; i < SCTP_AUTH_CHUNKS; i++)
        if (!count || !memchr(list, sctp_auth_chunks[i], count))
            return false;
    return true;
}
