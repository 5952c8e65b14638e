/* tls/pem.h: private to tls/: files as GnuTLS takes them, and dates as people read them. */
#pragma once

#include <time.h>

#include "tls/reason.h"

/* The whole file, ended by a NUL that size does not count. Owns: tls_wipe_datum. */
enum err tls_pem_read(const char *path, unsigned char **data, unsigned *size,
                      struct tls_reason why);
/* The same for a file of secrets of at most longest bytes: tls_files_check_secret holds for what is
 * read. flags: more of them for open(2). */
enum err tls_pem_read_secret(const char *path, size_t longest, int flags, unsigned char **data,
                             unsigned *size, struct tls_reason why);
/* "2026-11-21 14:38 UTC". */
const char *tls_pem_date(time_t when, char text[static 32]);
