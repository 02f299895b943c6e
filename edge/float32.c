/* float32.c: the operators on real numbers, for nets exported with --float. The order of a sum differs between machines,
 * so the last bits do too. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "numbers.h"

#if defined(TT_NEON)
#include <arm_neon.h>
typedef float32x4_t four;
TT_INLINE four load4(const float *p) { return vld1q_f32(p); }
TT_INLINE void store4(float *p, four x) { vst1q_f32(p, x); }
TT_INLINE four add_product(four sum, four w, float x) { return vmlaq_n_f32(sum, w, x); }
#elif defined(TT_SSE2)
#include <emmintrin.h>
typedef __m128 four;
TT_INLINE four load4(const float *p) { return _mm_loadu_ps(p); }
TT_INLINE void store4(float *p, four x) { _mm_storeu_ps(p, x); }
TT_INLINE four add_product(four sum, four w, float x) { return _mm_add_ps(sum, _mm_mul_ps(w, _mm_set1_ps(x))); }
#else
typedef struct {
    float x[4];
} four;
TT_INLINE four load4(const float *p) {
    four r;
    memcpy(r.x, p, sizeof r.x);
    return r;
}
TT_INLINE void store4(float *p, four x) { memcpy(p, x.x, sizeof x.x); }
TT_INLINE four add_product(four sum, four w, float x) {
    for (int i = 0; i < 4; i++) sum.x[i] += w.x[i] * x;
    return sum;
}
#endif

TT_INLINE float clampf(float x, const float *range) { return x < range[0] ? range[0] : x > range[1] ? range[1] : x; }

TT_INLINE const float *floats_of(const tt_session *session, uint32_t index) { return session->net->floats + index; }

/* All output channels of one patch. */
TT_INLINE void tell(const float *weights, const float *patch, uint32_t products, uint32_t channels, const float *range,
                    float *out) {
    for (uint32_t c = 0; c < channels; c += 4) {
        four sum = load4(weights);
        weights += 4;
        for (uint32_t k = 0; k < products; k++, weights += 4) sum = add_product(sum, load4(weights), patch[k]);
        float sums[4];
        store4(sums, sum);
        for (uint32_t i = 0; i < 4 && c + i < channels; i++) out[c + i] = clampf(sums[i], range);
    }
}

/* Floats of a row with its padding. */
static uint32_t slot_floats(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    uint32_t width = (uint32_t)(out->width - 1) * layer->stride_w + layer->kernel_w; /* what the windows reach over */
    uint32_t given = (uint32_t)in->width + layer->pad_left;
    return (width > given ? width : given) * in->channels;
}

void tt_conv_f32_take(const tt_session *session, const tt_layer *layer, int32_t y, const uint8_t *row) {
    const tt_tensor *in = tensor_of(session, layer->a);
    uint32_t slot = slot_floats(session, layer), padded = (uint32_t)(y + layer->pad_top);
    uint32_t count = (uint32_t)in->width * in->channels;
    float *ring = (float *)(void *)session->arena, *to = ring + padded % layer->kernel_h * slot;
    if (padded == 0) memset(ring, 0, layer->kernel_h * slot * sizeof *ring);
    if (!row) {
        memset(to, 0, slot * sizeof *to);
        return;
    }
    to += (uint32_t)layer->pad_left * in->channels;
    if (in->type != TT_U8) {
        memcpy(to, row, count * sizeof *to);
        return;
    }
    const float *ingest = floats_of(session, layer->weights);
    for (uint32_t i = 0; i < count; i += in->channels)
        for (uint32_t c = 0; c < in->channels; c++) to[i + c] = ingest[2 * c] * (float)row[i + c] + ingest[2 * c + 1];
}

void tt_conv_f32_tell(const tt_session *session, const tt_layer *layer, uint32_t y) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const float *weights = floats_of(session, layer->weights), *range = floats_of(session, layer->scales);
    uint32_t slot = slot_floats(session, layer), run = (uint32_t)layer->kernel_w * in->channels;
    const float *ring = (const float *)(const void *)session->arena;
    float *patch = (float *)(void *)session->arena + layer->kernel_h * slot;
    float *to = (float *)data_of(session, layer->out) + (size_t)y * out->width * out->channels;
    if (in->type == TT_U8) weights += 2 * (size_t)in->channels;
    for (uint32_t x = 0; x < out->width; x++, to += out->channels) {
        for (uint32_t k = 0; k < layer->kernel_h; k++) {
            const float *row = ring + (y * layer->stride_h + k) % layer->kernel_h * slot;
            memcpy(patch + k * run, row + x * layer->stride_w * in->channels, run * sizeof *patch);
        }
        tell(weights, patch, layer->count, out->channels, range, to);
    }
}

void tt_conv_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const uint8_t *from = (const uint8_t *)data_of(session, layer->a);
    size_t row_bytes = (size_t)in->width * in->channels * (in->type == TT_U8 ? 1 : 4);
    int32_t next = -(int32_t)layer->pad_top; /* the next row to take */
    for (uint32_t y = 0; y < out->height; y++) {
        int32_t first = (int32_t)(y * layer->stride_h) - layer->pad_top;
        if (y > 0 && first > next) next = first; /* a stride larger than the kernel */
        for (; next < first + layer->kernel_h; next++)
            tt_conv_f32_take(session, layer, next, next >= 0 && next < in->height ? from + (size_t)next * row_bytes : NULL);
        tt_conv_f32_tell(session, layer, y);
    }
}

void tt_dense_f32(const tt_session *session, const tt_layer *layer) {
    tell(floats_of(session, layer->weights), (const float *)data_of(session, layer->a), layer->count,
         tensor_of(session, layer->out)->channels, floats_of(session, layer->scales),
         (float *)data_of(session, layer->out));
}

void tt_depthwise_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const float *range = floats_of(session, layer->scales), *from = (const float *)data_of(session, layer->a);
    float *to = (float *)data_of(session, layer->out);
    uint32_t channels = in->channels, taps = (uint32_t)layer->kernel_h * layer->kernel_w;
    for (uint32_t y = 0; y < out->height; y++) {
        for (uint32_t x = 0; x < out->width; x++, to += channels) {
            const float *weights = floats_of(session, layer->weights);
            for (uint32_t c = 0; c < channels; c++, weights += taps + 1) {
                float sum = weights[0];
                for (uint32_t t = 0; t < taps; t++) {
                    int32_t row = (int32_t)(y * layer->stride_h + t / layer->kernel_w) - layer->pad_top;
                    int32_t column = (int32_t)(x * layer->stride_w + t % layer->kernel_w) - layer->pad_left;
                    if (row < 0 || row >= in->height || column < 0 || column >= in->width) continue;
                    sum += weights[1 + t] * from[((size_t)row * in->width + (size_t)column) * channels + c];
                }
                to[c] = clampf(sum, range);
            }
        }
    }
}

/* Largest (divide 0) or mean of a window; `count` as tt_average_pool. */
static void pool(const tt_session *session, const tt_layer *layer, int mean) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const float *from = (const float *)data_of(session, layer->a);
    float *to = (float *)data_of(session, layer->out);
    uint32_t channels = in->channels;
    for (uint32_t y = 0; y < out->height; y++) {
        int32_t top = (int32_t)(y * layer->stride_h) - layer->pad_top, bottom = top + layer->kernel_h;
        if (top < 0) top = 0;
        if (bottom > in->height) bottom = in->height;
        for (uint32_t x = 0; x < out->width; x++, to += channels) {
            int32_t left = (int32_t)(x * layer->stride_w) - layer->pad_left, right = left + layer->kernel_w;
            if (left < 0) left = 0;
            if (right > in->width) right = in->width;
            int32_t held = (bottom - top) * (right - left);
            float divisor = (float)(layer->count ? layer->kernel_h * layer->kernel_w : held);
            for (uint32_t c = 0; c < channels; c++) {
                const float *corner = from + ((size_t)top * in->width + (size_t)left) * channels + c;
                float best = *corner, sum = 0;
                for (int32_t row = 0; row < bottom - top; row++)
                    for (int32_t column = 0; column < right - left; column++) {
                        float v = corner[((size_t)row * in->width + (size_t)column) * channels];
                        best = v > best ? v : best;
                        sum += v;
                    }
                to[c] = mean ? sum / divisor : best;
            }
        }
    }
}

void tt_max_pool_f32(const tt_session *session, const tt_layer *layer) { pool(session, layer, 0); }

void tt_average_pool_f32(const tt_session *session, const tt_layer *layer) { pool(session, layer, 1); }

void tt_global_average_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a);
    const float *from = (const float *)data_of(session, layer->a);
    float *to = (float *)data_of(session, layer->out);
    uint32_t channels = in->channels, pixels = (uint32_t)in->height * in->width;
    for (uint32_t c = 0; c < channels; c++) {
        float sum = 0;
        for (uint32_t p = 0; p < pixels; p++) sum += from[(size_t)p * channels + c];
        to[c] = sum / (float)pixels;
    }
}

void tt_add_f32(const tt_session *session, const tt_layer *layer) {
    const float *a = (const float *)data_of(session, layer->a), *b = (const float *)data_of(session, layer->b);
    const float *range = floats_of(session, layer->scales);
    float *to = (float *)data_of(session, layer->out);
    uint32_t count = count_of(tensor_of(session, layer->out));
    for (uint32_t i = 0; i < count; i++) to[i] = clampf(a[i] + b[i], range);
}

void tt_mul_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *out = tensor_of(session, layer->out), *tb = tensor_of(session, layer->b);
    const float *a = (const float *)data_of(session, layer->a), *b = (const float *)data_of(session, layer->b);
    float *to = (float *)data_of(session, layer->out);
    uint32_t channels = out->channels, pixels = (uint32_t)out->height * out->width;
    uint32_t step = tb->height == out->height && tb->width == out->width ? channels : 0;
    for (uint32_t p = 0; p < pixels; p++, a += channels, b += step, to += channels)
        for (uint32_t c = 0; c < channels; c++) to[c] = a[c] * b[c];
}

void tt_place_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const float *from = (const float *)data_of(session, layer->a);
    float *to = (float *)data_of(session, layer->out) + layer->at;
    uint32_t pixels = (uint32_t)in->height * in->width;
    for (uint32_t p = 0; p < pixels; p++, from += in->channels, to += out->channels)
        memcpy(to, from, in->channels * sizeof *to);
}

void tt_nearest_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const float *from = (const float *)data_of(session, layer->a);
    const int32_t *rows = session->net->scales + layer->scales, *columns = rows + out->height;
    float *to = (float *)data_of(session, layer->out) + layer->at;
    for (uint32_t y = 0; y < out->height; y++) {
        const float *row = from + (size_t)rows[y] * in->width * in->channels;
        for (uint32_t x = 0; x < out->width; x++, to += out->channels)
            memcpy(to, row + (size_t)columns[x] * in->channels, in->channels * sizeof *to);
    }
}

void tt_shuffle_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const float *from = (const float *)data_of(session, layer->a);
    float *to = (float *)data_of(session, layer->out);
    uint32_t block = layer->count;
    for (uint32_t y = 0; y < out->height; y++) {
        for (uint32_t x = 0; x < out->width; x++, to += out->channels) {
            const float *p = from + ((size_t)(y / block) * in->width + x / block) * in->channels;
            p += y % block * block + x % block;
            for (uint32_t c = 0; c < out->channels; c++) to[c] = p[(size_t)c * block * block];
        }
    }
}

void tt_bilinear_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const float *from = (const float *)data_of(session, layer->a);
    const int32_t *rows = session->net->scales + layer->scales, *columns = rows + 2 * out->height;
    const float *down = floats_of(session, layer->weights), *across = down + out->height;
    float *to = (float *)data_of(session, layer->out) + layer->at;
    uint32_t channels = in->channels;
    for (uint32_t y = 0; y < out->height; y++) {
        const float *upper = from + (size_t)rows[2 * y] * in->width * channels;
        const float *lower = from + (size_t)rows[2 * y + 1] * in->width * channels;
        for (uint32_t x = 0; x < out->width; x++, to += out->channels) {
            uint32_t left = (uint32_t)columns[2 * x] * channels, right = (uint32_t)columns[2 * x + 1] * channels;
            for (uint32_t c = 0; c < channels; c++) {
                float high = upper[left + c] + (upper[right + c] - upper[left + c]) * across[x];
                float low = lower[left + c] + (lower[right + c] - lower[left + c]) * across[x];
                to[c] = high + (low - high) * down[y];
            }
        }
    }
}

static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

void tt_unary_f32(const tt_session *session, const tt_layer *layer) {
    static const float unit[2] = {0, 1};
    const float *a = (const float *)data_of(session, layer->a), *numbers = floats_of(session, layer->weights);
    float *to = (float *)data_of(session, layer->out);
    uint32_t count = count_of(tensor_of(session, layer->out));
    for (uint32_t i = 0; i < count; i++) {
        float x = a[i];
        switch (layer->count) {
        case 0: to[i] = clampf(x, numbers); break;
        case 1: to[i] = sigmoid(x); break;
        case 2: to[i] = x * sigmoid(x); break;
        case 3: to[i] = tanhf(x); break;
        case 4: to[i] = x < 0 ? x * numbers[0] : x; break;
        case 5: to[i] = clampf(x * numbers[0] + numbers[1], unit); break;
        default: to[i] = x * clampf(x * numbers[0] + numbers[1], unit); break;
        }
    }
}

void tt_ingest_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a);
    const uint8_t *a = (const uint8_t *)data_of(session, layer->a);
    const float *weights = floats_of(session, layer->weights);
    float *to = (float *)data_of(session, layer->out);
    uint32_t pixels = (uint32_t)in->height * in->width, channels = in->channels;
    for (uint32_t p = 0; p < pixels; p++, a += channels, to += channels)
        for (uint32_t c = 0; c < channels; c++) to[c] = weights[2 * c] * (float)a[c] + weights[2 * c + 1];
}

void tt_softmax_f32(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a);
    const float *a = (const float *)data_of(session, layer->a);
    float *to = (float *)data_of(session, layer->out);
    uint32_t pixels = (uint32_t)in->height * in->width, channels = in->channels;
    for (uint32_t p = 0; p < pixels; p++, a += channels, to += channels) {
        float largest = a[0], sum = 0;
        for (uint32_t c = 1; c < channels; c++) largest = a[c] > largest ? a[c] : largest;
        for (uint32_t c = 0; c < channels; c++) sum += to[c] = expf(a[c] - largest);
        for (uint32_t c = 0; c < channels; c++) to[c] /= sum;
    }
}
