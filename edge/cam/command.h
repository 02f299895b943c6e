/* What was asked for on the command line. Knows nothing of nets. */
#ifndef TT_CAM_COMMAND_H
#define TT_CAM_COMMAND_H

#include "config.h"
#include "text.h"

enum { TT_COMMAND_PICTURES = 1024 };

typedef struct {
    enum { TT_TELL, TT_SELFTEST, TT_DESCRIBE } what;
    int bench, pictures;
    const char *picture[TT_COMMAND_PICTURES];
} tt_command;

extern const char tt_usage[];

/* Fills a command of zeros, and the configuration from --config and --set. 0 with the fault. */
int tt_command_read(tt_command *run, tt_config *config, int count, char **words, tt_fault *fault);

#endif
