/* proxy/cli/init_config.h: the text of the two configurations that `hawser init` writes. */
#pragma once

/* The names in the certificates, which the configurations ask for. A name rather than the host:
 * the server may move to another address without new certificates. */
#define INIT_CONFIG_SERVER_NAME "server"
#define INIT_CONFIG_CLIENT_NAME "client"

enum init_config_kind { INIT_CONFIG_CERTIFICATES, INIT_CONFIG_RAW };

/* host: name or address of the server for its clients; NULL: this machine. Own: caller frees. */
char *init_config_server(const char *host, enum init_config_kind kind);
char *init_config_client(const char *host, enum init_config_kind kind);
