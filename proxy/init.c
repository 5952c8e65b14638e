#include "proxy/init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "proxy/init_config.h"
#include "tls/issue.h"

#define CA_DAYS       3650
#define ENDPOINT_DAYS 730

enum {
    CA_CERT,
    CA_KEY,
    SERVER_CERT,
    SERVER_KEY,
    SERVER_CONFIG,
    CLIENT_CERT,
    CLIENT_KEY,
    CLIENT_CONFIG,
    FILE_COUNT
};

static const struct {
    const char *name;
    mode_t mode;
} files[FILE_COUNT] = {
    [CA_CERT] = {"ca.pem", 0644},           [CA_KEY] = {"ca.key", 0600},
    [SERVER_CERT] = {"server.pem", 0644},   [SERVER_KEY] = {"server.key", 0600},
    [SERVER_CONFIG] = {"server.cfg", 0644}, [CLIENT_CERT] = {"client.pem", 0644},
    [CLIENT_KEY] = {"client.key", 0600},    [CLIENT_CONFIG] = {"client.cfg", 0644},
};

/* What is made before anything is written. */
struct material {
    struct tls_issue *ca, *server, *client;
    char *server_config, *client_config;
};

static void clear(struct material *material)
{
    tls_issue_free(material->ca);
    tls_issue_free(material->server);
    tls_issue_free(material->client);
    free(material->server_config);
    free(material->client_config);
}

static const char *text_of(const struct material *material, int file)
{
    switch (file) {
    case CA_CERT:
        return tls_issue_cert_pem(material->ca);
    case CA_KEY:
        return tls_issue_key_pem(material->ca);
    case SERVER_CERT:
        return tls_issue_cert_pem(material->server);
    case SERVER_KEY:
        return tls_issue_key_pem(material->server);
    case CLIENT_CERT:
        return tls_issue_cert_pem(material->client);
    case CLIENT_KEY:
        return tls_issue_key_pem(material->client);
    case SERVER_CONFIG:
        return material->server_config;
    default:
        return material->client_config;
    }
}

/* A DNS name or an IP address, nothing else: it goes into a certificate and a configuration. */
static bool is_host(const char *host, FILE *err)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    unsigned char address[16];
    size_t length = strlen(host);
    if (inet_pton(AF_INET6, host, address) == 1)
        return true;
    if (strspn(host, "0123456789.") == length && inet_pton(AF_INET, host, address) != 1)
        length = 0;
    if (length && length <= 253 && strspn(host, letters) == length)
        return true;
    fprintf(err, "hawser init: --host \"%s\" is neither a host name nor an IP address%s\n", host,
            strchr(host, ':') || strchr(host, '[') ? "; write it without port and brackets" : "");
    return false;
}

static bool make_server(struct material *material, const char *host, char *why, size_t why_size)
{
    const char *local[] = {"localhost", "127.0.0.1", "::1"};
    struct tls_issue_request request = {
        .name = INIT_CONFIG_SERVER_NAME,
        .hosts = host ? &host : local,
        .host_count = host ? 1 : sizeof(local) / sizeof(*local),
        .role = TLS_SERVER,
        .days = ENDPOINT_DAYS,
    };
    return !tls_issue_endpoint(material->ca, &request, &material->server, why, why_size);
}

static bool make_client(struct material *material, char *why, size_t why_size)
{
    struct tls_issue_request request = {
        .name = INIT_CONFIG_CLIENT_NAME, .role = TLS_CLIENT, .days = ENDPOINT_DAYS};
    return !tls_issue_endpoint(material->ca, &request, &material->client, why, why_size);
}

static bool make(struct material *material, const char *host, FILE *err)
{
    char why[256];
    if (tls_issue_ca("Hawser CA", CA_DAYS, &material->ca, why, sizeof(why)) ||
        !make_server(material, host, why, sizeof(why)) ||
        !make_client(material, why, sizeof(why))) {
        fprintf(err, "hawser init: %s\n", why);
        return false;
    }
    material->server_config = init_config_server(host);
    material->client_config = init_config_client(host);
    return true;
}

static int open_directory(const char *directory, FILE *err)
{
    if (mkdir(directory, 0700) && errno != EEXIST) {
        fprintf(err, "hawser init: cannot make the directory %s: %s\n", directory, strerror(errno));
        return -1;
    }
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fprintf(err, "hawser init: cannot open the directory %s: %s\n", directory, strerror(errno));
    return fd;
}

/* All files are looked for first, so that a refusal leaves everything as it was. */
static bool is_free(int directory, const char *name, FILE *err)
{
    struct stat status;
    for (int i = 0; i < FILE_COUNT; i++) {
        if (fstatat(directory, files[i].name, &status, AT_SYMLINK_NOFOLLOW))
            continue;
        fprintf(err,
                "hawser init: %s/%s is there already and is not overwritten; choose another "
                "directory\n",
                name, files[i].name);
        return false;
    }
    return true;
}

static bool write_file(int directory, int file, const char *text)
{
    int fd = openat(directory, files[file].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                    files[file].mode);
    if (fd < 0)
        return false;
    size_t length = strlen(text), done = 0;
    while (done < length) {
        ssize_t count = write(fd, text + done, length - done);
        if (count < 0 && errno != EINTR)
            break;
        done += count > 0 ? (size_t)count : 0;
    }
    int error = errno;
    bool fine = close(fd) == 0 && done == length;
    if (!fine)
        unlinkat(directory, files[file].name, 0);
    errno = error;
    return fine;
}

static bool write_files(int directory, const char *name, const struct material *material, FILE *err)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        if (write_file(directory, i, text_of(material, i)))
            continue;
        fprintf(err, "hawser init: cannot write %s/%s: %s\n", name, files[i].name, strerror(errno));
        while (i-- > 0)
            unlinkat(directory, files[i].name, 0);
        return false;
    }
    return true;
}

static const char *date(time_t when, char text[static 16])
{
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(text, 16, "%Y-%m-%d", &parts);
    return text;
}

static void print_next(const char *directory, const char *host, const struct material *material,
                       FILE *out)
{
    char ca[16], endpoint[16];
    fprintf(out,
            "Made in %s:\n"
            "  ca.pem, ca.key                          certificate authority, valid until %s\n"
            "  server.pem, server.key, server.cfg      the server, certificate valid until %s\n"
            "  client.pem, client.key, client.cfg      the client, the same\n"
            "\n",
            directory, date(tls_issue_expires(material->ca), ca),
            date(tls_issue_expires(material->server), endpoint));
    fprintf(out,
            "To try it on this machine, in two terminals:\n"
            "  hawser run %s/server.cfg\n"
            "  hawser run %s/client.cfg\n"
            "Then 127.0.0.1:8080 leads to 127.0.0.1:80 at the server, and\n"
            "  hawser status -s %s/client.sock\n"
            "shows the tunnel. Change the services in both files to what you need.\n"
            "\n",
            directory, directory, directory);
    fprintf(out,
            "To use two machines, copy\n"
            "  ca.pem server.pem server.key server.cfg   to the server%s%s (UDP port 9899)\n"
            "  ca.pem client.pem client.key client.cfg   to the client\n"
            "Never copy ca.key: whoever has it can make certificates that both ends accept.\n",
            host ? ", " : "", host ? host : "");
    if (!host)
        fprintf(out,
                "The client looks for the server at 127.0.0.1: change remote in client.cfg.\n");
}

int init_write(const struct init_options *options, FILE *out, FILE *err)
{
    struct material material = {0};
    int code = 1;
    if (options->host && !is_host(options->host, err))
        return 1;
    int directory = open_directory(options->directory, err);
    if (directory < 0)
        return 1;
    if (!is_free(directory, options->directory, err) || !make(&material, options->host, err) ||
        !write_files(directory, options->directory, &material, err))
        goto out;
    print_next(options->directory, options->host, &material, out);
    code = 0;
out:
    clear(&material);
    close(directory);
    return code;
}
