/* Connected regions of a probability map, as telltale.tasks.regions finds them. Knows nothing of nets or pictures.
 *
 *   tt_map map = {probabilities, 64, 48, 1, 64};
 *   static uint64_t space[TT_REGIONS_SPACE(64 * 48) / 8];
 *   tt_region regions[32];
 *   tt_regions all;
 *   int listed = tt_find_regions(&map, 0.3f, 0.7f, 8, space, regions, 32, &all);
 *
 * The caller gives the memory. C99, no malloc, no globals, no libm; the same regions on every machine. */
#ifndef TT_REGIONS_H
#define TT_REGIONS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Probabilities 0 to 1; that of (x, y) is values[(y * pitch + x) * step]. Fewer than 2^30 of them. */
typedef struct {
    const float *values;
    int width, height, step, pitch;
} tt_map;

/* Pixels that touch, corners included, and reach a cut: the higher one where `on`, else the lower. score: the
 * probability that as many of its pixels reach as a region must have. root, counted: private. */
typedef struct {
    int x, y, width, height, area, on;
    float score;
    int32_t root;
    int counted;
} tt_region;

/* Of a whole map. prob: the highest cut at which a region of the least area is left. */
typedef struct {
    float prob;
    int on, unsure, on_area;
} tt_regions;

/* Bytes of work space, aligned to 4. */
#define TT_REGIONS_SPACE(pixels) (8 * (size_t)(pixels))

/* The regions of min_area pixels or more at or over `high`, then those at or over `low` that hold none of them; the
 * surest first. Lists at most `room` (further ones are counted in `all`) and returns how many; -1 for sizes or cuts
 * that make no sense: low above high, no pixel, min_area below 1. */
int tt_find_regions(const tt_map *map, float low, float high, int min_area, void *space, tt_region *regions, int room,
                    tt_regions *all);

#ifdef __cplusplus
}
#endif
#endif
