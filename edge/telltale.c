/* telltale.c: open a net, feed it, run it, read it. Knows nothing of what an operator computes. */
#include "telltale.h"

#include <string.h>

#include "numbers.h"

/* ---- words ---- */

TT_COLD const char *tt_status_string(tt_status status) {
    switch (status) {
#define TT_CASE(name, text) \
    case name: return text;
        TT_STATUSES(TT_CASE)
#undef TT_CASE
    default: return "no such status";
    }
}

TT_COLD const char *tt_status_name(tt_status status) {
    switch (status) {
#define TT_CASE(name, text) \
    case name: return #name;
        TT_STATUSES(TT_CASE)
#undef TT_CASE
    default: return "TT_STATUS";
    }
}

/* ---- checks ---- */

TT_COLD uint32_t tt_crc32(uint32_t crc, const void *data, size_t bytes) {
    /* Half a byte at a time: 64 bytes of table instead of 1024, and it runs once. */
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const uint8_t *p = (const uint8_t *)data;
    crc = ~crc;
    while (bytes--) {
        crc ^= *p++;
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

static TT_COLD uint32_t checksum(const tt_net *net) {
    uint32_t crc = tt_crc32(0, net->weights, net->weight_count);
    crc = tt_crc32(crc, net->scales, (size_t)net->scale_count * sizeof *net->scales);
    return tt_crc32(crc, net->floats, (size_t)net->float_count * sizeof *net->floats);
}

static uint32_t bytes_of(const tt_tensor *t) {
    static const uint8_t each[] = {1, 1, 2, 4}; /* by tt_type */
    return count_of(t) * each[t->type & 3];
}

/* Whether every index stays inside its table and every tensor behind the scratch and inside the arena. */
static TT_COLD int makes_sense(const tt_net *net) {
    if (!net->tensors || !net->layers || !net->outputs || !net->tensor_count || !net->output_count) return 0;
    if ((net->weight_count && !net->weights) || (net->scale_count && !net->scales)) return 0;
    if ((net->float_count && !net->floats) || (net->golden_count && !net->golden)) return 0;
    if (net->scratch_bytes > net->arena_bytes || net->rows_arena_bytes > net->arena_bytes) return 0;
    for (uint32_t i = 0; i < net->tensor_count; i++) {
        const tt_tensor *t = &net->tensors[i];
        uint32_t end = i == 0 ? net->arena_bytes : net->rows_arena_bytes;
        uint64_t numbers = (uint64_t)t->height * t->width * t->channels; /* 48 bits: must not wrap to something small */
        if (t->type > TT_F32 || numbers == 0 || numbers > end) return 0;
        uint32_t bytes = bytes_of(t);
        if (bytes > end || t->offset > end - bytes) return 0;
        if (t->offset < net->scratch_bytes) return 0;
    }
    for (uint32_t i = 0; i < net->layer_count; i++) {
        const tt_layer *l = &net->layers[i];
        if (!l->run || l->a >= net->tensor_count || l->b >= net->tensor_count || l->out >= net->tensor_count) return 0;
        if (l->weights > net->weight_count && l->weights > net->float_count) return 0;
        if (l->scales > net->scale_count && l->scales > net->float_count) return 0;
    }
    for (uint32_t i = 0; i < net->output_count; i++)
        if (net->outputs[i].tensor >= net->tensor_count) return 0;
    const tt_tensor *in = &net->tensors[0];
    if (in->type != TT_U8 || in->height != net->height || in->width != net->width) return 0;
    if (net->take && (net->layer_count == 0 || !net->tell || net->scratch_bytes < (uint32_t)net->width * net->channels))
        return 0;
    if ((uintptr_t)net->weights % 8 != 0) return 0; /* read by whole registers */
    return in->channels == net->channels;
}

static TT_COLD tt_status open_with(tt_session *session, const tt_net *net, void *arena, size_t bytes, uint8_t by_rows) {
    if (!session || !net || !arena) return TT_ERROR_ARGUMENT;
    memset(session, 0, sizeof *session);
    if (net->version != TT_NET_VERSION) return TT_ERROR_VERSION;
    if (!makes_sense(net)) return TT_ERROR_NET;
    if (checksum(net) != net->checksum) return TT_ERROR_CHECKSUM;
    if ((uintptr_t)arena % 8 != 0) return TT_ERROR_ALIGNMENT;
    uint32_t needed = by_rows ? net->rows_arena_bytes : net->arena_bytes;
    if (bytes < needed) return TT_ERROR_ARENA;
    /* The kernels read a few bytes past what they use and multiply them by 0; let them be defined. */
    memset(arena, 0, needed);
    session->net = net;
    session->arena = (uint8_t *)arena;
    session->by_rows = by_rows;
    return TT_OK;
}

tt_status tt_open(tt_session *session, const tt_net *net, void *arena, size_t bytes) {
    return open_with(session, net, arena, bytes, 0);
}

tt_status tt_open_rows(tt_session *session, const tt_net *net, void *arena, size_t bytes) {
    return open_with(session, net, arena, bytes, 1);
}

/* ---- run ---- */

static void run_from(tt_session *session, uint32_t first) {
    const tt_net *net = session->net;
    for (uint32_t i = first; i < net->layer_count; i++) net->layers[i].run(session, &net->layers[i]);
    session->ready = 1;
}

/* Whether the whole picture must lie in the arena before the first layer can begin. */
static int keeps_picture(const tt_session *session) { return !session->by_rows || !session->net->take; }

uint8_t *tt_input(tt_session *session) {
    if (!session || !session->net || session->by_rows) return NULL;
    return session->arena + session->net->tensors[0].offset;
}

tt_status tt_run(tt_session *session) {
    if (!session || !session->net) return TT_ERROR_ARGUMENT;
    if (session->by_rows) return TT_ERROR_ORDER;
    tt_restart(session);
    run_from(session, 0);
    return TT_OK;
}

void tt_restart(tt_session *session) {
    if (!session) return;
    session->rows_in = session->rows_done = 0;
    session->ready = 0;
}

/* Row `y` for the first layer, and whatever can be told then. NULL: padding. */
static TT_APART void take_row(tt_session *session, int32_t y, const uint8_t *row) {
    const tt_layer *first = &session->net->layers[0];
    uint32_t out_rows = session->net->tensors[first->out].height;
    session->net->take(session, first, y, row);
    while (session->rows_done < out_rows) {
        int32_t last = (int32_t)(session->rows_done * first->stride_h + first->kernel_h) - first->pad_top - 1;
        if (last > y) return;
        session->net->tell(session, first, session->rows_done++);
    }
}

static void feed_first_layer(tt_session *session, const uint8_t *row) {
    const tt_layer *first = &session->net->layers[0];
    int32_t y = (int32_t)session->rows_in++, height = session->net->height;
    if (y == 0)
        for (int32_t above = -(int32_t)first->pad_top; above < 0; above++) take_row(session, above, NULL);
    take_row(session, y, row);
    if (y + 1 == height)
        for (; session->rows_done < session->net->tensors[first->out].height; height++) take_row(session, height, NULL);
}

/* The selftest draws its rows where they belong. */
static void keep_row(uint8_t *to, const uint8_t *row, uint32_t bytes) {
    if (to != row) memcpy(to, row, bytes);
}

tt_status tt_feed(tt_session *session, const uint8_t *row) {
    if (!session || !session->net || !row) return TT_ERROR_ARGUMENT;
    const tt_net *net = session->net;
    if (session->rows_in == net->height) tt_restart(session);
    uint32_t row_bytes = (uint32_t)net->width * net->channels, y = session->rows_in;
    session->ready = 0;
    if (keeps_picture(session)) {
        keep_row(session->arena + net->tensors[0].offset + y * row_bytes, row, row_bytes);
        session->rows_in++;
        if (session->rows_in == net->height) run_from(session, 0);
        return TT_OK;
    }
    feed_first_layer(session, row);
    if (session->rows_in == net->height) run_from(session, 1);
    return TT_OK;
}

/* ---- read ---- */

size_t tt_count(const tt_net *net, size_t index) {
    if (!net || index >= net->output_count) return 0;
    return count_of(&net->tensors[net->outputs[index].tensor]);
}

const void *tt_raw(const tt_session *session, size_t index, size_t *bytes) {
    if (!session || !session->net || !session->ready || index >= session->net->output_count) return NULL;
    const tt_tensor *t = &session->net->tensors[session->net->outputs[index].tensor];
    if (bytes) *bytes = bytes_of(t);
    return session->arena + t->offset;
}

tt_status tt_read(const tt_session *session, size_t index, float *values, size_t room) {
    if (!session || !session->net || !values || index >= session->net->output_count) return TT_ERROR_ARGUMENT;
    if (!session->ready) return TT_ERROR_ORDER;
    const tt_tensor *t = &session->net->tensors[session->net->outputs[index].tensor];
    uint32_t count = count_of(t);
    if (room < count) return TT_ERROR_SMALL;
    const void *data = session->arena + t->offset;
    for (uint32_t i = 0; i < count; i++) {
        switch (t->type) {
        case TT_U8: values[i] = t->scale * (float)(((const uint8_t *)data)[i] - t->zero); break;
        case TT_I8: values[i] = t->scale * (float)(((const int8_t *)data)[i] - t->zero); break;
        case TT_I16: values[i] = t->scale * (float)(((const int16_t *)data)[i] - t->zero); break;
        default: values[i] = ((const float *)data)[i]; break;
        }
    }
    return TT_OK;
}

/* ---- test ---- */

TT_COLD void tt_pattern(uint32_t seed, uint32_t y, uint32_t width, uint32_t channels, uint8_t *row) {
    /* Blocks of 16, 4 or 1 pixels, each of one hashed colour: coarse shapes for some seeds, noise for others. */
    static const uint8_t shifts[3] = {4, 2, 0};
    uint32_t shift = shifts[seed % 3];
    for (uint32_t x = 0; x < width; x++) {
        for (uint32_t c = 0; c < channels; c++) {
            uint32_t h = seed * 0x9e3779b9u ^ (y >> shift) * 0x85ebca6bu ^ (x >> shift) * 0xc2b2ae35u ^ c * 0x27d4eb2fu;
            h = (h ^ (h >> 15)) * 0x2c1b3c6du;
            h = (h ^ (h >> 12)) * 0x297a2d39u;
            row[x * channels + c] = (uint8_t)((h ^ (h >> 15)) >> 8);
        }
    }
}

/* CRC-32 of all outputs, one after the other. */
static TT_COLD uint32_t crc_of_outputs(const tt_session *session) {
    uint32_t crc = 0;
    for (uint32_t i = 0; i < session->net->output_count; i++) {
        size_t bytes = 0;
        const void *data = tt_raw(session, i, &bytes);
        crc = tt_crc32(crc, data, bytes);
    }
    return crc;
}

static int near(float x, float expected, float scale) {
    float apart = x < expected ? expected - x : x - expected;
    return apart <= 1e-3f * scale + 1e-6f; /* false where x is no number */
}

static TT_COLD int as_expected(const tt_session *session, const tt_golden *golden) {
    const tt_tensor *t = &session->net->tensors[session->net->outputs[0].tensor];
    if (t->type != TT_F32) return crc_of_outputs(session) == golden->crc;
    const float *values = (const float *)tt_raw(session, 0, NULL);
    float sum = 0, largest = 0;
    uint32_t count = count_of(t);
    for (uint32_t i = 0; i < count; i++) {
        float size = values[i] < 0 ? -values[i] : values[i];
        sum += values[i];
        if (size > largest) largest = size;
    }
    return near(sum / (float)count, golden->mean, golden->largest) && near(largest, golden->largest, golden->largest);
}

TT_COLD tt_status tt_selftest_some(const tt_net *net, void *arena, size_t bytes, uint32_t most) {
    tt_session session;
    tt_status status = tt_open(&session, net, arena, bytes);
    if (status == TT_ERROR_ARENA) status = tt_open_rows(&session, net, arena, bytes);
    if (status != TT_OK) return status;
    for (uint32_t i = 0; i < net->golden_count && i < most; i++) {
        for (uint32_t y = 0; y < net->height; y++) {
            uint32_t row_bytes = (uint32_t)net->width * net->channels;
            uint8_t *row = session.arena; /* fed by rows, the scratch ends with room for one */
            row += keeps_picture(&session) ? net->tensors[0].offset + y * row_bytes : net->scratch_bytes - row_bytes;
            tt_pattern(net->golden[i].seed, y, net->width, net->channels, row);
            status = tt_feed(&session, row); /* which finds the row already where it would copy it */
            if (status != TT_OK) return status;
        }
        if (!as_expected(&session, &net->golden[i])) return TT_ERROR_SELFTEST;
    }
    return TT_OK;
}

TT_COLD tt_status telltale_selftest(const tt_net *net, void *arena, size_t bytes) {
    return tt_selftest_some(net, arena, bytes, UINT32_MAX);
}
