/* resize_factor.c: shrinking by whole factors. Sums of integers, one float multiplication a pixel. */
#include "resize.h"

#include <string.h>

void tt_factor_row(tt_prep *prep, const uint8_t *row)
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
