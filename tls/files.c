#include "tls/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

void tls_files_add(struct tls_files *files, const char *path)
{
    char **more = check_resize(files->paths, (files->count + 1) * sizeof *more);
    files->paths = more;
    files->paths[files->count++] = check_strdup(path);
}

void tls_files_clear(struct tls_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
    memset(files, 0, sizeof *files);
}

static bool has_suffix(const char *name, const char *const *suffixes)
{
    size_t length = strlen(name);
    for (; *suffixes; suffixes++) {
        size_t size = strlen(*suffixes);
        if (name[0] != '.' && length > size && strcasecmp(name + length - size, *suffixes) == 0)
            return true;
    }
    return false;
}

static enum err find_in_directory(struct tls_files *files, const char *path,
                                  const char *const *suffixes, struct tls_files *found,
                                  struct tls_reason why)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *whole;
        if (has_suffix(entries[i]->d_name, suffixes)) {
            check_made(asprintf(&whole, "%s/%s", path, entries[i]->d_name) > 0);
            tls_files_add(files, whole);
            tls_files_add(found, whole);
            free(whole);
        }
        free(entries[i]);
    }
    free(entries);
    if (found->count)
        return ERR_OK;
    return tls_reason_set(why, "the directory %s holds no file whose name ends with \"%s\"", path,
                          suffixes[0]);
}

enum err tls_files_find(struct tls_files *files, const char *path, const char *const *suffixes,
                        struct tls_files *found, struct tls_reason why)
{
    struct stat about;
    memset(found, 0, sizeof *found);
    tls_files_add(files, path);
    if (stat(path, &about) < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        return find_in_directory(files, path, suffixes, found, why);
    tls_files_add(found, path);
    return ERR_OK;
}

enum err tls_files_check_secret(int fd, const char *path, size_t longest, size_t *size,
                                struct tls_reason why)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return tls_reason_set(why, "%s is not a file", path);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return tls_reason_set(why, "%s belongs to somebody else (user %u)", path, status.st_uid);
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return tls_reason_set(why,
                              "%s holds secrets and others may use it (mode %03o); it must be 600",
                              path, status.st_mode & 0777u);
    if (status.st_size > (off_t)longest)
        return tls_reason_set(why, "%s is longer than %zu bytes", path, longest);
    *size = (size_t)status.st_size;
    return ERR_OK;
}

bool tls_files_sync_folder(const char *path)
{
    char *folder = check_strdup(path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int error = errno;
    if (fd >= 0)
        close(fd);
    free(folder);
    errno = error;
    return done;
}

bool tls_files_is_uri(const char *path)
{
    return strncasecmp(path, "pkcs11:", 7) == 0;
}
