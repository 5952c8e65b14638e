#include "tls/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "tls/files.h"
#include "tls/wipe.h"

enum err tls_pem_read(const char *path, unsigned char **data, unsigned *size, struct tls_reason why)
{
    gnutls_datum_t datum;
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
    enum err result = tls_files_check_secret(fd, path, longest, &whole, why);
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
            tls_wipe_datum(*data, *size);
            *data = NULL;
        }
    }
    close(fd);
    return result;
}

enum err tls_pem_read_secret(const char *path, size_t longest, int flags, unsigned char **data,
                             unsigned *size, struct tls_reason why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    return fd < 0 ? tls_reason_set(why, "cannot read %s: %s", path, strerror(errno))
                  : read_secret(fd, path, longest, data, size, why);
}

const char *tls_pem_date(time_t when, char text[static 32])
{
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}
