/* transport/kernel_association.h: life of an association of the kernel transport. */
#pragma once

#include "transport/kernel.h"

/* Why a peer that answers with an ABORT without a cause has refused. */
#define KERNEL_NOBODY "nobody listens at that port"

/* association_connect, association_close. */
enum err kernel_association_connect(struct transport *transport, const struct address *remotes,
                                    size_t remote_count, struct association_events *events,
                                    struct association **association);
void kernel_association_close(struct association *association, enum association_close how,
                              const char *detail);

/* A peer's, which is up. Owns: the association, fd. */
void kernel_association_accept(struct kernel *transport, int fd);

/* Up, or on its way down by the user's wish. */
bool kernel_association_is_up(const struct kernel_association *self);

/* What epoll watches for, EPOLLIN | EPOLLOUT. */
void kernel_association_watch(struct kernel_association *self, uint32_t interest);

/* The kernel says: our association is up. Tells the user. */
void kernel_association_up(struct kernel_association *self);

/* The kernel says: the peer lost its state and began anew with the same addresses. What was is
 * ended with ERR_TRANSPORT_RESTARTED; a new association takes over the socket. */
void kernel_association_restarted(struct kernel_association *self);

/* Ends it from any state: closes and gives back everything but itself; on_down follows in a
 * task. A no-op when it has ended. */
void kernel_association_end(struct kernel_association *self, enum err reason, const char *detail);

/* on_down now, then frees it. It must have ended. */
void kernel_association_free(struct kernel_association *self);
