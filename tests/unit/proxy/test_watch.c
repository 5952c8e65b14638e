/* Files that are replaced in every way: each is told, and what else happens in a folder can be told
 * apart by the stamps. */
#include "proxy/daemon/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/lib/tap.h"

static char directory[] = "/tmp/hawser-watch-XXXXXX";
static struct loop *loop;
static unsigned told;

static void on_change(struct watch *watch)
{
    (void)watch;
    told++;
}

static const char *at(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    must(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void shell(const char *what)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && %s", directory, what);
    must(system(command) == 0);
}

/* Turns the loop until something is told, or for longer than that could take. */
static bool is_told(void)
{
    unsigned before = told;
    loop_turn(loop, 0);
    for (uint64_t end = loop_now(loop) + WATCH_PATIENCE_US + WATCH_COLLECT_US;
         told == before && loop_now(loop) < end;)
        loop_turn(loop, 100000);
    return told != before;
}

static const struct {
    const char *what, *command;
} changes[] = {
    {"written in place", "echo new >>real/file"},
    {"renamed over", "echo newer >next && mv next real/file"},
    {"a link to another file", "echo third >real/third && ln -sfn third real/x && mv -T real/x "
                               "real/name"},
    {"a link to another folder", "cp -r real other && touch other/third && ln -sfn other x && mv "
                                 "-T x current"},
    {"a folder in place of another", "cp -r other new && mv other old && mv new other"},
    {"removed", "rm other/third"},
    {"there again", "echo again >other/third"},
};

int main(void)
{
    struct watch watch = {.on_change = on_change};
    must(mkdtemp(directory));
    must((loop = loop_new()));
    shell("mkdir real && ln -s real current && ln -s file real/name");
    put("real/file", "old");
    watch_init(&watch, loop);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        must(watch_restart(&watch) == 0);
        watch_add(&watch, at("current/name"));
        uint64_t before = watch_stamp(at("current/name"));
        shell(changes[i].command);
        bool noticed = is_told();
        ok(noticed && watch_stamp(at("current/name")) != before, "%s", changes[i].what);
    }
    uint64_t before = watch_stamp(at("current/name"));
    must(watch_restart(&watch) == 0);
    watch_add(&watch, at("current/name"));
    put("other/neighbour", "something else");
    ok(is_told() && watch_stamp(at("current/name")) == before,
       "another file of the folder is told, and the stamp says that it was not this one");

    must(watch_restart(&watch) == 0);
    watch_add(&watch, at("not/there/yet"));
    shell("mkdir -p not/there && touch not/there/yet");
    ok(is_told(), "a file whose folders were not there");
    must(watch_restart(&watch) == 0);
    watch_add(&watch, at("other"));
    shell("rm other/neighbour");
    ok(is_told(), "a directory");
    must(watch_restart(&watch) == 0);
    shell("ln -s loop1 loop2 && ln -s loop2 loop1");
    watch_add(&watch, at("loop1/x"));
    watch_add(&watch, "not absolute");
    watch_add(&watch, "pkcs11:token=x");
    ok(true, "links in a circle, and what is no path");
    watch_fini(&watch);
    loop_free(loop);
    shell("cd / && rm -rf \"$OLDPWD\"");
    return tap_done();
}
