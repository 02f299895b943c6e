/* MicroPython module `telltale`: nets compiled in, told from any buffer of pixels, smoothed into events.
 * -DTT_NETS='X(doors) X(lamp)' names the nets; each is the NAME_net of a generated NAME.c. docs/camera.md */
#include <math.h>
#include <string.h>

#include "py/binary.h"
#include "py/mphal.h"
#include "py/obj.h"
#include "py/runtime.h"

#include "preprocess.h"
#include "smooth.h"
#include "telltale.h"

#ifndef TT_NETS
#define TT_NETS
#endif

enum { EVENTS = 32 }; /* kept until events() is called; older ones go */

#define X(name) extern const tt_net name##_net;
TT_NETS
#undef X

static const tt_net *const nets[] = {
#define X(name) &name##_net,
    TT_NETS
#undef X
    NULL,
};

typedef struct {
    mp_obj_base_t base;
    const tt_net *net;
    tt_session session;
    void *arena, *space; /* of the net, of the resizing: kept alive by lying in here */
    size_t space_bytes;
    tt_smoother smoother;
    tt_smooth_name *names;
    float *probabilities;
    double *readings;
    tt_smooth_event *told;
    tt_smooth_event events[EVENTS];
    size_t first, count;
} net_obj;

static const mp_obj_type_t net_type;

static mp_obj_t text_of(const char *words) {
    return mp_obj_new_str(words, strlen(words));
}

static mp_obj_t state_of(tt_state state) {
    return state == TT_ON ? MP_OBJ_NEW_QSTR(MP_QSTR_on) : state == TT_OFF ? MP_OBJ_NEW_QSTR(MP_QSTR_off)
                                                                            : MP_OBJ_NEW_QSTR(MP_QSTR_unsure);
}

static mp_obj_t number_of(double value) {
    return mp_obj_new_float((mp_float_t)value);
}

static void check(tt_status status) {
    if (status != TT_OK) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s"), tt_status_string(status));
    }
}

/* --- load -------------------------------------------------------------------------------------------------------- */

static const tt_net *find(mp_obj_t name) {
    const char *words = mp_obj_str_get_str(name);
    for (size_t i = 0; nets[i]; i++) {
        if (!strcmp(nets[i]->name, words)) {
            return nets[i];
        }
    }
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no net %s is compiled in"), words);
}

/* load(name=None, average_s=None, dwell_s=None) -> Net */
static mp_obj_t load(size_t count, const mp_obj_t *positional, mp_map_t *keywords) {
    enum { NAME, AVERAGE, DWELL };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_name, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_average_s, MP_ARG_OBJ | MP_ARG_KW_ONLY, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_dwell_s, MP_ARG_OBJ | MP_ARG_KW_ONLY, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(count, positional, keywords, MP_ARRAY_SIZE(allowed), allowed, given);
    const tt_net *net = given[NAME].u_obj == mp_const_none ? nets[0] : find(given[NAME].u_obj);
    if (!net || (given[NAME].u_obj == mp_const_none && nets[1])) {
        mp_raise_ValueError(net ? MP_ERROR_TEXT("several nets are compiled in: name one") : MP_ERROR_TEXT("no net is compiled in"));
    }
    net_obj *self = mp_obj_malloc(net_obj, &net_type);
    memset((char *)self + sizeof self->base, 0, sizeof *self - sizeof self->base);
    size_t side = net->width > net->height ? net->width : net->height, names = net->label_count;
    self->net = net;
    self->space_bytes = TT_PREP_SPACE(side, net->channels);
    self->arena = m_malloc(net->arena_bytes);
    self->space = m_malloc(self->space_bytes);
    self->names = m_new0(tt_smooth_name, names + 1);
    self->probabilities = m_new0(float, names + 1);
    self->readings = m_new0(double, names + 1);
    self->told = m_new0(tt_smooth_event, names + 1);
    check(telltale_selftest(net, self->arena, net->arena_bytes));
    check(tt_open(&self->session, net, self->arena, net->arena_bytes));
    for (size_t i = 0; i < names; i++) {
        self->names[i].low = tt_threshold(net->labels[i].low);
        self->names[i].high = tt_threshold(net->labels[i].high);
    }
    mp_obj_t average = given[AVERAGE].u_obj, dwell = given[DWELL].u_obj;
    tt_smooth_begin(&self->smoother, self->names, (int)names,
        average == mp_const_none ? (double)net->average_s : (double)mp_obj_get_float(average),
        dwell == mp_const_none ? (double)net->dwell_s : (double)mp_obj_get_float(dwell));
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(load_obj, 0, load);

/* --- pixels ------------------------------------------------------------------------------------------------------- */

/* Bytes of anything with the buffer protocol, arrays of ulab included, as long as its elements are bytes. */
static void bytes_of(mp_obj_t from, mp_buffer_info_t *pixels) {
    mp_get_buffer_raise(from, pixels, MP_BUFFER_READ);
    if (pixels->typecode != 'B' && pixels->typecode != 'b' && pixels->typecode != BYTEARRAY_TYPECODE) {
        mp_raise_TypeError(MP_ERROR_TEXT("pixels are bytes, 0 to 255"));
    }
}

static void check_bytes(size_t got, size_t width, size_t height, size_t channels) {
    if (got != width * height * channels) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("expected %u x %u x %u bytes, got %u"), (unsigned)height,
            (unsigned)width, (unsigned)channels, (unsigned)got);
    }
}

/* A picture of any size, RGB or grey, resized as the net was trained. */
static void resize(net_obj *self, const mp_buffer_info_t *pixels, mp_obj_t size) {
    mp_obj_t *sides;
    mp_obj_get_array_fixed_n(size, 2, &sides);
    mp_int_t width = mp_obj_get_int(sides[0]), height = mp_obj_get_int(sides[1]);
    if (width < 1 || height < 1 || width > TT_PREP_MAX_SIDE || height > TT_PREP_MAX_SIDE) {
        mp_raise_ValueError(MP_ERROR_TEXT("size is (width, height), 1 to 16384 pixels each"));
    }
    int channels = pixels->len == (size_t)width * (size_t)height ? 1 : 3;
    check_bytes(pixels->len, (size_t)width, (size_t)height, (size_t)channels);
    const tt_net *net = self->net;
    tt_prep_input input = { net->width, net->height, net->channels,
                            net->fit == TT_LETTERBOX ? TT_PREP_LETTERBOX : TT_PREP_STRETCH };
    size_t need = tt_prep_space(&input, (int)width, (int)height, channels, 1);
    if (need > self->space_bytes) {
        self->space = m_malloc(need);
        self->space_bytes = need;
    }
    tt_prep_status status = tt_prep_image(&input, pixels->buf, (int)width, (int)height, (ptrdiff_t)width * channels, channels,
        NULL, tt_input(&self->session), self->space, self->space_bytes);
    if (status != TT_PREP_OK) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s"), tt_prep_text(status));
    }
}

static void run(net_obj *self, mp_obj_t buffer, mp_obj_t size) {
    mp_buffer_info_t pixels;
    bytes_of(buffer, &pixels);
    if (size == mp_const_none) {
        const tt_net *net = self->net;
        check_bytes(pixels.len, net->width, net->height, net->channels);
        memcpy(tt_input(&self->session), pixels.buf, pixels.len);
    } else {
        resize(self, &pixels, size);
    }
    check(tt_run(&self->session));
}

/* --- Net.tell, Net.run, Net.events --------------------------------------------------------------------------------- */

static void keep(net_obj *self, int told) {
    for (int i = 0; i < told; i++) {
        if (self->count == EVENTS) {
            self->first = (self->first + 1) % EVENTS;
            self->count--;
        }
        self->events[(self->first + self->count++) % EVENTS] = self->told[i];
    }
}

static double now_s(void) {
    return (double)mp_hal_ticks_ms() / 1e3;
}

/* tell(buffer, size=None, t_s=None) -> {name: (probability, state)}; the states are this picture's own */
static mp_obj_t net_tell(size_t count, const mp_obj_t *positional, mp_map_t *keywords) {
    enum { BUFFER, SIZE, TIME };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_buffer, MP_ARG_OBJ | MP_ARG_REQUIRED, { 0 } },
        { MP_QSTR_size, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_t_s, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    net_obj *self = MP_OBJ_TO_PTR(positional[0]);
    mp_arg_parse_all(count - 1, positional + 1, keywords, MP_ARRAY_SIZE(allowed), allowed, given);
    const tt_net *net = self->net;
    if (net->kind != TT_STATES || tt_count(net, 0) != net->label_count) {
        mp_raise_ValueError(MP_ERROR_TEXT("this net tells no states: use run()"));
    }
    double t_s = given[TIME].u_obj == mp_const_none ? now_s() : (double)mp_obj_get_float(given[TIME].u_obj);
    run(self, given[BUFFER].u_obj, given[SIZE].u_obj);
    check(tt_read(&self->session, 0, self->probabilities, net->label_count));
    mp_obj_t result = mp_obj_new_dict(net->label_count);
    for (size_t i = 0; i < net->label_count; i++) {
        const tt_smooth_name *name = &self->names[i];
        double prob = self->readings[i] = (double)self->probabilities[i];
        mp_obj_t pair[2] = { number_of(prob), state_of(tt_zone(prob, name->low, name->high)) };
        mp_obj_dict_store(result, text_of(net->labels[i].name), mp_obj_new_tuple(2, pair));
    }
    keep(self, tt_smooth_update(&self->smoother, t_s, self->readings, self->told));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(net_tell_obj, 1, net_tell);

/* run(buffer, size=None) -> {output: memoryview of floats}, for nets of every kind */
static mp_obj_t net_run(size_t count, const mp_obj_t *arguments) {
    net_obj *self = MP_OBJ_TO_PTR(arguments[0]);
    const tt_net *net = self->net;
    run(self, arguments[1], count > 2 ? arguments[2] : mp_const_none);
    mp_obj_t result = mp_obj_new_dict(net->output_count);
    for (size_t i = 0; i < net->output_count; i++) {
        size_t room = tt_count(net, i);
        float *values = m_new(float, room);
        check(tt_read(&self->session, i, values, room));
        mp_obj_dict_store(result, text_of(net->outputs ? net->outputs[i].name : "output"), mp_obj_new_memoryview('f', room, values));
    }
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(net_run_obj, 2, 3, net_run);

/* events() -> [(name, from, to, probability, t_s), ...] since the last call */
static mp_obj_t net_events(mp_obj_t self_in) {
    net_obj *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (; self->count; self->count--, self->first = (self->first + 1) % EVENTS) {
        const tt_smooth_event *event = &self->events[self->first];
        mp_obj_t parts[5] = { text_of(self->net->labels[event->name].name), state_of(event->from), state_of(event->to),
                              number_of(event->prob), number_of(event->t_s) };
        mp_obj_list_append(list, mp_obj_new_tuple(5, parts));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_events_obj, net_events);

/* states() -> {name: (average, told state)}, names seen so far */
static mp_obj_t net_states(mp_obj_t self_in) {
    net_obj *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t result = mp_obj_new_dict(self->net->label_count);
    for (size_t i = 0; i < self->net->label_count; i++) {
        const tt_smooth_name *name = &self->names[i];
        mp_obj_t pair[2] = { number_of(name->average), state_of(name->told) };
        if (name->known) {
            mp_obj_dict_store(result, text_of(self->net->labels[i].name), mp_obj_new_tuple(2, pair));
        }
    }
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_states_obj, net_states);

static mp_obj_t names_of(const tt_net *net) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t i = 0; i < net->label_count; i++) {
        mp_obj_list_append(list, text_of(net->labels[i].name));
    }
    return list;
}

static void net_attr(mp_obj_t self_in, qstr name, mp_obj_t *to) {
    net_obj *self = MP_OBJ_TO_PTR(self_in);
    const tt_net *net = self->net;
    if (to[0] != MP_OBJ_NULL) {
        return; /* nothing can be set */
    }
    if (name == MP_QSTR_name) {
        to[0] = text_of(net->name);
    } else if (name == MP_QSTR_names) {
        to[0] = names_of(net);
    } else if (name == MP_QSTR_shape) {
        mp_obj_t sides[3] = { MP_OBJ_NEW_SMALL_INT(net->height), MP_OBJ_NEW_SMALL_INT(net->width), MP_OBJ_NEW_SMALL_INT(net->channels) };
        to[0] = mp_obj_new_tuple(3, sides);
    } else {
        to[1] = MP_OBJ_SENTINEL; /* look among the methods */
    }
}

static const mp_rom_map_elem_t net_table[] = {
    { MP_ROM_QSTR(MP_QSTR_tell), MP_ROM_PTR(&net_tell_obj) },
    { MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&net_run_obj) },
    { MP_ROM_QSTR(MP_QSTR_events), MP_ROM_PTR(&net_events_obj) },
    { MP_ROM_QSTR(MP_QSTR_states), MP_ROM_PTR(&net_states_obj) },
};
static MP_DEFINE_CONST_DICT(net_dict, net_table);

static MP_DEFINE_CONST_OBJ_TYPE(net_type, MP_QSTR_Net, MP_TYPE_FLAG_NONE, attr, net_attr, locals_dict, &net_dict);

/* --- the module ------------------------------------------------------------------------------------------------------ */

/* nets() -> [name, ...] */
static mp_obj_t net_names(void) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t i = 0; nets[i]; i++) {
        mp_obj_list_append(list, text_of(nets[i]->name));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_0(nets_obj, net_names);

static const mp_rom_map_elem_t module_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_telltale) },
    { MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&load_obj) },
    { MP_ROM_QSTR(MP_QSTR_nets), MP_ROM_PTR(&nets_obj) },
};
static MP_DEFINE_CONST_DICT(module_dict, module_table);

const mp_obj_module_t telltale_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&module_dict,
};
MP_REGISTER_MODULE(MP_QSTR_telltale, telltale_module);
