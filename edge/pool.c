/* pool.c: int8 windows without weights. */
#include <string.h>

#include "kernels.h"
#include "tile.h"

/* The part of a window that lies inside the input. */
typedef struct {
    int32_t top, bottom, left, right;
} inside;

static inside clip(const tt_tensor *in, const tt_layer *layer, uint32_t y, uint32_t x) {
    inside w;
    w.top = (int32_t)(y * layer->stride_h) - layer->pad_top;
    w.left = (int32_t)(x * layer->stride_w) - layer->pad_left;
    w.bottom = w.top + layer->kernel_h;
    w.right = w.left + layer->kernel_w;
    if (w.top < 0) w.top = 0;
    if (w.left < 0) w.left = 0;
    if (w.bottom > in->height) w.bottom = in->height;
    if (w.right > in->width) w.right = in->width;
    return w;
}

void tt_max_pool(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    int8_t *to = (int8_t *)data_of(session, layer->out);
    uint32_t channels = in->channels;
    int8_t *best = (int8_t *)session->arena; /* apart from both, for `out` may lie over `a` */
    for (uint32_t y = 0; y < out->height; y++) {
        for (uint32_t x = 0; x < out->width; x++, to += channels) {
            inside w = clip(in, layer, y, x);
            memset(best, -128, channels);
            for (int32_t row = w.top; row < w.bottom; row++) {
                const int8_t *p = from + ((size_t)row * in->width + (size_t)w.left) * channels;
                for (int32_t column = w.left; column < w.right; column++, p += channels)
                    for (uint32_t c = 0; c < channels; c++) best[c] = p[c] > best[c] ? p[c] : best[c];
            }
            memcpy(to, best, channels);
        }
    }
}

void tt_average_pool(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    const int32_t *scales = session->net->scales + layer->scales;
    int8_t *to = (int8_t *)data_of(session, layer->out);
    uint32_t channels = in->channels;
    int32_t *sums = (int32_t *)(void *)session->arena;
    for (uint32_t y = 0; y < out->height; y++) {
        for (uint32_t x = 0; x < out->width; x++, to += channels) {
            inside w = clip(in, layer, y, x);
            int32_t held = (w.bottom - w.top) * (w.right - w.left);
            int32_t divisor = layer->count ? layer->kernel_h * layer->kernel_w : held;
            for (uint32_t c = 0; c < channels; c++) sums[c] = -held * in->zero;
            for (int32_t row = w.top; row < w.bottom; row++) {
                const int8_t *p = from + ((size_t)row * in->width + (size_t)w.left) * channels;
                for (int32_t column = w.left; column < w.right; column++, p += channels)
                    for (uint32_t c = 0; c < channels; c++) sums[c] += p[c];
            }
            for (uint32_t c = 0; c < channels; c++) {
                int32_t mean = sums[c];
                if (divisor > 1) mean = rescale(sums[c], scales[2 * divisor - 2], scales[2 * divisor - 1]);
                to[c] = clamp8(mean + out->zero);
            }
        }
    }
}

void tt_global_average(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    const int32_t *scales = session->net->scales + layer->scales;
    int8_t *to = (int8_t *)data_of(session, layer->out);
    uint32_t channels = in->channels, pixels = (uint32_t)in->height * in->width;
    int32_t zeros = (int32_t)pixels * in->zero;
    int32_t *sums = (int32_t *)(void *)session->arena;
    uint32_t c = 0;
    for (; c + 8 <= channels; c += 8) sum8(from + c, pixels, channels, sums + c);
    for (; c < channels; c++) {
        sums[c] = 0;
        for (uint32_t p = 0; p < pixels; p++) sums[c] += from[p * channels + c];
    }
    for (c = 0; c < channels; c++) to[c] = clamp8(rescale(sums[c] - zeros, scales[0], scales[1]) + out->zero);
}
