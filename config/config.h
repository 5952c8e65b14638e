/* config/config.h: the configuration as the program uses it: read-only after config_load. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "base/error.h"

enum config_role { CONFIG_CLIENT, CONFIG_SERVER };
enum config_direction { CONFIG_LISTEN, CONFIG_CONNECT };
enum config_log_format { CONFIG_TEXT, CONFIG_JSON };

/* Patterns or names; without any, list is NULL. */
struct config_names {
    char **list;
    size_t count;
};

struct config_service {
    char *name;
    enum config_direction direction; /* of endpoint */
    struct endpoint endpoint;
    struct {
        uint32_t min, max;
    } streams; /* both 0: the service shares the pool */
    uint64_t connect_timeout_us;
    bool keepalive;       /* SO_KEEPALIVE on its TCP sockets */
    uint32_t socket_mode; /* permission bits of a UNIX listening socket */
    /* The peers that may use it (with connect; none: all of the tunnel's), or serve it (with
     * listen; none: the tunnel's only peer). */
    struct config_names allow;
};

enum config_tls_version { CONFIG_TLS_DEFAULT, CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum config_resume_by { CONFIG_BY_ANY, CONFIG_BY_TICKETS, CONFIG_BY_IDS };

struct config_resume {
    bool required;            /* resume = "require" */
    bool never;               /* no option: `hawser bench` measures full handshakes by it */
    enum config_resume_by by; /* server */
    uint64_t ticket_lifetime_us;
    char *ticket_key_file; /* server */
};

/* NULL or 0: not given. Files have absolute paths; cert and key may be PKCS#11 URIs. */
struct config_tls {
    char *ca, *crl; /* a file or a directory */
    char *cert, *key;
    char *staple;
    bool ocsp_required; /* ocsp = "require" */
    struct config_names pins;
    char *known, *psk;
    char *psk_identity;        /* client */
    char *priority;            /* NULL: the default of tls/ */
    char *peer;                /* client */
    struct config_names allow; /* server */
    struct config_resume resume;
    enum config_tls_version min_version, max_version;
    bool children_psk;   /* children = "psk" */
    bool records_gnutls; /* records = "gnutls" */
    struct {
        uint64_t bytes; /* 0: when the cipher needs it */
        bool on_lease;
    } rekey;
    uint64_t handshake_timeout_us;
};

/* The store that several servers share; without key_file there is none. */
struct config_redis {
    struct endpoint address; /* numeric or UNIX */
    char *key_file, *password;
    uint64_t timeout_us;
    uint32_t max_queued;
};

/* Memory of earlier associations. */
struct config_sessions {
    uint32_t max_entries; /* servers: the store of TLS 1.2 */
    uint64_t max_bytes;
    uint32_t max_servers; /* clients: the cache */
    char *file;           /* clients: where the cache is while the process does not run */
    struct config_redis redis;
};

/* Limits of one peer of a server tunnel; the defaults are filled in. */
struct config_identity {
    uint32_t max_associations, max_connections, max_streams;
    uint64_t memory; /* bytes */
};

/* One association: SCTP and the paths below it (RFC 9260, RFC 7829). */
struct config_sctp {
    char *congestion; /* "bbr" or "cubic" */
    uint64_t heartbeat_us, dead_after_us;
    uint64_t rto_min_us, rto_initial_us, rto_max_us;
    uint32_t path_retransmissions, failing_after, association_retransmissions;
    uint32_t mtu;        /* 0: found out */
    uint32_t buffer;     /* bytes that SCTP keeps; kernel: each socket buffer */
    uint16_t encap_port; /* 0: none */
    bool auth;           /* RFC 4895 */
};

struct config_tunnel {
    char *name;
    enum config_role role;
    char *transport;        /* "udp", "kernel" or "auto" */
    struct endpoint *local; /* server: at least one; client: optional */
    size_t local_count;
    struct endpoint *remote; /* client: at least one */
    size_t remote_count;
    struct {
        uint32_t initial, max;
    } streams, window; /* window: bytes */
    struct {
        uint32_t max;
        uint64_t timeout_us;
    } waiting;
    struct {
        uint64_t min_us, max_us, refused_us;
    } reconnect; /* client */
    uint64_t connect_timeout_us;
    struct config_sctp sctp;
    uint32_t max_peers;              /* server: associations at once */
    struct config_identity identity; /* server */
    struct config_tls tls;
    struct config_service *services;
    size_t service_count;
};

struct config {
    char *file, *directory;
    uint32_t threads; /* workers; the default (one for each core) is filled in */
    uint64_t drain_timeout_us;
    uint32_t busy_poll_us; /* 0: workers sleep at once */
    uint64_t memory_limit; /* bytes of all that waits for local sockets */
    char *admin_socket;    /* absolute path; NULL: none */
    int log_level;         /* enum log_level */
    enum config_log_format log_format;
    struct config_sessions sessions;
    struct config_tunnel *tunnels;
    size_t tunnel_count;
};

/* Reads file; every mistake is printed to `out` as "file:line: what is wrong; what was meant", all
 * of them in one run; warnings as "file:line: warning: …". Relative paths become absolute.
 * Returns the configuration, or NULL when there was any mistake. Key pairs are not opened here:
 * the caller passes check_pair (proxy gives tls_credentials_check_pair), NULL to skip it.
 * Owns: caller, config_free. Thread: main. */
struct config *config_load(const char *file, FILE *out,
                           enum err (*check_pair)(const char *cert, const char *key, char *why,
                                                  size_t why_size));
/* The same for `hawser run`: a file that is missing or unreadable is no error, because it may come
 * later. */
struct config *config_load_to_run(const char *file, FILE *out);
/* NULL is fine. */
void config_free(struct config *config);

/* Prints the reference page docs/CONFIGURATION.md, from the option table. */
void config_write_reference(FILE *out);
