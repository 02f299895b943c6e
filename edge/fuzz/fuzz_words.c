/* What comes from outside as text or packets: configuration, addresses, HTTP heads, MQTT packets, state files, JSON
 * strings. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "http.h"
#include "keep.h"
#include "link.h"
#include "mqtt.h"
#include "telltale.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *name_of(const void *context, int index)
{
    return ((const char *const *)context)[index];
}

/* The state file's checksum is made right, or nothing behind it would ever be reached. */
static void state(char *text, size_t bytes)
{
    static const char *const names[] = {"lamp", "left door"};
    tt_smooth_name memory[2] = {{.low = 0.3, .high = 0.7}, {.low = 0.3, .high = 0.7}};
    tt_smoother smoother;
    tt_fault fault;
    size_t room = bytes + 64;
    char *whole = malloc(room);
    if (!whole) abort();
    tt_text to = tt_text_in(whole, room);
    tt_put(&to, "telltale-cam state 1\n");
    tt_put_bytes(&to, text, bytes);
    tt_put_format(&to, "crc %08lx\n", (unsigned long)tt_crc32(0, whole, to.used));
    tt_smooth_begin(&smoother, memory, 2, 0.3, 0.3);
    tt_keep_parse(whole, to.used, "state", &smoother, name_of, names, &fault);
    for (int i = 0; i < 2; i++)
        if (memory[i].known && !(memory[i].average >= 0.0 && memory[i].average <= 1.0)) abort();
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 1) return 0;
    char *text = malloc(bytes);
    if (!text) abort();
    memcpy(text, data + 1, bytes - 1);
    text[bytes - 1] = 0;
    tt_fault fault;
    switch (data[0] % 6) {
    case 0: {
        static tt_config config;
        tt_config_defaults(&config);
        tt_config_parse(&config, text, bytes - 1, "fuzz", &fault);
        break;
    }
    case 1: {
        tt_url url;
        if (tt_url_parse(&url, text, "fuzz", &fault) && (url.port < 0 || url.port > 65535)) abort();
        break;
    }
    case 2: {
        tt_http_head head = tt_http_parse(text, bytes - 1);
        if (head.head > (long)bytes - 1 || (head.head > 0 && (head.code < 100 || head.code > 999))) abort();
        break;
    }
    case 3: {
        int type, value;
        long size = tt_mqtt_parse(data + 1, bytes - 1, &type, &value);
        if (size > (long)bytes - 1) abort();
        break;
    }
    case 4: state(text, bytes - 1); break;
    default: {
        char out[256];
        tt_text to = tt_text_in(out, sizeof out);
        tt_put_string(&to, text);
        if (to.used >= sizeof out || strlen(out) != to.used) abort();
    }
    }
    free(text);
    return 0;
}
