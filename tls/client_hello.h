/* tls/client_hello.h: private to tls/: what a ClientHello offers for resumption, seen before GnuTLS
 * gets it (RFC 8446 section 4.1.2, RFC 5077 section 3.2). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_client_hello {
    const uint8_t *session_id; /* inside of the bytes that were looked at */
    size_t session_id_size;    /* 0 to 32 */
    bool has_ticket;           /* of TLS 1.2, or a pre-shared key of TLS 1.3 */
};

/* True if bytes begin with a whole ClientHello in one record. Nothing of it is trusted, nor checked
 * more than is needed to find the two. */
bool tls_client_hello_read(const uint8_t *bytes, size_t length, struct tls_client_hello *out);
