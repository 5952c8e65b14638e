#include "base/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/thread.h"

struct resolver {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t asked;
    struct resolver_query *first, **last; /* not begun */
    struct resolver_query *current;       /* in getaddrinfo */
    bool closing;
    pthread_t thread;
};

static void deliver_answer(struct mail *mail)
{
    struct resolver_query *query = container_of(mail, struct resolver_query, mail);
    query->on_answer(query);
}

/* Under the lock, so that after resolver_free nothing touches a mailbox any more. */
static void answer_locked(struct resolver_query *query)
{
    query->mail.deliver = deliver_answer;
    mailbox_post(query->reply_to, &query->mail);
}

static void fail_locked(struct resolver_query *query, const char *why)
{
    query->count = 0;
    query->why = why;
    answer_locked(query);
}

static void unlink_locked(struct resolver *resolver, struct resolver_query *query)
{
    *query->link = query->next;
    if (query->next)
        query->next->link = query->link;
    else
        resolver->last = query->link;
    query->link = NULL;
}

static struct resolver_query *take_locked(struct resolver *resolver)
{
    struct resolver_query *query = resolver->first;
    if (query)
        unlink_locked(resolver, query);
    return query;
}

static void add_address(struct resolver_query *query, const struct addrinfo *found)
{
    struct address address = {.length = found->ai_addrlen};
    if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
        return;
    memcpy(&address.any, found->ai_addr, found->ai_addrlen);
    if (found->ai_family == AF_INET)
        address.in.sin_port = htons(query->port);
    else
        address.in6.sin6_port = htons(query->port);
    for (int i = 0; i < query->count; i++)
        if (address_equal(&query->addresses[i], &address))
            return;
    query->addresses[query->count++] = address;
}

static void complete_locked(struct resolver_query *query, int error, const struct addrinfo *found)
{
    query->count = 0;
    for (; found && query->count < RESOLVER_MAX_ADDRESSES; found = found->ai_next)
        add_address(query, found);
    if (query->count > 0)
        answer_locked(query);
    else
        fail_locked(query, error ? gai_strerror(error) : "no address of a usable family");
}

static void look_up(struct resolver *resolver)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    /* A copy: resolver_free gives the query back while we are still in getaddrinfo. */
    char *host = check_strdup(resolver->current->host);
    pthread_mutex_unlock(&resolver->lock);
    int error = getaddrinfo(host, NULL, &hints, &found);
    pthread_mutex_lock(&resolver->lock);
    if (resolver->current)
        complete_locked(resolver->current, error, found);
    resolver->current = NULL;
    if (found)
        freeaddrinfo(found);
    free(host);
}

static void destroy(struct resolver *resolver)
{
    pthread_cond_destroy(&resolver->asked);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

/* Runs until closing; destroys the resolver if resolver_free has gone without it. */
static void *answer_queries(void *argument)
{
    struct resolver *resolver = argument;
    bool abandoned = false;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->closing) {
        resolver->current = take_locked(resolver);
        if (resolver->current) {
            look_up(resolver);
            abandoned = resolver->closing;
        } else {
            pthread_cond_wait(&resolver->asked, &resolver->lock);
        }
    }
    pthread_mutex_unlock(&resolver->lock);
    if (abandoned)
        destroy(resolver);
    return NULL;
}

struct resolver *resolver_new(void)
{
    struct resolver *resolver = check_alloc(sizeof *resolver);
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->asked, NULL);
    resolver->last = &resolver->first;
    if (thread_start(&resolver->thread, "resolver", answer_queries, resolver) != 0) {
        destroy(resolver);
        return NULL;
    }
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    static const char why[] = "shutting down";
    struct resolver_query *query;
    if (!resolver)
        return;
    pthread_t thread = resolver->thread;
    pthread_mutex_lock(&resolver->lock);
    resolver->closing = true;
    while ((query = take_locked(resolver)))
        fail_locked(query, why);
    /* getaddrinfo cannot be interrupted and may wait half a minute for a dead name server. */
    bool abandon = resolver->current != NULL;
    if (abandon) {
        fail_locked(resolver->current, why);
        resolver->current = NULL;
        pthread_detach(thread);
    } else {
        pthread_cond_signal(&resolver->asked);
    }
    pthread_mutex_unlock(&resolver->lock);
    if (abandon)
        return;
    thread_join(thread);
    destroy(resolver);
}

void resolver_ask(struct resolver *resolver, struct resolver_query *query)
{
    pthread_mutex_lock(&resolver->lock);
    query->next = NULL;
    query->link = resolver->last;
    *resolver->last = query;
    resolver->last = &query->next;
    pthread_cond_signal(&resolver->asked);
    pthread_mutex_unlock(&resolver->lock);
}

bool resolver_cancel(struct resolver *resolver, struct resolver_query *query)
{
    pthread_mutex_lock(&resolver->lock);
    bool waits = query->link != NULL;
    if (waits)
        unlink_locked(resolver, query);
    pthread_mutex_unlock(&resolver->lock);
    return waits;
}
