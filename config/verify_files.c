#include "config/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

/* Opens for reading without waiting for the writer of a pipe. NULL: it is readable and regular. */
static const char *why_unreadable(const char *path, struct stat *status)
{
    *status = (struct stat){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why = NULL;
    if (fd < 0 || fstat(fd, status))
        why = strerror(errno);
    else if (!S_ISREG(status->st_mode))
        why = "it is not a regular file";
    else if (status->st_size == 0)
        why = "it is empty";
    if (fd >= 0)
        close(fd);
    return why;
}

struct checked {
    char *const *field;
    const char *name; /* with its section: "tls.ca" */
    bool may_be_directory;
};

static bool is_uri(const char *path)
{
    return strncmp(path, "pkcs11:", 7) == 0;
}

/* What a token holds is seen when it is opened. */
static bool check_file(struct loading *loading, const void *owner, struct checked file,
                       struct stat *status)
{
    if (!*file.field || is_uri(*file.field))
        return false;
    const char *why = why_unreadable(*file.field, status);
    if (!why || (file.may_be_directory && S_ISDIR(status->st_mode)))
        return true;
    if (loading->files_may_come)
        return false;
    bool is_missing = strcmp(why, strerror(ENOENT)) == 0;
    complain(loading, ERROR, file.field, owner, "%s: cannot read %s: %s%s", file.name, *file.field,
             why,
             is_missing ? "; a relative path begins at the configuration file's directory" : "");
    return false;
}

/* Group-readable keys are a common arrangement (Debian's ssl-cert group): only what everybody may
 * read, or others may change, is worth a line. */
static void check_private(struct loading *loading, const struct config_tunnel *tunnel,
                          const struct stat *status)
{
    if (!(status->st_mode & (S_IRWXO | S_IWGRP)))
        return;
    complain(loading, WARNING, &tunnel->tls.key, tunnel,
             "tls.key: others can %s the private key %s (mode %04o); run chmod 600 on it",
             status->st_mode & S_IROTH ? "read" : "reach", tunnel->tls.key,
             (unsigned)(status->st_mode & 07777));
}

/* What is wrong with the certificate alone does not name the key's file. */
static void complain_of_pair(struct loading *loading, const struct config_tunnel *tunnel,
                             const char *why)
{
    const struct config_tls *tls = &tunnel->tls;
    bool of_cert = strstr(why, tls->cert) && !strstr(why, tls->key);
    complain(loading, ERROR, of_cert ? &tls->cert : &tls->key, tunnel, "tls.%s: %s",
             of_cert ? "cert" : "key", why);
}

void verify_files_tls(struct loading *loading, const struct config_tunnel *tunnel,
                      check_pair_function check_pair)
{
    struct stat status;
    const struct config_tls *tls = &tunnel->tls;
    const struct checked others[] = {
        {&tls->ca, "tls.ca", true},
        {&tls->crl, "tls.crl", true},
        {&tls->staple, "tls.staple", false},
        {&tls->known, "tls.known", false},
        {&tls->psk, "tls.psk", false},
        {&tls->resume.ticket_key_file, "tls.ticket_key_file", false},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        check_file(loading, tunnel, others[i], &status);
    bool has_cert =
        check_file(loading, tunnel, (struct checked){&tls->cert, "tls.cert", false}, &status);
    bool has_key =
        check_file(loading, tunnel, (struct checked){&tls->key, "tls.key", false}, &status);
    if (has_key)
        check_private(loading, tunnel, &status);
    char why[512] = "";
    if (has_cert && has_key && check_pair && check_pair(tls->cert, tls->key, why, sizeof(why)))
        complain_of_pair(loading, tunnel, why);
}

void verify_files_sessions(struct loading *loading)
{
    struct stat status;
    const struct config *config = loading->config;
    const struct config_sessions *sessions = &config->sessions;
    check_file(loading, NULL, (struct checked){&sessions->redis.key_file, "redis.key_file", false},
               &status);
    if (sessions->file)
        verify_files_directory(loading, sessions->file, "sessions.file", &sessions->file);
    if (sessions->redis.password && stat(config->file, &status) == 0 && status.st_mode & S_IROTH)
        complain(loading, WARNING, &sessions->redis.password, NULL,
                 "redis.password: others can read it in this file (mode %04o); run chmod 600 "
                 "on it",
                 (unsigned)(status.st_mode & 07777));
}

void verify_files_directory(struct loading *loading, const char *path, const char *what,
                            const void *field)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return;
    char *directory = strndup(path, (size_t)(slash - path));
    check_made(directory);
    if (access(directory, F_OK))
        complain(loading, WARNING, field, field, "the directory %s of %s: %s", directory, what,
                 strerror(errno));
    free(directory);
}
