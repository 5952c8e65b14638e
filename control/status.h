/* control/status.h: `hawser status`: asks a running process over its admin socket. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* Prints the status as text or as JSON. Returns 0, or 1 after a line on err (nobody listens there,
 * no answer within 5 s). Blocks: for the command line only. */
int status_print(const char *socket_path, bool json, FILE *out, FILE *err);
