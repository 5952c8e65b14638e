/* The command line: `hawser init|check|run|status|bench`. No logic here. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bench/resume/resume.h"
#include "config/config.h"
#include "control/status.h"
#include "proxy/cli/init.h"
#include "proxy/cli/status_text.h"
#include "proxy/daemon/process.h"
#include "proxy/tunnel/credentials.h"
#include "proxy/tunnel/transports.h"
#include "tls/credentials.h"

/* Exit codes, as hawser(8) lists them. */
enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char help[] =
    "hawser carries many TCP connections over the streams of one SCTP association,\n"
    "each stream in a TLS session of its own.\n"
    "\n"
    "  hawser init DIR [--host NAME] [--raw]\n"
    "                                  make a CA, two certificates and two configurations;\n"
    "                                  --raw: raw public keys, no CA\n"
    "  hawser check FILE               read a configuration, say what is wrong with it\n"
    "  hawser check --reference        print the reference of all options\n"
    "  hawser run FILE                 run until SIGTERM (drains; a second one ends at once);\n"
    "                                  SIGHUP reads certificates and configuration again\n"
    "  hawser status [-s SOCKET] [--json]\n"
    "                                  what a running hawser does (its admin socket;\n"
    "                                  default: client.sock or server.sock in this directory)\n"
    "  hawser bench resume [--children N] [--threads T] [--associations M] [--mode MODE]...\n"
    "                      [--transport udp|kernel|memory] [--json]\n"
    "                                  how many children are resumed here, and how fast\n"
    "  hawser --version, --help\n"
    "\n"
    "A first tunnel:  hawser init demo --host server.example   and follow what it prints.\n"
    "Exit codes: 0 fine, 1 failed while running, 2 bad configuration or arguments.\n";

static int usage(const char *what)
{
    fprintf(stderr, "hawser: %s; see hawser --help\n", what);
    return EXIT_USAGE;
}

static int command_init(int argc, char **argv)
{
    static const struct option options[] = {
        {"host", required_argument, NULL, 'h'}, {"raw", no_argument, NULL, 'r'}, {0}};
    struct init_options init = {0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            init.host = optarg;
        else if (option == 'r')
            init.raw = true;
        else
            return usage("init takes --host NAME and --raw");
    }
    if (argc - optind != 1)
        return usage("init needs one directory");
    init.directory = argv[optind];
    return init_write(&init, stdout, stderr);
}

static int command_check(int argc, char **argv)
{
    static const struct option options[] = {{"reference", no_argument, NULL, 'r'}, {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 'r')
            return usage("check takes --reference only");
        config_write_reference(stdout);
        return EXIT_FINE;
    }
    if (argc - optind != 1)
        return usage("check needs one configuration file");
    struct config *config = config_load(argv[optind], stderr, tls_credentials_check_pair);
    if (!config)
        return EXIT_USAGE;
    transports_check(config, stderr);
    bool fine = credentials_check_all(config, stderr);
    if (fine)
        printf("%s: fine: %zu tunnel%s\n", argv[optind], config->tunnel_count,
               config->tunnel_count == 1 ? "" : "s");
    config_free(config);
    return fine ? EXIT_FINE : EXIT_USAGE;
}

static int command_run(int argc, char **argv)
{
    if (argc != 2)
        return usage("run needs one configuration file");
    struct config *config = config_load_to_run(argv[1], stderr);
    if (!config)
        return EXIT_USAGE;
    for (size_t i = 0; i < config->tunnel_count; i++) {
        char why[640];
        if (credentials_check_rules(&config->tunnels[i], why, sizeof why) == ERR_OK)
            continue;
        fprintf(stderr, "%s: %s\n", config->file, why);
        config_free(config);
        return EXIT_USAGE;
    }
    int code = process_run(config);
    config_free(config);
    return code;
}

static const char *default_socket(void)
{
    static const char *const names[] = {"client.sock", "server.sock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (access(names[i], F_OK) == 0)
            return names[i];
    return NULL;
}

static int command_status(int argc, char **argv)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'}, {0}};
    const char *socket_path = NULL;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
        if (option == 's')
            socket_path = optarg;
        else if (option == 'j')
            json = true;
        else
            return usage("status takes -s SOCKET and --json");
    }
    if (optind != argc)
        return usage("status takes -s SOCKET and --json");
    if (!socket_path)
        socket_path = default_socket();
    if (!socket_path)
        return usage("no client.sock or server.sock here: name the admin socket with -s SOCKET");
    json_t *report = status_ask(socket_path, stderr);
    if (!report)
        return EXIT_FAILED;
    if (!json)
        status_text_print(report, stdout);
    else if (json_dumpf(report, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0)
        putchar('\n');
    json_decref(report);
    return EXIT_FINE;
}

/* The number, or 0, which no option takes. */
static unsigned number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    return *text < '0' || *text > '9' || *end || value > 1000000000 ? 0 : (unsigned)value;
}

static int command_bench(int argc, char **argv)
{
    static const struct option options[] = {{"children", required_argument, NULL, 'c'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"associations", required_argument, NULL, 'a'},
                                            {"mode", required_argument, NULL, 'm'},
                                            {"transport", required_argument, NULL, 'w'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    struct bench_resume_options bench = {
        .children = 10000, .threads = 4, .associations = 8, .transport = "udp"};
    int option;
    if (argc < 2 || strcmp(argv[1], "resume") != 0)
        return usage("there is only bench resume");
    argc--, argv++;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            bench.children = number(optarg);
        else if (option == 't')
            bench.threads = number(optarg);
        else if (option == 'a')
            bench.associations = number(optarg);
        else if (option == 'm' && bench.mode_count < BENCH_RESUME_MODES_MAX)
            bench.modes[bench.mode_count++] = optarg;
        else if (option == 'w')
            bench.transport = optarg;
        else if (option == 'j')
            bench.json = true;
        else
            return usage("bench resume takes --children, --threads, --associations, --mode, "
                         "--transport and --json");
    }
    if (optind != argc)
        return usage("bench resume takes options only");
    return bench_resume_run(&bench, stdout, stderr);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"init", command_init},     {"check", command_check}, {"run", command_run},
    {"status", command_status}, {"bench", command_bench},
};

/* A descriptor that is closed would be given to the next socket, and lines for stderr sent there.
 */
static int open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return -1;
    return 0;
}

/* Without these nothing works, and each call that misses them would fail in its own way. Some
 * sandboxes forbid getrandom. */
static bool is_usable_here(void)
{
    char byte, why[256];
    if (open_standard_files() < 0)
        return false;
    if (getrandom(&byte, sizeof byte, 0) != sizeof byte)
        fprintf(stderr, "hawser: error: the system gives no random numbers (getrandom): %s\n",
                strerror(errno));
    else if (tls_credentials_check_library(why, sizeof why) != ERR_OK)
        fprintf(stderr, "hawser: error: %s\n", why);
    else
        return true;
    return false;
}

int main(int argc, char **argv)
{
    if (!is_usable_here())
        return EXIT_FAILED;
    if (argc < 2)
        return usage("no command");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        fputs(help, stdout);
        return EXIT_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hawser %s\n", HAWSER_VERSION);
        return EXIT_FINE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return usage("unknown command");
}
