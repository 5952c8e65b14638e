#include "transport/auth.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/log.h"

void auth_log_refusal(const struct address *peer, struct log_limit *limit, uint64_t now_us)
{
    char text[ADDRESS_TEXT_MAX];
    uint64_t left_out;
    if (log_limit_allows(limit, now_us, &left_out))
        log_write(LOG_WARNING, LOG_ABOUT(.address = address_format(peer, text)),
                  "no association: %s (%" PRIu64 " more since the last line)",
                  err_text(ERR_TRANSPORT_AUTH), left_out);
}
