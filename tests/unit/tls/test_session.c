#include "tests/unit/tls/pair.h"

static struct tls_credentials *client_credentials, *server_credentials;

static void test_master_and_child(void)
{
    struct pair master, child;
    ok(open_master(&master, client_credentials, server_credentials, NULL),
       "master: both ends done");
    tap_note("client %s, server %s", tls_session_detail(master.client.session),
             tls_session_detail(master.server.session));
    ok(!tls_session_is_resumed(master.client.session), "full handshake");
    struct tls_generation *c = tls_session_generation(master.client.session),
                          *s = tls_session_generation(master.server.session);
    ok(c && s, "both have a generation");
    tap_note("%ld %ld", (long)tls_generation_expires_in(c), (long)tls_generation_expires_in(s));
    ok(open_child(&child, client_credentials, c, server_credentials, s), "child");
    tap_note("client %s, server %s", tls_session_detail(child.client.session),
             tls_session_detail(child.server.session));
    ok(tls_session_is_resumed(child.client.session), "resumed");
    free_pair(&child);
    free_pair(&master);
    tls_generation_unref(c);
    tls_generation_unref(s);
}

int main(void)
{
    make_certificates();
    client_credentials = load_credentials(options_for(TLS_CLIENT, "client"));
    server_credentials = load_credentials(options_for(TLS_SERVER, "server"));
    test_master_and_child();
    tls_credentials_unref(client_credentials);
    tls_credentials_unref(server_credentials);
    message_cache_clear();
    return tap_done();
}
