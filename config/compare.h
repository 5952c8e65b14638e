/* config/compare.h: the options that differ between the configuration that runs and the file as it
 * is now. */
#pragma once

#include "config/config.h"
#include "config/option.h"

struct compare {
    /* Called for each option with another value. where: `tunnel "a", service "b": `, or "". */
    void (*on_change)(struct compare *self, const struct option_row *option, const char *where);
};

/* The options outside of tunnels. */
void compare_process(struct compare *self, const struct config *old, const struct config *now);
/* One tunnel and its services. Services that came, went or changed places are one change, of the
 * option "services". */
void compare_tunnels(struct compare *self, const struct config_tunnel *old,
                     const struct config_tunnel *now);
