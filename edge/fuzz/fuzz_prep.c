/* Any sizes, any fit, any turn, any pixels: a status or an input filled to its last byte. */
#include <stdlib.h>
#include <string.h>

#include "preprocess.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 8) return 0;
    tt_prep_input input = {data[0] % 100, data[1] % 100, data[2] & 1 ? 3 : 1, data[2] & 2 ? TT_PREP_LETTERBOX : TT_PREP_STRETCH};
    int width = data[3] % 96 + (data[2] & 4 ? 90 : 0), height = data[4] % 96 + (data[2] & 8 ? 90 : 0);
    int channels = data[2] & 16 ? 3 : 1, turn = data[5] % 10;
    size_t out_bytes = (size_t)input.width * (size_t)input.height * (size_t)input.channels;
    size_t space_bytes = tt_prep_space(&input, width, height, channels, turn);
    uint8_t *out = malloc(out_bytes + 1), *space = malloc(space_bytes + 1), *row = malloc((size_t)width * 3 + 1);
    tt_prep prep;
    if (!out || !space || !row) abort();
    /* a byte of work space too few now and then */
    if (data[6] == 1 && space_bytes > 9) space_bytes -= 9;
    tt_prep_status status = tt_prep_begin(&prep, &input, width, height, channels, turn, out, space, space_bytes);
    for (int y = 0; status == TT_PREP_OK && y < height; y++) {
        for (int x = 0; x < width * channels; x++) row[x] = data[(size_t)(x + y * 7) % bytes];
        int idle = tt_prep_idle_rows(&prep);
        status = idle > 0 && (data[7] & 1) ? tt_prep_skip(&prep, 1) : tt_prep_row(&prep, row);
    }
    if (status == TT_PREP_OK && height > 0 && !tt_prep_done(&prep)) abort();
    if (status == TT_PREP_OK && tt_prep_row(&prep, row) != TT_PREP_DONE) abort();
    free(row);
    free(space);
    free(out);
    return 0;
}
