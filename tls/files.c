/* tls/files.c: reads the files that credentials are made from, and words what is wrong with them.
 */
#include "tls/files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "tls/wipe.h"

enum err tls_reason_set(struct tls_reason why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why.text, why.size, format, arguments);
    va_end(arguments);
    return ERR_TLS_CREDENTIALS;
}

const char *tls_reason_date(time_t when, char text[static 32])
{
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}

static void add(struct tls_files *files, const char *path)
{
    if (!files)
        return;
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

static enum err find_in_directory(const char *path, const char *const *suffixes,
                                  struct tls_files *found, struct tls_reason why)
{
    struct dirent **entries;
    add(why.files, path);
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *whole;
        if (has_suffix(entries[i]->d_name, suffixes)) {
            check_made(asprintf(&whole, "%s/%s", path, entries[i]->d_name) > 0);
            add(found, whole);
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

enum err tls_files_find(const char *path, const char *const *suffixes, struct tls_files *found,
                        struct tls_reason why)
{
    struct stat about;
    memset(found, 0, sizeof *found);
    if (stat(path, &about) < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        return find_in_directory(path, suffixes, found, why);
    add(found, path);
    return ERR_OK;
}

/* Checks that a secret may be read from fd; *size is that of the file. */
static enum err check_secret(int fd, const char *path, size_t longest, size_t *size,
                             struct tls_reason why)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return tls_reason_set(why, "%s is not a file", path);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return tls_reason_set(why, "%s belongs to another user (%u)", path, status.st_uid);
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return tls_reason_set(why,
                              "%s holds secrets and others may use it (mode %03o); it must be 600",
                              path, status.st_mode & 0777u);
    if (status.st_size > (off_t)longest)
        return tls_reason_set(why, "%s is longer than %zu bytes", path, longest);
    *size = (size_t)status.st_size;
    return ERR_OK;
}

enum err tls_files_read(const char *path, unsigned char **data, unsigned *size,
                        struct tls_reason why)
{
    gnutls_datum_t datum;
    add(why.files, path);
    errno = 0;
    if (gnutls_load_file(path, &datum) < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno ? errno : EIO));
    *data = datum.data;
    *size = datum.size;
    return ERR_OK;
}

/* Closes fd. */
static enum err read_secret(int fd, const char *path, size_t longest, unsigned char **data,
                            unsigned *size, struct tls_reason why)
{
    size_t whole = 0, got = 0;
    enum err result = check_secret(fd, path, longest, &whole, why);
    if (result == ERR_OK) {
        ssize_t part = 1;
        *data = gnutls_calloc(1, whole + 1);
        check_made(*data);
        *size = (unsigned)whole;
        for (; got < whole && part > 0; got += part > 0 ? (size_t)part : 0)
            part = read(fd, *data + got, whole - got);
        if (got < whole) {
            result = tls_reason_set(why, "cannot read %s: %s", path,
                                    part < 0 ? strerror(errno) : "it is shorter than it was");
            tls_wipe_free(*data, *size);
            *data = NULL;
        }
    }
    close(fd);
    return result;
}

enum err tls_files_read_secret(const char *path, size_t longest, int flags, unsigned char **data,
                               unsigned *size, struct tls_reason why)
{
    add(why.files, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    return fd < 0 ? tls_reason_set(why, "cannot read %s: %s", path, strerror(errno))
                  : read_secret(fd, path, longest, data, size, why);
}

static char *trim(char *line)
{
    line += strspn(line, " \t\r");
    line[strcspn(line, "#")] = 0;
    size_t length = strlen(line);
    while (length && isspace((unsigned char)line[length - 1]))
        line[--length] = 0;
    return line;
}

enum err tls_files_read_lines(const char *path, struct tls_lines *lines, struct tls_reason why)
{
    gnutls_datum_t text = {0};
    enum err result = lines->secret_max ? tls_files_read_secret(path, lines->secret_max, 0,
                                                                &text.data, &text.size, why)
                                        : tls_files_read(path, &text.data, &text.size, why);
    if (result != ERR_OK)
        return result;
    char fault[256] = "", *at = (char *)text.data; /* GnuTLS ends it with a NUL */
    if (memchr(text.data, 0, text.size))
        result = tls_reason_set(why, "%s is not a text file", path);
    for (unsigned number = 1; result == ERR_OK && at; number++) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = 0;
        char *line = trim(at);
        if (*line)
            result = lines->on_line(lines, line,
                                    (struct tls_reason){.text = fault, .size = sizeof fault});
        if (result != ERR_OK)
            tls_reason_set(why, "%s:%u: %s", path, number, fault);
        at = end;
    }
    tls_wipe_free(text.data, text.size);
    return result;
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
