#include "look.h"

#include "kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse_net(const tt_net *net, const char *expected, const char *got, tt_fault *fault)
{
    return tt_fail(fault, "bundle", net->name, expected, got, "export it again with `telltale export --to c`");
}

int tt_look_begin(tt_look *look, const tt_net *net, uint32_t selftest, tt_fault *fault)
{
    memset(look, 0, sizeof *look);
    look->net = net;
    if (net->version != TT_NET_VERSION) return refuse_net(net, "this runtime's version", "another", fault);
    size_t answer_bytes = 0;
    look->kind = tt_kind_find(net->kind);
    if (!look->kind || !net->label_count || net->label_count > TT_LOOK_NAMES || !look->kind->fits(net, &answer_bytes))
        return refuse_net(net, "a net that tells states, masks or boxes, up to 256 names", "one of another kind", fault);
    int side = net->width > net->height ? net->width : net->height;
    look->space_bytes = TT_PREP_SPACE(side, net->channels) + (net->channels == 1 ? TT_PREP_MAX_SIDE : 0);
    look->arena = malloc(net->arena_bytes);
    look->space = malloc(look->space_bytes);
    look->answers = malloc(answer_bytes + 8);
    if (!look->arena || !look->space || !look->answers) {
        tt_look_end(look);
        return refuse_net(net, "memory for the net", "none left", fault);
    }
    tt_status status = selftest ? tt_selftest_some(net, look->arena, net->arena_bytes, selftest) : TT_OK;
    if (status == TT_OK) status = tt_open(&look->session, net, look->arena, net->arena_bytes);
    if (status == TT_OK) return 1;
    tt_look_end(look);
    return refuse_net(net, "the answers that were compiled in", tt_status_string(status), fault);
}

static int refuse_picture(tt_look *look, const char *got, tt_fault *fault)
{
    char both[sizeof fault->got];
    const char *why = look->jpeg.why;
    snprintf(both, sizeof both, "%.80s%s%.100s%s", got, why[0] ? " (" : "", why, why[0] ? ")" : "");
    return tt_fail(fault, "image", "the picture", "a whole JPEG of 8 bits", both, "capture it again");
}

/* The rows of the region into the net's input. */
static int fill(tt_look *look, const tt_prep_input *input, uint8_t *to, tt_fault *fault)
{
    tt_jpeg *jpeg = &look->jpeg;
    tt_prep prep;
    tt_prep_status status = tt_prep_begin(&prep, input, jpeg->width, jpeg->height, jpeg->channels, jpeg->info.turn, to,
                                          look->space, look->space_bytes);
    for (int y = 0; y < jpeg->height && status == TT_PREP_OK && !tt_prep_done(&prep); y++) {
        const uint8_t *row;
        tt_jpeg_status read = tt_jpeg_row(jpeg, &row);
        if (read != TT_JPEG_OK) return refuse_picture(look, tt_jpeg_text(read), fault);
        status = tt_prep_row(&prep, row);
    }
    return status == TT_PREP_OK || refuse_picture(look, tt_prep_text(status), fault);
}

int tt_look_at(tt_look *look, const uint8_t *data, size_t bytes, const tt_rect *roi, tt_sight *sight, tt_fault *fault)
{
    const tt_net *net = look->net;
    tt_jpeg *jpeg = &look->jpeg;
    tt_jpeg_info info;
    tt_jpeg_ask ask = {8, net->channels == 1, {0, 0, 0, 0}, 0};
    tt_prep_input input = {net->width, net->height, net->channels,
                           net->fit == TT_LETTERBOX ? TT_PREP_LETTERBOX : TT_PREP_STRETCH};
    jpeg->why[0] = 0;
    tt_jpeg_status status = tt_jpeg_look(data, bytes, &info);
    if (status != TT_JPEG_OK) return refuse_picture(look, tt_jpeg_text(status), fault);
    int lying = info.turn >= 5;
    sight->width = lying ? info.height : info.width;
    sight->height = lying ? info.width : info.height;
    tt_rect part = {0, 0, sight->width, sight->height};
    if (roi && roi->width) part = *roi;
    if (part.x + part.width > sight->width || part.y + part.height > sight->height) {
        char got[64];
        snprintf(got, sizeof got, "a picture of %d x %d", sight->width, sight->height);
        return tt_fail(fault, "image", "the picture", "the whole roi inside it", got, "correct roi in the configuration");
    }
    tt_rect place = tt_prep_place(&input, part.width, part.height);
    sight->part = part;
    sight->place = place;
    ask.scale = sight->scale = tt_jpeg_scale_for(part.width, part.height, place.width, place.height);
    ask.roi = tt_jpeg_stored(part, info.width, info.height, info.turn);
    status = tt_jpeg_open(jpeg, data, bytes, &ask);
    int told = status == TT_JPEG_OK ? fill(look, &input, tt_input(&look->session), fault)
                                    : refuse_picture(look, tt_jpeg_text(status), fault);
    tt_jpeg_close(jpeg);
    if (!told) return 0;
    tt_status ran = tt_run(&look->session);
    tt_answers answers = {&look->session, look->names, sight, look->answers};
    if (ran == TT_OK) ran = look->kind->read(&answers, sight->probabilities);
    return ran == TT_OK || refuse_net(net, "an answer", tt_status_string(ran), fault);
}

void tt_look_put(tt_text *text, const tt_look *look, const tt_sight *sight, int index)
{
    tt_answers answers = {&look->session, look->names, sight, look->answers};
    look->kind->put(text, &answers, index);
}

void tt_look_end(tt_look *look)
{
    free(look->arena);
    free(look->space);
    free(look->answers);
    look->arena = look->space = look->answers = NULL;
}
