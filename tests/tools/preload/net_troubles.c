/* tests/tools/preload/net_troubles.c: with LD_PRELOAD: names and targets that behave as a test
 * says.
 *
 * NAMES is a folder. A name with a file in it has what the file's words say, in order: "wait MS",
 * then "silent" (never answered), "error CODE" (of getaddrinfo) or numeric addresses. Each look-up
 * of it adds a line to NAMES/look-ups. Other names are the system's.
 * A connection or a datagram to 192.0.2.N fails with errno N. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static look_up *real_look_up;
static int (*real_connect)(int, const struct sockaddr *, socklen_t);
static int (*real_send)(int, struct mmsghdr *, unsigned, int);

static __attribute__((constructor)) void find_real(void)
{
    *(void **)&real_look_up = dlsym(RTLD_NEXT, "getaddrinfo");
    *(void **)&real_connect = dlsym(RTLD_NEXT, "connect");
    *(void **)&real_send = dlsym(RTLD_NEXT, "sendmmsg");
}

static void note(const char *host)
{
    char path[512];
    snprintf(path, sizeof path, "%s/look-ups", getenv("NAMES"));
    FILE *file = fopen(path, "a");
    if (!file)
        return;
    fprintf(file, "%s\n", host);
    fclose(file);
}

static int follow(FILE *script, const struct addrinfo *hints, struct addrinfo **found)
{
    char word[64];
    int value;
    while (fscanf(script, "%63s", word) == 1) {
        if (!strcmp(word, "silent"))
            for (;;)
                pause();
        if (!strcmp(word, "error") && fscanf(script, "%d", &value) == 1)
            return value;
        if (!strcmp(word, "wait") && fscanf(script, "%d", &value) == 1) {
            nanosleep(&(struct timespec){value / 1000, value % 1000 * 1000000L}, NULL);
            continue;
        }
        int error = real_look_up(word, NULL, hints, found);
        if (error)
            return error;
        found = &(*found)->ai_next;
    }
    return 0;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("NAMES") ? getenv("NAMES") : "", host);
    FILE *script = fopen(path, "r");
    if (!script)
        return real_look_up(host, service, hints, found);
    note(host);
    *found = NULL;
    int error = follow(script, hints, found);
    fclose(script);
    return error;
}

/* 0: none. */
static int trouble(const struct sockaddr *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    if (address->sa_family != AF_INET || ntohl(in->sin_addr.s_addr) >> 8 != 0xc00002)
        return 0;
    return ntohl(in->sin_addr.s_addr) & 255;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int error = trouble(address);
    if (!error)
        return real_connect(fd, address, length);
    errno = error;
    return -1;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    const struct sockaddr *to = count ? messages[0].msg_hdr.msg_name : NULL;
    int error = to ? trouble(to) : 0;
    if (!error)
        return real_send(fd, messages, count, flags);
    errno = error;
    return -1;
}
