/* The error table: names, texts, codes on the wire, scopes. */
#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "tests/lib/tap.h"

static bool is_lower_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!islower((unsigned char)*c) && *c != '_')
            return false;
    return name[0] != '\0';
}

static void names_and_texts(void)
{
    bool names = true, texts = true, unique = true;
    for (int e = 0; e < ERR_COUNT; e++) {
        names = names && is_lower_name(err_name((enum err)e));
        texts = texts && err_text((enum err)e)[0] != '\0';
        for (int other = 0; other < e; other++)
            unique = unique && strcmp(err_name((enum err)e), err_name((enum err)other)) != 0;
    }
    ok(names, "every error has a lower-case name, whole");
    ok(unique, "no two errors have the same name");
    ok(texts, "every error has a text");
    ok(strcmp(err_name(ERR_CONNECT_REFUSED), "connect_refused") == 0,
       "the name is that of the table");
    ok(strstr(err_text(ERR_CONNECT_REFUSED), "refused"), "so is the text");
}

static void wire_codes(void)
{
    bool round_trip = true;
    int travelling = 0;
    for (int e = 0; e < ERR_COUNT; e++) {
        uint16_t code = err_to_wire((enum err)e);
        if (err_from_wire(code) == (enum err)e)
            travelling++;
        else
            round_trip = round_trip && code == err_to_wire(ERR_INTERNAL);
    }
    ok(round_trip, "each error is received as itself or as an internal error");
    ok(travelling > 35, "%d errors travel", travelling);
    ok(err_from_wire(0) == ERR_INTERNAL, "code 0 is nobody's");
    ok(err_from_wire(65535) == ERR_INTERNAL, "an unknown code is an internal error");
    ok(err_to_wire(ERR_CONNECT_REFUSED) == 5, "codes on the wire are for ever");
}

static void scopes(void)
{
    ok(err_scope(ERR_OK) == ERR_SCOPE_NONE && err_scope(ERR_AGAIN) == ERR_SCOPE_NONE,
       "success and \"not now\" end nothing");
    ok(err_scope(ERR_TLS_RECORD) == ERR_SCOPE_STREAM, "a bad record ends its stream");
    ok(err_scope(ERR_TLS_MASTER) == ERR_SCOPE_TUNNEL, "a bad master ends the tunnel");
    ok(ERR_SCOPE_REFUSAL < ERR_SCOPE_STREAM && ERR_SCOPE_STREAM < ERR_SCOPE_TUNNEL &&
           ERR_SCOPE_TUNNEL < ERR_SCOPE_PROCESS,
       "larger scopes compare greater");
}

int main(void)
{
    names_and_texts();
    wire_codes();
    scopes();
    return tap_done();
}
