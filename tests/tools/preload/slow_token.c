/* tests/tools/preload/slow_token.c: with LD_PRELOAD: the PKCS#11 module SLOW_TOKEN_MODULE needs
 * SLOW_TOKEN_MS milliseconds for each signature, as cards do. It changes the list of functions that
 * the module hands out, before anybody asks for it. */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <time.h>

static CK_C_Sign real_sign;
static long wait_ms;

static CK_RV slow_sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG size,
                       CK_BYTE_PTR signature, CK_ULONG_PTR signature_size)
{
    /* Without a place for it only its size is asked for. */
    if (signature)
        nanosleep(&(struct timespec){wait_ms / 1000, wait_ms % 1000 * 1000000}, NULL);
    return real_sign(session, data, size, signature, signature_size);
}

static __attribute__((constructor)) void slow_down(void)
{
    const char *module = getenv("SLOW_TOKEN_MODULE"), *ms = getenv("SLOW_TOKEN_MS");
    void *library = module && ms ? dlopen(module, RTLD_NOW) : NULL;
    CK_C_GetFunctionList get = NULL;
    CK_FUNCTION_LIST *list;
    if (library)
        *(void **)&get = dlsym(library, "C_GetFunctionList");
    if (!get || get(&list) != CKR_OK)
        return;
    wait_ms = atol(ms);
    real_sign = list->C_Sign;
    list->C_Sign = slow_sign;
}
