/* tls/files.h: private to tls/: the files that credentials are made from: read, listed where a
 * directory stands for many, and remembered for whoever watches them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tls/reason.h"

struct tls_files {
    char **paths;
    size_t count;
};

/* A path that was used; a directory too, because files may come and go in it. */
void tls_files_add(struct tls_files *files, const char *path);
void tls_files_clear(struct tls_files *files);

/* The files that path means: itself, or if it is a directory those in it whose names end with one
 * of suffixes (ended by NULL), in the order of their names, hidden ones left out. All are added to
 * files too. ERR_TLS_CREDENTIALS if it cannot be read, or if the directory holds none.
 * Owns: tls_files_clear(found). */
enum err tls_files_find(struct tls_files *files, const char *path, const char *const *suffixes,
                        struct tls_files *found, struct tls_reason why);

/* Whether a secret may be read from fd: a regular file of root's or ours that nobody else may use,
 * of at most longest bytes; *size is how many. ERR_OK, or ERR_TLS_CREDENTIALS. */
enum err tls_files_check_secret(int fd, const char *path, size_t longest, size_t *size,
                                struct tls_reason why);

/* Brings to the disk that path was made, removed or replaced. False, and errno, where that failed;
 * true where the file system knows no such thing. */
bool tls_files_sync_folder(const char *path);

/* Whether the path is no file but a PKCS#11 URI. */
bool tls_files_is_uri(const char *path);
