/* tls/resume.h: private to tls/: from what a server resumes: the ticket key, the store, and for
 * children the generation. */
#pragma once

#include "tls/session_private.h"

/* GnuTLS's flags for a session of a server. */
unsigned tls_resume_flags(const struct tls_session *session);

/* Hooks of a new session of a server. */
void tls_resume_prepare(struct tls_session *session);

/* Before GnuTLS sees the first message: chooses the ticket key, and asks other servers' store where
 * that may help. ERR_OK, or ERR_AGAIN while the answer is awaited. */
enum err tls_resume_begin(struct tls_session *session);

/* A master that has passed every check goes into the store. */
void tls_resume_keep(struct tls_session *session, const struct tls_generation *generation);

/* Nobody waits for an answer any more. */
void tls_resume_abandon(struct tls_session *session);
