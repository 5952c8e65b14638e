/* The status of a process as text. */
#include "proxy/cli/status_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/quote.h"

/* A text member; "-" if it is missing or empty. */
static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && *value ? value : "-";
}

static bool has_text(const json_t *object, const char *key)
{
    return strcmp(text(object, key), "-") != 0;
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* "1.2 GB": powers of 1000, as disks and links are sold. */
static const char *bytes(uint64_t value, char out[static 32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double scaled = (double)value;
    size_t unit = 0;
    for (; scaled >= 999.95 && unit < 6; unit++)
        scaled /= 1000;
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", scaled, units[unit]);
    return out;
}

static const char *duration(uint64_t seconds, char out[static 64])
{
    uint64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;
    if (days)
        snprintf(out, 64, "%" PRIu64 " d %" PRIu64 " h", days, hours);
    else if (hours)
        snprintf(out, 64, "%" PRIu64 " h %" PRIu64 " min", hours, minutes);
    else if (minutes)
        snprintf(out, 64, "%" PRIu64 " min %" PRIu64 " s", minutes, seconds % 60);
    else
        snprintf(out, 64, "%" PRIu64 " s", seconds);
    return out;
}

/* One path's line; where it begins, and what it may carry, only beside others. */
static void print_path(const json_t *path, bool several, FILE *out)
{
    char window[32];
    fputs("    path          ", out);
    if (several && has_text(path, "local"))
        fprintf(out, "%s -> ", text(path, "local"));
    fprintf(out, "%s %s", text(path, "address"), text(path, "state"));
    if (several && json_is_true(json_object_get(path, "in_use")))
        fputs(", in use", out);
    if (number(path, "rtt_us"))
        fprintf(out, ", round trip %.3g ms", (double)number(path, "rtt_us") / 1000);
    if (number(path, "mtu"))
        fprintf(out, ", MTU %" PRIu64, number(path, "mtu"));
    if (several && number(path, "congestion_window"))
        fprintf(out, ", window %s", bytes(number(path, "congestion_window"), window));
    fputc('\n', out);
}

/* Of a path that data goes by. */
static void print_congestion(const json_t *path, FILE *out)
{
    const json_t *congestion = json_object_get(path, "congestion");
    char amount[32];
    if (!has_text(congestion, "name") || !json_is_true(json_object_get(path, "in_use")))
        return;
    fprintf(out, "    congestion    %s, %s: window %s", text(congestion, "name"),
            text(congestion, "phase"), bytes(number(congestion, "window"), amount));
    if (number(congestion, "rate"))
        fprintf(out, ", %s/s", bytes(number(congestion, "rate"), amount));
    if (number(congestion, "min_rtt_us"))
        fprintf(out, ", least round trip %.3g ms", (double)number(congestion, "min_rtt_us") / 1000);
    double floor = json_real_value(json_object_get(congestion, "loss_floor"));
    if (floor >= 0.0005)
        fprintf(out, ", path loss %.1f%%", floor * 100);
    fputc('\n', out);
}

static void print_losses(const json_t *association, FILE *out)
{
    uint64_t sent_again = number(association, "retransmissions"),
             timeouts = number(association, "timeouts");
    fprintf(out, ", %" PRIu64 " retransmission%s", sent_again, plural(sent_again));
    if (number(association, "spurious"))
        fprintf(out, " (%" PRIu64 " spurious)", number(association, "spurious"));
    if (timeouts)
        fprintf(out, ", %" PRIu64 " time-out%s", timeouts, plural(timeouts));
}

static void print_paths(const json_t *association, FILE *out)
{
    size_t i;
    json_t *path, *paths = json_object_get(association, "paths");
    json_array_foreach(paths, i, path)
    {
        print_path(path, json_array_size(paths) > 1, out);
        print_congestion(path, out);
    }
}

static void print_tls(const json_t *tls, FILE *out)
{
    if (has_text(tls, "identity"))
        fprintf(out, "    peer          %s\n", text(tls, "identity"));
    if (!has_text(tls, "version"))
        return;
    char left[64];
    fprintf(out, "    master session %s, %s%s", text(tls, "version"), text(tls, "cipher"),
            json_is_true(json_object_get(tls, "master_resumed"))
                ? ", resumed from an earlier association"
                : "");
    if (number(tls, "resumable_s"))
        fprintf(out, ", children can be resumed for %s",
                duration(number(tls, "resumable_s"), left));
    fputc('\n', out);
}

static void print_streams(const json_t *association, FILE *out)
{
    const json_t *limit = json_object_get(association, "streams_limit");
    const char *by = text(limit, "by");
    fprintf(out, ", %" PRIu64 " stream%s", number(association, "streams"),
            plural(number(association, "streams")));
    if (*by == '-' || strcmp(by, "both") == 0)
        return;
    fprintf(out, " (limited by %s; streams.max is %" PRIu64 " here, %" PRIu64 " there)",
            strcmp(by, "here") == 0       ? "this end"
            : strcmp(by, "far end") == 0  ? "the far end"
            : strcmp(by, "identity") == 0 ? "identity.max_streams"
                                          : "SCTP",
            number(limit, "here"), number(limit, "far_end"));
}

static void print_association(const json_t *association, FILE *out)
{
    const json_t *tls = json_object_get(association, "tls");
    fprintf(out, "  association     %s", text(association, "id"));
    if (has_text(association, "peer") || has_text(association, "address"))
        fprintf(out, " with %s at %s", text(association, "peer"), text(association, "address"));
    if (has_text(association, "transport"))
        fprintf(out, " over %s", text(association, "transport"));
    fprintf(out, ": %s", text(association, "state"));
    if (strcmp(text(association, "sctp_auth"), "on") == 0)
        fputs(", SCTP authenticated", out);
    else if (strcmp(text(association, "sctp_auth"), "pending") == 0)
        fputs(", SCTP not yet authenticated", out);
    if (number(association, "streams"))
        print_streams(association, out);
    if (number(association, "retransmissions"))
        print_losses(association, out);
    fputc('\n', out);
    print_paths(association, out);
    print_tls(tls, out);
}

/* All of them; a single one when the process is of a kind that knows only "association". */
static void print_associations(const json_t *tunnel, FILE *out)
{
    const json_t *one = json_object_get(tunnel, "association");
    const json_t *all = json_object_get(tunnel, "associations");
    size_t i;
    json_t *association;
    json_array_foreach(all, i, association)
    {
        print_association(association, out);
    }
    if (!json_array_size(all) && json_is_object(one))
        print_association(one, out);
}

/* The promise of the program is that every child is resumed: say plainly when it is not kept. */
static void print_children(const json_t *tunnel, FILE *out)
{
    const json_t *children = json_object_get(tunnel, "children");
    if (!json_is_object(children))
        return;
    uint64_t resumed = number(children, "resumed"), full = number(children, "full");
    uint64_t done = resumed + full;
    fprintf(out, "  child sessions  %" PRIu64 " ready, %" PRIu64 " started",
            number(children, "ready"), number(children, "started"));
    if (done)
        fprintf(out, ", %" PRIu64 " of %" PRIu64 " resumed from the master", resumed, done);
    if (number(children, "failed"))
        fprintf(out, ", %" PRIu64 " failed", number(children, "failed"));
    if (number(children, "ready"))
        fprintf(out, "; records: %s",
                !number(children, "by_gnutls")                              ? "own"
                : number(children, "by_gnutls") < number(children, "ready") ? "some by GnuTLS"
                                                                            : "GnuTLS");
    fputc('\n', out);
    if (full)
        fprintf(out,
                "  WARNING         only %.4g%% of the child sessions were resumed; each other one "
                "cost a full handshake (see the log)\n",
                100 * (double)resumed / (double)done);
}

/* Of masters, and of failures only those that there are. */
static void print_handshakes(const json_t *tunnel, FILE *out)
{
    static const struct {
        const char *key, *words;
    } failures[] = {
        {"failures_alert", "by TLS or an alert of the far end"},
        {"failures_timeout", "timed out"},
        {"failures_not_resumed", "not resumed"},
        {"failures_other_master", "resumed from another master"},
        {"failures_unverified", "peer not trusted"},
        {"failures_name", "peer not allowed or not expected"},
        {"failures_other", "for other reasons"},
    };
    const json_t *counters = json_object_get(tunnel, "counters");
    uint64_t full = number(counters, "masters_full"), resumed = number(counters, "masters_resumed");
    if (full + resumed) {
        fprintf(out, "  master sessions %" PRIu64 " full, %" PRIu64 " resumed", full, resumed);
        if (number(counters, "masters_not_resumed"))
            fprintf(out, " (%" PRIu64 " full because the server refused to resume)",
                    number(counters, "masters_not_resumed"));
        fprintf(out, ", %" PRIu64 " renewed\n", number(counters, "masters_renewed"));
    }
    const char *separator = "  failed          ";
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (!number(counters, failures[i].key))
            continue;
        fprintf(out, "%s%" PRIu64 " %s", separator, number(counters, failures[i].key),
                failures[i].words);
        separator = ", ";
    }
    if (*separator == ',')
        fputc('\n', out);
}

/* Reloads of one kind of files; nothing before the first. */
static void print_reload(const char *before, const json_t *record, FILE *out)
{
    if (!json_is_object(record))
        return;
    bool fine = json_is_true(json_object_get(record, "fine"));
    fprintf(out, "%s%" PRIu64 " reload%s, %" PRIu64 " failed; last %s: %s%s\n", before,
            number(record, "done"), plural(number(record, "done")), number(record, "failed"),
            text(record, "at"), fine ? "fine" : "FAILED: ", fine ? "" : text(record, "failure"));
}

static void print_traffic(const json_t *tunnel, FILE *out)
{
    const json_t *connections = json_object_get(tunnel, "connections");
    const json_t *amount = json_object_get(tunnel, "bytes");
    char in[32], sent[32];
    if (json_is_object(connections))
        fprintf(out,
                "  connections     %" PRIu64 " open, %" PRIu64 " in all, %" PRIu64
                " refused, %" PRIu64 " waiting for a stream\n",
                number(connections, "open"), number(connections, "total"),
                number(connections, "refused"), number(connections, "waiting"));
    if (json_is_object(amount))
        fprintf(out, "  data            %s out, %s in\n", bytes(number(amount, "out"), sent),
                bytes(number(amount, "in"), in));
}

/* Of a service that listens. */
static void print_carrier(const json_t *carrier, FILE *out)
{
    if (json_is_object(carrier))
        fprintf(out, "; carried by %s, association %s", text(carrier, "peer"),
                text(carrier, "association"));
    else if (carrier)
        fputs("; no peer carries it", out);
    fputc('\n', out);
}

static void print_identities(const json_t *tunnel, FILE *out)
{
    size_t i;
    json_t *identity;
    char used[32], limit[32];
    json_array_foreach(json_object_get(tunnel, "identities"), i, identity)
    {
        const json_t *memory = json_object_get(identity, "memory");
        fprintf(out,
                "  client          %s: %" PRIu64 " of %" PRIu64 " associations, %" PRIu64
                " of %" PRIu64 " connections, %" PRIu64 " of %" PRIu64
                " streams, memory %s of %s\n",
                text(identity, "identity"), number(identity, "associations"),
                number(identity, "max_associations"), number(identity, "connections"),
                number(identity, "max_connections"), number(identity, "streams"),
                number(identity, "max_streams"), bytes(number(memory, "used"), used),
                bytes(number(memory, "limit"), limit));
    }
}

static void print_services(const json_t *tunnel, FILE *out)
{
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(tunnel, "services"), i, service)
    {
        bool listens = has_text(service, "listen");
        fprintf(out,
                "  service         %s %s %s: %" PRIu64 " open, %" PRIu64 " in all, %" PRIu64
                " refused",
                text(service, "name"), listens ? "listens on" : "connects to",
                text(service, listens ? "listen" : "connect"), number(service, "open"),
                number(service, "total"), number(service, "refused"));
        print_carrier(json_object_get(service, "carried_by"), out);
    }
}

static void print_tunnel(const json_t *tunnel, FILE *out)
{
    size_t i;
    json_t *local;
    fprintf(out, "\ntunnel %s: %s (%s, %s)\n", text(tunnel, "name"), text(tunnel, "state"),
            text(tunnel, "role"), text(tunnel, "transport"));
    if (json_is_string(json_object_get(tunnel, "waits_for")))
        fprintf(out, "  waits           %s\n", text(tunnel, "waits_for"));
    json_array_foreach(json_object_get(tunnel, "local"), i, local)
    {
        if (json_is_string(local))
            fprintf(out, "  local           %s\n", json_string_value(local));
    }
    print_associations(tunnel, out);
    print_children(tunnel, out);
    print_handshakes(tunnel, out);
    print_reload("  files           ", json_object_get(tunnel, "reload"), out);
    print_traffic(tunnel, out);
    print_identities(tunnel, out);
    print_services(tunnel, out);
}

/* Prints the process's memory of earlier associations, without parts that were never used. */
static void print_sessions(const json_t *sessions, FILE *out)
{
    const json_t *cache = json_object_get(sessions, "cache");
    const json_t *store = json_object_get(sessions, "store");
    const json_t *redis = json_object_get(sessions, "redis");
    if (number(cache, "hits") + number(cache, "misses") + number(cache, "tickets"))
        fprintf(out,
                "session cache: %" PRIu64 " ticket%s of %" PRIu64 " server%s, %" PRIu64
                " found, %" PRIu64 " missed\n",
                number(cache, "tickets"), plural(number(cache, "tickets")),
                number(cache, "servers"), plural(number(cache, "servers")), number(cache, "hits"),
                number(cache, "misses"));
    if (number(store, "hits") + number(store, "misses") + number(store, "stored"))
        fprintf(out,
                "session store: %" PRIu64 " kept, %" PRIu64 " found, %" PRIu64 " missed, %" PRIu64
                " expired, %" PRIu64 " evicted\n",
                number(store, "entries"), number(store, "hits"), number(store, "misses"),
                number(store, "expired"), number(store, "evicted"));
    if (json_is_object(redis))
        fprintf(out,
                "redis: %sconnected, %" PRIu64 " found, %" PRIu64 " missed, %" PRIu64
                " unanswered, %" PRIu64 " rejected; %" PRIu64 " stored, %" PRIu64 " dropped\n",
                json_is_true(json_object_get(redis, "connected")) ? "" : "not ",
                number(redis, "hits"), number(redis, "misses"),
                number(redis, "timeouts") + number(redis, "unavailable"),
                number(redis, "not_accepted"), number(redis, "stored"), number(redis, "dropped"));
}

/* Jansson bounds the depth. */
static void hide_control_characters(json_t *value)
{
    const char *key;
    size_t i;
    json_t *inner;
    json_object_foreach(value, key, inner)
    {
        hide_control_characters(inner);
    }
    json_array_foreach(value, i, inner)
    {
        hide_control_characters(inner);
    }
    if (!json_is_string(value))
        return;
    char *copy = check_strdup(json_string_value(value));
    quote_controls(copy);
    json_string_set_nocheck(value, copy);
    free(copy);
}

void status_text_print(json_t *report, FILE *out)
{
    hide_control_characters(report);
    char uptime[64];
    size_t i;
    json_t *tunnel;
    fprintf(out, "hawser %s, process %" PRIu64 ", up %s, %" PRIu64 " thread%s%s\n",
            text(report, "version"), number(report, "pid"),
            duration(number(report, "uptime_s"), uptime), number(report, "threads"),
            plural(number(report, "threads")),
            json_is_true(json_object_get(report, "draining")) ? ", draining: no new connections"
                                                              : "");
    const json_t *memory = json_object_get(report, "memory");
    char used[32], limit[32];
    if (json_is_object(memory))
        fprintf(out, "buffered data: %s of %s\n", bytes(number(memory, "used"), used),
                bytes(number(memory, "limit"), limit));
    print_sessions(json_object_get(report, "sessions"), out);
    const json_t *reloads = json_object_get(report, "reloads");
    print_reload("configuration: ", json_object_get(reloads, "configuration"), out);
    print_reload("Redis keys: ", json_object_get(reloads, "redis_keys"), out);
    json_array_foreach(json_object_get(report, "tunnels"), i, tunnel)
    {
        print_tunnel(tunnel, out);
    }
}
