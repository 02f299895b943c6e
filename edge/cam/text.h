/* Text in fixed buffers: JSON out, and what went wrong. Knows nothing of pictures or sockets. */
#ifndef TT_CAM_TEXT_H
#define TT_CAM_TEXT_H

#include <stddef.h>

/* A buffer that is written up to its end; cut tells that something did not fit. Always ends with 0. */
typedef struct {
    char *at;
    size_t room, used;
    int cut;
} tt_text;

tt_text tt_text_in(char *buffer, size_t room);
void tt_put(tt_text *text, const char *words);
void tt_put_bytes(tt_text *text, const char *bytes, size_t count);
void tt_put_format(tt_text *text, const char *format, ...);

/* "words" in quotes, escaped for JSON. Bytes that are no UTF-8 become U+FFFD. */
void tt_put_string(tt_text *text, const char *words);

/* A number rounded to so many digits (0 to 6) behind the point, without trailing zeros: 0.92, 3, -0.000001. Not
 * finite: null. */
void tt_put_number(tt_text *text, double value, int digits);

/* What went wrong, as the wire's error message has it. code: a word of docs/errors.md. */
typedef struct {
    char code[16], what[160], expected[96], got[192], next[128];
} tt_fault;

/* Returns 0, so that a failing function can end with `return tt_fail(...)`. */
int tt_fail(tt_fault *fault, const char *code, const char *what, const char *expected, const char *got,
            const char *next);

/* "what: expected this, got that; do this" */
void tt_put_fault(tt_text *text, const tt_fault *fault);

#endif
