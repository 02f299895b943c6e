/* Pixels join from the surest down (union by size, halving paths); where a cut is passed, what has joined is told. */
#include "regions.h"

#include <string.h>

/* Of a pixel: the one it hangs on, or of a root its size below 0; HOLDS less where it holds a region that is on. */
#define NOT_IN INT32_MIN
enum { HOLDS = 1 << 30 };

typedef struct {
    const tt_map *map;
    uint32_t *order; /* pixels, the surest first */
    int32_t *parent;
    int32_t count, joined; /* pixels; how many of `order` have joined */
    int min_area;
    tt_regions *all;
    int has_prob;
} joining;

static float value_at(const tt_map *map, uint32_t pixel)
{
    uint32_t width = (uint32_t)map->width;
    return map->values[((size_t)(pixel / width) * (size_t)map->pitch + pixel % width) * (size_t)map->step];
}

/* Rises with the value; what is no number above 0 is 0. */
static uint32_t key_at(const tt_map *map, uint32_t pixel)
{
    float value = value_at(map, pixel);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value > 0 ? bits : 0;
}

/* By four bytes of the key, the lowest first; each pass keeps the order of equals. */
static void sort_down(const tt_map *map, uint32_t *order, uint32_t *other, uint32_t count)
{
    uint32_t *from = order, *to = other;
    for (uint32_t i = 0; i < count; i++) from[i] = i;
    for (int shift = 0; shift < 32; shift += 8) {
        uint32_t begin[256] = {0}, at = 0;
        for (uint32_t i = 0; i < count; i++) begin[key_at(map, i) >> shift & 255]++;
        if (begin[key_at(map, 0) >> shift & 255] == count) continue; /* the maps of int8 nets have two bytes of it */
        for (int k = 255; k >= 0; k--) {
            uint32_t many = begin[k];
            begin[k] = at;
            at += many;
        }
        for (uint32_t i = 0; i < count; i++) to[begin[key_at(map, from[i]) >> shift & 255]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, count * sizeof *order);
}

static int32_t root_of(int32_t *parent, int32_t pixel)
{
    while (parent[pixel] >= 0) {
        if (parent[parent[pixel]] >= 0) parent[pixel] = parent[parent[pixel]];
        pixel = parent[pixel];
    }
    return pixel;
}

static int size_of(int32_t stored)
{
    return stored < -HOLDS ? -(stored + HOLDS) : -stored;
}

static int32_t join(int32_t *parent, int32_t a, int32_t b)
{
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a == b) return a;
    int size_a = size_of(parent[a]), size_b = size_of(parent[b]);
    int holds = parent[a] < -HOLDS || parent[b] < -HOLDS;
    int32_t up = size_a >= size_b ? a : b, down = up == a ? b : a;
    parent[down] = up;
    parent[up] = -(size_a + size_b) - (holds ? HOLDS : 0);
    return up;
}

static void add(joining *j, int32_t pixel)
{
    int width = j->map->width, height = j->map->height, x = pixel % width, y = pixel / width;
    int32_t root = pixel;
    j->parent[pixel] = -1;
    for (int down = y > 0 ? -1 : 0; down <= (y + 1 < height ? 1 : 0); down++)
        for (int across = x > 0 ? -1 : 0; across <= (x + 1 < width ? 1 : 0); across++) {
            int32_t near = pixel + down * width + across;
            if (near != pixel && j->parent[near] != NOT_IN) root = join(j->parent, root, near);
        }
    if (!j->has_prob && size_of(j->parent[root_of(j->parent, root)]) >= j->min_area) {
        j->all->prob = value_at(j->map, (uint32_t)pixel);
        j->has_prob = 1;
    }
}

static void join_down_to(joining *j, float cut)
{
    while (j->joined < j->count && value_at(j->map, j->order[j->joined]) >= cut) add(j, (int32_t)j->order[j->joined++]);
}

static tt_region *of_root(tt_region *regions, int count, int32_t root)
{
    int low = 0, high = count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (regions[middle].root < root)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && regions[low].root == root ? &regions[low] : NULL;
}

/* Where a region lies and how sure it is, from its pixels, the surest first. */
static void measure(joining *j, tt_region *regions, int count)
{
    for (int32_t i = 0; i < j->joined; i++) {
        int32_t pixel = (int32_t)j->order[i];
        tt_region *one = of_root(regions, count, root_of(j->parent, pixel));
        if (!one) continue;
        int x = pixel % j->map->width, y = pixel / j->map->width;
        if (++one->counted == j->min_area) one->score = value_at(j->map, (uint32_t)pixel);
        if (x < one->x) one->width += one->x - x, one->x = x;
        if (y < one->y) one->height += one->y - y, one->y = y;
        if (x >= one->x + one->width) one->width = x - one->x + 1;
        if (y >= one->y + one->height) one->height = y - one->y + 1;
    }
}

/* Lists what has joined and holds nothing told before; returns how many were listed. */
static int list(joining *j, tt_region *regions, int room, int on)
{
    int count = 0, found = 0;
    for (int32_t pixel = 0; pixel < j->count; pixel++) {
        int32_t stored = j->parent[pixel];
        if (stored == NOT_IN || stored >= 0 || stored < -HOLDS || -stored < j->min_area) continue;
        found++;
        if (on) {
            j->all->on_area += -stored;
            j->parent[pixel] -= HOLDS;
        }
        if (count == room) continue;
        tt_region one = {pixel % j->map->width, pixel / j->map->width, 1, 1, -stored, on, 0.0f, pixel, 0};
        regions[count++] = one;
    }
    *(on ? &j->all->on : &j->all->unsure) = found;
    if (count) measure(j, regions, count);
    return count;
}

static int is_surer(const tt_region *a, const tt_region *b)
{
    if (a->on != b->on) return a->on;
    if (a->score < b->score || b->score < a->score) return a->score > b->score;
    if (a->area != b->area) return a->area > b->area;
    return a->y != b->y ? a->y < b->y : a->x < b->x;
}

static void sort_regions(tt_region *regions, int count)
{
    for (int i = 1; i < count; i++) {
        tt_region one = regions[i];
        int at = i;
        for (; at > 0 && is_surer(&one, &regions[at - 1]); at--) regions[at] = regions[at - 1];
        regions[at] = one;
    }
}

int tt_find_regions(const tt_map *map, float low, float high, int min_area, void *space, tt_region *regions, int room,
                    tt_regions *all)
{
    memset(all, 0, sizeof *all);
    if (map->width < 1 || map->height < 1 || map->height >= HOLDS / map->width) return -1;
    if (min_area < 1 || room < 0 || !(low <= high)) return -1;
    int32_t count = map->width * map->height;
    joining j = {map, space, (int32_t *)space + count, count, 0, min_area, all, 0};
    sort_down(map, j.order, (uint32_t *)j.parent, (uint32_t)count);
    if (count <= min_area) { /* no cut leaves less */
        all->prob = value_at(map, j.order[count - 1]);
        j.has_prob = 1;
    }
    for (int32_t i = 0; i < count; i++) j.parent[i] = NOT_IN;
    join_down_to(&j, high);
    int listed = list(&j, regions, room, 1);
    if (low < high) {
        join_down_to(&j, low);
        listed += list(&j, regions + listed, room - listed, 0);
    }
    while (!j.has_prob && j.joined < count) add(&j, (int32_t)j.order[j.joined++]);
    sort_regions(regions, listed);
    return listed;
}
