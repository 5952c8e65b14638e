/* tls/psk.h: private to tls/: pre-shared keys for masters (RFC 8446 section 2.2), one in a line, as
 * psktool writes them: `name:hex`, 16 to 64 bytes. The name goes over the network in the clear. The
 * file must be readable by its owner alone. Always with a key exchange (psk_dhe_ke): what was
 * recorded stays closed when the key is stolen later. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tls/files.h"
#include "tls/identity.h"

struct tls_psk;
struct gnutls_session_int;

/* chosen: the name of the line to use as a client, NULL if there is only one; servers give none and
 * take them all. ERR_OK, or ERR_TLS_CREDENTIALS with file and line. Owns: tls_psk_free. */
enum err tls_psk_load(const char *path, bool is_client, const char *chosen, struct tls_psk **out,
                      struct tls_files *files, struct tls_reason why);
void tls_psk_free(struct tls_psk *psk); /* wiped; NULL is fine */

/* Makes a new session use it. False: GnuTLS has no memory. */
bool tls_psk_install(const struct tls_psk *psk, struct gnutls_session_int *session);
/* Client: the name that it shows. */
const char *tls_psk_chosen(const struct tls_psk *psk);
/* The number of keys; each has a name of its own. */
size_t tls_psk_count(const struct tls_psk *psk);
/* The SHA-256 of a key; NULL if there is none of that name. Thread: any. */
const uint8_t *tls_psk_proof(const struct tls_psk *psk, const char *name);
