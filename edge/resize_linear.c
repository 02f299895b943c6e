/* resize_linear.c: bilinear with half-pixel centres, 11-bit integers; only the tables are made with floats. */
#include "resize.h"

/* The sums of the linear tables in OpenCV's resize. */
static void linear_at(int target, double step, int *low, int16_t *share, int16_t *other)
{
    float at = (float)((target + 0.5) * step - 0.5);
    *low = floor_of(at);
    at -= (float)*low;
    *share = (int16_t)round_of((1.0f - at) * 2048.0f);
    *other = (int16_t)round_of(at * 2048.0f);
}

/* The rows of the next target row, and their shares. */
static void next_target(tt_prep *prep)
{
    if (prep->target >= prep->to_height) return;
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

void tt_linear_begin(tt_prep *prep)
{
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
    next_target(prep);
}

void tt_linear_row(tt_prep *prep, const uint8_t *row)
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
