/* The keys and certificates that `hawser init` writes. */
#include "proxy/cli/init_material.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "proxy/cli/init_config.h"

#define CA_DAYS       3650
#define ENDPOINT_DAYS 730

static void add(struct init_material *material, const char *name, mode_t mode, const char *text)
{
    must(material->count < INIT_MATERIAL_FILES_MAX);
    material->files[material->count++] =
        (struct init_file){.name = name, .mode = mode, .text = text};
}

static bool make_server(struct init_material *material, const char *host, char *why,
                        size_t why_size)
{
    const char *local[] = {"localhost", "127.0.0.1", "::1"};
    struct tls_issue_request request = {
        .name = INIT_CONFIG_SERVER_NAME,
        .hosts = host ? &host : local,
        .host_count = host ? 1 : sizeof local / sizeof *local,
        .role = TLS_SERVER,
        .days = ENDPOINT_DAYS,
    };
    return !tls_issue_endpoint(material->ca, &request, &material->server, why, why_size);
}

static bool make_client(struct init_material *material, char *why, size_t why_size)
{
    struct tls_issue_request request = {
        .name = INIT_CONFIG_CLIENT_NAME, .role = TLS_CLIENT, .days = ENDPOINT_DAYS};
    return !tls_issue_endpoint(material->ca, &request, &material->client, why, why_size);
}

bool init_material_certificates(struct init_material *material, const char *host, char *why,
                                size_t why_size)
{
    if (tls_issue_ca("Hawser CA", CA_DAYS, &material->ca, why, why_size) ||
        !make_server(material, host, why, why_size) || !make_client(material, why, why_size))
        return false;
    material->server_config = init_config_server(host, INIT_CONFIG_CERTIFICATES);
    material->client_config = init_config_client(host, INIT_CONFIG_CERTIFICATES);
    add(material, "ca.pem", 0644, tls_issue_cert_pem(material->ca));
    add(material, "ca.key", 0600, tls_issue_key_pem(material->ca));
    add(material, "server.pem", 0644, tls_issue_cert_pem(material->server));
    add(material, "server.key", 0600, tls_issue_key_pem(material->server));
    add(material, "server.cfg", 0644, material->server_config);
    add(material, "client.pem", 0644, tls_issue_cert_pem(material->client));
    add(material, "client.key", 0600, tls_issue_key_pem(material->client));
    add(material, "client.cfg", 0644, material->client_config);
    return true;
}

/* Whom an end knows: the other one. */
static char *known(const struct tls_issue_pair *pair, const char *name, const char *who)
{
    char *text = NULL;
    check_made(
        asprintf(&text,
                 "# The raw public keys of the %s that are known, one in a line, with a name.\n"
                 "# %s\n"
                 "%s  %s\n",
                 who, pair->pin, pair->public_key, name) >= 0);
    return text;
}

bool init_material_raw(struct init_material *material, const char *host, char *why, size_t why_size)
{
    if (tls_issue_pair(&material->server_raw, why, why_size) ||
        tls_issue_pair(&material->client_raw, why, why_size))
        return false;
    material->server_known = known(&material->client_raw, INIT_CONFIG_CLIENT_NAME, "clients");
    material->client_known = known(&material->server_raw, INIT_CONFIG_SERVER_NAME, "servers");
    material->server_config = init_config_server(host, INIT_CONFIG_RAW);
    material->client_config = init_config_client(host, INIT_CONFIG_RAW);
    add(material, "server.key", 0600, material->server_raw.key_pem);
    add(material, "server.known", 0644, material->server_known);
    add(material, "server.cfg", 0644, material->server_config);
    add(material, "client.key", 0600, material->client_raw.key_pem);
    add(material, "client.known", 0644, material->client_known);
    add(material, "client.cfg", 0644, material->client_config);
    return true;
}

void init_material_clear(struct init_material *material)
{
    tls_issue_free(material->ca);
    tls_issue_free(material->server);
    tls_issue_free(material->client);
    tls_issue_pair_clear(&material->server_raw);
    tls_issue_pair_clear(&material->client_raw);
    free(material->server_known);
    free(material->client_known);
    free(material->server_config);
    free(material->client_config);
    *material = (struct init_material){0};
}
