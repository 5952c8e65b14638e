/* `hawser init`: writes the files and says what to do next. */
#include "proxy/cli/init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proxy/cli/init_material.h"

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
static bool is_free(int directory, const char *name, const struct init_material *material,
                    FILE *err)
{
    struct stat status;
    for (size_t i = 0; i < material->count; i++) {
        if (fstatat(directory, material->files[i].name, &status, AT_SYMLINK_NOFOLLOW))
            continue;
        fprintf(err,
                "hawser init: %s/%s is there already and is not overwritten; choose another "
                "directory\n",
                name, material->files[i].name);
        return false;
    }
    return true;
}

static bool write_file(int directory, const struct init_file *file)
{
    int fd = openat(directory, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
    if (fd < 0)
        return false;
    size_t length = strlen(file->text), done = 0;
    while (done < length) {
        ssize_t count = write(fd, file->text + done, length - done);
        if (count < 0 && errno != EINTR)
            break;
        done += count > 0 ? (size_t)count : 0;
    }
    int error = errno;
    bool fine = close(fd) == 0 && done == length;
    if (!fine)
        unlinkat(directory, file->name, 0);
    errno = error;
    return fine;
}

static bool write_files(int directory, const char *name, const struct init_material *material,
                        FILE *err)
{
    for (size_t i = 0; i < material->count; i++) {
        if (write_file(directory, &material->files[i]))
            continue;
        fprintf(err, "hawser init: cannot write %s/%s: %s\n", name, material->files[i].name,
                strerror(errno));
        while (i-- > 0)
            unlinkat(directory, material->files[i].name, 0);
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

/* With a host that is named the client does not look for the server here. */
static void print_trial(const char *directory, const char *host, FILE *out)
{
    if (host)
        return;
    fprintf(out,
            "To try it on this machine, in two terminals:\n"
            "  hawser run %s/server.cfg\n"
            "  hawser run %s/client.cfg\n"
            "Then 127.0.0.1:8080 leads to 127.0.0.1:80 at the server, and\n"
            "  hawser status -s %s/client.sock\n"
            "shows the tunnel.\n"
            "\n",
            directory, directory, directory);
}

static void print_next(const char *host, FILE *out)
{
    fprintf(out,
            "%sThen adapt the services in both files, and there\n"
            "  hawser check server.cfg && hawser run server.cfg\n"
            "  hawser check client.cfg && hawser run client.cfg     (the order does not matter)\n",
            host ? "" : "In client.cfg change remote, which is 127.0.0.1. ");
}

static void print_certificates(const char *directory, const char *host,
                               const struct init_material *material, FILE *out)
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
    print_trial(directory, host, out);
    fprintf(out,
            "To use two machines, copy\n"
            "  ca.pem server.pem server.key server.cfg   to the server%s%s (UDP port 9899)\n"
            "  ca.pem client.pem client.key client.cfg   to the client\n"
            "Never copy ca.key: whoever has it can make certificates that both ends accept.\n",
            host ? ", " : "", host ? host : "");
}

static void print_raw(const char *directory, const char *host, const struct init_material *material,
                      FILE *out)
{
    fprintf(out,
            "Made in %s:\n"
            "  server.key, server.known, server.cfg    the server, its key is\n"
            "      %s\n"
            "  client.key, client.known, client.cfg    the client, its key is\n"
            "      %s\n"
            "\n",
            directory, material->server_raw.pin, material->client_raw.pin);
    print_trial(directory, host, out);
    fprintf(out,
            "To use two machines, copy\n"
            "  server.key server.known server.cfg   to the server%s%s (UDP port 9899)\n"
            "  client.key client.known client.cfg   to the client\n"
            "A further client: its public key and a name, as a line in server.known.\n",
            host ? ", " : "", host ? host : "");
}

static int write_all(const struct init_options *options, int directory, FILE *out, FILE *err)
{
    struct init_material material = {0};
    char why[256];
    bool made = options->raw
                    ? init_material_raw(&material, options->host, why, sizeof why)
                    : init_material_certificates(&material, options->host, why, sizeof why);
    if (!made)
        fprintf(err, "hawser init: %s\n", why);
    bool fine = made && is_free(directory, options->directory, &material, err) &&
                write_files(directory, options->directory, &material, err);
    if (fine && options->raw)
        print_raw(options->directory, options->host, &material, out);
    else if (fine)
        print_certificates(options->directory, options->host, &material, out);
    if (fine)
        print_next(options->host, out);
    init_material_clear(&material);
    return fine ? 0 : 1;
}

int init_write(const struct init_options *options, FILE *out, FILE *err)
{
    if (options->host && !is_host(options->host, err))
        return 1;
    int directory = open_directory(options->directory, err);
    if (directory < 0)
        return 1;
    int code = write_all(options, directory, out, err);
    close(directory);
    return code;
}
