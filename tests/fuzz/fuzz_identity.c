/* Patterns and names of peers: any bytes. Input: kind of name, pattern, line end, name. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Checks a name that a star let in. */
static void check_star(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    if (!star)
        return;
    if (star == pattern) {
        size_t label = strcspn(name, ".");
        must(label > 0 && !strchr(name, '*') && strlen(name) - label == strlen(pattern) - 1);
    } else {
        size_t length = (size_t)(star - pattern);
        must(strncmp(name, pattern, length) == 0 && strlen(name) > length);
        must(!strstr(name + length, "//") && !strstr(name + length - 1, "/../"));
    }
}

/* The name of a pre-shared key, as a peer sends it: fit for a log and whole, or none. */
static void check_psk_name(const uint8_t *name, size_t length)
{
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_PSK);
    char text[TLS_NAME_MAX + 10];
    tls_identity_set_label(identity, name, length);
    size_t kept = strlen(identity->label);
    must(!kept || (kept == length && !memcmp(identity->label, name, length)));
    for (size_t i = 0; i < kept; i++)
        must(!iscntrl((unsigned char)identity->label[i]));
    const char *patterns[] = {"alice", "*"};
    must(!tls_identity_matches(identity, patterns, 2)); /* it has proved nothing */
    tls_identity_describe(identity, text, sizeof text);
    must(strlen(text) < sizeof text && !tls_identity_is_same(identity, identity));
    tls_identity_unref(identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    if (!end)
        return 0;
    check_psk_name(end + 1, size - (size_t)(end + 1 - data));
    size_t length = (size_t)(end - data) - 1;
    char *pattern = check_alloc(length + 1), text[100];
    memcpy(pattern, data + 1, length);
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_CERTIFICATE);
    tls_identity_add_name(identity, (enum tls_name_kind)(data[0] % 5), end + 1,
                          size - (size_t)(end + 1 - data));
    const char *patterns[] = {pattern};
    bool is_good = tls_identity_check_pattern(pattern, text, sizeof text) == ERR_OK;
    if (tls_identity_matches(identity, patterns, 1)) {
        must(is_good && identity->name_count == 1);
        check_star(pattern, identity->names[0].text);
    }
    tls_identity_describe(identity, text, sizeof text);
    must(strlen(text) < sizeof text);
    tls_identity_unref(identity);
    free(pattern);
    return 0;
}
