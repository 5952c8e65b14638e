/* A client's endless attempt to have an association: names are looked up, all transports and
 * addresses are tried, with a pause that grows while that fails. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

/* An association that lived so long was none of a series of failures. */
#define STEADY_US 5000000
/* The same line is written again after so long. */
#define TELL_AGAIN_US 60000000

/* ---- the log ---- */

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
    return hash;
}

static struct attempt_line *find_line(struct tunnel *tunnel, uint64_t hash)
{
    struct attempt_line *oldest = &tunnel->told[0];
    for (size_t i = 0; i < ATTEMPT_LINES; i++) {
        struct attempt_line *line = &tunnel->told[i];
        if (line->told_us && line->hash == hash)
            return line;
        if (line->told_us < oldest->told_us)
            oldest = line;
    }
    *oldest = (struct attempt_line){.hash = hash};
    return oldest;
}

void tunnel_attempt_tell(struct tunnel *tunnel, const struct log_about *about, const char *format,
                         ...)
{
    char text[512], more[64] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    snprintf(tunnel->why_down, sizeof(tunnel->why_down), "%.*s", (int)sizeof(tunnel->why_down) - 1,
             text);
    uint64_t hash = hash_of(text) ^ 31 * hash_of(about->address ? about->address : "");
    struct attempt_line *line = find_line(tunnel, hash);
    if (line->told_us && tunnel_now(tunnel) < line->told_us + TELL_AGAIN_US) {
        line->left_out++;
        return;
    }
    if (line->left_out)
        snprintf(more, sizeof(more), " (%u repeats left out)", line->left_out);
    line->told_us = tunnel_now(tunnel);
    line->left_out = 0;
    log_write(LOG_WARNING, about, "%s; retrying%s", text, more);
}

/* ---- the pause ---- */

/* Exponential backoff with jitter: half of it is certain, half is chance, so that a thousand
 * clients of one server do not come back together. since_us: what the pause counts from. */
static void attempt_later(struct tunnel *tunnel, uint64_t since_us, uint64_t limit_us)
{
    uint32_t chance;
    must(getrandom(&chance, sizeof(chance), 0) == (ssize_t)sizeof(chance));
    uint64_t backoff = tunnel->backoff_us < limit_us ? tunnel->backoff_us : limit_us;
    uint64_t due = since_us + backoff / 2 + backoff * (chance >> 8) / (2ull << 24);
    tunnel->state = "waiting";
    loop_timer_set(tunnel->home->loop, &tunnel->reconnect, due);
    if (due > tunnel_now(tunnel))
        log_write(LOG_DEBUG, LOG_ABOUT(.tunnel = tunnel->config->name), "next attempt in %.1f s",
                  (double)(due - tunnel_now(tunnel)) / 1e6);
    tunnel->backoff_us = 2 * backoff < limit_us ? 2 * backoff : limit_us;
}

/* Nobody has answered. An attempt that lasted longer than the pause needs none behind it. */
void tunnel_attempt_failed(struct tunnel *tunnel)
{
    attempt_later(tunnel, tunnel->attempt_us, tunnel->config->reconnect.max_us);
}

/* A server has answered, and what failed is above the transport. */
static void turned_away(struct tunnel *tunnel)
{
    const struct config_tunnel *config = tunnel->config;
    uint64_t limit = config->reconnect.refused_us > config->reconnect.max_us
                         ? config->reconnect.refused_us
                         : config->reconnect.max_us;
    attempt_later(tunnel, tunnel_now(tunnel), limit);
}

/* One that dies as soon as it is up counts as a failure, or its peer would be asked ten times a
 * second for ever. True: it was steady, and the next attempt need not wait. */
static bool forgive(struct tunnel *tunnel, const struct link *link)
{
    uint64_t lived = link->was_ready ? tunnel_now(tunnel) - link->ready_us : 0;
    if (link->was_ready && (lived >= STEADY_US || lived >= tunnel->backoff_us))
        tunnel->backoff_us = tunnel->config->reconnect.min_us;
    return lived >= STEADY_US;
}

/* ---- from the tunnel ---- */

static void on_reconnect(struct loop_timer *timer)
{
    tunnel_attempt_begin(container_of(timer, struct tunnel, reconnect));
}

void tunnel_attempt_init(struct tunnel *tunnel)
{
    tunnel->backoff_us = tunnel->config->reconnect.min_us;
    tunnel->reconnect.on_expire = on_reconnect;
    tunnel_names_init(tunnel);
    tunnel_race_init(tunnel);
}

void tunnel_attempt_begin(struct tunnel *tunnel)
{
    tunnel->attempt_us = tunnel_now(tunnel);
    *tunnel->why_not_first = '\0';
    tunnel_names_begin(tunnel);
}

void tunnel_attempt_succeeded(struct tunnel *tunnel, const struct link *link)
{
    const struct carriers *carriers = &tunnel->carriers;
    memset(tunnel->told, 0, sizeof(tunnel->told));
    *tunnel->why_down = '\0';
    for (size_t i = 0; i < carriers->count; i++)
        if (carriers->ops[i] == link->ops)
            tunnel->carrier = i;
    if (!carriers_are_several(carriers) && !*carriers->why_not)
        return;
    const char *why = *carriers->why_not              ? carriers->why_not
                      : link->ops == carriers->ops[0] ? "both ends have it"
                      : *tunnel->why_not_first        ? tunnel->why_not_first
                                                      : "it was answered first";
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = tunnel->config->name),
              "transport \"auto\" chose %s: %s", link->ops->name, why);
}

void tunnel_attempt_again(struct tunnel *tunnel, const struct link *link)
{
    if (forgive(tunnel, link))
        tunnel_attempt_begin(tunnel);
    else if (link->granted)
        turned_away(tunnel);
    else
        tunnel_race_lost(tunnel, link);
}

void tunnel_attempt_stop(struct tunnel *tunnel)
{
    loop_timer_cancel(tunnel->home->loop, &tunnel->reconnect);
    tunnel_names_stop(tunnel);
    tunnel_race_stop(tunnel);
}
