/* The admin socket. */
#include "control/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"

#define CLIENTS_MAX  16
#define REQUEST_MAX  256
#define CLIENT_US    5000000
#define REST_US      1000000
#define NO_CLIENT_FD (-1)

static const char unknown_answer[] = "{\"error\": \"unknown request; known: status\"}";
static const char long_answer[] = "{\"error\": \"the request is longer than 255 bytes\"}";

/* One connection: reads a line, writes the answer, ends. */
struct client {
    struct admin *admin;
    struct loop_fd fd; /* fd.fd is NO_CLIENT_FD: this place is free */
    struct loop_timer timer;
    char request[REQUEST_MAX];
    size_t used;
    char *answer; /* NULL while reading */
    size_t length, sent;
};

struct admin {
    struct loop *loop;
    struct admin_handler *handler;
    struct loop_fd listener;
    struct sockaddr_un address;
    struct stat identity; /* of the socket file, so that another's is never removed */
    bool is_resting;      /* not accepting: every place is taken, or no descriptors */
    struct loop_timer rest;
    int spare; /* a descriptor kept for one client when there are no others; -1: in use */
    struct client clients[CLIENTS_MAX];
};

static void keep_spare(struct admin *admin)
{
    if (admin->spare < 0)
        admin->spare = fcntl(admin->listener.fd, F_DUPFD_CLOEXEC, 0);
}

static void set_accepting(struct admin *admin, bool accepting)
{
    if (admin->is_resting != accepting)
        return;
    admin->is_resting = !accepting;
    if (accepting && loop_fd_add(admin->loop, &admin->listener, EPOLLIN))
        admin->is_resting = true;
    else if (!accepting)
        loop_fd_remove(admin->loop, &admin->listener);
}

static void end_client(struct client *client)
{
    loop_timer_cancel(client->admin->loop, &client->timer);
    loop_fd_remove(client->admin->loop, &client->fd);
    close(client->fd.fd);
    client->fd.fd = NO_CLIENT_FD;
    free(client->answer);
    client->answer = NULL;
    client->used = client->length = client->sent = 0;
    keep_spare(client->admin);
    set_accepting(client->admin, true);
}

static void on_client_timer(struct loop_timer *timer)
{
    end_client(container_of(timer, struct client, timer));
}

/* Writes what the socket takes; ends the client when all is written or the peer is gone. */
static void write_answer(struct client *client)
{
    while (client->sent < client->length) {
        ssize_t count = send(client->fd.fd, client->answer + client->sent,
                             client->length - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count < 0)
            break;
        client->sent += (size_t)count;
    }
    end_client(client);
}

static void answer(struct client *client, char *text)
{
    client->answer = text;
    client->length = strlen(text);
    client->answer[client->length++] = '\n'; /* in place of the NUL */
    if (loop_fd_modify(client->admin->loop, &client->fd, EPOLLOUT))
        end_client(client);
    else
        write_answer(client);
}

static void handle_request(struct client *client)
{
    struct admin_handler *handler = client->admin->handler;
    char *end = memchr(client->request, '\n', client->used);
    char *text;
    if (end) {
        if (end > client->request && end[-1] == '\r')
            end--;
        *end = '\0';
        text = handler->on_request(handler, client->request);
        answer(client, text ? text : check_strdup(unknown_answer));
    } else if (client->used == sizeof client->request) {
        answer(client, check_strdup(long_answer));
    }
}

static void read_request(struct client *client)
{
    ssize_t count = recv(client->fd.fd, client->request + client->used,
                         sizeof client->request - client->used, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        end_client(client);
        return;
    }
    client->used += (size_t)count;
    handle_request(client);
}

static void on_client_events(struct loop_fd *fd, uint32_t events)
{
    struct client *client = container_of(fd, struct client, fd);
    if (client->answer)
        write_answer(client);
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_request(client);
}

static struct client *free_place(struct admin *admin)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (admin->clients[i].fd.fd == NO_CLIENT_FD)
            return &admin->clients[i];
    return NULL;
}

static void begin_client(struct admin *admin, struct client *client, int fd)
{
    client->fd.fd = fd;
    if (loop_fd_add(admin->loop, &client->fd, EPOLLIN)) {
        close(fd);
        client->fd.fd = NO_CLIENT_FD;
        return;
    }
    loop_timer_set(admin->loop, &client->timer, loop_now(admin->loop) + CLIENT_US);
}

static void on_rest_over(struct loop_timer *timer)
{
    set_accepting(container_of(timer, struct admin, rest), true);
}

/* Out of descriptors the loop would come back at once, for ever: the listener rests. */
static void on_listener_events(struct loop_fd *fd, uint32_t events)
{
    struct admin *admin = container_of(fd, struct admin, listener);
    (void)events;
    int accepted = accept4(fd->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0 && errno == EMFILE && admin->spare >= 0) {
        /* Just then somebody wants to know: the reserve makes room for one who asks. */
        close(admin->spare);
        admin->spare = -1;
        accepted = accept4(fd->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    if (accepted >= 0) {
        begin_client(admin, free_place(admin), accepted);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING, "admin socket: cannot accept: %s",
                  strerror(errno));
        set_accepting(admin, false);
        loop_timer_set(admin->loop, &admin->rest, loop_now(admin->loop) + REST_US);
    }
    if (!free_place(admin))
        set_accepting(admin, false);
}

/* True if a process listens at the address: then connecting works, or waits (full backlog). */
static bool is_answered(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool answered = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                    errno != ECONNREFUSED;
    close(fd);
    return answered;
}

/* Binds, in place of a socket file that a killed process left. The mode is set before: between
 * bind and chmod anybody could connect. */
static int bind_socket(int fd, const struct sockaddr_un *address, char *why, size_t why_size)
{
    struct stat status;
    const struct sockaddr *any = (const struct sockaddr *)address;
    int rc = fchmod(fd, 0600) ? -1 : bind(fd, any, sizeof *address);
    if (rc && errno == EADDRINUSE && lstat(address->sun_path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            snprintf(why, why_size, "%s is there already, and is not a socket", address->sun_path);
            return -1;
        }
        if (is_answered(address)) {
            snprintf(why, why_size, "another process answers at %s", address->sun_path);
            return -1;
        }
        rc = unlink(address->sun_path) ? -1 : bind(fd, any, sizeof *address);
    }
    if (rc)
        snprintf(why, why_size, "cannot make the socket %s: %s", address->sun_path,
                 strerror(errno));
    return rc;
}

static int open_listener(const struct sockaddr_un *address, char *why, size_t why_size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        snprintf(why, why_size, "cannot make a socket: %s", strerror(errno));
        return -1;
    }
    if (bind_socket(fd, address, why, why_size))
        goto fail;
    if (listen(fd, CLIENTS_MAX)) {
        snprintf(why, why_size, "cannot listen at %s: %s", address->sun_path, strerror(errno));
        unlink(address->sun_path);
        goto fail;
    }
    return fd;
fail:
    close(fd);
    return -1;
}

static void init_clients(struct admin *admin)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        admin->clients[i] = (struct client){
            .admin = admin,
            .fd = {.on_events = on_client_events, .fd = NO_CLIENT_FD},
            .timer = {.on_expire = on_client_timer},
        };
}

struct admin *admin_new(struct loop *loop, const char *path, struct admin_handler *handler,
                        char *why, size_t why_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(why, why_size, "the path %s is longer than %zu bytes", path,
                 sizeof address.sun_path - 1);
        return NULL;
    }
    strcpy(address.sun_path, path);
    int fd = open_listener(&address, why, why_size);
    if (fd < 0)
        return NULL;
    struct admin *admin = check_alloc(sizeof *admin);
    admin->loop = loop;
    admin->handler = handler;
    admin->address = address;
    admin->listener = (struct loop_fd){.on_events = on_listener_events, .fd = fd};
    admin->rest = (struct loop_timer){.on_expire = on_rest_over};
    admin->is_resting = true;
    admin->spare = -1;
    keep_spare(admin);
    init_clients(admin);
    lstat(path, &admin->identity);
    set_accepting(admin, true);
    if (!admin->is_resting)
        return admin;
    snprintf(why, why_size, "cannot watch the socket %s: %s", path, strerror(errno));
    admin_free(admin);
    return NULL;
}

/* Another process may have put its own socket there meanwhile. */
static void remove_file(const struct admin *admin)
{
    struct stat now;
    if (lstat(admin->address.sun_path, &now) == 0 && now.st_ino == admin->identity.st_ino &&
        now.st_dev == admin->identity.st_dev)
        unlink(admin->address.sun_path);
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (admin->clients[i].fd.fd != NO_CLIENT_FD)
            end_client(&admin->clients[i]);
    loop_timer_cancel(admin->loop, &admin->rest);
    set_accepting(admin, false);
    remove_file(admin);
    if (admin->spare >= 0)
        close(admin->spare);
    close(admin->listener.fd);
    free(admin);
}
