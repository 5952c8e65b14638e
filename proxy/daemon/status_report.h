/* proxy/daemon/status_report.h: the report of `hawser status --json`: the process as one JSON
 * object. Thread: the home worker of the tunnels. */
#pragma once

#include "control/admin.h"

/* Answers "status" on the admin socket (admin_handler of a struct process). Owns: caller frees. */
char *status_report_answer(struct admin_handler *handler, const char *request);
