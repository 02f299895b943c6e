/* Private to preprocess.c and the resize_*.c: each resizes in one way, row by row, into a tt_prep that
 * tt_prep_begin has laid out. `begin` fills the table of columns and finds the rows of the first target row;
 * `row` takes the next row of the picture, grey or RGB as prep->channels says. */
#ifndef TT_RESIZE_H
#define TT_RESIZE_H

#include "preprocess.h"

/* A fused multiply-add rounds once where OpenCV rounds twice. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

/* One target column of the area average: source pixels first .. first + count - 1. 20 bytes. */
typedef struct {
    int32_t first, count;
    float head, body, tail;
} tt_area_cell;

/* One target column of the bilinear resize. 12 bytes. */
typedef struct {
    int32_t low, high;    /* bytes from the start of the row */
    int16_t share, other; /* of low and of high, out of 2048 */
} tt_linear_cell;

/* resize_factor.c: both sides shrink by a whole factor. No table; a line of sums is int32_t. */
void tt_factor_row(tt_prep *prep, const uint8_t *row);

/* resize_area.c: neither side grows. A table of tt_area_cell; a line of sums is float. */
void tt_area_begin(tt_prep *prep);
void tt_area_row(tt_prep *prep, const uint8_t *row);

/* resize_linear.c: a side grows. A table of tt_linear_cell; a line of sums is uint16_t. */
void tt_linear_begin(tt_prep *prep);
void tt_linear_row(tt_prep *prep, const uint8_t *row);

static inline int floor_of(double value) /* |value| < 2^31 */
{
    int whole = (int)value;
    return whole > value ? whole - 1 : whole;
}

/* To the nearest, halves to even: 0 <= value < 2^22. */
static inline int round_of(float value)
{
    union {
        float f;
        uint32_t u;
    } shifted;
    shifted.f = value + 8388608.0f; /* 2^23: the unit in the last place is 1 */
    return (int)(shifted.u & 0x7fffffu);
}

static inline void put(const tt_prep *prep, uint8_t *to, int c, uint8_t value)
{
    to[c] = value;
    if (prep->channels < prep->out_channels) to[1] = to[2] = value;
}

static inline uint8_t *line_of(const tt_prep *prep)
{
    return prep->origin + prep->target * prep->next_y;
}

#endif
