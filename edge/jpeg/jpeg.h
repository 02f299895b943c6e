/* Rows of pixels out of a JPEG in memory, by libjpeg-turbo: at the smallest scale that suffices, around a region of
 * interest only, and with every fault as a status. Knows nothing of models or of where the bytes came from.
 *
 *   tt_jpeg jpeg;
 *   tt_jpeg_ask ask = {8, 0, {0, 0, 0, 0}, 0};                 whole picture, RGB, 1/1
 *   tt_jpeg_status status = tt_jpeg_open(&jpeg, data, bytes, &ask);
 *   const uint8_t *row;
 *   for (int y = 0; y < jpeg.height && status == TT_JPEG_OK; y++)
 *       if ((status = tt_jpeg_row(&jpeg, &row)) == TT_JPEG_OK) use(row, jpeg.width, jpeg.channels);
 *   tt_jpeg_close(&jpeg);                                      always, and nothing leaks
 *   if (status) puts(tt_jpeg_text(status));                    jpeg.why says more
 *
 * Grey, YCbCr, RGB, CMYK and YCCK of 8 bits; baseline, progressive, arithmetic. At 1/1 the pixels are those of
 * telltale.preprocess.decode (CMYK within one level). What it refuses, and it refuses where libjpeg would fill with
 * grey: cut-off files, damaged entropy-coded data, 12 bits, lossless. libjpeg's own calls to exit() never happen.
 * Memory is libjpeg's own, at most ask.memory bytes. A baseline picture takes some rows, a progressive one all of
 * itself twice over. No globals: one tt_jpeg a thread.
 */
#ifndef TT_JPEG_H
#define TT_JPEG_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

#include "preprocess.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TT_JPEG_STATUSES(X)                                                                                            \
    X(TT_JPEG_OK, "ok")                                                                                                \
    X(TT_JPEG_NOT_JPEG, "not a JPEG: it does not begin with FF D8")                                                    \
    X(TT_JPEG_CUT_OFF, "the JPEG is cut off")                                                                          \
    X(TT_JPEG_DAMAGED, "the JPEG is damaged")                                                                          \
    X(TT_JPEG_KIND, "not a JPEG of 8 bits with 1, 3 or 4 components")                                                  \
    X(TT_JPEG_TOO_LARGE, "the picture has too many pixels")                                                            \
    X(TT_JPEG_MEMORY, "the JPEG needs more memory than it may take")                                                   \
    X(TT_JPEG_SCANS, "the JPEG has too many scans")                                                                    \
    X(TT_JPEG_SCALE, "scale is 1 to 8 eighths")                                                                        \
    X(TT_JPEG_ROI, "the region of interest is not inside the picture")                                                 \
    X(TT_JPEG_DONE, "more rows than the picture has")

#define TT_JPEG_ENUM(name, text) name,
typedef enum { TT_JPEG_STATUSES(TT_JPEG_ENUM) TT_JPEG_STATUS_COUNT } tt_jpeg_status;
#undef TT_JPEG_ENUM

enum {
    TT_JPEG_MAX_PIXELS = 50000000,      /* as telltale.preprocess.MAX_PIXELS */
    TT_JPEG_MAX_SCANS = 200,            /* a usual progressive file has 10 */
    TT_JPEG_MAX_MEMORY = 64 * 1024 * 1024
};

/* What the header says. width, height: as stored. turn: EXIF orientation, 1 to 8. components: 1, 3 or 4.
 * bytes: of the picture, its end mark included; 0 when it is cut off. More may follow it. */
typedef struct {
    int width, height, components, turn, progressive;
    size_t bytes;
} tt_jpeg_info;

/* scale: eighths, 1 to 8; 1, 2, 4 and 8 are fast. grey: one channel.
 * roi: in full stored pixels, width 0 for all of the picture; at a scale its edges go to the nearest pixel there.
 * memory: bytes libjpeg may take, 0 for TT_JPEG_MAX_MEMORY. */
typedef struct {
    int scale, grey;
    tt_rect roi;
    size_t memory;
} tt_jpeg_ask;

typedef struct {
    int width, height, channels; /* of the rows that come, of the region at its scale */
    tt_jpeg_info info;
    char why[JMSG_LENGTH_MAX]; /* libjpeg's words on the last fault; may be empty */
    /* the rest is private */
    struct jpeg_decompress_struct codec;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    tt_jpeg_status status;
    int created, next, left; /* left: pixels before the region in each decoded row */
    JSAMPROW row;
} tt_jpeg;

const char *tt_jpeg_text(tt_jpeg_status status);

/* Reads the markers up to the first scan and looks for the end of the file; decodes nothing. */
tt_jpeg_status tt_jpeg_look(const uint8_t *data, size_t bytes, tt_jpeg_info *info);

/* The smallest of 1, 2, 4, 8 eighths at which a region of this size still covers the input without growing. */
int tt_jpeg_scale_for(int width, int height, int to_width, int to_height);

/* A region in upright pixels of a picture as stored under its turn. width, height: of the picture as stored. */
tt_rect tt_jpeg_stored(tt_rect upright, int width, int height, int turn);

/* data must stay until tt_jpeg_close(), which is due whatever this returns. */
tt_jpeg_status tt_jpeg_open(tt_jpeg *jpeg, const uint8_t *data, size_t bytes, const tt_jpeg_ask *ask);

/* The next row of the region: width * channels bytes at *row, until the next call. */
tt_jpeg_status tt_jpeg_row(tt_jpeg *jpeg, const uint8_t **row);

void tt_jpeg_close(tt_jpeg *jpeg);

#ifdef __cplusplus
}
#endif
#endif
