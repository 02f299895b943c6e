/* resize_area.c: the average of the area that a target pixel covers, in float32 and OpenCV's order of additions. */
#include "resize.h"

#if defined(__ARM_NEON) && !defined(TT_NO_SIMD)
#include <arm_neon.h>
#define TT_PREP_NEON 1
#endif

static int ceil_of(double value)
{
    int whole = (int)value;
    return whole < value ? whole + 1 : whole;
}

/* The sums of OpenCV's computeResizeAreaTab. */
static tt_area_cell area_cell(int target, int from, double step)
{
    tt_area_cell cell;
    double start = target * step, end = start + step;
    double size = step < from - start ? step : from - start;
    int last = floor_of(end), first = ceil_of(start);
    if (last > from - 1) last = from - 1;
    if (first > last) first = last;
    float body = (float)(1.0 / size);
    cell.body = cell.head = cell.tail = body;
    cell.first = first;
    cell.count = last - first;
    int has_head = first - start > 1e-3;
    if (has_head) {
        cell.first--;
        cell.count++;
        cell.head = (float)((first - start) / size);
    }
    if (end - last > 1e-3) {
        double part = end - last < 1.0 ? end - last : 1.0;
        if (part > size) part = size;
        cell.tail = (float)(part / size);
        if (cell.count == 0) cell.head = cell.tail;
        cell.count++;
    }
    return cell;
}

/* The rows of the next target row, and their weights. */
static void next_target(tt_prep *prep)
{
    if (prep->target >= prep->to_height) return;
    tt_area_cell cell = area_cell(prep->target, prep->from_height, prep->step_y);
    prep->y.first = cell.first;
    prep->y.count = cell.count;
    prep->y.head = cell.head;
    prep->y.body = cell.body;
    prep->y.tail = cell.tail;
}

void tt_area_begin(tt_prep *prep)
{
    tt_area_cell *cells = prep->table;
    for (int t = 0; t < prep->to_width; t++) cells[t] = area_cell(t, prep->from_width, prep->step_x);
    next_target(prep);
}

/* One row shrunk sideways: above[t] = the sum of weight * pixel, added from left to right. */
static void area_across(const tt_prep *prep, const uint8_t *row, int from)
{
    const tt_area_cell *cells = prep->table;
    float *above = prep->above;
    int channels = prep->channels;
    for (int t = from; t < prep->to_width; t++) {
        const tt_area_cell *cell = &cells[t];
        const uint8_t *pixel = row + cell->first * channels;
        for (int c = 0; c < channels; c++, pixel++) {
            float sum = (float)pixel[0] * cell->head;
            int last = (cell->count - 1) * channels;
            for (int i = channels; i < last; i += channels) sum += (float)pixel[i] * cell->body;
            if (last > 0) sum += (float)pixel[last] * cell->tail;
            above[t * channels + c] = sum;
        }
    }
}

#ifdef TT_PREP_NEON
/* sum + a * b, rounded twice as OpenCV does: VMLA is not fused (VFMA would be). As words, for a compiler that may not
 * contract has no other way to write it. */
static inline float32x4_t add_product(float32x4_t sum, float32x4_t a, float32x4_t b)
{
    __asm__("vmla.f32 %q0, %q1, %q2" : "+w"(sum) : "w"(a), "w"(b));
    return sum;
}

/* Four bytes as floats: R, G, B and the byte behind them, whose sum the next target overwrites; on to the next pixel.
 * A pixel lies at any address, which C would have us copy byte by byte. */
static inline float32x4_t next_four(const uint8_t **pixel)
{
    uint8x8_t bytes;
    __asm__("vld1.32 {%P0[0]}, [%1], %2" : "=w"(bytes), "+r"(*pixel) : "r"(3), "m"(*(const uint8_t(*)[4]) * pixel));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}

/* All targets but the last, behind whose pixels the row may end. Additions in the order of area_across. */
static int area_across_neon(const tt_prep *prep, const uint8_t *row)
{
    const tt_area_cell *cell = prep->table;
    float *above = prep->above;
    int last = prep->to_width - 1;
    if (prep->channels != 3 || prep->from_width == prep->to_width) return 0;
    for (int t = 0; t < last; t++, cell++, above += 3) {
        const uint8_t *pixel = row + cell->first * 3;
        float32x4_t sum = vmulq_n_f32(next_four(&pixel), cell->head), body = vdupq_n_f32(cell->body);
        int i = cell->count - 2;
        for (; i > 0; i--) sum = add_product(sum, next_four(&pixel), body);
        if (i == 0) sum = add_product(sum, next_four(&pixel), vdupq_n_f32(cell->tail));
        vst1q_f32(above, sum);
    }
    return last;
}
#endif

static void area_down(const tt_prep *prep, float weight, int first)
{
    const float *above = prep->above;
    float *sums = prep->sums;
    int samples = prep->to_width * prep->channels, k = 0;
#ifdef TT_PREP_NEON
    float32x4_t share = vdupq_n_f32(weight);
    if (first)
        for (; k + 4 <= samples; k += 4) vst1q_f32(sums + k, vmulq_f32(vld1q_f32(above + k), share));
    else
        for (; k + 4 <= samples; k += 4)
            vst1q_f32(sums + k, add_product(vld1q_f32(sums + k), vld1q_f32(above + k), share));
#endif
    if (first)
        for (; k < samples; k++) sums[k] = above[k] * weight;
    else
        for (; k < samples; k++) sums[k] += above[k] * weight;
}

static void area_out(tt_prep *prep)
{
    const float *sums = prep->sums;
    uint8_t *to = line_of(prep);
    int samples = prep->to_width * prep->channels, x = 0;
#ifdef TT_PREP_NEON
    if (prep->next_x == prep->channels && prep->channels == prep->out_channels) {
        float32x4_t shift = vdupq_n_f32(8388608.0f);
        for (; x + 8 <= samples; x += 8) { /* x counts samples here */
            uint32x4_t a = vreinterpretq_u32_f32(vaddq_f32(vld1q_f32(sums + x), shift));
            uint32x4_t b = vreinterpretq_u32_f32(vaddq_f32(vld1q_f32(sums + x + 4), shift));
            vst1_u8(to + x, vmovn_u16(vcombine_u16(vmovn_u32(a), vmovn_u32(b))));
        }
        for (; x < samples; x++) to[x] = (uint8_t)round_of(sums[x]);
        prep->target++;
        return;
    }
#endif
    (void)samples;
    for (; x < prep->to_width; x++, to += prep->next_x)
        for (int c = 0; c < prep->channels; c++) put(prep, to, c, (uint8_t)round_of(*sums++));
    prep->target++;
}

void tt_area_row(tt_prep *prep, const uint8_t *row)
{
    int from = 0;
#ifdef TT_PREP_NEON
    from = area_across_neon(prep, row);
#endif
    area_across(prep, row, from);
    /* a row on the border of two targets counts in both */
    while (prep->target < prep->to_height && prep->row >= prep->y.first) {
        int at = prep->row - prep->y.first, last = prep->y.count - 1;
        area_down(prep, at == 0 ? prep->y.head : at == last ? prep->y.tail : prep->y.body, at == 0);
        if (at != last) return;
        area_out(prep);
        next_target(prep);
    }
}
