/* Plays one conformance script against the engine, under a virtual clock. */
#include "tests/conformance/etsi_play.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/etsi_chunk.h"
#include "tests/conformance/etsi_host.h"

/* A script that waits for any time waits for so long. */
#define PATIENCE_US 200000000

/* INITs of a script at most. */
#define TAGS_MAX 4

/* Chunks of a packet at most. */
#define CHUNKS_MAX 8

struct play {
    struct script *script;
    struct host host;
    struct chunk_names names;
    uint32_t peer_tags[TAGS_MAX]; /* of the INITs and INIT ACKs that came, the latest first */
    uint64_t tolerance_us;
    char *why;
    size_t why_size;
};

static bool fail(struct play *play, const char *why)
{
    snprintf(play->why, play->why_size, "%s", why);
    return false;
}

/* ---- a packet's text ---- */

/* "< sctp(tag=1): CHUNK[...]; CHUNK[...]" */
struct packet_text {
    struct script_node *chunks[CHUNKS_MAX];
    unsigned count;
    bool bad_checksum, has_tag, elsewhere;
    uint32_t tag;
};

static void free_packet_text(struct packet_text *packet)
{
    for (unsigned i = 0; i < packet->count; i++)
        script_node_free(packet->chunks[i]);
}

static bool parse_chunks(const char *at, struct packet_text *packet)
{
    while (packet->count < CHUNKS_MAX) {
        struct script_node *node = script_node_parse(&at);
        if (!node)
            return false;
        packet->chunks[packet->count++] = node;
        at += strspn(at, " \t");
        if (*at != ';')
            return !*at;
        at++;
        at += strspn(at, " \t");
        if (!*at)
            return true;
    }
    return false;
}

static bool parse_packet(const char *text, struct packet_text *packet)
{
    *packet = (struct packet_text){.count = 0};
    const char *at = strstr(text, "sctp"), *from = text + 1 + strspn(text + 1, " ");
    if (!at)
        return false;
    packet->elsewhere = isdigit((unsigned char)*from); /* a source of its own */
    at += 4;
    if (!strncmp(at, "(tag=", 5)) {
        packet->has_tag = true;
        packet->tag = (uint32_t)strtoul(at + 5, NULL, 0);
    }
    packet->bad_checksum = !strncmp(at, "(bad_crc32c)", 12);
    at = strchr(at, ':');
    return at && parse_chunks(at + 1, packet);
}

/* ---- packets to the engine ---- */

/* The tag that the engine expects (section 8.5): its own; 0 for INIT; the peer's with the T bit. A
 * script's own tag is as far from the engine's as the script's numbers are. */
static uint32_t tag_for(const struct play *play, const struct packet_text *packet,
                        const uint8_t *chunk)
{
    uint32_t own = play->names.knows_tag ? play->names.own_tag : 0;
    if (packet->has_tag)
        return packet->tag ? packet->tag + own : 0;
    if (chunk[0] == SCTP_CHUNK_INIT)
        return 0;
    if ((chunk[0] == SCTP_CHUNK_ABORT || chunk[0] == SCTP_CHUNK_SHUTDOWN_COMPLETE) &&
        chunk[1] & SCTP_FLAG_REFLECTED)
        return play->peer_tags[0];
    return play->names.knows_tag ? play->names.tag : 0;
}

static void remember(struct play *play, const uint8_t *chunk, size_t length)
{
    if (length < 20 || (chunk[0] != SCTP_CHUNK_INIT && chunk[0] != SCTP_CHUNK_INIT_ACK))
        return;
    for (unsigned i = TAGS_MAX - 1; i > 0; i--)
        play->peer_tags[i] = play->peer_tags[i - 1];
    play->peer_tags[0] = sctp_wire_u32(chunk + 4);
}

static bool play_in(struct play *play, const struct script_event *event)
{
    struct packet_text text;
    uint8_t packet[4096];
    struct wire_writer writer = wire_writer(packet, sizeof packet);
    bool good = parse_packet(event->text, &text);
    sctp_wire_put_header(&writer, &(struct sctp_header){HOST_PEER_PORT, HOST_OWN_PORT, 0});
    for (unsigned i = 0; good && i < text.count; i++) {
        static struct chunk_pattern pattern;
        play->names.cookie = play->host.cookie;
        play->names.cookie_length = play->host.cookie_length;
        good = chunk_make(text.chunks[i], &play->names, true, &pattern);
        if (good)
            wire_put_bytes(&writer, pattern.bytes, pattern.length);
    }
    size_t length = (size_t)(writer.at - packet);
    if (good && length > SCTP_HEADER) {
        struct wire_writer tag = wire_writer(packet + 4, 4);
        wire_put_u32(&tag, tag_for(play, &text, packet + SCTP_HEADER));
        remember(play, packet + SCTP_HEADER, length - SCTP_HEADER);
        sctp_wire_seal(packet, length);
        packet[8] ^= text.bad_checksum;
        host_input(&play->host, packet, length, text.elsewhere);
    }
    free_packet_text(&text);
    return good ? true : fail(play, "not understood");
}

/* ---- packets of the engine ---- */

static bool compare_packet(struct play *play, const struct packet_text *text,
                           const struct host_packet *packet)
{
    size_t at = SCTP_HEADER;
    for (unsigned i = 0; i < text->count; i++) {
        static struct chunk_pattern pattern;
        size_t length;
        chunk_learn(text->chunks[i], packet->bytes + at, packet->length - at, &play->names);
        if (!chunk_make(text->chunks[i], &play->names, false, &pattern))
            return fail(play, "not understood");
        const char *why = chunk_compare(&pattern, packet->bytes + at, packet->length - at, &length);
        if (why) {
            snprintf(play->why, play->why_size, "%s (%s; type %u of %zu bytes came)", why,
                     text->chunks[i]->word, packet->length > at ? (unsigned)packet->bytes[at] : 0u,
                     packet->length);
            return false;
        }
        at += length;
    }
    return at == packet->length ? true : fail(play, "more chunks than were expected");
}

/* Sections 8.4, 8.5: to whom the tag belongs. */
static bool tag_is_right(const struct play *play, const struct host_packet *packet)
{
    const uint8_t *chunk = packet->bytes + SCTP_HEADER;
    uint32_t tag = sctp_wire_u32(packet->bytes + 4);
    if (chunk[0] == SCTP_CHUNK_INIT)
        return tag == 0;
    if ((chunk[0] == SCTP_CHUNK_ABORT || chunk[0] == SCTP_CHUNK_SHUTDOWN_COMPLETE) &&
        chunk[1] & SCTP_FLAG_REFLECTED)
        return tag == play->host.came_tag;
    for (unsigned i = 0; i < TAGS_MAX; i++)
        if (tag == play->peer_tags[i])
            return true;
    return false;
}

static bool play_out(struct play *play, const struct script_event *event)
{
    struct host *host = &play->host;
    uint64_t until =
        event->any_time ? host->now_us + PATIENCE_US : event->at_us + play->tolerance_us;
    while (!host->first && host_deadline(host) <= until)
        host_advance(host, host_deadline(host));
    struct host_packet *packet = host_take(host);
    if (!packet)
        return fail(play, "nothing was sent");
    uint64_t late =
        packet->at_us > event->at_us ? packet->at_us - event->at_us : event->at_us - packet->at_us;
    struct packet_text text;
    bool good = parse_packet(event->text, &text) || fail(play, "not understood");
    good = good && compare_packet(play, &text, packet);
    free_packet_text(&text);
    if (good && !event->any_time && late > play->tolerance_us) {
        snprintf(play->why, play->why_size, "sent at %.3f instead of %.3f s",
                 (double)packet->at_us / 1e6, (double)event->at_us / 1e6);
        good = false;
    }
    if (good && !tag_is_right(play, packet))
        good = fail(play, "another verification tag");
    free(packet);
    return good;
}

/* ---- calls ---- */

/* name(3, ..., 1000) = -1 EAGAIN */
struct call {
    char name[32];
    int fd;
    const char *arguments, *result;
    long expected;
    bool has_errno;
    char error[32];
};

static bool parse_call(const char *text, struct call *call)
{
    *call = (struct call){.fd = -1};
    size_t length = strcspn(text, "(");
    if (length >= sizeof call->name || text[length] != '(')
        return false;
    memcpy(call->name, text, length);
    call->arguments = text + length + 1;
    if (isdigit((unsigned char)*call->arguments))
        call->fd = (int)strtol(call->arguments, NULL, 10);
    const char *at = text;
    while ((at = strstr(at, ") =")))
        call->result = at++;
    if (!call->result)
        return false;
    char *end;
    call->result += 3;
    call->expected = strtol(call->result, &end, 0);
    call->has_errno = sscanf(end, " %31[A-Z]", call->error) == 1;
    return true;
}

/* name=NUMBER in a struct; false: it is not there, or is "...". */
static bool field(const char *text, const char *name, uint64_t *number)
{
    const char *at = strstr(text, name);
    if (!at || at[strlen(name)] != '=' || !isdigit((unsigned char)at[strlen(name) + 1]))
        return false;
    *number = strtoull(at + strlen(name) + 1, NULL, 0);
    return true;
}

static bool set_option(struct play *play, const struct call *call)
{
    struct sctp_options *options = &play->host.options;
    uint64_t number;
    if (strstr(call->arguments, "SCTP_RTOINFO")) {
        if (field(call->arguments, "srto_initial", &number) && number)
            options->rto_initial_us = number * 1000;
        if (field(call->arguments, "srto_min", &number) && number)
            options->rto_min_us = number * 1000;
        if (field(call->arguments, "srto_max", &number) && number)
            options->rto_max_us = number * 1000;
        return true;
    }
    if (strstr(call->arguments, "SCTP_INITMSG")) {
        if (field(call->arguments, "sinit_num_ostreams", &number) && number)
            options->streams = (uint16_t)number;
        if (field(call->arguments, "sinit_max_attempts", &number) && number)
            options->init_retransmissions = (uint32_t)number;
        return true;
    }
    /* Heartbeats and path MTU: there are none here. */
    return strstr(call->arguments, "SCTP_PEER_ADDR_PARAMS") ? true
                                                            : fail(play, "an unknown option");
}

static bool get_option(struct play *play, const struct call *call)
{
    struct host *host = &play->host;
    uint64_t number;
    if (strstr(call->arguments, "SCTP_STATUS")) {
        struct sctp_status status;
        if (!host->association)
            return fail(play, "there is no association");
        sctp_association_status(host->association, &status);
        bool same = status.is_up;
        if (field(call->arguments, "sstat_instrms", &number))
            same &= status.streams == number;
        if (field(call->arguments, "sstat_outstrms", &number))
            same &= status.streams == number;
        return same ? true : fail(play, "another number of streams");
    }
    const char *name = host->reason == ERR_OK                  ? "0"
                       : host->reason == ERR_TRANSPORT_ABORTED ? "ECONNRESET"
                       : host->reason == ERR_TRANSPORT_REFUSED ? "ECONNREFUSED"
                       : host->reason == ERR_TRANSPORT_TIMEOUT || host->reason == ERR_TRANSPORT_LOST
                           ? "ETIMEDOUT"
                           : "another";
    if (host->reason == ERR_TRANSPORT_CLOSED || host->reason == ERR_LOCAL_SHUTDOWN)
        name = "0";
    char wanted[40];
    snprintf(wanted, sizeof wanted, "[%s]", name);
    if (!strstr(call->arguments, wanted)) {
        snprintf(play->why, play->why_size, "the error is %s (%s)", name, err_name(host->reason));
        return false;
    }
    return true;
}

static bool play_read(struct play *play, const struct call *call)
{
    struct message *message = message_queue_pop(&play->host.heard);
    bool ended = play->host.is_closing || play->host.is_down;
    long length = message ? (long)message->length : ended ? 0 : -1;
    message_free(message);
    if (length == call->expected)
        return true;
    snprintf(play->why, play->why_size, "read gives %ld instead of %ld", length, call->expected);
    return false;
}

static bool play_write(struct play *play, const struct call *call)
{
    const char *last = strrchr(call->arguments, ',');
    unsigned long length = last ? strtoul(last + 1, NULL, 10) : 0;
    if (!length)
        return fail(play, "not understood");
    bool taken = host_write(&play->host, length);
    return taken == (call->expected > 0)
               ? true
               : fail(play, taken ? "write is taken" : "write is refused");
}

static bool play_accept(struct play *play, const struct call *call)
{
    if ((play->host.waiting > 0) != (call->expected > 0))
        return fail(play, play->host.waiting ? "accept has one" : "accept has none");
    play->host.waiting -= play->host.waiting > 0;
    return true;
}

static bool play_close(struct play *play, const struct call *call)
{
    struct host *host = &play->host;
    if (call->fd == 3 && host->listens) {
        host->listens = false;
        sctp_listener_accept(host->listener, false);
    } else
        host_shutdown(host);
    return true;
}

static bool play_call(struct play *play, const struct script_event *event)
{
    struct call call;
    if (!parse_call(event->text, &call))
        return fail(play, "not understood");
    if (!strcmp(call.name, "listen"))
        host_listen(&play->host);
    else if (!strcmp(call.name, "connect"))
        host_connect(&play->host);
    else if (!strcmp(call.name, "shutdown"))
        host_shutdown(&play->host);
    else if (!strcmp(call.name, "setsockopt"))
        return set_option(play, &call);
    else if (!strcmp(call.name, "getsockopt"))
        return get_option(play, &call);
    else if (!strcmp(call.name, "read"))
        return play_read(play, &call);
    else if (!strcmp(call.name, "write"))
        return play_write(play, &call);
    else if (!strcmp(call.name, "accept"))
        return play_accept(play, &call);
    else if (!strcmp(call.name, "close"))
        return play_close(play, &call);
    else if (strcmp(call.name, "socket") && strcmp(call.name, "bind") && strcmp(call.name, "fcntl"))
        return fail(play, "an unknown call");
    return true;
}

/* ---- all of it ---- */

static bool play_events(struct play *play, unsigned *line)
{
    uint64_t before = 0;
    for (size_t i = 0; i < play->script->count; i++) {
        struct script_event event = play->script->events[i];
        *line = event.line;
        if (event.relative)
            event.at_us += before;
        if (event.kind != SCRIPT_OUT)
            host_advance(&play->host, event.at_us);
        bool good = event.kind == SCRIPT_OUT  ? play_out(play, &event)
                    : event.kind == SCRIPT_IN ? play_in(play, &event)
                                              : play_call(play, &event);
        if (!good)
            return false;
        before = event.any_time ? play->host.now_us : event.at_us;
    }
    return true;
}

struct play_result play_script(const char *text, const char *system)
{
    struct play_result result = {.line = 0};
    const char *error;
    struct play play = {.script = script_parse(text, system, &error),
                        .why = result.why,
                        .why_size = sizeof result.why};
    if (!play.script) {
        snprintf(result.why, sizeof result.why, "%s", error);
        return result;
    }
    play.tolerance_us = play.script->tolerance_us;
    host_open(&play.host);
    result.passed = play_events(&play, &result.line);
    host_close(&play.host);
    script_free(play.script);
    return result;
}
