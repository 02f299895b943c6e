#include "preprocess.h"

#include <string.h>

/* A fused multiply-add rounds once where OpenCV rounds twice. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__ARM_NEON) && !defined(TT_NO_SIMD)
#include <arm_neon.h>
#define TT_PREP_NEON 1
#endif

enum { MODE_COPY, MODE_FACTOR, MODE_AREA, MODE_LINEAR };

/* One target column of the area average: source pixels first .. first + count - 1. 20 bytes. */
typedef struct {
    int32_t first, count;
    float head, body, tail;
} tt_area_cell;

/* One target column of the bilinear resize. 12 bytes. */
typedef struct {
    int32_t low, high;    /* bytes from the start of the row */
    int16_t share, other; /* of low and of high, out of 2048 */
} tt_linear_cell;

const char *tt_prep_text(tt_prep_status status)
{
#define TT_PREP_TEXT(name, text) text,
    static const char *const texts[] = {TT_PREP_STATUSES(TT_PREP_TEXT)};
#undef TT_PREP_TEXT
    return (unsigned)status < TT_PREP_STATUS_COUNT ? texts[status] : "unknown status";
}

tt_rect tt_prep_place(const tt_prep_input *input, int width, int height)
{
    tt_rect at = {0, 0, input->width, input->height};
    if (input->fit != TT_PREP_LETTERBOX) return at;
    double across = (double)input->width / width, down = (double)input->height / height;
    double scale = across < down ? across : down;
    int inner_width = (int)(width * scale + 0.5), inner_height = (int)(height * scale + 0.5);
    if (inner_width < 1) inner_width = 1;
    if (inner_height < 1) inner_height = 1;
    if (inner_width < at.width) at.width = inner_width;
    if (inner_height < at.height) at.height = inner_height;
    at.x = (input->width - at.width) / 2;
    at.y = (input->height - at.height) / 2;
    return at;
}

/* --- tables: the sums of computeResizeAreaTab and of the linear tables in OpenCV's resize ------------------------- */

static int floor_of(double value) /* |value| < 2^31 */
{
    int whole = (int)value;
    return whole > value ? whole - 1 : whole;
}

static int ceil_of(double value)
{
    int whole = (int)value;
    return whole < value ? whole + 1 : whole;
}

/* To the nearest, halves to even: 0 <= value < 2^22. */
static inline int round_of(float value)
{
    union {
        float f;
        uint32_t u;
    } shifted;
    shifted.f = value + 8388608.0f; /* 2^23: the unit in the last place is 1 */
    return (int)(shifted.u & 0x7fffffu);
}

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

static void linear_at(int target, double step, int *low, int16_t *share, int16_t *other)
{
    float at = (float)((target + 0.5) * step - 0.5);
    *low = floor_of(at);
    at -= (float)*low;
    *share = (int16_t)round_of((1.0f - at) * 2048.0f);
    *other = (int16_t)round_of(at * 2048.0f);
}

/* OpenCV takes 1 / (to / from), which is not always from / to. */
static double step_of(int from, int to)
{
    return 1.0 / ((double)to / from);
}

static int whole_factor(double step)
{
    int whole = (int)(step + 0.5);
    double off = step - whole;
    return (off < 0 ? -off : off) < 2.220446049250313e-16 ? whole : 0;
}

/* --- begin --------------------------------------------------------------------------------------------------------- */

static size_t align8(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

typedef struct {
    tt_rect place; /* upright */
    int to_width, to_height, channels, mode, factor_x, factor_y;
    size_t table, line, bytes; /* bytes of the table, of one line of sums, of all */
} tt_plan;

static tt_prep_status plan_of(const tt_prep_input *input, int width, int height, int channels, int turn, tt_plan *plan)
{
    int sides[4] = {width, height, input->width, input->height};
    for (int i = 0; i < 4; i++)
        if (sides[i] < 1 || sides[i] > TT_PREP_MAX_SIDE) return TT_PREP_SIZE;
    if ((channels != 1 && channels != 3) || (input->channels != 1 && input->channels != 3)) return TT_PREP_CHANNELS;
    if (turn < 1 || turn > 8) return TT_PREP_TURN;
    int lying = turn >= 5;
    plan->place = tt_prep_place(input, lying ? height : width, lying ? width : height);
    plan->to_width = lying ? plan->place.height : plan->place.width;
    plan->to_height = lying ? plan->place.width : plan->place.height;
    plan->channels = channels < input->channels ? channels : input->channels;
    size_t samples = (size_t)plan->to_width * (size_t)plan->channels;
    plan->factor_x = whole_factor(step_of(width, plan->to_width));
    plan->factor_y = whole_factor(step_of(height, plan->to_height));
    size_t grey = channels == 3 && plan->channels == 1 ? align8((size_t)width) : 0;
    if (plan->to_width == width && plan->to_height == height) {
        plan->mode = MODE_COPY;
        plan->table = plan->line = 0;
    } else if (plan->to_width > width || plan->to_height > height) {
        plan->mode = MODE_LINEAR;
        plan->table = (size_t)plan->to_width * sizeof(tt_linear_cell);
        plan->line = align8(samples * sizeof(uint16_t));
    } else if (plan->factor_x && plan->factor_y) {
        if ((int64_t)plan->factor_x * plan->factor_y > 8000000) return TT_PREP_SIZE; /* the sums are 31 bits wide */
        plan->mode = MODE_FACTOR;
        plan->table = 0;
        plan->line = align8(samples * sizeof(int32_t));
    } else {
        plan->mode = MODE_AREA;
        plan->table = (size_t)plan->to_width * sizeof(tt_area_cell);
        plan->line = align8(samples * sizeof(float));
    }
    plan->table = align8(plan->table);
    plan->bytes = plan->table + 2 * plan->line + grey;
    return TT_PREP_OK;
}

size_t tt_prep_space(const tt_prep_input *input, int width, int height, int channels, int turn)
{
    tt_plan plan;
    return plan_of(input, width, height, channels, turn, &plan) == TT_PREP_OK ? plan.bytes + 8 : 0;
}

static void fill_table(tt_prep *prep)
{
    if (prep->mode == MODE_AREA) {
        tt_area_cell *cells = prep->table;
        for (int t = 0; t < prep->to_width; t++) cells[t] = area_cell(t, prep->from_width, prep->step_x);
    } else if (prep->mode == MODE_LINEAR) {
        tt_linear_cell *cells = prep->table;
        int last = prep->from_width - 1;
        for (int t = 0; t < prep->to_width; t++) {
            int low;
            linear_at(t, prep->step_x, &low, &cells[t].share, &cells[t].other);
            if (low < 0 || low >= last) { /* sideways OpenCV takes the border pixel whole */
                low = low < 0 ? 0 : last;
                cells[t].share = 2048;
                cells[t].other = 0;
            }
            cells[t].low = low * prep->channels;
            cells[t].high = (low < last ? low + 1 : last) * prep->channels;
        }
    }
}

static void next_target(tt_prep *prep)
{
    if (prep->target >= prep->to_height) return;
    if (prep->mode == MODE_AREA) {
        tt_area_cell cell = area_cell(prep->target, prep->from_height, prep->step_y);
        prep->y.first = cell.first;
        prep->y.count = cell.count;
        prep->y.head = cell.head;
        prep->y.body = cell.body;
        prep->y.tail = cell.tail;
    } else if (prep->mode == MODE_LINEAR) {
        int low, last = prep->from_height - 1;
        int16_t share, other;
        linear_at(prep->target, prep->step_y, &low, &share, &other);
        int high = low + 1; /* downwards OpenCV keeps the shares and takes the border row twice */
        low = low < 0 ? 0 : low > last ? last : low;
        high = high < 0 ? 0 : high > last ? last : high;
        prep->y.first = low;
        prep->y.count = high - low + 1;
        prep->y.head = share;
        prep->y.tail = other;
    }
}

/* Target pixel (x, y) as stored goes to origin + x * next_x + y * next_y. */
static void aim(tt_prep *prep, const tt_prep_input *input, tt_rect place, int turn, uint8_t *out)
{
    ptrdiff_t pixel = input->channels, line = (ptrdiff_t)input->width * input->channels;
    ptrdiff_t right = (place.width - 1) * pixel, bottom = (place.height - 1) * line;
    prep->origin = out + place.y * line + place.x * pixel;
    prep->next_x = turn >= 5 ? line : pixel;
    prep->next_y = turn >= 5 ? pixel : line;
    if (turn == 2 || turn == 3 || turn == 6 || turn == 7) { /* what grows rightwards starts at the right */
        prep->origin += right;
        if (turn < 5)
            prep->next_x = -prep->next_x;
        else
            prep->next_y = -prep->next_y;
    }
    if (turn == 3 || turn == 4 || turn == 7 || turn == 8) {
        prep->origin += bottom;
        if (turn < 5)
            prep->next_y = -prep->next_y;
        else
            prep->next_x = -prep->next_x;
    }
}

tt_prep_status tt_prep_begin(tt_prep *prep, const tt_prep_input *input, int width, int height, int channels, int turn,
                             uint8_t *out, void *space, size_t space_bytes)
{
    tt_plan plan;
    tt_prep_status status = plan_of(input, width, height, channels, turn, &plan);
    if (status != TT_PREP_OK) return status;
    if (space_bytes < plan.bytes) return TT_PREP_SPACE_SMALL;
    if ((uintptr_t)space % 8) return TT_PREP_ALIGN;
    memset(prep, 0, sizeof *prep);
    prep->from_width = width;
    prep->from_height = height;
    prep->from_channels = channels;
    prep->to_width = plan.to_width;
    prep->to_height = plan.to_height;
    prep->channels = plan.channels;
    prep->out_channels = input->channels;
    prep->mode = plan.mode;
    prep->factor_x = plan.factor_x;
    prep->factor_y = plan.factor_y;
    if (plan.mode == MODE_FACTOR) prep->scale = (float)(1.0 / (plan.factor_x * plan.factor_y));
    prep->step_x = step_of(width, plan.to_width);
    prep->step_y = step_of(height, plan.to_height);
    prep->table = space;
    prep->above = (uint8_t *)space + plan.table;
    prep->sums = (uint8_t *)prep->above + plan.line;
    aim(prep, input, plan.place, turn, out);
    if (plan.place.width != input->width || plan.place.height != input->height)
        memset(out, TT_PREP_PAD, (size_t)input->width * (size_t)input->height * (size_t)input->channels);
    fill_table(prep);
    next_target(prep);
    return TT_PREP_OK;
}

/* --- rows ----------------------------------------------------------------------------------------------------------- */

static inline void put(const tt_prep *prep, uint8_t *to, int c, uint8_t value)
{
    to[c] = value;
    if (prep->channels < prep->out_channels) to[1] = to[2] = value;
}

static uint8_t *line_of(const tt_prep *prep)
{
    return prep->origin + prep->target * prep->next_y;
}

static void copy_row(tt_prep *prep, const uint8_t *row)
{
    uint8_t *to = line_of(prep);
    for (int x = 0; x < prep->to_width; x++, to += prep->next_x)
        for (int c = 0; c < prep->channels; c++) put(prep, to, c, *row++);
    prep->target++;
}

static void factor_row(tt_prep *prep, const uint8_t *row)
{
    int32_t *sums = prep->sums;
    int channels = prep->channels, factor = prep->factor_x, samples = prep->to_width * channels;
    if (prep->row % prep->factor_y == 0) memset(sums, 0, (size_t)samples * sizeof *sums);
    if (channels == 3) {
        for (int k = 0; k < samples; k += 3) {
            int32_t r = 0, g = 0, b = 0;
            for (int i = 0; i < factor; i++, row += 3) {
                r += row[0];
                g += row[1];
                b += row[2];
            }
            sums[k] += r;
            sums[k + 1] += g;
            sums[k + 2] += b;
        }
    } else {
        for (int k = 0; k < samples; k++) {
            int32_t sum = 0;
            for (int i = 0; i < factor; i++) sum += *row++;
            sums[k] += sum;
        }
    }
    if ((prep->row + 1) % prep->factor_y) return;
    uint8_t *to = line_of(prep);
    int by_two = factor == 2 && prep->factor_y == 2; /* OpenCV rounds halves up there, to even elsewhere */
    for (int x = 0; x < prep->to_width; x++, to += prep->next_x)
        for (int c = 0; c < channels; c++) {
            int32_t sum = *sums++;
            put(prep, to, c, (uint8_t)(by_two ? (sum + 2) >> 2 : round_of((float)sum * prep->scale)));
        }
    prep->target++;
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

static void area_row(tt_prep *prep, const uint8_t *row)
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

static void linear_row(tt_prep *prep, const uint8_t *row)
{
    const tt_linear_cell *cells = prep->table;
    uint16_t *lines[2] = {prep->above, prep->sums}; /* even and odd rows, shrunk or stretched sideways */
    int channels = prep->channels, at = prep->row;
    if (prep->target >= prep->to_height || at < prep->y.first) return;
    uint16_t *line = lines[at & 1];
    for (int t = 0; t < prep->to_width; t++)
        for (int c = 0; c < channels; c++) {
            int sum = row[cells[t].low + c] * cells[t].share + row[cells[t].high + c] * cells[t].other;
            *line++ = (uint16_t)(sum >> 4);
        }
    while (prep->target < prep->to_height && at == prep->y.first + prep->y.count - 1) {
        const uint16_t *low = lines[prep->y.first & 1], *high = lines[at & 1];
        int share = (int)prep->y.head, other = (int)prep->y.tail;
        uint8_t *to = line_of(prep);
        for (int x = 0; x < prep->to_width; x++, to += prep->next_x)
            for (int c = 0; c < channels; c++)
                put(prep, to, c, (uint8_t)((((share * *low++) >> 16) + ((other * *high++) >> 16) + 2) >> 2));
        prep->target++;
        next_target(prep);
    }
}

tt_prep_status tt_prep_row(tt_prep *prep, const uint8_t *row)
{
    if (prep->row >= prep->from_height) return TT_PREP_DONE;
    if (prep->from_channels > prep->channels) { /* RGB to grey, into the end of the work space */
        size_t line = (size_t)((uint8_t *)prep->sums - (uint8_t *)prep->above);
        uint8_t *grey = (uint8_t *)prep->sums + line;
        for (int x = 0; x < prep->from_width; x++, row += 3)
            grey[x] = (uint8_t)((9798 * row[0] + 19235 * row[1] + 3735 * row[2] + 16384) >> 15);
        row = grey;
    }
    switch (prep->mode) {
    case MODE_COPY: copy_row(prep, row); break;
    case MODE_FACTOR: factor_row(prep, row); break;
    case MODE_AREA: area_row(prep, row); break;
    default: linear_row(prep, row); break;
    }
    prep->row++;
    return TT_PREP_OK;
}

int tt_prep_idle_rows(const tt_prep *prep)
{
    if (prep->target >= prep->to_height) return prep->from_height - prep->row;
    if (prep->mode != MODE_LINEAR || prep->y.first <= prep->row) return 0;
    return prep->y.first - prep->row;
}

tt_prep_status tt_prep_skip(tt_prep *prep, int rows)
{
    if (rows < 0 || rows > tt_prep_idle_rows(prep)) return TT_PREP_DONE;
    prep->row += rows;
    return TT_PREP_OK;
}

int tt_prep_done(const tt_prep *prep)
{
    return prep->target >= prep->to_height;
}

tt_prep_status tt_prep_image(const tt_prep_input *input, const uint8_t *pixels, int width, int height, ptrdiff_t stride,
                             int channels, const tt_rect *crop, uint8_t *out, void *space, size_t space_bytes)
{
    tt_rect all = {0, 0, width, height};
    tt_prep prep;
    if (!crop) crop = &all;
    if (width < 1 || height < 1 || crop->x < 0 || crop->y < 0 || crop->width < 1 || crop->height < 1 ||
        crop->width > width - crop->x || crop->height > height - crop->y)
        return TT_PREP_SIZE;
    tt_prep_status status =
        tt_prep_begin(&prep, input, crop->width, crop->height, channels, 1, out, space, space_bytes);
    const uint8_t *row = pixels + crop->y * stride + (ptrdiff_t)crop->x * channels;
    for (int y = 0; y < crop->height && status == TT_PREP_OK; y++, row += stride) status = tt_prep_row(&prep, row);
    return status;
}
