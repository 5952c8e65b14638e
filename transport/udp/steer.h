/* transport/udp/steer.h: several UDP sockets of one process at the same address, a pair for each
 * loop: the kernel puts a packet into the socket that its verification tag names (SO_REUSEPORT with
 * a classic BPF program), so that an association stays with one thread and no packet passes between
 * threads. INITs come to the second of a pair: a flood of them fills another queue.
 * Pure system calls. Thread: any. */
#pragma once

#include "base/address.h"

/* Finds out that nobody has that address and port: a socket that shares would join those of any
 * process of this user without a word. Port 0: takes a free one and sets it in *address. 0, or -1
 * with errno.
 */
int steer_find_free(struct address *address);

/* Before bind. 0, or -1 with errno. */
int steer_join(int fd);

/* After bind, at the first socket of the group: of count pairs, in the order of bind, a packet with
 * tag t goes to the first one of pair t % count, one with tag 0 (INIT) to the second one of any. 0,
 * or -1 with errno. */
int steer_by_tag(int fd, unsigned count);
