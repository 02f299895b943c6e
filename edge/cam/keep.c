#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "telltale.h"

enum { KEEP_BYTES = 65536 };

static const char FIRST_LINE[] = "telltale-cam state 1\n";

static int trouble(const char *path, const char *expected, const char *got, const char *next, tt_fault *fault)
{
    return tt_fail(fault, "state", path, expected, got, next);
}

static int write_all(int file, const char *bytes, size_t count)
{
    while (count) {
        ssize_t put = write(file, bytes, count);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return 0;
        bytes += put;
        count -= (size_t)put;
    }
    return 1;
}

/* Without it the new name itself may be lost with the power. A file system that cannot do it is no reason to stop. */
static void sync_folder(const char *path)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int file = open(slash ? folder : ".", O_RDONLY);
    if (file < 0) return;
    (void)fsync(file);
    close(file);
}

int tt_keep_write(const char *path, const tt_smoother *smoother, tt_keep_name name, const void *context,
                  tt_fault *fault)
{
    static char buffer[KEEP_BYTES];
    char beside[512];
    tt_text text = tt_text_in(buffer, sizeof buffer);
    tt_put(&text, FIRST_LINE);
    for (int i = 0; i < smoother->count; i++) {
        const tt_smooth_name *one = &smoother->names[i];
        if (one->known) tt_put_format(&text, "%s %.9g %.400s\n", tt_state_text(one->told), one->average, name(context, i));
    }
    tt_put_format(&text, "crc %08lx\n", (unsigned long)tt_crc32(0, buffer, text.used));
    if (text.cut) return trouble(path, "names below 64 KiB in all", "longer ones", "shorten them", fault);
    snprintf(beside, sizeof beside, "%.500s.new", path);
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int written = file >= 0 && write_all(file, buffer, text.used) && fsync(file) == 0;
    int error = errno;
    if (file >= 0 && close(file) != 0 && written) written = 0, error = errno;
    if (written && rename(beside, path) != 0) written = 0, error = errno;
    if (!written) {
        if (file >= 0) unlink(beside);
        return trouble(path, "to write it", strerror(error), "check the path and the room on the disk", fault);
    }
    sync_folder(path);
    return 1;
}

static int state_of(const char *word, tt_state *state)
{
    for (int s = TT_OFF; s <= TT_ON; s++)
        if (!strcmp(word, tt_state_text((tt_state)s))) {
            *state = (tt_state)s;
            return 1;
        }
    return 0;
}

static void restore(char *line, tt_smoother *smoother, tt_keep_name name, const void *context)
{
    char *average = strchr(line, ' '), *rest;
    tt_state state;
    if (!average) return;
    *average++ = 0;
    double value = strtod(average, &rest);
    if (rest == average || *rest != ' ' || !(value >= 0.0 && value <= 1.0) || !state_of(line, &state)) return;
    for (int i = 0; i < smoother->count; i++)
        if (!strncmp(rest + 1, name(context, i), 400)) tt_smooth_restore(smoother, i, state, value);
}

int tt_keep_parse(char *text, size_t bytes, const char *path, tt_smoother *smoother, tt_keep_name name,
                  const void *context, tt_fault *fault)
{
    const size_t first = sizeof FIRST_LINE - 1, last = 13; /* "crc 01234567\n" */
    unsigned long crc;
    if (bytes < first + last || memcmp(text, FIRST_LINE, first) || memcmp(text + bytes - last, "crc ", 4) ||
        memchr(text, 0, bytes) || text[bytes - 1] != '\n')
        return trouble(path, "a whole state file", "a damaged one", "it begins anew", fault);
    char digits[9];
    memcpy(digits, text + bytes - 9, 8);
    digits[8] = 0;
    crc = strtoul(digits, NULL, 16);
    if (crc != tt_crc32(0, text, bytes - last))
        return trouble(path, "a whole state file", "a wrong checksum", "it begins anew", fault);
    text[bytes - last] = 0;
    for (char *line = text + first; *line;) {
        char *end = strchr(line, '\n');
        if (!end) break;
        *end = 0;
        restore(line, smoother, name, context);
        line = end + 1;
    }
    return 1;
}

int tt_keep_read(const char *path, tt_smoother *smoother, tt_keep_name name, const void *context, tt_fault *fault)
{
    static char text[KEEP_BYTES];
    FILE *file = fopen(path, "rb");
    if (!file && errno == ENOENT) return 1;
    if (!file) return trouble(path, "to read it", strerror(errno), "check the path", fault);
    size_t bytes = fread(text, 1, sizeof text, file);
    fclose(file);
    return tt_keep_parse(text, bytes, path, smoother, name, context, fault);
}
