/* Asks regions.c on stdin: five ints (width, height, step, min_area, room), two floats (low, high), then
 * width * height * step floats. Prints "listed prob on unsure on_area", then a region a line. */
#include <stdio.h>
#include <stdlib.h>

#include "regions.h"

int main(void)
{
    int sizes[5];
    float cuts[2];
    while (fread(sizes, sizeof sizes, 1, stdin) == 1 && fread(cuts, sizeof cuts, 1, stdin) == 1) {
        size_t pixels = (size_t)sizes[0] * (size_t)sizes[1], count = pixels * (size_t)sizes[2];
        float *values = malloc((count + 1) * sizeof *values); /* exactly as large as asked: ASan sees a byte too many */
        void *space = malloc(TT_REGIONS_SPACE(pixels) + 1);
        tt_region *regions = malloc(((size_t)sizes[4] + 1) * sizeof *regions);
        if (!values || !space || !regions || fread(values, sizeof *values, count, stdin) != count) return 1;
        tt_map map = {values, sizes[0], sizes[1], sizes[2], sizes[0]};
        tt_regions all;
        int listed = tt_find_regions(&map, cuts[0], cuts[1], sizes[3], space, regions, sizes[4], &all);
        printf("%d %.9g %d %d %d\n", listed, (double)all.prob, all.on, all.unsure, all.on_area);
        for (int i = 0; i < listed; i++) {
            const tt_region *r = &regions[i];
            printf("%d %d %d %d %d %d %.9g\n", r->x, r->y, r->width, r->height, r->area, r->on, (double)r->score);
        }
        free(values);
        free(space);
        free(regions);
    }
    return 0;
}
