/* The running program: start, signals, drain, stop. */
#include "proxy/daemon/process.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/resolver.h"
#include "base/thread.h"
#include "proxy/daemon/reload.h"
#include "proxy/daemon/status_report.h"
#include "proxy/local/linger.h"

/* One that looks names up; there may be more (names, a token, Redis), which nothing depends on. */
#define OTHER_THREADS 1

/* A remedy for a thread that cannot be made. */
#define MORE_THREADS                                                                               \
    "; raise the limit of tasks (ulimit -u, TasksMax=, pids.max of a container) or of memory"

/* The pause before the next look for what is not there yet at the beginning. */
#define AGAIN_US 500000

/* A draining process looks at this interval if the last connection has ended. */
#define DRAIN_CHECK_US 20000

/* ---- asking the tunnels ---- */

struct request {
    struct process *process;
    struct tunnel *tunnel;
    enum err why;
    bool result;
};

/* Does something with each part of each tunnel where it lives. Returns whether the result was true
 * for all. */
static bool ask_all(struct process *process, void (*what)(void *request), enum err why)
{
    bool all = true;
    for (size_t i = 0; i < process->tunnel_count; i++)
        for (struct tunnel *part = process->tunnels[i]; part; part = part->next_part) {
            struct request request = {.process = process, .tunnel = part, .why = why};
            worker_call(part->base.home, what, &request);
            all = all && request.result;
        }
    return all;
}

static void do_drain(void *argument)
{
    tunnel_drain(((struct request *)argument)->tunnel);
}

static void do_close(void *argument)
{
    struct request *request = argument;
    tunnel_close(request->tunnel, request->why);
}

static void do_look(void *argument)
{
    struct request *request = argument;
    request->result = tunnel_is_gone(request->tunnel);
}

static void do_stop(void *argument)
{
    tunnel_stop(((struct request *)argument)->tunnel);
}

/* ---- the end ---- */

static uint64_t connections_open(const struct process *process)
{
    uint64_t open = 0;
    for (size_t i = 0; i < process->tunnel_count; i++)
        for (struct tunnel *part = process->tunnels[i]; part; part = part->next_part)
            open += counter_get(&part->counters.connections_open);
    return open;
}

static void close_all(struct process *process, enum err why)
{
    if (process->end.closing)
        return;
    process->end.closing = true;
    ask_all(process, do_close, why);
}

static void on_check(struct loop_timer *timer)
{
    struct process *process = container_of(timer, struct process, end.timer);
    uint64_t now = loop_now(process->loop);
    /* Twice in a row: the last bytes of a connection that has just ended at one worker are on their
     * way to its tunnel's. */
    bool was_quiet = process->end.quiet;
    process->end.quiet = !connections_open(process) && !process->end.abandoned;
    if (process->end.quiet && was_quiet)
        close_all(process, ERR_LOCAL_SHUTDOWN);
    else if (!process->end.quiet && now >= process->end.deadline_us)
        close_all(process, ERR_DRAIN_TIMEOUT);
    if (process->end.closing && ask_all(process, do_look, ERR_OK))
        loop_stop(process->loop);
    else
        loop_timer_set(process->loop, timer, now + DRAIN_CHECK_US);
}

static void begin_end(struct process *process, uint64_t patience_us)
{
    process->end.draining = true;
    loop_timer_cancel(process->loop, &process->admin.timer);
    process->end.deadline_us = loop_now(process->loop) + patience_us;
    ask_all(process, do_drain, ERR_OK);
    loop_timer_set(process->loop, &process->end.timer, 0);
}

static void drain(struct process *process)
{
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "draining: no new connections, %llu open",
              (unsigned long long)connections_open(process));
    begin_end(process, process->config->drain_timeout_us);
}

static void abandon(struct process *process)
{
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "second signal: ends now");
    process->end.abandoned = true;
    process->end.closing = false; /* a graceful end under way is cut short */
    begin_end(process, 0);
}

/* ---- signals ---- */

static void on_signal(struct loop_fd *signals, uint32_t events)
{
    struct process *process = container_of(signals, struct process, signals);
    struct signalfd_siginfo signal_info;
    (void)events;
    if (read(signals->fd, &signal_info, sizeof signal_info) != (ssize_t)sizeof signal_info)
        return;
    if (signal_info.ssi_signo == SIGHUP)
        reload_now(process->reload);
    else if (process->end.signals_seen++ == 0)
        drain(process);
    else if (process->end.signals_seen == 2)
        abandon(process);
}

/* Blocked in every thread that begins after this; read by the main thread's loop. */
static int take_signals(struct process *process)
{
    sigset_t signals;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    process->signals.on_events = on_signal;
    process->signals.fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (process->signals.fd >= 0 && loop_fd_add(process->loop, &process->signals, EPOLLIN) == 0)
        return 0;
    snprintf(process->why, sizeof process->why, "signals cannot be taken: %s", strerror(errno));
    return -1;
}

/* ---- the beginning ---- */

/* The log's runs already. */
static int check_room(struct process *process)
{
    unsigned threads = process->config->threads + OTHER_THREADS;
    int error = thread_find_room(threads);
    if (!error)
        return 0;
    snprintf(
        process->why, sizeof process->why,
        "there is no memory for %u threads: %s; raise the limit (ulimit -v, ulimit -d) or lower "
        "threads",
        threads, strerror(error));
    return -1;
}

/* Two descriptors for a connection at most; the limit is raised as far as it may be. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Threads, sockets of the tunnels and files take this many, about. */
#define DESCRIPTORS_ELSE 128

static void check_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    uint64_t connections = 0;
    for (size_t i = 0; i < config->tunnel_count; i++)
        connections += config->tunnels[i].streams.max;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= connections + DESCRIPTORS_ELSE)
        return;
    log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
              "the limit of open files is %llu, too few for the %llu connections that streams.max "
              "allows; raise it (ulimit -n; LimitNOFILE= in a unit)",
              (unsigned long long)limit.rlim_cur, (unsigned long long)connections);
}

static int make_tunnels(struct process *process)
{
    const struct config *config = process->config;
    process->tunnels = check_alloc((config->tunnel_count + 1) * sizeof *process->tunnels);
    process->shared.budget = &process->budget;
    process->shared.sessions = &process->sessions;
    for (size_t i = 0; i < config->tunnel_count; i++) {
        struct tunnel *tunnel =
            tunnel_new(&config->tunnels[i], i, &process->shared, process->why, sizeof process->why);
        if (!tunnel)
            return -1;
        process->tunnels[process->tunnel_count++] = tunnel;
    }
    return 0;
}

static int make_workers(struct process *process)
{
    process->shared.workers =
        check_alloc(process->config->threads * sizeof *process->shared.workers);
    for (; process->shared.worker_count < process->config->threads;
         process->shared.worker_count++) {
        if (worker_init(&process->shared.workers[process->shared.worker_count],
                        process->shared.worker_count, process->resolver) < 0) {
            snprintf(process->why, sizeof process->why,
                     "worker %u of %" PRIu32 " cannot be made: %s; raise the limit of open files "
                     "(ulimit -n, LimitNOFILE=) or lower threads",
                     process->shared.worker_count + 1, process->config->threads, strerror(errno));
            return -1;
        }
        loop_busy_poll(process->shared.workers[process->shared.worker_count].loop,
                       process->config->busy_poll_us);
    }
    return 0;
}

/* Says it once: until it is something else. */
static void tell_missing(struct process *process, const char *what)
{
    if (strcmp(process->told, process->why) == 0)
        return;
    snprintf(process->told, sizeof process->told, "%s", process->why);
    log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "%s, retrying: %s", what, process->told);
}

/* Its folder may come late, and the last process of this configuration may still be leaving. */
static void start_admin(struct loop_timer *timer)
{
    struct process *process = container_of(timer, struct process, admin.timer);
    if (!process->config->admin_socket)
        return;
    process->admin.handler.on_request = status_report_answer;
    process->admin.socket = admin_new(process->loop, process->config->admin_socket,
                                      &process->admin.handler, process->why, sizeof process->why);
    if (process->admin.socket)
        return;
    tell_missing(process, "no admin socket yet");
    loop_timer_set(process->loop, timer, loop_now(process->loop) + AGAIN_US);
}

/* The file of keys for Redis may come late. False: ended by a signal meanwhile. */
static bool open_sessions(struct process *process)
{
    while (sessions_open(&process->sessions, &process->config->sessions, process->why,
                         sizeof process->why) < 0) {
        struct pollfd signals = {.fd = process->signals.fd, .events = POLLIN};
        struct signalfd_siginfo signal_info;
        sessions_close(&process->sessions);
        tell_missing(process, "cannot start yet");
        poll(&signals, 1, AGAIN_US / 1000);
        if (read(signals.fd, &signal_info, sizeof signal_info) > 0 &&
            signal_info.ssi_signo != SIGHUP)
            return false;
    }
    return true;
}

static void tell_ready(const struct process *process)
{
    size_t waiting = reload_waiting(process->reload);
    char more[48] = "";
    if (waiting)
        snprintf(more, sizeof more, " (%zu waiting)", waiting);
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "ready: %u worker%s, %zu tunnel%s%s, process %ld",
              process->shared.worker_count, process->shared.worker_count == 1 ? "" : "s",
              process->config->tunnel_count, process->config->tunnel_count == 1 ? "" : "s", more,
              (long)getpid());
}

static void end_workers(struct process *process)
{
    for (unsigned i = 0; i < process->shared.worker_count; i++)
        if (process->shared.workers[i].runs)
            worker_stop(&process->shared.workers[i]);
    for (unsigned i = 0; i < process->shared.worker_count; i++)
        if (process->shared.workers[i].runs)
            worker_join(&process->shared.workers[i]);
}

static int start_workers(struct process *process)
{
    for (unsigned i = 0; i < process->shared.worker_count; i++) {
        int error = worker_start(&process->shared.workers[i]);
        if (!error)
            continue;
        snprintf(process->why, sizeof process->why,
                 "thread %u of %u workers cannot be made: %s" MORE_THREADS ", or lower threads",
                 i + 1, process->shared.worker_count, strerror(error));
        end_workers(process);
        return -1;
    }
    return 0;
}

/* Returns the exit code. */
static int run_workers(struct process *process)
{
    if (start_workers(process) < 0) {
        log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "%s", process->why);
        return 1;
    }
    start_admin(&process->admin.timer);
    process->reload = reload_new(process);
    tell_ready(process);
    loop_run(process->loop);
    reload_free(process->reload);
    admin_free(process->admin.socket);
    ask_all(process, do_stop, ERR_OK);
    end_workers(process);
    return 0;
}

static void process_fini(struct process *process)
{
    for (unsigned i = 0; i < process->shared.worker_count; i++)
        linger_end_all(&process->shared.workers[i], ERR_DRAIN_TIMEOUT);
    for (size_t i = 0; i < process->tunnel_count; i++)
        tunnel_free(process->tunnels[i]);
    free(process->tunnels);
    sessions_close(&process->sessions);
    resolver_free(process->resolver);
    for (unsigned i = 0; i < process->shared.worker_count; i++)
        worker_fini(&process->shared.workers[i]);
    free(process->shared.workers);
    if (process->signals.fd >= 0)
        loop_fd_close(process->loop, &process->signals);
    loop_free(process->loop);
}

int process_run(const struct config *config)
{
    struct process process = {.config = config,
                              .budget.limit = config->memory_limit,
                              .end.timer.on_expire = on_check,
                              .signals.fd = -1,
                              .admin.timer.on_expire = start_admin,
                              .loop = loop_new()};
    if (!process.loop) {
        log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "no loop for events can be made: %s",
                  strerror(errno));
        return 1;
    }
    process.started_us = clock_us();
    raise_descriptor_limit();
    int signals = take_signals(&process);
    log_start((enum log_level)config->log_level,
              config->log_format == CONFIG_JSON ? LOG_JSON : LOG_TEXT);
    check_descriptor_limit(config);
    process.resolver = resolver_new(NULL);
    int code = 1;
    bool is_made = signals == 0 && check_room(&process) == 0 && make_workers(&process) == 0;
    if (is_made && !open_sessions(&process))
        code = 0;
    else if (is_made && make_tunnels(&process) == 0)
        code = run_workers(&process);
    else
        log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "%s", process.why);
    process_fini(&process);
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "ended");
    log_stop();
    message_cache_clear();
    return code;
}
