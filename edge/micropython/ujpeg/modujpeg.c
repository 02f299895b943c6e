/* MicroPython module `ujpeg`: a JPEG into a buffer, at a scale and around a region. Every fault is an exception, never
 * an exit, and leaves nothing behind. docs/camera.md */
#include <string.h>

#include "py/binary.h"
#include "py/gc.h"
#include "py/obj.h"
#include "py/runtime.h"

#include "jpeg.h"

MP_DEFINE_EXCEPTION(JpegError, ValueError)

static void check(tt_jpeg_status status, const char *why) {
    if (status == TT_JPEG_MEMORY) {
        mp_raise_msg_varg(&mp_type_MemoryError, MP_ERROR_TEXT("%s"), tt_jpeg_text(status));
    }
    if (status != TT_JPEG_OK) {
        mp_raise_msg_varg(&mp_type_JpegError, MP_ERROR_TEXT("%s%s%s"), tt_jpeg_text(status), why[0] ? ": " : "", why);
    }
}

/* info(data) -> (width, height, components, turn, progressive), as stored; turn is EXIF's orientation */
static mp_obj_t info(mp_obj_t data) {
    mp_buffer_info_t bytes;
    tt_jpeg_info got;
    mp_get_buffer_raise(data, &bytes, MP_BUFFER_READ);
    check(tt_jpeg_look(bytes.buf, bytes.len, &got), "");
    mp_obj_t parts[5] = { MP_OBJ_NEW_SMALL_INT(got.width), MP_OBJ_NEW_SMALL_INT(got.height), MP_OBJ_NEW_SMALL_INT(got.components),
                          MP_OBJ_NEW_SMALL_INT(got.turn), mp_obj_new_bool(got.progressive) };
    return mp_obj_new_tuple(5, parts);
}
static MP_DEFINE_CONST_FUN_OBJ_1(info_obj, info);

static tt_rect region_of(mp_obj_t roi) {
    tt_rect region = { 0, 0, 0, 0 };
    if (roi != mp_const_none) {
        mp_obj_t *parts;
        mp_obj_get_array_fixed_n(roi, 4, &parts);
        int *to[4] = { &region.x, &region.y, &region.width, &region.height };
        for (int i = 0; i < 4; i++) {
            mp_int_t value = mp_obj_get_int(parts[i]);
            *to[i] = value < -1 || value > 65536 ? -1 : (int)value;
        }
        if (region.width < 1 || region.height < 1) {
            region.width = region.height = -1; /* refused, as any that is not inside */
        }
    }
    return region;
}

/* All rows into `to`. Nothing here may raise: libjpeg's memory would be lost. */
static tt_jpeg_status rows(tt_jpeg *jpeg, uint8_t *to) {
    size_t line = (size_t)jpeg->width * (size_t)jpeg->channels;
    tt_jpeg_status status = TT_JPEG_OK;
    for (int y = 0; y < jpeg->height && status == TT_JPEG_OK; y++, to += line) {
        const uint8_t *row;
        status = tt_jpeg_row(jpeg, &row);
        if (status == TT_JPEG_OK) {
            memcpy(to, row, line);
        }
    }
    return status;
}

/* decode(data, scale=1, grey=False, roi=None, into=None) -> (width, height, channels, pixels)
 * scale: 1, 2, 4 or 8, the picture so many times smaller. roi: (left, top, width, height) in full stored pixels.
 * into: any writable buffer that is large enough, and then it is `pixels`; else a new bytearray. */
static mp_obj_t decode(size_t count, const mp_obj_t *positional, mp_map_t *keywords) {
    enum { DATA, SCALE, GREY, ROI, INTO };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_data, MP_ARG_OBJ | MP_ARG_REQUIRED, { 0 } },
        { MP_QSTR_scale, MP_ARG_INT, { .u_int = 1 } },
        { MP_QSTR_grey, MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_roi, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_into, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(count, positional, keywords, MP_ARRAY_SIZE(allowed), allowed, given);
    mp_buffer_info_t data, into = { 0 };
    mp_int_t scale = given[SCALE].u_int;
    mp_obj_t pixels = given[INTO].u_obj;
    mp_get_buffer_raise(given[DATA].u_obj, &data, MP_BUFFER_READ);
    if (pixels != mp_const_none) {
        mp_get_buffer_raise(pixels, &into, MP_BUFFER_WRITE);
    }
    if (scale != 1 && scale != 2 && scale != 4 && scale != 8) {
        mp_raise_ValueError(MP_ERROR_TEXT("scale is 1, 2, 4 or 8"));
    }
    tt_jpeg_ask ask = { 8 / (int)scale, given[GREY].u_bool, region_of(given[ROI].u_obj), 0 };
    tt_jpeg jpeg;
    tt_jpeg_status status = tt_jpeg_open(&jpeg, data.buf, data.len, &ask);
    size_t need = status == TT_JPEG_OK ? (size_t)jpeg.width * (size_t)jpeg.height * (size_t)jpeg.channels : 0;
    uint8_t *to = pixels == mp_const_none && status == TT_JPEG_OK ? m_malloc_maybe(need) : into.buf;
    if (status == TT_JPEG_OK && to && (pixels == mp_const_none || into.len >= need)) {
        status = rows(&jpeg, to);
    }
    tt_jpeg_close(&jpeg);
    check(status, jpeg.why);
    if (!to) {
        m_malloc_fail(need);
    }
    if (pixels == mp_const_none) {
        pixels = mp_obj_new_bytearray_by_ref(need, to);
    } else if (into.len < need) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the picture needs %u bytes, into has %u"), (unsigned)need, (unsigned)into.len);
    }
    mp_obj_t parts[4] = { MP_OBJ_NEW_SMALL_INT(jpeg.width), MP_OBJ_NEW_SMALL_INT(jpeg.height), MP_OBJ_NEW_SMALL_INT(jpeg.channels), pixels };
    return mp_obj_new_tuple(4, parts);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(decode_obj, 1, decode);

static const mp_rom_map_elem_t module_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_ujpeg) },
    { MP_ROM_QSTR(MP_QSTR_decode), MP_ROM_PTR(&decode_obj) },
    { MP_ROM_QSTR(MP_QSTR_info), MP_ROM_PTR(&info_obj) },
    { MP_ROM_QSTR(MP_QSTR_JpegError), MP_ROM_PTR(&mp_type_JpegError) },
};
static MP_DEFINE_CONST_DICT(module_dict, module_table);

const mp_obj_module_t ujpeg_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&module_dict,
};
MP_REGISTER_MODULE(MP_QSTR_ujpeg, ujpeg_module);
