/* scripts/usrsctp-sha.h: takes the place of usrsctp's sctp_sha1.h and sctp_sha1.c: SHA-1 and
 * SHA-256 by nettle, which uses the processor's instructions. usrsctp's own is portable C, eight
 * times slower, and knows no SHA-256 (docs/decisions/012-sctp-auth.md). */
#pragma once

#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <sys/types.h>

struct sctp_sha1_context {
    struct sha1_ctx state;
};

static inline void sctp_sha1_init(struct sctp_sha1_context *self)
{
    sha1_init(&self->state);
}

static inline void sctp_sha1_update(struct sctp_sha1_context *self, const unsigned char *bytes,
                                    unsigned int length)
{
    sha1_update(&self->state, length, bytes);
}

static inline void sctp_sha1_final(unsigned char *digest, struct sctp_sha1_context *self)
{
    sha1_digest(&self->state, SHA1_DIGEST_SIZE, digest);
}

#define SCTP_SUPPORT_HMAC_SHA256
#define SCTP_SHA256_CTX                         struct sha256_ctx
#define SCTP_SHA256_INIT(self)                  sha256_init(self)
#define SCTP_SHA256_UPDATE(self, bytes, length) sha256_update(self, length, bytes)
#define SCTP_SHA256_FINAL(digest, self)         sha256_digest(self, SHA256_DIGEST_SIZE, digest)
