#include "tls/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "tls/files.h"

/* Eight lines of 64 bytes in base64 take 712; the rest is room for remarks. */
#define FILE_MAX 8192

static enum err read_text(const char *path, char text[static FILE_MAX + 1], struct tls_reason why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    size_t used = 0, size;
    enum err result = tls_files_check_secret(fd, path, FILE_MAX, &size, why);
    ssize_t got = 1;
    while (result == ERR_OK && used < FILE_MAX && got > 0) {
        got = read(fd, text + used, FILE_MAX - used);
        if (got < 0)
            result = tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
        else
            used += (size_t)got;
    }
    text[used] = 0;
    close(fd);
    /* A crash may leave zeros where lines were: keys behind them would be gone without a word. */
    if (result == ERR_OK && strlen(text) != used)
        result = tls_reason_set(why, "%s is no text file", path);
    return result;
}

static enum err add_key(struct tls_key_file *file, const char *line, size_t length, size_t size,
                        int number, const char *path, struct tls_reason why)
{
    union {
        const char *from;
        unsigned char *to;
    } text = {line}; /* GnuTLS only reads it, and does not say so */
    const gnutls_datum_t encoded = {text.to, (unsigned)length};
    gnutls_datum_t raw;
    if (file->count == TLS_KEY_FILE_MAX_KEYS)
        return tls_reason_set(why, "%s:%d: more than %d keys", path, number, TLS_KEY_FILE_MAX_KEYS);
    if (gnutls_base64_decode2(&encoded, &raw) < 0)
        return tls_reason_set(why, "%s:%d: not base64", path, number);
    enum err result = ERR_OK;
    if (raw.size == size)
        memcpy(file->keys[file->count++], raw.data, size);
    else
        result = tls_reason_set(why, "%s:%d: a key of %u bytes, %zu are needed", path, number,
                                raw.size, size);
    gnutls_memset(raw.data, 0, raw.size);
    gnutls_free(raw.data);
    return result;
}

static enum err parse(struct tls_key_file *file, const char *text, size_t size, const char *path,
                      struct tls_reason why)
{
    enum err result = ERR_OK;
    int number = 0;
    while (*text && result == ERR_OK) {
        size_t whole = strcspn(text, "\n"), length = whole;
        number++;
        while (length && strchr(" \t\r", text[length - 1]))
            length--;
        if (length && text[0] != '#')
            result = add_key(file, text, length, size, number, path, why);
        text += whole + (text[whole] == '\n');
    }
    if (result == ERR_OK && !file->count)
        result = tls_reason_set(why, "%s holds no key", path);
    return result;
}

enum err tls_key_file_read(const char *path, size_t size, struct tls_key_file *file, char *why,
                           size_t why_size)
{
    char text[FILE_MAX + 1];
    must(size <= TLS_KEY_MAX_SIZE);
    memset(file, 0, sizeof *file);
    enum err result = read_text(path, text, (struct tls_reason){why, why_size});
    if (result == ERR_OK)
        result = parse(file, text, size, path, (struct tls_reason){why, why_size});
    gnutls_memset(text, 0, sizeof text);
    if (result != ERR_OK)
        tls_key_file_clear(file);
    return result;
}

void tls_key_file_clear(struct tls_key_file *file)
{
    gnutls_memset(file, 0, sizeof *file);
}

static bool write_key(int fd, const uint8_t *key, size_t size)
{
    union {
        const uint8_t *from;
        unsigned char *to;
    } bytes = {key};
    const gnutls_datum_t raw = {bytes.to, (unsigned)size};
    gnutls_datum_t encoded;
    check_made(gnutls_base64_encode2(&raw, &encoded) == 0);
    bool written =
        write(fd, encoded.data, encoded.size) == (ssize_t)encoded.size && write(fd, "\n", 1) == 1;
    gnutls_memset(encoded.data, 0, encoded.size);
    gnutls_free(encoded.data);
    return written;
}

static enum err write_keys(const char *path, size_t size, const struct tls_key_file *file,
                           struct tls_reason why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tls_reason_set(why, "cannot make %s: %s", path, strerror(errno));
    bool written = true;
    for (size_t i = 0; i < file->count && written; i++)
        written = write_key(fd, file->keys[i], size);
    written = written && fsync(fd) == 0;
    int error = errno;
    written = close(fd) == 0 && written;
    if (written && !tls_files_sync_folder(path)) {
        written = false;
        error = errno;
    }
    if (written)
        return ERR_OK;
    unlink(path);
    return tls_reason_set(why, "cannot write %s: %s", path, strerror(error));
}

static void make_key(uint8_t *key, size_t size)
{
    /* Fails only when the random generator does: nothing could be protected then. */
    must(gnutls_rnd(GNUTLS_RND_KEY, key, size) == 0);
}

enum err tls_key_file_create(const char *path, size_t size, char *why, size_t why_size)
{
    struct tls_key_file file = {.count = 1};
    must(size <= TLS_KEY_MAX_SIZE);
    make_key(file.keys[0], size);
    enum err result = write_keys(path, size, &file, (struct tls_reason){why, why_size});
    tls_key_file_clear(&file);
    return result;
}

enum err tls_key_file_rotate(const char *path, size_t size, size_t keep, char *why, size_t why_size)
{
    struct tls_reason reason = {why, why_size};
    struct tls_key_file old, new = {0};
    enum err result = tls_key_file_read(path, size, &old, why, why_size);
    if (result != ERR_OK)
        return result;
    make_key(new.keys[new.count++], size);
    for (size_t i = 0; i < old.count && i < keep && new.count < TLS_KEY_FILE_MAX_KEYS; i++)
        memcpy(new.keys[new.count++], old.keys[i], size);
    size_t length = strlen(path) + sizeof ".new";
    char *aside = check_alloc(length);
    snprintf(aside, length, "%s.new", path);
    unlink(aside); /* of a rotation that was interrupted */
    result = write_keys(aside, size, &new, reason);
    if (result == ERR_OK && (rename(aside, path) < 0 || !tls_files_sync_folder(path))) {
        result = tls_reason_set(reason, "cannot replace %s: %s", path, strerror(errno));
        unlink(aside);
    }
    free(aside);
    tls_key_file_clear(&old);
    tls_key_file_clear(&new);
    return result;
}
