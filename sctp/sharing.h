/* sctp/sharing.h: several endpoints of a process at the same addresses, each on a loop of its own,
 * that take the associations of peers between them, without a word to each other: the one numbered
 * index has those whose own tag is index modulo count. A cookie that one of them made is good at
 * each. */
#pragma once

#include <stdint.h>

struct sctp_sharing {
    unsigned index, count; /* count 0 or 1: alone */
    uint8_t secret[32];    /* unguessable, the same for all of them */
};
