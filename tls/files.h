/* tls/files.h: private to tls/: the files that credentials are made from: listed where a directory
 * stands for many, remembered for whoever watches them, and read; and the sentence that says what
 * is wrong with them. Thread: any but a worker, for all that read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"

struct tls_files {
    char **paths;
    size_t count;
};

void tls_files_clear(struct tls_files *files);

/* The caller's buffer for a sentence that says why credentials cannot be used. */
struct tls_reason {
    char *text;
    size_t size;
    /* All files that are read are added; a directory too, because files may come and go in it.
     * NULL: nobody watches them. */
    struct tls_files *files;
};

/* Returns ERR_TLS_CREDENTIALS; the sentence is cut to its buffer. */
enum err tls_reason_set(struct tls_reason why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "2026-11-21 14:38 UTC". */
const char *tls_reason_date(time_t when, char text[static 32]);

/* The files that path means: itself, or if it is a directory those in it whose names end with one
 * of suffixes (ended by NULL), in the order of their names, hidden ones left out.
 * ERR_TLS_CREDENTIALS if it cannot be read, or if the directory holds none. Owns:
 * tls_files_clear(found). */
enum err tls_files_find(const char *path, const char *const *suffixes, struct tls_files *found,
                        struct tls_reason why);

/* The whole file, ended by a NUL that size does not count. Owns: tls_wipe_free. */
enum err tls_files_read(const char *path, unsigned char **data, unsigned *size,
                        struct tls_reason why);
/* The same for a file of secrets: only a regular file that belongs to root or to us, that nobody
 * else may use, and that has at most longest bytes. flags: more of them for open(2). */
enum err tls_files_read_secret(const char *path, size_t longest, int flags, unsigned char **data,
                               unsigned *size, struct tls_reason why);

/* A file of one entry per line; "#" begins a comment. */
struct tls_lines {
    size_t secret_max; /* not 0: read as tls_files_read_secret does, at most this many bytes */
    /* One line without comment and surrounding blanks; may be changed. ERR_OK, or
     * ERR_TLS_CREDENTIALS with what is wrong in why; file and line are put before it. */
    enum err (*on_line)(struct tls_lines *self, char *line, struct tls_reason why);
};

/* Every line of the file, which is wiped from memory afterwards: it may hold secrets. */
enum err tls_files_read_lines(const char *path, struct tls_lines *lines, struct tls_reason why);

/* Brings to the disk that path was made, removed or replaced. False, and errno, where that failed;
 * true where the file system has no such thing. */
bool tls_files_sync_folder(const char *path);

/* True if the path is no file but a PKCS#11 URI. */
bool tls_files_is_uri(const char *path);
