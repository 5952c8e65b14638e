/* Watches files by inotify(7). */
#include "proxy/daemon/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

#define CHANGES                                                                                    \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |            \
     IN_DELETE_SELF | IN_MOVE_SELF)
/* As many as the kernel follows before it says ELOOP. */
#define LINKS_MAX 40

static void on_events(struct loop_fd *inotify, uint32_t events)
{
    struct watch *self = container_of(inotify, struct watch, inotify);
    char buffer[4096];
    (void)events;
    while (read(inotify->fd, buffer, sizeof buffer) > 0)
        ;
    uint64_t now = loop_now(self->loop), when = now + WATCH_COLLECT_US;
    if (!loop_timer_is_set(&self->timer))
        self->first_us = now;
    if (when > self->first_us + WATCH_PATIENCE_US)
        when = self->first_us + WATCH_PATIENCE_US;
    loop_timer_set(self->loop, &self->timer, when);
}

static void on_expire(struct loop_timer *timer)
{
    struct watch *self = container_of(timer, struct watch, timer);
    self->on_change(self);
}

void watch_init(struct watch *self, struct loop *loop)
{
    self->loop = loop;
    self->inotify = (struct loop_fd){.on_events = on_events, .fd = -1};
    self->timer.on_expire = on_expire;
}

void watch_fini(struct watch *self)
{
    if (self->inotify.fd >= 0)
        loop_fd_close(self->loop, &self->inotify);
    loop_timer_cancel(self->loop, &self->timer);
}

int watch_restart(struct watch *self)
{
    if (self->inotify.fd >= 0)
        loop_fd_close(self->loop, &self->inotify);
    self->inotify.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (self->inotify.fd < 0)
        return -1;
    if (loop_fd_add(self->loop, &self->inotify, EPOLLIN) == 0)
        return 0;
    int error = errno;
    close(self->inotify.fd);
    self->inotify.fd = -1;
    errno = error;
    return -1;
}

/* The folder that path is in; if that is gone, the nearest one above it. */
static void watch_folder_of(struct watch *self, const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        slash[slash == folder] = '\0';
        if (inotify_add_watch(self->inotify.fd, folder, CHANGES | IN_ONLYDIR) >= 0 ||
            slash == folder)
            return;
    }
}

/* If path, up to end, is a symbolic link: the whole path with the link resolved. */
static bool resolve(char path[static PATH_MAX], char *end)
{
    char target[PATH_MAX], rest[PATH_MAX];
    char after = *end;
    *end = '\0';
    ssize_t length = readlink(path, target, sizeof target - 1);
    *end = after;
    if (length < 0)
        return false;
    target[length] = '\0';
    snprintf(rest, sizeof rest, "%s", end);
    *end = '\0';
    char *name = *target == '/' ? path : strrchr(path, '/') + 1;
    size_t room = PATH_MAX - (size_t)(name - path);
    return (size_t)snprintf(name, room, "%s%s", target, rest) < room;
}

/* The folder of every link on the way, and that of the file itself. */
void watch_add(struct watch *self, const char *path)
{
    char way[PATH_MAX];
    int links = 0;
    struct stat status;
    if (self->inotify.fd < 0 || *path != '/' || strlen(path) >= sizeof way)
        return;
    snprintf(way, sizeof way, "%s", path);
    for (char *end = way; *end && links < LINKS_MAX;) {
        end += 1 + strcspn(end + 1, "/");
        char link[PATH_MAX];
        snprintf(link, sizeof link, "%.*s", (int)(end - way), way);
        if (resolve(way, end)) {
            watch_folder_of(self, link);
            links++;
            end = way;
        }
    }
    watch_folder_of(self, way);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        inotify_add_watch(self->inotify.fd, path, CHANGES | IN_ONLYDIR);
}

/* FNV-1a, 64 bits. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 8; i++, value >>= 8)
        hash = (hash ^ (value & 0xff)) * 0x100000001b3ull;
    return hash;
}

uint64_t watch_stamp(const char *path)
{
    struct stat status;
    uint64_t hash = 0xcbf29ce484222325ull;
    if (stat(path, &status) < 0)
        return mix(hash, (uint64_t)errno);
    hash = mix(mix(hash, status.st_dev), status.st_ino);
    hash = mix(mix(hash, (uint64_t)status.st_size), status.st_mode);
    hash = mix(mix(hash, (uint64_t)status.st_mtim.tv_sec), (uint64_t)status.st_mtim.tv_nsec);
    return mix(mix(hash, (uint64_t)status.st_ctim.tv_sec), (uint64_t)status.st_ctim.tv_nsec);
}
