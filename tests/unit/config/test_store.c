/* Values into members of the configuration, by size and type. */
#include "config/store.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "tests/lib/tap.h"

int main(void)
{
    struct {
        uint8_t small;
        uint32_t middle;
        uint64_t large;
    } numbers = {0};
    store_number(&numbers.small, 1, 1);
    store_number(&numbers.middle, 4, 70000);
    store_number(&numbers.large, 8, UINT64_C(1) << 40);
    ok(numbers.small == 1 && numbers.middle == 70000 && numbers.large == UINT64_C(1) << 40,
       "numbers of each size");

    struct config config = {0};
    const struct option *drain = option_find(SECTION_ROOT, "drain_timeout");
    store_seconds(drain, &config.drain_timeout_us, 0.1);
    ok(config.drain_timeout_us == 100000, "0.1 s is 100000 µs, not 99999");

    char *text = NULL;
    store_text(&text, "one");
    store_text(&text, "two");
    ok(strcmp(text, "two") == 0, "a text replaces the one before");
    free(text);

    struct config_tunnel tunnel = {0};
    struct config_service service = {0};
    store_standard(option_find(SECTION_LOG, "level"), &config);
    store_standard(option_find(SECTION_TUNNEL, "transport"), &tunnel);
    store_standard(option_find(SECTION_TLS, "resume"), &tunnel);
    store_standard(option_find(SECTION_WINDOW, "max"), &tunnel);
    store_standard(option_find(SECTION_SERVICE, "socket_mode"), &service);
    store_standard(option_find(SECTION_SERVICE, "keepalive"), &service);
    store_standard(option_find(SECTION_SERVICE_STREAMS, "max"), &service);
    ok(config.log_level == LOG_INFO && tunnel.tls.resume.required, "defaults: words");
    ok(strcmp(tunnel.transport, "udp") == 0, "defaults: a word stored as text");
    ok(tunnel.window.max == 33554432 && service.socket_mode == 0600 && service.keepalive,
       "defaults: numbers, modes and booleans");
    ok(service.streams.max == 0, "a derived default is left alone");
    free(tunnel.transport);
    return tap_done();
}
