/* tls/key_file.c: secret keys that servers share. */
#include "tls/key_file.h"

#include <gnutls/gnutls.h>
#include <string.h>

#include "base/check.h"
#include "tls/files.h"
#include "tls/wipe.h"

/* Eight lines of 64 bytes in base64 take 712; the rest is room for remarks. */
#define FILE_MAX 8192

struct reading {
    struct tls_lines lines;
    struct tls_key_file *file;
    size_t size;
};

static enum err on_line(struct tls_lines *lines, char *line, struct tls_reason why)
{
    const struct reading *reading = container_of(lines, struct reading, lines);
    struct tls_key_file *file = reading->file;
    const gnutls_datum_t encoded = {(unsigned char *)line, (unsigned)strlen(line)};
    gnutls_datum_t raw;
    if (file->count == TLS_KEY_FILE_MAX_KEYS)
        return tls_reason_set(why, "more than %d keys", TLS_KEY_FILE_MAX_KEYS);
    if (gnutls_base64_decode2(&encoded, &raw) < 0)
        return tls_reason_set(why, "not base64");
    enum err result = ERR_OK;
    if (raw.size == reading->size)
        memcpy(file->keys[file->count++], raw.data, raw.size);
    else
        result = tls_reason_set(why, "a key of %u bytes, %zu are needed", raw.size, reading->size);
    tls_wipe_free(raw.data, raw.size);
    return result;
}

enum err tls_key_file_read(const char *path, size_t size, struct tls_key_file *file, char *why,
                           size_t why_size)
{
    struct tls_reason reason = {.text = why, .size = why_size};
    struct reading reading = {
        .lines = {.on_line = on_line, .secret_max = FILE_MAX}, .file = file, .size = size};
    must(size <= TLS_KEY_MAX_SIZE);
    memset(file, 0, sizeof *file);
    enum err result = tls_files_read_lines(path, &reading.lines, reason);
    if (result == ERR_OK && !file->count)
        result = tls_reason_set(reason, "%s holds no key", path);
    if (result != ERR_OK)
        tls_key_file_clear(file);
    return result;
}

void tls_key_file_clear(struct tls_key_file *file)
{
    gnutls_memset(file, 0, sizeof *file);
}
