/* proxy/daemon/watch.h: tells when files may have changed, however they are replaced: written in
 * place, renamed over, or behind a symbolic link that now leads elsewhere (inotify(7) on every
 * folder that decides what a path means).
 *
 * It may tell too often, because folders hold other things as well; watch_stamp says whether it was
 * these files. Thread: the loop's. */
#pragma once

#include <stdint.h>

#include "base/loop.h"

/* A certificate and its key are two files: whoever replaces them needs a moment. So it is told when
 * nothing has changed for a second, or after five where something changes all the time. */
#define WATCH_COLLECT_US  1000000
#define WATCH_PATIENCE_US 5000000

struct watch {
    void (*on_change)(struct watch *self);

    struct loop *loop; /* private from here on */
    struct loop_fd inotify;
    struct loop_timer timer;
    uint64_t first_us; /* of the changes that are not told yet */
};

/* on_change must be set. */
void watch_init(struct watch *self, struct loop *loop);
void watch_fini(struct watch *self);

/* Forgets what was watched. Call it, and watch_add, before the files are read: what changes
 * afterwards is told. Returns 0, or -1 with errno: nothing will be told. */
int watch_restart(struct watch *self);
/* A file or a directory, absolute; it need not be there. */
void watch_add(struct watch *self, const char *path);

/* A number that changes when the file (behind symbolic links) does, or another takes its place. */
uint64_t watch_stamp(const char *path);
