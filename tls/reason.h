/* tls/reason.h: private to tls/: the sentence that says why credentials cannot be used. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* The caller's buffer. */
struct tls_reason {
    char *text;
    size_t size;
};

/* Returns ERR_TLS_CREDENTIALS; the sentence is cut to its buffer. */
enum err tls_reason_set(struct tls_reason why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
