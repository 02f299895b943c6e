/* Several yes-or-no states: the net's numbers are the probabilities. */
#include "kind.h"

static int fits(const tt_net *net, size_t *space_bytes)
{
    *space_bytes = 0;
    return tt_count(net, 0) == net->label_count;
}

static tt_status read(const tt_answers *answers, float *probabilities)
{
    return tt_read(answers->session, 0, probabilities, TT_LOOK_NAMES);
}

static void put(tt_text *text, const tt_answers *answers, int index)
{
    double prob = (double)answers->sight->probabilities[index];
    const tt_smooth_name *name = &answers->names[index];
    tt_put_reading(text, prob, tt_zone(prob, name->low, name->high));
    tt_put(text, "}");
}

const tt_kind_of tt_kind_states = {TT_STATES, "states", fits, read, put};
