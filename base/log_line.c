/* One log line as text or JSON; no value can break it or look like another. */
#include "base/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Kept back for what closes a line that is full: a quote, a brace and the newline. */
#define CLOSING 4

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* All or nothing, so that no escape is cut in two; after the first refusal nothing more. The length
 * may be beyond the limit by a quote that closed a value. */
static bool put(struct log_line *line, const char *bytes, size_t length)
{
    if (line->full || line->length + length > sizeof line->bytes - CLOSING) {
        line->full = true;
        return false;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
    return true;
}

static bool put_text(struct log_line *line, const char *text)
{
    return put(line, text, strlen(text));
}

/* From the bytes kept back. */
static void put_closing(struct log_line *line, char c)
{
    line->bytes[line->length++] = c;
}

static void put_time(struct log_line *line, struct timespec time)
{
    struct tm utc;
    char date[32], text[40];
    gmtime_r(&time.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%03dZ", date, (int)(time.tv_nsec / 1000000));
    put_text(line, text);
}

/* Marks that turn what follows round, break the line or show nothing: with them a value can look
 * like another one, or a line like two (U+061C, U+200B to U+200F, U+2028 to U+202E, U+2060 to
 * U+206F, U+FEFF). */
static bool is_deceptive(const unsigned char *text)
{
    if (text[0] == 0xe2)
        return (text[1] == 0x80 &&
                ((text[2] >= 0x8b && text[2] <= 0x8f) || (text[2] >= 0xa8 && text[2] <= 0xae))) ||
               (text[1] == 0x81 && text[2] >= 0xa0 && text[2] <= 0xaf);
    return (text[0] == 0xd8 && text[1] == 0x9c) ||
           (text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf);
}

/* Length of the well-formed UTF-8 sequence at text (RFC 3629 section 4), or 0. Code points that
 * a terminal obeys (C1 controls), and those that deceive, count as malformed. */
static size_t utf8_length(const unsigned char *text)
{
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first == 0xe0 || first == 0xc2)
        low = 0xa0; /* 0xe0: overlong; 0xc2: C1 controls, U+0080 to U+009F */
    else if (first == 0xed)
        high = 0x9f; /* surrogates */
    else if (first == 0xf0)
        low = 0x90; /* overlong */
    else if (first == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    for (size_t i = 1; i < length; i++, low = 0x80, high = 0xbf)
        if (text[i] < low || text[i] > high)
            return 0;
    return is_deceptive(text) ? 0 : length;
}

/* JSON has no escape for a byte: \u00XX stands for it, as in Latin-1. */
static void put_escaped_byte(struct log_line *line, unsigned char byte)
{
    static const char letters[] = "n\nr\rt\t";
    char escape[8];
    for (size_t i = 0; letters[i]; i += 2)
        if ((unsigned char)letters[i + 1] == byte) {
            snprintf(escape, sizeof escape, "\\%c", letters[i]);
            put_text(line, escape);
            return;
        }
    snprintf(escape, sizeof escape, line->format == LOG_JSON ? "\\u%04x" : "\\x%02x", byte);
    put_text(line, escape);
}

static void put_escaped(struct log_line *line, const char *text, bool quoted)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at && !line->full) {
        size_t length = *at >= 0x20 && *at < 0x7f ? 1 : utf8_length(at);
        if (length == 0)
            put_escaped_byte(line, *at);
        else if (*at == '\\' || (*at == '"' && quoted))
            put(line, *at == '"' ? "\\\"" : "\\\\", 2);
        else
            put(line, (const char *)at, length);
        at += length ? length : 1;
    }
}

/* Anything but plain graphic characters makes a value need its quotes. */
static bool is_plain(const char *value)
{
    const char *at = value;
    while (*at > ' ' && *at < 0x7f && !strchr("\"\\=", *at))
        at++;
    return at != value && *at == '\0';
}

/* A member is there from its comma to its value's opening quote or not at all, else the object
 * would not be well-formed. */
static void put_member(struct log_line *line, const char *name, const char *value, bool quoted)
{
    char member[LOG_LINE_MAX];
    snprintf(member, sizeof member, line->format == LOG_JSON ? ",\"%s\":%s" : " %s=%s", name,
             quoted ? "\"" : value);
    if (put_text(line, member) && quoted) {
        put_escaped(line, value, true);
        put_closing(line, '"');
    }
}

static void put_string(struct log_line *line, const char *name, const char *value)
{
    if (value)
        put_member(line, name, value, line->format == LOG_JSON || !is_plain(value));
}

static void put_number(struct log_line *line, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_member(line, name, text, false);
}

/* A string in JSON too: 64 bits do not fit its numbers. */
static void put_id(struct log_line *line, const char *name, uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, id);
    if (id)
        put_string(line, name, text);
}

static void put_about(struct log_line *line, const struct log_about *about)
{
    put_string(line, "tunnel", about->tunnel);
    if (about->stream > 0)
        put_number(line, "stream", (uint64_t)about->stream);
    put_id(line, "connection", about->connection);
    put_string(line, "service", about->service);
    put_string(line, "peer", about->peer);
    put_id(line, "association", about->association);
    put_string(line, "address", about->address);
    put_string(line, "client", about->client);
    if (about->claims)
        put_member(line, "claims", about->claims, true);
}

static void put_fields(struct log_line *line, const struct log_record *record)
{
    for (size_t i = 0; i < record->field_count; i++) {
        const struct log_field *field = &record->fields[i];
        if (field->text)
            put_string(line, field->name, field->text);
        else
            put_number(line, field->name, field->number);
    }
}

void log_line_make(struct log_line *line, enum log_format format, const struct log_record *record)
{
    bool json = format == LOG_JSON;
    line->format = format;
    line->length = 0;
    line->full = false;
    put_text(line, json ? "{\"time\":\"" : "");
    put_time(line, record->time);
    put_text(line, json ? "\",\"level\":\"" : " ");
    put_text(line, level_names[record->level]);
    put_text(line, json ? "\"" : "");
    if (record->about)
        put_about(line, record->about);
    put_text(line, json ? "" : ": ");
    if (json)
        put_member(line, "message", record->message, true);
    else
        put_escaped(line, record->message, false);
    put_fields(line, record);
    if (json)
        put_closing(line, '}');
    put_closing(line, '\n');
}
