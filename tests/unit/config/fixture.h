/* tests/unit/config/fixture.h: a directory with files, and what config_load says about them. */
#pragma once

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "config/config.h"

struct fixture {
    char directory[64];
    char file[80]; /* of the configuration */
    char said[65536];
};

static inline void fixture_write(const struct fixture *fixture, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    FILE *file = fopen(path, "w");
    must(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

/* With files ca.pem, a.pem and a.key, that are not looked into. */
static inline void fixture_init(struct fixture *fixture)
{
    strcpy(fixture->directory, "/tmp/hawser-config-XXXXXX");
    must(mkdtemp(fixture->directory));
    snprintf(fixture->file, sizeof fixture->file, "%s/test.cfg", fixture->directory);
    fixture_write(fixture, "ca.pem", "x");
    fixture_write(fixture, "a.pem", "x");
    fixture_write(fixture, "a.key", "x");
}

static inline void fixture_fini(const struct fixture *fixture)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->directory);
    must(system(command) == 0);
}

static inline struct config *fixture_load_checked(struct fixture *fixture, const char *text,
                                                  enum err (*check_pair)(const char *cert,
                                                                         const char *key, char *why,
                                                                         size_t why_size))
{
    fixture_write(fixture, "test.cfg", text);
    memset(fixture->said, 0, sizeof fixture->said);
    FILE *out = fmemopen(fixture->said, sizeof fixture->said - 1, "w");
    must(out);
    struct config *config = config_load(fixture->file, out, check_pair);
    fclose(out);
    return config;
}

/* Loads the text; what was printed is in said. */
static inline struct config *fixture_load(struct fixture *fixture, const char *text)
{
    return fixture_load_checked(fixture, text, NULL);
}

#define FIXTURE_TLS_CLIENT                                                                         \
    "tls = { ca = \"ca.pem\"; cert = \"a.pem\"; key = \"a.key\"; peer = \"p\"; };"
#define FIXTURE_TLS_SERVER                                                                         \
    "tls = { ca = \"ca.pem\"; cert = \"a.pem\"; key = \"a.key\"; allow = [ \"c\" ]; };"
#define FIXTURE_SERVICES "services = ( { name = \"web\"; connect = \"127.0.0.1:80\"; } );"

/* A file with one client tunnel, in line 1, with more inside. */
static inline struct config *fixture_load_client(struct fixture *fixture, const char *more)
{
    char text[8192];
    snprintf(text, sizeof text,
             "tunnels = ( { name = \"t\"; role = \"client\"; remote = \"127.0.0.1:1\";\n%s\n%s\n"
             "} );",
             FIXTURE_TLS_CLIENT, more);
    return fixture_load(fixture, text);
}

/* Loads a client tunnel with more (from line 3) and says whether exactly this line was printed. */
static inline bool fixture_client_says(struct fixture *fixture, const char *more, const char *line)
{
    char expected[1024];
    config_free(fixture_load_client(fixture, more));
    snprintf(expected, sizeof expected, "%s:%s\n", fixture->file, line);
    bool same = strcmp(fixture->said, expected) == 0;
    if (!same)
        printf("# said: %s# not: %s", fixture->said, expected);
    return same;
}

/* Loads a whole file and says whether this line is among those printed. */
static inline bool fixture_says(struct fixture *fixture, const char *text, const char *line)
{
    char expected[1024];
    config_free(fixture_load(fixture, text));
    snprintf(expected, sizeof expected, "%s:%s\n", fixture->file, line);
    bool found = strstr(fixture->said, expected);
    if (!found)
        printf("# said: %s# not: %s", fixture->said, expected);
    return found;
}
