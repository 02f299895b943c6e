/* peaks.h: boxes from the two outputs of a net that locates. Knows nothing of nets or pictures' bytes.
 *
 *     float heat[TABLE_HEAT], boxes[TABLE_BOXES];             // as large as tt_count says
 *     tt_read(&session, 0, heat, TABLE_HEAT);
 *     tt_read(&session, 1, boxes, TABLE_BOXES);
 *     tt_frame frame = tt_frame_of(&table_net, 640, 480);     // the picture that was made to fit the input
 *     tt_box found[10];
 *     size_t count = tt_peaks(heat, boxes, rows, columns, names, name, &frame, table_net.labels[name].low, found, 10);
 *
 * A box of score `low` or less is none, of `high` or more is on, between them unsure, as everywhere. C99, no malloc. */
#ifndef TELLTALE_PEAKS_H
#define TELLTALE_PEAKS_H

#include "telltale.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the net's input lies in the picture, in pixels of the picture, and the picture's own sides. */
typedef struct {
    float x, y, width, height;
    float picture_width, picture_height;
} tt_frame;

/* x, y, width, height, cut to the picture; its centre; 0 to 1. Pixels of the picture. */
typedef struct {
    float x, y, width, height;
    float centre_x, centre_y;
    float score;
} tt_box;

/* For a picture of this size, fitted as the net says (stretched, or letterboxed in its middle). */
tt_frame tt_frame_of(const tt_net *net, uint32_t picture_width, uint32_t picture_height);

/* The boxes of one name whose score is above `cut`, the surest first, at most `room`; how many they are.
 *
 * heat: rows x columns x names, boxes: rows x columns x 4, channels innermost, as tt_read gives them. A peak is above
 * every earlier one of its 8 neighbours, in reading order, and at or above every later one. */
size_t tt_peaks(const float *heat, const float *boxes, uint16_t rows, uint16_t columns, uint16_t names, uint16_t name,
                const tt_frame *frame, float cut, tt_box *found, size_t room);

#ifdef __cplusplus
}
#endif
#endif
