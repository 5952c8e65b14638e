/* The admin socket: requests, slow readers, limits. */
#include "control/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/log.h"
#include "tests/lib/tap.h"
#include "tests/unit/control/fixture.h"

#define TURN_US   20000
#define TURNS_MAX 400

static struct fixture fixture;
static struct loop *loop;
static size_t answer_size; /* of the answer to "big" */

static char *on_request(struct admin_handler *self, const char *request)
{
    (void)self;
    if (strcmp(request, "status") == 0)
        return check_strdup("{\"fine\": true}");
    if (strcmp(request, "big") != 0)
        return NULL;
    char *text = check_alloc(answer_size + 1);
    memset(text, 'x', answer_size);
    return text;
}
static struct admin_handler handler = {.on_request = on_request};

static struct admin *start(void)
{
    char why[256] = "";
    struct admin *admin = admin_new(loop, fixture.path, &handler, why, sizeof why);
    if (!admin)
        tap_note("%s", why);
    return admin;
}

/* Reads until the far end closes; the number of bytes, -1 if it did not close. */
static ssize_t read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        ssize_t count = recv(fd, text + used, size - used, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno == ECONNRESET))
            return (ssize_t)used;
        if (count > 0)
            used += (size_t)count;
        else
            loop_turn(loop, TURN_US);
    }
    return -1;
}

/* Sends parts, each in a turn of its own, and compares the answer. */
static bool answers(const char *const *parts, const char *expected)
{
    char text[1024] = "";
    int fd = fixture_connect(&fixture);
    if (fd < 0)
        return false;
    for (; *parts; parts++) {
        must(send(fd, *parts, strlen(*parts), MSG_NOSIGNAL) == (ssize_t)strlen(*parts));
        loop_turn(loop, TURN_US);
        loop_turn(loop, 0);
    }
    ssize_t count = read_all(fd, text, sizeof text - 1);
    close(fd);
    if (count >= 0 && strcmp(text, expected) == 0)
        return true;
    tap_note("%zd bytes: %s", count, text);
    return false;
}
#define answers(expected, ...) answers((const char *const[]){__VA_ARGS__, NULL}, expected)

static void test_requests(void)
{
    char garbage[300];
    struct stat status;
    struct admin *admin = start();
    if (!ok(admin, "listens"))
        return;
    ok(stat(fixture.path, &status) == 0 && (status.st_mode & 07777) == 0600, "only for its owner");
    ok(answers("{\"fine\": true}\n", "status\n"), "a request");
    ok(answers("{\"fine\": true}\n", "st", "at", "us\n"), "a request in pieces");
    ok(answers("{\"fine\": true}\n", "status\r\nmore\n"), "one with a carriage return, and more");
    ok(answers("{\"error\": \"unknown request; known: status\"}\n", "stats\n"), "an unknown one");
    memset(garbage, 'x', sizeof garbage - 1);
    garbage[sizeof garbage - 1] = '\0';
    ok(answers("{\"error\": \"the request is longer than 255 bytes\"}\n", garbage),
       "too long a one");
    admin_free(admin);
    ok(access(fixture.path, F_OK) != 0, "the socket's file is removed");
}

static void test_slow_reader(void)
{
    struct admin *admin = start();
    answer_size = 3 << 20; /* far more than a socket buffer takes */
    char *text = check_alloc(answer_size + 16);
    int fd = fixture_connect(&fixture);
    must(send(fd, "big\n", 4, MSG_NOSIGNAL) == 4);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, TURN_US);
    ok(answers("{\"fine\": true}\n", "status\n"), "a slow reader does not hold another up");
    ok(read_all(fd, text, answer_size + 16) == (ssize_t)answer_size + 1, "and gets all of it");
    close(fd);
    fd = fixture_connect(&fixture);
    must(send(fd, "big\n", 4, MSG_NOSIGNAL) == 4);
    loop_turn(loop, TURN_US);
    loop_turn(loop, TURN_US);
    close(fd);
    ok(answers("{\"fine\": true}\n", "status\n"), "a reader that leaves does no harm");
    free(text);
    fd = fixture_connect(&fixture);
    must(send(fd, "stat", 4, MSG_NOSIGNAL) == 4);
    loop_turn(loop, TURN_US); /* accepts */
    loop_turn(loop, TURN_US); /* reads */
    admin_free(admin);
    char byte;
    ok(recv(fd, &byte, 1, 0) == 0, "open clients end with the socket");
    close(fd);
}

/* Sixteen idle clients; the seventeenth waits until one ends. */
static void test_limit(void)
{
    struct admin *admin = start();
    int fds[16];
    for (int i = 0; i < 16; i++) {
        fds[i] = fixture_connect(&fixture);
        loop_turn(loop, TURN_US);
    }
    int late = fixture_connect(&fixture);
    must(send(late, "status\n", 7, MSG_NOSIGNAL) == 7);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1000);
    char text[64] = "";
    ok(recv(late, text, sizeof text, MSG_DONTWAIT) < 0, "the seventeenth client waits");
    close(fds[3]);
    ok(read_all(late, text, sizeof text - 1) > 0, "until one of the others leaves");
    close(late);
    for (int i = 0; i < 16; i++)
        if (i != 3)
            close(fds[i]);
    admin_free(admin);
}

static void test_descriptors(void)
{
    struct admin *admin = start();
    struct rlimit before, none;
    int fd = fixture_connect(&fixture);
    must(send(fd, "status\n", 7, MSG_NOSIGNAL) == 7);
    must(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 3;
    must(setrlimit(RLIMIT_NOFILE, &none) == 0);
    loop_turn(loop, TURN_US);
    uint64_t from = loop_now(loop);
    loop_turn(loop, TURN_US);
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    loop_turn(loop, 0);
    ok(loop_now(loop) - from >= TURN_US / 2, "out of descriptors it rests and does not spin");
    char text[64] = "";
    ok(read_all(fd, text, sizeof text - 1) > 0, "and answers afterwards");
    close(fd);
    admin_free(admin);
}

static bool refuses(const char *path, const char *words)
{
    char why[256] = "";
    struct admin *admin = admin_new(loop, path, &handler, why, sizeof why);
    bool refused = !admin && strstr(why, words);
    if (!refused)
        tap_note("%s", why);
    admin_free(admin);
    return refused;
}

static void test_files(void)
{
    char longest[200];
    int fd = fixture_listen(&fixture);
    ok(refuses(fixture.path, "another process answers at"), "a socket in use is left alone");
    ok(access(fixture.path, F_OK) == 0, "and its file too");
    close(fd);
    struct admin *admin = start();
    ok(admin && answers("{\"fine\": true}\n", "status\n"), "a stale file is replaced");
    unlink(fixture.path);
    fd = fixture_listen(&fixture);
    admin_free(admin);
    ok(access(fixture.path, F_OK) == 0, "another's file is not removed");
    close(fd);
    unlink(fixture.path);
    fd = open(fixture.path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    ok(refuses(fixture.path, "is not a socket"), "a file that is no socket is left alone");
    ok(unlink(fixture.path) == 0, "and still there");
    ok(refuses("/nonexistent/x.sock", "No such file or directory"), "a missing directory");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    ok(refuses(longest, "longer than 107 bytes"), "too long a path");
}

int main(void)
{
    fixture_init(&fixture);
    loop = loop_new();
    must(loop);
    test_requests();
    test_slow_reader();
    test_limit();
    test_descriptors();
    test_files();
    admin_free(NULL);
    loop_free(loop);
    ok(fixture_fini(&fixture), "nothing is left behind");
    return tap_done();
}
