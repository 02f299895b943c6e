#include "report.h"

#include "kind.h"

enum { PROB_DIGITS = 6, MS_DIGITS = 3 };

static void put_pair(tt_text *text, const char *key, double value, int digits)
{
    tt_put_format(text, "\"%s\":", key);
    tt_put_number(text, value, digits);
}

static void put_key(tt_text *text, const char *name)
{
    tt_put_string(text, name);
    tt_put(text, ":");
}

static const char *kind_text(int kind)
{
    const tt_kind_of *found = tt_kind_find(kind);
    return found ? found->text : "raw";
}

void tt_put_hello(tt_text *text, const tt_net *net, const tt_smoother *smoother)
{
    tt_put(text, "{\"type\":\"hello\",\"protocol\":1,\"bundle\":{\"name\":");
    tt_put_string(text, net->name);
    tt_put_format(text, ",\"kind\":\"%s\",\"names\":[", kind_text(net->kind));
    for (int i = 0; i < net->label_count; i++) {
        if (i) tt_put(text, ",");
        tt_put_string(text, net->labels[i].name);
    }
    tt_put_format(text, "],\"input\":{\"width\":%d,\"height\":%d,\"fit\":\"%s\"},\"thresholds\":{", net->width,
                  net->height, net->fit == TT_LETTERBOX ? "letterbox" : "stretch");
    for (int i = 0; i < net->label_count; i++) {
        if (i) tt_put(text, ",");
        put_key(text, net->labels[i].name);
        tt_put(text, "{");
        put_pair(text, "low", smoother->names[i].low, PROB_DIGITS);
        tt_put(text, ",");
        put_pair(text, "high", smoother->names[i].high, PROB_DIGITS);
        tt_put(text, "}");
    }
    tt_put(text, "}},\"smoothing\":{");
    put_pair(text, "average_s", smoother->average_s, PROB_DIGITS);
    tt_put(text, ",");
    put_pair(text, "dwell_s", smoother->dwell_s, PROB_DIGITS);
    tt_put(text, "},\"version\":\"" TELLTALE_VERSION "\"}");
}

void tt_put_states(tt_text *text, const tt_net *net, const tt_smoother *smoother)
{
    const char *between = "{";
    for (int i = 0; i < smoother->count; i++) {
        const tt_smooth_name *one = &smoother->names[i];
        if (!one->known) continue;
        tt_put(text, between);
        put_key(text, net->labels[i].name);
        tt_put_reading(text, one->average, one->told);
        tt_put(text, "}");
        between = ",";
    }
    tt_put(text, *between == '{' ? "{}" : "}");
}

void tt_put_event(tt_text *text, const tt_net *net, const tt_smooth_event *event, const tt_moment *moment)
{
    tt_put(text, "{\"type\":\"event\",\"name\":");
    tt_put_string(text, net->labels[event->name].name);
    tt_put_format(text, ",\"from\":\"%s\",\"to\":\"%s\",", tt_state_text(event->from), tt_state_text(event->to));
    put_pair(text, "prob", event->prob, PROB_DIGITS);
    tt_put(text, ",");
    put_pair(text, "t_s", event->t_s, PROB_DIGITS);
    tt_put(text, ",");
    put_pair(text, "age_ms", moment->age_ms, MS_DIGITS);
    tt_put(text, "}");
}

void tt_put_result(tt_text *text, const tt_look *look, const tt_smoother *smoother, const tt_sight *sight,
                   const tt_smooth_event *events, int event_count, const tt_moment *moment)
{
    const tt_net *net = look->net;
    tt_put_format(text, "{\"type\":\"result\",\"seq\":%ld,\"t_ms\":null,\"result\":{", moment->seq);
    for (int i = 0; i < smoother->count; i++) {
        if (i) tt_put(text, ",");
        put_key(text, net->labels[i].name);
        tt_look_put(text, look, sight, i);
    }
    tt_put(text, "},");
    put_pair(text, "age_ms", moment->age_ms, MS_DIGITS);
    tt_put(text, ",");
    put_pair(text, "infer_ms", moment->infer_ms, MS_DIGITS);
    tt_put_format(text, ",\"size\":[%d,%d],\"smoothed\":", moment->width, moment->height);
    tt_put_states(text, net, smoother);
    tt_put(text, ",\"events\":[");
    for (int i = 0; i < event_count; i++) {
        if (i) tt_put(text, ",");
        tt_put_event(text, net, &events[i], moment);
    }
    tt_put_format(text, "],\"dropped\":%d}", moment->dropped);
}

void tt_put_error(tt_text *text, const tt_fault *fault, long seq)
{
    char message[640];
    tt_text line = tt_text_in(message, sizeof message);
    const char *pairs[] = {"code",     fault->code, "message", message, "expected", fault->expected,
                           "got",      fault->got,  "next",    fault->next};
    tt_put_fault(&line, fault);
    tt_put(text, "{\"type\":\"error\"");
    for (int i = 0; i < 10; i += 2) {
        tt_put_format(text, ",\"%s\":", pairs[i]);
        tt_put_string(text, pairs[i + 1]);
    }
    if (seq < 0)
        tt_put(text, ",\"seq\":null}");
    else
        tt_put_format(text, ",\"seq\":%ld}", seq);
}
