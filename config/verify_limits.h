/* config/verify_limits.h: how much there may be of everything: defaults that depend on others, and
 * limits that others make useless. */
#pragma once

#include "config/loading.h"

/* Before what compares them with others. */
void verify_limits_derive(struct loading *loading, struct config_tunnel *tunnel);
void verify_limits(struct loading *loading, const struct config_tunnel *tunnel);
