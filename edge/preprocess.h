/* From rows of pixels to the model's input: crop, area average or bilinear, letterbox, RGB or grey, upright.
 * Knows nothing of where the rows come from (a JPEG, a sensor) nor of what the model tells.
 *
 *   tt_prep prep;
 *   tt_prep_input input = {96, 96, 3, TT_PREP_STRETCH};
 *   static _Alignas(8) uint8_t space[TT_PREP_SPACE(96, 3)];
 *   uint8_t pixels[96 * 96 * 3];
 *   tt_prep_status status = tt_prep_begin(&prep, &input, 640, 360, 3, 1, pixels, space, sizeof space);
 *   for (int y = 0; y < 360 && status == TT_PREP_OK; y++) status = tt_prep_row(&prep, row(y));
 *
 * The sums are those of telltale.preprocess.Preprocess.apply, that is of OpenCV's resize on x86-64, bit for bit:
 * - neither side grows by a whole factor on both sides: sums of integers, one float multiplication a pixel;
 * - neither side grows: area average. Float32 in OpenCV's order of additions, because only that rounds as it does:
 *   with exact integers one pixel in 300 (640x360 to 96x96) lies on a half and would be off by one;
 * - else bilinear with half-pixel centres, 11-bit integers; only the tables are made with floats.
 * A picture turned by EXIF (turn other than 1) is summed as it is stored and turned last; there a value on a half may
 * come out one level off. Grey from RGB is (9798 R + 19235 G + 3735 B + 2^14) >> 15 before resizing, as cvtColor.
 * Rows are taken one at a time, so a large picture never lies in memory. No malloc, no globals, no libm.
 */
#ifndef TT_PREPROCESS_H
#define TT_PREPROCESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TT_PREP_STATUSES(X)                                                                                            \
    X(TT_PREP_OK, "ok")                                                                                                \
    X(TT_PREP_SIZE, "a side of the picture or of the input is below 1 or above 16384 pixels")                          \
    X(TT_PREP_CHANNELS, "channels of the picture and of the input are 1 or 3")                                         \
    X(TT_PREP_TURN, "turn is an EXIF orientation, 1 to 8")                                                             \
    X(TT_PREP_SPACE_SMALL, "the work space is smaller than tt_prep_space() asks")                                      \
    X(TT_PREP_ALIGN, "the work space is not aligned to 8 bytes")                                                       \
    X(TT_PREP_DONE, "more rows than the picture has")

#define TT_PREP_ENUM(name, text) name,
typedef enum { TT_PREP_STATUSES(TT_PREP_ENUM) TT_PREP_STATUS_COUNT } tt_prep_status;
#undef TT_PREP_ENUM

typedef enum { TT_PREP_STRETCH, TT_PREP_LETTERBOX } tt_prep_fit; /* the numbers of tt_fit in telltale.h */

/* The model's input: rows of width * channels bytes, channels 3 (RGB) or 1 (grey). */
typedef struct {
    int width, height, channels;
    tt_prep_fit fit;
} tt_prep_input;

typedef struct {
    int x, y, width, height;
} tt_rect;

enum { TT_PREP_PAD = 114, TT_PREP_MAX_SIDE = 16384 };

/* Bytes of work space, at most, for any picture and any turn: side is the larger side of the input. Grey from RGB
 * needs a row of the picture more; tt_prep_space() counts it. */
#define TT_PREP_SPACE(side, channels) ((size_t)(side) * (20 + 8 * (size_t)(channels)) + 32)

/* All members are private. */
typedef struct {
    int from_width, from_height, from_channels; /* of the rows */
    int to_width, to_height, channels;          /* as they are stored, before the turn */
    int out_channels;
    int mode;
    int row, target; /* next row of the picture, next row of the target */
    int factor_x, factor_y;
    float scale; /* 1 / pixels of a whole factor */
    double step_x, step_y;
    struct {
        int first, count;
        float head, body, tail; /* weights of the first, the middle, the last row of a target */
    } y;
    void *table;
    void *above, *sums;
    uint8_t *origin; /* where target pixel (0, 0) goes */
    ptrdiff_t next_x, next_y;
} tt_prep;

const char *tt_prep_text(tt_prep_status status);

/* Where a picture of this size comes to lie in the input, as Preprocess._place. Sizes of 1 or more. */
tt_rect tt_prep_place(const tt_prep_input *input, int width, int height);

/* Bytes of work space for this picture; 0 if tt_prep_begin would refuse the sizes. turn: EXIF orientation. */
size_t tt_prep_space(const tt_prep_input *input, int width, int height, int channels, int turn);

/* width, height: of the rows to come, as stored. channels: 3 RGB, 1 grey (repeated for an RGB input).
 * turn: EXIF orientation of the rows, 1 for upright. out: input->height * input->width * input->channels bytes, not
 * overlapping space; letterbox borders are filled here. space: aligned to 8. Both are used until the last row. */
tt_prep_status tt_prep_begin(tt_prep *prep, const tt_prep_input *input, int width, int height, int channels, int turn,
                             uint8_t *out, void *space, size_t space_bytes);

/* The next row of the picture, width * channels bytes. After the last one out is complete. */
tt_prep_status tt_prep_row(tt_prep *prep, const uint8_t *row);

/* How many of the rows to come do not matter (bilinear shrinking of a side skips some); a decoder may skip them. */
int tt_prep_idle_rows(const tt_prep *prep);

/* The rows to come are passed over: for as many as tt_prep_idle_rows() said. */
tt_prep_status tt_prep_skip(tt_prep *prep, int rows);

/* Whether out is complete. */
int tt_prep_done(const tt_prep *prep);

/* A whole picture in memory: crop (NULL: all of it), then as above. stride: bytes from row to row. */
tt_prep_status tt_prep_image(const tt_prep_input *input, const uint8_t *pixels, int width, int height, ptrdiff_t stride,
                             int channels, const tt_rect *crop, uint8_t *out, void *space, size_t space_bytes);

#ifdef __cplusplus
}
#endif
#endif
