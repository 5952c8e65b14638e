/* The session store of several servers: with a real Redis, without one, with one that says nothing,
 * and with some that never end what they say. */
#include "tls/store_redis.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/tls/key_files.h"
#include "tests/unit/tls/modes.h"
#include "tls/key_file.h"
#include "tls/session_private.h"

static const struct mode *const by_id = &modes[2];

static struct loop *loop;
static struct mailbox box;
static char socket_path[100], why[256];
static int readies;

static void on_ready(struct tls_output *self)
{
    (void)self;
    readies++;
}

/* Redis on a Unix socket, without persistence. Its pid, or -1 when there is no such program. */
static pid_t start_redis(void)
{
    int output[2];
    char line[256];
    must(pipe(output) == 0);
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        dup2(output[1], 1);
        close(output[0]);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path, "--save",
               "", "--dir", certificates_directory, (char *)NULL);
        _exit(127);
    }
    close(output[1]);
    FILE *lines = fdopen(output[0], "r");
    bool is_ready = false;
    while (!is_ready && fgets(line, sizeof line, lines))
        is_ready = strstr(line, "onnections") && strstr(line, "eady to accept");
    /* The reading end stays open: Redis goes on writing. */
    if (is_ready)
        return pid;
    fclose(lines);
    waitpid(pid, NULL, 0);
    return -1;
}

static void stop_redis(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    unlink(socket_path);
}

/* Something that takes connections and never says anything. */
static int start_silence(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
         listen(fd, 100) == 0);
    return fd;
}

static void stop_silence(int fd)
{
    close(fd);
    unlink(socket_path);
}

/* One of several servers: a store of its own, and the common one behind it. */
struct host {
    struct tls_store_redis *redis;
    struct tls_store *store;
    struct tls_credentials *credentials;
};

static void open_host_with(struct host *host, uint32_t timeout_ms, uint32_t max_queued)
{
    struct tls_store_redis_options options = {.host = socket_path,
                                              .keys = path_of("redis.keys"),
                                              .timeout_ms = timeout_ms,
                                              .max_queued = max_queued};
    must(tls_store_redis_new(&options, &host->redis, why, sizeof why) == ERR_OK);
    host->store = tls_store_new(&(struct tls_store_options){.redis = host->redis});
    host->credentials = load_credentials(mode_options(by_id, TLS_SERVER, "server", host->store));
}

/* Patient, so that a busy machine does not fail the test. */
static void open_host(struct host *host)
{
    open_host_with(host, 5000, 0);
}

static void close_host(struct host *host)
{
    tls_credentials_unref(host->credentials);
    tls_store_unref(host->store);
    tls_store_redis_free(host->redis);
}

static struct tls_store_redis_statistics statistics_of(const struct host *host)
{
    struct tls_store_redis_statistics statistics;
    tls_store_redis_statistics(host->redis, &statistics);
    return statistics;
}

static void start_master(struct pair *pair, struct tls_credentials *client, const struct host *host,
                         struct tls_ticket *ticket)
{
    init_pair(pair);
    pair->server.output.on_ready = on_ready;
    pair->server.output.reply_to = &box;
    pair->client.session = tls_session_new_master(client, ticket, &pair->client.output);
    pair->server.session = tls_session_new_master(host->credentials, NULL, &pair->server.output);
    must(pair->client.session && pair->server.session);
}

/* A master whose server may have to wait. The times that it was told to go on; -1: it failed. */
static int run_master(struct pair *pair, struct tls_credentials *client, const struct host *host,
                      struct tls_ticket *ticket)
{
    start_master(pair, client, host, ticket);
    readies = 0;
    bool through = shake(pair);
    if (!through && pair->server.result == ERR_AGAIN) {
        while (!readies)
            loop_turn(loop, UINT64_MAX);
        through = shake(pair);
    }
    return through ? readies : -1;
}

/* Until the values given have arrived in Redis, or are lost. */
static void settle(const struct host *host, uint64_t wanted)
{
    struct tls_store_redis_statistics statistics;
    do {
        loop_turn(loop, 1000);
        statistics = statistics_of(host);
    } while (statistics.stored + statistics.dropped < wanted);
}

static struct tls_ticket *first_master(struct tls_credentials *client, const struct host *host)
{
    struct pair pair;
    struct tls_store_redis_statistics before = statistics_of(host);
    must(run_master(&pair, client, host, NULL) == 0);
    settle(host, before.stored + before.dropped + 1);
    struct tls_ticket *ticket = tls_session_take_ticket(pair.client.session);
    must(ticket);
    free_pair(&pair);
    return ticket;
}

static bool redis_says(const char *command)
{
    char line[512];
    snprintf(line, sizeof line,
             "redis-cli -s %s --scan | while read -r k; do redis-cli -s %s %s; done >/dev/null",
             socket_path, socket_path, command);
    return system(line) == 0;
}

static void test_shared(struct tls_credentials *client)
{
    struct host one, two;
    struct pair pair;
    open_host(&one);
    open_host(&two);
    struct tls_ticket *ticket = first_master(client, &one);
    ok(statistics_of(&one).stored == 1 && statistics_of(&one).is_connected, "stored in Redis");
    int waits = run_master(&pair, client, &two, ticket);
    ok(waits == 1 && both_resumed(&pair) && statistics_of(&two).hits == 1,
       "another server waits once, and resumes");
    struct tls_generation *at_client = tls_session_generation(pair.client.session),
                          *at_server = tls_session_generation(pair.server.session);
    struct pair child;
    bool through = open_child(&child, client, at_client, two.credentials, at_server);
    ok(through && both_resumed(&child), "and has children");
    free_pair(&child);
    tls_generation_unref(at_client);
    tls_generation_unref(at_server);
    ticket = tls_session_take_ticket(pair.client.session);
    free_pair(&pair);
    waits = run_master(&pair, client, &two, ticket);
    ok(waits == 0 && both_resumed(&pair), "the next time it knows by itself");
    free_pair(&pair);

    ticket = first_master(client, &one);
    must(redis_says("del \"$k\""));
    waits = run_master(&pair, client, &two, ticket);
    ok(waits == 1 && !both_resumed(&pair) && statistics_of(&two).misses == 1,
       "what Redis has lost is a full handshake");
    free_pair(&pair);
    settle(&two, 1);
    must(redis_says("del \"$k\""));
    ticket = first_master(client, &one);
    must(redis_says("append \"$k\" x"));
    waits = run_master(&pair, client, &two, ticket);
    ok(waits == 1 && !both_resumed(&pair) && statistics_of(&two).not_accepted == 1,
       "so is what somebody changed there");
    free_pair(&pair);
    close_host(&one);
    close_host(&two);
}

static void test_keys(struct tls_credentials *client)
{
    struct host one, two;
    struct pair pair;
    open_host(&one);
    open_host(&two);
    rotate_keys(path_of("redis.keys"), 32, 1);
    must(tls_store_redis_reload(one.redis, why, sizeof why) == ERR_OK);
    struct tls_ticket *ticket = first_master(client, &one);
    int waits = run_master(&pair, client, &two, ticket);
    ok(waits == 1 && !both_resumed(&pair) && statistics_of(&two).not_accepted == 1,
       "a value of a key that is not known yet is not accepted");
    free_pair(&pair);
    ticket = first_master(client, &two);
    must(tls_store_redis_reload(two.redis, why, sizeof why) == ERR_OK);
    struct tls_ticket *newer = first_master(client, &one);
    waits = run_master(&pair, client, &two, newer);
    ok(waits == 1 && both_resumed(&pair), "once it is read, it is");
    free_pair(&pair);
    waits = run_master(&pair, client, &one, ticket);
    ok(waits == 1 && both_resumed(&pair), "and the key before is accepted for its time");
    free_pair(&pair);
    must(chmod(path_of("redis.keys"), 0644) == 0);
    enum err result = tls_store_redis_reload(two.redis, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS, "a file that others can read is refused: %s",
       strrchr(why, '/') + 1);
    must(chmod(path_of("redis.keys"), 0600) == 0);
    close_host(&one);
    close_host(&two);
}

static void test_restart(struct tls_credentials *client, pid_t *redis)
{
    struct host one, two;
    struct pair pair;
    open_host(&one);
    open_host(&two);
    struct tls_ticket *ticket = first_master(client, &one), *later;
    stop_redis(*redis);
    int waits = run_master(&pair, client, &two, ticket);
    ok(waits == 1 && !both_resumed(&pair) && statistics_of(&two).unavailable == 1 &&
           !statistics_of(&two).is_connected,
       "Redis is gone: a full handshake");
    free_pair(&pair);
    tls_ticket_free(first_master(client, &one));
    ok(statistics_of(&one).dropped == 1, "what cannot be stored is counted");
    *redis = start_redis();
    must(*redis > 0);
    int attempts = 0;
    bool resumed = false;
    while (!resumed && attempts++ < 1000) {
        later = first_master(client, &one);
        must(run_master(&pair, client, &two, later) >= 0);
        resumed = both_resumed(&pair);
        free_pair(&pair);
        if (!resumed)
            loop_turn(loop, 10000);
    }
    ok(resumed, "when it is back, it is found again by itself");
    close_host(&one);
    close_host(&two);
}

static int answers;

static void on_answer(struct tls_store_query *query)
{
    answers += query->answer == TLS_STORE_NO_ANSWER;
    free(query);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void test_silence(struct tls_credentials *client)
{
    struct host one;
    struct pair pair, others[3];
    int fd = start_silence();
    open_host_with(&one, 0, 0);
    struct tls_ticket *ticket = first_master(client, &one);
    ok(statistics_of(&one).dropped == 1, "a Redis that says nothing stores nothing");
    close_host(&one);

    open_host_with(&one, 0, 0);
    double from = seconds();
    int waits = run_master(&pair, client, &one, ticket);
    double took = seconds() - from;
    ok(waits == 1 && !both_resumed(&pair) && statistics_of(&one).timeouts == 1,
       "nor does it hold a handshake up for long: %.0f ms", took * 1e3);
    ticket = tls_session_take_ticket(pair.client.session);
    free_pair(&pair);
    close_host(&one);

    open_host_with(&one, 300, 2);
    readies = 0;
    for (int i = 0; i < 3; i++) {
        struct pair full;
        must(run_master(&full, client, &one, NULL) == 0);
        struct tls_ticket *own = tls_session_take_ticket(full.client.session);
        free_pair(&full);
        tls_store_unref(one.store); /* so that each has to ask */
        tls_credentials_unref(one.credentials);
        one.store = tls_store_new(&(struct tls_store_options){.redis = one.redis});
        one.credentials = load_credentials(mode_options(by_id, TLS_SERVER, "server", one.store));
        start_master(&others[i], client, &one, own);
        must(!shake(&others[i]) && others[i].server.result == ERR_AGAIN);
    }
    for (int i = 0; i < 1000; i++) {
        struct message *message = message_new(1);
        message->length = 1;
        tls_session_feed(others[0].server.session, message);
    }
    ok(others[0].server.session->input.count == TLS_WAITING_MAX,
       "who waits for an answer keeps little of what the peer sends meanwhile");
    readies = 0;
    for (int i = 0; i < 3; i++)
        free_pair(&others[i]);
    loop_turn(loop, 0);
    ok(readies == 0, "sessions that are gone are not told anything");
    close_host(&one);
    loop_turn(loop, 0);
    ok(readies == 0, "not even by the end of the store");

    open_host_with(&one, 400, 1);
    for (int i = 0; i < 4; i++) {
        struct tls_store_query *query = check_alloc(sizeof *query);
        query->on_answer = on_answer;
        query->reply_to = &box;
        tls_store_redis_ask(one.redis, query);
        if (tls_store_redis_cancel(one.redis, query))
            free(query);
    }
    close_host(&one);
    loop_turn(loop, 0);
    ok(answers < 4, "questions taken back at once leave nothing behind");
    tls_ticket_free(ticket);
    stop_silence(fd);
}

static void test_full_queue(void)
{
    struct host one;
    int fd = start_silence();
    open_host_with(&one, 300, 2);
    double from = seconds();
    answers = 0;
    for (int i = 0; i < 100; i++) {
        struct tls_store_query *query = check_alloc(sizeof *query);
        query->on_answer = on_answer;
        query->reply_to = &box;
        tls_store_redis_ask(one.redis, query);
    }
    while (answers < 100)
        loop_turn(loop, UINT64_MAX);
    double took = seconds() - from;
    ok(statistics_of(&one).unavailable >= 97 && took < 5,
       "100 questions to a silent Redis: %d were answered at once, all within %.0f ms",
       (int)statistics_of(&one).unavailable, took * 1e3);
    close_host(&one);
    stop_silence(fd);
}

/* Answers of a Redis that is hostile, or broken. */
struct nuisance {
    const char *begin, *more, *what;
    bool drips;
};

static const struct nuisance nuisances[] = {
    {"$1", "0", "that drips", true},
    {"$2000000000\r\n", "xxxxxxxxxxxxxxx", "that has two gigabytes for us", false},
    {"*100000000\r\n", "$-1\r\n", "that has a long list", false},
    {"+", "OK ", "whose line does not end", false},
};

#define ENOUGH (64u << 20)

/* A process that answers one connection. Its exit status is the number of MB that it has sent until
 * it was closed. */
static pid_t start_nuisance(int listener, const struct nuisance *nuisance)
{
    pid_t pid = fork();
    must(pid >= 0);
    if (pid)
        return pid;
    char bytes[6 * 1000] = "";
    size_t size = strlen(nuisance->more), block = 0, total = 0;
    while (block + size <= (nuisance->drips ? size : sizeof bytes)) {
        memcpy(bytes + block, nuisance->more, size);
        block += size;
    }
    int fd = accept(listener, NULL, NULL);
    ssize_t sent = send(fd, nuisance->begin, strlen(nuisance->begin), MSG_NOSIGNAL);
    for (int i = 0; sent > 0 && total < ENOUGH && (!nuisance->drips || i < 200); i++) {
        if (nuisance->drips)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        sent = send(fd, bytes, block, MSG_NOSIGNAL);
        total += sent > 0 ? (size_t)sent : 0;
    }
    _exit((int)(total >> 20));
}

static void test_nuisances(void)
{
    for (size_t i = 0; i < sizeof nuisances / sizeof *nuisances; i++) {
        struct host one;
        int fd = start_silence(), status;
        pid_t pid = start_nuisance(fd, &nuisances[i]);
        open_host_with(&one, nuisances[i].drips ? 200 : 5000, 0);
        struct tls_store_query *query = check_alloc(sizeof *query);
        query->on_answer = on_answer;
        query->reply_to = &box;
        answers = 0;
        double from = seconds();
        tls_store_redis_ask(one.redis, query);
        while (!answers)
            loop_turn(loop, UINT64_MAX);
        double took = seconds() - from;
        must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        ok(took < 2 && WEXITSTATUS(status) < 8,
           "a Redis %s is left after %.0f ms and less than %d MB", nuisances[i].what, took * 1e3,
           WEXITSTATUS(status) + 1);
        close_host(&one);
        stop_silence(fd);
    }
}

static void test_options(void)
{
    struct tls_store_redis *redis;
    struct tls_store_redis_options options = {.host = "redis.example",
                                              .keys = path_of("redis.keys")};
    enum err result = tls_store_redis_new(&options, &redis, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS && !redis, "a name is refused: %s", why);
    options.host = "127.0.0.1";
    options.keys = path_of("nothing");
    result = tls_store_redis_new(&options, &redis, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS && !redis, "no keys: %s", strrchr(why, '/') + 1);
    tls_store_redis_free(NULL);
}

int main(void)
{
    make_certificates();
    snprintf(socket_path, sizeof socket_path, "%s", path_of("redis.sock"));
    make_key_file(path_of("redis.keys"), 32);
    certificates_made[certificates_count++] = check_strdup("redis.keys");
    loop = loop_new();
    must(loop && mailbox_init(&box, loop) == 0);
    struct tls_credentials *client = load_credentials(mode_options(by_id, TLS_CLIENT, "client", 0));
    test_options();
    test_silence(client);
    test_full_queue();
    test_nuisances();
    pid_t redis = start_redis();
    if (redis > 0) {
        test_shared(client);
        test_keys(client);
        test_restart(client, &redis);
        stop_redis(redis);
    } else {
        tap_skip("a real Redis", "redis-server is not installed");
    }
    tls_credentials_unref(client);
    mailbox_fini(&box);
    loop_free(loop);
    message_cache_clear();
    return tap_done();
}
