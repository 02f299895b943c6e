/* telltale.h: run a net that `telltale export BUNDLE --to c` wrote. Knows nothing of JPEG, cameras or networks.
 *
 *     #include "doors.h"                                      // generated: names the net and its arena
 *
 *     static uint64_t arena[DOORS_ARENA_BYTES / 8];           // all the memory the net ever touches
 *     tt_session session;
 *     float probability[DOORS_OUTPUTS];
 *     tt_status status = tt_open(&session, &doors_net, arena, sizeof arena);
 *     if (status != TT_OK) return complain(tt_status_string(status));
 *     memcpy(tt_input(&session), picture, DOORS_INPUT_BYTES); // height x width x channels, RGB or grey, 0..255
 *     status = tt_run(&session);                              // overwrites the picture
 *     status = tt_read(&session, 0, probability, DOORS_OUTPUTS);
 *
 * Or row by row, in the smaller arena of tt_open_rows, as a decoder gives them: tt_feed(&session, row) for each row from
 * the top, and tt_read once all are in.
 *
 * C99. No malloc, no globals, no exit; int8 nets need no libm and give the same bytes on every machine. */
#ifndef TELLTALE_H
#define TELLTALE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rises when a generated net and a runtime of different versions would misunderstand each other. */
#define TT_NET_VERSION 1u

/* Every way in which a call can end: X(name, what it means). */
#define TT_STATUSES(X)                                                               \
    X(TT_OK, "all is well")                                                          \
    X(TT_ERROR_ARGUMENT, "a pointer is missing or a number is out of range")         \
    X(TT_ERROR_ARENA, "the arena is smaller than the net needs")                     \
    X(TT_ERROR_ALIGNMENT, "the arena does not begin at a multiple of 8 bytes")       \
    X(TT_ERROR_VERSION, "the net was generated for another version of the runtime")  \
    X(TT_ERROR_CHECKSUM, "the weights are not those that were exported")             \
    X(TT_ERROR_NET, "the net does not make sense: its tables contradict each other") \
    X(TT_ERROR_ORDER, "a call came out of order")                                    \
    X(TT_ERROR_SELFTEST, "the net does not give the answers that were compiled in")  \
    X(TT_ERROR_SMALL, "the caller's buffer is too small")                            \
    X(TT_ERROR_IMAGE, "the picture is damaged")                                      \
    X(TT_ERROR_UNSUPPORTED, "the picture is of a kind that is not supported")

typedef enum {
#define TT_NAME(name, text) name,
    TT_STATUSES(TT_NAME)
#undef TT_NAME
    TT_STATUS_COUNT
} tt_status;

/* What a status means, in a few words; never NULL, whatever comes in. */
const char *tt_status_string(tt_status status);
/* Its name, "TT_ERROR_ARENA"; never NULL. */
const char *tt_status_name(tt_status status);

/* ---- What a net is: generated, constant; read what you like, write nothing ---- */

typedef enum { TT_U8, TT_I8, TT_I16, TT_F32 } tt_type;
typedef enum { TT_RAW, TT_STATES, TT_CLASSES, TT_MASK, TT_LOCATE } tt_kind; /* what it tells */
typedef enum { TT_STRETCH, TT_LETTERBOX } tt_fit;                            /* how a picture is made to fit the input */

/* height x width x channels numbers, channels innermost; real value = scale * (stored - zero). */
typedef struct {
    uint32_t offset; /* bytes into the arena */
    uint16_t height, width, channels;
    uint8_t type; /* tt_type */
    int16_t zero;
    float scale;
} tt_tensor;

typedef struct tt_session tt_session;
typedef struct tt_layer tt_layer;

/* One operator. Which fields it uses stands beside its function in kernels.h. */
struct tt_layer {
    void (*run)(const tt_session *session, const tt_layer *layer);
    uint16_t a, b, out; /* tensors */
    uint8_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
    uint16_t count;   /* what is counted depends on the operator */
    uint16_t at;      /* the first channel of `out` that is written */
    uint32_t weights; /* index into weights or, in a float net, floats */
    uint32_t scales;  /* index into scales */
};

/* One of the names a net tells: off at or below `low`, on at or above `high`, between them unsure. */
typedef struct {
    const char *name;
    float low, high;
} tt_label;

typedef struct {
    const char *name; /* "probabilities" */
    uint16_t tensor;
} tt_output;

/* A picture that tt_pattern draws from `seed`, and what comes out: the CRC-32 of every byte of every output or, of a float
 * net, whose last bits differ between machines, the first output's mean and largest size. */
typedef struct {
    uint32_t seed;
    uint32_t crc;
    float mean, largest;
} tt_golden;

typedef struct {
    uint32_t version; /* TT_NET_VERSION of the exporter */
    const char *name;
    uint16_t height, width, channels; /* of the input; channels: 3 RGB, 1 grey */
    uint8_t kind;                     /* tt_kind */
    uint8_t fit;                      /* tt_fit */
    const tt_label *labels;
    uint16_t label_count;
    float average_s, dwell_s; /* smoothing, as in docs/wire.md */

    const tt_output *outputs;
    const tt_tensor *tensors; /* tensor 0 is the input */
    const tt_layer *layers;
    const int8_t *weights;
    const int32_t *scales;
    const float *floats;
    const tt_golden *golden;
    uint32_t weight_count, scale_count, float_count;
    uint16_t output_count, tensor_count, layer_count, golden_count;
    uint32_t checksum; /* CRC-32 of weights, scales and floats, one after the other */

    uint32_t arena_bytes;      /* with the whole picture in it */
    uint32_t rows_arena_bytes; /* fed row by row */
    uint32_t macs;             /* multiplications of one inference */
    uint32_t scratch_bytes;    /* of the arena's beginning; the tensors lie behind */

    /* Fed by rows, the first layer takes them as they come and tells its own rows as soon as it can. NULL: not with
     * this net, the whole picture is kept. */
    void (*take)(const tt_session *session, const tt_layer *layer, int32_t y, const uint8_t *row);
    void (*tell)(const tt_session *session, const tt_layer *layer, uint32_t y);

    uint16_t min_area; /* of a mask: the least pixels of the picture that a region has */
    float mm_per_px;   /* of the picture, where it is known, else 0 */
} tt_net;

/* ---- Running it ---- */

/* Read nothing in here. One session is for one thread; sessions of one net share only constants. */
struct tt_session {
    const tt_net *net;
    uint8_t *arena;
    uint32_t rows_in;   /* rows fed so far */
    uint32_t rows_done; /* rows of the first layer computed so far */
    uint8_t by_rows, ready;
};

/* Check the net (version, tables, checksum) and the arena, and begin. Reads every weight once.
 * TT_ERROR_ARGUMENT, _VERSION, _NET, _CHECKSUM, _ALIGNMENT, _ARENA. */
tt_status tt_open(tt_session *session, const tt_net *net, void *arena, size_t bytes);

/* The same, for a net that is only ever fed by rows: net->rows_arena_bytes are enough. */
tt_status tt_open_rows(tt_session *session, const tt_net *net, void *arena, size_t bytes);

/* Where the next picture goes: height x width x channels bytes. NULL when opened by tt_open_rows. It is overwritten
 * by tt_run, so put the whole picture there each time. */
uint8_t *tt_input(tt_session *session);

/* Answer for the picture in tt_input. TT_ERROR_ARGUMENT; TT_ERROR_ORDER when opened by tt_open_rows. */
tt_status tt_run(tt_session *session);

/* The next row of the picture, width x channels bytes, from the top; after the last one the answers are there, and
 * the row after that begins a new picture. Works with both ways of opening. TT_ERROR_ARGUMENT. */
tt_status tt_feed(tt_session *session, const uint8_t *row);

/* Forget the rows fed so far: the next one is the top row of a new picture. */
void tt_restart(tt_session *session);

/* How many numbers output `index` has; 0 when there is no such output. */
size_t tt_count(const tt_net *net, size_t index);

/* Output `index` as real numbers, height x width x channels. TT_ERROR_ORDER before an answer is there,
 * TT_ERROR_SMALL when `room` (numbers) is not enough, TT_ERROR_ARGUMENT. */
tt_status tt_read(const tt_session *session, size_t index, float *values, size_t room);

/* The bytes of output `index` as they lie in the arena, or NULL; *bytes their number. Valid until the next picture. */
const void *tt_raw(const tt_session *session, size_t index, size_t *bytes);

/* Run the pictures that were compiled in and compare every byte. Call it at start-up; the arena is used as by tt_open
 * (or tt_open_rows when it only has room for that). TT_ERROR_SELFTEST and all of tt_open's. */
tt_status telltale_selftest(const tt_net *net, void *arena, size_t bytes);

/* The same with the first `most` of them: one runs every operator, and costs little more than one picture. */
tt_status tt_selftest_some(const tt_net *net, void *arena, size_t bytes, uint32_t most);

/* CRC-32 (IEEE 802.3) of `bytes` bytes; begin with crc 0, go on with what it returned. */
uint32_t tt_crc32(uint32_t crc, const void *data, size_t bytes);

/* Row `y` of the test picture of `seed`: width x channels bytes. The same in Python (telltale.export.c). */
void tt_pattern(uint32_t seed, uint32_t y, uint32_t width, uint32_t channels, uint8_t *row);

#ifdef __cplusplus
}
#endif
#endif
