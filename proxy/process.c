#include "proxy/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/resolver.h"
#include "base/thread.h"
#include "proxy/linger.h"
#include "proxy/status_report.h"

/* How often a draining process looks whether the last connection has ended. */
#define DRAIN_CHECK_US 20000

/* ---- on the home worker ---- */

static struct loop *home_loop(const struct process *process)
{
    return process->workers[0].loop;
}

static uint64_t connections_open(const struct process *process)
{
    uint64_t open = 0;
    for (size_t i = 0; i < process->tunnel_count; i++)
        open += counter_get(&process->tunnels[i]->counters.connections_open);
    return open;
}

static bool all_gone(const struct process *process)
{
    for (size_t i = 0; i < process->tunnel_count; i++)
        if (!tunnel_is_gone(process->tunnels[i]))
            return false;
    return true;
}

static void close_all(struct process *process, enum err why)
{
    if (process->closing)
        return;
    process->closing = true;
    for (size_t i = 0; i < process->tunnel_count; i++)
        tunnel_close(process->tunnels[i], why);
}

static void stop_workers(struct process *process)
{
    process->stopped = true;
    admin_free(process->admin);
    process->admin = NULL;
    for (size_t i = 0; i < process->tunnel_count; i++)
        tunnel_stop(process->tunnels[i]);
    for (unsigned i = 0; i < process->worker_count; i++)
        worker_stop(&process->workers[i]);
}

static void on_check(struct loop_timer *timer)
{
    struct process *process = container_of(timer, struct process, check_timer);
    uint64_t now = loop_now(home_loop(process));
    /* Twice in a row: the last bytes of a connection that has just ended at another worker are on
     * their way to this one. */
    bool was_quiet = process->quiet;
    process->quiet = !connections_open(process) && !process->abandoned;
    if (process->quiet && was_quiet)
        close_all(process, ERR_LOCAL_SHUTDOWN);
    else if (!process->quiet && now >= process->drain_deadline_us)
        close_all(process, ERR_DRAIN_TIMEOUT);
    if (process->closing && all_gone(process)) {
        stop_workers(process);
        return;
    }
    loop_timer_set(home_loop(process), timer, now + DRAIN_CHECK_US);
}

static void begin_end(struct process *process, uint64_t patience_us)
{
    process->draining = true;
    process->drain_deadline_us = loop_now(home_loop(process)) + patience_us;
    for (size_t i = 0; i < process->tunnel_count; i++)
        tunnel_drain(process->tunnels[i]);
    loop_timer_set(home_loop(process), &process->check_timer, 0);
}

static void deliver_drain(struct mail *mail)
{
    struct process *process = container_of(mail, struct process, drain_mail);
    if (process->stopped) /* the start failed */
        return;
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "draining: no new connections, %llu still open",
              (unsigned long long)connections_open(process));
    begin_end(process, process->config->drain_timeout_us);
}

static void deliver_abandon(struct mail *mail)
{
    struct process *process = container_of(mail, struct process, abandon_mail);
    if (process->stopped) /* perhaps delivered when the tunnels are freed already */
        return;
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "second signal: ending at once");
    process->abandoned = true;
    process->closing = false; /* a graceful end under way is cut short */
    begin_end(process, 0);
}

static int start_admin(struct process *process)
{
    if (!process->config->admin_socket)
        return 0;
    process->admin_handler.on_request = status_report_answer;
    process->admin = admin_new(home_loop(process), process->config->admin_socket,
                               &process->admin_handler, process->why, sizeof(process->why));
    return process->admin ? 0 : -1;
}

static void deliver_start(struct mail *mail)
{
    struct process *process = container_of(mail, struct process, start_mail);
    process->start_result = start_admin(process);
    for (size_t i = 0; i < process->tunnel_count && !process->start_result; i++)
        process->start_result =
            tunnel_start(process->tunnels[i], process->why, sizeof(process->why));
    if (process->start_result)
        begin_end(process, 0);
    sem_post(&process->started);
}

/* ---- on the main thread ---- */

/* Two descriptors for a connection at most; the limit is raised as far as it may be. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int make_tunnels(struct process *process)
{
    const struct config *config = process->config;
    process->tunnels = check_alloc((config->tunnel_count + 1) * sizeof(*process->tunnels));
    for (size_t i = 0; i < config->tunnel_count; i++) {
        struct tunnel *tunnel =
            tunnel_new(&config->tunnels[i], i, process->workers, process->worker_count,
                       &process->budget, process->why, sizeof(process->why));
        if (!tunnel)
            return -1;
        process->tunnels[process->tunnel_count++] = tunnel;
    }
    return 0;
}

static int make_workers(struct process *process)
{
    process->workers = check_alloc(process->config->threads * sizeof(*process->workers));
    for (; process->worker_count < process->config->threads; process->worker_count++) {
        if (worker_init(&process->workers[process->worker_count], process->worker_count,
                        process->resolver) < 0) {
            snprintf(process->why, sizeof(process->why), "out of file descriptors");
            return -1;
        }
    }
    return 0;
}

static void take_signals(sigset_t *signals)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGUSR1); /* the workers have ended */
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void *wait_for_workers(void *argument)
{
    struct process *process = argument;
    for (unsigned i = 0; i < process->worker_count; i++)
        worker_join(&process->workers[i]);
    atomic_store(&process->workers_ended, true);
    kill(getpid(), SIGUSR1);
    return NULL;
}

/* Until the workers have ended, by a signal or because the start failed. */
static void handle_signals(struct process *process, const sigset_t *signals)
{
    struct mail *steps[] = {&process->drain_mail, &process->abandon_mail};
    size_t step = 0;
    for (;;) {
        int signal_number = 0;
        sigwait(signals, &signal_number);
        if (atomic_load(&process->workers_ended))
            return;
        if (signal_number == SIGUSR1)
            continue; /* not ours: somebody else's */
        if (signal_number == SIGHUP)
            log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
                      "SIGHUP: this version does not reload; restart to use a new configuration");
        else if (step < sizeof(steps) / sizeof(steps[0]))
            mailbox_post(&process->workers[0].mailbox, steps[step++]);
    }
}

static int run_workers(struct process *process, const sigset_t *signals)
{
    for (unsigned i = 0; i < process->worker_count; i++)
        must(worker_start(&process->workers[i]) == 0);
    pthread_t waiter;
    must(thread_start(&waiter, "waiter", wait_for_workers, process) == 0);
    mailbox_post(&process->workers[0].mailbox, &process->start_mail);
    while (sem_wait(&process->started) < 0)
        ;
    if (process->start_result)
        log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "%s", process->why);
    else
        log_write(LOG_INFO, LOG_ABOUT_NOTHING, "ready: %u workers, %zu tunnels, process %ld",
                  process->worker_count, process->config->tunnel_count, (long)getpid());
    handle_signals(process, signals);
    thread_join(waiter);
    return process->start_result ? 1 : 0;
}

static void process_fini(struct process *process)
{
    for (unsigned i = 0; i < process->worker_count; i++)
        linger_end_all(&process->workers[i], ERR_DRAIN_TIMEOUT);
    for (size_t i = 0; i < process->tunnel_count; i++)
        tunnel_free(process->tunnels[i]);
    free(process->tunnels);
    resolver_free(process->resolver);
    for (unsigned i = 0; i < process->worker_count; i++)
        worker_fini(&process->workers[i]);
    free(process->workers);
    sem_destroy(&process->started);
}

int process_run(const struct config *config)
{
    struct process process = {.config = config,
                              .budget.limit = config->memory_limit,
                              .start_mail.deliver = deliver_start,
                              .drain_mail.deliver = deliver_drain,
                              .abandon_mail.deliver = deliver_abandon,
                              .check_timer.on_expire = on_check};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    process.started_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    sigset_t signals;
    take_signals(&signals);
    raise_descriptor_limit();
    sem_init(&process.started, 0, 0);
    log_start((enum log_level)config->log_level,
              config->log_format == CONFIG_JSON ? LOG_JSON : LOG_TEXT);
    process.resolver = resolver_new();
    int code = 1;
    if (process.resolver && make_workers(&process) == 0 && make_tunnels(&process) == 0)
        code = run_workers(&process, &signals);
    else
        log_write(LOG_ERROR, LOG_ABOUT_NOTHING, "%s", process.why);
    process_fini(&process);
    log_write(LOG_INFO, LOG_ABOUT_NOTHING, "ended");
    log_stop();
    message_cache_clear();
    return code;
}
