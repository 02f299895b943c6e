/* Maps of any numbers, NaN and infinities among them, to regions and to boxes: within the memory that was given, what
 * is listed is sound and in order. The first bytes say how large the map is and where it is cut; the rest fills it. */
#include <stdlib.h>
#include <string.h>

#include "peaks.h"
#include "regions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { HEAD = 8, SIDE = 24, CHANNELS = 3, ROOM = 12 };

/* A float of one byte: most are probabilities, of few values so that there are ties; some are no numbers at all. */
static float number(uint8_t byte)
{
    static const uint32_t odd[] = {0x7fc00000u, 0x7f800000u, 0xff800000u, 0x00000001u, 0x80000000u, 0x7f7fffffu};
    float value;
    if (byte < 250) return (float)(byte % 64) / 63.0f;
    memcpy(&value, &odd[byte - 250], sizeof value);
    return value;
}

static void regions(const float *maps, const uint8_t *head, int width, int height)
{
    tt_map map = {maps + head[5] % CHANNELS, width, height, CHANNELS, SIDE};
    float low = number(head[2]), high = number(head[3]);
    int room = head[4] % (ROOM + 1), least = head[6] % 40;
    size_t pixels = (size_t)width * (size_t)height;
    void *space = malloc(TT_REGIONS_SPACE(pixels) + 1);
    tt_region *found = malloc((size_t)room * sizeof *found + 1);
    tt_regions all;
    if (!space || !found) abort();
    int count = tt_find_regions(&map, low, high, least, space, found, room, &all);
    if (count > room || (count >= 0 && count > all.on + all.unsure)) abort();
    for (int i = 0; i < count; i++) {
        const tt_region *r = &found[i];
        if (r->x < 0 || r->y < 0 || r->width < 1 || r->height < 1) abort();
        if (r->x + r->width > width || r->y + r->height > height) abort();
        if (r->area < least || r->area > r->width * r->height) abort();
        if (i && (found[i - 1].on < r->on)) abort();
    }
    free(space);
    free(found);
}

static void boxes(const float *maps, const uint8_t *head, int width, int height)
{
    size_t cells = (size_t)width * (size_t)height, room = head[4] % (ROOM + 1);
    float *heat = malloc((cells * CHANNELS + 1) * sizeof *heat), *places = malloc((cells * 4 + 1) * sizeof *places);
    tt_box *found = malloc(room * sizeof *found + 1);
    if (!heat || !places || !found) abort();
    for (size_t i = 0; i < cells * CHANNELS; i++) heat[i] = maps[i];
    for (size_t i = 0; i < cells * 4; i++) places[i] = maps[(i * 7 + head[7]) % (SIDE * SIDE * CHANNELS)];
    tt_net net;
    memset(&net, 0, sizeof net);
    net.width = net.height = 64;
    net.fit = head[6] & 1 ? TT_LETTERBOX : TT_STRETCH;
    tt_frame frame = tt_frame_of(&net, head[2] * 9u, head[3] * 5u);
    size_t count = tt_peaks(heat, places, (uint16_t)height, (uint16_t)width, CHANNELS, head[5] % CHANNELS, &frame,
                            number(head[7]), found, room);
    if (count > room) abort();
    for (size_t i = 1; i < count; i++)
        if (found[i - 1].score < found[i].score) abort();
    free(heat);
    free(places);
    free(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static float maps[SIDE * SIDE * CHANNELS];
    if (bytes < HEAD) return 0;
    size_t rest = bytes - HEAD;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) maps[i] = rest ? number(data[HEAD + i % rest]) : 0;
    int width = data[0] % (SIDE + 1), height = data[1] % (SIDE + 1);
    regions(maps, data, width, height);
    boxes(maps, data, width, height);
    return 0;
}
