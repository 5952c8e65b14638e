/* Frames as bytes. */
#include "mux/frame.h"

#include <string.h>

struct frame_rule {
    const char *name;
    enum frame_channel channel;
    uint16_t min, max;
    uint8_t phases;
};

/* Sparse: a row without a name is no frame. */
static const struct frame_rule rules[] = {
#define FRAME_ROW(name, code, channel, min, max, phases)                                           \
    [code] = {#name, FRAME_ON_##channel, min, max, phases},
#include "mux/frames.def"
#undef FRAME_ROW
};

static const struct frame_rule *rule_of(uint8_t type)
{
    if (type >= sizeof rules / sizeof *rules || !rules[type].name)
        return NULL;
    return &rules[type];
}

const char *frame_type_name(uint8_t type)
{
    const struct frame_rule *rule = rule_of(type);
    return rule ? rule->name : NULL;
}

enum err frame_next(struct wire_reader *record, enum frame_channel channel, struct frame *frame)
{
    frame->type = wire_get_u8(record);
    frame->lease = wire_get_u8(record);
    frame->length = wire_get_u16(record);
    if (record->overrun)
        return ERR_FRAME_LENGTH;
    const struct frame_rule *rule = rule_of(frame->type);
    if (!rule || rule->channel != channel)
        return ERR_FRAME_UNKNOWN;
    if (frame->length < rule->min || frame->length > rule->max)
        return ERR_FRAME_LENGTH;
    frame->phases = rule->phases;
    frame->payload = wire_get_bytes(record, frame->length);
    return frame->payload ? ERR_OK : ERR_FRAME_LENGTH;
}

uint64_t frame_number(const struct frame *frame)
{
    struct wire_reader r = wire_reader(frame->payload, frame->length);
    return wire_get(&r, frame->length);
}

bool frame_is_name(const char *name, size_t length)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789._-";
    if (length < 1 || length > MUX_SERVICE_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!name[i] || !strchr(alphabet, name[i]))
            return false;
    return true;
}

bool frame_is_open(const struct mux_open *open)
{
    return open->connection && frame_is_name(open->service, strlen(open->service)) &&
           strlen(open->client) <= MUX_TEXT_MAX;
}

static enum err get_text(struct wire_reader *r, char to[static MUX_TEXT_MAX + 1])
{
    size_t length = wire_get_u8(r);
    const uint8_t *bytes = wire_get_bytes(r, length);
    if (!bytes)
        return ERR_FRAME_LENGTH;
    if (memchr(bytes, 0, length))
        return ERR_FRAME_VALUE;
    memcpy(to, bytes, length);
    to[length] = '\0';
    return ERR_OK;
}

enum err frame_get_name(struct wire_reader *r, char to[static MUX_SERVICE_NAME_MAX + 1])
{
    char text[MUX_TEXT_MAX + 1];
    enum err e = get_text(r, text);
    if (e)
        return e;
    size_t length = strlen(text);
    if (!frame_is_name(text, length))
        return ERR_FRAME_VALUE;
    memcpy(to, text, length + 1);
    return ERR_OK;
}

enum err frame_get_open(const struct frame *frame, struct frame_open *open)
{
    struct wire_reader r = wire_reader(frame->payload, frame->length);
    open->connection = wire_get_u64(&r);
    enum err e = frame_get_name(&r, open->service);
    if (!e)
        e = get_text(&r, open->client);
    if (e)
        return e;
    if (wire_left(&r))
        return ERR_FRAME_LENGTH;
    return open->connection ? ERR_OK : ERR_FRAME_VALUE;
}

enum err frame_get_refuse(const struct frame *frame, struct frame_refuse *refuse)
{
    struct wire_reader r = wire_reader(frame->payload, frame->length);
    refuse->why = err_from_wire(wire_get_u16(&r));
    enum err e = get_text(&r, refuse->text);
    if (!e && wire_left(&r))
        return ERR_FRAME_LENGTH;
    return e;
}

struct frame_bind frame_get_bind(const struct frame *frame)
{
    struct wire_reader r = wire_reader(frame->payload, frame->length);
    struct frame_bind bind;
    memcpy(bind.association, wire_get_bytes(&r, MUX_ASSOCIATION_ID_SIZE), MUX_ASSOCIATION_ID_SIZE);
    bind.stream = wire_get_u16(&r);
    return bind;
}

bool frame_fits(const struct wire_writer *w, size_t payload)
{
    return !w->overrun && (size_t)(w->end - w->at) >= FRAME_HEADER_SIZE + payload;
}

void frame_put(struct wire_writer *w, enum frame_type type, uint8_t lease, size_t length)
{
    wire_put_u8(w, type);
    wire_put_u8(w, lease);
    wire_put_u16(w, length);
}

void frame_put_number(struct wire_writer *w, enum frame_type type, uint8_t lease, uint64_t value)
{
    size_t width = rules[type].min;
    frame_put(w, type, lease, width);
    wire_put(w, value, width);
}

void frame_put_bind(struct wire_writer *w, const struct frame_bind *bind)
{
    frame_put(w, FRAME_BIND, 0, MUX_ASSOCIATION_ID_SIZE + 2);
    wire_put_bytes(w, bind->association, MUX_ASSOCIATION_ID_SIZE);
    wire_put_u16(w, bind->stream);
}

void frame_put_text(struct wire_writer *w, const char *text)
{
    size_t length = strnlen(text, MUX_TEXT_MAX);
    wire_put_u8(w, length);
    wire_put_bytes(w, text, length);
}

size_t frame_encode_open(uint8_t to[static FRAME_OPEN_MAX], const struct mux_open *open)
{
    struct wire_writer w = wire_writer(to, FRAME_OPEN_MAX);
    wire_put_u64(&w, open->connection);
    frame_put_text(&w, open->service);
    frame_put_text(&w, open->client);
    return (size_t)(w.at - to);
}

size_t frame_encode_refuse(uint8_t to[static FRAME_REFUSE_MAX], enum err why, const char *text)
{
    struct wire_writer w = wire_writer(to, FRAME_REFUSE_MAX);
    wire_put_u16(&w, err_to_wire(why));
    frame_put_text(&w, text ? text : "");
    return (size_t)(w.at - to);
}
