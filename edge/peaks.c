/* peaks.c: see peaks.h; the same as telltale.tasks.boxes in Python. */
#include "peaks.h"

tt_frame tt_frame_of(const tt_net *net, uint32_t picture_width, uint32_t picture_height) {
    tt_frame frame = {0, 0, (float)picture_width, (float)picture_height, (float)picture_width, (float)picture_height};
    if (net->fit != TT_LETTERBOX || !picture_width || !picture_height) return frame;
    double by_width = (double)net->width / picture_width, by_height = (double)net->height / picture_height;
    double scale = by_width < by_height ? by_width : by_height;
    uint32_t width = (uint32_t)(picture_width * scale + 0.5), height = (uint32_t)(picture_height * scale + 0.5);
    if (width < 1) width = 1;
    if (height < 1) height = 1;
    if (width > net->width) width = net->width;
    if (height > net->height) height = net->height;
    double x_step = (double)picture_width / width, y_step = (double)picture_height / height;
    frame.x = (float)(-(double)((net->width - width) / 2) * x_step);
    frame.y = (float)(-(double)((net->height - height) / 2) * y_step);
    frame.width = (float)(net->width * x_step);
    frame.height = (float)(net->height * y_step);
    return frame;
}

static int is_peak(const float *heat, int32_t rows, int32_t columns, int32_t step, int32_t y, int32_t x) {
    float here = heat[(y * columns + x) * step];
    for (int32_t dy = -1; dy <= 1; dy++) {
        for (int32_t dx = -1; dx <= 1; dx++) {
            int32_t v = y + dy, u = x + dx;
            if ((!dy && !dx) || v < 0 || u < 0 || v >= rows || u >= columns) continue;
            float there = heat[(v * columns + u) * step];
            int earlier = dy < 0 || (dy == 0 && dx < 0);
            if (earlier ? !(here > there) : !(here >= there)) return 0;
        }
    }
    return 1;
}

static float within(float value, float most) {
    return value < 0 ? 0 : value > most ? most : value;
}

/* 0 where the centre lies outside the picture, in what a letterbox pads. */
static int make_box(const float *told, int32_t rows, int32_t columns, int32_t y, int32_t x, const tt_frame *frame,
                    tt_box *box) {
    float cx = frame->x + ((float)x + told[0]) / (float)columns * frame->width;
    float cy = frame->y + ((float)y + told[1]) / (float)rows * frame->height;
    if (cx < 0 || cy < 0 || cx > frame->picture_width || cy > frame->picture_height) return 0;
    float half_width = told[2] * frame->width / 2, half_height = told[3] * frame->height / 2;
    box->centre_x = cx;
    box->centre_y = cy;
    box->x = within(cx - half_width, frame->picture_width);
    box->y = within(cy - half_height, frame->picture_height);
    box->width = within(cx + half_width, frame->picture_width) - box->x;
    box->height = within(cy + half_height, frame->picture_height) - box->y;
    return 1;
}

size_t tt_peaks(const float *heat, const float *boxes, uint16_t rows, uint16_t columns, uint16_t names, uint16_t name,
                const tt_frame *frame, float cut, tt_box *found, size_t room) {
    size_t count = 0;
    if (!heat || !boxes || !frame || !found || name >= names) return 0;
    heat += name;
    for (int32_t y = 0; y < rows; y++) {
        for (int32_t x = 0; x < columns; x++) {
            float score = heat[(y * columns + x) * names];
            tt_box box;
            if (!(score > cut) || !(score > 0)) continue;
            if (count == room && (!room || !(score > found[room - 1].score))) continue;
            if (!is_peak(heat, rows, columns, names, y, x)) continue;
            if (!make_box(boxes + (size_t)(y * columns + x) * 4, rows, columns, y, x, frame, &box)) continue;
            box.score = score;
            size_t at = count < room ? count++ : room - 1; /* the last one makes room */
            while (at > 0 && found[at - 1].score < score) {
                found[at] = found[at - 1];
                at--;
            }
            found[at] = box;
        }
    }
    return count;
}
