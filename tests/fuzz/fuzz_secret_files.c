/* Files of secrets and of known keys, with any content: shared keys (tickets, values in Redis),
 * pre-shared keys, known raw keys. First byte: which. Accepted values are those of the file; a
 * refusal has a reason. */
#include <ctype.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "tls/credentials_private.h"
#include "tls/identity.h"
#include "tls/key_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[32], text[400];
static const struct tls_reason why = {.text = text, .size = sizeof text};

static void check_result(enum err e)
{
    must(e == ERR_OK || (e == ERR_TLS_CREDENTIALS && text[0]));
    must(strlen(text) < sizeof text);
}

/* A key, in base64, is in the file; but for blanks, and the bits behind its end that mean nothing.
 */
static void must_be_in(const uint8_t *key, size_t size, const uint8_t *data, size_t length)
{
    const gnutls_datum_t raw = {(unsigned char *)(uintptr_t)key, (unsigned)size};
    gnutls_datum_t encoded;
    must(gnutls_base64_encode2(&raw, &encoded) == 0);
    char *stripped = check_alloc(length + 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++)
        if (data[i] == '\n' || !isspace(data[i]))
            stripped[used++] = (char)data[i];
    must(memmem(stripped, used, encoded.data, encoded.size - 3));
    free(stripped);
    gnutls_free(encoded.data);
}

static void check_keys(size_t size, const uint8_t *data, size_t length)
{
    static const struct tls_key_file none;
    struct tls_key_file file;
    enum err e = tls_key_file_read(path, size, &file, text, sizeof text);
    check_result(e);
    if (e)
        must(!memcmp(&file, &none, sizeof file));
    else
        must(file.count >= 1 && file.count <= TLS_KEY_FILE_MAX_KEYS);
    for (size_t i = 0; i < file.count; i++)
        must_be_in(file.keys[i], size, data, length);
    tls_key_file_clear(&file);
}

static void check_psk(bool is_client, const char *chosen)
{
    struct tls_known_keys *known;
    struct tls_psk *psk = NULL;
    enum err e = tls_known_keys_load(path, true, &known, why);
    check_result(e);
    must((e == ERR_OK) == (known != NULL));
    if (known && is_client) {
        e = tls_psk_new_client(known, path, chosen, &psk, why);
        check_result(e);
        must((e == ERR_OK) == (psk != NULL));
    }
    if (psk) {
        const char *name = tls_psk_chosen(psk);
        must(name[0] && strlen(name) <= 128 && (!chosen || !strcmp(name, chosen)));
        must(tls_known_keys_find(known, name, strlen(name)));
    }
    must(!known || !tls_known_keys_find(known, "nobody has this name", 20));
    tls_psk_free(psk);
    tls_known_keys_free(known);
}

/* A key that is found has a name, and it is on the line of that key or pin. */
static void check_known(const uint8_t *data, size_t length)
{
    struct tls_known_keys *known;
    enum err e = tls_known_keys_load(path, false, &known, why);
    check_result(e);
    must((e == ERR_OK) == (known != NULL));
    if (known) {
        uint8_t pin[TLS_PIN_SIZE];
        tls_known_keys_describe(known, text, sizeof text);
        char *at = strstr(text, " is sha256:");
        must(at);
        char shown[TLS_PIN_TEXT_SIZE];
        snprintf(shown, sizeof shown, "%.71s", at + 4);
        must(tls_pin_parse(shown, pin));
        const char *name = tls_known_keys_name(known, pin);
        must(name && name[0] && memmem(data, length, name, strlen(name)));
        must(!strncmp(text, name, strlen(name)));
        pin[0] ^= 1;
        const char *other = tls_known_keys_name(known, pin);
        must(!other || strcmp(other, name) != 0);
    }
    tls_known_keys_free(known);
}

/* Hex and base64 of one pin are the same pin. */
static void check_pin(const uint8_t *data, size_t length)
{
    uint8_t pin[TLS_PIN_SIZE], again[TLS_PIN_SIZE];
    char shown[TLS_PIN_TEXT_SIZE], *words = check_alloc(length + 1);
    memcpy(words, data, length);
    if (tls_pin_parse(words, pin)) {
        tls_pin_format(pin, shown);
        must(tls_pin_parse(shown, again) && !memcmp(pin, again, sizeof pin));
        must(!strncmp(words, "sha256:", 7));
    }
    free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    int fd = memfd_create("secrets", MFD_CLOEXEC);
    must(fd >= 0 && fchmod(fd, 0600) == 0);
    must(write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    text[0] = 0;
    switch (data[0] % 6) {
    case 0:
        check_keys(64, data + 1, size - 1);
        break;
    case 1:
        check_keys(32, data + 1, size - 1);
        break;
    case 2:
        check_psk(true, NULL);
        break;
    case 3:
        check_psk(true, "alice");
        check_psk(false, NULL);
        break;
    case 4:
        check_known(data + 1, size - 1);
        break;
    default:
        check_pin(data + 1, size - 1);
    }
    close(fd);
    return 0;
}
