/* tls/wipe.h: private to tls/: secrets leave no trace in memory that is given back. */
#pragma once

#include <stddef.h>

/* Also for what GnuTLS has allocated: its allocator is malloc. NULL is fine. */
void tls_wipe_free(void *secret, size_t size);
