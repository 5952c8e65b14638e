/* tls/lines.h: private to tls/: files of one entry per line, "#" begins a comment. */
#pragma once

#include <stddef.h>

#include "tls/reason.h"

struct tls_lines {
    size_t secret_max; /* not 0: nobody else may use the file, and it has no more bytes than so many
                        * (tls_files_check_secret) */
    /* One line without comment and surrounding blanks; may be changed. ERR_OK, or
     * ERR_TLS_CREDENTIALS with what is wrong with it in why; file and line are put before it. */
    enum err (*on_line)(struct tls_lines *self, char *line, struct tls_reason why);
};

/* Every line of the file; it is wiped afterwards, for it may hold secrets. */
enum err tls_lines_read(const char *path, struct tls_lines *lines, struct tls_reason why);
