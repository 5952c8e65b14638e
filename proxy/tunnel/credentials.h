/* proxy/tunnel/credentials.h: a tunnel's credentials, from its configuration. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config/config.h"
#include "tls/credentials.h"

struct sessions;

/* Loads what config says of TLS: files, and patterns of `allow`, those of services too. sessions:
 * of the process, NULL: none. ERR_OK; ERR_TLS_TICKET_KEYS or ERR_TLS_CREDENTIALS with a sentence in
 * why, and *credentials is NULL. Owns: caller has a reference. Thread: any but a worker (reads
 * files). */
enum err credentials_load(const struct config_tunnel *config, const struct sessions *sessions,
                          struct tls_credentials **credentials, char *why, size_t why_size);

/* The part of it that no file can mend: ERR_OK, or another with a sentence in why. Thread: any. */
enum err credentials_check_rules(const struct config_tunnel *config, char *why, size_t why_size);

/* For `hawser check`: a line on out for each tunnel whose credentials cannot be loaded. False:
 * there is one. */
bool credentials_check_all(const struct config *config, FILE *out);
