/* Data that a connection keeps for its socket take about their own size in memory. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/local/connection.h"
#include "proxy/local/service.h"
#include "tests/lib/tap.h"

#define BYTES 20000

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

static size_t kept_memory(const struct connection *connection)
{
    size_t memory = 0;
    for (const struct message *piece = connection->backlog.first; piece; piece = piece->next)
        memory += sizeof *piece + piece->capacity;
    return memory;
}

/* As many as come at once; how many were right. */
static size_t read_right(int fd, size_t from)
{
    uint8_t bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    size_t right = 0;
    while (n > 0 && right < (size_t)n && bytes[right] == byte_at(from + right))
        right++;
    return right;
}

int main(void)
{
    char web[] = "web";
    struct config_service service_config = {.name = web};
    struct counters counters = {0};
    struct service service = {
        .config = &service_config, .tunnel_name = "site", .counters = &counters};
    struct connection *connection = connection_new(&service, -1, 1, "client", 0);

    for (size_t i = 0; i < BYTES; i++) {
        uint8_t byte = byte_at(i);
        connection_deliver(connection, &byte, 1, false);
    }
    ok(kept_memory(connection) < 2 * BYTES, "%d frames of one byte are kept in %zu bytes", BYTES,
       kept_memory(connection));
    ok(connection->backlog.bytes == BYTES, "all of them are counted");

    int ends[2];
    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "a socket for them");
    connection->socket.fd = ends[0];
    size_t received = 0, right = 1;
    while (received < BYTES && right) {
        connection_flush(connection);
        right = read_right(ends[1], received);
        received += right;
    }
    ok(received == BYTES, "they arrive as they were, in order");
    ok(connection_is_written(connection), "nothing is left");
    ok(connection->counts.bytes_in == BYTES, "the connection counts them");
    connection_end(connection, ERR_CLOSED, NULL);
    close(ends[1]);
    return tap_done();
}
