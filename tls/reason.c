#include "tls/reason.h"

#include <stdarg.h>
#include <stdio.h>

enum err tls_reason_set(struct tls_reason why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why.text, why.size, format, arguments);
    va_end(arguments);
    return ERR_TLS_CREDENTIALS;
}
