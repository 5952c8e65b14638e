/* A read stops at TCP's urgent mark (RFC 6093): short, though there is more behind it. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "proxy/local/connection.h"
#include "proxy/local/service.h"
#include "proxy/worker/worker.h"
#include "tests/lib/tap.h"

struct reader {
    struct connection_events events;
    struct connection *connection;
    char got[64];
    size_t length;
};

static void on_readable(struct connection_events *events)
{
    struct reader *reader = container_of(events, struct reader, events);
    bool end;
    reader->length += connection_fill(reader->connection, (uint8_t *)reader->got + reader->length,
                                      sizeof reader->got - reader->length, &end);
}

static void tcp_pair(int ends[2])
{
    struct address address = {.length = sizeof address.in, .in.sin_family = AF_INET};
    address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, &address.any, address.length) == 0 && listen(listener, 1) == 0);
    must(getsockname(listener, &address.any, &address.length) == 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(ends[0], &address.any, address.length) == 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    must(ends[1] >= 0);
    close(listener);
}

int main(void)
{
    char web[] = "web";
    struct config_service service_config = {.name = web};
    struct counters counters = {0};
    struct service service = {
        .config = &service_config, .tunnel_name = "site", .counters = &counters};
    static struct worker worker;
    int ends[2];
    must(worker_init(&worker, 0, NULL) == 0);
    tcp_pair(ends);
    must(send(ends[0], "before", 6, 0) == 6 && send(ends[0], "!", 1, MSG_OOB) == 1 &&
         send(ends[0], "behind", 6, 0) == 6);

    struct reader reader = {.events.on_readable = on_readable};
    reader.connection = connection_new(&service, ends[1], 1, "client", 0);
    must(connection_watch(reader.connection, &worker, &reader.events) == ERR_OK);
    for (int i = 0; i < 3; i++)
        loop_turn(worker.loop, 10000);
    ok(reader.length == 12 && memcmp(reader.got, "beforebehind", 12) == 0,
       "what is behind urgent data is read without a further event: \"%.*s\"", (int)reader.length,
       reader.got);

    connection_end(reader.connection, ERR_CLOSED, NULL);
    close(ends[0]);
    worker_fini(&worker);
    return tap_done();
}
