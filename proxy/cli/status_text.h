/* proxy/cli/status_text.h: the status of a process as people read it. */
#pragma once

#include <stdio.h>

struct json_t;

/* Prints what is there; members that are missing or of another type are left out, so that an older
 * or newer process can be asked too. Control characters in the report's texts become '?': names
 * come from certificates. Thread: any. */
void status_text_print(struct json_t *report, FILE *out);
