/* Reads a configuration file: libconfig's tree becomes a struct config. */
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "config/config.h"
#include "config/loader.h"
#include "config/store.h"
#include "config/suggestion.h"
#include "config/value.h"
#include "config/verify.h"

/* The defaults of all options, as a file with a group for each section. */
static void read_standards(config_t *tree)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    check_made(out);
    for (enum option_section section = 0; section < SECTION_COUNT; section++) {
        fprintf(out, "section%d = {\n", section);
        for (size_t i = 0; i < option_count; i++) {
            const struct option_row *option = &option_table[i];
            if (option->section == section && option->standard && !option_is_derived(option))
                fprintf(out, "%s = %s;\n", option->key, option->standard);
        }
        fputs("};\n", out);
    }
    check_made(fclose(out) == 0);
    config_init(tree);
    must(config_read_string(tree, text));
    free(text);
}

static void set_standards(struct loader *loader, enum option_section section, void *base)
{
    const config_setting_t *group = config_setting_get_elem(loader->standards, section);
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        value_read(loader, option_find(section, config_setting_name(setting)), setting, base);
    }
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section && option_table[i].type == OPTION_GROUP)
            set_standards(loader, option_table[i].group, base);
}

static void read_group(struct loader *loader, enum option_section section,
                       const config_setting_t *setting, void *base, enum option_role role);

static void unknown_key(struct loader *loader, enum option_section section,
                        const config_setting_t *setting)
{
    char suggestion[512];
    const char *key = config_setting_name(setting);
    value_error(loader, setting, "%s%.63s is not known %s; %s", option_sections[section].prefix,
                key, option_sections[section].where,
                suggestion_for_key(section, key, suggestion, sizeof suggestion));
}

/* The elements of tunnels or services. */
static void read_groups(struct loader *loader, const struct option_row *option,
                        const config_setting_t *setting, void *base, enum option_role role)
{
    void **array = (void **)((char *)base + option->stored.offset);
    size_t *count = (size_t *)((char *)base + option->stored.count_offset);
    size_t elements = (size_t)config_setting_length(setting);
    bool is_empty_array = config_setting_is_array(setting) && !elements;
    if (!config_setting_is_list(setting) && !is_empty_array) {
        value_wrong_type(loader, option, setting);
        return;
    }
    if ((double)elements < option->min || (double)elements > option->max) {
        value_error(loader, setting, "%s has %zu elements; %.10g to %.10g are allowed",
                    option->name, elements, option->min, option->max);
        return;
    }
    loader_set_place(loader, array, value_place(loader, setting));
    *array = elements ? check_alloc(elements * option->stored.element) : NULL;
    for (size_t i = 0; i < elements; i++) {
        const config_setting_t *one = config_setting_get_elem(setting, (unsigned)i);
        if (!config_setting_is_group(one)) {
            value_error(loader, one,
                        "an element of %s must be a group { … }; write %s = ( { … }, { … } );",
                        option->name, option->key);
            continue;
        }
        void *element = (char *)*array + (*count)++ * option->stored.element;
        set_standards(loader, option->group, element);
        loader_set_place(loader, element, value_place(loader, one));
        read_group(loader, option->group, one, element, role);
    }
}

static void read_setting(struct loader *loader, enum option_section section,
                         const config_setting_t *setting, void *base, enum option_role role)
{
    const struct option_row *option = option_find(section, config_setting_name(setting));
    if (!option) {
        unknown_key(loader, section, setting);
    } else if (option->only && !(option->only & role)) {
        value_error(loader, setting, "%s is only for role = \"%s\"; %s", option->name,
                    option->only == ROLE_CLIENT ? "client" : "server",
                    option->instead ? option->instead : "remove it here");
    } else if (option->type == OPTION_GROUPS) {
        read_groups(loader, option, setting, base, role);
    } else if (option->type != OPTION_GROUP) {
        loader_set_place(loader, (char *)base + option->stored.offset,
                         value_place(loader, setting));
        value_read(loader, option, setting, base);
    } else if (config_setting_is_group(setting)) {
        read_group(loader, option->group, setting, base, role);
    } else {
        value_wrong_type(loader, option, setting);
    }
}

/* The role that a tunnel gives; both when it gives none, so that no option is called wrong. */
static enum option_role role_of(const config_setting_t *tunnel)
{
    const char *role = "";
    config_setting_lookup_string(tunnel, "role", &role);
    return strcmp(role, "client") == 0   ? ROLE_CLIENT
           : strcmp(role, "server") == 0 ? ROLE_SERVER
                                         : ROLE_BOTH;
}

static bool has(const config_setting_t *group, const char *key)
{
    return config_setting_get_member(group, key);
}

static void require(struct loader *loader, const config_setting_t *group,
                    const struct option_row *option, const char *more)
{
    char text[128];
    if (!has(group, option->key))
        value_error(loader, group, "%s has no %s; write %s = %s;%s",
                    option_sections[option->section].name, option->key, option->key,
                    option_example(option, text, sizeof text), more);
}

static void require_options(struct loader *loader, enum option_section section,
                            const config_setting_t *group, enum option_role role)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].section == section && (option_table[i].required & role) == role)
            require(loader, group, &option_table[i], "");
}

/* The one endpoint of a service: listen or connect. */
static void read_direction(struct loader *loader, const config_setting_t *group,
                           struct config_service *service)
{
    bool listens = has(group, "listen"), connects = has(group, "connect");
    service->direction = connects ? CONFIG_CONNECT : CONFIG_LISTEN;
    if (listens == connects)
        value_error(loader, group,
                    "a service has %s; write listen = \"…\" where connections are accepted, "
                    "connect = \"…\" at the other end",
                    listens ? "both listen and connect" : "neither listen nor connect");
}

/* The options that tls needs depend on how the peer is known. */
static void require_credentials(struct loader *loader, const config_setting_t *group,
                                enum option_role role)
{
    bool by_key = has(group, "known") || has(group, "psk");
    bool by_certificate = has(group, "ca") || has(group, "pins");
    if (!by_key && !by_certificate)
        require(loader, group, option_find(SECTION_TLS, "ca"),
                " or identify the peer by pins, known or psk");
    if (!by_key)
        require(loader, group, option_find(SECTION_TLS, "cert"), "");
    if (!has(group, "psk"))
        require(loader, group, option_find(SECTION_TLS, "key"), "");
    if (role == ROLE_CLIENT && (has(group, "ca") || !(by_key || by_certificate)))
        require(loader, group, option_find(SECTION_TLS, "peer"), "");
}

static void read_group(struct loader *loader, enum option_section section,
                       const config_setting_t *setting, void *base, enum option_role role)
{
    if (section == SECTION_TUNNEL)
        role = role_of(setting);
    if (section == SECTION_SERVICE)
        read_direction(loader, setting, base);
    for (int i = 0; i < config_setting_length(setting); i++)
        read_setting(loader, section, config_setting_get_elem(setting, (unsigned)i), base, role);
    require_options(loader, section, setting, role);
    if (section == SECTION_TLS)
        require_credentials(loader, setting, role);
}

static char *directory_of(const char *file)
{
    char *absolute = realpath(file, NULL);
    if (!absolute)
        return check_strdup(".");
    char *slash = strrchr(absolute, '/');
    slash[slash == absolute] = '\0';
    return absolute;
}

/* libconfig's words are for programmers. */
static const char *in_words(const char *text)
{
    if (text && strcmp(text, "duplicate setting name") == 0)
        return "a key is given twice in the same place; keep one of them";
    if (text && strcmp(text, "mismatched element type in array") == 0)
        return "the elements of [ … ] are not of one type; write all of them in the same way";
    return text ? text : "cannot be read";
}

static void read_tree(struct loader *loader)
{
    struct config *config = loader->config;
    config_t tree;
    config_init(&tree);
    config_set_include_dir(&tree, config->directory);
    if (config_read_file(&tree, config->file)) {
        set_standards(loader, SECTION_ROOT, config);
        read_group(loader, SECTION_ROOT, config_root_setting(&tree), config, ROLE_BOTH);
        verify_config(loader);
    } else {
        struct place place = {sources_name(loader->sources, config_error_file(&tree)),
                              (unsigned)config_error_line(&tree)};
        diagnostics_add(loader->diagnostics, SEVERITY_ERROR, place, "%s",
                        in_words(config_error_text(&tree)));
    }
    config_destroy(&tree);
}

static struct config *load(const char *file, FILE *out, check_pair_function check_pair,
                           bool files_may_come)
{
    config_t standards;
    read_standards(&standards);
    struct config *config = check_alloc(sizeof *config);
    config->file = check_strdup(file);
    config->directory = directory_of(file);
    struct loader loader = {.config = config,
                            .diagnostics = diagnostics_new(),
                            .standards = config_root_setting(&standards),
                            .files_may_come = files_may_come,
                            .check_pair = check_pair};
    loader.sources = sources_read(file, loader.diagnostics);
    if (sources_can_be_parsed(loader.sources))
        read_tree(&loader);
    diagnostics_print(loader.diagnostics, out);
    if (diagnostics_errors(loader.diagnostics)) {
        config_free(config);
        config = NULL;
    }
    diagnostics_free(loader.diagnostics);
    sources_free(loader.sources);
    loader_clear(&loader);
    config_destroy(&standards);
    return config;
}

struct config *config_load(const char *file, FILE *out, check_pair_function check_pair)
{
    return load(file, out, check_pair, false);
}

struct config *config_load_to_run(const char *file, FILE *out)
{
    return load(file, out, NULL, true);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    store_clear(SECTION_ROOT, config);
    free(config->directory);
    free(config->file);
    free(config);
}
