/* config/store.h: the members of the configuration that options are stored in, by the storage of
 * their type. base: the struct of the option's section. */
#pragma once

#include <stdint.h>

#include "config/option.h"

/* Sets or gets a number of `size` bytes: 1 (bool), 2, 4 or 8. */
void store_number(void *field, size_t size, uint64_t number);
uint64_t store_number_of(const struct option_row *option, const void *base);

/* Replaces a text by a copy. */
void store_text(void *field, const char *text);

/* True: both have the same value. Groups always have: their options have rows of their own. */
bool store_is_same(const struct option_row *option, const void *old, const void *now);

/* Frees all values of a section and its groups. */
void store_clear(enum option_section section, void *base);
