/* hawser bench resume: runs each mode over the real transport, both ends in this process. */
#include "bench/resume/resume.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/message.h"
#include "base/resolver.h"
#include "bench/resume/report.h"
#include "proxy/cli/init.h"
#include "proxy/cli/init_config.h"
#include "proxy/tunnel/sessions.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

/* Nothing has become ready for so long: nothing will. */
#define STUCK_S 60.0
/* The children for each full handshake beside which they are measured: those cost 3 to 60 times as
 * much. */
#define CHILDREN_PER_FULL 20

static const struct mode {
    const char *name, *words;
    const char *client, *server; /* lines of tls = { … } */
    bool full;                   /* nothing is resumed: the base of the ratios, by itself */
} modes[] = {
    {"full", "TLS 1.3, full handshakes", "", "", true},
    {"tls13", "TLS 1.3, tickets, X25519", "", "", false},
    {"psk_ke", "TLS 1.3, tickets, no key exchange", "children = \"psk\";", "children = \"psk\";",
     false},
    {"tls12-id", "TLS 1.2, session ids", "max_version = \"1.2\";",
     "max_version = \"1.2\"; resume_by = \"ids\";", false},
    {"tls12-ticket", "TLS 1.2, tickets", "max_version = \"1.2\";",
     "max_version = \"1.2\"; resume_by = \"tickets\";", false},
};
#define MODES (sizeof modes / sizeof modes[0])

/* One run: children of one kind. */
struct bench {
    const struct bench_resume_options *options;
    const struct mode *mode;
    unsigned children;
    bool full;
    bool is_base; /* only to compare with */
    char directory[64];
    struct config *config; /* tunnel 0 is the server, the others are the clients */
    struct sessions sessions;
    struct resolver *resolver;
    struct worker *workers;
    unsigned worker_count;
    struct mux_budget budget;
    struct tunnel_shared shared;
    struct tunnel **tunnels;
    unsigned tunnel_count;
    bool started;
    struct bench_resume_result result;
    char why[512];
};

/* ---- certificates and configuration ---- */

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        if (*entry->d_name != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    rmdir(path);
}

static void write_tunnel(const struct bench *bench, FILE *file, int number)
{
    const struct bench_resume_options *options = bench->options;
    unsigned count = bench->children / options->associations;
    if (number > 0)
        count += (unsigned)number <= bench->children % options->associations;
    else
        count++; /* as many as the largest client may have */
    fprintf(file, "%s{ name = \"%d\"; dead_after = 300; streams = { initial = %u; max = %u; };\n",
            number ? ", " : "", number, count, count);
    if (number)
        fprintf(file, "role = \"client\"; remote = \"127.0.0.1:9\"; connect_timeout = 60;\n");
    else
        fprintf(file,
                "role = \"server\"; local = \"127.0.0.1:0\"; max_peers = %u;\n"
                "identity = { max_associations = %u; max_streams = 16777216; };\n",
                options->associations, options->associations);
    fprintf(file,
            "tls = { ca = \"ca.pem\"; cert = \"%s.pem\"; key = \"%s.key\"; %s = \"%s\"; %s\n"
            "handshake_timeout = 600; };\n"
            "services = ( { name = \"none\"; connect = \"127.0.0.1:9\"; } ); }\n",
            number ? "client" : "server", number ? "client" : "server", number ? "peer" : "allow",
            number ? INIT_CONFIG_SERVER_NAME : INIT_CONFIG_CLIENT_NAME,
            number ? bench->mode->client : bench->mode->server);
}

static bool make_files(struct bench *bench)
{
    const struct init_options init = {.directory = bench->directory};
    char path[128];
    FILE *nowhere = fopen("/dev/null", "w");
    bool made = nowhere && init_write(&init, nowhere, stderr) == 0;
    if (nowhere)
        fclose(nowhere);
    snprintf(path, sizeof path, "%s/bench.cfg", bench->directory);
    FILE *file = made ? fopen(path, "w") : NULL;
    if (!file)
        return false;
    fprintf(file, "threads = %u; tunnels = (\n", bench->options->threads);
    for (unsigned i = 0; i <= bench->options->associations; i++)
        write_tunnel(bench, file, (int)i);
    fputs(");\n", file);
    return fclose(file) == 0;
}

/* The option table has no full handshakes, for which no user has a use. */
static void set_hidden(struct bench *bench)
{
    for (size_t i = 0; i < bench->config->tunnel_count; i++) {
        struct config_tunnel *tunnel = &bench->config->tunnels[i];
        free(tunnel->transport);
        tunnel->transport = check_strdup(bench->options->transport);
        tunnel->tls.resume.never = bench->full;
    }
}

static bool load_config(struct bench *bench)
{
    char path[128];
    snprintf(path, sizeof path, "%s/bench.cfg", bench->directory);
    bench->config = config_load(path, stderr, tls_credentials_check_pair);
    if (!bench->config)
        return false;
    set_hidden(bench);
    return true;
}

/* ---- the tunnels ---- */

struct call {
    struct bench *bench;
    struct tunnel *tunnel;
    bool result;
};

static void on_home_start(void *argument)
{
    struct call *call = argument;
    call->result = tunnel_start(call->tunnel, call->bench->why, sizeof call->bench->why) == 0;
}

static void on_home_close(void *argument)
{
    tunnel_close(((struct call *)argument)->tunnel, ERR_LOCAL_SHUTDOWN);
}

static void on_home_look(void *argument)
{
    struct call *call = argument;
    call->result = tunnel_is_gone(call->tunnel);
}

static void on_home_stop(void *argument)
{
    tunnel_stop(((struct call *)argument)->tunnel);
}

static bool ask(struct bench *bench, unsigned number, void (*what)(void *argument))
{
    bool all = true;
    for (struct tunnel *part = bench->tunnels[number]; part && all; part = part->next_part) {
        struct call call = {.bench = bench, .tunnel = part, .result = true};
        worker_call(part->base.home, what, &call);
        all = call.result;
    }
    return all;
}

static bool make_workers(struct bench *bench)
{
    bench->resolver = resolver_new(NULL);
    bench->workers = check_alloc(bench->config->threads * sizeof *bench->workers);
    for (; bench->worker_count < bench->config->threads; bench->worker_count++) {
        if (worker_init(&bench->workers[bench->worker_count], bench->worker_count,
                        bench->resolver) < 0) {
            snprintf(bench->why, sizeof bench->why, "worker %u cannot be made: %s",
                     bench->worker_count, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool make_tunnels(struct bench *bench)
{
    const struct config *config = bench->config;
    bench->budget.limit = config->memory_limit;
    bench->shared = (struct tunnel_shared){.workers = bench->workers,
                                           .worker_count = bench->worker_count,
                                           .budget = &bench->budget,
                                           .sessions = &bench->sessions};
    bench->tunnels = check_alloc(config->tunnel_count * sizeof *bench->tunnels);
    for (size_t i = 0; i < config->tunnel_count; i++) {
        struct tunnel *tunnel =
            tunnel_new(&config->tunnels[i], i, &bench->shared, bench->why, sizeof bench->why);
        if (!tunnel)
            return false;
        bench->tunnels[bench->tunnel_count++] = tunnel;
        if (!tunnel->owner.credentials) {
            snprintf(bench->why, sizeof bench->why, "%.500s", tunnel->waits_for);
            return false;
        }
    }
    return true;
}

static bool start_tunnels(struct bench *bench)
{
    for (unsigned i = 0; i < bench->worker_count; i++)
        must(worker_start(&bench->workers[i]) == 0);
    bench->started = true;
    if (!ask(bench, 0, on_home_start))
        return false;
    for (unsigned i = 1; i < bench->tunnel_count; i++) {
        bench->config->tunnels[i].remote[0].address =
            *transport_local(bench->tunnels[0]->endpoints.list[0].transport);
        if (!ask(bench, i, on_home_start))
            return false;
    }
    return true;
}

static void pause_ms(long milliseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

static void stop_tunnels(struct bench *bench)
{
    for (unsigned i = bench->started ? bench->tunnel_count : 0; i--;)
        ask(bench, i, on_home_close);
    for (unsigned i = bench->started ? bench->tunnel_count : 0; i--;) {
        while (!ask(bench, i, on_home_look))
            pause_ms(2);
        ask(bench, i, on_home_stop);
    }
    for (unsigned i = 0; bench->started && i < bench->worker_count; i++)
        worker_stop(&bench->workers[i]);
    for (unsigned i = 0; bench->started && i < bench->worker_count; i++)
        worker_join(&bench->workers[i]);
}

static void clear(struct bench *bench)
{
    if (!bench->config && !*bench->directory)
        return; /* it was never run */
    stop_tunnels(bench);
    for (unsigned i = 0; i < bench->tunnel_count; i++)
        tunnel_free(bench->tunnels[i]);
    free(bench->tunnels);
    sessions_close(&bench->sessions);
    resolver_free(bench->resolver);
    for (unsigned i = 0; i < bench->worker_count; i++)
        worker_fini(&bench->workers[i]);
    free(bench->workers);
    config_free(bench->config);
    remove_directory(bench->directory);
}

/* ---- measuring ---- */

#define sum_clients(bench, name)                                                                   \
    sum(bench, offsetof(struct counters, name), 1, (bench)->tunnel_count)
#define of_server(bench, name) sum(bench, offsetof(struct counters, name), 0, 1)

static uint64_t sum(const struct bench *bench, size_t offset, unsigned from, unsigned to)
{
    uint64_t total = 0;
    for (unsigned i = from; i < to; i++)
        for (struct tunnel *part = bench->tunnels[i]; part; part = part->next_part) {
            char *counters = (char *)&part->counters;
            total += counter_get((_Atomic uint64_t *)(void *)(counters + offset));
        }
    return total;
}

/* Children whose handshake and BIND are done. */
static uint64_t finished(const struct bench *bench, unsigned from, unsigned to)
{
    return sum(bench, offsetof(struct counters, children_resumed), from, to) +
           sum(bench, offsetof(struct counters, children_full), from, to);
}

/* Both ends have to agree on what a child was. */
static uint64_t at_both(const struct bench *bench, size_t offset)
{
    uint64_t near = sum(bench, offset, 1, bench->tunnel_count), far = sum(bench, offset, 0, 1);
    return near < far ? near : far;
}

/* From the first child that begins until the last one is ready at both ends. */
static void measure(struct bench *bench)
{
    struct bench_resume_result *result = &bench->result;
    double began = 0, progress = clock_seconds(CLOCK_MONOTONIC),
           spent = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t wanted = 2ull * bench->children, before = 0, ready;
    while ((ready = finished(bench, 0, 1) + finished(bench, 1, bench->tunnel_count)) < wanted) {
        double now = clock_seconds(CLOCK_MONOTONIC);
        if (!began && sum_clients(bench, children_started))
            began = now;
        if (ready != before)
            progress = now;
        before = ready;
        if (now - progress > STUCK_S)
            break;
        pause_ms(1);
    }
    result->seconds = clock_seconds(CLOCK_MONOTONIC) - began;
    result->child_us = (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - spent) * 1e6 / bench->children;
    result->resumed = at_both(bench, offsetof(struct counters, children_resumed));
    result->full = at_both(bench, offsetof(struct counters, children_full));
    result->failed = sum_clients(bench, children_failed) + of_server(bench, children_failed);
    result->per_s = (double)(bench->full ? result->full : result->resumed) / result->seconds;
    log_set_level(LOG_ERROR); /* the end of the associations is no news */
}

static bool measure_memory(struct bench *bench)
{
    char reason[400];
    const struct bench_memory memory = {
        .client = bench->tunnels[1]->owner.credentials,
        .server = bench->tunnels[0]->owner.credentials,
        .threads = bench->options->threads,
        .masters = bench->options->associations,
        .children = bench->full ? 0 : bench->children,
        .full = 1 + bench->options->children / CHILDREN_PER_FULL,
    };
    enum err result = bench_resume_memory(&memory, &bench->result.memory, reason, sizeof reason);
    if (result != ERR_OK)
        snprintf(bench->why, sizeof bench->why, "in memory: %s: %s", err_text(result), reason);
    return result == ERR_OK;
}

/* True if the children were made; the result says if they were resumed. */
static bool run(struct bench *bench)
{
    const char *folder = getenv("TMPDIR");
    snprintf(bench->directory, sizeof bench->directory, "%s/hawser-bench-XXXXXX",
             folder && strlen(folder) < 32 ? folder : "/tmp");
    if (!mkdtemp(bench->directory)) {
        *bench->directory = '\0';
        snprintf(bench->why, sizeof bench->why, "no temporary directory");
        return false;
    }
    bool fine = make_files(bench) && load_config(bench) &&
                sessions_open(&bench->sessions, &bench->config->sessions, bench->why,
                              sizeof bench->why) == 0 &&
                make_workers(bench) && make_tunnels(bench);
    remove_directory(bench->directory); /* all is loaded: nothing stays behind, however this ends */
    if (!fine || (!bench->is_base && !measure_memory(bench)) || !start_tunnels(bench))
        return false;
    measure(bench);
    return true;
}

/* ---- the answer ---- */

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < MODES; i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}

static int check(const struct bench_resume_options *options, FILE *err)
{
    for (size_t i = 0; i < options->mode_count; i++) {
        if (find_mode(options->modes[i]))
            continue;
        fprintf(err, "hawser bench resume: mode \"%s\" is not known; there are", options->modes[i]);
        for (size_t j = 0; j < MODES; j++)
            fprintf(err, " %s", modes[j].name);
        fputs("\n", err);
        return 2;
    }
    if (options->threads >= 1 && options->threads <= 256 && options->associations >= 1 &&
        options->associations <= 255 && options->children >= options->associations &&
        options->children / options->associations < 65533)
        return 0;
    fputs("hawser bench resume: 1 to 256 threads, 1 to 255 associations, and 1 to 65532 children "
          "for each of them\n",
          err);
    return 2;
}

static bool is_complete(const struct bench *bench)
{
    const struct bench_resume_result *result = &bench->result;
    return (bench->full ? result->full : result->resumed) == bench->children && !result->failed;
}

/* Full handshakes over the same transport, to compare with. */
static bool run_base(struct bench *bench)
{
    const struct bench_resume_options *options = bench->options;
    struct bench base = {.options = options,
                         .mode = bench->mode,
                         .children = 1 + options->children / CHILDREN_PER_FULL,
                         .full = true,
                         .is_base = true};
    if (base.children < options->associations)
        base.children = options->associations;
    log_set_level(LOG_ERROR); /* that children are not resumed is no news */
    bool ran = run(&base);
    if (ran && !is_complete(&base))
        snprintf(base.why, sizeof base.why, "not all of the full handshakes came to an end");
    memcpy(bench->why, base.why, sizeof bench->why);
    bench->result.base = base.children;
    bench->result.base_per_s = base.result.per_s;
    bench->result.base_us = base.result.child_us;
    clear(&base);
    return ran && is_complete(&base);
}

static bool run_mode(struct bench *bench)
{
    bench->result.mode = bench->mode->name;
    bench->result.words = bench->mode->words;
    bench->children = bench->options->children;
    bench->full = bench->mode->full;
    if (!bench->full && !run_base(bench))
        return false;
    log_set_level(bench->full ? LOG_ERROR : LOG_WARNING);
    return run(bench);
}

int bench_resume_run(const struct bench_resume_options *options, FILE *out, FILE *err)
{
    int code = check(options, err);
    if (code)
        return code;
    size_t count = options->mode_count ? options->mode_count : MODES;
    json_t *reports = json_array();
    for (size_t i = 0; i < count; i++) {
        struct bench bench = {.options = options,
                              .mode =
                                  options->mode_count ? find_mode(options->modes[i]) : &modes[i]};
        bool ran = run_mode(&bench);
        if (!ran)
            fprintf(err, "hawser bench resume: %s: %s\n", bench.mode->name, bench.why);
        else if (options->json)
            json_array_append_new(reports, bench_resume_report(options, &bench.result));
        else
            bench_resume_print(options, &bench.result, out);
        fflush(out);
        if (!ran || !is_complete(&bench))
            code = 1;
        clear(&bench);
    }
    if (options->json) {
        json_dumpf(reports, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        fputs("\n", out);
    }
    json_decref(reports);
    message_cache_clear();
    return code;
}
