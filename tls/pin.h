/* tls/pin.h: the SHA-256 of a public key (SubjectPublicKeyInfo, DER) and its text (as RFC 7469's
 * pins, "sha256:" with hex or base64). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/identity.h"

/* False unless text is "sha256:" with 64 hex digits, or 43 characters of base64 and an optional
 * "=". */
bool tls_pin_parse(const char *text, uint8_t pin[static TLS_PIN_SIZE]);
/* "sha256:" and hex. */
void tls_pin_format(const uint8_t pin[static TLS_PIN_SIZE], char text[static TLS_PIN_TEXT_SIZE]);
/* The pin of a SubjectPublicKeyInfo. */
void tls_pin_of(const void *spki, size_t size, uint8_t pin[static TLS_PIN_SIZE]);
