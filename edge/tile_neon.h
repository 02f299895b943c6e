/* tile_neon.h: the same sums as tile_scalar.h on ARMv7 with NEON.
 *
 * No weight is -128, so two products fit 16 bits (2 * 127 * 128 = 32512): vmull + vmlal + vpadal add 16 products with
 * three instructions. A tile is 4 channels of 2 pixels: 8 accumulators, 4 registers of weights, 2 of inputs, 2 of
 * products: all sixteen. */
#ifndef TELLTALE_TILE_NEON_H
#define TELLTALE_TILE_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "tile_scalar.h"

#if defined(__arm__)
/* For each of `count` rows 16 or 32 bytes of two windows. */
#define TT_GATHER(FIRST, SECOND)                         \
    "1:                                            \n\t" \
    "ldr      %[from], [%[rows]], #4               \n\t" \
    "subs     %[count], %[count], #1               \n\t" \
    "add      %[from], %[from], %[offset]          \n\t" \
    "vld1.8   " FIRST ", [%[from]], %[apart]       \n\t" \
    "vld1.8   " SECOND ", [%[from]]                \n\t" \
    "vst1.8   " FIRST ", [%[p0]], %[run]           \n\t" \
    "vst1.8   " SECOND ", [%[p1]], %[run]          \n\t" \
    "bne      1b                                   \n\t"
#define TT_GATHER_OPERANDS                                                                                        \
    : [rows] "+r"(rows), [count] "+r"(count), [p0] "+r"(patch0), [p1] "+r"(patch1), [from] "=&r"(from)            \
    : [offset] "r"(offset), [apart] "r"(apart), [run] "r"(run)                                                    \
    : "cc", "memory", "q0", "q1", "q2", "q3"

TT_INLINE void gather_pair_neon(const int8_t *const *rows, uint32_t count, uint32_t offset, uint32_t apart, uint32_t run,
                                int8_t *patch0, int8_t *patch1) {
    const int8_t *from;
    if (run <= 16) {
        __asm__ volatile(TT_GATHER("{d0-d1}", "{d4-d5}") TT_GATHER_OPERANDS);
        return;
    }
    if (run <= 32) {
        __asm__ volatile(TT_GATHER("{d0-d3}", "{d4-d7}") TT_GATHER_OPERANDS);
        return;
    }
    for (uint32_t k = 0; k < count; k++, patch0 += run, patch1 += run) {
        const int8_t *second = rows[k] + offset + apart;
        int8_t *to0 = patch0, *to1 = patch1;
        uint32_t left = run;
        from = rows[k] + offset;
        __asm__ volatile(
            "1:                                            \n\t"
            "vld1.8   {d0-d3}, [%[from]]!                  \n\t"
            "vld1.8   {d4-d7}, [%[second]]!                \n\t"
            "subs     %[left], %[left], #32                \n\t"
            "vst1.8   {d0-d3}, [%[to0]]!                   \n\t"
            "vst1.8   {d4-d7}, [%[to1]]!                   \n\t"
            "bgt      1b                                   \n\t"
            : [from] "+r"(from), [second] "+r"(second), [to0] "+r"(to0), [to1] "+r"(to1), [left] "+r"(left)
            :
            : "cc", "memory", "q0", "q1", "q2", "q3");
    }
}

/* `bytes` bytes and no more, each xor `flip`. */
TT_INLINE void copy_row_neon(int8_t *to, const uint8_t *from, uint32_t bytes, uint8_t flip) {
    if (flip == 0 || bytes < 32) {
        copy_row_scalar(to, from, bytes, flip);
        return;
    }
    const uint8_t *last = from + bytes - 32;
    int8_t *last_to = to + bytes - 32;
    int32_t left = (int32_t)bytes - 32; /* the last 32, which may overlap those before, come last */
    __asm__ volatile(
        "vdup.8   q4, %[flip]                          \n\t"
        "1:                                            \n\t"
        "cmp      %[left], #0                          \n\t"
        "movle    %[from], %[last]                     \n\t"
        "movle    %[to], %[last_to]                    \n\t"
        "vld1.8   {d0-d3}, [%[from]]!                  \n\t"
        "veor     q0, q0, q4                           \n\t"
        "veor     q1, q1, q4                           \n\t"
        "vst1.8   {d0-d3}, [%[to]]!                    \n\t"
        "sub      %[left], %[left], #32                \n\t"
        "bgt      1b                                   \n\t"
        : [from] "+r"(from), [to] "+r"(to), [left] "+r"(left)
        : [last] "r"(last), [last_to] "r"(last_to), [flip] "r"(flip)
        : "cc", "memory", "q0", "q1", "q4");
}
#else
#define gather_pair_neon gather_pair_scalar
#define copy_row_neon copy_row_scalar
#endif

TT_INLINE void dot4_neon(const int8_t *weights, const int8_t *patch, uint32_t steps, int32_t *sums) {
    int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (uint32_t step = 0; step < steps; step++, weights += 64, patch += 16) {
        int8x16_t x = vld1q_s8(patch);
        for (int c = 0; c < 4; c++) {
            int8x16_t w = vld1q_s8(weights + 16 * c);
            int16x8_t product = vmull_s8(vget_low_s8(w), vget_low_s8(x));
            product = vmlal_s8(product, vget_high_s8(w), vget_high_s8(x));
            sum[c] = vpadalq_s16(sum[c], product);
        }
    }
    int32x2_t half[4];
    for (int c = 0; c < 4; c++) half[c] = vpadd_s32(vget_low_s32(sum[c]), vget_high_s32(sum[c]));
    vst1q_s32(sums, vcombine_s32(vpadd_s32(half[0], half[1]), vpadd_s32(half[2], half[3])));
}

TT_INLINE void four_pixels_neon(const int8_t *weights, const int8_t *pixels, uint32_t apart, uint32_t steps,
                                int32_t *sums) {
    int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (uint32_t step = 0; step < steps; step++, weights += 64, pixels += 16) {
        int8x16_t w = vld1q_s8(weights);
        for (uint32_t p = 0; p < 4; p++) {
            int8x16_t x = vld1q_s8(pixels + p * apart);
            int16x8_t product = vmull_s8(vget_low_s8(w), vget_low_s8(x));
            product = vmlal_s8(product, vget_high_s8(w), vget_high_s8(x));
            sum[p] = vpadalq_s16(sum[p], product);
        }
    }
    int32x2_t half[4];
    for (int p = 0; p < 4; p++) half[p] = vpadd_s32(vget_low_s32(sum[p]), vget_high_s32(sum[p]));
    vst1q_s32(sums, vcombine_s32(vpadd_s32(half[0], half[1]), vpadd_s32(half[2], half[3])));
}

/* A call of memcpy costs more than most pixels have. */
TT_INLINE void copy_channels_neon(int8_t *to, const int8_t *from, uint32_t channels) {
    for (; channels >= 16; channels -= 16, to += 16, from += 16) vst1q_s8(to, vld1q_s8(from));
    if (channels >= 8) {
        vst1_s8(to, vld1_s8(from));
        channels -= 8, to += 8, from += 8;
    }
    for (; channels > 0; channels--) *to++ = *from++;
}

TT_INLINE void finish4_neon(const int32_t *sums, const int32_t *scales, int32_t zero, int8_t *out) {
    int32x4_t x = vaddq_s32(vld1q_s32(sums), vld1q_s32(scales));
    x = vrshlq_s32(vqrdmulhq_s32(x, vld1q_s32(scales + 4)), vld1q_s32(scales + 8));
    int16x4_t narrow = vqadd_s16(vqmovn_s32(x), vdup_n_s16((int16_t)zero));
    int8x8_t bytes = vqmovn_s16(vcombine_s16(narrow, narrow));
    int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    memcpy(out, &four, 4);
}

#if defined(__arm__)
/* One step: 16 products of each of 4 channels and 2 pixels. ADD is vpaddl in the first step and vpadal after it. */
#define TT_LOAD                                          \
    "vldmia   %[w]!, {d0-d7}                       \n\t" \
    "vld1.8   {d8, d9}, [%[p0]]!                   \n\t" \
    "vld1.8   {d10, d11}, [%[p1]]!                 \n\t"
#define TT_TWO(ADD, WA, WB, XA, XB, VA, VB, S0, S1)      \
    "vmull.s8 q6, " WA ", " XA "                   \n\t" \
    "vmull.s8 q7, " VA ", " XA "                   \n\t" \
    "vmlal.s8 q6, " WB ", " XB "                   \n\t" \
    "vmlal.s8 q7, " VB ", " XB "                   \n\t" \
    ADD ".s16 " S0 ", q6                           \n\t" \
    ADD ".s16 " S1 ", q7                           \n\t"
#define TT_STEP(ADD)                                                     \
    TT_LOAD                                                              \
    TT_TWO(ADD, "d0", "d1", "d8", "d9", "d2", "d3", "q8", "q9")          \
    TT_TWO(ADD, "d4", "d5", "d8", "d9", "d6", "d7", "q10", "q11")        \
    TT_TWO(ADD, "d0", "d1", "d10", "d11", "d2", "d3", "q12", "q13")      \
    TT_TWO(ADD, "d4", "d5", "d10", "d11", "d6", "d7", "q14", "q15")

TT_INLINE void tile_pair_neon(const int8_t *weights, const int32_t *scales, const int8_t *patch0, const int8_t *patch1,
                              int8_t *out0, int8_t *out1, uint32_t steps, uint32_t groups, int32_t zero) {
    uint32_t left;
    __asm__ volatile(
        "1:                                            \n\t" /* four channels more */
        TT_STEP("vpaddl")
        "subs     %[left], %[steps], #1                \n\t"
        "beq      4f                                   \n\t"
        "tst      %[left], #1                          \n\t"
        "beq      3f                                   \n\t"
        TT_STEP("vpadal")
        "subs     %[left], %[left], #1                 \n\t"
        "beq      4f                                   \n\t"
        "3:                                            \n\t"
        TT_STEP("vpadal")
        TT_STEP("vpadal")
        "subs     %[left], %[left], #2                 \n\t"
        "bne      3b                                   \n\t"
        "4:                                            \n\t" /* q8..q11: pixel 0, q12..q15: pixel 1 */
        "vldmia   %[s]!, {d8-d13}                      \n\t" /* q4 biases, q5 multipliers, q6 shifts */
        "vpadd.i32 d0, d16, d17                        \n\t"
        "vpadd.i32 d1, d18, d19                        \n\t"
        "vpadd.i32 d2, d20, d21                        \n\t"
        "vpadd.i32 d3, d22, d23                        \n\t"
        "vpadd.i32 d4, d24, d25                        \n\t"
        "vpadd.i32 d5, d26, d27                        \n\t"
        "vpadd.i32 d6, d28, d29                        \n\t"
        "vpadd.i32 d7, d30, d31                        \n\t"
        "vpadd.i32 d0, d0, d1                          \n\t"
        "vpadd.i32 d1, d2, d3                          \n\t"
        "vpadd.i32 d2, d4, d5                          \n\t"
        "vpadd.i32 d3, d6, d7                          \n\t"
        "vadd.i32 q0, q0, q4                           \n\t"
        "vadd.i32 q1, q1, q4                           \n\t"
        "vqrdmulh.s32 q0, q0, q5                       \n\t"
        "vqrdmulh.s32 q1, q1, q5                       \n\t"
        "vdup.16  q7, %[zero]                          \n\t"
        "vrshl.s32 q0, q0, q6                          \n\t"
        "vrshl.s32 q1, q1, q6                          \n\t"
        "vqmovn.s32 d0, q0                             \n\t"
        "vqmovn.s32 d1, q1                             \n\t"
        "sub      %[p0], %[p0], %[steps], lsl #4       \n\t"
        "vqadd.s16 q0, q0, q7                          \n\t"
        "sub      %[p1], %[p1], %[steps], lsl #4       \n\t"
        "vqmovn.s16 d0, q0                             \n\t"
        "subs     %[groups], %[groups], #1             \n\t"
        "vst1.32  {d0[0]}, [%[o0]]!                    \n\t"
        "vst1.32  {d0[1]}, [%[o1]]!                    \n\t"
        "bne      1b                                   \n\t"
        : [w] "+r"(weights), [s] "+r"(scales), [p0] "+r"(patch0), [p1] "+r"(patch1), [o0] "+r"(out0), [o1] "+r"(out1),
          [groups] "+r"(groups), [left] "=&r"(left)
        : [steps] "r"(steps), [zero] "r"(zero)
        : "cc", "memory", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10", "q11", "q12", "q13", "q14",
          "q15");
}
#else
/* AArch64 and others with the intrinsics but not the instructions above. */
TT_INLINE void tile_pair_neon(const int8_t *weights, const int32_t *scales, const int8_t *patch0, const int8_t *patch1,
                              int8_t *out0, int8_t *out1, uint32_t steps, uint32_t groups, int32_t zero) {
    int32_t sums[4];
    for (uint32_t g = 0; g < groups; g++, weights += 64 * steps, scales += 12, out0 += 4, out1 += 4) {
        dot4_neon(weights, patch0, steps, sums);
        finish4_neon(sums, scales, zero, out0);
        dot4_neon(weights, patch1, steps, sums);
        finish4_neon(sums, scales, zero, out1);
    }
}
#endif

TT_INLINE void depthwise8_neon(const int8_t *weights, const int32_t *scales, const int8_t *const *inputs, uint32_t taps,
                               uint32_t channel, int32_t zero, int8_t *out) {
    int32x4_t low = vld1q_s32(scales), high = vld1q_s32(scales + 4);
    for (uint32_t t = 0; t < taps; t += 2, weights += 16) {
        int16x8_t product = vmull_s8(vld1_s8(weights), vld1_s8(inputs[t] + channel));
        product = vmlal_s8(product, vld1_s8(weights + 8), vld1_s8(inputs[t + 1] + channel));
        low = vaddw_s16(low, vget_low_s16(product));
        high = vaddw_s16(high, vget_high_s16(product));
    }
    low = vrshlq_s32(vqrdmulhq_s32(low, vld1q_s32(scales + 8)), vld1q_s32(scales + 16));
    high = vrshlq_s32(vqrdmulhq_s32(high, vld1q_s32(scales + 12)), vld1q_s32(scales + 20));
    int16x8_t narrow = vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
    vst1_s8(out, vqmovn_s16(vqaddq_s16(narrow, vdupq_n_s16((int16_t)zero))));
}

TT_INLINE void sum8_neon(const int8_t *from, uint32_t pixels, uint32_t stride, int32_t *sums) {
    int32x4_t low = vdupq_n_s32(0), high = vdupq_n_s32(0);
    while (pixels > 0) {
        uint32_t some = pixels < 255 ? pixels : 255; /* 255 * 128 fits 16 bits */
        int16x8_t sum = vdupq_n_s16(0);
        pixels -= some;
        for (; some > 0; some--, from += stride) sum = vaddw_s8(sum, vld1_s8(from));
        low = vaddw_s16(low, vget_low_s16(sum));
        high = vaddw_s16(high, vget_high_s16(sum));
    }
    vst1q_s32(sums, low);
    vst1q_s32(sums + 4, high);
}

#endif
