/* preprocess.c: where a picture comes to lie and which way it is resized; its rows go to that resize_*.c. */
#include "resize.h"

#include <string.h>

enum { MODE_COPY, MODE_FACTOR, MODE_AREA, MODE_LINEAR };

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
    if (plan.mode == MODE_AREA) tt_area_begin(prep);
    if (plan.mode == MODE_LINEAR) tt_linear_begin(prep);
    return TT_PREP_OK;
}

/* --- rows ----------------------------------------------------------------------------------------------------------- */

static void copy_row(tt_prep *prep, const uint8_t *row)
{
    uint8_t *to = line_of(prep);
    for (int x = 0; x < prep->to_width; x++, to += prep->next_x)
        for (int c = 0; c < prep->channels; c++) put(prep, to, c, *row++);
    prep->target++;
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
    case MODE_FACTOR: tt_factor_row(prep, row); break;
    case MODE_AREA: tt_area_row(prep, row); break;
    default: tt_linear_row(prep, row); break;
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
