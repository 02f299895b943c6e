#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384 };

static const char *line_end(const char *at, const char *end)
{
    while (at < end && *at != '\n') at++;
    return at < end ? at : NULL;
}

/* Whether the header line [at, end) has this name; *value is what stands behind the colon, spaces passed over. */
static int named(const char *at, const char *end, const char *name, const char **value)
{
    size_t length = strlen(name);
    if ((size_t)(end - at) <= length || strncasecmp(at, name, length) || at[length] != ':') return 0;
    at += length + 1;
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    *value = at;
    return 1;
}

static long digits(const char *at, const char *end)
{
    long value = 0;
    int any = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++, any = 1)
        if ((value = value * 10 + (*at - '0')) > 1000000000L) return -1;
    return any ? value : -1;
}

tt_http_head tt_http_parse(const char *answer, size_t bytes)
{
    tt_http_head none = {0, -1, 0, 0}, bad = {-1, -1, 0, 0}, head = none;
    const char *end = answer + bytes, *line = answer;
    size_t sure = bytes < 5 ? bytes : 5;
    if (memcmp(answer, "HTTP/", sure)) return bad;
    for (int first = 1;; first = 0) {
        const char *next = line_end(line, end), *value;
        if (!next) return bytes > HEAD_BYTES ? bad : none;
        const char *stop = next > line && next[-1] == '\r' ? next - 1 : next;
        if (first) {
            const char *space = memchr(line, ' ', (size_t)(stop - line));
            long code = space ? digits(space + 1, stop) : -1;
            if (code < 100 || code > 999) return bad;
            head.code = (int)code;
        } else if (stop == line) {
            head.head = (long)(next + 1 - answer);
            return head;
        } else if (named(line, stop, "Content-Length", &value)) {
            head.length = digits(value, stop);
            if (head.length < 0) return bad;
        } else if (named(line, stop, "Transfer-Encoding", &value)) {
            head.chunked = stop - value < 8 || strncasecmp(value, "identity", 8) != 0;
        }
        line = next + 1;
    }
}

static void base64(char *to, const char *from)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)from;
    for (size_t left = strlen(from); left; left -= left < 3 ? left : 3, at += 3) {
        unsigned three = (unsigned)at[0] << 16;
        if (left > 1) three |= (unsigned)at[1] << 8;
        if (left > 2) three |= at[2];
        *to++ = letters[three >> 18];
        *to++ = letters[three >> 12 & 63];
        *to++ = left > 1 ? letters[three >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[three & 63] : '=';
    }
    *to = 0;
}

static void put_request(tt_text *text, const tt_url *url, const char *method, size_t body)
{
    int v6 = strchr(url->host, ':') != NULL;
    tt_put_format(text, "%s /%s HTTP/1.0\r\nHost: %s%s%s", method, url->path, v6 ? "[" : "", url->host, v6 ? "]" : "");
    if (url->port) tt_put_format(text, ":%d", url->port);
    tt_put(text, "\r\nConnection: close\r\nUser-Agent: telltale-cam\r\n");
    if (url->user[0]) {
        char both[130], coded[180];
        snprintf(both, sizeof both, "%s:%s", url->user, url->password);
        base64(coded, both);
        tt_put_format(text, "Authorization: Basic %s\r\n", coded);
    }
    if (!strcmp(method, "POST")) tt_put_format(text, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body);
    tt_put(text, "\r\n");
}

static int complain(const tt_url *url, const char *expected, const char *got, tt_fault *fault)
{
    char what[160];
    snprintf(what, sizeof what, "http://%s/%.24s", url->host, url->path);
    return tt_fail(fault, "network", what, expected, got, "check the address and the password; it is tried again");
}

/* Reads head and, if wanted, body into buffer, the body moved to its start. The body's size, or -1. */
static long read_answer(int link, const tt_url *url, int body_too, char *buffer, size_t room, double until_s,
                        tt_http_head *head, tt_fault *fault)
{
    size_t used = 0;
    long got = 1, want = 0;
    *head = (tt_http_head){0, -1, 0, 0};
    while (got > 0 && (head->head == 0 || want < 0 || used < (size_t)want)) {
        if (used == room) {
            complain(url, "a smaller answer", "more than max_bytes", fault);
            return -1;
        }
        size_t most = head->head && want >= 0 ? (size_t)want - used : room - used;
        got = tt_receive(link, buffer + used, most, until_s, fault);
        if (got < 0) return -1;
        used += (size_t)got;
        if (head->head > 0) continue;
        *head = tt_http_parse(buffer, used);
        if (head->head < 0) break;
        if (head->head && !body_too) return 0;
        want = head->length < 0 ? -1 : head->head + head->length;
        if (head->head && want > (long)room) {
            complain(url, "a smaller answer", "more than max_bytes", fault);
            return -1;
        }
    }
    if (head->head <= 0 || head->chunked) {
        complain(url, "an HTTP answer", head->chunked ? "one in chunks" : used ? "something else" : "nothing", fault);
        return -1;
    }
    if (want >= 0 && used < (size_t)want) {
        complain(url, "the whole answer", "a part of it", fault);
        return -1;
    }
    size_t body = (want >= 0 ? (size_t)want : used) - (size_t)head->head;
    memmove(buffer, buffer + head->head, body);
    return (long)body;
}

static long exchange(const tt_url *url, double timeout_s, const char *body, size_t bytes, char *buffer, size_t room,
                     tt_http_head *head, tt_fault *fault)
{
    char request[1024];
    tt_text text = tt_text_in(request, sizeof request);
    put_request(&text, url, body ? "POST" : "GET", bytes);
    double until_s = tt_now_s() + timeout_s;
    int link = tt_connect(url, 80, until_s, fault);
    if (link < 0) return -1;
    long got = -1;
    if (tt_send(link, request, text.used, until_s, fault) && (!body || tt_send(link, body, bytes, until_s, fault)))
        got = read_answer(link, url, !body, buffer, room, until_s, head, fault);
    close(link);
    return got;
}

long tt_http_get(const tt_url *url, double timeout_s, uint8_t *buffer, size_t room, tt_fault *fault)
{
    tt_http_head head;
    long got = exchange(url, timeout_s, NULL, 0, (char *)buffer, room, &head, fault);
    if (got < 0 || head.code == 200) return got;
    char code[16];
    snprintf(code, sizeof code, "%d", head.code);
    complain(url, "an answer 200", code, fault);
    return -1;
}

int tt_http_post(const tt_url *url, double timeout_s, const char *body, size_t bytes, tt_fault *fault)
{
    char answer[HEAD_BYTES], code[16];
    tt_http_head head;
    if (exchange(url, timeout_s, body, bytes, answer, sizeof answer, &head, fault) < 0) return 0;
    if (head.code >= 200 && head.code < 300) return 1;
    snprintf(code, sizeof code, "%d", head.code);
    return complain(url, "an answer 200 to 299", code, fault);
}
