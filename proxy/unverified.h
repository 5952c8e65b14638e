/* proxy/unverified.h: what a tunnel's server says and keeps of peers that have not proved who they
 * are: anybody can make any number of associations. Thread: the tunnel's home worker. */
#pragma once

#include "base/address.h"
#include "base/log_limit.h"
#include "base/loop.h"

struct tunnel;

/* Lines a minute about all of them; the number of the others follows. */
#define UNVERIFIED_LINES 20
/* Of one source (an IPv4 address, a /64 of IPv6): beyond that its own oldest makes room. */
#define UNVERIFIED_OF_SOURCE 32

/* Zero-initialised. */
struct unverified {
    struct log_limit lines;
    struct loop_timer minute; /* set while some were left out */
};

/* Whether a line about one may be written; if not, it is counted. */
bool unverified_may_log(struct tunnel *tunnel);
void unverified_end(struct tunnel *tunnel);

/* Before a new one of this address is taken. */
void unverified_make_room(struct tunnel *tunnel, const struct address *peer);
