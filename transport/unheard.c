/* Log lines about peers that no user has heard of. */
#include "transport/unheard.h"

#include <inttypes.h>

#include "base/log.h"

void transport_unheard_tell(const struct address *peer, enum err reason, const char *detail,
                            struct log_limit *limit, uint64_t now_us)
{
    char text[ADDRESS_TEXT_MAX];
    uint64_t left_out;
    if (log_limit_allows(limit, now_us, &left_out))
        log_write(LOG_WARNING, LOG_ABOUT(.address = address_format(peer, text)),
                  "no association: %s%s%s (%" PRIu64 " more since the last line)", err_text(reason),
                  *detail ? ": " : "", detail, left_out);
}
