#include "tls/lines.h"

#include <ctype.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "tls/pem.h"
#include "tls/wipe.h"

static char *trim(char *line)
{
    line += strspn(line, " \t\r");
    line[strcspn(line, "#")] = 0;
    size_t length = strlen(line);
    while (length && isspace((unsigned char)line[length - 1]))
        line[--length] = 0;
    return line;
}

enum err tls_lines_read(const char *path, struct tls_lines *lines, struct tls_reason why)
{
    gnutls_datum_t text = {0};
    enum err result = lines->secret_max ? tls_pem_read_secret(path, lines->secret_max, 0,
                                                              &text.data, &text.size, why)
                                        : tls_pem_read(path, &text.data, &text.size, why);
    if (result != ERR_OK)
        return result;
    char fault[256] = "", *at = (char *)text.data; /* GnuTLS ends it with a NUL */
    if (memchr(text.data, 0, text.size))
        result = tls_reason_set(why, "%s is no text file", path);
    for (unsigned number = 1; result == ERR_OK && at; number++) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = 0;
        char *line = trim(at);
        if (*line)
            result = lines->on_line(lines, line, (struct tls_reason){fault, sizeof fault});
        if (result != ERR_OK)
            tls_reason_set(why, "%s:%u: %s", path, number, fault);
        at = end;
    }
    tls_wipe_datum(text.data, text.size);
    return result;
}
