/* Masters whose key is in a token that takes its time: nobody else waits for it. The token signs
 * only when the test lets it. */
#include "tls/helper.h"

#include <dlfcn.h>
#include <malloc.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>

#include "tests/unit/tls/token.h"

/* ---- the token ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open = true; /* it signs */
static unsigned signing, signed_here, signed_elsewhere;
static pthread_t owner;
static CK_C_Sign real_sign;

static CK_RV slow_sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG size,
                       CK_BYTE_PTR signature, CK_ULONG_PTR signature_size)
{
    pthread_mutex_lock(&lock);
    if (signature && pthread_equal(pthread_self(), owner))
        signed_here++;
    else if (signature)
        signed_elsewhere++;
    signing++;
    pthread_cond_broadcast(&changed);
    while (!is_open && !pthread_equal(pthread_self(), owner))
        pthread_cond_wait(&changed, &lock);
    signing--;
    pthread_mutex_unlock(&lock);
    return real_sign(session, data, size, signature, signature_size);
}

static void set_open(bool open)
{
    pthread_mutex_lock(&lock);
    is_open = open;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_signing(void)
{
    pthread_mutex_lock(&lock);
    while (!signing)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* In the list that everybody who loads the module later gets. */
static void slow_down(const char *module)
{
    void *library = dlopen(module, RTLD_NOW);
    must(library);
    CK_C_GetFunctionList get;
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    CK_FUNCTION_LIST *list;
    must(get && get(&list) == CKR_OK);
    real_sign = list->C_Sign;
    list->C_Sign = slow_sign;
}

/* ---- sessions ---- */

static struct loop *loop;
static struct mailbox box;
static struct tls_helper *signer;
static struct tls_credentials *client, *server, *plain_client;
static unsigned readies, put_out_elsewhere;

static void on_ready(struct tls_output *output)
{
    (void)output;
    readies++;
}

static void on_output(struct tls_output *output, struct message *message)
{
    put_out_elsewhere += !pthread_equal(pthread_self(), owner);
    collect(output, message);
}

static void start(struct pair *pair, struct tls_credentials *at_client)
{
    init_pair(pair);
    struct end *const ends[] = {&pair->client, &pair->server};
    for (size_t i = 0; i < 2; i++) {
        ends[i]->output = (struct tls_output){on_output, on_ready, &box};
        ends[i]->session = tls_session_new_master(i ? server : at_client, NULL, &ends[i]->output);
        must(ends[i]->session);
        ends[i]->result = ERR_AGAIN;
    }
}

/* The server has the ClientHello, and is away. */
static void send_away(struct pair *pair, struct tls_credentials *at_client)
{
    start(pair, at_client);
    must(tls_session_handshake(pair->client.session) == ERR_AGAIN);
    must(deliver(&pair->client, &pair->server));
    must(tls_session_handshake(pair->server.session) == ERR_AGAIN);
}

/* Goes on whenever told to, until both have ended one way or the other. */
static void finish(struct pair *pair)
{
    while (!shake(pair) && (pair->client.result == ERR_AGAIN || pair->server.result == ERR_AGAIN) &&
           pair->client.result <= ERR_AGAIN && pair->server.result <= ERR_AGAIN)
        loop_turn(loop, UINT64_MAX);
}

static void test_nobody_waits(void)
{
    struct pair slow, quick;
    struct tls_credentials *file = load_credentials(options_for(TLS_SERVER, "server"));
    /* The key was tried when it was loaded. */
    signed_here = signed_elsewhere = 0;
    set_open(false);
    send_away(&slow, plain_client);
    await_signing();
    ok(open_master(&quick, plain_client, file, NULL),
       "while the token signs another master is made");
    ok(tls_session_handshake(slow.server.session) == ERR_AGAIN && !slow.server.sent.first,
       "the one that waits has nothing to say");
    ok(!*tls_session_detail(slow.server.session) && !tls_session_take_ticket(slow.server.session) &&
           !tls_session_has_input(slow.server.session),
       "nor to show");
    set_open(true);
    finish(&slow);
    ok(slow.client.result == ERR_OK && slow.server.result == ERR_OK, "it ends well (%s)",
       tls_session_detail(slow.server.session));
    ok(!signed_here && signed_elsewhere, "no signature was made on the session's thread");
    ok(!put_out_elsewhere, "and nothing was put out on another");
    struct tls_generation *generation = tls_session_generation(slow.server.session);
    ok(generation, "children can be resumed from it");
    tls_generation_unref(generation);
    free_pair(&slow);
    free_pair(&quick);
    tls_credentials_unref(file);
}

/* A client with its key in the token; the server's flight comes in pieces, the first of which sends
 * it away, behind another one. */
static void test_fed_meanwhile(void)
{
    struct pair first, pair;
    start(&pair, client);
    must(tls_session_handshake(pair.client.session) == ERR_AGAIN);
    must(deliver(&pair.client, &pair.server));
    while (tls_session_handshake(pair.server.session) == ERR_AGAIN && !pair.server.sent.first)
        loop_turn(loop, UINT64_MAX);
    set_open(false);
    send_away(&first, plain_client);
    await_signing();
    struct message *whole = message_queue_pop(&pair.server.sent);
    for (uint32_t at = 0; at < whole->length;) {
        uint32_t size = at ? whole->length - at : 100;
        struct message *piece = message_new(size);
        memcpy(piece->data, whole->data + at, size);
        piece->length = size;
        at += size;
        tls_session_feed(pair.client.session, piece);
        ok(tls_session_handshake(pair.client.session) == ERR_AGAIN,
           "a piece of the server's flight");
    }
    message_free(whole);
    set_open(true);
    finish(&pair);
    finish(&first);
    ok(pair.client.result == ERR_OK && pair.server.result == ERR_OK,
       "what came while it was away is read when it is back (%s)",
       tls_session_detail(pair.client.session));
    ok(first.server.result == ERR_OK, "so is the one before it");
    free_pair(&first);
    free_pair(&pair);
}

/* The server has not seen its identity. Only if malloc is the C library's. */
static void test_flood(void)
{
    struct pair pair;
    set_open(false);
    send_away(&pair, plain_client);
    await_signing();
    message_cache_clear();
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 1000; i++) {
        struct message *message = message_new(MESSAGE_MAX);
        memset(message->data, 0x17, message->length = MESSAGE_MAX);
        tls_session_feed(pair.server.session, message);
    }
    message_cache_clear();
    size_t kept = mallinfo2().uordblks - before;
    ok(kept < 1000000, "of 16 MB that came while it was away %zu KB are kept", kept / 1000);
    set_open(true);
    finish(&pair);
    ok(pair.server.result == ERR_TLS_HANDSHAKE, "and no master is made of them (%s)",
       tls_session_detail(pair.server.session));
    free_pair(&pair);
}

static void test_refused(void)
{
    struct pair pair;
    struct tls_credentials *stranger = load_credentials(options_for(TLS_CLIENT, "foreign"));
    send_away(&pair, stranger);
    finish(&pair);
    ok(pair.server.result == ERR_TLS_PEER_UNVERIFIED &&
           strstr(tls_session_detail(pair.server.session), "not signed by a CA"),
       "who is refused is refused there as well: %s", tls_session_detail(pair.server.session));
    const uint8_t *data;
    size_t length;
    ok(tls_session_read(pair.client.session, &data, &length) == ERR_TLS_HANDSHAKE &&
           strstr(tls_session_detail(pair.client.session), "does not trust the CA"),
       "and told why");
    free_pair(&pair);
    tls_credentials_unref(stranger);
}

static void test_freed(void)
{
    struct pair running, queued[3], done;
    send_away(&done, plain_client);
    set_open(false);
    send_away(&running, plain_client);
    await_signing();
    for (size_t i = 0; i < 3; i++)
        send_away(&queued[i], plain_client);
    unsigned told = readies;
    free_pair(&queued[2]);
    free_pair(&queued[0]);
    free_pair(&running);
    free_pair(&done); /* its mail is there, or on its way */
    set_open(true);
    finish(&queued[1]);
    ok(queued[1].server.result == ERR_OK,
       "one of several in the queue is made, the others are gone");
    /* Once for the answer to the ClientHello, once for what the client then shows. */
    ok(readies == told + 2, "nobody is told to go on for those that were freed (%u)",
       readies - told);
    free_pair(&queued[1]);
}

static void test_without_owner(void)
{
    struct pair pair;
    unsigned before = signed_here;
    ok(open_master(&pair, plain_client, server, NULL) && signed_here > before,
       "who cannot be called back has it made where he is");
    free_pair(&pair);
}

int main(void)
{
    const char *module = find_module();
    owner = pthread_self();
    make_certificates();
    if (!module || !make_token(module)) {
        tap_skip("slow tokens", "softhsm2 and p11tool are needed");
        return tap_done();
    }
    slow_down(module);
    must(gnutls_pkcs11_init(GNUTLS_PKCS11_FLAG_MANUAL, NULL) == 0);
    must(gnutls_pkcs11_add_provider(module, NULL) == 0);
    loop = loop_new();
    must(loop && mailbox_init(&box, loop) == 0);
    signer = tls_helper_new("signer");
    struct tls_options options = options_for(TLS_SERVER, "server");
    options.key = KEY "?pin-value=1234";
    options.signer = signer;
    server = load_credentials(options);
    options.rules.role = TLS_CLIENT;
    options.peer = "server.example";
    client = load_credentials(options);
    plain_client = load_credentials(options_for(TLS_CLIENT, "client"));

    test_nobody_waits();
    test_fed_meanwhile();
    test_flood();
    test_refused();
    test_freed();
    test_without_owner();

    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(plain_client);
    tls_helper_free(signer);
    mailbox_fini(&box);
    loop_free(loop);
    gnutls_pkcs11_deinit();
    message_cache_clear();
    return tap_done();
}
