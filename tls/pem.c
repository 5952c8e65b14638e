#include "tls/pem.h"

#include <errno.h>
#include <string.h>
#include <time.h>

void tls_pem_wipe(gnutls_datum_t *datum)
{
    if (datum->data)
        gnutls_memset(datum->data, 0, datum->size);
    gnutls_free(datum->data);
    datum->size = 0;
}

enum err tls_pem_read(const char *path, gnutls_datum_t *datum, struct tls_reason why)
{
    errno = 0;
    if (gnutls_load_file(path, datum) < 0)
        return tls_reason_set(why, "cannot read %s: %s", path, strerror(errno ? errno : EIO));
    return ERR_OK;
}

const char *tls_pem_date(time_t when, char text[static 32])
{
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}
