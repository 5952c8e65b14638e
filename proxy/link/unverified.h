/* proxy/link/unverified.h: limits for peers that have not proved who they are, and for the lines
 * about them: anybody can make any number of associations. Thread: the tunnel's home worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log_limit.h"
#include "base/loop.h"
#include "base/newcomers.h"

struct link;
struct link_owner;
struct sctp_sharing;

/* Lines a minute about all of them; the number of the others follows. This and the numbers below
 * are for all parts of a tunnel together. */
#define UNVERIFIED_LINES 20

/* Places in the transport beside those of verified peers, for those that have said nothing yet, of
 * which it alone knows (transport/udp/unverified.h). */
#define UNVERIFIED_SILENT 4096
/* Those that have begun a handshake: a session and all that it holds. The second number is for one
 * source (an IPv4 address, a /64 of IPv6): beyond it its own oldest makes room. */
#define UNVERIFIED_MAX       512
#define UNVERIFIED_OF_SOURCE 128
/* A part's number for a source is no less. */
#define UNVERIFIED_OF_SOURCE_LEAST 8
/* Bytes that are kept for them before HELLO (docs/PROTOCOL.md, C2), as allocated: all of them
 * together, and each even when all have taken that. A client's sixteen children take 20 KB. */
#define UNVERIFIED_EARLY_ALL   (8u * 1024 * 1024)
#define UNVERIFIED_EARLY_LEAST (8u * 1024)

struct unverified {
    struct log_limit lines;
    struct loop_timer minute; /* set while some were left out */
    struct newcomers links;
};

/* All zero before. */
void unverified_init(struct unverified *self, const struct sctp_sharing *sharing);

/* True: a line about one may be written; if not, it is counted. */
bool unverified_may_log(struct link_owner *owner);
void unverified_end(struct link_owner *owner);

/* A server's new association. Returns one that has to end to make room, with a reason in why; NULL:
 * none has to. */
struct link *unverified_enter(struct link *link, const char **why);
/* True: these bytes more may be kept for it before HELLO; they count until it leaves. */
bool unverified_may_keep(struct link *link, size_t bytes);
/* It is verified, or ends. A no-op when it has left. */
void unverified_leave(struct link *link);
