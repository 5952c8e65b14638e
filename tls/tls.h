/* tls/tls.h: names that all of tls/ and its users share. GnuTLS itself is seen only in tls/ .c
 * files. */
#pragma once

enum tls_role { TLS_CLIENT, TLS_SERVER };

/* What happens to a child that the other side did not resume from the master. */
enum tls_resume {
    TLS_RESUME_REQUIRE, /* refused (and retried by the client) */
    TLS_RESUME_PREFER,  /* accepted if its peer's certificate equals the master's */
};
