/* The answer of an admin socket, as `hawser status` prints it: anybody may have made the socket,
 * and names in it come from certificates. Any JSON text; no control character gets to the terminal.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "proxy/cli/status_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *report = json_loadb((const char *)data, size, 0, NULL);
    if (!report)
        return 0;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    must(out);
    status_text_print(report, out);
    fclose(out);
    for (size_t i = 0; i < length; i++)
        must(text[i] == '\n' || !iscntrl((unsigned char)text[i]));
    for (size_t i = 0; i + 1 < length; i++) /* U+0080 to U+009F */
        must((uint8_t)text[i] != 0xc2 || (uint8_t)text[i + 1] >= 0xa0);
    free(text);
    json_decref(report);
    return 0;
}
