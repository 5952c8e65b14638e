/* The network paths of an association: a line in the log for every change, all changes of one turn
 * together, and not more than a number of them a minute when a path flaps. Half of these are kept
 * for where the traffic goes: with two addresses at both ends a path that fails takes 4 lines. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"

#define MINUTE_US        60000000
#define LINES_PER_MINUTE 20

static struct link_path *in_use(struct link *link)
{
    for (size_t i = 0; i < link->paths.count; i++)
        if (link->paths.known[i].now.in_use)
            return &link->paths.known[i];
    return NULL;
}

static bool is_same(const struct path_status *a, const struct path_status *b)
{
    return address_equal(&a->address, &b->address) &&
           (!a->local.length || !b->local.length || address_equal(&a->local, &b->local));
}

/* The entry of the path; a new one takes the place of one that carries nothing when all are taken:
 * a peer that roams leaves addresses behind. NULL: no room. */
static struct link_path *entry_of(struct link_paths *paths, const struct path_status *path)
{
    struct link_path *unused = NULL;
    for (size_t i = 0; i < paths->count; i++) {
        if (is_same(&paths->known[i].now, path))
            return &paths->known[i];
        if (!paths->known[i].now.in_use && !unused)
            unused = &paths->known[i];
    }
    if (paths->count < TRANSPORT_ADDRESSES_MAX)
        unused = &paths->known[paths->count++];
    if (!unused)
        return NULL;
    if (unused == paths->last_used)
        paths->last_used = NULL;
    *unused = (struct link_path){.now = *path};
    return unused;
}

/* Status and log name the peer by the address that is really used. */
static void take_peer_address(struct link *link, const struct address *address)
{
    link->peer.address = *address;
    address_format(address, link->peer.text);
}

static void note(struct link *link, const struct path_status *path)
{
    struct counters *counters = link->tunnel->counters;
    struct link_paths *paths = &link->paths;
    struct link_path *before = in_use(link);
    enum path_state state = path->state;
    struct link_path *entry = entry_of(paths, path);
    if (!entry)
        return;
    if (entry->now.state != state)
        counter_add(&counters->path_changes, 1);
    if (path->in_use) {
        if (before)
            before->now.in_use = false;
        if (paths->carried && paths->last_used != entry)
            counter_add(&counters->failovers, 1);
        paths->last_used = entry;
        paths->carried = true;
    }
    entry->now = *path;
    if (path->in_use)
        take_peer_address(link, &path->address);
}

/* ---- the log ---- */

static void path_text(const struct path_status *path, char *text, size_t size)
{
    char from[ADDRESS_TEXT_MAX] = "", to[ADDRESS_TEXT_MAX];
    if (path->local.length)
        address_format(&path->local, from);
    snprintf(text, size, "path %s%s%s", from, *from ? " -> " : "",
             address_format(&path->address, to));
}

static void write_line(struct link *link, enum log_level level, const char *line, bool of_traffic)
{
    struct link_paths *paths = &link->paths;
    uint64_t now = loop_now(link_loop(link));
    if (now - paths->minute_us >= MINUTE_US) {
        paths->minute_us = now;
        paths->lines = 0;
    }
    if (paths->lines < (of_traffic ? LINES_PER_MINUTE : LINES_PER_MINUTE / 2)) {
        paths->lines++;
        log_write(level, LINK_ABOUT(link), "%s", line);
        return;
    }
    paths->held_back++;
    if (!loop_timer_is_set(&paths->minute))
        loop_timer_set(link_loop(link), &paths->minute, paths->minute_us + MINUTE_US);
}

static void on_minute(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, paths.minute);
    struct link_path *used = in_use(link);
    log_write(LOG_WARNING, LINK_ABOUT(link),
              "%u more changes of paths in the last minute; traffic goes to %s now",
              link->paths.held_back, used ? link->peer.text : "no path");
    link->paths.held_back = 0;
}

/* Adds the traffic's move, from the view of this path; false: there was none. */
static bool add_traffic(struct link *link, const struct link_path *path, char *line, size_t size)
{
    const struct link_path *used = in_use(link);
    size_t length = strlen(line);
    char to[ADDRESS_TEXT_MAX];
    bool bad = path->now.state == PATH_FAILING || path->now.state == PATH_INACTIVE;
    if (path->now.in_use && bad)
        snprintf(line + length, size - length, "; no other path answers");
    else if (path->now.in_use && !path->told_in_use)
        snprintf(line + length, size - length, "; traffic moves here");
    else if (!path->now.in_use && path->told_in_use && used)
        snprintf(line + length, size - length, "; traffic moves to %s",
                 address_format(&used->now.address, to));
    return line[length];
}

static void tell(struct link *link, struct link_path *path)
{
    char line[512];
    const struct path_status *now = &path->now;
    path_text(now, line, sizeof line);
    size_t length = strlen(line);
    snprintf(line + length, sizeof line - length, ": %s", transport_path_state_name(now->state));
    length = strlen(line);
    if (now->state == PATH_ACTIVE && now->rtt_us)
        snprintf(line + length, sizeof line - length, ", round trip %.3g ms",
                 (double)now->rtt_us / 1000);
    bool of_traffic = add_traffic(link, path, line, sizeof line);
    bool good = now->state == PATH_ACTIVE || now->state == PATH_UNCONFIRMED;
    write_line(link, good ? LOG_INFO : LOG_WARNING, line, of_traffic);
}

/* A time-out on the only path is a lost packet like any other. */
static bool is_passing(const struct link_paths *paths, const struct link_path *path)
{
    return paths->count == 1 && path->told && path->now.state == PATH_FAILING;
}

/* Another address of the peer is no news before he has answered there. */
static bool is_news(const struct link_paths *paths, const struct link_path *path)
{
    if (is_passing(paths, path))
        return false;
    return path->told ? path->now.state != path->told_state
                      : path->now.state != PATH_UNCONFIRMED || path->now.in_use;
}

/* The path that lost the traffic says where it went, if its own state is the reason; else the one
 * that has it now tells. */
static void on_task(struct loop_task *task)
{
    struct link *link = container_of(task, struct link, paths.task);
    struct link_paths *paths = &link->paths;
    bool said = false;
    for (size_t i = 0; i < paths->count; i++)
        said |= paths->known[i].told_in_use && !paths->known[i].now.in_use &&
                is_news(paths, &paths->known[i]);
    for (size_t i = 0; i < paths->count; i++) {
        struct link_path *path = &paths->known[i];
        bool moved_here = path->now.in_use && !path->told_in_use;
        if (is_news(paths, path) || (moved_here && !said))
            tell(link, path);
        path->told = path->told || path->now.state != PATH_UNCONFIRMED || path->now.in_use;
    }
    for (size_t i = 0; i < paths->count; i++) {
        if (!is_passing(paths, &paths->known[i]))
            paths->known[i].told_state = paths->known[i].now.state;
        paths->known[i].told_in_use = paths->known[i].now.in_use;
    }
}

/* ---- from the transport and the link ---- */

void link_paths_change(struct link *link, const struct path_status *path)
{
    note(link, path);
    loop_task_queue(link_loop(link), &link->paths.task);
}

void link_paths_init(struct link *link)
{
    link->paths.task.on_run = on_task;
    link->paths.minute.on_expire = on_minute;
}

/* The paths that an association begins with are no news: one line says that it is up. */
void link_paths_up(struct link *link)
{
    struct association_status status;
    association_status(link->transport.association, &status);
    for (size_t i = 0; i < status.path_count; i++) {
        const struct path_status *path = &status.paths[i];
        struct link_path *entry = entry_of(&link->paths, path);
        if (!entry)
            continue;
        *entry = (struct link_path){
            .now = *path, .told = true, .told_state = path->state, .told_in_use = path->in_use};
        if (path->in_use)
            take_peer_address(link, &path->address);
    }
}

uint32_t link_paths_rtt(const struct link *link)
{
    struct association_status status = {.path_count = 0};
    if (link->transport.association)
        association_status(link->transport.association, &status);
    for (size_t i = 0; i < status.path_count; i++)
        if (status.paths[i].in_use)
            return status.paths[i].rtt_us;
    return 0;
}

void link_paths_end(struct link *link)
{
    loop_task_cancel(link_loop(link), &link->paths.task);
    loop_timer_cancel(link_loop(link), &link->paths.minute);
}
