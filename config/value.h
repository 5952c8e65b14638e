/* config/value.h: converts one setting of the file to one value of the configuration, by its row of
 * the option table. */
#pragma once

#include "config/loader.h"

/* Checks type and range; adds an error and leaves the value alone if it does not fit. base: the
 * struct of the option's section. Not for groups. */
void value_read(struct loader *loader, const struct option_row *option,
                const struct config_setting_t *setting, void *base);

/* Adds "KEY must be a whole number, not text …" for a setting of the wrong type. */
void value_wrong_type(struct loader *loader, const struct option_row *option,
                      const struct config_setting_t *setting);

/* The place of a setting in its file. */
struct place value_place(const struct loader *loader, const struct config_setting_t *setting);
/* Adds an error there. */
#define value_error(loader, setting, ...)                                                          \
    diagnostics_add((loader)->diagnostics, SEVERITY_ERROR, value_place((loader), (setting)),       \
                    __VA_ARGS__)
