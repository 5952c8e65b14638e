/* config/value.h: one setting of the file into one value of the configuration, by its row of the
 * option table. */
#pragma once

#include "config/loading.h"
#include "config/option.h"

struct config_setting_t;

/* Converts and checks type and range; adds an error and leaves the value alone if it does not fit.
 * base: the struct of the option's section. Not for groups. */
void value_read(struct loading *loading, const struct option *option,
                const struct config_setting_t *setting, void *base);

/* Adds "KEY must be a whole number, not text …" for a setting of the wrong type. */
void value_wrong_type(struct loading *loading, const struct option *option,
                      const struct config_setting_t *setting);

/* Where a setting is written, as messages name it. */
struct place value_place(const struct loading *loading, const struct config_setting_t *setting);
/* A mistake there. */
#define value_complain(loading, setting, ...)                                                      \
    diagnostics_add((loading)->diagnostics, SEVERITY_ERROR, value_place((loading), (setting)),     \
                    __VA_ARGS__)

/* How a value of this type is written, for messages and the reference page. */
const char *value_type_name(enum option_type type);
/* A value to show as an example, as it is written in the file. Returns text. */
const char *value_example(const struct option *option, char *text, size_t size);
