/* Prints docs/CONFIGURATION.md from the option table. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/option.h"

static const char introduction[] =
    "# Configuration reference\n"
    "\n"
    "This page is printed from the option table (`config/options.def`); do not edit it.\n"
    "\n"
    "The file is read by libconfig: `key = value;` settings, groups `{ … }`, arrays `[ … ]` of\n"
    "plain values, lists `( … )` of groups, text in double quotes, comments after `#` or `//` or\n"
    "between `/*` and `*/`. `@include \"other.cfg\"` at the start of a line takes in another "
    "file,\n"
    "relative to the directory of the main one. Relative paths begin at the same directory. Times\n"
    "are seconds (`10` or `0.5`), sizes are bytes; a number above 2147483647 needs an `L` at its\n"
    "end. An array with one element may be written without its brackets.\n"
    "\n"
    "`hawser check FILE` reads a file and prints each mistake as `file:line: what is wrong; what\n"
    "was meant`, all of them in one run. `hawser init DIR` writes a pair of files to begin with.\n"
    "\n"
    "```\n"
    "# client.cfg                                   # server.cfg\n"
    "admin = { socket = \"client.sock\"; };           admin = { socket = \"server.sock\"; };\n"
    "tunnels = (                                    tunnels = (\n"
    "  { name = \"site\"; role = \"client\";              { name = \"site\"; role = \"server\";\n"
    "    remote = [ \"198.51.100.7:9899\" ];              local = [ \"0.0.0.0:9899\" ];\n"
    "    streams = { initial = 16; max = 1024; };       tls = { ca = \"ca.pem\";\n"
    "    tls = { ca = \"ca.pem\";                                 cert = \"server.pem\";\n"
    "            cert = \"client.pem\";                           key = \"server.key\";\n"
    "            key = \"client.key\";                            allow = [ \"client\" ]; };\n"
    "            peer = \"server.example\"; };            services = (\n"
    "    services = (                                     { name = \"web\";\n"
    "      { name = \"web\";                                  connect = \"127.0.0.1:80\"; }\n"
    "        listen = \"127.0.0.1:8080\"; }               );\n"
    "    );                                           }\n"
    "  }                                            );\n"
    ");\n"
    "```\n"
    "\n"
    "*Required* names the role of a tunnel that must give the option.\n";

static void write_range(const struct option_row *option, FILE *out)
{
    const char *unit = option->unit ? option->unit : "";
    if (option->type == OPTION_INTEGER || option->type == OPTION_SECONDS)
        fprintf(out, ", %.15g to %.15g%s%s", option->min, option->max, *unit ? " " : "", unit);
    if (option_storage(option) == STORAGE_ENDPOINTS || option_storage(option) == STORAGE_TEXTS)
        fprintf(out, ", at most %.10g", option->max);
}

static const char *role_name(enum option_role role)
{
    return role == ROLE_CLIENT ? "client" : "server";
}

static void write_default(const struct option_row *option, FILE *out)
{
    if (option->required == ROLE_BOTH)
        fputs("required", out);
    else if (option->required)
        fprintf(out, "required: %s", role_name(option->required));
    else if (option_is_derived(option))
        fprintf(out, "%.*s", (int)strlen(option->standard) - 2, option->standard + 1);
    else if (option->standard)
        fprintf(out, "`%s`", option->standard);
    else
        fputs("-", out);
}

/* One row of the section's table. */
static void write_row(const struct option_row *option, FILE *out)
{
    fprintf(out, "| `%s` | %s", option->key, option_types[option->type].name);
    write_range(option, out);
    fputs(" | ", out);
    write_default(option, out);
    fprintf(out, " | %s", option->cell);
    if (option->only)
        fprintf(out, "; only for role `\"%s\"`", role_name(option->only));
    fputs(" |\n", out);
}

/* The rest about an option, below the table. */
static void write_text(const struct option_row *option, FILE *out)
{
    if (!option->text && !option->choices)
        return;
    fprintf(out, "\n**`%s`**: %s\n%s", option->key, option->text ? option->text : "one of",
            option->choices ? "\n" : "");
    for (const struct option_choice *choice = option->choices; choice && choice->word; choice++)
        if (!choice->refused)
            fprintf(out, "- `\"%s\"`: %s\n", choice->word, choice->meaning);
}

void config_write_reference(FILE *out)
{
    fputs(introduction, out);
    for (enum option_section section = 0; section < SECTION_COUNT; section++) {
        fprintf(out, "\n## %s\n\n", option_sections[section].title);
        if (option_sections[section].syntax)
            fprintf(out, "`%s`\n\n", option_sections[section].syntax);
        fputs("| key | value | default | meaning |\n|---|---|---|---|\n", out);
        for (size_t i = 0; i < option_count; i++)
            if (option_table[i].section == section)
                write_row(&option_table[i], out);
        for (size_t i = 0; i < option_count; i++)
            if (option_table[i].section == section)
                write_text(&option_table[i], out);
    }
}
