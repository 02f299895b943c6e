/* What differs from one kind of net to another: the memory its answers take, how they become one probability a name,
 * and how the reading of a name is printed. One file a kind, `kind_*.c`, and one row in kind.c. */
#ifndef TT_CAM_KIND_H
#define TT_CAM_KIND_H

#include "look.h"
#include "smooth.h"
#include "text.h"

/* What is to be read. names: with their thresholds. space: of the kind, as large as it asked for. */
typedef struct {
    const tt_session *session;
    const tt_smooth_name *names;
    const tt_sight *sight; /* the part of the picture that the input shows */
    void *space;
} tt_answers;

struct tt_kind_of {
    int kind;         /* tt_kind */
    const char *text; /* as the hello message has it */
    /* Whether it can tell this net, and the bytes it needs for that, aligned to 8. */
    int (*fits)(const tt_net *net, size_t *space_bytes);
    /* One probability a name. */
    tt_status (*read)(const tt_answers *answers, float *probabilities);
    /* The reading of name `index` as JSON, from the sight and the space that `read` left. */
    void (*put)(tt_text *text, const tt_answers *answers, int index);
};

/* NULL for a kind that it does not tell. */
const tt_kind_of *tt_kind_find(int kind);

/* {"prob":0.92,"pred":1,"state":"on" without the closing brace. */
void tt_put_reading(tt_text *text, double prob, tt_state state);

extern const tt_kind_of tt_kind_states, tt_kind_mask, tt_kind_locate;

#endif
