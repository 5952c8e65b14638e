/* control/status.h: asks a running process for its status, over its admin socket. */
#pragma once

#include <stdio.h>

struct json_t;

/* The process's report, a JSON object; NULL after a line on err (nobody listens there, no answer
 * within 5 s, a refusal, no JSON object). Blocks: for the command line only.
 * Owns: caller, json_decref. */
struct json_t *status_ask(const char *socket_path, FILE *err);
