#include "config/option.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "config/nearest.h"

static const struct option_choice log_levels[] = {
    {"error", LOG_ERROR, NULL, NULL, "what failed"},
    {"warning", LOG_WARNING, NULL, NULL, "and what may fail"},
    {"info", LOG_INFO, NULL, NULL, "and a line for each association and each connection's end"},
    {"debug", LOG_DEBUG, NULL, NULL, "and much more"},
    {0},
};

static const struct option_choice log_formats[] = {
    {"text", CONFIG_TEXT, NULL, NULL, "for people"},
    {"json", CONFIG_JSON, NULL, NULL, "one JSON object a line"},
    {0},
};

static const struct option_choice roles[] = {
    {"client", CONFIG_CLIENT, NULL, NULL, "sets up the association"},
    {"server", CONFIG_SERVER, NULL, NULL, "waits for clients"},
    {0},
};

static const struct option_choice transports[] = {
    {"udp", 0, "udp", NULL,
     "SCTP over UDP (RFC 6951), in user space: needs no privilege, crosses NAT"},
    {"kernel", 0, "kernel", NULL, "the kernel's SCTP, a protocol beside TCP and UDP on the wire"},
    {"auto", 0, "auto", NULL,
     "a server takes both where the kernel has SCTP; a client tries `kernel` first, then `udp`, "
     "and "
     "says in the log which one it took, and why"},
    {0},
};

static const struct option_choice congestions[] = {
    {"bbr", 0, "bbr", NULL,
     "BBRv3: by the rate that arrives, so that losses which are the line's own do not slow it "
     "down, "
     "and without a queue of its own"},
    {"cubic", 0, "cubic", NULL,
     "CUBIC (RFC 9438) with HyStart++: by losses, as most TCP; for lines of more than 200 Mbit/s "
     "that are shared with it fairly"},
    {0},
};

static const struct option_choice resumes[] = {
    {"require", true, NULL, NULL, "it is refused, and tried again"},
    {"prefer", false, NULL, NULL,
     "it is accepted if the peer's certificate equals the one of the master session"},
    {0},
};

static const struct option_choice versions[] = {
    {"1.2", CONFIG_TLS_1_2, NULL, NULL,
     "TLS 1.2, with ephemeral key exchange and AEAD ciphers only"},
    {"1.3", CONFIG_TLS_1_3, NULL, NULL, "TLS 1.3"},
    {"1.0", 0, NULL, "TLS 1.0 is broken", NULL},
    {"1.1", 0, NULL, "TLS 1.1 is broken", NULL},
    {0},
};

static const struct option_choice child_kinds[] = {
    {"dhe", false, NULL, NULL,
     "each has a key exchange of its own (X25519): who steals keys later opens none of them"},
    {"psk", true, NULL, NULL,
     "none: a third of the cost; the ticket key of the association opens them while it lives, and "
     "a reconnect is a full handshake"},
    {0},
};

static const struct option_choice record_kinds[] = {
    {"own", false, NULL, NULL,
     "Hawser's, with GnuTLS's ciphers or a faster AES-GCM (docs/SECURITY.md), where GnuTLS's keys "
     "can be taken over; not in FIPS mode"},
    {"gnutls", true, NULL, NULL,
     "GnuTLS's, for those who do not want to trust ours: a child takes 23 KB at both ends "
     "together, "
     "instead of 5, and a record of 16 KB 8.4 µs to seal and to open, instead of 2.7"},
    {0},
};

static const struct option_choice resumptions[] = {
    {"any", CONFIG_BY_ANY, NULL, NULL, "tickets with clients that take them, else session ids"},
    {"tickets", CONFIG_BY_TICKETS, NULL, NULL, "state at the client, encrypted"},
    {"ids", CONFIG_BY_IDS, NULL, NULL, "state at the server, in its store (`sessions`)"},
    {0},
};

static const struct option_choice ocsp_policies[] = {
    {"stapled", false, NULL, NULL,
     "a response that comes with the certificate must be good; none is needed, unless the "
     "certificate says so"},
    {"require", true, NULL, NULL, "nobody comes without a good one"},
    {0},
};

#define FIELD(structure, member)                                                                   \
    .offset = offsetof(struct structure, member), .size = sizeof(((struct structure *)NULL)->member)
#define ARRAY(structure, member, count)                                                            \
    .offset = offsetof(struct structure, member),                                                  \
    .count_offset = offsetof(struct structure, count),                                             \
    .element = sizeof(*((struct structure *)NULL)->member)
#define GROUP_OF(name) .group = SECTION_##name
#define GROUPS_OF(structure, member, count, name)                                                  \
    ARRAY(structure, member, count), .group = SECTION_##name
#define ONE_OF(structure, member, words) FIELD(structure, member), .choices = words

const struct option option_table[] = {
#define OPTION_ROW(where, name, kind, stored, preset, least, most, measure, need, who, text)       \
    {.section = SECTION_##where,                                                                   \
     .key = name,                                                                                  \
     .type = OPTION_##kind,                                                                        \
     stored,                                                                                       \
     .standard = preset,                                                                           \
     .min = least,                                                                                 \
     .max = most,                                                                                  \
     .unit = measure,                                                                              \
     .required = ROLE_##need,                                                                      \
     .roles = ROLE_##who,                                                                          \
     .meaning = text},
#include "config/options.def"
#undef OPTION_ROW
};
const size_t option_count = sizeof(option_table) / sizeof(*option_table);

const struct option_section_info option_sections[SECTION_COUNT] = {
    [SECTION_ROOT] = {"the file", "at the file's top level", "", "Top level", NULL},
    [SECTION_LOG] = {"log", "in log", "log.", "log", "log = { … }"},
    [SECTION_ADMIN] = {"admin", "in admin", "admin.", "admin", "admin = { … }"},
    [SECTION_SESSIONS] = {"sessions", "in sessions", "sessions.", "sessions", "sessions = { … }"},
    [SECTION_REDIS] = {"redis", "in redis", "redis.", "redis of sessions", "redis = { … }"},
    [SECTION_TUNNEL] = {"a tunnel", "in a tunnel", "", "A tunnel", "tunnels = ( { … } )"},
    [SECTION_STREAMS] = {"streams", "in a tunnel's streams", "streams.", "streams of a tunnel",
                         "streams = { … }"},
    [SECTION_WINDOW] = {"window", "in window", "window.", "window of a tunnel", "window = { … }"},
    [SECTION_WAITING] = {"waiting", "in waiting", "waiting.", "waiting of a tunnel",
                         "waiting = { … }"},
    [SECTION_IDENTITY] = {"identity", "in identity", "identity.", "identity of a tunnel",
                          "identity = { … }"},
    [SECTION_RECONNECT] = {"reconnect", "in reconnect", "reconnect.", "reconnect of a tunnel",
                           "reconnect = { … }"},
    [SECTION_PATHS] = {"paths", "in paths", "paths.", "paths of a tunnel", "paths = { … }"},
    [SECTION_TLS] = {"tls", "in tls", "tls.", "tls of a tunnel", "tls = { … }"},
    [SECTION_SERVICE] = {"a service", "in a service", "", "A service", "services = ( { … } )"},
    [SECTION_SERVICE_STREAMS] = {"streams", "in a service's streams", "streams.",
                                 "streams of a service", "streams = { … }"},
};

/* What other programs call it, and people say. */
static const struct {
    enum option_section section;
    const char *word, *meant;
} synonyms[] = {
    {SECTION_ROOT, "workers", "threads"},
    {SECTION_ROOT, "tunnel", "tunnels"},
    {SECTION_ROOT, "log_level", "log = { level = … }"},
    {SECTION_ROOT, "log_format", "log = { format = … }"},
    {SECTION_ROOT, "admin_socket", "admin = { socket = … }"},
    {SECTION_TUNNEL, "bind", "local"},
    {SECTION_TUNNEL, "listen", "local (listen belongs in services = ( { … } ))"},
    {SECTION_TUNNEL, "server", "remote"},
    {SECTION_TUNNEL, "connect", "remote (connect belongs in services = ( { … } ))"},
    {SECTION_TUNNEL, "address", "local (at the server) or remote (at the client)"},
    {SECTION_TUNNEL, "mode", "role"},
    {SECTION_TUNNEL, "type", "role"},
    {SECTION_TUNNEL, "timeout", "connect_timeout or dead_after"},
    {SECTION_TUNNEL, "max_streams", "streams = { max = … }"},
    {SECTION_TUNNEL, "rto", "paths = { rto_min = …; rto_initial = …; rto_max = …; }"},
    {SECTION_TUNNEL, "udp_port", "encap_port"},
    {SECTION_TUNNEL, "hb_interval", "heartbeat"},
    {SECTION_TUNNEL, "heartbeat_interval", "heartbeat"},
    {SECTION_TUNNEL, "sndbuf", "buffer"},
    {SECTION_TUNNEL, "rcvbuf", "buffer"},
    {SECTION_PATHS, "path_max_retrans", "max_retransmissions"},
    {SECTION_PATHS, "pathmaxrxt", "max_retransmissions"},
    {SECTION_PATHS, "pfmr", "failing_after"},
    {SECTION_PATHS, "pf_retrans", "failing_after"},
    {SECTION_PATHS, "association_max_retrans", "association_retransmissions"},
    {SECTION_PATHS, "hb_interval", "heartbeat (in the tunnel, beside paths)"},
    {SECTION_PATHS, "heartbeat_interval", "heartbeat (in the tunnel, beside paths)"},
    {SECTION_TLS, "cafile", "ca"},
    {SECTION_TLS, "ca_file", "ca"},
    {SECTION_TLS, "certificate", "cert"},
    {SECTION_TLS, "private_key", "key"},
    {SECTION_TLS, "verify",
     "peer (at the client) or allow (at the server); verification is always on"},
    {SECTION_TLS, "hostname", "peer"},
    {SECTION_TLS, "server_name", "peer"},
    {SECTION_TLS, "ciphers", "priority"},
    {SECTION_TLS, "crl_file", "crl"},
    {SECTION_TLS, "pin", "pins"},
    {SECTION_TLS, "known_hosts", "known"},
    {SECTION_TLS, "known_keys", "known"},
    {SECTION_TLS, "version", "min_version and max_version"},
    {SECTION_TLS, "session_file", "sessions = { file = … } at the file's top level"},
    {SECTION_TLS, "session_cache", "sessions = { … } at the file's top level"},
    {SECTION_TLS, "redis", "sessions = { redis = { … } } at the file's top level"},
    {SECTION_SESSIONS, "cache", "file"},
    {SECTION_REDIS, "host", "address"},
    {SECTION_REDIS, "socket", "address = \"unix:/path\""},
    {SECTION_REDIS, "keys", "key_file"},
    {SECTION_SERVICE, "accept", "listen"},
    {SECTION_SERVICE, "bind", "listen"},
    {SECTION_SERVICE, "local", "listen"},
    {SECTION_SERVICE, "remote", "connect"},
    {SECTION_SERVICE, "target", "connect"},
    {SECTION_SERVICE, "backend", "connect"},
    {SECTION_SERVICE, "timeout", "connect_timeout"},
    {SECTION_SERVICE, "mode", "socket_mode"},
};

const struct option *option_find(enum option_section section, const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section && strcmp(option_table[i].key, key) == 0)
            return &option_table[i];
    return NULL;
}

static const char *synonym(enum option_section section, const char *key)
{
    for (size_t i = 0; i < sizeof(synonyms) / sizeof(*synonyms); i++)
        if (synonyms[i].section == section && strcmp(synonyms[i].word, key) == 0)
            return synonyms[i].meant;
    return NULL;
}

static bool is_below(enum option_section parent, enum option_section child)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == parent && option_table[i].type <= OPTION_GROUPS &&
            option_table[i].group == child)
            return true;
    return false;
}

/* Where else the key is known: a group inside this section before any other place. */
static enum option_section other_section(enum option_section section, const char *key)
{
    enum option_section found = SECTION_COUNT;
    for (enum option_section other = 0; other < SECTION_COUNT; other++) {
        if (other == section || !option_find(other, key))
            continue;
        if (is_below(section, other))
            return other;
        if (found == SECTION_COUNT)
            found = other;
    }
    return found;
}

static void list_known(enum option_section section, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "known %s:", option_sections[section].where);
    const char *separator = " ";
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].section != section || used >= size)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", separator, option_table[i].key);
        separator = ", ";
    }
}

const char *option_suggest(enum option_section section, const char *key, char *text, size_t size)
{
    const char *meant = synonym(section, key);
    if (meant) {
        snprintf(text, size, "did you mean %s?", meant);
        return text;
    }
    struct nearest nearest = {.word = key};
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section)
            nearest_offer(&nearest, option_table[i].key);
    enum option_section other = other_section(section, key);
    if (other == SECTION_ROOT)
        snprintf(text, size, "it belongs at the file's top level");
    else if (other != SECTION_COUNT && (!nearest.best || is_below(section, other)))
        snprintf(text, size, "it belongs in %s", option_sections[other].example);
    else if (nearest.best)
        snprintf(text, size, "did you mean %s?", nearest.best);
    else
        list_known(section, text, size);
    return text;
}

const struct option_choice *option_choice_find(const struct option *option, const char *word)
{
    for (const struct option_choice *choice = option->choices; choice->word; choice++)
        if (strcmp(choice->word, word) == 0)
            return choice;
    return NULL;
}

const char *option_choice_words(const struct option *option, char *text, size_t size)
{
    size_t used = 0, left = 0;
    text[0] = '\0';
    for (const struct option_choice *choice = option->choices; choice->word; choice++)
        left += !choice->refused;
    for (const struct option_choice *choice = option->choices; choice->word; choice++) {
        if (choice->refused || used >= size)
            continue;
        const char *after = left == 1 ? "" : left == 2 ? " or " : ", ";
        left--;
        used += (size_t)snprintf(text + used, size - used, "\"%s\"%s", choice->word, after);
    }
    return text;
}

bool option_standard_is_derived(const struct option *option)
{
    return option->standard && option->standard[0] == '[';
}
