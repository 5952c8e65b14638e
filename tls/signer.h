/* tls/signer.h: a thread for keys in PKCS#11 tokens. A card needs 0.1 s or more for a signature, a
 * token in the network a round trip, and a worker would do nothing else meanwhile: so masters whose
 * key is in a token take the steps of their handshake here, one after the other (a token signs one
 * thing at a time). Keys in files are used where the session lives: that takes 0.1 to 1.5 ms. */
#pragma once

struct tls_signer;

/* The thread starts when it is first needed. Owns: caller, tls_signer_free. Thread: any. */
struct tls_signer *tls_signer_new(void);
/* Ends the thread: waits for the signature that is under way. NULL is fine. Thread: main, when all
 * sessions are freed, and all credentials that name it. */
void tls_signer_free(struct tls_signer *signer);
