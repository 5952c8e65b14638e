/* tests/unit/tls/token.h: a PKCS#11 token: SoftHSM, in a directory of its own. */
#pragma once

#include <gnutls/pkcs11.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/tls/pair.h"

static const char *const modules[] = {"/usr/lib/softhsm/libsofthsm2.so",
                                      "/usr/lib64/softhsm/libsofthsm.so",
                                      "/usr/lib64/libsofthsm2.so"};

static inline const char *find_module(void)
{
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (access(modules[i], R_OK) == 0)
            return modules[i];
    }
    return NULL;
}

static inline bool run(const char *program, const char *const *arguments)
{
    fflush(stdout); /* else the child writes it too */
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        must(freopen("/dev/null", "w", stderr) && freopen("/dev/null", "w", stdout));
        execvp(program, (char **)(uintptr_t)arguments);
        _exit(127);
    }
    int status;
    must(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* SoftHSM keeps a directory for each token. */
static inline void remove_token(void)
{
    run("rm", (const char *[]){"rm", "-rf", path_of("tokens"), NULL});
}

static inline bool make_token(const char *module)
{
    char text[256];
    int size = snprintf(text, sizeof text, "directories.tokendir = %s\nlog.level = ERROR\n",
                        path_of("tokens"));
    must(mkdir(path_of("tokens"), 0700) == 0);
    atexit(remove_token);
    write_file("softhsm2.conf", text, (size_t)size);
    must(setenv("SOFTHSM2_CONF", path_of("softhsm2.conf"), 1) == 0);
    if (!run("softhsm2-util",
             (const char *[]){"softhsm2-util", "--init-token", "--free", "--label", "hawser",
                              "--pin", "1234", "--so-pin", "5678", NULL}))
        return false;
    char provider[200], key[200], certificate[200];
    snprintf(provider, sizeof provider, "--provider=%s", module);
    snprintf(key, sizeof key, "--load-privkey=%s", path_of("server.key"));
    snprintf(certificate, sizeof certificate, "--load-certificate=%s", path_of("server.pem"));
    return run("p11tool",
               (const char *[]){"p11tool", provider, "--login", "--set-pin=1234", "--write", key,
                                "--label=key", "--batch", "pkcs11:token=hawser", NULL}) &&
           run("p11tool",
               (const char *[]){"p11tool", provider, "--login", "--set-pin=1234", "--write",
                                certificate, "--label=cert", "--no-mark-private", "--batch",
                                "pkcs11:token=hawser", NULL});
}

#define KEY  "pkcs11:token=hawser;object=key;type=private"
#define CERT "pkcs11:token=hawser;object=cert;type=cert"
