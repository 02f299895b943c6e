#include "jpeg.h"

#include <string.h>

#include <jerror.h>

const char *tt_jpeg_text(tt_jpeg_status status)
{
#define TT_JPEG_TEXT(name, text) text,
    static const char *const texts[] = {TT_JPEG_STATUSES(TT_JPEG_TEXT)};
#undef TT_JPEG_TEXT
    return (unsigned)status < TT_JPEG_STATUS_COUNT ? texts[status] : "unknown status";
}

/* --- the header: the same walk and the same verdicts as telltale.preprocess ---------------------------------------- */

static uint32_t number(const uint8_t *at, int bytes, int little)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[little ? bytes - 1 - i : i];
    return value;
}

/* Tag 0x0112 of the first directory of a TIFF block (Exif 2.32, 4.6.4), 1 to 8; anything else is 1, upright. */
static int turn_of(const uint8_t *exif, size_t bytes)
{
    if (bytes < 8 || (memcmp(exif, "II", 2) && memcmp(exif, "MM", 2))) return 1;
    int little = exif[0] == 'I';
    size_t start = number(exif + 4, 4, little);
    if (start > bytes - 2) return 1;
    size_t count = number(exif + start, 2, little);
    for (size_t at = start + 2; count && bytes >= 12 && at <= bytes - 12; at += 12, count--) {
        if (number(exif + at, 2, little) != 0x0112) continue;
        uint32_t turn = number(exif + at + 8, 2, little);
        return turn >= 1 && turn <= 8 ? (int)turn : 1;
    }
    return 1;
}

/* In entropy-coded data 0xFF is always followed by 0x00 or a restart marker, so the first FF D9 is the true end. An
 * FF D8 before it begins another picture, written behind the cut of this one. */
static size_t end_of(const uint8_t *data, size_t bytes, size_t at)
{
    while (at + 1 < bytes) {
        const uint8_t *mark = memchr(data + at, 0xff, bytes - at - 1);
        if (!mark || mark[1] == 0xd8) return 0;
        at = (size_t)(mark - data) + 1;
        if (mark[1] == 0xd9) return at + 1;
    }
    return 0;
}

tt_jpeg_status tt_jpeg_look(const uint8_t *data, size_t bytes, tt_jpeg_info *info)
{
    size_t at = 2;
    int precision = 0;
    memset(info, 0, sizeof *info);
    info->turn = 1;
    if (bytes < 2 || data[0] != 0xff || data[1] != 0xd8) return TT_JPEG_NOT_JPEG;
    while (at + 4 <= bytes) {
        if (data[at] != 0xff) return TT_JPEG_DAMAGED;
        uint8_t marker = data[at + 1];
        if (marker == 0xff) { /* fill byte */
            at++;
            continue;
        }
        size_t length = number(data + at + 2, 2, 0);
        const uint8_t *body = data + at + 4;
        size_t inside = length < 2 ? 0 : length - 2;
        if (inside > bytes - at - 4) return TT_JPEG_CUT_OFF;
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            if (inside < 6) return TT_JPEG_DAMAGED;
            precision = body[0];
            info->height = (int)number(body + 1, 2, 0);
            info->width = (int)number(body + 3, 2, 0);
            info->components = body[5];
            info->progressive = marker == 0xc2 || marker == 0xca;
            if (marker != 0xc0 && marker != 0xc1 && marker != 0xc2 && marker != 0xc9 && marker != 0xca)
                return TT_JPEG_KIND; /* lossless or hierarchical */
        } else if (marker == 0xe1 && inside >= 6 && !memcmp(body, "Exif\0", 6)) {
            info->turn = turn_of(body + 6, inside - 6);
        } else if (marker == 0xda) {
            if (info->width < 1 || info->height < 1) return TT_JPEG_DAMAGED;
            if (precision != 8 || info->components == 2 || info->components < 1 || info->components > 4)
                return TT_JPEG_KIND;
            if (info->height > TT_JPEG_MAX_PIXELS / info->width) return TT_JPEG_TOO_LARGE;
            info->bytes = end_of(data, bytes, at);
            return info->bytes ? TT_JPEG_OK : TT_JPEG_CUT_OFF;
        } else if (marker == 0xd9) {
            return TT_JPEG_DAMAGED;
        }
        at += 2 + length;
    }
    return TT_JPEG_CUT_OFF;
}

int tt_jpeg_scale_for(int width, int height, int to_width, int to_height)
{
    for (int scale = 1; scale < 8; scale *= 2)
        if ((int64_t)width * scale >= (int64_t)to_width * 8 && (int64_t)height * scale >= (int64_t)to_height * 8)
            return scale;
    return 8;
}

tt_rect tt_jpeg_stored(tt_rect at, int width, int height, int turn)
{
    if (turn >= 5) { /* lying on a side: x is downwards */
        tt_rect swapped = {at.y, at.x, at.height, at.width};
        at = swapped;
    }
    /* turned about so that the stored left, or the stored top, is the far side */
    if (turn == 2 || turn == 3 || turn == 7 || turn == 8) at.x = width - at.x - at.width;
    if (turn == 3 || turn == 4 || turn == 6 || turn == 7) at.y = height - at.y - at.height;
    return at;
}

/* --- libjpeg's faults ------------------------------------------------------------------------------------------------ */

static tt_jpeg_status status_of(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
    case JERR_WIDTH_OVERFLOW: return TT_JPEG_MEMORY;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL: return TT_JPEG_KIND;
    default: return TT_JPEG_DAMAGED;
    }
}

static void fail(tt_jpeg *jpeg, tt_jpeg_status status)
{
    jpeg->status = status;
    longjmp(jpeg->escape, 1);
}

static void on_error(j_common_ptr codec)
{
    tt_jpeg *jpeg = codec->client_data;
    codec->err->format_message(codec, jpeg->why);
    fail(jpeg, status_of(codec->err->msg_code));
}

/* libjpeg warns of damage and goes on with grey or garbage; a picture we would tell a door's state from must be whole.
 * Stray bytes between markers and odd version numbers harm no pixel. */
static void on_message(j_common_ptr codec, int level)
{
    if (level >= 0) return;
    switch (codec->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION: on_error(codec);
    }
}

static void on_progress(j_common_ptr codec)
{
    if (((j_decompress_ptr)codec)->input_scan_number > TT_JPEG_MAX_SCANS) fail(codec->client_data, TT_JPEG_SCANS);
}

static void on_output(j_common_ptr codec)
{
    (void)codec;
}

/* --- pixels ---------------------------------------------------------------------------------------------------------- */

/* The nearest pixels at a scale: round(at * scale / 8). */
static int scaled(int at, int scale)
{
    return (at * scale + 4) / 8;
}

static void begin(tt_jpeg *jpeg, const uint8_t *data, size_t bytes, const tt_jpeg_ask *ask)
{
    j_decompress_ptr codec = &jpeg->codec;
    codec->client_data = jpeg;
    jpeg_create_decompress(codec);
    jpeg->created = 1;
    codec->mem->max_memory_to_use = ask->memory ? (long)ask->memory : (long)TT_JPEG_MAX_MEMORY;
    codec->progress = &jpeg->progress;
    jpeg->progress.progress_monitor = on_progress;
    jpeg_mem_src(codec, data, (unsigned long)bytes);
    jpeg_read_header(codec, TRUE);
    if (codec->num_components == 4)
        codec->out_color_space = JCS_CMYK;
    else
        codec->out_color_space = ask->grey || codec->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    codec->scale_num = (unsigned)ask->scale;
    codec->scale_denom = 8;
    jpeg_start_decompress(codec);

    tt_rect roi = ask->roi;
    if (!roi.width) roi = (tt_rect){0, 0, jpeg->info.width, jpeg->info.height};
    int right = scaled(roi.x + roi.width, ask->scale), bottom = scaled(roi.y + roi.height, ask->scale);
    int left = scaled(roi.x, ask->scale), top = scaled(roi.y, ask->scale);
    if (roi.x + roi.width == jpeg->info.width) right = (int)codec->output_width; /* which is rounded up */
    if (roi.y + roi.height == jpeg->info.height) bottom = (int)codec->output_height;
    if (left > (int)codec->output_width - 1) left = (int)codec->output_width - 1;
    if (top > (int)codec->output_height - 1) top = (int)codec->output_height - 1;
    jpeg->width = right > left ? right - left : 1;
    jpeg->height = bottom > top ? bottom - top : 1;
    jpeg->channels = ask->grey || codec->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    jpeg->left = left;
    if (left > 0 || left + jpeg->width < (int)codec->output_width) {
        /* a block more on either side: the colours at the very edge of a crop are not interpolated */
        JDIMENSION block = (JDIMENSION)(codec->max_h_samp_factor * codec->min_DCT_scaled_size);
        JDIMENSION from = (JDIMENSION)left > block ? (JDIMENSION)left - block : 0;
        JDIMENSION to = (JDIMENSION)(left + jpeg->width) + block;
        if (to > codec->output_width) to = codec->output_width;
        JDIMENSION wide = to - from;
        jpeg_crop_scanline(codec, &from, &wide);
        jpeg->left = left - (int)from;
    }
    size_t row_bytes = (size_t)codec->output_width * (size_t)codec->output_components;
    jpeg->row = codec->mem->alloc_large((j_common_ptr)codec, JPOOL_IMAGE, row_bytes);
    if (top > 0) jpeg_skip_scanlines(codec, (JDIMENSION)top);
}

tt_jpeg_status tt_jpeg_open(tt_jpeg *jpeg, const uint8_t *data, size_t bytes, const tt_jpeg_ask *ask)
{
    memset(jpeg, 0, sizeof *jpeg);
    jpeg->status = tt_jpeg_look(data, bytes, &jpeg->info);
    if (jpeg->status != TT_JPEG_OK) return jpeg->status;
    const tt_rect *roi = &ask->roi;
    if (ask->scale < 1 || ask->scale > 8) return jpeg->status = TT_JPEG_SCALE;
    if (roi->width && (roi->x < 0 || roi->y < 0 || roi->width < 1 || roi->height < 1 ||
                       roi->x > jpeg->info.width - roi->width || roi->y > jpeg->info.height - roi->height))
        return jpeg->status = TT_JPEG_ROI;
    jpeg->codec.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = on_error;
    jpeg->errors.emit_message = on_message;
    jpeg->errors.output_message = on_output;
    if (setjmp(jpeg->escape)) return jpeg->status;
    begin(jpeg, data, bytes, ask);
    return TT_JPEG_OK;
}

/* As Pillow does without a profile: (255 - ink) of each colour, less the share that black takes. Adobe stores the
 * complement of the ink, and so do all who write CMYK JPEGs. */
static void rgb_of_cmyk(uint8_t *row, int width)
{
    const uint8_t *from = row;
    for (int x = 0; x < width; x++, from += 4, row += 3) {
        unsigned light = from[3];
        for (int c = 0; c < 3; c++) {
            unsigned part = (255u - from[c]) * light + 128; /* ink * light / 255, rounded */
            int left = (int)light - (int)((part + (part >> 8)) >> 8);
            row[c] = (uint8_t)(left < 0 ? 0 : left);
        }
    }
}

static void grey_of_rgb(uint8_t *row, int width)
{
    for (int x = 0; x < width; x++)
        row[x] = (uint8_t)((9798 * row[3 * x] + 19235 * row[3 * x + 1] + 3735 * row[3 * x + 2] + 16384) >> 15);
}

tt_jpeg_status tt_jpeg_row(tt_jpeg *jpeg, const uint8_t **row)
{
    if (jpeg->status != TT_JPEG_OK) return jpeg->status;
    if (jpeg->next >= jpeg->height) return TT_JPEG_DONE;
    if (setjmp(jpeg->escape)) return jpeg->status;
    if (jpeg_read_scanlines(&jpeg->codec, &jpeg->row, 1) != 1) return jpeg->status = TT_JPEG_DAMAGED;
    jpeg->next++;
    uint8_t *at = jpeg->row + (size_t)jpeg->left * (size_t)jpeg->codec.output_components;
    if (jpeg->codec.output_components == 4) rgb_of_cmyk(at, jpeg->width);
    if (jpeg->codec.output_components == 4 && jpeg->channels == 1) grey_of_rgb(at, jpeg->width);
    *row = at;
    return TT_JPEG_OK;
}

void tt_jpeg_close(tt_jpeg *jpeg)
{
    if (!jpeg->created) return;
    jpeg->created = 0;
    if (setjmp(jpeg->escape)) return;
    jpeg_destroy_decompress(&jpeg->codec);
}
