/* Decodes JPEGs from stdin and answers on stdout; integers are 32-bit little-endian.
 * case: scale, grey, region x, y, width, height, memory, bytes; the bytes.
 * answer: status, turn, width, height, channels, rows that came; those rows. */
#include "jpeg.h"

#include <stdlib.h>
#include <string.h>

int main(void)
{
    int32_t n[8];
    while (fread(n, sizeof n, 1, stdin) == 1) {
        static tt_jpeg jpeg;
        size_t bytes = (size_t)n[7];
        uint8_t *data = malloc(bytes ? bytes : 1);
        if (!data || fread(data, 1, bytes, stdin) != bytes) return 1;
        tt_jpeg_ask ask = {n[0], n[1], {n[2], n[3], n[4], n[5]}, (size_t)n[6]};
        tt_jpeg_status status = tt_jpeg_open(&jpeg, data, bytes, &ask);
        size_t line = status == TT_JPEG_OK ? (size_t)jpeg.width * (size_t)jpeg.channels : 0;
        uint8_t *pixels = malloc(line * (size_t)jpeg.height + 1);
        int32_t rows = 0;
        while (status == TT_JPEG_OK && rows < jpeg.height) {
            const uint8_t *row;
            status = tt_jpeg_row(&jpeg, &row);
            if (status == TT_JPEG_OK) memcpy(pixels + line * (size_t)rows++, row, line);
        }
        const uint8_t *more;
        if (status == TT_JPEG_OK && tt_jpeg_row(&jpeg, &more) != TT_JPEG_DONE) return 3;
        int32_t head[6] = {(int32_t)status, jpeg.info.turn, jpeg.width, jpeg.height, jpeg.channels, rows};
        fwrite(head, sizeof head, 1, stdout);
        fwrite(pixels, 1, line * (size_t)rows, stdout);
        if (status != TT_JPEG_OK) fprintf(stderr, "%s: %s\n", tt_jpeg_text(status), jpeg.why);
        tt_jpeg_close(&jpeg);
        tt_jpeg_close(&jpeg);
        free(pixels);
        free(data);
    }
    return 0;
}
