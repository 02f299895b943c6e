#include "link.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double tt_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* --- addresses ------------------------------------------------------------------------------------------------------- */

static int copy(char *to, size_t room, const char *from, size_t count)
{
    if (count >= room || memchr(from, '\r', count) || memchr(from, '\n', count)) return 0;
    memcpy(to, from, count);
    to[count] = 0;
    return 1;
}

/* %41 to A, in place. */
static void unescape(char *words)
{
    char *to = words;
    for (char *at = words; *at; at++) {
        unsigned code;
        if (*at == '%' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]) &&
            sscanf(at + 1, "%2x", &code) == 1 && code) {
            *to++ = (char)code;
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
}

static int parse(tt_url *url, const char *words)
{
    const char *scheme_end = strstr(words, "://");
    memset(url, 0, sizeof *url);
    if (!scheme_end || !copy(url->scheme, sizeof url->scheme, words, (size_t)(scheme_end - words))) return 0;
    const char *host = scheme_end + 3, *end = host + strcspn(host, "/?"), *at = NULL;
    for (const char *c = host; c < end; c++)
        if (*c == '@') at = c;
    if (at) {
        const char *colon = memchr(host, ':', (size_t)(at - host)), *user_end = colon ? colon : at;
        if (!copy(url->user, sizeof url->user, host, (size_t)(user_end - host))) return 0;
        if (colon && !copy(url->password, sizeof url->password, colon + 1, (size_t)(at - colon) - 1)) return 0;
        unescape(url->user);
        unescape(url->password);
        host = at + 1;
    }
    const char *host_end = host, *port;
    if (*host == '[') {
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end || !copy(url->host, sizeof url->host, host + 1, (size_t)(host_end - host) - 1)) return 0;
        port = host_end + 1;
    } else {
        host_end += strcspn(host, ":/?");
        if (!copy(url->host, sizeof url->host, host, (size_t)(host_end - host))) return 0;
        port = host_end;
    }
    if (port < end) {
        char *number_end;
        if (*port != ':') return 0;
        long number = strtol(port + 1, &number_end, 10);
        if (number_end != end || number < 1 || number > 65535) return 0;
        url->port = (int)number;
    }
    if (*end == '/') end++;
    for (const char *c = end; *c; c++)
        if ((unsigned char)*c <= ' ') return 0;
    return url->host[0] && copy(url->path, sizeof url->path, end, strlen(end));
}

int tt_url_parse(tt_url *url, const char *words, const char *what, tt_fault *fault)
{
    if (parse(url, words)) return 1;
    return tt_fail(fault, "config", what, "scheme://[user:password@]host[:port][/path]", words, "see docs/camera.md");
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static socklen_t literal(address *to, const char *host, int port)
{
    memset(to, 0, sizeof *to);
    if (inet_pton(AF_INET, host, &to->v4.sin_addr) == 1) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons((uint16_t)port);
        return sizeof to->v4;
    }
    if (inet_pton(AF_INET6, host, &to->v6.sin6_addr) == 1) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons((uint16_t)port);
        return sizeof to->v6;
    }
    return 0;
}

static socklen_t look_up(address *to, const char *host, int port)
{
    socklen_t size = literal(to, host, port);
    if (size || !strcmp(host, "localhost")) return size ? size : literal(to, "127.0.0.1", port);
    FILE *hosts = fopen("/etc/hosts", "r");
    char line[512];
    while (hosts && !size && fgets(line, sizeof line, hosts)) {
        line[strcspn(line, "#\n")] = 0;
        char *rest = line, *first = strtok_r(rest, " \t", &rest);
        for (char *name; first && !size && (name = strtok_r(NULL, " \t", &rest));)
            if (!strcmp(name, host)) size = literal(to, first, port);
    }
    if (hosts) fclose(hosts);
    return size;
}

/* --- connections ----------------------------------------------------------------------------------------------------- */

static int trouble(tt_fault *fault, const char *expected, const char *got)
{
    return tt_fail(fault, "network", "the network", expected, got, "it is tried again");
}

/* 1: ready, 0: the deadline passed. A signal ends it too, so that a stop is heeded at once. */
static int ready(int socket, short events, double until_s)
{
    struct pollfd one = {socket, events, 0};
    double left_s = until_s - tt_now_s();
    int left_ms = left_s <= 0 ? 0 : left_s > 1e6 ? 1000000000 : (int)(left_s * 1000) + 1;
    return poll(&one, 1, left_ms) == 1;
}

int tt_connect(const tt_url *url, int default_port, double until_s, tt_fault *fault)
{
    address to;
    int port = url->port ? url->port : default_port, one = 1, error = 0;
    socklen_t size = look_up(&to, url->host, port), error_size = sizeof error;
    if (!size) {
        tt_fail(fault, "network", url->host, "an IP address, or a name in /etc/hosts", "an unknown name",
                "write the address");
        return -1;
    }
    char peer[160];
    snprintf(peer, sizeof peer, "a connection to %s port %d", url->host, port);
    int link = socket(to.any.sa_family, SOCK_STREAM, 0);
    if (link < 0 || fcntl(link, F_SETFL, O_NONBLOCK) < 0 || fcntl(link, F_SETFD, FD_CLOEXEC) < 0) error = errno;
    setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!error && connect(link, &to.any, size) < 0) {
        if (errno != EINPROGRESS)
            error = errno;
        else if (!ready(link, POLLOUT, until_s))
            error = ETIMEDOUT;
        else if (getsockopt(link, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0)
            error = errno;
    }
    if (!error) return link;
    if (link >= 0) close(link);
    trouble(fault, peer, strerror(error));
    return -1;
}

int tt_send(int socket, const void *data, size_t bytes, double until_s, tt_fault *fault)
{
    const char *at = data;
    while (bytes) {
        ssize_t sent = send(socket, at, bytes, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            bytes -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return trouble(fault, "to send", strerror(errno));
        } else if (!ready(socket, POLLOUT, until_s)) {
            return trouble(fault, "to send in time", "no room for it");
        }
    }
    return 1;
}

long tt_receive(int socket, void *data, size_t room, double until_s, tt_fault *fault)
{
    for (;;) {
        ssize_t got = recv(socket, data, room, 0);
        if (got >= 0) return (long)got;
        if (errno != EAGAIN && errno != EINTR) {
            trouble(fault, "an answer", strerror(errno));
            return -1;
        }
        if (!ready(socket, POLLIN, until_s)) {
            trouble(fault, "an answer in time", "none");
            return -1;
        }
    }
}
