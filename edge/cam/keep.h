/* The told states in a small file that survives a power cut: written beside, synced, renamed, the folder synced; with
 * a checksum, so that half a file is never believed. */
#ifndef TT_CAM_KEEP_H
#define TT_CAM_KEEP_H

#include "smooth.h"
#include "text.h"

typedef const char *(*tt_keep_name)(const void *context, int index);

int tt_keep_write(const char *path, const tt_smoother *smoother, tt_keep_name name, const void *context,
                  tt_fault *fault);

/* Restores what the file knows of the names; a name it does not know begins anew. A missing file is no fault.
 * 0 with the fault when the file is damaged: nothing was restored then. */
int tt_keep_read(const char *path, tt_smoother *smoother, tt_keep_name name, const void *context, tt_fault *fault);

/* The same from memory, for tests. */
int tt_keep_parse(char *text, size_t bytes, const char *path, tt_smoother *smoother, tt_keep_name name,
                  const void *context, tt_fault *fault);

#endif
