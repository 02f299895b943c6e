#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_BYTES = 65536 };

static const char KEYS[] = "source, interval_s, timeout_s, roi, publish, results, client_id, qos, discovery, state, "
                           "average_s, dwell_s, quiet, selftest, max_bytes, low.NAME or high.NAME";

void tt_config_defaults(tt_config *config)
{
    memset(config, 0, sizeof *config);
    config->interval_s = 1.0;
    config->timeout_s = 5.0;
    config->average_s = config->dwell_s = -1.0;
    config->qos = 1;
    config->selftest = 1;
    config->max_bytes = 4 * 1024 * 1024;
}

static int wrong(const char *where, const char *key, const char *expected, const char *value, tt_fault *fault)
{
    char what[160];
    snprintf(what, sizeof what, "%s: %s", where, key);
    return tt_fail(fault, "config", what, expected, value[0] ? value : "nothing", "see docs/camera.md");
}

static int words(char *to, size_t room, const char *value, const char *where, const char *key, tt_fault *fault)
{
    if (strlen(value) >= room) {
        char expected[64];
        snprintf(expected, sizeof expected, "at most %zu bytes", room - 1);
        return wrong(where, key, expected, value, fault);
    }
    strcpy(to, value);
    return 1;
}

static int number(double *to, double low, double high, const char *value, const char *where, const char *key,
                  tt_fault *fault)
{
    char *end, expected[64];
    double got = strtod(value, &end);
    if (value[0] && !*end && isfinite(got) && got >= low && got <= high) {
        *to = got;
        return 1;
    }
    snprintf(expected, sizeof expected, "a number from %g to %g", low, high);
    return wrong(where, key, expected, value, fault);
}

static int whole(int *to, int low, int high, const char *value, const char *where, const char *key, tt_fault *fault)
{
    char *end, expected[64];
    errno = 0;
    long got = strtol(value, &end, 10);
    if (value[0] && !*end && !errno && got >= low && got <= high) {
        *to = (int)got;
        return 1;
    }
    snprintf(expected, sizeof expected, "a whole number from %d to %d", low, high);
    return wrong(where, key, expected, value, fault);
}

static int yes_or_no(int *to, const char *value, const char *where, const char *key, tt_fault *fault)
{
    if (!strcmp(value, "yes") || !strcmp(value, "no")) {
        *to = value[0] == 'y';
        return 1;
    }
    return wrong(where, key, "yes or no", value, fault);
}

static int region(tt_rect *to, const char *value, const char *where, tt_fault *fault)
{
    int got[4], used = 0;
    const char *at = value;
    for (; used < 4; used++) {
        char *end;
        errno = 0;
        long one = strtol(at, &end, 10);
        if (end == at || errno || one < 0 || one > 65535) break;
        got[used] = (int)one;
        at = end + (*end == ',');
    }
    while (isspace((unsigned char)*at)) at++;
    if (used < 4 || *at || got[2] < 1 || got[3] < 1)
        return wrong(where, "roi", "left, top, width and height in pixels", value, fault);
    *to = (tt_rect){got[0], got[1], got[2], got[3]};
    return 1;
}

static int threshold(tt_config *config, const char *key, const char *value, const char *where, tt_fault *fault)
{
    const char *name = strchr(key, '.') + 1;
    int at = 0;
    while (at < config->threshold_count && strcmp(config->thresholds[at].name, name)) at++;
    if (at == TT_CONFIG_THRESHOLDS) return wrong(where, key, "at most 64 names with thresholds", value, fault);
    tt_config_threshold *one = &config->thresholds[at];
    if (at == config->threshold_count) {
        if (!words(one->name, sizeof one->name, name, where, key, fault)) return 0;
        one->low = one->high = -1.0;
    }
    if (!number(key[0] == 'l' ? &one->low : &one->high, 0.0, 1.0, value, where, key, fault)) return 0;
    if (at == config->threshold_count) config->threshold_count++;
    return 1;
}

int tt_config_set(tt_config *config, const char *key, const char *value, const char *where, tt_fault *fault)
{
    tt_config *c = config;
#define WORDS(field) words(c->field, sizeof c->field, value, where, key, fault)
    if (!strcmp(key, "source")) return WORDS(source);
    if (!strcmp(key, "publish")) return WORDS(publish);
    if (!strcmp(key, "state")) return WORDS(state);
    if (!strcmp(key, "client_id")) return WORDS(client_id);
    if (!strcmp(key, "discovery")) return WORDS(discovery);
#undef WORDS
    if (!strcmp(key, "interval_s")) return number(&c->interval_s, 0.0, 86400.0, value, where, key, fault);
    if (!strcmp(key, "timeout_s")) return number(&c->timeout_s, 0.1, 300.0, value, where, key, fault);
    if (!strcmp(key, "average_s")) return number(&c->average_s, 0.0, 86400.0, value, where, key, fault);
    if (!strcmp(key, "dwell_s")) return number(&c->dwell_s, 0.0, 86400.0, value, where, key, fault);
    if (!strcmp(key, "qos")) return whole(&c->qos, 0, 1, value, where, key, fault);
    if (!strcmp(key, "max_bytes")) return whole(&c->max_bytes, 1000, 64 * 1024 * 1024, value, where, key, fault);
    if (!strcmp(key, "results")) return yes_or_no(&c->results, value, where, key, fault);
    if (!strcmp(key, "selftest")) return yes_or_no(&c->selftest, value, where, key, fault);
    if (!strcmp(key, "quiet")) return yes_or_no(&c->quiet, value, where, key, fault);
    if (!strcmp(key, "roi")) return region(&c->roi, value, where, fault);
    if ((!strncmp(key, "low.", 4) && key[4]) || (!strncmp(key, "high.", 5) && key[5]))
        return threshold(c, key, value, where, fault);
    return tt_fail(fault, "config", where, KEYS, key, "see docs/camera.md");
}

/* The line's key and value, trimmed, in place. 0: an empty line; -1: no `=`. */
static int split(char *line, char **key, char **value)
{
    /* a # inside a value (a password) stays; one at the beginning or behind a space begins a comment */
    for (char *c = line; *c; c++) {
        if (*c != '#' || (c > line && !isspace((unsigned char)c[-1]))) continue;
        *c = 0;
        break;
    }
    while (isspace((unsigned char)*line)) line++;
    size_t left = strlen(line);
    while (left && isspace((unsigned char)line[left - 1])) line[--left] = 0;
    if (!*line) return 0;
    char *equals = strchr(line, '=');
    if (!equals) return -1;
    char *end = equals;
    while (end > line && isspace((unsigned char)end[-1])) end--;
    *end = 0;
    *key = line;
    *value = equals + 1;
    while (isspace((unsigned char)**value)) (*value)++;
    return 1;
}

int tt_config_parse(tt_config *config, const char *text, size_t bytes, const char *name, tt_fault *fault)
{
    int number_of_line = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : bytes - at;
        char line[1024], where[128];
        snprintf(where, sizeof where, "%.90s, line %d", name, ++number_of_line);
        if (length >= sizeof line)
            return tt_fail(fault, "config", where, "at most 1023 bytes in a line", "more", "split or shorten it");
        memcpy(line, text + at, length);
        line[length] = 0;
        at += length + 1;
        char *key, *value;
        int kind = split(line, &key, &value);
        if (kind < 0) return tt_fail(fault, "config", where, "key = value", line, "see docs/camera.md");
        if (kind && !tt_config_set(config, key, value, where, fault)) return 0;
    }
    return 1;
}

int tt_config_read(tt_config *config, const char *path, tt_fault *fault)
{
    static char text[CONFIG_BYTES];
    FILE *file = fopen(path, "rb");
    if (!file) return tt_fail(fault, "config", path, "a configuration file", strerror(errno), "check the path");
    size_t bytes = fread(text, 1, sizeof text, file);
    int failed = ferror(file);
    fclose(file);
    if (failed || bytes == sizeof text)
        return tt_fail(fault, "config", path, "a text file below 64 KiB", failed ? "a folder or device" : "a larger one",
                       "check the path");
    return tt_config_parse(config, text, bytes, path, fault);
}
