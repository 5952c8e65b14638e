/* Memory of earlier associations, as tunnels use it: across a restart, by several tunnels, from a
 * Redis that is not there; and further services of tls/ for tunnels: services for some peers, keys
 * by lease. */
#include "proxy/tunnel/sessions.h"

#include "tests/unit/proxy/bed.h"
#include "tests/unit/tls/key_files.h"
#include "tls/key_file.h"

static void use_12(struct side *side)
{
    side->config.tls.min_version = side->config.tls.max_version = CONFIG_TLS_1_2;
}

static void restart(struct side *side)
{
    side_stop(side);
    side_start(side);
}

/* The client comes back as another process would. */
static void kept_in_a_file(bool is_12)
{
    struct bed bed;
    tap_note("TLS 1.%d", is_12 ? 2 : 3);
    bed_init(&bed, 2, 2, false);
    bed.client.remembers.file = certificates_path("kept");
    if (is_12) {
        use_12(&bed.client);
        use_12(&bed.server);
    }
    bed_start(&bed);
    bed_up(&bed);
    ok(side_count(&bed.client, masters_full) == 1, "the first master is a full handshake");
    restart(&bed.client);
    bed_up(&bed);
    ok(side_count(&bed.client, masters_resumed) == 1 && side_count(&bed.client, masters_full) == 0,
       "the next one is resumed");
    ok(access(bed.client.remembers.file, F_OK) < 0, "what was in the file is in use");
    side_stop(&bed.client);
    struct config_sessions remembers = bed.client.remembers;
    bed.client.remembers = (struct config_sessions){0};
    side_start(&bed.client);
    bed_up(&bed);
    ok(side_count(&bed.client, masters_full) == 1, "without the file it is a full one");
    bed_fini(&bed);
    unlink(remembers.file);
    free(remembers.file);
}

/* A ticket of one tunnel serves another to the same server; under other rules it is not found. */
static void shared_by_tunnels(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    side_init(&bed.second, &bed, CONFIG_CLIENT, 1);
    bed.second.borrowed = &bed.client.sessions;
    bed.second.remote.address = bed.client.remote.address;
    side_start(&bed.second);
    bed_expect(&bed, side_is_up(&bed.second), "a second tunnel to the server");
    ok(side_count(&bed.second, masters_resumed) == 1, "is resumed with what the first one has");
    side_stop(&bed.second);
    free(bed.second.config.tls.cert);
    free(bed.second.config.tls.key);
    bed.second.config.tls.cert = certificates_path("other.pem");
    bed.second.config.tls.key = certificates_path("other.key");
    side_start(&bed.second);
    bed_expect(&bed, side_count(&bed.server, masters_failed) > 0, "under another name it comes");
    ok(side_count(&bed.second, masters_not_resumed) == 0 &&
           side_count(&bed.second, masters_resumed) == 0,
       "with nothing of the first one's");
    side_stop(&bed.second);
    bed_fini(&bed);
}

static int end_link(struct side *side)
{
    link_close(side_link(side), ERR_INTERNAL, "test", true);
    return 0;
}

/* Another key at the server: nothing that the client has is of use, and it throws it away. */
static void forgotten(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed.client.config.reconnect.min_us = bed.client.config.reconnect.max_us = 20000;
    bed_start(&bed);
    bed_up(&bed);
    end_link(&bed.client);
    bed_expect(&bed, side_count(&bed.client, masters_resumed) == 1, "a reconnect resumes");
    bed_reach(&bed, side_is_up(&bed.client));
    struct address address = bed.client.remote.address;
    side_stop(&bed.server);
    bed.server.local.address = address;
    side_start(&bed.server);
    bed_expect(&bed,
               side_count(&bed.client, masters_not_resumed) == 1 &&
                   side_count(&bed.client, masters_full) == 2,
               "a server that has lost its ticket keys: a full handshake, and counted");
    bed_reach(&bed, side_is_up(&bed.client));
    struct tls_client_cache_statistics statistics;
    tls_client_cache_statistics(bed.client.sessions.cache, &statistics);
    ok(statistics.tickets == 1, "only the new server's ticket is left (%llu)",
       (unsigned long long)statistics.tickets);
    bed_fini(&bed);
}

#ifndef WITHOUT_REDIS
static struct endpoint nobody = {.text = (char *)(uintptr_t) "unix:none"};

/* A master's question goes to Redis's thread and the answer comes by the home worker's mailbox. */
static void redis_is_not_there(void)
{
    struct bed bed;
    char *keys = certificates_path("redis.keys");
    make_key_file(keys, 32);
    bed_init(&bed, 1, 2, true);
    use_12(&bed.client);
    use_12(&bed.server);
    bed.server.config.tls.resume.by = CONFIG_BY_IDS;
    nobody.address.any.sa_family = AF_UNIX;
    snprintf(nobody.address.un.sun_path, sizeof nobody.address.un.sun_path, "%s/none",
             certificates_directory);
    bed.server.remembers.redis = (struct config_redis){
        .address = nobody, .key_file = keys, .timeout_us = 50000, .max_queued = 10};
    bed_start(&bed);
    bed_up(&bed);
    struct address address = bed.client.remote.address;
    side_stop(&bed.server);
    bed.server.local.address = address;
    side_start(&bed.server);
    bed_expect(&bed, side_count(&bed.client, masters_not_resumed) == 1,
               "a store that is empty, and no Redis: a full handshake");
    bed_up(&bed);
    struct tls_store_redis_statistics statistics;
    tls_store_redis_statistics(bed.server.sessions.redis, &statistics);
    ok(statistics.unavailable + statistics.timeouts == 1 && !statistics.is_connected,
       "Redis was asked, and that is counted");
    bed_fini(&bed);
    unlink(keys);
    free(keys);
}

static void no_key_file(void)
{
    struct config_sessions config = {.redis = {.key_file = (char *)(uintptr_t) "/none",
                                               .address.address.any.sa_family = AF_INET}};
    struct sessions sessions;
    char why[256];
    ok(sessions_open(&sessions, &config, why, sizeof why) < 0 && strstr(why, "redis: ") &&
           strstr(why, "/none"),
       "a key file that is not there: %s", why);
    sessions_close(&sessions);
}
#endif

static bool was_reset(const struct pair *pair)
{
    return pair->client.got_reset;
}

static void service_for_others(void)
{
    static char *allow[] = {(char *)(uintptr_t) "other.example"};
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    struct config_service *service =
        side_add_service(&bed.server, "private", CONFIG_CONNECT, bed.ends.address);
    side_add_service(&bed.client, "private", CONFIG_LISTEN, bed_loopback(0));
    service->allow.list = allow;
    service->allow.count = 1;
    bed_start(&bed);
    bed_up(&bed);
    for (int i = 0; i < 5; i++)
        ends_connect(&bed.ends, side_listener(&bed.client, 1), end_sends(10), end_sends(10));
    bed_expect(&bed, ends_count(&bed.ends, was_reset) == 5, "who is not allowed is refused");
    ok(side_count(&bed.server, services_denied) == 5 &&
           counter_get(&bed.client.tunnel->services.list[1].service.refused) == 5,
       "and counted at both ends");
    struct pair *fine = bed_connect(&bed, end_sends(100), end_sends(100));
    bed_expect(&bed, pair_is_complete(fine), "another service is for all");
    ok(side_count(&bed.server, children_failed) == 0, "no child was lost by it");
    bed_fini(&bed);
}

/* One connection after the other over one stream, with data both ways. */
static void keys_by_lease(bool is_12)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.streams.initial = bed.client.config.streams.max = 1;
    bed.client.config.tls.rekey.on_lease = bed.server.config.tls.rekey.on_lease = true;
    bed.server.config.streams.initial = 1;
    if (is_12) {
        use_12(&bed.client);
        use_12(&bed.server);
    }
    bed_start(&bed);
    bed_up(&bed);
    for (int i = 0; i < 3; i++) {
        struct pair *pair = bed_connect(&bed, end_sends(50000), end_sends(50000));
        bed_expect(&bed, pair_is_complete(pair) && !bed_open_connections(&bed),
                   "a connection, every byte right");
        bed_pause(&bed, 260000); /* 250 ms between two changes, for each session */
    }
    uint64_t wanted = is_12 ? 0 : 3;
    ok(side_count(&bed.client, leases_rekeyed) == wanted &&
           side_count(&bed.server, leases_rekeyed) == wanted,
       "TLS 1.%d: %llu and %llu leases began with new keys", is_12 ? 2 : 3,
       (unsigned long long)side_count(&bed.client, leases_rekeyed),
       (unsigned long long)side_count(&bed.server, leases_rekeyed));
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    kept_in_a_file(false);
    kept_in_a_file(true);
    shared_by_tunnels();
    forgotten();
#ifndef WITHOUT_REDIS
    redis_is_not_there();
    no_key_file();
#endif
    service_for_others();
    keys_by_lease(false);
    keys_by_lease(true);
    message_cache_clear();
    return tap_done();
}
