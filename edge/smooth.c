#include "smooth.h"

#include <stdint.h>
#include <string.h>

#define HOLD_DWELLS 3
#define SLACK_S 1e-6

static int is_finite(double value)
{
    return value - value == 0.0;
}

/* 1 - exp(-x) for x >= 0, within 2e-16, without libm: exp(-x) = 2^-k exp(-r), x = k ln 2 + r, |r| <= ln 2 / 2;
 * for small x the series of expm1 itself, so that nothing cancels. */
static double fade(double x)
{
    if (!(x < 40.0)) return 1.0; /* exp(-40) is below half a unit in the last place of 1 */
    int k = (int)(x * 1.4426950408889634 + 0.5);
    double r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10; /* ln 2 in two parts, as fdlibm */
    double term = 1.0, sum = 0.0; /* of expm1(-r) */
    for (int i = 1; i <= 18; i++) {
        term *= -r / i;
        sum += term;
    }
    if (k == 0) return -sum;
    union {
        uint64_t bits;
        double value;
    } power;
    power.bits = (uint64_t)(1023 - k) << 52;
    return 1.0 - power.value * (1.0 + sum);
}

double tt_threshold(float stored)
{
    return (double)(long)((double)stored * 1e6 + 0.5) / 1e6;
}

const char *tt_state_text(tt_state state)
{
    return state == TT_ON ? "on" : state == TT_OFF ? "off" : "unsure";
}

tt_state tt_zone(double prob, double low, double high)
{
    if (prob >= high) return TT_ON;
    return prob <= low ? TT_OFF : TT_UNSURE;
}

void tt_smooth_begin(tt_smoother *smoother, tt_smooth_name *names, int count, double average_s, double dwell_s)
{
    memset(smoother, 0, sizeof *smoother);
    smoother->names = names;
    smoother->count = count;
    smoother->average_s = average_s > 0 ? average_s : 0.0;
    smoother->dwell_s = dwell_s > 0 ? dwell_s : 0.0;
    for (int i = 0; i < count; i++) {
        double low = names[i].low, high = names[i].high;
        memset(&names[i], 0, sizeof names[i]);
        names[i].low = low;
        names[i].high = high;
    }
}

static double later(double a, double b)
{
    return a > b ? a : b;
}

/* What to tell instead of `told`, with which the average disagrees; 0: not yet. */
static int verdict(const tt_smoother *smoother, const tt_smooth_name *name, tt_state *to)
{
    double now_s = smoother->clock_s;
    if (name->zone != TT_UNSURE && now_s - later(name->zone_s, name->told_s) + SLACK_S >= smoother->dwell_s) {
        *to = name->zone;
        return 1;
    }
    if (name->told != TT_UNSURE && now_s - name->doubt_s + SLACK_S >= HOLD_DWELLS * smoother->dwell_s) {
        *to = TT_UNSURE;
        return 1;
    }
    return 0;
}

static int feed(tt_smoother *smoother, tt_smooth_name *name, double prob, tt_smooth_event *event)
{
    double now_s = smoother->clock_s;
    if (!name->known) {
        name->known = 1;
        name->doubting = 0;
        name->average = prob;
        name->told = name->zone = tt_zone(prob, name->low, name->high);
        name->seen_s = name->told_s = name->zone_s = now_s;
        return 0;
    }
    double weight = smoother->average_s > 0 ? fade((now_s - name->seen_s) / smoother->average_s) : 1.0;
    name->average += weight * (prob - name->average);
    name->seen_s = now_s;
    tt_state zone = tt_zone(name->average, name->low, name->high);
    if (zone != name->zone) {
        name->zone = zone;
        name->zone_s = now_s;
    }
    if (zone == name->told) {
        name->doubting = 0;
        return 0;
    }
    if (!name->doubting) {
        name->doubting = 1;
        name->doubt_s = now_s;
    }
    tt_state to;
    if (!verdict(smoother, name, &to)) return 0;
    event->from = name->told;
    event->to = to;
    event->prob = name->average;
    name->told = to;
    name->told_s = now_s;
    name->doubting = zone != to;
    name->doubt_s = now_s;
    return 1;
}

int tt_smooth_update(tt_smoother *smoother, double t_s, const double *probabilities, tt_smooth_event *events)
{
    int told = 0;
    if (is_finite(t_s)) {
        if (smoother->started && t_s > smoother->t_s) smoother->clock_s += t_s - smoother->t_s;
        smoother->started = 1;
        smoother->t_s = t_s;
    }
    for (int i = 0; i < smoother->count; i++) {
        double prob = probabilities[i];
        if (!is_finite(prob)) continue;
        prob = prob < 0.0 ? 0.0 : prob > 1.0 ? 1.0 : prob;
        if (!feed(smoother, &smoother->names[i], prob, &events[told])) continue;
        events[told].name = i;
        events[told++].t_s = t_s;
    }
    return told;
}

void tt_smooth_restore(tt_smoother *smoother, int index, tt_state told, double average)
{
    tt_smooth_name *name = &smoother->names[index];
    name->known = 1;
    name->doubting = 0;
    name->told = told;
    name->average = average;
    name->zone = tt_zone(average, name->low, name->high);
    name->seen_s = -1e300; /* so long ago that the next reading counts wholly */
    name->told_s = name->zone_s = smoother->clock_s;
}
