/* Runs the edge's C on cases from stdin and answers on stdout, so that one test drives the host's build under the
 * sanitisers and the ARM build under qemu alike. All integers are 32-bit little-endian, doubles are IEEE. */
#include "preprocess.h"
#include "smooth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int get(void *to, size_t bytes)
{
    return fread(to, 1, bytes, stdin) == bytes;
}

static void answer(const void *from, size_t bytes)
{
    if (fwrite(from, 1, bytes, stdout) != bytes) exit(2);
}

/* Exactly as many bytes as asked: the sanitisers see one too far. */
static void *room(size_t bytes)
{
    void *at = malloc(bytes ? bytes : 1);
    if (!at) exit(2);
    return at;
}

/* case: input width, height, channels, fit; picture width, height, channels, turn; crop x, y, w, h (w 0: none);
 * bytes of work space (-1: as asked); pixels. answer: status, bytes of work space, input's bytes. */
static int prep(void)
{
    int32_t n[13];
    while (get(n, sizeof n)) {
        tt_prep_input input = {n[0], n[1], n[2], (tt_prep_fit)n[3]};
        tt_rect crop = {n[8], n[9], n[10], n[11]}, all = {0, 0, n[4], n[5]};
        size_t row = (size_t)n[4] * (size_t)n[6], out_bytes = (size_t)n[0] * (size_t)n[1] * (size_t)n[2];
        uint8_t *pixels = room(row * (size_t)n[5]), *out = room(out_bytes);
        if (!get(pixels, row * (size_t)n[5])) return 1;
        tt_rect part = n[10] ? crop : all;
        size_t space_bytes = tt_prep_space(&input, part.width, part.height, n[6], n[7]);
        if (n[12] >= 0) space_bytes = (size_t)n[12];
        uint8_t *space = room(space_bytes);
        memset(out, 0xa5, out_bytes);
        tt_prep_status status;
        if (n[7] == 1) {
            status = tt_prep_image(&input, pixels, n[4], n[5], (ptrdiff_t)row, n[6], n[10] ? &crop : NULL, out, space,
                                   space_bytes);
        } else {
            tt_prep run;
            status = tt_prep_begin(&run, &input, n[4], n[5], n[6], n[7], out, space, space_bytes);
            for (int y = 0; y < n[5] && status == TT_PREP_OK; y++) {
                int idle = tt_prep_idle_rows(&run);
                if (idle) {
                    status = tt_prep_skip(&run, idle);
                    y += idle - 1;
                } else {
                    uint8_t *exact = room(row);
                    memcpy(exact, pixels + (size_t)y * row, row);
                    status = tt_prep_row(&run, exact);
                    free(exact);
                }
            }
            if (status == TT_PREP_OK && !tt_prep_done(&run)) status = TT_PREP_STATUS_COUNT;
        }
        int32_t head[2] = {(int32_t)status, (int32_t)space_bytes};
        answer(head, sizeof head);
        answer(out, out_bytes);
        free(space);
        free(out);
        free(pixels);
    }
    return 0;
}

/* case: names, steps; average_s, dwell_s; low and high of each; then for each step its time and readings.
 * answer for each step: events; for each name its average (NaN: not known) and told; for each event name, from, to,
 * prob, t_s; all as doubles. */
static int smooth(void)
{
    int32_t n[2];
    while (get(n, sizeof n)) {
        double settings[2];
        tt_smooth_name *names = room((size_t)n[0] * sizeof *names);
        double *readings = room((size_t)n[0] * sizeof *readings);
        tt_smooth_event *events = room((size_t)n[0] * sizeof *events);
        tt_smoother smoother;
        if (!get(settings, sizeof settings)) return 1;
        for (int i = 0; i < n[0]; i++)
            if (!get(&names[i].low, 8) || !get(&names[i].high, 8)) return 1;
        tt_smooth_begin(&smoother, names, n[0], settings[0], settings[1]);
        for (int s = 0; s < n[1]; s++) {
            double t_s;
            if (!get(&t_s, 8) || !get(readings, (size_t)n[0] * 8)) return 1;
            int told = tt_smooth_update(&smoother, t_s, readings, events);
            double count = told, zero = 0.0;
            answer(&count, 8);
            for (int i = 0; i < n[0]; i++) {
                double pair[2] = {names[i].known ? names[i].average : zero / zero, names[i].told};
                answer(pair, sizeof pair);
            }
            for (int i = 0; i < told; i++) {
                double five[5] = {events[i].name, events[i].from, events[i].to, events[i].prob, events[i].t_s};
                answer(five, sizeof five);
            }
        }
        free(events);
        free(readings);
        free(names);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "prep")) return prep();
    if (argc > 1 && !strcmp(argv[1], "smooth")) return smooth();
    return 2;
}
