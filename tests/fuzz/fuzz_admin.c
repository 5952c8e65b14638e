/* A client of the admin socket, hostile or not. The input is a script: clients that
 * come, write, read and go. The handler gets one line of each at most, never more than a request
 * may have; each gets one line back, whole; and nobody is left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/wire.h"
#include "control/admin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS     20 /* more than it takes at once */
#define REQUEST_MAX 256
#define ANSWER_MAX  200000

static struct client {
    int fd; /* -1: there is none */
    char sent[REQUEST_MAX];
    size_t length; /* of all that was written */
    size_t got;
    char last; /* byte that came */
} clients[CLIENTS];

static unsigned asked;

static char *on_request(struct admin_handler *self, const char *request)
{
    (void)self;
    size_t length = strlen(request), size = length == 3 ? ANSWER_MAX : 20;
    must(length < REQUEST_MAX && !strchr(request, '\n'));
    asked++;
    if (request[0] == '?')
        return NULL;
    char *answer = check_alloc(size + 1);
    memset(answer, 'a', size);
    return answer;
}

static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void remove_directory(void)
{
    unlink(address.sun_path);
    *strrchr(address.sun_path, '/') = 0;
    rmdir(address.sun_path);
}

static void make_directory(void)
{
    char directory[] = "/tmp/hawser-fuzz-XXXXXX";
    if (address.sun_path[0])
        return;
    must(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/admin", directory);
    must(atexit(remove_directory) == 0);
}

static void come(struct client *client)
{
    if (client->fd >= 0)
        return;
    *client = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    must(client->fd >= 0);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address)) { /* all places taken */
        close(client->fd);
        client->fd = -1;
    }
}

static void go(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static void tell(struct client *client, struct wire_reader *script)
{
    size_t length = wire_get_u8(script);
    if (length > wire_left(script))
        length = wire_left(script);
    const uint8_t *bytes = wire_get_bytes(script, length);
    if (client->fd < 0 || !length)
        return;
    ssize_t count = send(client->fd, bytes, length, MSG_NOSIGNAL);
    for (ssize_t i = 0; i < count; i++)
        if (client->length++ < sizeof client->sent)
            client->sent[client->length - 1] = (char)bytes[i];
}

/* Reads what is there. */
static void listen_to(struct client *client)
{
    static char bytes[65536];
    ssize_t count;
    if (client->fd < 0)
        return;
    while ((count = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        const char *end = memchr(bytes, '\n', (size_t)count);
        must(!end || end == bytes + count - 1); /* one line, and nothing behind it */
        must(client->last != '\n');
        client->got += (size_t)count;
        client->last = bytes[count - 1];
    }
    size_t kept = client->length < REQUEST_MAX ? client->length : REQUEST_MAX;
    bool complete = kept == REQUEST_MAX || memchr(client->sent, '\n', kept);
    must(!client->got || complete);
    if (count == 0) {
        must(!client->got || client->last == '\n');
        go(client);
    }
}

static void play(struct loop *loop, struct wire_reader *script)
{
    for (unsigned i = 0; i < 200 && wire_left(script); i++) {
        uint8_t action = wire_get_u8(script);
        struct client *client = &clients[(action >> 3) % CLIENTS];
        switch (action & 7) {
        case 0:
            come(client);
            break;
        case 1:
            go(client);
            break;
        case 2:
            if (client->fd >= 0)
                shutdown(client->fd, SHUT_WR);
            break;
        case 3:
            listen_to(client);
            break;
        case 4:
        case 5:
            tell(client, script);
            break;
        default:
            loop_turn(loop, 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader script = wire_reader(data, size);
    struct admin_handler handler = {.on_request = on_request};
    char why[200];
    make_directory();
    asked = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    struct loop *loop = loop_new();
    must(loop);
    struct admin *admin = admin_new(loop, address.sun_path, &handler, why, sizeof why);
    must(admin);
    play(loop, &script);
    for (unsigned turn = 0; turn < 40; turn++) {
        loop_turn(loop, 0);
        for (unsigned i = 0; i < CLIENTS; i++)
            listen_to(&clients[i]);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        go(&clients[i]);
    must(asked <= 200);
    admin_free(admin);
    loop_free(loop);
    return 0;
}
