/* base/error.h: the one table of errors (errors.def): a name, what it ends, a code on the wire
 * and a text. Callers act by err_scope(), never by guessing. */
#pragma once

#include <stdint.h>

enum err {
#define ERR_ROW(name, scope, wire, text) ERR_##name,
#include "base/errors.def"
#undef ERR_ROW
    ERR_COUNT
};

/* The reach of an error. Ordered: a larger scope contains the smaller ones. */
enum err_scope {
    ERR_SCOPE_NONE,
    ERR_SCOPE_REFUSAL,
    ERR_SCOPE_STREAM,
    ERR_SCOPE_TUNNEL,
    ERR_SCOPE_PROCESS
};

/* Lower-case name ("connect_refused"), static. Thread: any. */
const char *err_name(enum err e);

/* The text for a user ("the target refused the connection"), static. Thread: any. */
const char *err_text(enum err e);

/* The reach of the error. Thread: any. */
enum err_scope err_scope(enum err e);

/* Code for REFUSE, RESET and GOAWAY frames; errors that never travel give that of INTERNAL. */
uint16_t err_to_wire(enum err e);

/* The error for a code received; unknown codes give ERR_INTERNAL. */
enum err err_from_wire(uint16_t code);
