/* Which pixels: of each name the regions over its two thresholds, and the highest cut that leaves one. */
#include "kind.h"

#include <string.h>

#include "regions.h"

enum {
    ROOM = 256,    /* regions of one name that are kept; further ones are counted */
    LISTED = 100,  /* printed of one name, as Python does */
    IN_LINE = 400, /* printed in all: a line has room for them */
};

typedef struct {
    tt_regions all;
    int listed;
    tt_region regions[ROOM];
} told;

/* The space: what is told of each name, then the maps, then what finding regions takes. */
static size_t told_bytes(const tt_net *net)
{
    return (net->label_count * sizeof(told) + 7) / 8 * 8;
}

static size_t pixels_of(const tt_net *net)
{
    return net->label_count ? tt_count(net, 0) / net->label_count : 0;
}

static int fits(const tt_net *net, size_t *space_bytes)
{
    const tt_tensor *map = &net->tensors[net->outputs[0].tensor];
    *space_bytes = told_bytes(net) + tt_count(net, 0) * sizeof(float) + TT_REGIONS_SPACE(pixels_of(net)) + 8;
    return map->channels == net->label_count && map->width == net->width && map->height == net->height;
}

/* Pixels of the picture that a pixel of the map stands for, as a fraction. */
static int64_t shown(const tt_sight *sight)
{
    return (int64_t)sight->part.width * sight->part.height;
}

static int64_t drawn(const tt_sight *sight)
{
    return (int64_t)sight->place.width * sight->place.height;
}

/* `min_area` is in pixels of the picture. */
static int least_area(const tt_net *net, const tt_sight *sight)
{
    int64_t area = ((int64_t)net->min_area * drawn(sight) + shown(sight) - 1) / shown(sight);
    return area > 1 ? (int)area : 1;
}

/* p at or below `low` is off: the least float above it, as numpy.nextafter. */
static float above(float low)
{
    uint32_t bits;
    memcpy(&bits, &low, sizeof bits);
    bits = low > 0 ? bits + 1 : 1;
    memcpy(&low, &bits, sizeof low);
    return low;
}

static tt_status read(const tt_answers *answers, float *probabilities)
{
    const tt_net *net = answers->session->net;
    const tt_rect *place = &answers->sight->place;
    told *names = answers->space;
    float *maps = (float *)(void *)((uint8_t *)answers->space + told_bytes(net));
    size_t count = tt_count(net, 0);
    tt_status status = tt_read(answers->session, 0, maps, count);
    for (int i = 0; i < net->label_count && status == TT_OK; i++) {
        float low = (float)answers->names[i].low, high = (float)answers->names[i].high;
        const float *first = maps + ((size_t)place->y * net->width + (size_t)place->x) * net->label_count + i;
        tt_map map = {first, place->width, place->height, net->label_count, net->width};
        names[i].listed = tt_find_regions(&map, low < high ? above(low) : high, high, least_area(net, answers->sight),
                                          maps + count, names[i].regions, ROOM, &names[i].all);
        if (names[i].listed < 0) return TT_ERROR_NET;
        probabilities[i] = names[i].all.prob;
    }
    return status;
}

/* Where an edge of the map's pixels lies in the picture. */
static int across(int at, int from, int size, int map_size)
{
    return from + (int)(((int64_t)at * size * 2 + map_size) / (2 * (int64_t)map_size));
}

static void put_area(tt_text *text, const tt_answers *answers, int64_t area)
{
    int64_t of = drawn(answers->sight), pixels = (area * shown(answers->sight) * 2 + of) / (2 * of);
    double mm = (double)answers->session->net->mm_per_px;
    tt_put_format(text, "\"area_px\":%ld", (long)pixels);
    if (!(mm > 0)) return;
    tt_put(text, ",\"area_mm2\":");
    tt_put_number(text, (double)pixels * mm * mm, 4);
}

static void put_region(tt_text *text, const tt_answers *answers, const tt_region *region)
{
    const tt_rect *part = &answers->sight->part, *place = &answers->sight->place;
    int left = across(region->x, part->x, part->width, place->width);
    int top = across(region->y, part->y, part->height, place->height);
    int right = across(region->x + region->width, part->x, part->width, place->width);
    int bottom = across(region->y + region->height, part->y, part->height, place->height);
    tt_put_format(text, "{\"box\":[%d,%d,%d,%d],", left, top, right > left ? right - left : 1,
                  bottom > top ? bottom - top : 1);
    put_area(text, answers, region->area);
    tt_put(text, ",\"score\":");
    tt_put_number(text, (double)region->score, 6);
    tt_put_format(text, ",\"state\":\"%s\"}", tt_state_text(region->on ? TT_ON : TT_UNSURE));
}

static void put(tt_text *text, const tt_answers *answers, int index)
{
    const told *name = (const told *)answers->space + index;
    int most = IN_LINE / answers->session->net->label_count;
    most = most > LISTED ? LISTED : most > 0 ? most : 1;
    tt_put_reading(text, (double)name->all.prob, name->all.on ? TT_ON : name->all.unsure ? TT_UNSURE : TT_OFF);
    tt_put_format(text, ",\"count\":%d,", name->all.on);
    put_area(text, answers, name->all.on_area);
    tt_put(text, ",\"regions\":[");
    for (int i = 0; i < name->listed && i < most; i++) {
        if (i) tt_put(text, ",");
        put_region(text, answers, &name->regions[i]);
    }
    tt_put(text, "]}");
}

const tt_kind_of tt_kind_mask = {TT_MASK, "mask", fits, read, put};
