#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

tt_text tt_text_in(char *buffer, size_t room)
{
    tt_text text = {buffer, room, 0, 0};
    buffer[0] = 0;
    return text;
}

void tt_put_bytes(tt_text *text, const char *bytes, size_t count)
{
    size_t left = text->room - 1 - text->used;
    if (count > left) {
        text->cut = 1;
        count = left;
    }
    memcpy(text->at + text->used, bytes, count);
    text->used += count;
    text->at[text->used] = 0;
}

void tt_put(tt_text *text, const char *words)
{
    tt_put_bytes(text, words, strlen(words));
}

void tt_put_format(tt_text *text, const char *format, ...)
{
    char piece[512];
    va_list list;
    va_start(list, format);
    int count = vsnprintf(piece, sizeof piece, format, list);
    va_end(list);
    if (count < 0) return;
    if ((size_t)count >= sizeof piece) {
        text->cut = 1;
        count = (int)sizeof piece - 1;
    }
    tt_put_bytes(text, piece, (size_t)count);
}

/* Bytes of the UTF-8 character at `at`, 0 when there is none (RFC 3629: no surrogates, no overlong forms). */
static size_t character(const unsigned char *at)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    if (count < 2) return count;
    unsigned code = at[0] & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    return code < least[count] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : count;
}

void tt_put_string(tt_text *text, const char *words)
{
    tt_put(text, "\"");
    for (const unsigned char *at = (const unsigned char *)words; *at;) {
        size_t count = character(at);
        if (count == 0) {
            tt_put(text, "\\ufffd");
            at++;
            continue;
        }
        if (*at == '"' || *at == '\\') tt_put(text, "\\");
        if (*at < 0x20 || *at == 0x7f)
            tt_put_format(text, "\\u%04x", *at);
        else
            tt_put_bytes(text, (const char *)at, count);
        at += count;
    }
    tt_put(text, "\"");
}

void tt_put_number(tt_text *text, double value, int digits)
{
    static const double powers[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};
    if (!(value - value == 0.0) || value > 1e12 || value < -1e12) {
        tt_put(text, "null");
        return;
    }
    double size = value < 0 ? -value : value;
    uint64_t units = (uint64_t)(size * powers[digits] + 0.5), one = (uint64_t)powers[digits];
    char piece[40];
    int count = snprintf(piece, sizeof piece, "%s%llu", value < 0 && units ? "-" : "", (unsigned long long)(units / one));
    tt_put_bytes(text, piece, (size_t)count);
    if (units % one == 0) return;
    count = snprintf(piece, sizeof piece, ".%0*llu", digits, (unsigned long long)(units % one));
    while (piece[count - 1] == '0') count--;
    tt_put_bytes(text, piece, (size_t)count);
}

static void keep(char *to, size_t room, const char *from)
{
    size_t count = strlen(from);
    if (count >= room) count = room - 1;
    memcpy(to, from, count);
    to[count] = 0;
    for (char *c = to; *c; c++)
        if (*c == '\n' || *c == '\r') *c = ' '; /* a fault is one line */
}

int tt_fail(tt_fault *fault, const char *code, const char *what, const char *expected, const char *got,
            const char *next)
{
    keep(fault->code, sizeof fault->code, code);
    keep(fault->what, sizeof fault->what, what);
    keep(fault->expected, sizeof fault->expected, expected);
    keep(fault->got, sizeof fault->got, got);
    keep(fault->next, sizeof fault->next, next);
    return 0;
}

void tt_put_fault(tt_text *text, const tt_fault *fault)
{
    tt_put_format(text, "%s: expected %s, got %s; %s", fault->what, fault->expected, fault->got, fault->next);
}
