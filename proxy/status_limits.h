/* proxy/status_limits.h: the parts of the status report that tell of limits. Thread: the tunnel's
 * home worker. Owns: caller has the reference to what is returned. */
#pragma once

#include <jansson.h>

struct link;
struct mux_budget;
struct tunnel;

/* Who limits the streams of an association; null: the peer's HELLO has not come. */
json_t *status_limits_streams(const struct link *link);
/* Bytes that wait for SCTP. */
json_t *status_limits_queued(const struct link *link);
json_t *status_limits_memory(const struct mux_budget *budget);
/* What each client takes of a server's tunnel. */
json_t *status_limits_identities(const struct tunnel *tunnel);
/* Names come from certificates: JSON takes only UTF-8, and a terminal only what can be printed. */
json_t *status_limits_printable(const char *name);
