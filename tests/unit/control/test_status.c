/* `hawser status` against a scripted admin socket. */
#include "control/status.h"

#include <jansson.h>

#include "base/thread.h"
#include "tests/lib/tap.h"
#include "tests/unit/control/fixture.h"

static struct fixture fixture;

/* The answer of a process at the socket. */
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
    ssize_t count = recv(fd, server->request, sizeof server->request - 1, 0);
    server->request[count > 0 ? count : 0] = '\0';
    /* In two pieces, as a socket may deliver it. */
    size_t half = strlen(server->answer) / 2;
    send(fd, server->answer, half, MSG_NOSIGNAL);
    send(fd, server->answer + half, strlen(server->answer) - half, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

struct result {
    bool answered;
    char version[16], err[1024];
};

static struct result ask(const char *path)
{
    struct result result = {0};
    FILE *err = fmemopen(result.err, sizeof result.err - 1, "w");
    must(err);
    json_t *report = status_ask(path, err);
    const char *version = json_string_value(json_object_get(report, "version"));
    result.answered = report;
    snprintf(result.version, sizeof result.version, "%s", version ? version : "");
    json_decref(report);
    fclose(err);
    return result;
}

static struct result ask_server(const char *answer)
{
    struct server server = {.fd = fixture_listen(&fixture), .answer = answer};
    pthread_t thread;
    must(thread_start(&thread, "server", serve, &server) == 0);
    struct result result = ask(fixture.path);
    thread_join(thread);
    close(server.fd);
    unlink(fixture.path);
    must(strcmp(server.request, "status\n") == 0);
    return result;
}

int main(void)
{
    fixture_init(&fixture);
    struct result r = ask(fixture.path);
    ok(!r.answered && strstr(r.err, "No such file or directory; is hawser running there"),
       "nobody there");
    close(fixture_listen(&fixture));
    r = ask(fixture.path);
    ok(!r.answered && strstr(r.err, "Connection refused; is hawser running there"),
       "a stale socket");
    unlink(fixture.path);

    r = ask_server("{\"version\":\"1\",\"tunnels\":[]}\n");
    ok(r.answered && strcmp(r.version, "1") == 0 && !*r.err, "a report");
    r = ask_server("{\"error\":\"unknown request\"}\n");
    ok(!r.answered && strstr(r.err, "unknown request"), "a refusal");
    r = ask_server("{\"version\":");
    ok(!r.answered && strstr(r.err, "is not a JSON object"), "a cut answer");
    r = ask_server("");
    ok(!r.answered && strstr(r.err, "is not a JSON object"), "no answer");
    r = ask_server("[1]");
    ok(!r.answered && strstr(r.err, "is not a JSON object"), "another kind of answer");
    ok(fixture_fini(&fixture), "nothing is left behind");
    return tap_done();
}
