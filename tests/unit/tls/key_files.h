/* tests/unit/tls/key_files.h: files of shared keys, as people make and rotate them. */
#pragma once

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/check.h"
#include "tls/key_file.h"

/* A new key in front of those that the file has, of which at most keep stay. */
static inline void rotate_keys(const char *path, size_t size, size_t keep)
{
    struct tls_key_file file = {0};
    char why[256];
    struct stat status;
    if (stat(path, &status) == 0)
        must(tls_key_file_read(path, size, &file, why, sizeof why) == ERR_OK);
    FILE *out = fopen(path, "w");
    must(out && fchmod(fileno(out), 0600) == 0);
    for (size_t i = 0; i <= file.count && i <= keep; i++) {
        uint8_t key[TLS_KEY_MAX_SIZE];
        gnutls_datum_t raw = {i ? file.keys[i - 1] : key, (unsigned)size}, text;
        must(gnutls_rnd(GNUTLS_RND_KEY, key, size) == 0);
        must(gnutls_base64_encode2(&raw, &text) == 0);
        fprintf(out, "%s\n", (const char *)text.data);
        gnutls_free(text.data);
    }
    must(fclose(out) == 0);
}

static inline void make_key_file(const char *path, size_t size)
{
    rotate_keys(path, size, 0);
}
