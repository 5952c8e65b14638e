/* Names, texts and wire codes of errors.def. */
#include "base/error.h"

#include <pthread.h>
#include <stddef.h>

static const struct {
    const char *name, *text;
    enum err_scope scope;
    uint16_t wire;
} rows[ERR_COUNT] = {
#define ERR_ROW(name_, scope_, wire_, text_)                                                       \
    [ERR_##name_] = {.name = #name_, .text = text_, .scope = ERR_SCOPE_##scope_, .wire = wire_},
#include "base/errors.def"
#undef ERR_ROW
};

/* The preprocessor cannot lower the names of the table; done once, read-only afterwards. */
static char lower_names[ERR_COUNT][32];

static void lower_all(void)
{
    for (int e = 0; e < ERR_COUNT; e++)
        for (size_t i = 0; i < sizeof lower_names[e] - 1 && rows[e].name[i]; i++) {
            char c = rows[e].name[i];
            lower_names[e][i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
}

const char *err_name(enum err e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, lower_all);
    return lower_names[e];
}

const char *err_text(enum err e)
{
    return rows[e].text;
}

enum err_scope err_scope(enum err e)
{
    return rows[e].scope;
}

uint16_t err_to_wire(enum err e)
{
    return rows[e].wire ? rows[e].wire : rows[ERR_INTERNAL].wire;
}

enum err err_from_wire(uint16_t code)
{
    for (int e = 0; code != 0 && e < ERR_COUNT; e++)
        if (rows[e].wire == code)
            return (enum err)e;
    return ERR_INTERNAL;
}
