/* bench/children_bench.c: the cost of a child in every mode, and of a full handshake, both
 * ends in memory, through the functions that the proxy uses: processor time of each end by itself,
 * bytes each way, and children a second on two threads.
 *
 *   make build/default/bench/children_bench && build/default/bench/children_bench
 *
 * Prints a table of docs/performance/children.md. The median of ROUNDS rounds, modes by turns, so
 * that a slow spell of the machine hits all of them. --rows: as rows of bench/layers instead. */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/row.h"
#include "tests/unit/tls/modes.h"

#define ROUNDS   7
#define CHILDREN 1000
#define FULL     100
#define THREADS  2

/* Only what the pair's helpers need of tap, so that nothing of the tests is linked. */
bool tap_ok(bool condition, const char *file, int line, const char *format, ...)
{
    (void)file, (void)line, (void)format;
    return condition;
}

void tap_note(const char *format, ...)
{
    puts(format);
}

struct figures {
    double client_us, server_us; /* processor time of a handshake */
    double threads_us;           /* of both ends together, while THREADS threads do the same */
    double rate;                 /* a second, by all of these; others on the machine lower it */
    size_t client_bytes, server_bytes;
};

static int rounds = ROUNDS; /* --rows: one, as the benchmarks of the other layers */

struct row {
    char name[64];
    const struct mode *mode;
    bool is_full;
    struct tls_store *store;
    struct tls_credentials *client, *server;
    struct association a;
    struct figures rounds[ROUNDS];
};

static bool step(struct end *end, double *spent)
{
    double from = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    if (end->result == ERR_AGAIN)
        end->result = tls_session_handshake(end->session);
    *spent += clock_seconds(CLOCK_THREAD_CPUTIME_ID) - from;
    return end->result == ERR_OK;
}

static void start(struct row *row, struct pair *pair, double *client_s, double *server_s)
{
    init_pair(pair);
    double from = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    pair->client.session =
        row->is_full
            ? tls_session_new_master(row->client, NULL, &pair->client.output)
            : tls_session_new_child(row->client, row->a.client, NULL, &pair->client.output);
    double middle = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    pair->server.session =
        row->is_full
            ? tls_session_new_master(row->server, NULL, &pair->server.output)
            : tls_session_new_child(row->server, row->a.server, NULL, &pair->server.output);
    *server_s += clock_seconds(CLOCK_THREAD_CPUTIME_ID) - middle;
    *client_s += middle - from;
    must(pair->client.session && pair->server.session);
    pair->client.result = pair->server.result = ERR_AGAIN;
}

/* Without close_notify; a full handshake includes that the client reads its tickets. */
static void handshake(struct row *row, struct figures *figures)
{
    struct pair pair;
    const uint8_t *data;
    size_t length;
    double client_s = 0, server_s = 0;
    figures->client_bytes = figures->server_bytes = 0;
    start(row, &pair, &client_s, &server_s);
    for (bool moved = true; moved;) {
        step(&pair.client, &client_s);
        figures->client_bytes += pair.client.sent.bytes;
        moved = deliver(&pair.client, &pair.server);
        step(&pair.server, &server_s);
        figures->server_bytes += pair.server.sent.bytes;
        moved = deliver(&pair.server, &pair.client) || moved;
    }
    must(pair.client.result == ERR_OK && pair.server.result == ERR_OK);
    must(row->is_full || both_resumed(&pair));
    double from = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    must(tls_session_read(pair.client.session, &data, &length) == ERR_AGAIN);
    tls_session_free(pair.client.session);
    double middle = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    tls_session_free(pair.server.session);
    pair.client.session = pair.server.session = NULL;
    figures->client_us += (client_s + middle - from) * 1e6;
    figures->server_us += (server_s + clock_seconds(CLOCK_THREAD_CPUTIME_ID) - middle) * 1e6;
    free_pair(&pair);
}

static int count_of(const struct row *row)
{
    return row->is_full ? FULL : CHILDREN;
}

static void *run(void *argument)
{
    struct row *row = argument;
    struct figures ignored = {0};
    for (int i = 0; i < count_of(row); i++)
        handshake(row, &ignored);
    message_cache_clear();
    return NULL;
}

static void measure(struct row *row, struct figures *figures)
{
    pthread_t threads[THREADS];
    int count = count_of(row);
    for (int i = 0; i < count; i++)
        handshake(row, figures);
    figures->client_us /= count;
    figures->server_us /= count;
    double from = clock_seconds(CLOCK_MONOTONIC), busy = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < THREADS; i++)
        must(pthread_create(&threads[i], NULL, run, row) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    figures->threads_us =
        (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - busy) / (THREADS * count) * 1e6;
    figures->rate = THREADS * count / (clock_seconds(CLOCK_MONOTONIC) - from);
}

static void open_row(struct row *row, const struct mode *mode, bool is_full)
{
    snprintf(row->name, sizeof row->name, "%s%s", is_full ? "full handshake, " : "",
             is_full ? mode->version : mode->name);
    row->mode = mode;
    row->is_full = is_full;
    row->store = tls_store_new(&(struct tls_store_options){0});
    row->client = load_credentials(mode_options(mode, TLS_CLIENT, "client", NULL));
    row->server = load_credentials(mode_options(mode, TLS_SERVER, "server", row->store));
    open_association(&row->a, row->client, row->server, NULL);
}

static void close_row(struct row *row)
{
    close_association(&row->a);
    tls_credentials_unref(row->client);
    tls_credentials_unref(row->server);
    tls_store_unref(row->store);
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(const struct row *row, size_t offset)
{
    double values[ROUNDS];
    for (int i = 0; i < rounds; i++)
        memcpy(&values[i], (const char *)&row->rounds[i] + offset, sizeof values[i]);
    qsort(values, (size_t)rounds, sizeof values[0], compare);
    return values[rounds / 2];
}

#define MEDIAN(row, field) median((row), offsetof(struct figures, field))

static void print(const struct row *row, const struct row *full)
{
    double both = MEDIAN(row, client_us) + MEDIAN(row, server_us),
           whole = MEDIAN(full, client_us) + MEDIAN(full, server_us);
    printf("| %s | %.0f | %.0f | %.1f | %.0f | %.0f | %zu | %zu |\n", row->name,
           MEDIAN(row, client_us), MEDIAN(row, server_us), whole / both, MEDIAN(row, threads_us),
           MEDIAN(row, rate), row->rounds[0].client_bytes, row->rounds[0].server_bytes);
}

static void print_as_row(const struct row *row, const char *what, double value, const char *unit)
{
    char words[120];
    snprintf(words, sizeof words, "%.63s: %s", row->name, what);
    print_row("tls", words, value, unit);
}

static void print_as_rows(const struct row *row)
{
    print_as_row(row, "processor time, client", MEDIAN(row, client_us), "µs");
    print_as_row(row, "processor time, server", MEDIAN(row, server_us), "µs");
    print_as_row(row, "a second, 2 threads", MEDIAN(row, rate), "1/s");
}

static void print_table(const struct row rows[], int count)
{
    puts("| mode | client, µs | server, µs | full handshake ÷ this | both, 2 threads, µs | "
         "a second, 2 threads | bytes to the server | bytes to the client |");
    puts("|---|---|---|---|---|---|---|---|");
    for (int i = 0; i < count; i++)
        print(&rows[i], &rows[0]);
}

int main(int count, char **arguments)
{
    enum { ROWS = 6 };
    static struct row rows[ROWS];
    bool as_rows = count > 1 && !strcmp(arguments[1], "--rows");
    make_certificates();
    open_row(&rows[0], &modes[0], true);
    open_row(&rows[1], &modes[2], true);
    for (int i = 0; i < 4; i++)
        open_row(&rows[2 + i], &modes[i], false);
    if (as_rows)
        rounds = 1;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < ROWS; i++)
            measure(&rows[i], &rows[i].rounds[round]);
    if (as_rows)
        for (int i = 0; i < ROWS; i++)
            print_as_rows(&rows[i]);
    else
        print_table(rows, ROWS);
    for (int i = 0; i < ROWS; i++)
        close_row(&rows[i]);
    message_cache_clear();
    return 0;
}
