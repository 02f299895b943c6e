/* Where the next JPEG comes from: an HTTP snapshot, a file, or one after the other from stdin. */
#ifndef TT_CAM_SOURCE_H
#define TT_CAM_SOURCE_H

#include "link.h"

typedef struct {
    enum { TT_SOURCE_FILE, TT_SOURCE_HTTP, TT_SOURCE_STDIN } kind;
    const char *words; /* as it was given */
    tt_url url;
    double timeout_s;
    uint8_t *buffer;
    size_t room, used, taken; /* of stdin: bytes that came, bytes already given out */
} tt_source;

/* words: http://..., a path, or -. 0 with the fault. */
int tt_source_begin(tt_source *source, const char *words, double timeout_s, size_t max_bytes, tt_fault *fault);

/* The next picture's bytes, until the next call: 1; -1 at the end of stdin; 0 with the fault, and the next may do. */
int tt_source_next(tt_source *source, const uint8_t **data, size_t *bytes, tt_fault *fault);

void tt_source_end(tt_source *source);

#endif
