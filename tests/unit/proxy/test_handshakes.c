/* Handshakes by reason, and the one line that says that children are not resumed any more. */
#include "proxy/link/handshakes.h"

#include "tests/unit/proxy/bed.h"

static int saved_stderr;
static FILE *captured;

static void capture_begin(void)
{
    captured = tmpfile();
    saved_stderr = dup(2);
    must(captured && saved_stderr >= 0);
    fflush(stderr);
    must(dup2(fileno(captured), 2) == 2);
}

/* The number of lines with these words. */
static size_t capture_end(const char *words)
{
    char line[1024];
    size_t count = 0;
    fflush(stderr);
    must(dup2(saved_stderr, 2) == 2);
    close(saved_stderr);
    rewind(captured);
    while (fgets(line, sizeof line, captured))
        count += strstr(line, words) != NULL;
    fclose(captured);
    return count;
}

static void share(struct tunnel *tunnel)
{
    log_set_level(LOG_WARNING);
    tunnel->owner.handshakes = (struct handshakes){0};
    capture_begin();
    for (int i = 0; i < 990; i++)
        handshakes_child(&tunnel->owner, i % 10 != 0, ERR_OK);
    ok(capture_end("not resumed") == 0, "90 of 100 resumed: no line");
    capture_begin();
    for (int i = 0; i < 500; i++)
        handshakes_child(&tunnel->owner, i % 2, i % 2 ? ERR_OK : ERR_TLS_NOT_RESUMED);
    ok(capture_end("11 of the last 100 child sessions were not resumed from their master: the last "
                   "failure: child session was not resumed from the master") == 1,
       "less: one line, once a minute");
    tunnel->owner.handshakes = (struct handshakes){0};
    capture_begin();
    for (int i = 0; i < 20; i++)
        handshakes_child(&tunnel->owner, false, ERR_OK);
    ok(capture_end("11 of the last 11 child sessions were not resumed from their master: each cost "
                   "a full handshake") == 1,
       "at the beginning too, before there are 100");
    log_set_level(LOG_ERROR);
}

static void reasons(struct side *side)
{
    static const enum err all[] = {
        ERR_TLS_HANDSHAKE,       ERR_TLS_TIMEOUT,   ERR_TLS_NOT_RESUMED,    ERR_TLS_OTHER_MASTER,
        ERR_TLS_PEER_UNVERIFIED, ERR_TLS_PEER_NAME, ERR_TLS_NO_CERTIFICATE, ERR_FRAME_VALUE};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        handshakes_failed(&side->tunnel->owner, all[i]);
    ok(side_count(side, failures_alert) == 1 && side_count(side, failures_timeout) == 1 &&
           side_count(side, failures_not_resumed) == 1 &&
           side_count(side, failures_other_master) == 1 &&
           side_count(side, failures_unverified) == 2 && side_count(side, failures_name) == 1 &&
           side_count(side, failures_other) == 1,
       "each failure is counted by its reason");
}

/* A client whom the server does not let in, seen from both ends. */
static void a_stranger(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    free(bed.client.config.tls.cert);
    free(bed.client.config.tls.key);
    bed.client.config.tls.cert = certificates_path("other.pem");
    bed.client.config.tls.key = certificates_path("other.key");
    bed_start(&bed);
    bed_expect(&bed, side_count(&bed.server, failures_name) > 0, "the server counts the name");
    bed_expect(&bed, side_count(&bed.client, failures_alert) > 0, "the client its alert");
    bed_fini(&bed);
}

int main(void)
{
    struct bed bed;
    bed_main_begin();
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    share(bed.client.tunnel);
    reasons(&bed.client);
    bed_fini(&bed);
    a_stranger();
    message_cache_clear();
    return tap_done();
}
