/* The status as text. */
#include "proxy/cli/status_text.h"

#include <jansson.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

static const char *print(const char *json)
{
    static char text[8192];
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    json_t *report = json_loads(json, 0, NULL);
    must(out && report);
    status_text_print(report, out);
    json_decref(report);
    fclose(out);
    return text;
}

static const char full[] =
    "{\"version\":\"0.1.0\",\"pid\":42,\"uptime_s\":3700,\"threads\":2,\"draining\":false,"
    "\"tunnels\":[{\"name\":\"site\",\"role\":\"client\",\"transport\":\"udp\",\"state\":\"up\","
    "\"local\":[\"0.0.0.0:4711\"],\"association\":{\"id\":\"ab\"},\"associations\":[{\"id\":\"ab\","
    "\"peer\":\"server.example\",\"address\":\"192.0.2.1:9899\",\"state\":\"up\",\"streams\":1024,"
    "\"streams_limit\":{\"by\":\"far end\",\"here\":2048,\"far_end\":1024},"
    "\"paths\":[{\"address\":\"192.0.2.1:9899\",\"state\":\"active\",\"rtt_us\":1500,\"mtu\":1500}]"
    ","
    "\"tls\":{\"version\":\"TLS1.3\",\"cipher\":\"AES-128-GCM\",\"master_resumed\":true}}],"
    "\"children\":{\"started\":20,\"ready\":16,\"resumed\":18,\"full\":0,\"failed\":2},"
    "\"connections\":{\"open\":3,\"total\":10,\"refused\":1,\"waiting\":0},"
    "\"bytes\":{\"in\":1234567890,\"out\":999},"
    "\"services\":[{\"name\":\"web\",\"listen\":\"127.0.0.1:8080\",\"open\":3,\"total\":10,"
    "\"refused\":1},{\"name\":\"db\",\"connect\":\"unix:/run/db\",\"open\":0,\"total\":0,"
    "\"refused\":0}]}]}";

static const char full_text[] =
    "hawser 0.1.0, process 42, up 1 h 1 min, 2 threads\n"
    "\n"
    "tunnel site: up (client, udp)\n"
    "  local           0.0.0.0:4711\n"
    "  association     ab with server.example at 192.0.2.1:9899: up, 1024 streams (limited by the "
    "far end; streams.max is 2048 here, 1024 there)\n"
    "    path          192.0.2.1:9899 active, round trip 1.5 ms, MTU 1500\n"
    "    master session TLS1.3, AES-128-GCM, resumed from an earlier association\n"
    "  child sessions  16 ready, 20 started, 18 of 18 resumed from the master, 2 failed; records: "
    "own\n"
    "  connections     3 open, 10 in all, 1 refused, 0 waiting for a stream\n"
    "  data            999 B out, 1.2 GB in\n"
    "  service         web listens on 127.0.0.1:8080: 3 open, 10 in all, 1 refused\n"
    "  service         db connects to unix:/run/db: 0 open, 0 in all, 0 refused\n";

static const char two_paths[] =
    "{\"tunnels\":[{\"transport\":\"auto\",\"associations\":[{\"id\":\"ab\",\"peer\":\"s\","
    "\"address\":\"10.1.0.2:9\",\"transport\":\"kernel\",\"state\":\"up\","
    "\"retransmissions\":12,\"lost\":9,\"spurious\":3,\"loss_probes\":4,\"timeouts\":1,\"paths\":["
    "{\"address\":\"10.1.0.2:9\",\"local\":\"10.1.0.1:9\",\"state\":\"active\",\"in_use\":true,"
    "\"rtt_us\":310,\"mtu\":1500,\"congestion_window\":64000,"
    "\"congestion\":{\"name\":\"bbr\",\"phase\":\"cruise\",\"window\":64000,"
    "\"in_flight\":1000,\"rate\":5000000,\"min_rtt_us\":290,\"loss_floor\":0.0123}},"
    "{\"address\":\"10.2.0.2:9\",\"local\":\"\",\"state\":\"failing\",\"in_use\":false}]}]}]}";
static const char two_paths_text[] =
    "  association     ab with s at 10.1.0.2:9 over kernel: up, 12 retransmissions "
    "(3 spurious), 1 time-out\n"
    "    path          10.1.0.1:9 -> 10.1.0.2:9 active, in use, round trip 0.31 ms, MTU 1500, "
    "window 64.0 kB\n"
    "    congestion    bbr, cruise: window 64.0 kB, 5.0 MB/s, least round trip 0.29 ms, path loss "
    "1.2%\n"
    "    path          10.2.0.2:9 failing\n";

int main(void)
{
    const char *text = print(full);
    if (!ok(strcmp(text, full_text) == 0, "a whole report"))
        tap_note("%s", text);
    text = print(two_paths);
    if (!ok(strstr(text, two_paths_text), "two paths"))
        tap_note("%s", text);
    ok(strstr(print("{\"tunnels\":[{\"children\":{\"resumed\":3,\"full\":1}}]}"),
              "WARNING         only 75% of the child sessions were resumed"),
       "children that were not resumed are pointed out");
    ok(!strstr(print("{\"tunnels\":[{\"children\":{\"resumed\":4,\"full\":0}}]}"), "WARNING"),
       "all resumed: no warning");
    text = print(
        "{\"reloads\":{\"configuration\":{\"done\":2,\"failed\":1,\"at\":\"now\",\"fine\":false,"
        "\"failure\":\"line 3\"},\"redis_keys\":null},\"tunnels\":[{\"reload\":{\"done\":4,"
        "\"failed\":1,\"at\":\"then\",\"fine\":true,\"failure\":\"old\"}}]}");
    ok(strstr(text, "configuration: 2 reloads, 1 failed; last now: FAILED: line 3\n") &&
           !strstr(text, "Redis"),
       "a reload that failed says why");
    ok(strstr(text, "  files           4 reloads, 1 failed; last then: fine\n"),
       "one that was fine does not repeat an old reason");
    ok(strstr(print("{\"draining\":true}"), "draining: no new connections"), "draining");
    ok(strstr(print("{}"), "hawser -, process 0, up 0 s, 0 threads\n"), "nothing known");
    ok(strstr(print("{\"version\":7,\"tunnels\":[1,{\"name\":[],\"associations\":3,\"bytes\":\"x\","
                    "\"services\":{\"a\":1}}]}"),
              "tunnel -: - (-, -)"),
       "members of other types do no harm");
    ok(strstr(print("{\"tunnels\":[{\"associations\":[],\"association\":{\"id\":\"cd\"}}]}"),
              "association     cd"),
       "a process that knows one association only");
    ok(strstr(print("{\"version\":\"a\\u001b[2Jb\"}"), "hawser a?[2Jb,"),
       "a name cannot control the terminal");
    ok(strstr(print("{\"version\":\"a\\u009b2Jb\"}"), "hawser a??2Jb,"),
       "nor by what stands for ESC [ in UTF-8");
    return tap_done();
}
