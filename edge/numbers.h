/* numbers.h: where tensors lie, and the two roundings of the int8 scheme. For the kernels. */
#ifndef TELLTALE_NUMBERS_H
#define TELLTALE_NUMBERS_H

#include "telltale.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "telltale: the kernels are written for little-endian machines"
#endif

#if defined(__ARM_NEON) && !defined(TT_SCALAR)
#define TT_NEON 1
#elif defined(__SSE2__) && !defined(TT_SCALAR)
#define TT_SSE2 1
#endif

#if defined(__GNUC__)
#define TT_INLINE static inline __attribute__((always_inline, unused))
#define TT_APART __attribute__((noinline))    /* called so rarely that a copy in each caller is a waste */
#define TT_COLD __attribute__((cold, noinline)) /* runs once: small before fast */
#else
#define TT_INLINE static inline
#define TT_APART
#define TT_COLD
#endif

/* sum * multiplier * 2^-31 * 2^shift, shift <= 0: vqrdmulh, then vrshl. */
TT_INLINE int32_t rescale(int32_t sum, int32_t multiplier, int32_t shift) {
    int32_t high = (int32_t)(((int64_t)sum * multiplier + ((int64_t)1 << 30)) >> 31);
    if (shift == 0) return high;
    return (int32_t)(((int64_t)high + ((int64_t)1 << (-shift - 1))) >> -shift);
}

TT_INLINE int8_t clamp8(int32_t x) { return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x); }

TT_INLINE int16_t clamp16(int32_t x) { return (int16_t)(x < -32768 ? -32768 : x > 32767 ? 32767 : x); }

TT_INLINE const tt_tensor *tensor_of(const tt_session *session, uint32_t index) { return &session->net->tensors[index]; }

TT_INLINE void *data_of(const tt_session *session, uint32_t index) {
    return session->arena + session->net->tensors[index].offset;
}

/* Numbers in a tensor. */
TT_INLINE uint32_t count_of(const tt_tensor *t) { return (uint32_t)t->height * t->width * t->channels; }

#endif
