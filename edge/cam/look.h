/* From the bytes of a JPEG to probabilities: decode, resize, run the net, read its answers. Knows nothing of time, files
 * or sockets. */
#ifndef TT_CAM_LOOK_H
#define TT_CAM_LOOK_H

#include "jpeg.h"
#include "preprocess.h"
#include "smooth.h"
#include "telltale.h"
#include "text.h"

enum { TT_LOOK_NAMES = 256 };

typedef struct tt_kind_of tt_kind_of; /* kind.h */

/* names: with their thresholds, the caller's; set before the first look. */
typedef struct {
    const tt_net *net;
    const tt_kind_of *kind;
    const tt_smooth_name *names;
    tt_session session;
    void *arena, *space, *answers; /* of the net, of the resizing, of the kind */
    size_t space_bytes;
    tt_jpeg jpeg;
} tt_look;

/* width, height: of the whole picture, upright. part: what of it was looked at. place: where in the input that lies.
 * scale: eighths at which it was decoded. */
typedef struct {
    int width, height, scale;
    tt_rect part, place;
    float probabilities[TT_LOOK_NAMES];
} tt_sight;

/* Checks the net and its weights, and against the answers compiled in for so many pictures. 0 with the fault when it
 * cannot be run. Takes all the memory it will ever take but libjpeg's. */
int tt_look_begin(tt_look *look, const tt_net *net, uint32_t selftest, tt_fault *fault);

/* roi: in upright pixels, NULL or width 0 for the whole picture. 0 with the fault (code `image`) when the picture
 * cannot be told; the next one is told as if nothing had been. */
int tt_look_at(tt_look *look, const uint8_t *data, size_t bytes, const tt_rect *roi, tt_sight *sight, tt_fault *fault);

/* The reading of name `index` in the last sight, as JSON. */
void tt_look_put(tt_text *text, const tt_look *look, const tt_sight *sight, int index);

void tt_look_end(tt_look *look);

#endif
