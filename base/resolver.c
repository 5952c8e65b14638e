/* Names are looked up by threads, which share questions, answers and a limit. */
#include "base/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"

/* A look-up that lasted longer makes its name slow: only half of the threads are for those. A name
 * server that answers at all does so in a tenth of it. */
#define SLOW_US     1000000
#define SLOW_MAX    (RESOLVER_MAX_THREADS / 2)
#define IDLE_THREAD 10 /* seconds */

/* All come from the configuration, so none is ever forgotten. */
struct resolver_name {
    char *host;
    LIST_ENTRY(resolver_name) others;
    enum { NAME_IDLE, NAME_QUEUED, NAME_RUNNING } state;
    bool slow;
    uint64_t cached_until_us; /* 0: there is no answer */
    struct resolver_answer answer;
    TAILQ_HEAD(resolver_queries, resolver_query) queries; /* that wait for it */
    TAILQ_ENTRY(resolver_name) queued;                    /* while NAME_QUEUED */
};

struct queue {
    TAILQ_HEAD(queued_names, resolver_name) names;
    unsigned count;
};

struct resolver {
    struct resolver_options options;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work, left;
    LIST_HEAD(resolver_names, resolver_name) names;
    struct queue quick, slow;
    unsigned threads, idle, running, slow_running;
    bool closing, abandoned;
};

static int system_look_up(const char *host, struct addrinfo **found)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    return getaddrinfo(host, NULL, &hints, found);
}

/* ---- answers ---- */

static void deliver_answer(struct mail *mail)
{
    struct resolver_query *query = container_of(mail, struct resolver_query, mail);
    query->on_answer(query);
}

static void set_port(struct address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET)
        address->in.sin_port = htons(port);
    else
        address->in6.sin6_port = htons(port);
}

static void remove_query(struct resolver_query *query)
{
    TAILQ_REMOVE(&query->name->queries, query, others);
    query->waits = false;
}

/* Under the lock, so that after resolver_free nothing touches a mailbox any more. */
static void answer_all_locked(struct resolver_name *name, const struct resolver_answer *answer,
                              bool cached)
{
    for (struct resolver_query *query; (query = TAILQ_FIRST(&name->queries));) {
        remove_query(query);
        query->answer = *answer;
        for (int i = 0; i < answer->count; i++)
            set_port(&query->answer.addresses[i], query->port);
        query->cached = cached;
        query->mail.deliver = deliver_answer;
        mailbox_post(query->reply_to, &query->mail);
    }
}

static void fail_all_locked(struct resolver_name *name, const char *why)
{
    struct resolver_answer answer = {.temporary = true};
    snprintf(answer.why, sizeof answer.why, "%s", why);
    answer_all_locked(name, &answer, false);
}

static void add_address(struct resolver_answer *answer, const struct addrinfo *found)
{
    struct address address = {.length = found->ai_addrlen};
    memcpy(&address.any, found->ai_addr, found->ai_addrlen);
    set_port(&address, 0);
    for (int i = 0; i < answer->count; i++)
        if (address_equal(&answer->addresses[i], &address))
            return;
    if (answer->count < RESOLVER_MAX_ADDRESSES)
        answer->addresses[answer->count++] = address;
}

static const struct addrinfo *of_family(const struct addrinfo *found, int family)
{
    while (found && found->ai_family != family)
        found = found->ai_next;
    return found;
}

/* The families by turns, that of the system's first choice first. */
static void add_addresses(struct resolver_answer *answer, const struct addrinfo *found)
{
    while (found && found->ai_family != AF_INET && found->ai_family != AF_INET6)
        found = found->ai_next;
    bool ipv6_first = found && found->ai_family == AF_INET6;
    const int families[] = {ipv6_first ? AF_INET6 : AF_INET, ipv6_first ? AF_INET : AF_INET6};
    const struct addrinfo *next[] = {found, found};
    while (next[0] || next[1])
        for (int i = 0; i < 2; i++) {
            next[i] = of_family(next[i], families[i]);
            if (!next[i])
                continue;
            add_address(answer, next[i]);
            next[i] = next[i]->ai_next;
        }
}

/* getaddrinfo says EAI_AGAIN for a silent name server, for one that cannot be reached and for one
 * that says SERVFAIL; errno is then EAGAIN (glibc's nss_dns). Only the time tells them apart. */
static void say_why(struct resolver_answer *answer, int code, int error, uint64_t took_us)
{
    const char *words = code == EAI_SYSTEM ? strerrordesc_np(error) : gai_strerror(code);
    answer->temporary = code == EAI_AGAIN || code == EAI_SYSTEM || code == EAI_MEMORY;
    if (code == 0)
        snprintf(answer->why, sizeof answer->why, "no address of a usable family");
    else if (code == EAI_AGAIN && took_us >= SLOW_US)
        snprintf(answer->why, sizeof answer->why, "the name servers were silent for %.1f s (%s)",
                 (double)took_us / 1e6, words);
    else
        snprintf(answer->why, sizeof answer->why, "%s%s",
                 code == EAI_NONAME  ? "the name does not exist: "
                 : code == EAI_AGAIN ? "no name server can be reached, or none can say: "
                                     : "",
                 words ? words : "unknown error");
}

/* ---- names ---- */

static struct resolver_name *name_locked(struct resolver *resolver, const char *host)
{
    struct resolver_name *name;
    LIST_FOREACH(name, &resolver->names, others)
    if (!strcmp(name->host, host))
        return name;
    name = check_alloc(sizeof *name);
    name->host = check_strdup(host);
    TAILQ_INIT(&name->queries);
    LIST_INSERT_HEAD(&resolver->names, name, others);
    return name;
}

/* ---- queues ---- */

static struct queue *queue_of(struct resolver *resolver, const struct resolver_name *name)
{
    return name->slow ? &resolver->slow : &resolver->quick;
}

static void enqueue_locked(struct resolver *resolver, struct resolver_name *name)
{
    struct queue *queue = queue_of(resolver, name);
    name->state = NAME_QUEUED;
    TAILQ_INSERT_TAIL(&queue->names, name, queued);
    queue->count++;
}

static void dequeue_locked(struct resolver *resolver, struct resolver_name *name)
{
    struct queue *queue = queue_of(resolver, name);
    TAILQ_REMOVE(&queue->names, name, queued);
    queue->count--;
    name->state = NAME_IDLE;
}

/* Names that may begin now. */
static unsigned ready_locked(const struct resolver *resolver)
{
    unsigned room = SLOW_MAX - resolver->slow_running;
    return resolver->quick.count + (resolver->slow.count < room ? resolver->slow.count : room);
}

static struct resolver_name *take_locked(struct resolver *resolver)
{
    struct resolver_name *name = TAILQ_FIRST(&resolver->quick.names);
    if (!name && resolver->slow_running < SLOW_MAX)
        name = TAILQ_FIRST(&resolver->slow.names);
    if (name)
        dequeue_locked(resolver, name);
    return name;
}

/* ---- threads ---- */

static void look_up_locked(struct resolver *resolver, struct resolver_name *name)
{
    struct resolver_answer answer = {.count = 0};
    struct addrinfo *found = NULL;
    bool slow = name->slow;
    /* A copy: resolver_free frees the name while we are still in getaddrinfo. */
    char *host = check_strdup(name->host);
    name->state = NAME_RUNNING;
    resolver->running++;
    resolver->slow_running += slow;
    pthread_mutex_unlock(&resolver->lock);
    uint64_t begun_us = resolver->options.now_us();
    errno = 0;
    int code = resolver->options.look_up(host, &found), error = errno;
    uint64_t now_us = resolver->options.now_us();
    if (code == 0)
        add_addresses(&answer, found);
    if (found)
        freeaddrinfo(found);
    if (!answer.count)
        say_why(&answer, code, error, now_us - begun_us);
    free(host);
    pthread_mutex_lock(&resolver->lock);
    resolver->running--;
    resolver->slow_running -= slow;
    if (resolver->closing)
        return;
    name->state = NAME_IDLE;
    name->slow = now_us - begun_us >= SLOW_US;
    name->answer = answer;
    name->cached_until_us = now_us + (answer.count ? RESOLVER_CACHE_US : RESOLVER_CACHE_FAILURE_US);
    answer_all_locked(name, &answer, false);
}

/* False: nothing came for long. */
static bool wait_locked(struct resolver *resolver)
{
    struct timespec until;
    int result = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_THREAD;
    resolver->idle++;
    while (!result && !resolver->closing && !ready_locked(resolver))
        result = pthread_cond_timedwait(&resolver->work, &resolver->lock, &until);
    resolver->idle--;
    return !result || ready_locked(resolver);
}

static void destroy(struct resolver *resolver)
{
    pthread_cond_destroy(&resolver->work);
    pthread_cond_destroy(&resolver->left);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

/* The last one destroys a resolver that resolver_free could not. */
static void *answer_queries(void *argument)
{
    struct resolver *resolver = argument;
    struct resolver_name *name;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->closing) {
        if ((name = take_locked(resolver)))
            look_up_locked(resolver, name);
        else if (!wait_locked(resolver))
            break;
    }
    resolver->threads--;
    bool last = resolver->abandoned && !resolver->threads;
    pthread_cond_signal(&resolver->left);
    pthread_mutex_unlock(&resolver->lock);
    if (last)
        destroy(resolver);
    return NULL;
}

static void fail_queued_locked(struct resolver *resolver, int error)
{
    char why[sizeof(((struct resolver_answer *)0)->why)];
    struct resolver_name *name;
    snprintf(why, sizeof why, "no thread for the look-up: %s", strerrordesc_np(error));
    while ((name = take_locked(resolver)))
        fail_all_locked(name, why);
}

/* A thread for each name that may begin. Without any thread they fail; else one of those that run
 * takes them later. */
static void provide_thread_locked(struct resolver *resolver)
{
    pthread_t thread;
    if (ready_locked(resolver) <= resolver->idle) {
        pthread_cond_signal(&resolver->work);
        return;
    }
    if (resolver->threads == RESOLVER_MAX_THREADS)
        return;
    int error = thread_start(&thread, "resolver", answer_queries, resolver);
    if (!error) {
        pthread_detach(thread);
        resolver->threads++;
    } else if (!resolver->threads) {
        fail_queued_locked(resolver, error);
    }
}

/* ---- from outside ---- */

struct resolver *resolver_new(const struct resolver_options *options)
{
    struct resolver *resolver = check_alloc(sizeof *resolver);
    pthread_condattr_t monotonic;
    if (options)
        resolver->options = *options;
    if (!resolver->options.look_up)
        resolver->options.look_up = system_look_up;
    if (!resolver->options.now_us)
        resolver->options.now_us = clock_us;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->work, &monotonic);
    pthread_cond_init(&resolver->left, NULL);
    pthread_condattr_destroy(&monotonic);
    TAILQ_INIT(&resolver->quick.names);
    TAILQ_INIT(&resolver->slow.names);
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->lock);
    resolver->closing = true;
    for (struct resolver_name *name; (name = LIST_FIRST(&resolver->names));) {
        fail_all_locked(name, "shutting down");
        LIST_REMOVE(name, others);
        free(name->host);
        free(name);
    }
    pthread_cond_broadcast(&resolver->work);
    /* getaddrinfo cannot be interrupted and may wait half a minute for a dead name server. */
    while (resolver->threads > resolver->running)
        pthread_cond_wait(&resolver->left, &resolver->lock);
    resolver->abandoned = resolver->threads;
    bool last = !resolver->abandoned;
    pthread_mutex_unlock(&resolver->lock);
    if (last)
        destroy(resolver);
}

void resolver_ask(struct resolver *resolver, struct resolver_query *query)
{
    pthread_mutex_lock(&resolver->lock);
    struct resolver_name *name = name_locked(resolver, query->host);
    query->name = name;
    query->waits = true;
    TAILQ_INSERT_TAIL(&name->queries, query, others);
    if (name->state == NAME_IDLE) {
        if (!query->fresh && resolver->options.now_us() < name->cached_until_us) {
            answer_all_locked(name, &name->answer, true);
        } else {
            enqueue_locked(resolver, name);
            provide_thread_locked(resolver);
        }
    }
    pthread_mutex_unlock(&resolver->lock);
}

bool resolver_cancel(struct resolver *resolver, struct resolver_query *query)
{
    pthread_mutex_lock(&resolver->lock);
    bool waits = query->waits;
    if (waits) {
        remove_query(query);
        if (TAILQ_EMPTY(&query->name->queries) && query->name->state == NAME_QUEUED)
            dequeue_locked(resolver, query->name);
    }
    pthread_mutex_unlock(&resolver->lock);
    return waits;
}
