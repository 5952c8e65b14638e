/* tests/fuzz/fuzz_config.c: any text as a configuration. config_load always returns, and it prints
 * a reason exactly when it returns NULL. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err accept_pair(const char *cert, const char *key, char *why, size_t why_size)
{
    (void)cert;
    (void)key;
    (void)why;
    (void)why_size;
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32], *said = NULL;
    size_t length = 0;
    int fd = memfd_create("config", MFD_CLOEXEC);
    must(fd >= 0);
    must(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FILE *out = open_memstream(&said, &length);
    must(out);
    struct config *config = config_load(path, out, accept_pair);
    fclose(out);
    must(config || length);
    config_free(config);
    free(said);
    close(fd);
    return 0;
}
