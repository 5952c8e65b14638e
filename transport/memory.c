#include "transport/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/mailbox.h"

#define QUEUE_BYTES  (256 * 1024)
#define DETAIL_MAX   200
#define FIRST_PORT   20000
#define PLAUSIBLE_IP 65536 /* the MTU that status shows: the loopback device's */

enum letter_kind {
    LETTER_CONNECT,  /* streams */
    LETTER_ACCEPT,   /* streams */
    LETTER_DATA,     /* message */
    LETTER_ARRIVED,  /* bytes of a message that was delivered */
    LETTER_SHUTDOWN, /* everything sent has arrived; end when the same holds for you */
    LETTER_FINISHED, /* the answer */
    LETTER_ABORT,    /* detail */
    LETTER_LOST,
};

/* What travels between two ends. from and to are numbers of ends, so that a letter to one that
 * is gone finds nobody. */
struct letter {
    struct mail mail;
    TAILQ_ENTRY(letter) link;
    enum letter_kind kind;
    struct memory *transport; /* the receiver's, set when it is posted */
    uint64_t from_transport, from, to;
    uint64_t due_us;
    struct message *message;
    uint32_t bytes;
    uint16_t streams;
    char detail[DETAIL_MAX + 1];
};
TAILQ_HEAD(letters, letter);

enum end_state { END_INCOMING, END_CONNECTING, END_UP, END_SHUTTING, END_GONE };

struct end {
    struct association base;
    TAILQ_ENTRY(end) link;
    struct memory *transport;
    struct association_events *events;
    struct address peer;
    uint64_t number, peer_transport, peer_number;
    enum end_state state;
    bool peer_shutting, want_writable;
    uint16_t streams;
    size_t in_flight;
    uint64_t moved;          /* messages sent and received */
    struct letters letters;  /* by due_us */
    uint64_t *due_us;        /* of the latest message of each stream */
    uint64_t latest_due_us;  /* of any letter */
    uint64_t control_due_us; /* of any but a message */
    struct loop_timer letter_timer, limit_timer;
    struct loop_task writable_task, down_task;
    enum err reason;
    char detail[DETAIL_MAX + 1];
};
TAILQ_HEAD(ends, end);

struct memory {
    struct transport base;
    struct memory *next; /* of the registry */
    struct loop *loop;
    struct transport_options options;
    struct transport_acceptor *acceptor;
    struct memory_faults faults;
    struct address local;
    uint64_t number, random;
    struct mailbox box;
    struct ends ends;
};

/* How the two ends of a test find each other: endpoints of any thread, by port or number. The
 * lock is also held while a letter is posted, so that the receiver cannot go meanwhile. */
static struct {
    pthread_mutex_t lock;
    struct memory *first;
    struct memory_faults faults;
    uint64_t last_number;
    uint16_t last_port;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .last_port = FIRST_PORT};

static uint16_t port_of(const struct address *address)
{
    return ntohs(address->any.sa_family == AF_INET ? address->in.sin_port : address->in6.sin6_port);
}

static uint64_t new_number(void)
{
    pthread_mutex_lock(&registry.lock);
    uint64_t number = ++registry.last_number;
    pthread_mutex_unlock(&registry.lock);
    return number;
}

static struct memory *by_port(uint16_t port)
{
    struct memory *found = registry.first;
    while (found && port_of(&found->local) != port)
        found = found->next;
    return found;
}

static struct memory *by_number(uint64_t number)
{
    struct memory *found = registry.first;
    while (found && found->number != number)
        found = found->next;
    return found;
}

/* splitmix64. */
static uint64_t random_below(struct memory *self, uint64_t limit)
{
    uint64_t z = self->random += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return limit ? (z ^ z >> 31) % limit : 0;
}

/* ---- letters ---- */

static void on_letter(struct mail *mail);

static struct letter *new_letter(const struct end *from, enum letter_kind kind)
{
    struct letter *letter = check_alloc(sizeof *letter);
    letter->mail.deliver = on_letter;
    letter->kind = kind;
    letter->from_transport = from->transport->number;
    letter->from = from->number;
    letter->to = from->peer_number;
    return letter;
}

static void free_letter(struct letter *letter)
{
    message_free(letter->message);
    free(letter);
}

/* False when that endpoint is gone; the letter is then, too. */
static bool post(struct letter *letter, uint64_t transport)
{
    pthread_mutex_lock(&registry.lock);
    letter->transport = by_number(transport);
    bool found = letter->transport != NULL;
    if (found)
        mailbox_post(&letter->transport->box, &letter->mail);
    pthread_mutex_unlock(&registry.lock);
    if (!found)
        free_letter(letter);
    return found;
}

static void tell(const struct end *self, enum letter_kind kind)
{
    post(new_letter(self, kind), self->peer_transport);
}

/* ---- the end of an end ---- */

static void free_end(struct end *self)
{
    loop_task_cancel(self->transport->loop, &self->down_task);
    TAILQ_REMOVE(&self->transport->ends, self, link);
    if (self->events)
        self->events->on_down(self->events, self->reason, self->detail);
    free(self->due_us);
    free(self);
}

static void on_down_task(struct loop_task *task)
{
    free_end(container_of(task, struct end, down_task));
}

static void go_down(struct end *self, enum err reason, const char *detail)
{
    if (self->state == END_GONE)
        return;
    struct loop *loop = self->transport->loop;
    self->reason = self->state == END_SHUTTING ? ERR_LOCAL_SHUTDOWN : reason;
    snprintf(self->detail, sizeof self->detail, "%s", detail ? detail : "");
    self->state = END_GONE;
    loop_timer_cancel(loop, &self->letter_timer);
    loop_timer_cancel(loop, &self->limit_timer);
    loop_task_cancel(loop, &self->writable_task);
    for (struct letter *letter; (letter = TAILQ_FIRST(&self->letters));) {
        TAILQ_REMOVE(&self->letters, letter, link);
        free_letter(letter);
    }
    loop_task_queue(loop, &self->down_task);
}

static void finish_shutdown(struct end *self)
{
    if (self->in_flight)
        return;
    if (self->peer_shutting) {
        tell(self, LETTER_FINISHED);
        go_down(self, ERR_TRANSPORT_CLOSED, "");
    } else if (self->state == END_SHUTTING) {
        tell(self, LETTER_SHUTDOWN);
    }
}

/* Counts a message; true when the association vanishes with it. */
static bool vanishes(struct end *self)
{
    uint64_t lose_after = self->transport->faults.lose_after;
    if (!lose_after || ++self->moved < lose_after)
        return false;
    tell(self, LETTER_LOST);
    go_down(self, ERR_TRANSPORT_LOST, "");
    return true;
}

/* ---- letters that arrive ---- */

static void come_up(struct end *self, uint16_t streams)
{
    loop_timer_cancel(self->transport->loop, &self->limit_timer);
    self->state = END_UP;
    self->streams = streams;
}

static void connected_to(struct end *self, uint16_t streams)
{
    struct memory *transport = self->transport;
    struct letter *letter = new_letter(self, LETTER_ACCEPT);
    letter->streams = streams < transport->options.streams ? streams : transport->options.streams;
    come_up(self, letter->streams);
    post(letter, self->peer_transport);
    self->events = transport->acceptor->on_incoming(transport->acceptor, &self->base, &self->peer);
    if (!self->events)
        association_close(&self->base, ASSOCIATION_ABORT, "not accepted");
    else if (self->state == END_UP)
        self->events->on_up(self->events, self->streams);
}

static void data_arrived(struct end *self, struct letter *letter)
{
    if (self->state == END_CONNECTING || vanishes(self))
        return;
    struct letter *answer = new_letter(self, LETTER_ARRIVED);
    answer->bytes = letter->message->length;
    post(answer, self->peer_transport);
    struct message *message = letter->message;
    letter->message = NULL;
    self->events->on_message(self->events, message);
}

static size_t queue_limit(const struct end *self)
{
    uint32_t bytes = self->transport->faults.queue_bytes;
    return bytes ? bytes : QUEUE_BYTES;
}

static void tell_writable(struct end *self)
{
    if (self->state != END_UP || !self->want_writable || self->in_flight > queue_limit(self) / 2)
        return;
    self->want_writable = false;
    self->events->on_writable(self->events);
}

static void take(struct end *self, struct letter *letter)
{
    switch (letter->kind) {
    case LETTER_CONNECT:
        connected_to(self, letter->streams);
        break;
    case LETTER_ACCEPT:
        self->peer_number = letter->from;
        come_up(self, letter->streams);
        self->events->on_up(self->events, self->streams);
        break;
    case LETTER_DATA:
        data_arrived(self, letter);
        break;
    case LETTER_ARRIVED:
        self->in_flight -= letter->bytes;
        if (self->state == END_SHUTTING || self->peer_shutting)
            finish_shutdown(self);
        else
            tell_writable(self);
        break;
    case LETTER_SHUTDOWN:
        self->peer_shutting = true;
        finish_shutdown(self);
        break;
    case LETTER_FINISHED:
        go_down(self, ERR_TRANSPORT_CLOSED, "");
        break;
    case LETTER_ABORT:
        go_down(self, self->state == END_CONNECTING ? ERR_TRANSPORT_REFUSED : ERR_TRANSPORT_ABORTED,
                letter->detail);
        break;
    case LETTER_LOST:
        go_down(self, ERR_TRANSPORT_LOST, "");
        break;
    }
}

static void take_due(struct end *self)
{
    struct loop *loop = self->transport->loop;
    for (struct letter *letter; (letter = TAILQ_FIRST(&self->letters));) {
        if (letter->due_us > loop_now(loop)) {
            loop_timer_set(loop, &self->letter_timer, letter->due_us);
            return;
        }
        TAILQ_REMOVE(&self->letters, letter, link);
        take(self, letter);
        free_letter(letter);
    }
}

static void on_letter_timer(struct loop_timer *timer)
{
    take_due(container_of(timer, struct end, letter_timer));
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Messages keep their order within a stream, and come after what made the association;
 * everything else but LETTER_ARRIVED comes after all that was before. */
static void schedule(struct end *self, struct letter *letter)
{
    struct memory *transport = self->transport;
    uint64_t due = loop_now(transport->loop) + transport->faults.delay_us +
                   random_below(transport, transport->faults.jitter_us + 1);
    if (letter->kind == LETTER_DATA) {
        uint64_t *of_stream = &self->due_us[letter->message->stream];
        due = *of_stream = later(later(due, *of_stream), self->control_due_us);
    } else if (letter->kind != LETTER_ARRIVED) {
        due = self->control_due_us = later(due, self->latest_due_us);
    }
    letter->due_us = due;
    self->latest_due_us = later(due, self->latest_due_us);
    struct letter *before = TAILQ_LAST(&self->letters, letters);
    while (before && before->due_us > due)
        before = TAILQ_PREV(before, letters, link);
    if (before)
        TAILQ_INSERT_AFTER(&self->letters, before, letter, link);
    else
        TAILQ_INSERT_HEAD(&self->letters, letter, link);
    take_due(self);
}

static void on_limit_timer(struct loop_timer *timer)
{
    go_down(container_of(timer, struct end, limit_timer), ERR_TRANSPORT_TIMEOUT, "");
}

static void on_writable_task(struct loop_task *task)
{
    tell_writable(container_of(task, struct end, writable_task));
}

static struct end *new_end(struct memory *transport, const struct address *peer)
{
    struct end *self = check_alloc(sizeof *self);
    self->base.ops = &memory_ops;
    self->transport = transport;
    self->peer = *peer;
    self->number = new_number();
    self->due_us = check_alloc(65536 * sizeof *self->due_us);
    self->letter_timer = (struct loop_timer){.on_expire = on_letter_timer};
    self->limit_timer = (struct loop_timer){.on_expire = on_limit_timer};
    self->writable_task = (struct loop_task){.on_run = on_writable_task};
    self->down_task = (struct loop_task){.on_run = on_down_task};
    TAILQ_INIT(&self->letters);
    TAILQ_INSERT_TAIL(&transport->ends, self, link);
    return self;
}

static struct end *end_by_number(struct memory *transport, uint64_t number)
{
    struct end *end;
    TAILQ_FOREACH(end, &transport->ends, link)
    {
        if (end->number == number && end->state != END_GONE)
            return end;
    }
    return NULL;
}

static uint32_t count_ends(const struct memory *transport)
{
    uint32_t count = 0;
    struct end *end;
    TAILQ_FOREACH(end, &transport->ends, link)
    {
        count += end->state != END_GONE;
    }
    return count;
}

/* A peer begins; the address that is shown is the loopback one with its port. NULL: no answer,
 * or already refused. */
static struct end *incoming(struct memory *transport, const struct letter *letter)
{
    if (count_ends(transport) >= transport->options.max_associations)
        return NULL;
    struct address peer = transport->local;
    pthread_mutex_lock(&registry.lock);
    const struct memory *from = by_number(letter->from_transport);
    if (from)
        peer = from->local;
    pthread_mutex_unlock(&registry.lock);
    struct end *self = new_end(transport, &peer);
    self->peer_transport = letter->from_transport;
    self->peer_number = letter->from;
    if (transport->acceptor)
        return self;
    tell(self, LETTER_ABORT);
    go_down(self, ERR_TRANSPORT_REFUSED, "");
    return NULL;
}

static void on_letter(struct mail *mail)
{
    struct letter *letter = container_of(mail, struct letter, mail);
    struct memory *transport = letter->transport;
    struct end *end = letter->kind == LETTER_CONNECT ? incoming(transport, letter)
                                                     : end_by_number(transport, letter->to);
    if (end)
        schedule(end, letter);
    else
        free_letter(letter);
}

/* ---- the operations ---- */

static bool memory_available(char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    return true;
}

static bool take_port(struct memory *self)
{
    if (!port_of(&self->local)) {
        while (by_port(++registry.last_port) || registry.last_port < FIRST_PORT)
            ;
        uint16_t port = htons(registry.last_port);
        if (self->local.any.sa_family == AF_INET)
            self->local.in.sin_port = port;
        else
            self->local.in6.sin6_port = port;
    }
    return !by_port(port_of(&self->local));
}

static bool enlist(struct memory *self)
{
    pthread_mutex_lock(&registry.lock);
    bool free_port = take_port(self);
    if (free_port) {
        self->number = ++registry.last_number;
        self->faults = registry.faults;
        self->random = self->faults.seed + self->number;
        self->next = registry.first;
        registry.first = self;
    }
    pthread_mutex_unlock(&registry.lock);
    return free_port;
}

static void delist(struct memory *self)
{
    pthread_mutex_lock(&registry.lock);
    struct memory **link = &registry.first;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    pthread_mutex_unlock(&registry.lock);
}

static enum err memory_open(struct loop *loop, const struct address *local,
                            const struct transport_options *options,
                            struct transport_acceptor *acceptor, struct transport **transport,
                            char *why, size_t why_size)
{
    if (local->any.sa_family != AF_INET && local->any.sa_family != AF_INET6) {
        snprintf(why, why_size, "needs an IPv4 or IPv6 address");
        return ERR_TRANSPORT_ADDRESS;
    }
    struct memory *self = check_alloc(sizeof *self);
    self->base.ops = &memory_ops;
    self->loop = loop;
    self->options = *options;
    self->acceptor = acceptor;
    self->local = *local;
    TAILQ_INIT(&self->ends);
    if (mailbox_init(&self->box, loop)) {
        snprintf(why, why_size, "mailbox: no descriptor");
        free(self);
        return ERR_TRANSPORT_SOCKET;
    }
    if (!enlist(self)) {
        snprintf(why, why_size, "port %u is taken", port_of(local));
        mailbox_fini(&self->box);
        free(self);
        return ERR_TRANSPORT_ADDRESS;
    }
    *transport = &self->base;
    return ERR_OK;
}

static struct memory *memory_of(struct transport *transport)
{
    return container_of(transport, struct memory, base);
}

static void memory_free(struct transport *transport)
{
    struct memory *self = memory_of(transport);
    delist(self);
    self->acceptor = NULL;
    for (struct end *end; (end = TAILQ_FIRST(&self->ends));) {
        association_close(&end->base, ASSOCIATION_ABORT, NULL);
        free_end(end);
    }
    mailbox_fini(&self->box);
    while (!TAILQ_EMPTY(&self->ends)) /* begun by the last letters */
        free_end(TAILQ_FIRST(&self->ends));
    free(self);
}

static const struct address *memory_local(struct transport *transport)
{
    return &memory_of(transport)->local;
}

static enum err memory_connect(struct transport *transport, const struct address *remote,
                               struct association_events *events, struct association **association)
{
    struct memory *self = memory_of(transport);
    if (remote->any.sa_family != AF_INET && remote->any.sa_family != AF_INET6)
        return ERR_TRANSPORT_ADDRESS;
    struct end *end = new_end(self, remote);
    end->events = events;
    end->state = END_CONNECTING;
    loop_timer_set(self->loop, &end->limit_timer,
                   loop_now(self->loop) + self->options.connect_timeout_us);
    pthread_mutex_lock(&registry.lock);
    const struct memory *peer = by_port(port_of(remote));
    end->peer_transport = peer ? peer->number : 0;
    pthread_mutex_unlock(&registry.lock);
    struct letter *letter = new_letter(end, LETTER_CONNECT);
    letter->streams = self->options.streams;
    if (!post(letter, end->peer_transport))
        go_down(end, ERR_TRANSPORT_REFUSED, "nobody listens at that port");
    *association = &end->base;
    return ERR_OK;
}

static enum err memory_send(struct association *association, struct message *message)
{
    struct end *self = container_of(association, struct end, base);
    must(message->length > 0 && message->length <= MESSAGE_MAX);
    if (self->state == END_SHUTTING || self->state == END_GONE)
        return ERR_TRANSPORT_CLOSED;
    if (self->state == END_UP && message->stream >= self->streams)
        return ERR_TRANSPORT_STREAM;
    bool unlucky = random_below(self->transport, 100) < self->transport->faults.again_percent;
    if (self->state != END_UP || unlucky || self->in_flight >= queue_limit(self)) {
        self->want_writable = true;
        if (unlucky)
            loop_task_queue(self->transport->loop, &self->writable_task);
        return ERR_AGAIN;
    }
    if (vanishes(self)) {
        message_free(message);
        return ERR_OK;
    }
    self->in_flight += message->length;
    struct letter *letter = new_letter(self, LETTER_DATA);
    letter->message = message;
    post(letter, self->peer_transport);
    return ERR_OK;
}

static void memory_close(struct association *association, enum association_close how,
                         const char *detail)
{
    struct end *self = container_of(association, struct end, base);
    if (self->state == END_GONE || (self->state == END_SHUTTING && how == ASSOCIATION_SHUTDOWN))
        return;
    if (how == ASSOCIATION_SHUTDOWN && self->state == END_UP) {
        self->state = END_SHUTTING;
        finish_shutdown(self);
        return;
    }
    struct letter *letter = new_letter(self, LETTER_ABORT);
    snprintf(letter->detail, sizeof letter->detail, "%s", detail ? detail : "");
    post(letter, self->peer_transport);
    go_down(self, ERR_LOCAL_SHUTDOWN, "");
}

static void memory_status(struct association *association, struct association_status *status)
{
    const struct end *self = container_of(association, struct end, base);
    *status = (struct association_status){.streams = self->streams, .path_count = 1};
    bool active = self->state == END_UP || self->state == END_SHUTTING;
    status->paths[0] = (struct path_status){
        .address = self->peer,
        .state = active ? "active" : "inactive",
        .rtt_us = active ? (uint32_t)(2 * self->transport->faults.delay_us + 1) : 0,
        .mtu = PLAUSIBLE_IP,
    };
}

const struct transport_ops memory_ops = {
    .name = "memory",
    .available = memory_available,
    .open = memory_open,
    .free = memory_free,
    .local = memory_local,
    .connect = memory_connect,
    .send = memory_send,
    .close = memory_close,
    .status = memory_status,
};

void memory_set_faults(const struct memory_faults *faults)
{
    pthread_mutex_lock(&registry.lock);
    registry.faults = *faults;
    pthread_mutex_unlock(&registry.lock);
}
