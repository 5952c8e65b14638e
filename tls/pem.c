#include "tls/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "tls/files.h"

#define SECRET_MAX ((size_t)16 << 20)

void tls_pem_wipe(unsigned char *data, unsigned size)
{
    if (data)
        gnutls_memset(data, 0, size);
    gnutls_free(data);
}

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

static enum err read_all(int fd, const char *path, unsigned char *data, size_t size,
                         struct tls_reason why)
{
    size_t got = 0;
    for (ssize_t part = 1; got < size && part > 0; got += part > 0 ? (size_t)part : 0)
        part = read(fd, data + got, size - got);
    return got == size ? ERR_OK : tls_reason_set(why, "cannot read %s", path);
}

enum err tls_pem_read_secret(const char *path, unsigned char **data, unsigned *size,
                             struct tls_reason why)
{
    size_t whole = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno));
    enum err result = tls_files_check_secret(fd, path, SECRET_MAX, &whole, why);
    if (result == ERR_OK) {
        *data = gnutls_calloc(1, whole + 1);
        must(*data);
        *size = (unsigned)whole;
        result = read_all(fd, path, *data, whole, why);
        if (result != ERR_OK) {
            tls_pem_wipe(*data, *size);
            *data = NULL;
        }
    }
    close(fd);
    return result;
}

const char *tls_pem_date(time_t when, char text[static 32])
{
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}
