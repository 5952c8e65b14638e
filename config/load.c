#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "config/config.h"
#include "config/loading.h"
#include "config/store.h"
#include "config/value.h"
#include "config/verify.h"

static void set_standards(enum option_section section, void *base)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (option->section != section)
            continue;
        if (option->type == OPTION_GROUP)
            set_standards(option->group, base);
        else if (option->type != OPTION_GROUPS)
            store_standard(option, base);
    }
}

static void read_group(struct loading *loading, enum option_section section,
                       const config_setting_t *setting, void *base, enum option_role role);

static void unknown_key(struct loading *loading, enum option_section section,
                        const config_setting_t *setting)
{
    char suggestion[512];
    const char *key = config_setting_name(setting);
    value_complain(loading, setting, "%s%.63s is not known %s; %s", option_sections[section].prefix,
                   key, option_sections[section].where,
                   option_suggest(section, key, suggestion, sizeof(suggestion)));
}

static void wrong_role(struct loading *loading, const struct option *option,
                       const config_setting_t *setting)
{
    bool is_for_client = option->roles == ROLE_CLIENT;
    const char *instead = strcmp(option->key, "peer") == 0    ? "write allow = [ … ] instead"
                          : strcmp(option->key, "allow") == 0 ? "write peer = \"…\" instead"
                          : strcmp(option->key, "remote") == 0
                              ? "write local = [ … ], or role = \"client\""
                              : "remove it here";
    value_complain(loading, setting, "%s%s is only for role = \"%s\"; %s",
                   option_sections[option->section].prefix, option->key,
                   is_for_client ? "client" : "server", instead);
}

/* The elements of tunnels or services. */
static void read_groups(struct loading *loading, const struct option *option,
                        const config_setting_t *setting, void *base, enum option_role role)
{
    void **array = (void **)((char *)base + option->offset);
    size_t *count = (size_t *)((char *)base + option->count_offset);
    bool is_empty_array = config_setting_is_array(setting) && !config_setting_length(setting);
    if (!config_setting_is_list(setting) && !is_empty_array) {
        value_wrong_type(loading, option, setting);
        return;
    }
    size_t elements = (size_t)config_setting_length(setting);
    if ((double)elements < option->min || (double)elements > option->max) {
        value_complain(loading, setting, "%s has %zu elements; %.10g to %.10g are allowed",
                       option->key, elements, option->min, option->max);
        return;
    }
    loading_set_place(loading, array, value_place(loading, setting));
    *array = elements ? check_alloc(elements * option->element) : NULL;
    for (size_t i = 0; i < elements; i++) {
        const config_setting_t *one = config_setting_get_elem(setting, (unsigned)i);
        if (!config_setting_is_group(one)) {
            value_complain(loading, one,
                           "an element of %s must be a group { … }; write %s = ( { … }, { … } );",
                           option->key, option->key);
            continue;
        }
        void *element = (char *)*array + (*count)++ * option->element;
        set_standards(option->group, element);
        loading_set_place(loading, element, value_place(loading, one));
        read_group(loading, option->group, one, element, role);
    }
}

static void read_setting(struct loading *loading, enum option_section section,
                         const config_setting_t *setting, void *base, enum option_role role)
{
    const struct option *option = option_find(section, config_setting_name(setting));
    if (!option)
        unknown_key(loading, section, setting);
    else if (!(option->roles & role))
        wrong_role(loading, option, setting);
    else if (option->type == OPTION_GROUPS)
        read_groups(loading, option, setting, base, role);
    else if (option->type != OPTION_GROUP)
        value_read(loading, option, setting, base);
    else if (config_setting_is_group(setting))
        read_group(loading, option->group, setting, base, role);
    else
        value_wrong_type(loading, option, setting);
}

/* What a tunnel says that it is; both when it does not say, so that no option is called wrong. */
static enum option_role role_of(const config_setting_t *tunnel)
{
    const char *role = NULL;
    config_setting_lookup_string(tunnel, "role", &role);
    if (role && strcmp(role, "client") == 0)
        return ROLE_CLIENT;
    return role && strcmp(role, "server") == 0 ? ROLE_SERVER : ROLE_BOTH;
}

static void require_options(struct loading *loading, enum option_section section,
                            const config_setting_t *setting, enum option_role role)
{
    char text[128];
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (option->section != section || (option->required & role) != role ||
            config_setting_get_member(setting, option->key))
            continue;
        value_complain(loading, setting, "%s has no %s; write %s = %s;",
                       option_sections[section].name, option->key, option->key,
                       value_example(option, text, sizeof(text)));
    }
}

/* The one endpoint of a service: listen or connect. */
static void read_direction(struct loading *loading, const config_setting_t *setting,
                           struct config_service *service)
{
    bool listens = config_setting_get_member(setting, "listen");
    bool connects = config_setting_get_member(setting, "connect");
    service->direction = connects ? CONFIG_CONNECT : CONFIG_LISTEN;
    if (listens == connects)
        value_complain(loading, setting,
                       "a service has %s; write listen = \"…\" where connections are accepted, "
                       "connect = \"…\" at the other end",
                       listens ? "both listen and connect" : "neither listen nor connect");
}

static void require_one(struct loading *loading, const config_setting_t *setting, const char *key,
                        const char *more)
{
    char text[128];
    const struct option *option = option_find(SECTION_TLS, key);
    if (!config_setting_get_member(setting, key))
        value_complain(loading, setting, "tls has no %s; write %s = %s;%s", key, key,
                       value_example(option, text, sizeof(text)), more);
}

/* What tls needs depends on how the peer is known. */
static void require_credentials(struct loading *loading, const config_setting_t *setting,
                                enum option_role role)
{
    bool pins = config_setting_get_member(setting, "pins");
    bool known = config_setting_get_member(setting, "known");
    bool psk = config_setting_get_member(setting, "psk");
    bool ca = config_setting_get_member(setting, "ca");
    if (!ca && !pins && !known && !psk)
        require_one(loading, setting, "ca", " or know the peer by pins, known or psk");
    if (!known && !psk)
        require_one(loading, setting, "cert", "");
    if (!psk)
        require_one(loading, setting, "key", "");
    if (role == ROLE_CLIENT && (ca || (!pins && !known && !psk)))
        require_one(loading, setting, "peer", "");
}

static void read_group(struct loading *loading, enum option_section section,
                       const config_setting_t *setting, void *base, enum option_role role)
{
    if (section == SECTION_TUNNEL)
        role = role_of(setting);
    if (section == SECTION_SERVICE)
        read_direction(loading, setting, base);
    for (int i = 0; i < config_setting_length(setting); i++)
        read_setting(loading, section, config_setting_get_elem(setting, (unsigned)i), base, role);
    require_options(loading, section, setting, role);
    if (section == SECTION_TLS)
        require_credentials(loading, setting, role);
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
static const char *in_words(const char *libconfig_text)
{
    if (strcmp(libconfig_text, "duplicate setting name") == 0)
        return "a key is given twice in the same place; keep one of them";
    if (strcmp(libconfig_text, "mismatched element type in array") == 0)
        return "the elements of [ … ] are not of one type; write all of them in the same way";
    if (strcmp(libconfig_text, "memory exhausted") == 0)
        return "brackets are nested too deep";
    return libconfig_text;
}

static void add_parse_error(struct loading *loading, const config_t *tree)
{
    const char *text = config_error_text(tree);
    struct place place = {sources_name(loading->sources, config_error_file(tree)),
                          (unsigned)config_error_line(tree)};
    diagnostics_add(loading->diagnostics, SEVERITY_ERROR, place, "%s",
                    text ? in_words(text) : "cannot be read");
}

static void read_tree(struct loading *loading, const char *file, check_pair_function check_pair)
{
    struct config *config = loading->config;
    config_t tree;
    config_init(&tree);
    config_set_include_dir(&tree, config->directory);
    if (config_read_file(&tree, file)) {
        const config_setting_t *root = config_root_setting(&tree);
        set_standards(SECTION_ROOT, config);
        read_group(loading, SECTION_ROOT, root, config, ROLE_BOTH);
        verify_config(loading, check_pair);
    } else {
        add_parse_error(loading, &tree);
    }
    config_destroy(&tree);
}

static struct config *load(const char *file, FILE *out, check_pair_function check_pair,
                           bool files_may_come)
{
    struct loading loading = {.config = check_alloc(sizeof(struct config)),
                              .diagnostics = diagnostics_new(),
                              .files_may_come = files_may_come};
    loading.config->file = check_strdup(file);
    loading.config->directory = directory_of(file);
    loading.sources = sources_read(file, loading.diagnostics);
    if (sources_can_be_parsed(loading.sources))
        read_tree(&loading, file, check_pair);
    diagnostics_print(loading.diagnostics, out);
    struct config *config = loading.config;
    if (diagnostics_errors(loading.diagnostics)) {
        config_free(config);
        config = NULL;
    }
    diagnostics_free(loading.diagnostics);
    sources_free(loading.sources);
    loading_clear(&loading);
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
