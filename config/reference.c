#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/option.h"
#include "config/value.h"

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
    "*Required* says which role of a tunnel must give the option; an option that is only for one\n"
    "role says so.\n";

static void write_range(const struct option *option, FILE *out)
{
    if (option->type == OPTION_INTEGER || option->type == OPTION_SECONDS)
        fprintf(out, ", %.15g to %.15g%s%s", option->min, option->max, *option->unit ? " " : "",
                option->unit);
    if (option->type == OPTION_ADDRESSES || option->type == OPTION_NAMES)
        fprintf(out, ", at most %.10g", option->max);
}

static void write_need(const struct option *option, FILE *out)
{
    static const char *const names[] = {"", "client", "server", "always"};
    if (option->required)
        fprintf(out, "required%s%s", option->required == ROLE_BOTH ? "" : ": ",
                option->required == ROLE_BOTH ? "" : names[option->required]);
    else if (option_standard_is_derived(option))
        fprintf(out, "%.*s", (int)strlen(option->standard) - 2, option->standard + 1);
    else if (option->standard)
        fprintf(out, "`%s`", option->standard);
    else
        fputs("-", out);
}

static void write_choices(const struct option *option, FILE *out)
{
    const char *separator = " ";
    for (const struct option_choice *choice = option->choices; choice->word; choice++) {
        if (choice->refused)
            continue;
        fprintf(out, "%s`\"%s\"`: %s", separator, choice->word, choice->meaning);
        separator = "; ";
    }
    fputc('.', out);
}

static void write_option(const struct option *option, FILE *out)
{
    fprintf(out, "| `%s` | %s", option->key, value_type_name(option->type));
    write_range(option, out);
    fputs(" | ", out);
    write_need(option, out);
    fprintf(out, " | %s", option->meaning);
    if (option->choices)
        write_choices(option, out);
    if (option->roles != ROLE_BOTH)
        fprintf(out, " Only for role `\"%s\"`.",
                option->roles == ROLE_CLIENT ? "client" : "server");
    fputs(" |\n", out);
}

void config_write_reference(FILE *out)
{
    fputs(introduction, out);
    for (enum option_section section = 0; section < SECTION_COUNT; section++) {
        const struct option_section_info *info = &option_sections[section];
        fprintf(out, "\n## %s\n\n", info->title);
        if (info->example)
            fprintf(out, "`%s`\n\n", info->example);
        fputs("| key | value | default | meaning |\n|---|---|---|---|\n", out);
        for (size_t i = 0; i < option_count; i++)
            if (option_table[i].section == section)
                write_option(&option_table[i], out);
    }
}
