/* One log line: no value can forge another line or field. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log_line.h"
#include "tests/lib/tap.h"

static const struct log_field fields[] = {
    {.name = "bytes", .number = UINT64_MAX / 2},
    {.name = "reason", .text = "no \"such\" = thing"},
};

static const struct log_about nothing = {.tunnel = NULL};

static struct log_record record_of(const char *message)
{
    return (struct log_record){.time = {.tv_sec = 1795260649, .tv_nsec = 123456789},
                               .level = LOG_INFO,
                               .about = &nothing,
                               .message = message};
}

static void text_is(const struct log_record *record, const char *expected, const char *what)
{
    struct log_line line;
    log_line_make(&line, LOG_TEXT, record);
    line.bytes[line.length - 1] = '\0';
    if (!ok(strcmp(line.bytes, expected) == 0, "text: %s", what))
        tap_note("got: %s", line.bytes);
}

static void text_lines(void)
{
    struct log_record record = record_of("up");
    text_is(&record, "2026-11-21T11:30:49.123Z info: up", "time, level and message");
    record.about = LOG_ABOUT(.tunnel = "site", .stream = 5, .connection = 0xab, .service = "web",
                             .peer = "1.2.3.4:5");
    record.fields = fields;
    record.field_count = 2;
    record.level = LOG_WARNING;
    text_is(&record,
            "2026-11-21T11:30:49.123Z warning tunnel=site stream=5 connection=00000000000000ab "
            "service=web peer=1.2.3.4:5: up bytes=9223372036854775807 "
            "reason=\"no \\\"such\\\" = thing\"",
            "what it is about and further fields");
    record = record_of("ok");
    record.about = LOG_ABOUT(.stream = 0, .tunnel = "a b");
    text_is(&record, "2026-11-21T11:30:49.123Z info tunnel=\"a b\": ok",
            "stream 0 is none; a value with a space is quoted");
    record.about = LOG_ABOUT(.peer = "");
    text_is(&record, "2026-11-21T11:30:49.123Z info peer=\"\": ok", "an empty value is seen");
}

static void text_cannot_be_forged(void)
{
    struct log_record record = record_of("a\n2026-11-21T11:30:49.123Z error: b\r\t\\\x1b[2J\x7f");
    text_is(&record,
            "2026-11-21T11:30:49.123Z info: "
            "a\\n2026-11-21T11:30:49.123Z error: b\\r\\t\\\\\\x1b[2J\\x7f",
            "control characters are escaped");
    record = record_of("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2 \xff \xc0\xaf \xc2\x9b "
                       "\xed\xa0\x80 \xe2\x82");
    text_is(&record,
            "2026-11-21T11:30:49.123Z info: gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2 \\xff "
            "\\xc0\\xaf \\xc2\\x9b \\xed\\xa0\\x80 \\xe2\\x82",
            "UTF-8 stays, malformed bytes and C1 controls are escaped");
    record = record_of(
        "\xe2\x80\xae\xe2\x80\xa8\xe2\x80\x8b\xe2\x81\xa6\xef\xbb\xbf\xd8\x9c\xe2\x80\x94");
    text_is(&record,
            "2026-11-21T11:30:49.123Z info: \\xe2\\x80\\xae\\xe2\\x80\\xa8\\xe2\\x80\\x8b\\xe2"
            "\\x81\\xa6\\xef\\xbb\\xbf\\xd8\\x9c\xe2\x80\x94",
            "marks that turn a line round, break it or show nothing are escaped, a dash is not");
    record = record_of("x");
    record.about = LOG_ABOUT(.peer = "p\" stream=7: \n");
    text_is(&record, "2026-11-21T11:30:49.123Z info peer=\"p\\\" stream=7: \\n\": x",
            "a value cannot end its quotes");
    record.about = LOG_ABOUT(.peer = "a.example", .association = 0xab, .client = "1.2.3.4:5");
    text_is(&record,
            "2026-11-21T11:30:49.123Z info peer=a.example association=00000000000000ab "
            "client=1.2.3.4:5: x",
            "who the peer is, and the local client");
    record.about = LOG_ABOUT(.address = "9.9.9.9:9", .claims = "1.2.3.4:5");
    text_is(&record, "2026-11-21T11:30:49.123Z info address=9.9.9.9:9 claims=\"1.2.3.4:5\": x",
            "a peer that has proved nothing, and a claim, which always has quotes");
    record.about = LOG_ABOUT(.claims = "x\": ended peer=admin.example \n");
    text_is(&record,
            "2026-11-21T11:30:49.123Z info claims=\"x\\\": ended peer=admin.example \\n\": x",
            "a claim cannot look like a proof");
}

static json_t *parse(const struct log_record *record)
{
    struct log_line line;
    log_line_make(&line, LOG_JSON, record);
    bool one_line = memchr(line.bytes, '\n', line.length) == line.bytes + line.length - 1;
    return one_line ? json_loadb(line.bytes, line.length, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static bool member_is(const json_t *object, const char *name, const char *expected)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value && strcmp(value, expected) == 0;
}

static void json_lines(void)
{
    struct log_record record = record_of("say \"up\"\n\\");
    json_t *object = parse(&record);
    ok(object && json_object_size(object) == 3, "JSON: only what is set is a member");
    ok(member_is(object, "time", "2026-11-21T11:30:49.123Z") &&
           member_is(object, "level", "info") && member_is(object, "message", "say \"up\"\n\\"),
       "JSON: time, level and message, escapes undone");
    json_decref(object);

    record.about = LOG_ABOUT(.tunnel = "site", .stream = 5, .connection = 0xab, .service = "web",
                             .peer = "a.example", .association = 0xcd, .address = "9.9.9.9:9",
                             .client = "1.2.3.4:5", .claims = "5.6.7.8:9 \"");
    record.fields = fields;
    record.field_count = 2;
    object = parse(&record);
    ok(object && json_object_size(object) == 14, "JSON: all members");
    ok(member_is(object, "peer", "a.example") &&
           member_is(object, "association", "00000000000000cd") &&
           member_is(object, "address", "9.9.9.9:9") && member_is(object, "client", "1.2.3.4:5") &&
           member_is(object, "claims", "5.6.7.8:9 \""),
       "JSON: proof, address and claim are members of their own");
    ok(json_integer_value(json_object_get(object, "stream")) == 5 &&
           json_integer_value(json_object_get(object, "bytes")) == INT64_MAX &&
           member_is(object, "connection", "00000000000000ab") &&
           member_is(object, "reason", "no \"such\" = thing"),
       "JSON: numbers are numbers, texts are texts");
    json_decref(object);
}

/* Every byte from 1 on, then random ones: always one line that parses. */
static void json_takes_any_bytes(void)
{
    unsigned seed = (unsigned)tap_seed();
    char bytes[256], random[200];
    bool parsed = true;
    for (int i = 0; i < 255; i++)
        bytes[i] = (char)(i + 1);
    bytes[255] = '\0';
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof random - 1; i++)
            random[i] = (char)(rand_r(&seed) % 255 + 1);
        random[sizeof random - 1] = '\0';
        struct log_record record = record_of(round ? random : bytes);
        record.about = LOG_ABOUT(.peer = random);
        json_t *object = parse(&record);
        parsed = parsed && json_object_get(object, "message");
        json_decref(object);
    }
    ok(parsed, "JSON: any bytes give one well-formed line");
}

/* A message and a value of every length around the limit, in bytes that grow and in such that do
 * not, so that each part of a line ends at each place once. */
static void long_lines(void)
{
    bool json_parsed = true, text_ended = true;
    int cut = 0;
    for (size_t i = 0; i < 4 * (LOG_LINE_MAX + (size_t)20); i++) {
        size_t length = i / 4;
        char *message = check_alloc(length + 1);
        memset(message, i % 2 ? '\x01' : 'm', length);
        struct log_record record = record_of(i / 2 % 2 ? message : "m");
        record.about = LOG_ABOUT(.tunnel = "site", .peer = length % 3 ? "p" : message,
                                 .claims = i / 2 % 2 ? "c" : message);
        record.fields = fields;
        record.field_count = 2;
        json_t *object = parse(&record);
        json_parsed = json_parsed && object;
        cut += json_object_get(object, "reason") == NULL;
        json_decref(object);
        struct log_line line;
        log_line_make(&line, LOG_TEXT, &record);
        text_ended = text_ended && line.length <= sizeof line.bytes &&
                     memchr(line.bytes, '\n', line.length) == line.bytes + line.length - 1;
        free(message);
    }
    ok(json_parsed, "JSON: a line too long is still an object");
    ok(text_ended, "text: a line too long still ends in one newline");
    ok(cut > 0, "%d lines were cut", cut);
}

int main(void)
{
    text_lines();
    text_cannot_be_forged();
    json_lines();
    json_takes_any_bytes();
    long_lines();
    return tap_done();
}
