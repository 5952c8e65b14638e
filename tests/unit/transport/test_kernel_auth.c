/* The meaning of a list of chunks that the kernel does not show. Its answers are made here, so that
 * no kernel with SCTP is needed; this function takes the place of libc's. */
#include "transport/kernel/kernel.h"

#include <errno.h>
#include <netinet/sctp.h>
#include <string.h>
#include <sys/socket.h>

#include "sctp/auth_chunks.h"
#include "tests/lib/tap.h"

static int list_error; /* 0: there is a list */
static size_t listed;
static bool is_there;

static int fail(int error)
{
    errno = error;
    return -1;
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    (void)fd, (void)level;
    struct sctp_authchunks *list = value;
    switch (option) {
    case SCTP_PEER_AUTH_CHUNKS:
        if (list_error)
            return fail(list_error);
        list->gauth_number_of_chunks = (uint32_t)listed;
        memcpy(list->gauth_chunks, sctp_auth_chunks, listed);
        *size = (socklen_t)(sizeof *list + listed);
        return 0;
    case SCTP_STATUS:
        if (!is_there)
            return fail(EINVAL);
        memset(value, 0, *size);
        ((struct sctp_status *)value)->sstat_instrms = 10;
        ((struct sctp_status *)value)->sstat_outstrms = 10;
        return 0;
    default:
        return fail(ENOPROTOOPT);
    }
}

int main(void)
{
    is_there = true;
    listed = SCTP_AUTH_CHUNKS;
    ok(kernel_auth_agreed(0), "a peer that has all chunks in its list authenticates");
    listed = SCTP_AUTH_CHUNKS - 1;
    ok(!kernel_auth_agreed(0), "one that lacks one does not");
    list_error = EACCES;
    ok(!kernel_auth_agreed(0), "nor does one without a list");
    /* Linux copies the list of INIT, however long it is, and says this if it has no room for it. */
    list_error = EINVAL;
    ok(!kernel_auth_agreed(0), "nor one whose list is longer than there are types");
    is_there = false;
    ok(kernel_auth_agreed(0), "of one that is gone nothing is said here");
    return tap_done();
}
