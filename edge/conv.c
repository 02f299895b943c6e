/* conv.c: int8 convolution, depthwise convolution and dense layer: what is summed with what. How is in tile.h. */
#include <string.h>

#include "kernels.h"
#include "tile.h"

/* The inputs of one row of outputs. */
typedef struct {
    const uint8_t *rows[TT_KERNEL_MAX]; /* NULL: padding */
    const int8_t *padding;              /* one whole patch of it */
    int32_t width, left;                /* of the input; columns of padding */
    uint32_t channels, run, kernel_h, kernel_w, stride;
    uint8_t whole; /* no row is padding */
} window;

/* `run` bytes in steps of 16: up to 15 bytes behind them are written too. */
TT_INLINE void copy_run(int8_t *to, const uint8_t *from, uint32_t run, uint8_t flip) {
    for (uint32_t i = 0; i < run; i += 16) copy16(to + i, from + i, flip);
}

/* A patch that hangs over the edge. */
static void gather_edge(const window *w, int32_t left, int8_t *patch, uint8_t flip) {
    int32_t from = left < 0 ? -left : 0, to = w->width - left;
    if (to > (int32_t)w->kernel_w) to = (int32_t)w->kernel_w;
    memcpy(patch, w->padding, w->run * w->kernel_h);
    for (uint32_t k = 0; k < w->kernel_h; k++) {
        if (!w->rows[k]) continue;
        for (uint32_t i = (uint32_t)from * w->channels; (int32_t)i < to * (int32_t)w->channels; i++)
            patch[k * w->run + i] = (int8_t)(w->rows[k][left * (int32_t)w->channels + (int32_t)i] ^ flip);
    }
}

/* Everything under the window of output column `x`, row after row. */
TT_INLINE void gather(const window *w, uint32_t x, int8_t *patch, uint8_t flip) {
    int32_t left = (int32_t)(x * w->stride) - w->left;
    if (!w->whole || left < 0 || left + (int32_t)w->kernel_w > w->width) {
        gather_edge(w, left, patch, flip);
        return;
    }
    uint32_t offset = (uint32_t)left * w->channels;
    for (uint32_t k = 0; k < w->kernel_h; k++) copy_run(patch + k * w->run, w->rows[k] + offset, w->run, flip);
}

/* All output channels of two pixels; `second` 0 where there is only one. */
TT_INLINE void tell_pair(const tt_layer *layer, const int8_t *weights, const int32_t *scales, const int8_t *patch0,
                         const int8_t *patch1, int8_t *out0, int8_t *out1, uint32_t channels, int32_t zero) {
    uint32_t steps = layer->count, groups = channels / 4, rest = channels % 4;
    if (groups) tile_pair(weights, scales, patch0, patch1, out0, out1, steps, groups, zero);
    if (!rest) return;
    int8_t last[8];
    weights += 64 * (size_t)steps * groups;
    tile_pair(weights, scales + 12 * groups, patch0, patch1, last, last + 4, steps, 1, zero);
    for (uint32_t c = 0; c < rest; c++) out0[4 * groups + c] = last[c];
    for (uint32_t c = 0; c < rest; c++) out1[4 * groups + c] = last[4 + c];
}

static void tell_single(const tt_layer *layer, const int8_t *weights, const int32_t *scales, const int8_t *patch,
                        int8_t *out, uint32_t channels, int32_t zero) {
    for (uint32_t c = 0; c < channels; c += 4, weights += 64 * (size_t)layer->count, scales += 12) {
        int32_t sums[4];
        int8_t four[4];
        dot4(weights, patch, layer->count, sums);
        finish4(sums, scales, zero, four);
        for (uint32_t i = 0; i < 4 && c + i < channels; i++) out[c + i] = four[i];
    }
}

TT_INLINE void conv_row(const tt_session *session, const tt_layer *layer, uint32_t y, uint8_t flip) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *weights = session->net->weights + layer->weights;
    const int32_t *scales = session->net->scales + layer->scales + (flip ? 1 : 0);
    uint32_t room = 16u * layer->count + 16, step = out->channels;
    int8_t *patch0 = (int8_t *)session->arena, *patch1 = patch0 + room, *padding = patch1 + room;
    int8_t *to = (int8_t *)data_of(session, layer->out) + (size_t)y * out->width * step;
    window w;
    w.padding = padding;
    w.width = in->width, w.left = layer->pad_left, w.channels = in->channels;
    w.kernel_h = layer->kernel_h, w.kernel_w = layer->kernel_w, w.stride = layer->stride_w;
    w.run = w.kernel_w * w.channels, w.whole = 1;
    for (uint32_t k = 0; k < w.kernel_h; k++) {
        w.rows[k] = (const uint8_t *)row_of(session, layer->a, (int32_t)(y * layer->stride_h + k) - layer->pad_top, 1);
        if (!w.rows[k]) w.whole = 0;
    }
    if (y == 0) {
        for (uint32_t i = 0; i < w.run * w.kernel_h; i++)
            padding[i] = flip ? ((const int8_t *)(scales - 1))[i % w.channels] : (int8_t)in->zero;
    }
    int direct = !flip && w.kernel_h == 1 && w.kernel_w == 1; /* the pixels themselves are the patches */
    uint32_t x = 0;
    for (; x + 1 < out->width; x += 2, to += 2 * step) {
        const int8_t *p0 = patch0, *p1 = patch1;
        if (direct) {
            p0 = (const int8_t *)w.rows[0] + x * w.stride * w.channels;
            p1 = p0 + w.stride * w.channels;
        } else {
            gather(&w, x, patch0, flip);
            gather(&w, x + 1, patch1, flip);
        }
        tell_pair(layer, weights, scales, p0, p1, to, to + step, step, out->zero);
    }
    if (x < out->width) {
        if (!direct) gather(&w, x, patch0, flip);
        const int8_t *p = direct ? (const int8_t *)w.rows[0] + x * w.stride * w.channels : patch0;
        tell_single(layer, weights, scales, p, to, step, out->zero);
    }
}

static void conv_row_of_bytes(const tt_session *session, const tt_layer *layer, uint32_t y) {
    conv_row(session, layer, y, 0x80);
}

static void conv_row_of_int8(const tt_session *session, const tt_layer *layer, uint32_t y) {
    conv_row(session, layer, y, 0);
}

void tt_conv_row(const tt_session *session, const tt_layer *layer, uint32_t y) {
    if (tensor_of(session, layer->a)->type == TT_U8)
        conv_row_of_bytes(session, layer, y);
    else
        conv_row_of_int8(session, layer, y);
}

void tt_conv(const tt_session *session, const tt_layer *layer) {
    for (uint32_t y = 0; y < tensor_of(session, layer->out)->height; y++) tt_conv_row(session, layer, y);
}

void tt_depthwise(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    const int8_t *inputs[TT_KERNEL_MAX * TT_KERNEL_MAX + 1];
    int8_t *padding = (int8_t *)session->arena, *to = (int8_t *)data_of(session, layer->out);
    uint32_t channels = in->channels, taps = (uint32_t)layer->kernel_h * layer->kernel_w, even = taps + taps % 2;
    memset(padding, in->zero, channels + 8);
    inputs[even - 1] = padding;
    for (uint32_t y = 0; y < out->height; y++) {
        for (uint32_t x = 0; x < out->width; x++, to += channels) {
            const int8_t **input = inputs;
            for (int32_t k = 0; k < layer->kernel_h; k++) {
                int32_t row = (int32_t)(y * layer->stride_h) - layer->pad_top + k;
                int32_t column = (int32_t)(x * layer->stride_w) - layer->pad_left;
                for (int32_t j = 0; j < layer->kernel_w; j++, column++) {
                    int inside = row >= 0 && row < in->height && column >= 0 && column < in->width;
                    *input++ = inside ? from + ((size_t)row * in->width + (size_t)column) * channels : padding;
                }
            }
            const int8_t *weights = session->net->weights + layer->weights;
            const int32_t *scales = session->net->scales + layer->scales;
            uint32_t c = 0;
            for (; c + 8 <= channels; c += 8, weights += 8 * even, scales += 24)
                depthwise8(weights, scales, inputs, even, c, out->zero, to + c);
            if (c < channels) {
                int8_t last[8];
                depthwise8(weights, scales, inputs, even, c, out->zero, last);
                memcpy(to + c, last, channels - c);
            }
        }
    }
}

void tt_dense(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    const int8_t *weights = session->net->weights + layer->weights;
    const int32_t *scales = session->net->scales + layer->scales;
    int8_t *small = (int8_t *)data_of(session, layer->out);
    int16_t *wide = (int16_t *)data_of(session, layer->out);
    for (uint32_t c = 0; c < out->channels; c += 4, weights += 64 * (size_t)layer->count, scales += 12) {
        int32_t sums[4];
        dot4(weights, from, layer->count, sums);
        for (uint32_t i = 0; i < 4 && c + i < out->channels; i++) {
            int32_t x = rescale(sums[i] + scales[i], scales[4 + i], scales[8 + i]) + out->zero;
            if (out->type == TT_I16)
                wide[c + i] = clamp16(x);
            else
                small[c + i] = clamp8(x);
        }
    }
}
