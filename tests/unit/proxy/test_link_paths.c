/* Reports about an association's network paths. The memory transport has one and reports nothing:
 * the test reports to the link in its place. */
#include <arpa/inet.h>

#include "tests/unit/proxy/bed.h"

static struct bed bed;
static FILE *errors;

static struct path_status path(const char *local, const char *remote, enum path_state state,
                               bool in_use)
{
    struct path_status status = {
        .address = bed_loopback(9899), .state = state, .in_use = in_use, .rtt_us = 310};
    inet_pton(AF_INET, remote, &status.address.in.sin_addr);
    if (*local) {
        status.local = bed_loopback(9899);
        inet_pton(AF_INET, local, &status.local.in.sin_addr);
    }
    return status;
}

static void say(struct path_status status)
{
    struct link *link = side_link(&bed.client);
    link->transport.events.on_path(&link->transport.events, &status);
}

/* Lines of the log since the last call. */
static const char *logged(void)
{
    static char text[65536];
    struct link *link = side_link(&bed.client);
    do /* on a busy machine the time may be over before the first turn */
        bed_pause(&bed, 2000);
    while (link && link->paths.task.queued);
    fflush(stderr);
    size_t length = fread(text, 1, sizeof text - 1, errors);
    clearerr(errors);
    text[length] = '\0';
    for (char *line = text; (line = strchr(line, '\n'));)
        *line = '|';
    return text;
}

static void begin(void)
{
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    log_set_level(LOG_INFO);
    /* The one that the memory transport has. */
    struct link *link = side_link(&bed.client);
    struct path_status gone = link->paths.known[0].now;
    ok(link->paths.count == 1 && gone.in_use, "an association begins with its path");
    link->paths.count = 0;
    say(path("10.1.0.1", "10.1.0.2", PATH_ACTIVE, true));
    say(path("10.2.0.1", "10.2.0.2", PATH_ACTIVE, false));
    logged();
}

static void end(void)
{
    log_set_level(LOG_ERROR);
    logged();
    bed_fini(&bed);
}

static void failover(void)
{
    begin();
    uint64_t failovers = side_count(&bed.client, failovers);
    say(path("10.1.0.1", "10.1.0.2", PATH_FAILING, false));
    say(path("10.2.0.1", "10.2.0.2", PATH_ACTIVE, true));
    const char *text = logged();
    ok(strstr(text, "path 10.1.0.1:9899 -> 10.1.0.2:9899: failing; traffic moves to 10.2.0.2:9899"),
       "%s", text);
    const char *first = strstr(text, "path ");
    ok(first && !strstr(first + 1, "path "), "in one line");
    ok(strcmp(side_link(&bed.client)->peer.text, "10.2.0.2:9899") == 0,
       "the peer's address is the one that is used");
    ok(side_count(&bed.client, failovers) == failovers + 1, "counted");
    say(path("10.1.0.1", "10.1.0.2", PATH_INACTIVE, false));
    text = logged();
    ok(strstr(text, "path 10.1.0.1:9899 -> 10.1.0.2:9899: inactive|"), "%s", text);
    say(path("10.1.0.1", "10.1.0.2", PATH_ACTIVE, true));
    text = logged();
    ok(strstr(text, "10.1.0.2:9899: active, round trip 0.31 ms; traffic moves here"), "%s", text);
    say(path("10.1.0.1", "10.1.0.2", PATH_ACTIVE, true));
    ok(!*logged(), "what is known is not said again");
    say(path("10.2.0.1", "10.2.0.2", PATH_INACTIVE, false));
    say(path("10.1.0.1", "10.1.0.2", PATH_FAILING, true));
    text = logged();
    ok(strstr(text, "10.1.0.2:9899: failing; no other path answers"), "%s", text);
    ok(side_count(&bed.client, path_changes) >= 5, "changes are counted");
    say(path("10.4.0.1", "10.4.0.2", PATH_UNCONFIRMED, false));
    ok(!*logged(), "an address that has not answered is no news");
    say(path("10.4.0.1", "10.4.0.2", PATH_ACTIVE, false));
    text = logged();
    ok(strstr(text, "10.4.0.2:9899: active, round trip"), "until it has: %s", text);
    end();
}

static void roaming(void)
{
    begin();
    say(path("", "10.1.0.77", PATH_ACTIVE, true));
    const char *text = logged();
    ok(strstr(text, "path 10.1.0.77:9899: active, round trip 0.31 ms; traffic moves here"), "%s",
       text);
    ok(strcmp(side_link(&bed.client)->peer.text, "10.1.0.77:9899") == 0, "the peer has moved");
    for (int i = 0; i < 100; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.3.0.%d", i);
        say(path("", address, PATH_ACTIVE, true));
    }
    ok(side_link(&bed.client)->paths.count == TRANSPORT_ADDRESSES_MAX &&
           strcmp(side_link(&bed.client)->peer.text, "10.3.0.99:9899") == 0,
       "one that moves a hundred times leaves nothing behind");
    end();
}

static void single(void)
{
    begin();
    side_link(&bed.client)->paths.count = 0;
    say(path("10.1.0.1", "10.1.0.2", PATH_ACTIVE, true));
    logged();
    say(path("10.1.0.1", "10.1.0.2", PATH_FAILING, true));
    ok(!*logged(), "a time-out on the only path is no news");
    say(path("10.1.0.1", "10.1.0.2", PATH_ACTIVE, true));
    ok(!*logged(), "nor is that it has passed");
    say(path("10.1.0.1", "10.1.0.2", PATH_FAILING, true));
    say(path("10.1.0.1", "10.1.0.2", PATH_INACTIVE, true));
    const char *text = logged();
    ok(strstr(text, "10.1.0.2:9899: inactive; no other path answers"), "%s", text);
    end();
}

static void flapping(void)
{
    begin();
    unsigned lines = 0;
    for (int i = 0; i < 200; i++) {
        say(path("10.1.0.1", "10.1.0.2", i % 2 ? PATH_ACTIVE : PATH_FAILING, i % 2));
        say(path("10.2.0.1", "10.2.0.2", PATH_ACTIVE, !(i % 2)));
        for (const char *at = logged(); (at = strstr(at, "path ")); at++)
            lines++;
    }
    ok(lines > 10 && lines < 40, "a path that changes 200 times has %u lines", lines);
    struct link *link = side_link(&bed.client);
    unsigned held_back = link->paths.held_back;
    ok(held_back + lines >= 200 && loop_timer_is_set(&link->paths.minute), "%u are held back",
       held_back);
    loop_timer_set(bed.client.workers[0].loop, &link->paths.minute, 0);
    const char *text = logged();
    ok(strstr(text, "more changes of paths in the last minute; traffic goes to 10.1.0.2:9899 now"),
       "%s", text);
    say(path("10.1.0.1", "10.1.0.2", PATH_FAILING, true));
    logged();
    ok(link->paths.held_back == 1, "until the minute is over");
    end();
}

static void flapping_standby(void)
{
    begin();
    for (int i = 0; i < 200; i++) {
        say(path("10.2.0.1", "10.2.0.2", i % 2 ? PATH_ACTIVE : PATH_FAILING, false));
        logged();
    }
    ok(side_link(&bed.client)->paths.held_back, "a standby path changes too often");
    say(path("10.1.0.1", "10.1.0.2", PATH_FAILING, false));
    say(path("10.2.0.1", "10.2.0.2", PATH_ACTIVE, true));
    const char *text = logged();
    ok(strstr(text, "10.1.0.2:9899: failing; traffic moves to 10.2.0.2:9899"),
       "where the traffic goes is said all the same: %s", text);
    end();
}

int main(void)
{
    char name[] = "/tmp/hawser-paths-XXXXXX";
    bed_main_begin();
    int fd = mkstemp(name);
    must(fd >= 0);
    errors = fdopen(fd, "r");
    must(errors && freopen(name, "a", stderr));
    unlink(name);
    failover();
    roaming();
    single();
    flapping();
    flapping_standby();
    fclose(errors);
    message_cache_clear();
    return tap_done();
}
