/* transport/steer.h: several UDP sockets of one process at the same address, each for one loop: the
 * kernel puts a packet into the socket that its verification tag names (SO_REUSEPORT with a classic
 * BPF program), so that an association stays with one thread and no packet passes between threads.
 * Pure system calls. Thread: any. */
#pragma once

#include "base/address.h"

/* Whether nobody has that address and port: a socket that shares would join those of any process of
 * this user without a word. Port 0: takes a free one and sets it in *address. 0, or -1 with errno.
 */
int steer_find_free(struct address *address);

/* Before bind. 0, or -1 with errno. */
int steer_join(int fd);

/* After bind, at the first socket of the group: a packet with tag t goes to socket t % count,
 * counted in the order of bind; one with tag 0 (INIT) to any, the same for all packets of one
 * sender. 0, or -1 with errno. */
int steer_by_tag(int fd, unsigned count);
