/* Chunks of conformance scripts: expressions to bytes, and comparison with what the engine sent. */
#include "tests/conformance/etsi_chunk.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "sctp/payload.h"
#include "sctp/wire.h"

/* A chunk that is being made. */
struct maker {
    struct chunk_pattern *pattern;
    const struct chunk_names *names;
    bool to_engine, failed;
};

/* ---- bytes ---- */

static void put(struct maker *maker, uint64_t value, size_t width, bool care)
{
    struct chunk_pattern *pattern = maker->pattern;
    if (pattern->length + width > sizeof pattern->bytes) {
        maker->failed = true;
        return;
    }
    for (size_t i = width; i-- > 0; value >>= 8) {
        pattern->bytes[pattern->length + i] = care ? (uint8_t)value : 0;
        pattern->care[pattern->length + i] = care ? 0xff : 0;
    }
    pattern->length += width;
}

static void put_fill(struct maker *maker, size_t length)
{
    for (size_t i = 0; i < length && !maker->failed; i++)
        put(maker, 0, 1, false);
}

static void put_bytes(struct maker *maker, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length && !maker->failed; i++)
        put(maker, ((const uint8_t *)bytes)[i], 1, true);
}

static void pad(struct maker *maker)
{
    while (maker->pattern->length % 4 && !maker->failed)
        put(maker, 0, 1, false);
}

/* A field, plus what its numbers differ by; "...", or none: anything. */
static void put_field(struct maker *maker, const struct script_node *node, const char *key,
                      size_t width, uint32_t offset)
{
    uint64_t number = 0;
    const struct script_node *value = script_node_get(node, key);
    bool is_number = script_node_number(value, &number);
    maker->failed |= maker->to_engine && !is_number;
    put(maker, width == 4 ? (uint32_t)(number + offset) : number, width, is_number);
}

static void set_length(struct maker *maker, size_t at, size_t length)
{
    maker->pattern->bytes[at] = (uint8_t)(length >> 8);
    maker->pattern->bytes[at + 1] = (uint8_t)length;
    maker->pattern->care[at] = maker->pattern->care[at + 1] = 0xff;
}

/* val=[0x01, ...]; val=...: so many bytes that nobody cares for. */
static void put_value(struct maker *maker, const struct script_node *value, size_t length)
{
    size_t begin = maker->pattern->length;
    if (value && !value->word)
        for (const struct script_node *one = value->children; one; one = one->next) {
            uint64_t number = 0;
            maker->failed |= !script_node_number(one, &number);
            put(maker, number, 1, true);
        }
    else
        put_fill(maker, length);
    maker->failed |= value && !value->word && maker->pattern->length - begin != length;
}

/* ---- parameters and causes ---- */

static bool put_item(struct maker *maker, const struct script_node *node);

static const struct name {
    const char *name;
    uint16_t type;
} items[] = {
    {"HEARTBEAT_INFORMATION", SCTP_PARAMETER_HEARTBEAT_INFO},
    {"IPV4_ADDRESS", 5},
    {"IPV6_ADDRESS", 6},
    {"STATE_COOKIE", SCTP_PARAMETER_STATE_COOKIE},
    {"UNRECOGNIZED_PARAMETER", SCTP_PARAMETER_UNRECOGNIZED},
    {"COOKIE_PRESERVATIVE", 9},
    {"HOSTNAME_ADDRESS", SCTP_PARAMETER_HOST_NAME},
    {"SUPPORTED_ADDRESS_TYPES", 12},
    {"INVALID_STREAM_IDENTIFIER", SCTP_CAUSE_INVALID_STREAM},
    {"MISSING_MANDATORY_PARAMETER", SCTP_CAUSE_MISSING_PARAMETER},
    {"STALE_COOKIE_ERROR", SCTP_CAUSE_STALE_COOKIE},
    {"UNRESOLVABLE_ADDRESS", SCTP_CAUSE_UNRESOLVABLE_ADDRESS},
    {"UNRECOGNIZED_CHUNK_TYPE", SCTP_CAUSE_UNRECOGNIZED_CHUNK},
    {"INVALID_MANDATORY_PARAMETER", SCTP_CAUSE_INVALID_PARAMETER},
    {"UNRECOGNIZED_PARAMETERS", SCTP_CAUSE_UNRECOGNIZED_PARAMETERS},
    {"NO_USER_DATA", SCTP_CAUSE_NO_USER_DATA},
    {"PROTOCOL_VIOLATION", SCTP_CAUSE_PROTOCOL_VIOLATION},
};

static void put_address(struct maker *maker, const struct script_node *node, int family,
                        size_t size)
{
    uint8_t address[16];
    const struct script_node *value = script_node_get(node, "addr");
    maker->failed |= !value || !value->word || inet_pton(family, value->word, address) != 1;
    if (!maker->failed)
        put_bytes(maker, address, size);
}

static void put_host_name(struct maker *maker, const struct script_node *node)
{
    const struct script_node *value = script_node_get(node, "addr");
    maker->failed |= !value || !value->word;
    if (!maker->failed)
        put_bytes(maker, value->word, strlen(value->word) + 1);
}

static void put_types(struct maker *maker, const struct script_node *node)
{
    const struct script_node *list = script_node_get(node, "types");
    for (const struct script_node *one = list ? list->children : NULL; one; one = one->next)
        put(maker, script_node_is(one, "IPv4") ? 5 : 6, 2, true);
}

static void put_missing(struct maker *maker, const struct script_node *node)
{
    const struct script_node *list = script_node_get(node, "types");
    uint64_t count = 0, type;
    for (const struct script_node *one = list ? list->children : NULL; one; one = one->next)
        count++;
    put(maker, count, 4, true);
    for (const struct script_node *one = list ? list->children : NULL; one; one = one->next) {
        maker->failed |= !script_node_number(one, &type);
        put(maker, type, 2, true);
    }
}

/* Others inside it: params=[...], or one. */
static void put_inner(struct maker *maker, const struct script_node *node, const char *key)
{
    const struct script_node *inner = script_node_get(node, key);
    if (inner && inner->word)
        put_item(maker, inner);
    else
        for (const struct script_node *one = inner ? inner->children : NULL; one; one = one->next)
            put_item(maker, one);
}

static void put_inside(struct maker *maker, const struct script_node *node, uint16_t type,
                       bool *open)
{
    uint64_t length = 4;
    const struct script_node *value = script_node_get(node, "val");
    if (value) {
        *open = !script_node_number(script_node_get(node, "len"), &length);
        put_value(maker, value, *open || length < 4 ? (maker->to_engine ? 12 : 0) : length - 4);
    } else if (script_node_is(node, "IPV4_ADDRESS"))
        put_address(maker, node, AF_INET, 4);
    else if (script_node_is(node, "IPV6_ADDRESS"))
        put_address(maker, node, AF_INET6, 16);
    else if (type == SCTP_PARAMETER_HOST_NAME)
        put_host_name(maker, node);
    else if (script_node_is(node, "SUPPORTED_ADDRESS_TYPES"))
        put_types(maker, node);
    else if (script_node_is(node, "COOKIE_PRESERVATIVE"))
        put_field(maker, node, "incr", 4, 0);
    else if (script_node_is(node, "INVALID_STREAM_IDENTIFIER")) {
        put_field(maker, node, "sid", 2, 0);
        put(maker, 0, 2, false);
    } else if (script_node_is(node, "MISSING_MANDATORY_PARAMETER"))
        put_missing(maker, node);
    else if (script_node_is(node, "STALE_COOKIE_ERROR"))
        put_field(maker, node, "staleness", 4, 0);
    else if (script_node_is(node, "NO_USER_DATA"))
        put_field(maker, node, "tsn", 4, 0);
    else if (script_node_is(node, "PROTOCOL_VIOLATION"))
        *open = true;
    else {
        put_inner(maker, node, "params");
        put_inner(maker, node, "param");
        put_inner(maker, node, "chk");
        /* Section 3.3.10.7: which parameter it was, need not be said here. */
        *open = script_node_is(node, "INVALID_MANDATORY_PARAMETER");
    }
}

/* PARAMETER[type=, len=, val=], or one of the names above; CHUNK stands inside a cause. True: it
 * may be longer than what is said. */
static bool put_item(struct maker *maker, const struct script_node *node)
{
    struct chunk_pattern *pattern = maker->pattern;
    size_t begin = pattern->length;
    uint64_t type = 0;
    bool is_known = script_node_number(script_node_get(node, "type"), &type), open = false;
    if (script_node_is(node, "CHUNK")) {
        put_field(maker, node, "type", 1, 0);
        put_field(maker, node, "flgs", 1, 0);
    } else {
        for (size_t i = 0; i < sizeof items / sizeof items[0] && !is_known; i++)
            if (script_node_is(node, items[i].name)) {
                type = items[i].type;
                is_known = true;
            }
        maker->failed |= !is_known;
        put(maker, type, 2, true);
    }
    put(maker, 0, 2, false);
    put_inside(maker, node, (uint16_t)type, &open);
    /* Texts leave open if the padding of something inside is counted. */
    bool has_inner = script_node_get(node, "params") || script_node_get(node, "param") ||
                     script_node_get(node, "chk");
    if (maker->to_engine || (!open && !has_inner))
        set_length(maker, begin + 2, pattern->length - begin);
    if (!open)
        pad(maker);
    return open;
}

/* ---- chunks ---- */

static void end_part(struct chunk_pattern *pattern, bool open)
{
    struct chunk_part *part = &pattern->parts[pattern->part_count++];
    const struct chunk_part *before = pattern->part_count > 1 ? part - 1 : NULL;
    part->from = before ? before->from + before->length : 0;
    part->length = pattern->length - part->from;
    part->open = open;
}

static void put_items(struct maker *maker, const struct script_node *node)
{
    struct chunk_pattern *pattern = maker->pattern;
    end_part(pattern, false);
    for (const struct script_node *one = node->children; one; one = one->next) {
        if (script_node_is(one, "...") && !one->key)
            pattern->more = true;
        else if (one->has_children && !one->key) {
            maker->failed |= pattern->part_count == CHUNK_PARTS;
            if (!maker->failed)
                end_part(pattern, put_item(maker, one));
        }
    }
}

static void put_data(struct maker *maker, const struct script_node *node)
{
    uint64_t length = SCTP_DATA_HEADER, ppid = 0;
    script_node_number(script_node_get(node, "len"), &length);
    script_node_number(script_node_get(node, "ppid"), &ppid);
    put_field(maker, node, "tsn", 4, maker->to_engine ? 0 : maker->names->own_tsn);
    put_field(maker, node, "sid", 2, 0);
    put_field(maker, node, "ssn", 2, 0);
    put(maker, SCTP_MESSAGE_PPID | ppid, 4, true); /* others are not for us (S3) */
    put_fill(maker, length < SCTP_DATA_HEADER ? 0 : length - SCTP_DATA_HEADER);
    end_part(maker->pattern, false);
}

static void put_init(struct maker *maker, const struct script_node *node)
{
    put_field(maker, node, "tag", 4, maker->to_engine ? 0 : maker->names->own_tag);
    put_field(maker, node, "a_rwnd", 4, 0);
    put_field(maker, node, "os", 2, 0);
    put_field(maker, node, "is", 2, 0);
    put_field(maker, node, "tsn", 4, maker->to_engine ? 0 : maker->names->own_tsn);
    put_items(maker, node);
}

static void put_sack(struct maker *maker, const struct script_node *node)
{
    uint32_t offset = maker->to_engine ? maker->names->own_tsn : 0;
    const struct script_node *gaps = script_node_get(node, "gaps"),
                             *duplicates = script_node_get(node, "dups");
    uint64_t counts[2] = {0, 0}, number;
    for (const struct script_node *one = gaps ? gaps->children : NULL; one; one = one->next)
        counts[0]++;
    for (const struct script_node *one = duplicates ? duplicates->children : NULL; one;
         one = one->next)
        counts[1]++;
    put_field(maker, node, "cum_tsn", 4, offset);
    put_field(maker, node, "a_rwnd", 4, 0);
    put(maker, counts[0], 2, true);
    put(maker, counts[1], 2, true);
    for (const struct script_node *one = gaps ? gaps->children : NULL; one; one = one->next) {
        char *end;
        put(maker, strtoul(one->word, &end, 10), 2, true);
        maker->failed |= *end != ':';
        put(maker, *end ? strtoul(end + 1, NULL, 10) : 0, 2, true);
    }
    for (const struct script_node *one = duplicates ? duplicates->children : NULL; one;
         one = one->next) {
        maker->failed |= !script_node_number(one, &number);
        put(maker, (uint32_t)(number + offset), 4, true);
    }
    end_part(maker->pattern, false);
}

/* The cookie as it came, unless the script has one of its own. True: of any length. */
static bool put_cookie(struct maker *maker, const struct script_node *node)
{
    uint64_t length = 0;
    bool fixed = script_node_number(script_node_get(node, "len"), &length) && length >= 4;
    const struct script_node *value = script_node_get(node, "val");
    if (maker->to_engine && !fixed)
        put_bytes(maker, maker->names->cookie, maker->names->cookie_length);
    else if (fixed)
        put_value(maker, value, length - 4);
    end_part(maker->pattern, !fixed);
    return !fixed;
}

enum form { EMPTY, DATA, INIT, SACK, COOKIE, ITEMS, CUMULATIVE, ANY };

static const struct kind {
    const char *name;
    uint8_t type;
    enum form form;
} kinds[] = {
    {"DATA", SCTP_CHUNK_DATA, DATA},
    {"INIT", SCTP_CHUNK_INIT, INIT},
    {"INIT_ACK", SCTP_CHUNK_INIT_ACK, INIT},
    {"SACK", SCTP_CHUNK_SACK, SACK},
    {"HEARTBEAT", SCTP_CHUNK_HEARTBEAT, ITEMS},
    {"HEARTBEAT_ACK", SCTP_CHUNK_HEARTBEAT_ACK, ITEMS},
    {"ABORT", SCTP_CHUNK_ABORT, ITEMS},
    {"SHUTDOWN", SCTP_CHUNK_SHUTDOWN, CUMULATIVE},
    {"SHUTDOWN_ACK", SCTP_CHUNK_SHUTDOWN_ACK, EMPTY},
    {"ERROR", SCTP_CHUNK_ERROR, ITEMS},
    {"COOKIE_ECHO", SCTP_CHUNK_COOKIE_ECHO, COOKIE},
    {"COOKIE_ACK", SCTP_CHUNK_COOKIE_ACK, EMPTY},
    {"SHUTDOWN_COMPLETE", SCTP_CHUNK_SHUTDOWN_COMPLETE, EMPTY},
    {"CHUNK", 0, ANY},
};

static const struct kind *kind_of(const struct script_node *node)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (script_node_is(node, kinds[i].name))
            return &kinds[i];
    return NULL;
}

/* BE, T, 0, 0x01 or "...". */
static void put_flags(struct maker *maker, const struct script_node *node)
{
    const struct script_node *flags = script_node_get(node, "flgs");
    uint64_t bits = 0;
    if (!flags || script_node_is(flags, "...")) {
        put(maker, 0, 1, maker->to_engine);
        return;
    }
    if (!script_node_number(flags, &bits))
        for (const char *at = flags->word; at && *at; at++)
            bits |= *at == 'I'   ? (uint64_t)SCTP_FLAG_IMMEDIATE
                    : *at == 'U' ? (uint64_t)SCTP_FLAG_UNORDERED
                    : *at == 'B' ? (uint64_t)SCTP_FLAG_BEGIN
                                 : (uint64_t)SCTP_FLAG_END; /* E, and T, which is the same bit */
    put(maker, bits, 1, true);
    if (!maker->to_engine && script_node_is(node, "DATA")) /* the I bit is up to the sender */
        maker->pattern->care[1] = (uint8_t)~SCTP_FLAG_IMMEDIATE;
}

/* True: of any length. */
static bool put_body(struct maker *maker, const struct script_node *node, enum form form)
{
    uint64_t length = 4;
    switch (form) {
    case DATA:
        put_data(maker, node);
        return false;
    case INIT:
        put_init(maker, node);
        return maker->pattern->more;
    case SACK:
        put_sack(maker, node);
        return false;
    case COOKIE:
        return put_cookie(maker, node);
    case ITEMS:
        put_items(maker, node);
        return maker->pattern->more;
    case CUMULATIVE:
        put_field(maker, node, "cum_tsn", 4, maker->to_engine ? maker->names->own_tsn : 0);
        break;
    case ANY:
        script_node_number(script_node_get(node, "len"), &length);
        put_value(maker, script_node_get(node, "val"), length < 4 ? 0 : length - 4);
        break;
    case EMPTY:
        break;
    }
    end_part(maker->pattern, false);
    return false;
}

static void put_type(struct maker *maker, const struct script_node *node, const struct kind *kind)
{
    const struct script_node *type = script_node_get(node, "type");
    uint64_t number = kind->type;
    if (kind->form == ANY && !script_node_number(type, &number)) {
        const struct kind *named = type ? kind_of(&(struct script_node){.word = type->word}) : NULL;
        maker->failed |= !named;
        number = named ? named->type : 0;
    }
    put(maker, number, 1, true);
}

/* Bytes as they are: not even a chunk. */
static bool make_raw(struct maker *maker, const struct script_node *node)
{
    for (const struct script_node *one = node->children; one; one = one->next) {
        uint64_t number = 0;
        maker->failed |= !script_node_number(one, &number);
        put(maker, number, 1, true);
    }
    return !maker->failed;
}

bool chunk_make(const struct script_node *node, const struct chunk_names *names, bool to_engine,
                struct chunk_pattern *pattern)
{
    struct maker maker = {pattern, names, to_engine, false};
    memset(pattern, 0, sizeof *pattern);
    if (!node->word && !node->key)
        return make_raw(&maker, node);
    const struct kind *kind = kind_of(node);
    if (!kind)
        return false;
    put_type(&maker, node, kind);
    put_flags(&maker, node);
    put(&maker, 0, 2, false);
    bool any_length = put_body(&maker, node, kind->form);
    if (to_engine || (!any_length && pattern->part_count == 1 && !pattern->parts[0].open))
        set_length(&maker, 2, pattern->length);
    if (to_engine)
        pad(&maker);
    return !maker.failed;
}

/* ---- comparison ---- */

static bool agrees(const struct chunk_pattern *pattern, const struct chunk_part *part,
                   const uint8_t *bytes, size_t left)
{
    if (part->length > left)
        return false;
    for (size_t i = 0; i < part->length; i++)
        if ((bytes[i] ^ pattern->bytes[part->from + i]) & pattern->care[part->from + i])
            return false;
    return true;
}

static size_t rounded(size_t length)
{
    return (length + 3) & ~(size_t)3;
}

const char *chunk_compare(const struct chunk_pattern *pattern, const uint8_t *bytes, size_t left,
                          size_t *length)
{
    size_t chunk = left < 4 ? 0 : sctp_wire_u16(bytes + 2);
    *length = rounded(chunk);
    if (chunk < 4 || *length > left)
        return "there is no such chunk";
    if (bytes[0] != pattern->bytes[0])
        return "another chunk";
    const struct chunk_part *fixed = &pattern->parts[0];
    if (!agrees(pattern, fixed, bytes, chunk))
        return "another value in the chunk";
    size_t at = fixed->open ? chunk : fixed->length;
    for (unsigned i = 1; i < pattern->part_count; i++) {
        if (chunk - at < 4)
            return "a parameter or a cause is missing";
        size_t item = sctp_wire_u16(bytes + at + 2);
        if (item < 4 || item > chunk - at)
            return "a parameter that does not add up";
        size_t whole = rounded(item) < chunk - at ? rounded(item) : chunk - at;
        struct chunk_part part = pattern->parts[i];
        if (part.length > whole && part.length <= rounded(item))
            part.length = whole; /* the padding of the last one may be left out */
        if (!agrees(pattern, &part, bytes + at, whole))
            return "another parameter or cause";
        at += whole;
    }
    return at < chunk && !pattern->more ? "more in the chunk than was expected" : NULL;
}

void chunk_learn(const struct script_node *node, const uint8_t *bytes, size_t left,
                 struct chunk_names *names)
{
    uint64_t number;
    const struct kind *kind = kind_of(node);
    if (!kind || kind->form != INIT || left < 20 || bytes[0] != kind->type)
        return;
    if (!names->knows_tag && script_node_number(script_node_get(node, "tag"), &number)) {
        names->tag = sctp_wire_u32(bytes + 4);
        names->own_tag = names->tag - (uint32_t)number;
        names->knows_tag = true;
    }
    if (!names->knows_tsn && script_node_number(script_node_get(node, "tsn"), &number)) {
        names->own_tsn = sctp_wire_u32(bytes + 16) - (uint32_t)number;
        names->knows_tsn = true;
    }
}
