/* proxy/cli/init_material.h: the files of `hawser init`: certificates or raw keys, and the two
 * configurations that use them; made in memory, before anything is written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tls/issue.h"

#define INIT_MATERIAL_FILES_MAX 8

struct init_file {
    const char *name;
    mode_t mode;
    const char *text;
};

/* Zero-initialised. */
struct init_material {
    struct init_file files[INIT_MATERIAL_FILES_MAX];
    size_t count;
    /* of the texts */
    struct tls_issue *ca, *server, *client;       /* certificates */
    struct tls_issue_pair server_raw, client_raw; /* raw keys */
    char *server_known, *client_known;
    char *server_config, *client_config;
};

/* A CA and two certificates; or two raw keys, each end knowing the other's. host as in struct
 * init_options. False with a sentence in why. Owns: init_material_clear, in both cases. */
bool init_material_certificates(struct init_material *material, const char *host, char *why,
                                size_t why_size);
bool init_material_raw(struct init_material *material, const char *host, char *why,
                       size_t why_size);
/* Secrets are wiped. */
void init_material_clear(struct init_material *material);
