/* run_net.c: a program around one net, to verify and to measure it. Compile with -DNET=doors_net -DHEADER='"doors.h"'.
 *
 *     run_net < pictures > answers          raw bytes of every output for each picture of stdin
 *     run_net rows < pictures > answers     the same, fed row by row in the smaller arena
 *     run_net trace < pictures > answers    what every operator wrote, in order
 *     run_net selftest                      the pictures compiled in
 *     run_net count N [rows]                N inferences; what one costs is the difference to N + 1 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include HEADER

static int fail(tt_status status) {
    fprintf(stderr, "%s: %s\n", tt_status_name(status), tt_status_string(status));
    return 2;
}

/* What an operator wrote, from the arena. */
static void dump(const tt_session *session, uint16_t tensor) {
    static const size_t each[] = {1, 1, 2, 4};
    const tt_tensor *t = &session->net->tensors[tensor];
    fwrite(session->arena + t->offset, each[t->type], (size_t)t->height * t->width * t->channels, stdout);
}

static tt_status tell(tt_session *session, const uint8_t *picture, int by_rows) {
    const tt_net *net = session->net;
    size_t row_bytes = (size_t)net->width * net->channels;
    if (!by_rows) {
        memcpy(tt_input(session), picture, row_bytes * net->height);
        return tt_run(session);
    }
    tt_status status = TT_OK;
    for (size_t y = 0; y < net->height && status == TT_OK; y++) status = tt_feed(session, picture + y * row_bytes);
    return status;
}

static void trace(tt_session *session, const uint8_t *picture) {
    const tt_net *net = session->net;
    memcpy(tt_input(session), picture, (size_t)net->height * net->width * net->channels);
    for (uint16_t i = 0; i < net->layer_count; i++) {
        net->layers[i].run(session, &net->layers[i]);
        dump(session, net->layers[i].out);
    }
}

static int each_picture(tt_session *session, uint8_t *picture, size_t bytes, int by_rows, int every) {
    while (fread(picture, 1, bytes, stdin) == bytes) {
        if (every) {
            trace(session, picture);
            continue;
        }
        tt_status status = tell(session, picture, by_rows);
        if (status != TT_OK) return fail(status);
        for (size_t i = 0; i < session->net->output_count; i++) {
            size_t size = 0;
            const void *data = tt_raw(session, i, &size);
            fwrite(data, 1, size, stdout);
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    const tt_net *net = &NET;
    const char *how = argc > 1 ? argv[1] : "";
    int by_rows = strcmp(how, "rows") == 0 || (argc > 3 && strcmp(argv[3], "rows") == 0);
    size_t room = by_rows ? net->rows_arena_bytes : net->arena_bytes, bytes = (size_t)net->height * net->width * net->channels;
    void *arena = malloc(room); /* exactly as much as the net asks for: a sanitizer sees one byte more */
    uint8_t *picture = malloc(bytes);
    if (!arena || !picture) return 3;
    tt_session session;
    int result = 0;
    tt_status status = by_rows ? tt_open_rows(&session, net, arena, room) : tt_open(&session, net, arena, room);
    if (status != TT_OK) {
        result = fail(status);
    } else if (strcmp(how, "selftest") == 0) {
        status = telltale_selftest(net, arena, room);
        if (status != TT_OK) result = fail(status);
    } else if (strcmp(how, "count") == 0 && argc > 2) {
        for (size_t y = 0; y < net->height; y++)
            tt_pattern(1, (uint32_t)y, net->width, net->channels, picture + y * net->width * net->channels);
        for (int n = atoi(argv[2]); n > 0 && status == TT_OK; n--) status = tell(&session, picture, by_rows);
        if (status != TT_OK) result = fail(status);
    } else {
        result = each_picture(&session, picture, bytes, by_rows, strcmp(how, "trace") == 0);
    }
    free(arena);
    free(picture);
    return result;
}
