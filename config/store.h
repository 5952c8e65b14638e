/* config/store.h: values into the members of the configuration, by size and type of the option. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/option.h"

/* size: 1 (bool), 4 or 8 bytes. */
void store_number(void *field, size_t size, uint64_t number);
/* In µs. */
void store_seconds(const struct option *option, void *field, double seconds);
/* A copy, in place of what was there. */
void store_text(void *field, const char *text);
/* The number or the text of a choice. */
void store_choice(const struct option *option, const struct option_choice *choice, void *field);

/* Stores the default; derived ones and options without one are left zero. base: the struct of the
 * option's section. */
void store_standard(const struct option *option, void *base);
