/* tls/client_hello.c: reads a ClientHello before GnuTLS does. */
#include "tls/session_private.h"

#include <string.h>

#include "base/wire.h"

#define RECORD_HANDSHAKE 22
#define CLIENT_HELLO     1

/* Extension types (RFC 5077, RFC 8446). */
#define SESSION_TICKET 35
#define PRE_SHARED_KEY 41

static struct wire_reader part(struct wire_reader *reader, size_t length)
{
    const uint8_t *bytes = wire_get_bytes(reader, length);
    return bytes ? wire_reader(bytes, length) : (struct wire_reader){.overrun = true};
}

static void read_extensions(struct wire_reader extensions, struct tls_client_hello *out)
{
    while (wire_left(&extensions) >= 4) {
        unsigned type = wire_get_u16(&extensions);
        size_t length = wire_get_u16(&extensions);
        struct wire_reader body = part(&extensions, length);
        if (type == SESSION_TICKET || type == PRE_SHARED_KEY)
            out->has_ticket = out->has_ticket || wire_left(&body);
    }
}

bool tls_client_hello_read(const uint8_t *bytes, size_t length, struct tls_client_hello *out)
{
    struct wire_reader reader = wire_reader(bytes, length);
    memset(out, 0, sizeof *out);
    if (wire_get_u8(&reader) != RECORD_HANDSHAKE)
        return false;
    wire_get_bytes(&reader, 2); /* version of the record: says nothing */
    struct wire_reader record = part(&reader, wire_get_u16(&reader));
    if (wire_get_u8(&record) != CLIENT_HELLO)
        return false;
    struct wire_reader body = part(&record, (size_t)wire_get(&record, 3));
    wire_get_bytes(&body, 2 + 32); /* version, random */
    out->session_id_size = wire_get_u8(&body);
    out->session_id = wire_get_bytes(&body, out->session_id_size);
    wire_get_bytes(&body, wire_get_u16(&body)); /* cipher suites */
    wire_get_bytes(&body, wire_get_u8(&body));  /* compression */
    if (body.overrun || out->session_id_size > 32)
        return false;
    if (wire_left(&body))
        read_extensions(part(&body, wire_get_u16(&body)), out);
    return true;
}
