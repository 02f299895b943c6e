#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "jpeg.h"

int tt_source_begin(tt_source *source, const char *words, double timeout_s, size_t max_bytes, tt_fault *fault)
{
    memset(source, 0, sizeof *source);
    source->words = words;
    source->timeout_s = timeout_s;
    source->room = max_bytes;
    if (!words[0])
        return tt_fail(fault, "config", "source", "http://..., a path or -", "nothing",
                       "set source, or name a picture");
    if (!strcmp(words, "-"))
        source->kind = TT_SOURCE_STDIN;
    else if (strstr(words, "://")) {
        source->kind = TT_SOURCE_HTTP;
        if (!tt_url_parse(&source->url, words, "source", fault)) return 0;
        if (strcmp(source->url.scheme, "http"))
            return tt_fail(fault, "config", "source", "http://", words, "ask the camera itself, without TLS");
    }
    source->buffer = malloc(max_bytes);
    return source->buffer || tt_fail(fault, "config", "max_bytes", "so much memory", "less", "lower max_bytes");
}

/* All of a file, or up to room bytes of what comes. -1: an error in errno. */
static long read_some(int file, uint8_t *to, size_t room)
{
    for (;;) {
        ssize_t got = read(file, to, room);
        if (got >= 0 || errno != EINTR) return (long)got;
    }
}

static int from_file(tt_source *source, tt_fault *fault)
{
    int file = open(source->words, O_RDONLY);
    long got = file < 0 ? -1 : 1;
    source->used = 0;
    while (got > 0 && source->used < source->room) {
        got = read_some(file, source->buffer + source->used, source->room - source->used);
        if (got > 0) source->used += (size_t)got;
    }
    int error = errno;
    if (file >= 0) close(file);
    if (got < 0) return tt_fail(fault, "image", source->words, "a picture file", strerror(error), "check the path");
    if (got > 0)
        return tt_fail(fault, "image", source->words, "a smaller file", "more than max_bytes", "raise max_bytes");
    return 1;
}

/* Where the next picture may begin, at or behind `from`. */
static size_t next_start(const tt_source *source, size_t from)
{
    for (size_t at = from; at < source->used; at++) {
        const uint8_t *mark = memchr(source->buffer + at, 0xff, source->used - at);
        if (!mark) return source->used;
        at = (size_t)(mark - source->buffer);
        if (at + 1 == source->used || mark[1] == 0xd8) return at;
    }
    return source->used;
}

static void drop(tt_source *source, size_t count)
{
    memmove(source->buffer, source->buffer + count, source->used - count);
    source->used -= count;
}

/* Pictures follow one another (as `ffmpeg -f mjpeg` writes them), whatever lies between them. */
static int from_stdin(tt_source *source, size_t *bytes, tt_fault *fault)
{
    drop(source, source->taken);
    source->taken = 0;
    for (;;) {
        tt_jpeg_info info;
        drop(source, next_start(source, 0));
        tt_jpeg_status status = tt_jpeg_look(source->buffer, source->used, &info);
        if (status == TT_JPEG_OK) {
            *bytes = source->taken = info.bytes;
            return 1;
        }
        if (source->used > 2 && status != TT_JPEG_CUT_OFF) {
            source->taken = next_start(source, 2);
            return tt_fail(fault, "image", "a picture of stdin", "a JPEG", tt_jpeg_text(status), "send whole JPEGs");
        }
        if (source->used == source->room) {
            source->used = 0;
            return tt_fail(fault, "image", "a picture of stdin", "a smaller JPEG", "more than max_bytes",
                           "raise max_bytes");
        }
        size_t most = source->room - source->used;
        long got = read_some(STDIN_FILENO, source->buffer + source->used, most < 65536 ? most : 65536);
        if (got > 0) {
            source->used += (size_t)got;
            continue;
        }
        if (!source->used) return -1;
        source->used = 0;
        return tt_fail(fault, "image", "a picture of stdin", "a whole JPEG", tt_jpeg_text(TT_JPEG_CUT_OFF),
                       "send whole JPEGs");
    }
}

int tt_source_next(tt_source *source, const uint8_t **data, size_t *bytes, tt_fault *fault)
{
    *data = source->buffer;
    if (source->kind == TT_SOURCE_STDIN) return from_stdin(source, bytes, fault);
    if (source->kind == TT_SOURCE_HTTP) {
        long got = tt_http_get(&source->url, source->timeout_s, source->buffer, source->room, fault);
        *bytes = got < 0 ? 0 : (size_t)got;
        return got >= 0;
    }
    int came = from_file(source, fault);
    *bytes = source->used;
    return came;
}

void tt_source_end(tt_source *source)
{
    free(source->buffer);
    source->buffer = NULL;
}
