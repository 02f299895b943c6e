/* From probabilities to events: an average, two thresholds and a minimum dwell. Knows nothing of pictures or sockets.
 * The algorithm, its reasons and its golden vectors are in docs/wire.md ("Smoothing"); this is the same as
 * telltale.streams.smooth and as the widget's.
 *
 *   static tt_smooth_name names[2];
 *   tt_smoother smoother;
 *   tt_smooth_begin(&smoother, names, 2, 0.3, 0.5);            seconds: average, dwell
 *   names[0].low = 0.2; names[0].high = 0.8; ...
 *   double probabilities[2] = {0.9, NAN};                       NAN: no reading
 *   tt_smooth_event events[2];
 *   int count = tt_smooth_update(&smoother, t_s, probabilities, events);
 *
 * Doubles, for the averages agree with Python's within 1e-9 over hours. The caller owns the memory of each name, so it
 * can be saved and put back. No malloc, no globals, no libm.
 */
#ifndef TT_SMOOTH_H
#define TT_SMOOTH_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { TT_OFF, TT_UNSURE, TT_ON } tt_state;

/* What is kept of one name; low and high are the caller's to set. Times are on the smoother's own clock, in s. */
typedef struct {
    double low, high;
    double average, seen_s, told_s, zone_s, doubt_s;
    tt_state told, zone;
    int known;    /* 0 until the first reading */
    int doubting; /* doubt_s counts */
} tt_smooth_name;

typedef struct {
    tt_smooth_name *names;
    int count;
    double average_s, dwell_s;
    double clock_s, t_s;
    int started;
} tt_smoother;

/* names[name] changed from one told state to another; prob: the average then; t_s: the time given to the update. */
typedef struct {
    int name;
    tt_state from, to;
    double prob, t_s;
} tt_smooth_event;

/* A threshold as a net keeps it, a float, back to the six digits it was written with: 0.3f is meant as 0.3. */
double tt_threshold(float stored);

/* "off", "unsure" or "on". */
const char *tt_state_text(tt_state state);

/* p >= high is on, p <= low is off, between is unsure. Where low == high, p == high is on. */
tt_state tt_zone(double prob, double low, double high);

/* Forgets all readings; keeps low and high. average_s, dwell_s: 0 for none, negative counts as 0. */
void tt_smooth_begin(tt_smoother *smoother, tt_smooth_name *names, int count, double average_s, double dwell_s);

/* Feeds one frame's readings, count of them; one that is not finite is passed over. t_s: seconds on any clock; a step
 * backwards or a time that is not finite counts as no time passed. events: room for count. Returns how many. */
int tt_smooth_update(tt_smoother *smoother, double t_s, const double *probabilities, tt_smooth_event *events);

/* Puts back a name's told state from before a restart. Its next reading outweighs it wholly, and becomes an event if
 * it stays for the dwell. */
void tt_smooth_restore(tt_smoother *smoother, int name, tt_state told, double average);

#ifdef __cplusplus
}
#endif
#endif
