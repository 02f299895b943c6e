/* conv.c: int8 convolution, depthwise convolution and dense layer: what is summed with what. How is in tile.h. */
#include <string.h>

#include "kernels.h"
#include "tile.h"

/* How the rows under the window lie: the last kernel_h of them, padded left and right, in a ring at the arena's start. A
 * result may therefore be written over the input it comes from. Row y of the padded input lies in slot y % kernel_h. */
typedef struct {
    int8_t *ring;
    uint32_t slot_bytes, row_bytes, left_bytes; /* padded row, row, padding left of it */
    uint8_t flip;                               /* the picture's bytes become int8 by xor */
    const int8_t *padding;                      /* one number a channel; NULL: `zero` for all */
    int8_t zero;
    uint32_t channels;
} rows_kept;

static TT_APART rows_kept rows_of(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    uint32_t width = (uint32_t)(out->width - 1) * layer->stride_w + layer->kernel_w; /* what the windows reach over */
    uint32_t given = (uint32_t)in->width + layer->pad_left;
    rows_kept r;
    r.ring = (int8_t *)session->arena;
    r.channels = in->channels;
    r.row_bytes = (uint32_t)in->width * in->channels;
    r.left_bytes = (uint32_t)layer->pad_left * in->channels;
    r.slot_bytes = (width > given ? width : given) * in->channels;
    r.flip = in->type == TT_U8 ? 0x80 : 0;
    r.padding = r.flip ? (const int8_t *)(session->net->scales + layer->scales) : NULL;
    r.zero = (int8_t)in->zero;
    return r;
}

static TT_APART void fill_padding(const rows_kept *r, int8_t *to, uint32_t bytes) {
    if (!r->padding) {
        memset(to, r->zero, bytes);
        return;
    }
    memcpy(to, r->padding, r->channels);
    for (uint32_t done = r->channels; done < bytes; done *= 2) /* each time twice as much */
        memcpy(to + done, to, done < bytes - done ? done : bytes - done);
}

TT_APART void tt_conv_take(const tt_session *session, const tt_layer *layer, int32_t y, const uint8_t *row) {
    rows_kept r = rows_of(session, layer);
    uint32_t padded = (uint32_t)(y + layer->pad_top);
    int8_t *slot = r.ring + padded % layer->kernel_h * r.slot_bytes;
    if (padded == 0) fill_padding(&r, r.ring, layer->kernel_h * r.slot_bytes);
    if (row)
        copy_row(slot + r.left_bytes, row, r.row_bytes, r.flip);
    else if (y > 0)
        fill_padding(&r, slot, r.slot_bytes);
}

/* The last one to three output channels of two pixels. */
static TT_APART void tell_rest(const int8_t *weights, const int32_t *scales, const int8_t *patch0, const int8_t *patch1,
                               int8_t *out0, int8_t *out1, uint32_t steps, uint32_t rest, int32_t zero) {
    int8_t four[8];
    tile_pair(weights, scales, patch0, patch1, four, four + 4, steps, 1, zero);
    for (uint32_t c = 0; c < rest; c++) out0[c] = four[c];
    for (uint32_t c = 0; c < rest; c++) out1[c] = four[4 + c];
}

/* All output channels of two pixels. */
TT_INLINE void tell_pair(const int8_t *weights, const int32_t *scales, const int8_t *patch0, const int8_t *patch1,
                         int8_t *out0, int8_t *out1, uint32_t steps, uint32_t channels, int32_t zero) {
    uint32_t groups = channels / 4, rest = channels % 4;
    if (groups) tile_pair(weights, scales, patch0, patch1, out0, out1, steps, groups, zero);
    if (rest)
        tell_rest(weights + 64 * (size_t)steps * groups, scales + 12 * groups, patch0, patch1, out0 + 4 * groups,
                  out1 + 4 * groups, steps, rest, zero);
}

static TT_APART void tell_single(const int8_t *weights, const int32_t *scales, const int8_t *patch, int8_t *out, uint32_t steps,
                        uint32_t channels, int32_t zero) {
    for (uint32_t c = 0; c < channels; c += 4, weights += 64 * (size_t)steps, scales += 12) {
        int32_t sums[4];
        int8_t four[4];
        dot4(weights, patch, steps, sums);
        finish4(sums, scales, zero, four);
        for (uint32_t i = 0; i < 4 && c + i < channels; i++) out[c + i] = four[i];
    }
}

/* A row of a 1x1 convolution to one channel, the last layer of many a net: pixels take the place of channels. */
static uint32_t tell_one_channel(const int8_t *weights, const int32_t *scales, const int8_t *from, uint32_t apart,
                                 uint32_t steps, uint32_t width, int32_t zero, int8_t *to) {
    int32_t all[12], sums[4];
    for (int i = 0; i < 12; i++) all[i] = scales[i / 4 * 4]; /* the first channel's bias, multiplier, shift */
    uint32_t x = 0;
    for (; x + 4 <= width; x += 4) {
        four_pixels(weights, from + x * apart, apart, steps, sums);
        finish4(sums, all, zero, to + x);
    }
    return x;
}

/* Row `y` of the result from the rows under its windows. */
static TT_APART void tell_row(const tt_session *session, const tt_layer *layer, uint32_t y, const int8_t *const *rows,
                     int8_t *patches) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *weights = session->net->weights + layer->weights;
    const int32_t *scales = session->net->scales + layer->scales + (in->type == TT_U8 ? 1 : 0);
    uint32_t steps = layer->count, channels = out->channels, width = out->width, height = layer->kernel_h;
    uint32_t apart = (uint32_t)layer->stride_w * in->channels, run = (uint32_t)layer->kernel_w * in->channels;
    int32_t zero = out->zero;
    int8_t *to = (int8_t *)data_of(session, layer->out) + (size_t)y * width * channels;
    int8_t *patch0 = patches, *patch1 = patches + 16 * steps + 32;
    uint32_t x = 0, offset = 0;
    if (channels == 1 && height == 1) {
        x = tell_one_channel(weights, scales, rows[0], apart, steps, width, zero, to);
        to += x, offset += x * apart;
    }
    for (; x + 1 < width; x += 2, to += 2 * channels, offset += 2 * apart) {
        const int8_t *p0 = patch0, *p1 = patch1;
        if (height == 1)
            p0 = rows[0] + offset, p1 = p0 + apart; /* they are patches already */
        else
            gather_pair(rows, height, offset, apart, run, patch0, patch1);
        tell_pair(weights, scales, p0, p1, to, to + channels, steps, channels, zero);
    }
    if (x < width) {
        for (uint32_t k = 0; k < height; k++) memcpy(patch0 + k * run, rows[k] + offset, run);
        tell_single(weights, scales, patch0, to, steps, channels, zero);
    }
}

TT_APART void tt_conv_tell(const tt_session *session, const tt_layer *layer, uint32_t y) {
    rows_kept r = rows_of(session, layer);
    const int8_t *rows[TT_KERNEL_MAX];
    uint32_t slot = y * layer->stride_h % layer->kernel_h, height = layer->kernel_h;
    for (uint32_t k = 0; k < height; k++) {
        rows[k] = r.ring + slot * r.slot_bytes;
        slot = slot + 1 == height ? 0 : slot + 1;
    }
    tell_row(session, layer, y, rows, r.ring + ((height * r.slot_bytes + 32 + 7) & ~7u));
}

/* 1x1 without padding: the input's own rows. */
static void conv_direct(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *row = (const int8_t *)data_of(session, layer->a);
    size_t step = (size_t)layer->stride_h * in->width * in->channels;
    for (uint32_t y = 0; y < out->height; y++, row += step)
        tell_row(session, layer, y, &row, (int8_t *)session->arena);
}

void tt_conv(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    int one = layer->kernel_h == 1 && layer->kernel_w == 1 && layer->pad_top == 0 && layer->pad_left == 0;
    if (one && in->type == TT_I8) {
        conv_direct(session, layer);
        return;
    }
    const uint8_t *from = (const uint8_t *)data_of(session, layer->a);
    size_t row_bytes = (size_t)in->width * in->channels;
    int32_t next = -(int32_t)layer->pad_top; /* the next row to take */
    for (uint32_t y = 0; y < out->height; y++) {
        int32_t first = (int32_t)(y * layer->stride_h) - layer->pad_top;
        if (y > 0 && first > next) next = first; /* a stride larger than the kernel */
        for (; next < first + layer->kernel_h; next++)
            tt_conv_take(session, layer, next, next >= 0 && next < in->height ? from + (size_t)next * row_bytes : NULL);
        tt_conv_tell(session, layer, y);
    }
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
