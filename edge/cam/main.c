/* telltale-cam: tells the state of what a camera sees, inside the camera. One net is compiled in. docs/camera.md */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "keep.h"
#include "look.h"
#include "publish.h"
#include "report.h"
#include "source.h"

/* The generated net: -DTT_NET_HEADER='"doors.h"' -DTT_NET=doors_net */
#include TT_NET_HEADER

enum { LINE_BYTES = 65536 };

typedef struct {
    tt_config config;
    const tt_net *net;
    tt_look look;
    tt_smooth_name names[TT_LOOK_NAMES];
    tt_smoother smoother;
    tt_publisher publisher;
    tt_smooth_event events[TT_LOOK_NAMES];
    char line[LINE_BYTES];
    double start_s;
    long seq;
    int dropped, failed, files;
} cam;

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* --- what is said ---------------------------------------------------------------------------------------------------- */

static void say(const char *line)
{
    if (puts(line) == EOF || fflush(stdout) == EOF) stopped = 1; /* nobody listens any more */
}

static void complain(cam *c, const tt_fault *fault, long seq)
{
    tt_text text = tt_text_in(c->line, sizeof c->line);
    tt_put_error(&text, fault, seq);
    say(c->line);
    c->failed = 1;
}

/* A fault at the start ends the program with one line on stderr. */
static int give_up(const tt_fault *fault)
{
    char line[768];
    tt_text text = tt_text_in(line, sizeof line);
    tt_put_fault(&text, fault);
    fprintf(stderr, "telltale-cam: %s\n", line);
    return 1;
}

static const char *name_of(const void *context, int index)
{
    return ((const tt_net *)context)->labels[index].name;
}

/* Home Assistant finds each name as a binary sensor (MQTT discovery). */
static int discover(cam *c, int index, tt_fault *fault)
{
    const tt_publisher *to = &c->publisher;
    const char *name = c->net->labels[index].name;
    char topic[512], id[128], template[256];
    tt_text text = tt_text_in(c->line, sizeof c->line);
    snprintf(id, sizeof id, "%s_%.60s", c->config.client_id, name);
    for (char *at = id; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *at)) *at = '_';
    snprintf(topic, sizeof topic, "/%s/binary_sensor/%s/config", c->config.discovery, id);
    snprintf(template, sizeof template, "{{ value_json['%.60s'].state | replace('unsure', 'None') }}", name);
    const char *pairs[] = {"name",       name,          "unique_id",   id,    "state_topic", NULL, "availability_topic",
                           to->availability, "payload_on", "on", "payload_off", "off",    "value_template", template};
    char state_topic[232];
    snprintf(state_topic, sizeof state_topic, "%s/state", to->base);
    pairs[5] = state_topic;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i += 2) {
        tt_put(&text, i ? ",\"" : "{\"");
        tt_put(&text, pairs[i]);
        tt_put(&text, "\":");
        tt_put_string(&text, pairs[i + 1]);
    }
    tt_put(&text, "}");
    return tt_publish_now(&c->publisher, topic, c->line, 1, fault);
}

static int greet(void *context, tt_fault *fault)
{
    cam *c = context;
    if (c->publisher.kind != TT_PUBLISH_MQTT) return 1;
    tt_text text = tt_text_in(c->line, sizeof c->line);
    tt_put_hello(&text, c->net, &c->smoother);
    if (!tt_publish_now(&c->publisher, "hello", c->line, 1, fault)) return 0;
    for (int i = 0; c->config.discovery[0] && i < c->net->label_count; i++)
        if (!discover(c, i, fault)) return 0;
    return 1;
}

/* --- one picture ------------------------------------------------------------------------------------------------------ */

static void tell(cam *c, const tt_sight *sight, tt_moment *moment, double came_s)
{
    tt_fault fault;
    double readings[TT_LOOK_NAMES];
    int fresh = 0;
    for (int i = 0; i < c->smoother.count; i++) {
        readings[i] = (double)sight->probabilities[i];
        fresh |= !c->names[i].known;
    }
    int told = tt_smooth_update(&c->smoother, moment->t_s, readings, c->events);
    moment->age_ms = (tt_now_s() - came_s) * 1e3;
    if (told || fresh) {
        for (int i = 0; i < told; i++) {
            tt_text text = tt_text_in(c->line, sizeof c->line);
            tt_put_event(&text, c->net, &c->events[i], moment);
            tt_publish_event(&c->publisher, c->line);
            if (c->config.quiet) say(c->line);
        }
        tt_text text = tt_text_in(c->line, sizeof c->line);
        tt_put_states(&text, c->net, &c->smoother);
        tt_publish_state(&c->publisher, c->line);
        if (c->config.state[0] && !tt_keep_write(c->config.state, &c->smoother, name_of, c->net, &fault))
            complain(c, &fault, moment->seq);
    }
    tt_text text = tt_text_in(c->line, sizeof c->line);
    tt_put_result(&text, &c->look, &c->smoother, sight, c->events, told, moment);
    if (!c->config.quiet) say(c->line);
    if (c->config.results && !tt_publish_now(&c->publisher, "result", c->line, 0, &fault))
        complain(c, &fault, moment->seq);
}

/* Whether the picture could be told. */
static int one_picture(cam *c, const uint8_t *data, size_t bytes)
{
    tt_fault fault;
    tt_sight sight;
    double came_s = tt_now_s();
    tt_moment moment = {c->seq++, 0, 0, c->dropped, came_s - c->start_s, 0.0, 0.0};
    if (!tt_look_at(&c->look, data, bytes, &c->config.roi, &sight, &fault)) {
        complain(c, &fault, moment.seq);
        return 0;
    }
    moment.infer_ms = (tt_now_s() - came_s) * 1e3;
    moment.width = sight.width;
    moment.height = sight.height;
    tell(c, &sight, &moment, came_s);
    return 1;
}

static void drain(cam *c)
{
    tt_fault fault;
    memset(&fault, 0, sizeof fault);
    int lost = c->publisher.lost;
    if (!tt_publish_drain(&c->publisher, &fault)) complain(c, &fault, -1);
    if (!lost) return;
    char got[32];
    snprintf(got, sizeof got, "%d lost", lost);
    c->publisher.lost = 0;
    tt_fail(&fault, "network", "events", "all of them taken", got, "the broker was away too long");
    complain(c, &fault, -1);
}

/* --- runs --------------------------------------------------------------------------------------------------------------- */

static void rest_until(double until_s)
{
    double left_s = until_s - tt_now_s();
    if (left_s <= 0 || stopped) return;
    struct timespec wait = {(time_t)left_s, (long)((left_s - (double)(time_t)left_s) * 1e9)};
    nanosleep(&wait, NULL); /* a signal ends it */
}

/* Pictures of one source: once, or on and on. */
static int run_source(cam *c, const char *words, int once)
{
    tt_source source;
    tt_fault fault;
    if (!tt_source_begin(&source, words, c->config.timeout_s, (size_t)c->config.max_bytes, &fault))
        return give_up(&fault);
    double due_s = tt_now_s();
    while (!stopped) {
        const uint8_t *data;
        size_t bytes;
        int came = tt_source_next(&source, &data, &bytes, &fault);
        if (came < 0 || stopped) break;
        if (came)
            one_picture(c, data, bytes);
        else
            complain(c, &fault, c->seq++);
        drain(c);
        if (source.kind == TT_SOURCE_STDIN) continue;
        if (once) break;
        due_s += c->config.interval_s;
        double late_s = tt_now_s() - due_s;
        if (late_s > 0 && c->config.interval_s > 0) {
            c->dropped += (int)(late_s / c->config.interval_s); /* moments nobody looked at */
            due_s = tt_now_s();
        }
        rest_until(due_s);
    }
    tt_source_end(&source);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Everything a picture costs but fetching and publishing it: decode, resize, net, smoothing, the line of JSON. */
static int bench(cam *c, const char *words, int times)
{
    tt_source source;
    tt_fault fault;
    const uint8_t *data;
    size_t bytes;
    if (!tt_source_begin(&source, words, c->config.timeout_s, (size_t)c->config.max_bytes, &fault))
        return give_up(&fault);
    if (tt_source_next(&source, &data, &bytes, &fault) != 1) return give_up(&fault);
    double *took_ms = malloc((size_t)times * sizeof *took_ms);
    tt_sight sight;
    for (int i = 0; took_ms && i < times && !stopped; i++) {
        double begin_s = tt_now_s();
        tt_moment moment = {i, 0, 0, 0, (double)i, 0.0, 0.0};
        if (!tt_look_at(&c->look, data, bytes, &c->config.roi, &sight, &fault)) return give_up(&fault);
        double readings[TT_LOOK_NAMES];
        for (int n = 0; n < c->smoother.count; n++) readings[n] = (double)sight.probabilities[n];
        int told = tt_smooth_update(&c->smoother, moment.t_s, readings, c->events);
        tt_text text = tt_text_in(c->line, sizeof c->line);
        tt_put_result(&text, &c->look, &c->smoother, &sight, c->events, told, &moment);
        took_ms[i] = (tt_now_s() - begin_s) * 1e3;
    }
    if (!took_ms || stopped) return 1;
    qsort(took_ms, (size_t)times, sizeof *took_ms, by_size);
    printf("{\"type\":\"bench\",\"net\":\"%s\",\"pictures\":%d,\"ms\":{\"least\":%.3f,\"median\":%.3f,\"most\":%.3f},"
           "\"size\":[%d,%d],\"scale\":\"%d/8\",\"bytes\":%zu,\"macs\":%lu,\"arena_bytes\":%lu}\n",
           c->net->name, times, took_ms[0], took_ms[times / 2], took_ms[times - 1], sight.width, sight.height,
           sight.scale, bytes, (unsigned long)c->net->macs, (unsigned long)c->net->arena_bytes);
    free(took_ms);
    tt_source_end(&source);
    return 0;
}

/* --- start -------------------------------------------------------------------------------------------------------------- */

static int thresholds(cam *c, tt_fault *fault)
{
    for (int i = 0; i < c->net->label_count; i++) {
        c->names[i].low = tt_threshold(c->net->labels[i].low);
        c->names[i].high = tt_threshold(c->net->labels[i].high);
    }
    for (int t = 0; t < c->config.threshold_count; t++) {
        const tt_config_threshold *one = &c->config.thresholds[t];
        int i = 0;
        while (i < c->net->label_count && strcmp(c->net->labels[i].name, one->name)) i++;
        if (i == c->net->label_count)
            return tt_fail(fault, "config", one->name, "a name the net tells", "another", "see telltale-cam --describe");
        if (one->low >= 0) c->names[i].low = one->low;
        if (one->high >= 0) c->names[i].high = one->high;
        if (c->names[i].low > c->names[i].high)
            return tt_fail(fault, "config", one->name, "low at or below high", "low above high", "correct one of them");
    }
    return 1;
}

static int begin(cam *c, const tt_command *run, tt_fault *fault)
{
    tt_config *config = &c->config;
    if (!config->client_id[0]) {
        char host[32] = "camera";
        gethostname(host, sizeof host);
        host[sizeof host - 1] = 0;
        snprintf(config->client_id, sizeof config->client_id, "telltale-%.20s-%s", c->net->name, host);
    }
    uint32_t pictures = run->what == TT_SELFTEST ? UINT32_MAX : config->selftest ? 1 : 0;
    if (!tt_look_begin(&c->look, c->net, pictures, fault) || !thresholds(c, fault)) return 0;
    tt_smooth_begin(&c->smoother, c->names, c->net->label_count,
                    config->average_s < 0 ? (double)c->net->average_s : config->average_s,
                    config->dwell_s < 0 ? (double)c->net->dwell_s : config->dwell_s);
    c->look.names = c->names;
    if (!tt_publish_begin(&c->publisher, config, c->net->name, fault)) return 0;
    c->publisher.greet = greet;
    c->publisher.context = c;
    return 1;
}

static void heed_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static int run_all(cam *c, const tt_command *run)
{
    tt_fault fault;
    tt_text text = tt_text_in(c->line, sizeof c->line);
    tt_put_hello(&text, c->net, &c->smoother);
    if (run->what == TT_DESCRIBE || !c->config.quiet) say(c->line);
    if (run->what == TT_DESCRIBE) return 0;
    if (c->config.state[0] && !tt_keep_read(c->config.state, &c->smoother, name_of, c->net, &fault))
        complain(c, &fault, -1);
    int code = 0;
    if (!run->pictures) code = run_source(c, c->config.source, 0);
    for (int i = 0; i < run->pictures && !stopped && !code; i++) code = run_source(c, run->picture[i], 1);
    if (c->config.state[0] && !tt_keep_write(c->config.state, &c->smoother, name_of, c->net, &fault))
        complain(c, &fault, -1);
    tt_publish_end(&c->publisher);
    return code ? code : c->failed && run->pictures;
}

int main(int count, char **words)
{
    static cam c;
    static tt_command run;
    tt_fault fault;
    for (int i = 1; i < count; i++) {
        if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h")) return fputs(tt_usage, stdout) == EOF;
        if (!strcmp(words[i], "--version")) return puts(TELLTALE_VERSION) == EOF;
    }
#ifdef __ARM_NEON
    setenv("JSIMD_FORCENEON", "1", 0); /* libjpeg-turbo asks /proc/cpuinfo; we could not run without NEON anyway */
#endif
    c.net = &TT_NET;
    c.start_s = tt_now_s();
    tt_config_defaults(&c.config);
    if (!tt_command_read(&run, &c.config, count, words, &fault) || !begin(&c, &run, &fault)) return give_up(&fault);
    heed_signals();
    int code;
    if (run.what == TT_SELFTEST) {
        printf("telltale-cam: %s gives the answers compiled in, all %u of them\n", c.net->name, c.net->golden_count);
        code = 0;
    } else {
        code = run.bench ? bench(&c, run.picture[0], run.bench) : run_all(&c, &run);
    }
    tt_look_end(&c.look);
    return code;
}
