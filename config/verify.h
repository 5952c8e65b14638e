/* config/verify.h: what the options must be together: names unique, addresses free, limits in
 * order, files readable. */
#pragma once

#include <stddef.h>

#include "config/loading.h"

/* Whether a key belongs to a certificate; a sentence in why otherwise. */
typedef enum err (*check_pair_function)(const char *cert, const char *key, char *why,
                                        size_t why_size);

/* Works out the derived defaults and adds a problem for everything that does not go together. */
void verify_config(struct loading *loading, check_pair_function check_pair);
