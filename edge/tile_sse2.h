/* tile_sse2.h: the same sums as tile_scalar.h on x86 with SSE2 or, where the compiler may, AVX2. */
#ifndef TELLTALE_TILE_SSE2_H
#define TELLTALE_TILE_SSE2_H

#include <emmintrin.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "tile_scalar.h"

#if defined(__AVX2__)
typedef __m256i tt_sum;
TT_INLINE tt_sum no_sum(void) { return _mm256_setzero_si256(); }
TT_INLINE __m256i widen16(const int8_t *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p)); }
TT_INLINE int32_t total(tt_sum s) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
TT_INLINE tt_sum add16(tt_sum s, __m256i x, const int8_t *weights) {
    return _mm256_add_epi32(s, _mm256_madd_epi16(x, widen16(weights)));
}
typedef __m256i tt_wide;
#else
typedef __m128i tt_sum;
typedef struct {
    __m128i low, high;
} tt_wide;
TT_INLINE tt_sum no_sum(void) { return _mm_setzero_si128(); }
TT_INLINE tt_wide widen16(const int8_t *p) { /* 8 bits to 16 with their sign: into the upper half, then down */
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p), none = _mm_setzero_si128();
    tt_wide wide = {_mm_srai_epi16(_mm_unpacklo_epi8(none, x), 8), _mm_srai_epi16(_mm_unpackhi_epi8(none, x), 8)};
    return wide;
}
TT_INLINE int32_t total(tt_sum x) {
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
TT_INLINE tt_sum add16(tt_sum s, tt_wide x, const int8_t *weights) {
    tt_wide w = widen16(weights);
    return _mm_add_epi32(s, _mm_add_epi32(_mm_madd_epi16(x.low, w.low), _mm_madd_epi16(x.high, w.high)));
}
#endif

TT_INLINE void dot4_sse2(const int8_t *weights, const int8_t *patch, uint32_t steps, int32_t *sums) {
    tt_sum s0 = no_sum(), s1 = no_sum(), s2 = no_sum(), s3 = no_sum();
    for (uint32_t step = 0; step < steps; step++, weights += 64, patch += 16) {
        tt_wide x = widen16(patch);
        s0 = add16(s0, x, weights);
        s1 = add16(s1, x, weights + 16);
        s2 = add16(s2, x, weights + 32);
        s3 = add16(s3, x, weights + 48);
    }
    sums[0] = total(s0), sums[1] = total(s1), sums[2] = total(s2), sums[3] = total(s3);
}

TT_INLINE void tile_pair_sse2(const int8_t *weights, const int32_t *scales, const int8_t *patch0, const int8_t *patch1,
                              int8_t *out0, int8_t *out1, uint32_t steps, uint32_t groups, int32_t zero) {
    int32_t sums[4];
    for (uint32_t g = 0; g < groups; g++, weights += 64 * steps, scales += 12, out0 += 4, out1 += 4) {
        dot4_sse2(weights, patch0, steps, sums);
        finish4_scalar(sums, scales, zero, out0);
        dot4_sse2(weights, patch1, steps, sums);
        finish4_scalar(sums, scales, zero, out1);
    }
}

#endif
