/* pointwise.c: int8 operators that look at one place at a time, and those that only move numbers. */
#include <string.h>

#include "kernels.h"
#include "tile.h"

void tt_add(const tt_session *session, const tt_layer *layer) {
    const int8_t *a = (const int8_t *)data_of(session, layer->a), *b = (const int8_t *)data_of(session, layer->b);
    const int32_t *scales = session->net->scales + layer->scales;
    int8_t *to = (int8_t *)data_of(session, layer->out);
    int32_t fa = scales[0], fb = scales[1], constant = scales[2], shift = scales[3];
    uint32_t count = count_of(tensor_of(session, layer->out));
    for (uint32_t i = 0; i < count; i++) to[i] = clamp8((a[i] * fa + b[i] * fb + constant) >> shift);
}

void tt_mul(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *out = tensor_of(session, layer->out), *ta = tensor_of(session, layer->a);
    const tt_tensor *tb = tensor_of(session, layer->b);
    const int8_t *a = (const int8_t *)data_of(session, layer->a), *b = (const int8_t *)data_of(session, layer->b);
    const int32_t *scales = session->net->scales + layer->scales;
    int8_t *to = (int8_t *)data_of(session, layer->out);
    uint32_t channels = out->channels, pixels = (uint32_t)out->height * out->width;
    uint32_t step = tb->height == out->height && tb->width == out->width ? channels : 0;
    for (uint32_t p = 0; p < pixels; p++, a += channels, b += step, to += channels)
        for (uint32_t c = 0; c < channels; c++)
            to[c] = clamp8(rescale((a[c] - ta->zero) * (b[c] - tb->zero), scales[0], scales[1]) + out->zero);
}

/* Pixels `columns[x]`, or every one where it is NULL, to pixels `step` bytes apart. */
TT_INLINE void copy_some(int8_t *to, const int8_t *from, const int32_t *columns, uint32_t count, uint32_t channels,
                         uint32_t step) {
    if (columns)
        for (uint32_t x = 0; x < count; x++, to += step)
            copy_channels(to, from + (uint32_t)columns[x] * channels, channels);
    else
        for (; count > 0; count--, to += step, from += channels) copy_channels(to, from, channels);
}

/* The same; a number of channels that the compiler knows halves the work. */
static void copy_pixels(int8_t *to, const int8_t *from, const int32_t *columns, uint32_t count, uint32_t channels,
                        uint32_t step) {
    switch (channels) {
    case 8: copy_some(to, from, columns, count, 8, step); break;
    case 16: copy_some(to, from, columns, count, 16, step); break;
    case 32: copy_some(to, from, columns, count, 32, step); break;
    default: copy_some(to, from, columns, count, channels, step); break;
    }
}

void tt_place(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    int8_t *to = (int8_t *)data_of(session, layer->out) + layer->at;
    copy_pixels(to, (const int8_t *)data_of(session, layer->a), NULL, (uint32_t)in->height * in->width, in->channels,
                out->channels);
}

void tt_nearest(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    const int32_t *rows = session->net->scales + layer->scales, *columns = rows + out->height;
    int8_t *to = (int8_t *)data_of(session, layer->out) + layer->at;
    for (uint32_t y = 0; y < out->height; y++, to += (size_t)out->width * out->channels)
        copy_pixels(to, from + (size_t)rows[y] * in->width * in->channels, columns, out->width, in->channels,
                    out->channels);
}

void tt_shuffle(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    int8_t *to = (int8_t *)data_of(session, layer->out);
    uint32_t block = layer->count;
    for (uint32_t y = 0; y < out->height; y++) {
        for (uint32_t x = 0; x < out->width; x++, to += out->channels) {
            const int8_t *p = from + ((size_t)(y / block) * in->width + x / block) * in->channels;
            p += y % block * block + x % block;
            for (uint32_t c = 0; c < out->channels; c++) to[c] = p[c * block * block];
        }
    }
}

void tt_bilinear(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a), *out = tensor_of(session, layer->out);
    const int8_t *from = (const int8_t *)data_of(session, layer->a);
    const int32_t *down = session->net->scales + layer->scales, *first = down + 3 * out->height;
    int8_t *to = (int8_t *)data_of(session, layer->out) + layer->at;
    uint32_t channels = in->channels;
    for (uint32_t y = 0; y < out->height; y++, down += 3) {
        const int8_t *upper = from + (size_t)down[0] * in->width * channels;
        const int8_t *lower = from + (size_t)down[1] * in->width * channels;
        const int32_t *across = first;
        for (uint32_t x = 0; x < out->width; x++, to += out->channels, across += 3) {
            uint32_t left = (uint32_t)across[0] * channels, right = (uint32_t)across[1] * channels;
            int32_t wy = down[2], wx = across[2];
            for (uint32_t c = 0; c < channels; c++) {
                int32_t high = upper[left + c] * (256 - wx) + upper[right + c] * wx;
                int32_t low = lower[left + c] * (256 - wx) + lower[right + c] * wx;
                to[c] = (int8_t)((high * (256 - wy) + low * wy + 32768) >> 16);
            }
        }
    }
}

void tt_table(const tt_session *session, const tt_layer *layer) {
    const int8_t *a = (const int8_t *)data_of(session, layer->a);
    const int8_t *table = session->net->weights + layer->weights + 128;
    int8_t *to = (int8_t *)data_of(session, layer->out);
    uint32_t count = count_of(tensor_of(session, layer->out));
    for (uint32_t i = 0; i < count; i++) to[i] = table[a[i]];
}

void tt_ingest(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a);
    const uint8_t *a = (const uint8_t *)data_of(session, layer->a);
    const int8_t *tables = session->net->weights + layer->weights;
    int8_t *to = (int8_t *)data_of(session, layer->out);
    uint32_t pixels = (uint32_t)in->height * in->width, channels = in->channels;
    for (uint32_t p = 0; p < pixels; p++, a += channels, to += channels)
        for (uint32_t c = 0; c < channels; c++) to[c] = tables[256 * c + a[c]];
}

void tt_curve(const tt_session *session, const tt_layer *layer) {
    const int16_t *a = (const int16_t *)data_of(session, layer->a);
    const int32_t *points = session->net->scales + layer->scales;
    int16_t *to = (int16_t *)data_of(session, layer->out);
    uint32_t count = count_of(tensor_of(session, layer->out));
    for (uint32_t i = 0; i < count; i++) {
        int32_t x = a[i] + 32768, k = x >> 8, part = x & 255;
        to[i] = (int16_t)((points[k] * (256 - part) + points[k + 1] * part + 128) >> 8);
    }
}

/* The k-th of `a`, whichever its type. */
static int32_t logit(const tt_tensor *t, const void *data, uint32_t k) {
    return t->type == TT_I16 ? ((const int16_t *)data)[k] : ((const int8_t *)data)[k];
}

void tt_softmax(const tt_session *session, const tt_layer *layer) {
    const tt_tensor *in = tensor_of(session, layer->a);
    const uint8_t *a = (const uint8_t *)data_of(session, layer->a);
    const int32_t *coarse = session->net->scales + layer->scales, *fine = coarse + 256;
    int16_t *to = (int16_t *)data_of(session, layer->out);
    uint32_t pixels = (uint32_t)in->height * in->width, channels = in->channels;
    uint32_t *parts = (uint32_t *)(void *)session->arena;
    for (uint32_t p = 0; p < pixels; p++, a += channels * (in->type == TT_I16 ? 2 : 1), to += channels) {
        int32_t largest = logit(in, a, 0);
        uint64_t sum = 0;
        for (uint32_t c = 1; c < channels; c++) {
            int32_t x = logit(in, a, c);
            if (x > largest) largest = x;
        }
        for (uint32_t c = 0; c < channels; c++) {
            uint32_t below = (uint32_t)(largest - logit(in, a, c));
            parts[c] = (uint32_t)(((uint64_t)coarse[below >> 8] * (uint32_t)fine[below & 255] + 32768) >> 16);
            sum += parts[c];
        }
        for (uint32_t c = 0; c < channels; c++) {
            uint64_t share = (((uint64_t)parts[c] << 16) + sum) / (2 * sum); /* rounded parts / sum in 1/32768 */
            to[c] = (int16_t)(share > 32767 ? 32767 : share);
        }
    }
}
