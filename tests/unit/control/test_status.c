#include "control/status.h"

#include "base/thread.h"
#include "tests/lib/tap.h"
#include "tests/unit/control/fixture.h"

static struct fixture fixture;

/* What a process at the socket answers. */
struct server {
    int fd;
    const char *answer;
    char request[64];
};

static void *serve(void *argument)
{
    struct server *server = argument;
    int fd = accept(server->fd, NULL, NULL);
    must(fd >= 0);
    ssize_t count = recv(fd, server->request, sizeof(server->request) - 1, 0);
    server->request[count > 0 ? count : 0] = '\0';
    /* In two pieces, as a socket may deliver it. */
    size_t half = strlen(server->answer) / 2;
    send(fd, server->answer, half, MSG_NOSIGNAL);
    send(fd, server->answer + half, strlen(server->answer) - half, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

struct result {
    int code;
    char out[4096], err[1024];
};

static struct result ask(const char *path, bool json)
{
    struct result result = {0};
    FILE *out = fmemopen(result.out, sizeof(result.out) - 1, "w");
    FILE *err = fmemopen(result.err, sizeof(result.err) - 1, "w");
    must(out && err);
    result.code = status_print(path, json, out, err);
    fclose(out);
    fclose(err);
    return result;
}

static struct result ask_server(const char *answer, bool json)
{
    struct server server = {.fd = fixture_listen(&fixture), .answer = answer};
    pthread_t thread;
    must(thread_start(&thread, "server", serve, &server) == 0);
    struct result result = ask(fixture.path, json);
    thread_join(thread);
    close(server.fd);
    unlink(fixture.path);
    if (strcmp(server.request, "status\n") != 0)
        result.code = -1;
    return result;
}

int main(void)
{
    fixture_init(&fixture);
    struct result r = ask(fixture.path, false);
    ok(r.code == 1 && strstr(r.err, "No such file or directory; is hawser running there"),
       "nobody there");
    close(fixture_listen(&fixture));
    r = ask(fixture.path, false);
    ok(r.code == 1 && strstr(r.err, "Connection refused; is hawser running there"),
       "a stale socket");
    unlink(fixture.path);

    r = ask_server("{\"version\":\"1\",\"tunnels\":[]}\n", true);
    ok(r.code == 0 && strstr(r.out, "\"version\": \"1\"") && !*r.err, "JSON, indented");
    ok(r.out[strlen(r.out) - 1] == '\n', "with a newline at its end");
    r = ask_server("{\"version\":\"1\",\"tunnels\":[]}\n", false);
    ok(r.code == 0 && strncmp(r.out, "hawser 1, ", 10) == 0, "text");
    r = ask_server("{\"error\":\"unknown request\"}\n", true);
    ok(r.code == 1 && !*r.out && strstr(r.err, "unknown request"), "a refusal");
    r = ask_server("{\"version\":", true);
    ok(r.code == 1 && !*r.out && strstr(r.err, "is not a JSON object"), "a cut answer");
    r = ask_server("", false);
    ok(r.code == 1 && strstr(r.err, "is not a JSON object"), "no answer");
    r = ask_server("[1]", false);
    ok(r.code == 1 && strstr(r.err, "is not a JSON object"), "another kind of answer");
    ok(fixture_fini(&fixture), "nothing is left behind");
    return tap_done();
}
