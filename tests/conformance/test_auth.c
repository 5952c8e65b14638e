/* Authenticated chunks on every transport that has them: keys, and ends that differ. */
#include <sched.h>

#include "sctp/auth_chunks.h"
#include "tests/conformance/auth_bed.h"
#include "tests/lib/tap.h"

static void wrong_key(const struct transport_ops *ops)
{
    struct keyed_pair pair;
    keyed_pair_open(&pair, ops);
    must(keyed_add(pair.user, 1, 1) == ERR_OK && keyed_add(pair.peer, 1, 2) == ERR_OK);
    must(keyed_arrives(pair.user, pair.peer, SECOND));
    must(association_auth_use(pair.user->association, 1) == ERR_OK);
    ok(!keyed_arrives(pair.user, pair.peer, SECOND / 2), "with another key nothing arrives");
    keyed_pair_close(&pair);
}

static bool peer_settled(void *argument)
{
    return ((struct keyed_pair *)argument)->settled_there == 1;
}

static void dropped_key(const struct transport_ops *ops)
{
    struct keyed_pair pair;
    keyed_pair_open(&pair, ops);
    must(keyed_add(pair.peer, 1, 1) == ERR_OK && keyed_add(pair.user, 1, 1) == ERR_OK);
    must(association_auth_use(pair.peer->association, 1) == ERR_OK);
    must(keyed_arrives(pair.user, pair.peer, SECOND));
    must(bed_wait(&pair.bed, peer_settled, &pair, SECOND));
    ok(association_auth_drop(pair.peer->association, 1) == ERR_TRANSPORT_SOCKET,
       "the key in use cannot be dropped");
    ok(association_auth_drop(pair.peer->association, 0) == ERR_OK, "key 0 can be");
    ok(!keyed_arrives(pair.user, pair.peer, SECOND / 2), "what has a dropped key does not arrive");
    keyed_pair_close(&pair);
}

#define ROUNDS 20
#define EACH   50

static void under_load(const struct transport_ops *ops)
{
    struct keyed_pair pair;
    keyed_pair_open(&pair, ops);
    uint32_t sent = 0;
    bool changed = true;
    for (uint16_t round = 0; round < ROUNDS && changed; round++) {
        for (unsigned i = 0; i < EACH; i++, sent++) {
            bed_send(pair.user, 1, sent, 16000, 0);
            bed_send(pair.peer, 1, sent, 16000, 0);
        }
        changed = keyed_pair_change(&pair, round, (uint16_t)(round + 1));
    }
    ok(changed && pair.settled_here == ROUNDS, "keys change %d times under load (%u, %u)", ROUNDS,
       pair.settled_here, pair.settled_there);
    ok(bed_wait_messages(pair.peer, sent, 5 * SECOND) &&
           bed_wait_messages(pair.user, sent, 5 * SECOND) && !pair.user->disorders &&
           !pair.peer->disorders && !pair.user->damaged && !pair.peer->damaged,
       "and all %u messages arrive each way, whole and in order", sent);
    keyed_pair_close(&pair);
}

static void ends_differ(const struct transport_ops *ops, bool client_has)
{
    struct bed bed = {.ops = ops, .options = bed_default_options()};
    bed.options.auth = !client_has;
    bed_open_at(&bed, NULL, "127.0.0.1:0");
    bed.options.auth = client_has;
    bed.client = bed_open_one(&bed, "127.0.0.1:0", NULL);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    bed_wait_down(user, SECOND);
    struct bed_user *peer = bed.accepted_count ? bed_latest(&bed) : NULL;
    if (client_has && peer)
        bed_wait_down(peer, SECOND);
    ok(client_has ? user->reason == ERR_TRANSPORT_AUTH && !user->ups
                  : user->down && !strcmp(user->detail, "\"" SCTP_AUTH_MISSING "\""),
       "%s: the client is told so (%s: %s)",
       client_has ? "only the client authenticates" : "only the server", err_name(user->reason),
       user->detail);
    if (client_has)
        ok(peer && peer->reason == ERR_TRANSPORT_ABORTED &&
               !strcmp(peer->detail, "\"" SCTP_AUTH_MISSING "\""),
           "and the server, too");
    else
        ok(!peer, "and the server's user never sees it");
    bed_close(&bed);
    free(user);
}

static void run_all(const char *name)
{
    const struct transport_ops *ops = transport_find(name);
    tap_note("%s", name);
    wrong_key(ops);
    dropped_key(ops);
    under_load(ops);
    ends_differ(ops, true);
    ends_differ(ops, false);
}

/* In a network namespace, so that nobody else's SCTP is touched. */
static bool kernel_authenticates(void)
{
    if (unshare(CLONE_NEWNET) || system("ip link set lo up"))
        return false;
    FILE *file = fopen("/proc/sys/net/sctp/auth_enable", "we");
    if (!file)
        return false;
    bool written = fputs("1", file) >= 0;
    return !fclose(file) && written;
}

int main(int count, char **arguments)
{
    char why[512];
    const struct transport_ops *kernel = transport_find("kernel");
    if (count == 1 || !strcmp(arguments[1], "udp"))
        run_all("udp");
    if (count > 1 && strcmp(arguments[1], "kernel") != 0)
        return tap_done();
    if (!transport_available(kernel, why, sizeof why))
        tap_skip("the kernel transport", why);
    else if (!kernel_authenticates())
        tap_skip("the kernel transport", "network namespaces and net.sctp.auth_enable are needed");
    else
        run_all("kernel");
    return tap_done();
}
