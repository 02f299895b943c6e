#include "command.h"

#include <stdlib.h>
#include <string.h>

const char tt_usage[] =
    "telltale-cam [--config FILE] [--set KEY=VALUE]... [PICTURE | URL | -]...\n"
    "  tells pictures as JSON lines: those named, once each; else the source of the configuration, every interval_s\n"
    "  --config FILE     key = value lines: source, interval_s, timeout_s, roi, publish, results, client_id, qos,\n"
    "                    discovery, state, average_s, dwell_s, low.NAME, high.NAME, quiet, selftest, max_bytes\n"
    "  --set KEY=VALUE   one key; the later one counts\n"
    "  --bench N         tells the picture named N times and prints how long one took\n"
    "  --selftest        runs the pictures compiled in and compares every byte\n"
    "  --describe        prints what the net tells (the hello message)\n"
    "  --version         prints the version\n"
    "Ends with 0, or with 1 when something could not be told; docs/camera.md says more.\n";

static int need(const char *option, const char *expected, const char *got, tt_fault *fault)
{
    return tt_fail(fault, "config", option, expected, got, "see telltale-cam --help");
}

int tt_command_read(tt_command *run, tt_config *config, int count, char **words, tt_fault *fault)
{
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : "";
        if (!strcmp(word, "--selftest")) {
            run->what = TT_SELFTEST;
        } else if (!strcmp(word, "--describe")) {
            run->what = TT_DESCRIBE;
        } else if (!strcmp(word, "--config")) {
            if (!tt_config_read(config, value, fault)) return 0;
            i++;
        } else if (!strcmp(word, "--set")) {
            char key[128];
            size_t length = strcspn(value, "=");
            if (!value[length] || length >= sizeof key) return need("--set", "KEY=VALUE", value, fault);
            memcpy(key, value, length);
            key[length] = 0;
            if (!tt_config_set(config, key, value + length + 1, "--set", fault)) return 0;
            i++;
        } else if (!strcmp(word, "--bench")) {
            char *end;
            long times = strtol(value, &end, 10);
            if (!*value || *end || times < 1 || times > 1000000)
                return need("--bench", "a number from 1 to 1000000", value[0] ? value : "nothing", fault);
            run->bench = (int)times;
            i++;
        } else if (word[0] == '-' && word[1]) {
            return need("telltale-cam", "an option it knows", word, fault);
        } else if (run->pictures == TT_COMMAND_PICTURES) {
            return need("telltale-cam", "at most 1024 pictures", word, fault);
        } else {
            run->picture[run->pictures++] = word;
        }
    }
    if (run->bench && run->pictures != 1) return need("--bench", "one picture", run->pictures ? "more" : "none", fault);
    return 1;
}
