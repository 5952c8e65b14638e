/* The player of conformance scripts (tests/conformance/etsi.c) by itself: scripts of our own that
 * pass, and for each of its checks one that must not. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/message.h"
#include "tests/conformance/etsi_play.h"
#include "tests/lib/tap.h"

#define SCRIPTS "tests/conformance/etsi/*.pkt"

static void passes(const char *path)
{
    static char text[16384];
    FILE *file = fopen(path, "re");
    must(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    struct play_result result = play_script(text, "FreeBSD");
    ok(result.passed, "%s, line %u: %s", path, result.line, result.why);
}

#define UP                                                                                         \
    "+0.0 listen(3, 1) = 0\n"                                                                      \
    "+0.0 < sctp: INIT[flgs=0, tag=1, a_rwnd=9000, os=1, is=1, tsn=1]\n"                           \
    "+0.0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=..., is=..., tsn=1, ...]\n"               \
    "+0.0 < sctp: COOKIE_ECHO[flgs=0, len=..., val=...]\n"                                         \
    "+0.0 > sctp: COOKIE_ACK[flgs=0]\n"                                                            \
    "+0.0 accept(3, ..., ...) = 4\n"
#define GIVE "+0.0 < sctp: DATA[flgs=BE, len=17, tsn=1, sid=0, ssn=0, ppid=0]\n"

static void fails(const char *what, const char *why, const char *text)
{
    struct play_result result = play_script(text, "FreeBSD");
    ok(!result.passed && strstr(result.why, why), "not passed: %s (%s)", what, result.why);
}

static void packets_that_differ(void)
{
    fails("no packet", "nothing was sent", UP "+0.0 > sctp: COOKIE_ACK[flgs=0]\n");
    fails("another chunk", "another chunk", UP GIVE "+0.0 > sctp: COOKIE_ACK[flgs=0]\n");
    fails("another number", "another value",
          UP GIVE "+0.0 > sctp: SACK[flgs=0, cum_tsn=2, a_rwnd=..., gaps=[], dups=[]]\n");
    fails("another gap", "another value",
          UP GIVE "+0.0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[2:2], dups=[]]\n");
    fails("a chunk too few", "more chunks",
          "+0.0 listen(3, 1) = 0\n"
          "+0.0 < sctp: INIT[flgs=0, tag=1, a_rwnd=9000, os=1, is=1, tsn=1]\n"
          "+0.0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=..., is=..., tsn=1, ...]\n"
          "+0.0 < sctp: COOKIE_ECHO[flgs=0, len=..., val=...];\n"
          "  DATA[flgs=BE, len=17, tsn=1, sid=0, ssn=0, ppid=0]\n"
          "+0.0 > sctp: COOKIE_ACK[flgs=0]\n");
    fails("a chunk too many", "no such chunk",
          UP GIVE "+0.0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]];\n"
                  "  COOKIE_ACK[flgs=0]\n");
    fails("flags", "another value",
          "+0.0 listen(3, 1) = 0\n+0.0 < sctp(tag=5): COOKIE_ECHO[flgs=0, len=8, val=...]\n"
          "+0.0 > sctp: ABORT[flgs=0]\n");
    fails("a parameter too many", "missing",
          "+0.0 connect(3, ..., ...) = -1\n"
          "+0.0 > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1,\n"
          "  PARAMETER[type=0xc000, len=4, val=[]]]\n");
    fails("a parameter too few", "another value",
          "+0.0 listen(3, 1) = 0\n"
          "+0.0 < sctp: INIT[flgs=0, tag=1, a_rwnd=9000, os=1, is=1, tsn=1]\n"
          "+0.0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=..., is=..., tsn=1]\n");
    fails("a cause", "another parameter or cause",
          UP "+0.0 < sctp: DATA[flgs=BE, len=16, tsn=1, sid=0, ssn=0, ppid=0]\n"
             "+0.0 > sctp: ABORT[flgs=0, NO_USER_DATA[tsn=3]]\n");
    fails("the tag of an INIT ACK that came again", "another value",
          "+0.0 listen(3, 1) = 0\n"
          "+0.0 < sctp: INIT[flgs=0, tag=1, a_rwnd=9000, os=1, is=1, tsn=1]\n"
          "+0.0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=..., is=..., tsn=1, ...]\n"
          "+0.5 < sctp: INIT[flgs=0, tag=7, a_rwnd=9000, os=1, is=1, tsn=1]\n"
          "+0.0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=..., is=..., tsn=1, ...]\n");
}

static void times(void)
{
    fails("too early", "sent at 1.000 instead of 1.010 s",
          "--tolerance_usecs=9999\n+0.0 connect(3, ..., ...) = -1\n"
          "*    > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1, ...]\n"
          "+1.01 > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1, ...]\n");
    struct play_result result =
        play_script("--tolerance_usecs=10000\n+0.0 connect(3, ..., ...) = -1\n"
                    "*    > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1, ...]\n"
                    "+1.01 > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1, ...]\n",
                    "FreeBSD");
    ok(result.passed, "within the tolerance (%s)", result.why);
    fails("too late", "nothing was sent",
          "+0.0 connect(3, ..., ...) = -1\n"
          "+0.0 > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1, ...]\n"
          "+0.9 > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1, ...]\n");
}

static void calls(void)
{
    fails("read", "read gives -1", UP "+0.0 read(4, ..., 100) = 1\n");
    fails("read of less", "read gives 1 instead of 2", UP GIVE "+0.0 read(4, ..., 100) = 2\n");
    fails("accept", "accept has none", UP "+0.0 accept(3, ..., ...) = 4\n");
    fails("write", "write is taken", UP "+0.0 write(4, ..., 10) = -1\n");
    fails("write after close", "write is refused",
          UP "+0.0 close(4) = 0\n+0.0 write(4, ..., 10) = 10\n");
    fails("an error", "the error is 0",
          UP "+0.0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ETIMEDOUT], [4]) = 0\n");
    fails("streams", "number of streams",
          UP "+0.0 getsockopt(4, IPPROTO_SCTP, SCTP_STATUS, {sstat_outstrms=2}, [176]) = 0\n");
    fails("a call that there is not", "an unknown call", "+0.0 sendmsg(3, ...) = 0\n");
    fails("an option that there is not", "an unknown option",
          "+0.0 setsockopt(3, IPPROTO_SCTP, SCTP_NODELAY, [1], 4) = 0\n");
}

static void language(void)
{
    fails("a line before the first event", "before the first event", "INIT[flgs=0]\n");
    fails("a directive", "directive", "#else\n");
    fails("no result of a call", "not understood", "+0.0 close(3)\n");
    fails("a chunk that there is not", "not understood", "+0.0 < sctp: ASCONF[flgs=0]\n");
    fails("a bracket too few", "not understood", "+0.0 < sctp: INIT[flgs=0\n");
    fails("a number too few", "not understood", "+0.0 < sctp: SHUTDOWN[flgs=0]\n");
    fails("a value of another length", "not understood",
          "+0.0 < sctp: CHUNK[type=0x80, flgs=0, len=9, val=[0x01]]\n");
}

int main(void)
{
    glob_t files;
    must(!glob(SCRIPTS, 0, NULL, &files));
    for (size_t i = 0; i < files.gl_pathc; i++)
        passes(files.gl_pathv[i]);
    ok(files.gl_pathc >= 12, "%zu scripts of our own", files.gl_pathc);
    globfree(&files);
    packets_that_differ();
    times();
    calls();
    language();
    message_cache_clear();
    return tap_done();
}
