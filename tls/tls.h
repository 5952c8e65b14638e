/* tls/tls.h: names that all of tls/ and its users share. GnuTLS itself is seen only in tls/ .c
 * files. */
#pragma once

enum tls_role { TLS_CLIENT, TLS_SERVER };

/* The fate of a child that the other side did not resume from the master. */
enum tls_resume {
    TLS_RESUME_REQUIRE, /* refused (and retried by the client) */
    TLS_RESUME_PREFER,  /* accepted if its peer's certificate equals the master's */
    TLS_RESUME_NEVER,   /* as PREFER, and a client offers nothing: to measure full handshakes */
};

/* TLS 1.2 has to be asked for (docs/decisions/011). */
enum tls_version {
    TLS_VERSION_DEFAULT, /* TLS 1.3 */
    TLS_VERSION_1_2,
    TLS_VERSION_1_3,
};

/* The secret that a TLS 1.3 child adds to the secret of its master. Both ends must say the same. */
enum tls_children {
    TLS_CHILDREN_DHE, /* a key exchange of its own (psk_dhe_ke, X25519): forward secrecy */
    TLS_CHILDREN_PSK, /* nothing (psk_ke): a third of the cost. The ticket key is the association's
                       * own and dies with it, so masters are never resumed: every ticket of a
                       * master leads to the same secret (RFC 8446 section 4.6.1), and one under
                       * a key that lives longer would open what the children said. */
};

/* The code that protects the records of a TLS 1.3 child after its handshake (docs/decisions/030).
 */
enum tls_records {
    TLS_RECORDS_OWN,    /* ours (tls/established.c), where GnuTLS's keys can be taken over */
    TLS_RECORDS_GNUTLS, /* GnuTLS's, as those of masters and of TLS 1.2 */
};

/* By what a TLS 1.2 server lets sessions be resumed; TLS 1.3 knows tickets only. */
enum tls_resume_by {
    TLS_BY_ANY,    /* tickets with clients that take them, else session ids */
    TLS_BY_TICKET, /* state at the client, encrypted with the ticket key */
    TLS_BY_ID,     /* state at the server: the store, and each generation for its children */
};

/* The proof that a peer must show beside its certificate (RFC 6066 section 8, RFC 8446
 * section 4.4.2.1). */
enum tls_ocsp {
    TLS_OCSP_IF_STAPLED, /* a response that is stapled must be good; required only of a certificate
                          * that says so itself (RFC 7633) */
    TLS_OCSP_REQUIRE,    /* nobody comes without. A resumed master is judged by the response of its
                          * full handshake (GnuTLS keeps it in the ticket), until that expires. */
};
