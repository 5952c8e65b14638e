/* The files that a configuration names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "config/verify.h"

static bool is_uri(const char *path)
{
    return strncmp(path, "pkcs11:", 7) == 0;
}

/* NULL: the file, or the directory of files, can be read. */
static const char *why_unreadable(const char *path, bool may_be_directory)
{
    struct stat status;
    const char *why = NULL;
    int fd = sources_open(path, &status, &why);
    if (fd >= 0)
        close(fd);
    if (fd < 0)
        return S_ISDIR(status.st_mode) && may_be_directory ? NULL : why;
    return status.st_size ? NULL : "it is empty";
}

/* An object in a token is seen when it is opened. */
static void check_file(const struct verify_scope *scope, const struct option_row *option,
                       const char *path, const void *field)
{
    struct loader *loader = scope->loader;
    const char *why = is_uri(path) ? NULL : why_unreadable(path, option->type == OPTION_PLACE);
    if (why && !loader->files_may_come)
        report(loader, ERROR, field, scope->tunnel, "%s: cannot read %s: %s%s", option->name, path,
               why,
               strcmp(why, strerror(ENOENT)) == 0
                   ? "; a relative path begins at the configuration file's directory"
                   : "");
}

/* A warning only: the directory may be made by whatever starts the program. */
static void check_directory(struct loader *loader, const char *name, const char *path,
                            const void *field)
{
    char *directory = check_strdup(path);
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    if (*directory && access(directory, F_OK))
        report(loader, WARNING, field, field, "%s: cannot use the directory %s: %s", name,
               directory, strerror(errno));
    free(directory);
}

static bool is_readable(const char *path)
{
    return path && !is_uri(path) && !why_unreadable(path, false);
}

/* Keys that a group can read are common (Debian's ssl-cert): only one that all users can read, or
 * others can change, is worth a warning. */
static void check_private(struct loader *loader, const struct config_tunnel *tunnel,
                          const struct stat *status)
{
    if (!(status->st_mode & (S_IRWXO | S_IWGRP)))
        return;
    report(loader, WARNING, &tunnel->tls.key, tunnel,
           "tls.key: others can %s the private key %s (mode %04o); run chmod 600 on it",
           status->st_mode & S_IROTH ? "read" : "reach", tunnel->tls.key,
           (unsigned)(status->st_mode & 07777));
}

/* A text about the certificate alone does not name the key's file. */
static void report_pair(struct loader *loader, const struct config_tunnel *tunnel, const char *why)
{
    const struct config_tls *tls = &tunnel->tls;
    bool of_cert = strstr(why, tls->cert) && !strstr(why, tls->key);
    report(loader, ERROR, of_cert ? &tls->cert : &tls->key, tunnel, "tls.%s: %s",
           of_cert ? "cert" : "key", why);
}

static void check_credentials(struct loader *loader, const struct config_tunnel *tunnel)
{
    const struct config_tls *tls = &tunnel->tls;
    struct stat status;
    char why[512] = "";
    if (!is_readable(tls->key))
        return;
    if (stat(tls->key, &status) == 0)
        check_private(loader, tunnel, &status);
    if (is_readable(tls->cert) && loader->check_pair &&
        loader->check_pair(tls->cert, tls->key, why, sizeof why))
        report_pair(loader, tunnel, why);
}

static void check_password(struct loader *loader)
{
    const struct config *config = loader->config;
    struct stat status;
    if (config->sessions.redis.password && stat(config->file, &status) == 0 &&
        status.st_mode & S_IROTH)
        report(loader, WARNING, &config->sessions.redis.password, NULL,
               "redis.password: others can read it in this file (mode %04o); run chmod 600 on it",
               (unsigned)(status.st_mode & 07777));
}

/* The socket of a service that listens at a path. */
static void check_service(struct loader *loader, const struct config_service *service)
{
    const struct endpoint *endpoint = &service->endpoint;
    if (service->direction == CONFIG_LISTEN && endpoint->text && !endpoint->needs_lookup &&
        endpoint->address.any.sa_family == AF_UNIX)
        check_directory(loader, "listen", endpoint->address.un.sun_path, endpoint);
}

static void check_option(const struct verify_scope *scope, const struct option_row *option)
{
    const void *field = (char *)verify_base(scope, verify_owner(scope)) + option->stored.offset;
    if (option_storage(option) != STORAGE_TEXT || !*(const char *const *)field)
        return;
    const char *path = *(const char *const *)field;
    if (option->type == OPTION_MADE || option->type == OPTION_SOCKET)
        check_directory(scope->loader, option->name, path, field);
    else if (option->type == OPTION_FILE || option->type == OPTION_PLACE ||
             option->type == OPTION_OBJECT)
        check_file(scope, option, path, field);
}

void verify_files(const struct verify_scope *scope)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_sections[option_table[i].section].owner == verify_owner(scope))
            check_option(scope, &option_table[i]);
    if (scope->service)
        check_service(scope->loader, scope->service);
    else if (scope->tunnel)
        check_credentials(scope->loader, scope->tunnel);
    else
        check_password(scope->loader);
}
