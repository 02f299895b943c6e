/* One HTTP request on a connection of its own: fetch a snapshot, or post a message. HTTP/1.0, so that the answer comes
 * whole and unchunked (RFC 1945). Basic authentication; no TLS: a camera asks itself, or a broker beside it. */
#ifndef TT_CAM_HTTP_H
#define TT_CAM_HTTP_H

#include "link.h"

/* Of an answer's head: bytes of it with the blank line (0: more is needed, -1: no HTTP), its code, the length of the
 * body (-1: up to the end) and whether it comes in chunks. */
typedef struct {
    long head, length;
    int code, chunked;
} tt_http_head;

tt_http_head tt_http_parse(const char *answer, size_t bytes);

/* The body of a 200 answer, at most room bytes, at the start of buffer; its size, or -1 with the fault. */
long tt_http_get(const tt_url *url, double timeout_s, uint8_t *buffer, size_t room, tt_fault *fault);

/* Whether the other side took it: an answer 200 to 299. */
int tt_http_post(const tt_url *url, double timeout_s, const char *body, size_t bytes, tt_fault *fault);

#endif
