/* tests/unit/proxy/certificates.h: certificates of a pair of endpoints, in a directory of their own
 * that goes away at exit. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "tls/issue.h"

static char certificates_directory[] = "/tmp/hawser-proxy-XXXXXX";

static const char *const certificates_files[] = {
    "ca.pem", "server.pem", "server.key", "client.pem", "client.key", "other.pem", "other.key"};

static inline char *certificates_path(const char *file)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", certificates_directory, file);
    return check_strdup(path);
}

static inline void certificates_remove(void)
{
    for (size_t i = 0; i < sizeof certificates_files / sizeof certificates_files[0]; i++) {
        char *path = certificates_path(certificates_files[i]);
        unlink(path);
        free(path);
    }
    rmdir(certificates_directory);
}

static inline void certificates_write(const char *file, const char *text)
{
    char *path = certificates_path(file);
    FILE *out = fopen(path, "w");
    must(out && fputs(text, out) >= 0 && fclose(out) == 0);
    free(path);
}

static inline void certificates_issue(const struct tls_issue *ca, const char *base,
                                      const char *name, enum tls_role role)
{
    struct tls_issue *issue;
    char why[256], file[64];
    const struct tls_issue_request request = {.name = name, .role = role, .days = 2};
    must(tls_issue_endpoint(ca, &request, &issue, why, sizeof why) == ERR_OK);
    snprintf(file, sizeof file, "%s.pem", base);
    certificates_write(file, tls_issue_cert_pem(issue));
    snprintf(file, sizeof file, "%s.key", base);
    certificates_write(file, tls_issue_key_pem(issue));
    tls_issue_free(issue);
}

/* server is server.example, client client.example; other is a client too: other.example. */
static inline void certificates_make(void)
{
    struct tls_issue *ca;
    char why[256];
    must(mkdtemp(certificates_directory));
    atexit(certificates_remove);
    must(tls_issue_ca("test", 2, &ca, why, sizeof why) == ERR_OK);
    certificates_write("ca.pem", tls_issue_cert_pem(ca));
    certificates_issue(ca, "server", "server.example", TLS_SERVER);
    certificates_issue(ca, "client", "client.example", TLS_CLIENT);
    certificates_issue(ca, "other", "other.example", TLS_CLIENT);
    tls_issue_free(ca);
}
