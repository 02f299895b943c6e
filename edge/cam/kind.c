#include "kind.h"

const tt_kind_of *tt_kind_find(int kind)
{
    static const tt_kind_of *const kinds[] = {&tt_kind_states, &tt_kind_mask, &tt_kind_locate};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->kind == kind) return kinds[i];
    return NULL;
}

void tt_put_reading(tt_text *text, double prob, tt_state state)
{
    tt_put(text, "{\"prob\":");
    tt_put_number(text, prob, 6);
    tt_put_format(text, ",\"pred\":%d,\"state\":\"%s\"", prob >= 0.5, tt_state_text(state));
}
