/* Files of shared keys: what is accepted, and what is too dangerous to be used. */
#include "tls/key_file.h"

#include <string.h>
#include <sys/stat.h>

#include "tests/lib/tap.h"
#include "tests/unit/tls/certificates.h"

static char why[256];
static struct tls_key_file file;

static bool reads(const char *name, size_t size)
{
    return tls_key_file_read(path_of(name), size, &file, why, sizeof why) == ERR_OK;
}

static void refuses(const char *text, const char *word)
{
    write_file("keys", text, strlen(text));
    must(chmod(path_of("keys"), 0600) == 0);
    bool refused = !reads("keys", 32);
    ok(refused && strstr(why, word) && !file.count, "refused: %s", strrchr(why, '/') + 1);
}

static void test_refusals(void)
{
    static const char key[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    char many[10 * sizeof key] = "", longer[9000];
    refuses("", "no key");
    refuses("# only a remark\n\n", "no key");
    refuses("!!!\n", ":1: not base64");
    refuses("\nAAAA\n", ":2: a key of 3 bytes");
    for (int i = 0; i < 9; i++)
        strcat(many, key);
    refuses(many, "more than 8");
    memset(longer, '#', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    refuses(longer, "longer than");
    many[8 * (sizeof key - 1)] = 0;
    many[2 * (sizeof key - 1)] = 0;
    write_file("keys", many, 8 * (sizeof key - 1));
    must(chmod(path_of("keys"), 0600) == 0);
    bool damaged = !reads("keys", 32);
    ok(damaged && strstr(why, "not a text"), "refused: %s", strrchr(why, '/') + 1);
    many[2 * (sizeof key - 1)] = key[0];
    write_file("keys", many, strlen(many));
    must(chmod(path_of("keys"), 0600) == 0);
    ok(reads("keys", 32) && file.count == 8, "eight are fine");
    bool longer_ones = reads("keys", 64);
    ok(!longer_ones, "and are no keys of 64 bytes: %s", strrchr(why, '/') + 1);
    must(chmod(path_of("keys"), 0640) == 0);
    bool accepted = reads("keys", 32);
    ok(!accepted && strstr(why, "640"), "readable by a group: %s", strrchr(why, '/') + 1);
    if (geteuid() == 0) {
        must(chmod(path_of("keys"), 0600) == 0 && chown(path_of("keys"), 4711, 0) == 0);
        accepted = reads("keys", 32);
        ok(!accepted && strstr(why, "4711"), "somebody else's: %s", strrchr(why, '/') + 1);
    } else {
        tap_skip("a file of another user", "only root can make one");
    }
    accepted = reads("nothing", 32);
    ok(!accepted && strstr(why, "cannot read"), "missing: %s", strrchr(why, '/') + 1);
    ok(!reads("", 32) && strstr(why, "not a file"), "a directory");
}

int main(void)
{
    make_certificates();
    test_refusals();
    return tap_done();
}
