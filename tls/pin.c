#include "tls/pin.h"

#include <ctype.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const char PREFIX[] = "sha256:";
#define PREFIX_LENGTH (sizeof PREFIX - 1)

static bool parse_hex(const char *text, uint8_t pin[static TLS_PIN_SIZE])
{
    size_t size = TLS_PIN_SIZE;
    for (size_t i = 0; text[i]; i++) {
        if (!isxdigit((unsigned char)text[i]))
            return false;
    }
    return gnutls_hex_decode(
               &(gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)}, pin,
               &size) == 0 &&
           size == TLS_PIN_SIZE;
}

/* GnuTLS's decoder skips what it does not know; a pin with an odd character is none. */
static bool parse_base64(const char *text, uint8_t pin[static TLS_PIN_SIZE])
{
    char padded[45];
    snprintf(padded, sizeof padded, "%.43s=", text);
    for (size_t i = 0; i < 43; i++) {
        if (!isalnum((unsigned char)padded[i]) && padded[i] != '+' && padded[i] != '/')
            return false;
    }
    gnutls_datum_t raw, input = {(unsigned char *)padded, 44};
    if (gnutls_base64_decode2(&input, &raw) < 0)
        return false;
    bool fits = raw.size == TLS_PIN_SIZE;
    if (fits)
        memcpy(pin, raw.data, TLS_PIN_SIZE);
    gnutls_free(raw.data);
    return fits;
}

bool tls_pin_parse(const char *text, uint8_t pin[static TLS_PIN_SIZE])
{
    if (strncmp(text, PREFIX, PREFIX_LENGTH) != 0)
        return false;
    text += PREFIX_LENGTH;
    size_t length = strlen(text);
    if (length == 2 * TLS_PIN_SIZE)
        return parse_hex(text, pin);
    return (length == 43 || (length == 44 && text[43] == '=')) && parse_base64(text, pin);
}

void tls_pin_format(const uint8_t pin[static TLS_PIN_SIZE], char text[static TLS_PIN_TEXT_SIZE])
{
    memcpy(text, PREFIX, PREFIX_LENGTH);
    for (size_t i = 0; i < TLS_PIN_SIZE; i++)
        snprintf(text + PREFIX_LENGTH + 2 * i, 3, "%02x", pin[i]);
}

void tls_pin_of(const void *spki, size_t size, uint8_t pin[static TLS_PIN_SIZE])
{
    check_made(gnutls_hash_fast(GNUTLS_DIG_SHA256, spki, size, pin) == 0);
}
