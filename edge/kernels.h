/* kernels.h: the operators a net is made of, and which fields of tt_layer each of them reads. For generated nets and the
 * runtime; programs need telltale.h alone. Every operator reads tensor `a` (some also `b`) and writes `out`, except where
 * it says otherwise. Tensors are height x width x channels.
 *
 * int8: out = clamp(zero + rescale(sum)), where rescale(x) = x * multiplier * 2^-31 * 2^-shift, rounded twice as the NEON
 * instructions vqrdmulh and vrshl round (see rescale in numbers.h). The integers are the same on every machine. */
#ifndef TELLTALE_KERNELS_H
#define TELLTALE_KERNELS_H

#include "telltale.h"

enum { TT_KERNEL_MAX = 16 }; /* rows of a window, except of tt_global_average */

/* ---- int8 ---- */

/* Convolution. kernel, stride, pad; count: steps of 16 products an output number takes; weights: for each 4 output
 * channels, for each step, 16 products of the first channel, 16 of the second, ...; scales: for each 4 output channels
 * 4 biases, 4 multipliers, 4 shifts (0 or less: to the right). Where `a` is the picture, one word before that holds what
 * its padding is, a byte a channel. Scratch, except with a kernel of 1x1: the last kernel_h rows with their padding, 32
 * bytes, to a multiple of 8, and 2 * (16 * count + 32) bytes.
 *
 * tt_conv_take keeps row `y` of the input, NULL where it is padding (from -pad_top), tt_conv_tell computes row `y` of the
 * result; tt_conv does all of both. */
void tt_conv(const tt_session *session, const tt_layer *layer);
void tt_conv_take(const tt_session *session, const tt_layer *layer, int32_t y, const uint8_t *row);
void tt_conv_tell(const tt_session *session, const tt_layer *layer, uint32_t y);

/* Convolution of each channel by itself. kernel, stride, pad; weights: for each 8 channels, for each tap (an even number,
 * the last one zero where the kernel's is odd), 8 channels; scales: for each 8 channels 8 biases, 8 multipliers, 8 shifts. */
void tt_depthwise(const tt_session *session, const tt_layer *layer);

/* Every output from every input. As tt_conv with a window as large as `a`; `out` may be int16. */
void tt_dense(const tt_session *session, const tt_layer *layer);

/* Largest of a window; padding never is. kernel, stride, pad. */
void tt_max_pool(const tt_session *session, const tt_layer *layer);

/* Mean of what of a window lies inside. kernel, stride, pad; scales: multiplier and shift for 1 number, for 2, ... (those
 * for 1 are not read). count 1: the padding counts as zeros. */
void tt_average_pool(const tt_session *session, const tt_layer *layer);

/* Mean over the whole of `a`, one number a channel. scales: multiplier, shift. Scratch: 4 bytes a channel. */
void tt_global_average(const tt_session *session, const tt_layer *layer);

/* a + b. scales: factor of a, factor of b, constant, shift: (a * fa + b * fb + constant) >> shift. */
void tt_add(const tt_session *session, const tt_layer *layer);

/* a * b, where b is as large as a or has one number a channel. scales: multiplier, shift. */
void tt_mul(const tt_session *session, const tt_layer *layer);

/* Copy `a` to the channels of `out` from `at`. */
void tt_place(const tt_session *session, const tt_layer *layer);

/* Nearest neighbour, to the channels of `out` from `at`. scales: the source row of each row, the source column of each
 * column. */
void tt_nearest(const tt_session *session, const tt_layer *layer);

/* Depth to space: channel (c * count + y) * count + x becomes channel c of pixel y, x of a block. */
void tt_shuffle(const tt_session *session, const tt_layer *layer);

/* Linear between four, to the channels of `out` from `at`. scales: for each row, then each column: lower index, upper index, weight of the upper in 1/256. */
void tt_bilinear(const tt_session *session, const tt_layer *layer);

/* out = table[a + 128]. weights: 256 entries. */
void tt_table(const tt_session *session, const tt_layer *layer);

/* From the picture's bytes to int8 through a table a channel. weights: channels x 256 entries. */
void tt_ingest(const tt_session *session, const tt_layer *layer);

/* int16 in, int16 out: 257 points joined by lines. scales: the points. */
void tt_curve(const tt_session *session, const tt_layer *layer);

/* Softmax over the channels, int8 or int16 in, int16 out in 1/32768. scales: 256 values of exp(-256 k s), then 256 of
 * exp(-k s), in 1/65536, where s is the scale of `a`. */
void tt_softmax(const tt_session *session, const tt_layer *layer);

/* ---- float32: the same operators on real numbers; floats in the place of weights and scales ---- */

/* kernel, stride, pad; count: products an output number takes; weights: for each 4 output channels 4 biases, then for
 * each product 4 channels; scales: smallest and largest result (index into floats). Where `a` is the picture, a factor and
 * a constant for each channel before the first bias: padding is 0 after them. Scratch: the last
 * kernel_h rows with their padding, as floats, and 4 * count bytes. */
void tt_conv_f32(const tt_session *session, const tt_layer *layer);
void tt_conv_f32_take(const tt_session *session, const tt_layer *layer, int32_t y, const uint8_t *row);
void tt_conv_f32_tell(const tt_session *session, const tt_layer *layer, uint32_t y);
/* weights: for each channel its bias, then its taps; scales: smallest and largest result (index into floats). */
void tt_depthwise_f32(const tt_session *session, const tt_layer *layer);
void tt_dense_f32(const tt_session *session, const tt_layer *layer); /* as tt_conv_f32 */
void tt_max_pool_f32(const tt_session *session, const tt_layer *layer);
void tt_average_pool_f32(const tt_session *session, const tt_layer *layer); /* count as tt_average_pool */
void tt_global_average_f32(const tt_session *session, const tt_layer *layer);
void tt_add_f32(const tt_session *session, const tt_layer *layer); /* scales: smallest and largest result */
void tt_mul_f32(const tt_session *session, const tt_layer *layer);
void tt_place_f32(const tt_session *session, const tt_layer *layer);
void tt_nearest_f32(const tt_session *session, const tt_layer *layer);  /* scales as tt_nearest */
void tt_shuffle_f32(const tt_session *session, const tt_layer *layer);
void tt_bilinear_f32(const tt_session *session, const tt_layer *layer); /* scales: lower, upper; weights: of the upper */
/* count: 0 clamp between the two floats at `weights`, 1 sigmoid, 2 x * sigmoid(x), 3 tanh, 4 x below 0 times the float at
 * `weights`, 5 clamp(x * first + second, 0, 1), 6 x times that. */
void tt_unary_f32(const tt_session *session, const tt_layer *layer);
/* From the picture's bytes. weights: for each channel factor and constant. */
void tt_ingest_f32(const tt_session *session, const tt_layer *layer);
void tt_softmax_f32(const tt_session *session, const tt_layer *layer);

#endif
