/* tests/conformance/etsi_play.h: plays a script against the engine: one endpoint of it, a virtual
 * clock, the script as its peer. */
#pragma once

#include "tests/conformance/etsi_script.h"

struct play_result {
    bool passed;
    unsigned line; /* of the failure */
    char why[200];
};

/* text: the script. system: whose branches of it, "FreeBSD" or "Linux". */
struct play_result play_script(const char *text, const char *system);
