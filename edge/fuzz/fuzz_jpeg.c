/* Any bytes: a status or rows, at every scale and region. The first bytes choose them. */
#include "jpeg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static tt_jpeg jpeg;
    tt_jpeg_info info;
    if (bytes < 6) return 0;
    tt_jpeg_ask ask = {1 + data[0] % 8, data[1] & 1, {0, 0, 0, 0}, 2 << 20};
    const uint8_t *file = data + 6;
    if (tt_jpeg_look(file, bytes - 6, &info) == TT_JPEG_OK && info.width > 0) {
        if (info.width > 2048 || info.height > 2048) return 0; /* large pictures only cost time */
        if (data[1] & 2) {
            ask.roi.x = data[2] * info.width / 256;
            ask.roi.y = data[3] * info.height / 256;
            ask.roi.width = 1 + data[4] * (info.width - ask.roi.x - 1) / 255;
            ask.roi.height = 1 + data[5] * (info.height - ask.roi.y - 1) / 255;
        }
    }
    tt_jpeg_status status = tt_jpeg_open(&jpeg, file, bytes - 6, &ask);
    unsigned sum = 0;
    for (int y = 0; status == TT_JPEG_OK && y < jpeg.height; y++) {
        const uint8_t *row;
        status = tt_jpeg_row(&jpeg, &row);
        /* every byte is read: MSan and ASan see what lies outside */
        for (int x = 0; status == TT_JPEG_OK && x < jpeg.width * jpeg.channels; x++) sum += row[x];
    }
    tt_jpeg_close(&jpeg);
    return sum == 0x7fffffffu;
}
