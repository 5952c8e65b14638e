/* Children and full handshakes in memory, for hawser bench resume. */
#include "bench/resume/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"
#include "tls/session.h"

struct end {
    struct tls_session *session;
    struct tls_output output;
    struct message_queue sent;
    enum err result;
};

struct pair {
    struct end client, server;
};

struct master {
    struct pair pair;
    struct tls_generation *client, *server;
};

struct job {
    const struct bench_memory *bench;
    const struct master *masters; /* NULL: full handshakes */
    struct pair *pairs;           /* count of them: they stay open, as children do */
    unsigned count, resumed;
    pthread_t thread;
};

static void on_output(struct tls_output *output, struct message *message)
{
    message_queue_push(&container_of(output, struct end, output)->sent, message);
}

static void open_pair(struct pair *pair, const struct bench_memory *bench,
                      const struct master *master)
{
    *pair = (struct pair){.client = {.output.on_output = on_output, .result = ERR_AGAIN},
                          .server = {.output.on_output = on_output, .result = ERR_AGAIN}};
    pair->client.session =
        master ? tls_session_new_child(bench->client, master->client, NULL, &pair->client.output)
               : tls_session_new_master(bench->client, NULL, &pair->client.output);
    pair->server.session =
        master ? tls_session_new_child(bench->server, master->server, NULL, &pair->server.output)
               : tls_session_new_master(bench->server, NULL, &pair->server.output);
    must(pair->client.session && pair->server.session);
}

static void close_pair(struct pair *pair)
{
    tls_session_free(pair->client.session);
    tls_session_free(pair->server.session);
    message_queue_clear(&pair->client.sent);
    message_queue_clear(&pair->server.sent);
}

static bool move(struct end *from, struct end *to)
{
    bool moved = from->sent.first;
    for (struct message *message; (message = message_queue_pop(&from->sent));)
        tls_session_feed(to->session, message);
    return moved;
}

static void step(struct end *end)
{
    if (end->result == ERR_AGAIN)
        end->result = tls_session_handshake(end->session);
}

/* True: both are through, and the client has read its tickets. */
static bool shake(struct pair *pair)
{
    const uint8_t *data;
    size_t length;
    for (bool moved = true; moved;) {
        step(&pair->client);
        moved = move(&pair->client, &pair->server);
        step(&pair->server);
        moved = move(&pair->server, &pair->client) || moved;
    }
    return pair->client.result == ERR_OK && pair->server.result == ERR_OK &&
           tls_session_read(pair->client.session, &data, &length) == ERR_AGAIN;
}

static void *run(void *argument)
{
    struct job *job = argument;
    for (unsigned i = 0; i < job->count; i++) {
        struct pair *pair = &job->pairs[i];
        open_pair(pair, job->bench, job->masters ? &job->masters[i % job->bench->masters] : NULL);
        if (shake(pair) && tls_session_is_resumed(pair->client.session) &&
            tls_session_is_resumed(pair->server.session))
            job->resumed++;
    }

    return NULL;
}

struct figures {
    double per_s, each_us; /* processor time of both ends together */
    unsigned resumed;
};

static void begin(struct job *job, const struct bench_memory *bench, const struct master *masters,
                  unsigned count)
{
    *job = (struct job){.bench = bench,
                        .masters = masters,
                        .pairs = check_alloc((count + 1) * sizeof *job->pairs),
                        .count = count};
    must(thread_start(&job->thread, "bench", run, job) == 0);
}

static void end(struct job *job)
{
    for (unsigned i = 0; i < job->count; i++)
        close_pair(&job->pairs[i]);
    free(job->pairs);
}

static struct figures measure(const struct bench_memory *bench, const struct master *masters,
                              unsigned count)
{
    struct job *jobs = check_alloc(bench->threads * sizeof *jobs);
    struct figures figures = {0};
    double began = clock_seconds(CLOCK_MONOTONIC), spent = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < bench->threads; i++)
        begin(&jobs[i], bench, masters, count / bench->threads + (i < count % bench->threads));
    for (unsigned i = 0; i < bench->threads; i++) {
        thread_join(jobs[i].thread);
        figures.resumed += jobs[i].resumed;
    }
    figures.per_s = count / (clock_seconds(CLOCK_MONOTONIC) - began);
    figures.each_us = (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - spent) * 1e6 / count;
    for (unsigned i = 0; i < bench->threads; i++)
        end(&jobs[i]);
    free(jobs);
    return figures;
}

static enum err open_master(struct master *master, const struct bench_memory *bench, char *why,
                            size_t why_size)
{
    open_pair(&master->pair, bench, NULL);
    bool through = shake(&master->pair);
    master->client = through ? tls_session_generation(master->pair.client.session) : NULL;
    master->server = through ? tls_session_generation(master->pair.server.session) : NULL;
    if (master->client && master->server)
        return ERR_OK;
    bool server = master->pair.server.result != ERR_AGAIN && master->pair.server.result != ERR_OK;
    const struct end *failed = server ? &master->pair.server : &master->pair.client;
    snprintf(why, why_size, "%s", tls_session_detail(failed->session));
    return failed->result == ERR_OK || failed->result == ERR_AGAIN ? ERR_TLS_MASTER
                                                                   : failed->result;
}

enum err bench_resume_memory(const struct bench_memory *bench, struct bench_memory_result *result,
                             char *why, size_t why_size)
{
    struct master *masters = check_alloc(bench->masters * sizeof *masters);
    enum err failure = ERR_OK;
    unsigned opened = 0;
    while (failure == ERR_OK && opened < bench->masters)
        failure = open_master(&masters[opened++], bench, why, why_size);
    if (failure == ERR_OK) {
        struct figures children =
            bench->children ? measure(bench, masters, bench->children) : (struct figures){0};
        result->children_per_s = children.per_s;
        result->child_us = children.each_us;
        result->resumed = children.resumed;
        result->full_per_s = measure(bench, NULL, bench->full).per_s;
    }
    for (unsigned i = 0; i < opened; i++) {
        close_pair(&masters[i].pair);
        tls_generation_unref(masters[i].client);
        tls_generation_unref(masters[i].server);
    }
    free(masters);
    return failure;
}
