/* Quotas of identities: streams and connections. */
#include "proxy/local/quota.h"

#include <string.h>

#include "tests/lib/tap.h"

static const struct config_identity limits = {
    .max_associations = 2, .max_connections = 2, .max_streams = 1000, .memory = 600};
static struct mux_budget whole = {.limit = 1000};

static struct quota *find(struct quota **list, const char *name)
{
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_CERTIFICATE);
    tls_identity_add_name(identity, TLS_NAME_DNS, name, strlen(name));
    struct quota *quota = quota_find(list, identity, &limits, &whole);
    tls_identity_unref(identity);
    return quota;
}

static void test_list(void)
{
    struct quota *list = NULL;
    struct quota *a = find(&list, "a.example"), *b = find(&list, "b.example");
    ok(a != b && find(&list, "A.example") == a, "one for each identity");
    ok(mux_budget_take(&a->budget, 600, BUDGET_ALL) &&
           !mux_budget_take(&a->budget, 1, BUDGET_ALL) &&
           !mux_budget_take(&b->budget, 401, BUDGET_ALL),
       "with its part of the memory");
    mux_budget_give(&a->budget, 600);
    quota_unref(a);
    quota_unref(b);
    ok(find(&list, "c.example") && list->next == a && !a->next, "who has gone is forgotten");
    quota_unref(a);
    quota_unref(list);
    quota_clear(&list);
    quota_unref(NULL);
    ok(!list, "all of them at the end");
}

static void test_streams(void)
{
    struct quota *list = NULL, *quota = find(&list, "a.example");
    ok(quota_take_streams(quota, 400) == 400, "all that both ends allow");
    ok(quota_take_streams(quota, 400) == 300, "then half of what is left");
    ok(quota_take_streams(quota, 8) == 8, "or what is asked for");
    quota_take_streams(quota, 280);
    ok(quota->streams == 854 && quota_take_streams(quota, 400) == 73, "and again: %u",
       quota->streams);
    while (quota->streams < 1000)
        quota_take_streams(quota, 400);
    ok(quota_take_streams(quota, 400) == 16 && quota_take_streams(quota, 3) == 3,
       "some in any case");
    quota_give_streams(quota, quota->streams);
    quota_unref(quota);
    quota_clear(&list);
}

static void test_connections(void)
{
    struct quota *list = NULL, *quota = find(&list, "a.example");
    ok(quota_connection_begin(quota, false) && quota_connection_begin(quota, false) &&
           !quota_connection_begin(quota, false),
       "as many connections as there may be");
    ok(quota_connection_begin(quota, true), "our own are only counted");
    for (int i = 0; i < 3; i++)
        quota_connection_end(quota);
    ok(quota_connection_begin(quota, false), "those that have ended make room");
    quota_connection_end(quota);
    quota_unref(quota);
    quota_clear(&list);
}

int main(void)
{
    test_list();
    test_streams();
    test_connections();
    return tap_done();
}
