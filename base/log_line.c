#include "base/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Kept back for what closes a line that is full: a quote, a brace and the newline. */
#define CLOSING 4

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* All or nothing, so that no escape is cut in two; after the first refusal nothing more. */
static bool put(struct log_line *line, const char *bytes, size_t length)
{
    if (line->full || length > sizeof line->bytes - CLOSING - line->length) {
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
static void put_escaped_byte(struct log_line *line, unsigned char byte, enum log_format format)
{
    static const char letters[] = "n\nr\rt\t";
    char escape[8];
    for (size_t i = 0; letters[i]; i += 2)
        if ((unsigned char)letters[i + 1] == byte) {
            snprintf(escape, sizeof escape, "\\%c", letters[i]);
            put_text(line, escape);
            return;
        }
    snprintf(escape, sizeof escape, format == LOG_JSON ? "\\u%04x" : "\\x%02x", byte);
    put_text(line, escape);
}

static void put_escaped(struct log_line *line, const char *text, bool quoted,
                        enum log_format format)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at && !line->full) {
        size_t length = *at >= 0x20 && *at < 0x7f ? 1 : utf8_length(at);
        if (length == 0)
            put_escaped_byte(line, *at, format);
        else if (*at == '\\' || (*at == '"' && quoted))
            put(line, *at == '"' ? "\\\"" : "\\\\", 2);
        else
            put(line, (const char *)at, length);
        at += length ? length : 1;
    }
}

static void put_quoted(struct log_line *line, const char *text, enum log_format format)
{
    if (!put_text(line, "\""))
        return;
    put_escaped(line, text, true, format);
    put_closing(line, '"');
}

/* Anything but plain graphic characters makes a value need its quotes. */
static bool is_plain(const char *value)
{
    const char *at = value;
    while (*at > ' ' && *at < 0x7f && !strchr("\"\\=", *at))
        at++;
    return at != value && *at == '\0';
}

static void text_quoted(struct log_line *line, const char *name, const char *value)
{
    put_text(line, " ");
    put_text(line, name);
    put_text(line, "=");
    put_quoted(line, value, LOG_TEXT);
}

static void text_value(struct log_line *line, const char *name, const char *value)
{
    if (!is_plain(value)) {
        text_quoted(line, name, value);
        return;
    }
    put_text(line, " ");
    put_text(line, name);
    put_text(line, "=");
    put_text(line, value);
}

static void text_number(struct log_line *line, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    text_value(line, name, text);
}

static void json_name(struct log_line *line, const char *name)
{
    put_text(line, ",\"");
    put_text(line, name);
    put_text(line, "\":");
}

/* A member must fit from its comma on, else the object would not be well-formed. */
static bool json_member_fits(struct log_line *line, const char *name, size_t value)
{
    size_t needed = strlen(",\"\":") + strlen(name) + value;
    if (needed > sizeof line->bytes - CLOSING - line->length)
        line->full = true;
    return !line->full;
}

static void json_value(struct log_line *line, const char *name, const char *value)
{
    if (!json_member_fits(line, name, strlen("\"")))
        return;
    json_name(line, name);
    put_quoted(line, value, LOG_JSON);
}

static void json_number(struct log_line *line, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    if (!json_member_fits(line, name, strlen(text)))
        return;
    json_name(line, name);
    put_text(line, text);
}

struct writer {
    void (*value)(struct log_line *line, const char *name, const char *value);
    void (*quoted)(struct log_line *line, const char *name, const char *value);
    void (*number)(struct log_line *line, const char *name, uint64_t value);
};
static const struct writer text_writer = {text_value, text_quoted, text_number};
static const struct writer json_writer = {json_value, json_value, json_number};

/* A string in JSON too: 64 bits do not fit its numbers. */
static void put_id(struct log_line *line, const char *name, uint64_t id, struct writer write)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, id);
    write.value(line, name, text);
}

static void put_about(struct log_line *line, const struct log_about *about, struct writer write)
{
    if (about->tunnel)
        write.value(line, "tunnel", about->tunnel);
    if (about->stream > 0)
        write.number(line, "stream", (uint64_t)about->stream);
    if (about->connection)
        put_id(line, "connection", about->connection, write);
    if (about->service)
        write.value(line, "service", about->service);
    if (about->peer)
        write.value(line, "peer", about->peer);
    if (about->association)
        put_id(line, "association", about->association, write);
    if (about->address)
        write.value(line, "address", about->address);
    if (about->client)
        write.value(line, "client", about->client);
    if (about->claims)
        write.quoted(line, "claims", about->claims);
}

static void put_fields(struct log_line *line, const struct log_record *record, struct writer write)
{
    for (size_t i = 0; i < record->field_count; i++) {
        const struct log_field *field = &record->fields[i];
        if (field->type == LOG_FIELD_NUMBER)
            write.number(line, field->name, field->number);
        else if (field->text)
            write.value(line, field->name, field->text);
    }
}

void log_line_text(struct log_line *line, const struct log_record *record)
{
    line->length = 0;
    line->full = false;
    put_time(line, record->time);
    put_text(line, " ");
    put_text(line, level_names[record->level]);
    if (record->about)
        put_about(line, record->about, text_writer);
    put_text(line, ": ");
    put_escaped(line, record->message, false, LOG_TEXT);
    put_fields(line, record, text_writer);
    put_closing(line, '\n');
}

void log_line_json(struct log_line *line, const struct log_record *record)
{
    line->length = 0;
    line->full = false;
    put_text(line, "{\"time\":\"");
    put_time(line, record->time);
    put_text(line, "\"");
    json_value(line, "level", level_names[record->level]);
    if (record->about)
        put_about(line, record->about, json_writer);
    json_value(line, "message", record->message);
    put_fields(line, record, json_writer);
    put_closing(line, '}');
    put_closing(line, '\n');
}
