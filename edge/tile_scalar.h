/* tile_scalar.h: the sums inside a convolution in plain C: the reference the others are compared with. */
#ifndef TELLTALE_TILE_SCALAR_H
#define TELLTALE_TILE_SCALAR_H

#include <string.h>

#include "numbers.h"

/* `bytes` bytes and no more, each xor `flip`. */
TT_INLINE void copy_row_scalar(int8_t *to, const uint8_t *from, uint32_t bytes, uint8_t flip) {
    if (flip == 0) {
        memcpy(to, from, bytes);
        return;
    }
    for (uint32_t i = 0; i < bytes; i++) to[i] = (int8_t)(from[i] ^ flip);
}

/* What lies under two neighbouring windows, `apart` bytes from each other, `run` bytes from each row. Up to 31 bytes
 * behind are read and written too, by this or another version. */
TT_INLINE void gather_pair_scalar(const int8_t *const *rows, uint32_t count, uint32_t offset, uint32_t apart,
                                  uint32_t run, int8_t *patch0, int8_t *patch1) {
    for (uint32_t k = 0; k < count; k++, patch0 += run, patch1 += run) {
        const int8_t *from = rows[k] + offset;
        for (uint32_t i = 0; i < run; i += 16) memcpy(patch0 + i, from + i, 16);
        for (uint32_t i = 0; i < run; i += 16) memcpy(patch1 + i, from + apart + i, 16);
    }
}

/* Four channels of one pixel: sums[c] = sum over t of weights[c][t] * patch[t]. */
TT_INLINE void dot4_scalar(const int8_t *weights, const int8_t *patch, uint32_t steps, int32_t *sums) {
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (uint32_t step = 0; step < steps; step++, weights += 64, patch += 16) {
        for (int t = 0; t < 16; t++) {
            int32_t x = patch[t];
            s0 += x * weights[t];
            s1 += x * weights[16 + t];
            s2 += x * weights[32 + t];
            s3 += x * weights[48 + t];
        }
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

/* One channel of four pixels that lie `apart` bytes from each other: of each group of weights the first. */
TT_INLINE void four_pixels_scalar(const int8_t *weights, const int8_t *pixels, uint32_t apart, uint32_t steps,
                                  int32_t *sums) {
    for (int p = 0; p < 4; p++, pixels += apart) {
        int32_t sum = 0;
        for (uint32_t step = 0; step < steps; step++)
            for (int t = 0; t < 16; t++) sum += weights[64 * step + t] * pixels[16 * step + t];
        sums[p] = sum;
    }
}

/* A pixel's channels. */
TT_INLINE void copy_channels_scalar(int8_t *to, const int8_t *from, uint32_t channels) { memcpy(to, from, channels); }

/* Four channels of one pixel, biased, rescaled and clamped. */
TT_INLINE void finish4_scalar(const int32_t *sums, const int32_t *scales, int32_t zero, int8_t *out) {
    for (int c = 0; c < 4; c++) out[c] = clamp8(rescale(sums[c] + scales[c], scales[4 + c], scales[8 + c]) + zero);
}

/* 4 * groups channels of two pixels. */
TT_INLINE void tile_pair_scalar(const int8_t *weights, const int32_t *scales, const int8_t *patch0, const int8_t *patch1,
                                int8_t *out0, int8_t *out1, uint32_t steps, uint32_t groups, int32_t zero) {
    int32_t sums[4];
    for (uint32_t g = 0; g < groups; g++, weights += 64 * steps, scales += 12, out0 += 4, out1 += 4) {
        dot4_scalar(weights, patch0, steps, sums);
        finish4_scalar(sums, scales, zero, out0);
        dot4_scalar(weights, patch1, steps, sums);
        finish4_scalar(sums, scales, zero, out1);
    }
}

/* Eight channels of one pixel of a depthwise convolution: `taps` (even) pointers to its inputs' first channel. */
TT_INLINE void depthwise8_scalar(const int8_t *weights, const int32_t *scales, const int8_t *const *inputs, uint32_t taps,
                                 uint32_t channel, int32_t zero, int8_t *out) {
    for (uint32_t c = 0; c < 8; c++) {
        int32_t sum = scales[c];
        for (uint32_t t = 0; t < taps; t++) sum += weights[8 * t + c] * inputs[t][channel + c];
        out[c] = clamp8(rescale(sum, scales[8 + c], scales[16 + c]) + zero);
    }
}

/* Sums of eight channels over `pixels` pixels, `stride` bytes apart. */
TT_INLINE void sum8_scalar(const int8_t *from, uint32_t pixels, uint32_t stride, int32_t *sums) {
    for (uint32_t c = 0; c < 8; c++) {
        int32_t sum = 0;
        for (uint32_t p = 0; p < pixels; p++) sum += from[p * stride + c];
        sums[c] = sum;
    }
}

#endif
