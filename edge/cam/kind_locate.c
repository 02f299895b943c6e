/* Where: of each name the boxes over its two thresholds, the surest first. */
#include "kind.h"

#include "peaks.h"

enum {
    ROOM = 100,    /* boxes of one name that are told, as Python's `max_count` is unless it says otherwise */
    IN_LINE = 400, /* printed in all: a line has room for them */
};

typedef struct {
    int count, on; /* of the boxes, those that are told, and of these those that are on */
    float prob;
    tt_box boxes[ROOM];
} told;

/* The space: what is told of each name, then the two maps. */
static size_t told_bytes(const tt_net *net)
{
    return (net->label_count * sizeof(told) + 7) / 8 * 8;
}

static int fits(const tt_net *net, size_t *space_bytes)
{
    if (net->output_count != 2) return 0;
    const tt_tensor *heat = &net->tensors[net->outputs[0].tensor], *boxes = &net->tensors[net->outputs[1].tensor];
    *space_bytes = told_bytes(net) + (tt_count(net, 0) + tt_count(net, 1)) * sizeof(float);
    return heat->channels == net->label_count && boxes->channels == 4 && heat->width == boxes->width &&
           heat->height == boxes->height;
}

/* Where the input lies in the picture: `part` of that fills `place` of the input. */
static tt_frame frame_of(const tt_net *net, const tt_sight *sight)
{
    double x_step = (double)sight->part.width / sight->place.width;
    double y_step = (double)sight->part.height / sight->place.height;
    tt_frame frame = {
        (float)(sight->part.x - sight->place.x * x_step),
        (float)(sight->part.y - sight->place.y * y_step),
        (float)(net->width * x_step),
        (float)(net->height * y_step),
        (float)sight->width,
        (float)sight->height,
    };
    return frame;
}

/* p at or below `low` is off; where both thresholds are one, p at it is on. */
static int is_told(float score, const tt_smooth_name *cut)
{
    float low = (float)cut->low, high = (float)cut->high;
    return score >= high || (low < high && score > low);
}

static tt_status read(const tt_answers *answers, float *probabilities)
{
    const tt_net *net = answers->session->net;
    const tt_tensor *map = &net->tensors[net->outputs[0].tensor];
    told *names = answers->space;
    float *heat = (float *)(void *)((uint8_t *)answers->space + told_bytes(net));
    size_t count = tt_count(net, 0);
    tt_frame frame = frame_of(net, answers->sight);
    tt_status status = tt_read(answers->session, 0, heat, count);
    if (status == TT_OK) status = tt_read(answers->session, 1, heat + count, tt_count(net, 1));
    for (int i = 0; i < net->label_count && status == TT_OK; i++) {
        told *name = &names[i];
        int found = (int)tt_peaks(heat, heat + count, map->height, map->width, net->label_count, (uint16_t)i, &frame, 0,
                                  name->boxes, ROOM);
        probabilities[i] = name->prob = found ? name->boxes[0].score : 0;
        for (name->count = 0; name->count < found; name->count++)
            if (!is_told(name->boxes[name->count].score, &answers->names[i])) break;
        for (name->on = 0; name->on < name->count; name->on++)
            if (name->boxes[name->on].score < (float)answers->names[i].high) break;
    }
    return status;
}

static void put_pair(tt_text *text, float one, float other)
{
    tt_put_number(text, (double)one, 2);
    tt_put(text, ",");
    tt_put_number(text, (double)other, 2);
}

static void put_box(tt_text *text, const tt_box *box, int on)
{
    tt_put(text, "{\"box\":[");
    put_pair(text, box->x, box->y);
    tt_put(text, ",");
    put_pair(text, box->width, box->height);
    tt_put(text, "],\"centre\":[");
    put_pair(text, box->centre_x, box->centre_y);
    tt_put(text, "],\"score\":");
    tt_put_number(text, (double)box->score, 6);
    tt_put_format(text, ",\"state\":\"%s\"}", tt_state_text(on ? TT_ON : TT_UNSURE));
}

static void put(tt_text *text, const tt_answers *answers, int index)
{
    const told *name = (const told *)answers->space + index;
    int most = IN_LINE / answers->session->net->label_count;
    if (most < 1) most = 1;
    tt_put_reading(text, (double)name->prob, name->on ? TT_ON : name->count ? TT_UNSURE : TT_OFF);
    tt_put_format(text, ",\"count\":%d,\"boxes\":[", name->on);
    for (int i = 0; i < name->count && i < most; i++) {
        if (i) tt_put(text, ",");
        put_box(text, &name->boxes[i], i < name->on);
    }
    tt_put(text, "]}");
}

const tt_kind_of tt_kind_locate = {TT_LOCATE, "locate", fits, read, put};
