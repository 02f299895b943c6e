/* One small text file of `key = value` lines, and the same keys on the command line. Knows nothing of what they do. */
#ifndef TT_CAM_CONFIG_H
#define TT_CAM_CONFIG_H

#include "preprocess.h"
#include "text.h"

enum { TT_CONFIG_THRESHOLDS = 64 };

typedef struct {
    char name[64];
    double low, high; /* below 0: as the net has it */
} tt_config_threshold;

typedef struct {
    char source[512];   /* http://[user:password@]host[:port]/path, a file, or - for stdin */
    char publish[512];  /* mqtt://[user:password@]host[:port][/topic], http://..., or empty */
    char state[256];    /* file that keeps the told states over a power cut, or empty */
    char client_id[64]; /* of MQTT */
    char discovery[64]; /* topic prefix of Home Assistant's discovery, or empty */
    double interval_s;  /* from picture to picture */
    double timeout_s;   /* for each exchange over the network */
    double average_s, dwell_s; /* below 0: as the net has it */
    int qos;                   /* of MQTT, 0 or 1 */
    int results;               /* publish every result, not only events and states */
    int quiet;                 /* print events and errors only */
    int selftest;              /* at the start, before the first picture */
    int max_bytes;             /* of a picture's file */
    tt_rect roi;               /* in upright pixels of the whole picture; width 0: all of it */
    tt_config_threshold thresholds[TT_CONFIG_THRESHOLDS];
    int threshold_count;
} tt_config;

void tt_config_defaults(tt_config *config);

/* One key. where: what to call it in an error, "cam.conf, line 3". 0 with the fault when it makes no sense. */
int tt_config_set(tt_config *config, const char *key, const char *value, const char *where, tt_fault *fault);

/* A whole text of lines; # begins a comment. 0 with the fault. */
int tt_config_parse(tt_config *config, const char *text, size_t bytes, const char *name, tt_fault *fault);

int tt_config_read(tt_config *config, const char *path, tt_fault *fault);

#endif
