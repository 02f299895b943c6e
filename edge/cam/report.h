/* The messages of docs/wire.md. Knows nothing of where they go. */
#ifndef TT_CAM_REPORT_H
#define TT_CAM_REPORT_H

#include "look.h"
#include "smooth.h"
#include "telltale.h"
#include "text.h"

#ifndef TELLTALE_VERSION
#define TELLTALE_VERSION "0.1.0"
#endif

/* One picture told. t_s: when it came, since the start. */
typedef struct {
    long seq;
    int width, height, dropped;
    double t_s, age_ms, infer_ms;
} tt_moment;

void tt_put_hello(tt_text *text, const tt_net *net, const tt_smoother *smoother);
void tt_put_result(tt_text *text, const tt_look *look, const tt_smoother *smoother, const tt_sight *sight,
                   const tt_smooth_event *events, int event_count, const tt_moment *moment);
void tt_put_event(tt_text *text, const tt_net *net, const tt_smooth_event *event, const tt_moment *moment);
/* seq: below 0 for none. */
void tt_put_error(tt_text *text, const tt_fault *fault, long seq);
/* {name: {prob, pred, state}} of all names seen so far. */
void tt_put_states(tt_text *text, const tt_net *net, const tt_smoother *smoother);

#endif
