/* tls/wipe.h: private to tls/: secrets leave no trace in memory that is given back. */
#pragma once

#include <stddef.h>

/* NULL is fine, here and below. */
void tls_wipe_free(void *secret, size_t size);
/* The same for what GnuTLS has allocated. */
void tls_wipe_datum(unsigned char *data, unsigned size);
