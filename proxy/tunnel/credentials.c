/* A tunnel's credentials, from its configuration. */
#include "proxy/tunnel/credentials.h"

#include "proxy/tunnel/sessions.h"

static const enum tls_version versions[] = {[CONFIG_TLS_DEFAULT] = TLS_VERSION_DEFAULT,
                                            [CONFIG_TLS_1_2] = TLS_VERSION_1_2,
                                            [CONFIG_TLS_1_3] = TLS_VERSION_1_3};
static const enum tls_resume_by resumptions[] = {
    [CONFIG_BY_ANY] = TLS_BY_ANY, [CONFIG_BY_TICKETS] = TLS_BY_TICKET, [CONFIG_BY_IDS] = TLS_BY_ID};

static struct tls_options options_of(const struct config_tunnel *config,
                                     const struct sessions *sessions)
{
    const struct config_tls *tls = &config->tls;
    bool client = config->role == CONFIG_CLIENT;
    return (struct tls_options){
        .rules.role = client ? TLS_CLIENT : TLS_SERVER,
        .ca = tls->ca,
        .crl = tls->crl,
        .cert = tls->cert,
        .key = tls->key,
        .staple = tls->staple,
        .rules.ocsp = tls->ocsp_required ? TLS_OCSP_REQUIRE : TLS_OCSP_IF_STAPLED,
        .pins = (const char *const *)tls->pins.list,
        .pin_count = tls->pins.count,
        .known = tls->known,
        .psk = tls->psk,
        .psk_identity = tls->psk_identity,
        .priority = tls->priority,
        .peer = tls->peer,
        .allow = (const char *const *)tls->allow.list,
        .allow_count = tls->allow.count,
        .rules.ticket_lifetime_s = (uint32_t)(tls->resume.ticket_lifetime_us / 1000000),
        .rules.resume = tls->resume.never      ? TLS_RESUME_NEVER
                        : tls->resume.required ? TLS_RESUME_REQUIRE
                                               : TLS_RESUME_PREFER,
        .rules.min_version = versions[tls->min_version],
        .rules.max_version = versions[tls->max_version],
        .rules.children = tls->children_psk ? TLS_CHILDREN_PSK : TLS_CHILDREN_DHE,
        .rules.records = tls->records_gnutls ? TLS_RECORDS_GNUTLS : TLS_RECORDS_OWN,
        .rules.resume_by = resumptions[tls->resume.by],
        .ticket_key_file = tls->resume.ticket_key_file,
        .store = client || !sessions ? NULL : sessions->store,
        .signer = sessions ? sessions->signer : NULL,
        .rules.rekey_bytes = tls->rekey.bytes,
    };
}

/* Of single services; credentials look at their own. */
static enum err check_services(const struct config_tunnel *config, char *why, size_t why_size)
{
    char reason[512];
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        for (size_t j = 0; j < service->allow.count; j++) {
            if (tls_identity_check_pattern(service->allow.list[j], reason, sizeof reason) == ERR_OK)
                continue;
            snprintf(why, why_size, "tunnel \"%s\", service \"%s\": allow: %s", config->name,
                     service->name, reason);
            return ERR_TLS_CREDENTIALS;
        }
    }
    return ERR_OK;
}

enum err credentials_check_rules(const struct config_tunnel *config, char *why, size_t why_size)
{
    const struct tls_options options = options_of(config, NULL);
    char reason[512];
    if (check_services(config, why, why_size) != ERR_OK)
        return ERR_TLS_CREDENTIALS;
    enum err result = tls_credentials_check(&options, reason, sizeof reason);
    if (result != ERR_OK)
        snprintf(why, why_size, "tunnel \"%s\": %s", config->name, reason);
    return result;
}

/* Checks the files of keys: config/ checks the rest, because it knows the line. */
static enum err check_listeners(const struct config_tunnel *config,
                                const struct tls_credentials *credentials, char *why,
                                size_t why_size)
{
    if (config->role == CONFIG_CLIENT || tls_credentials_admit_one(credentials))
        return ERR_OK;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        if (service->direction == CONFIG_CONNECT || service->allow.count)
            continue;
        snprintf(
            why, why_size,
            "service \"%s\" listens at the server, and %s lets more than one client in: any of "
            "them could take its connections; say who may, with allow = [ \"name of the "
            "client\" ]; in the service",
            service->name,
            config->tls.known ? config->tls.known
            : config->tls.psk ? config->tls.psk
                              : "tls");
        return ERR_TLS_CREDENTIALS;
    }
    return ERR_OK;
}

enum err credentials_load(const struct config_tunnel *config, const struct sessions *sessions,
                          struct tls_credentials **credentials, char *why, size_t why_size)
{
    const struct tls_options options = options_of(config, sessions);
    char reason[512];
    *credentials = NULL;
    if (check_services(config, why, why_size) != ERR_OK)
        return ERR_TLS_CREDENTIALS;
    enum err result = tls_credentials_new(&options, credentials, reason, sizeof reason);
    if (result == ERR_OK)
        result = check_listeners(config, *credentials, reason, sizeof reason);
    if (result == ERR_OK)
        return ERR_OK;
    snprintf(why, why_size, "tunnel \"%s\": %s", config->name, reason);
    tls_credentials_unref(*credentials);
    *credentials = NULL;
    return result;
}

bool credentials_check_all(const struct config *config, FILE *out)
{
    bool fine = true;
    for (size_t i = 0; i < config->tunnel_count; i++) {
        char why[640];
        struct tls_credentials *credentials;
        if (credentials_load(&config->tunnels[i], NULL, &credentials, why, sizeof why) != ERR_OK) {
            fprintf(out, "%s: %s\n", config->file, why);
            fine = false;
        }
        tls_credentials_unref(credentials);
    }
    return fine;
}
