#include "tls/pem.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>

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

const char *tls_pem_date(time_t when, char text[static 32])
{
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}
