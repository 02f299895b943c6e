/* The tables of a net, damaged anyhow: tt_open refuses them with a status, or what it lets through truly fits the
 * arena. Pointers stay whole, for they are the linker's. Each four bytes of input change one field. */
#include <stdlib.h>
#include <string.h>

#include "telltale.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { TENSORS = 3, LAYERS = 2, ARENA = 4096 };

static void no_layer(const tt_session *session, const tt_layer *layer)
{
    (void)session;
    (void)layer;
}

/* Every size in 64 bits: nothing wraps here. */
static void check(const tt_net *net, size_t arena_bytes)
{
    static const uint64_t each[] = {1, 1, 2, 4};
    if (net->arena_bytes > arena_bytes) abort();
    for (int i = 0; i < net->tensor_count; i++) {
        const tt_tensor *t = &net->tensors[i];
        if (t->type > 3) abort();
        uint64_t size = (uint64_t)t->height * t->width * t->channels * each[t->type];
        if (size == 0 || t->offset + size > net->arena_bytes) abort();
    }
    for (int i = 0; i < net->layer_count; i++) {
        const tt_layer *l = &net->layers[i];
        if (l->a >= net->tensor_count || l->b >= net->tensor_count || l->out >= net->tensor_count) abort();
    }
    for (int i = 0; i < net->output_count; i++)
        if (net->outputs[i].tensor >= net->tensor_count) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const union {
        int8_t values[16];
        int64_t aligned;
    } weights = {{1, 2, 3}};
    static const int32_t scales[4] = {5, 6};
    tt_tensor tensors[TENSORS];
    tt_layer layers[LAYERS];
    tt_output outputs[1] = {{"probabilities", 2}};
    tt_net net;
    tt_session session;
    memset(tensors, 0, sizeof tensors);
    memset(layers, 0, sizeof layers);
    memset(&net, 0, sizeof net);
    for (int i = 0; i < TENSORS; i++) {
        tensors[i].offset = 256u + 1024u * (unsigned)i;
        tensors[i].height = tensors[i].width = 8;
        tensors[i].channels = 3;
        tensors[i].scale = 1.0f;
        tensors[i].type = i == 0 ? 0 : 1;
    }
    for (int i = 0; i < LAYERS; i++) {
        layers[i].run = no_layer;
        layers[i].out = (uint16_t)(i + 1);
    }
    net.version = TT_NET_VERSION;
    net.height = net.width = 8;
    net.channels = 3;
    net.outputs = outputs;
    net.tensors = tensors;
    net.layers = layers;
    net.weights = weights.values;
    net.scales = scales;
    net.weight_count = 16;
    net.scale_count = 4;
    net.output_count = 1;
    net.tensor_count = TENSORS;
    net.layer_count = LAYERS;
    net.arena_bytes = net.rows_arena_bytes = ARENA;
    net.checksum = tt_crc32(tt_crc32(0, weights.values, 16), scales, sizeof scales);
    size_t arena_bytes = ARENA;
    for (size_t at = 0; at + 4 <= bytes; at += 4) {
        uint16_t value = (uint16_t)(data[at + 2] | data[at + 3] << 8);
        tt_tensor *t = &tensors[data[at + 1] % TENSORS];
        tt_layer *l = &layers[data[at + 1] % LAYERS];
        switch (data[at] % 20) {
        case 0: t->offset = value; break;
        case 1: t->height = value; break;
        case 2: t->width = value; break;
        case 3: t->channels = value; break;
        case 4: t->type = (uint8_t)value; break;
        case 5: l->a = value; break;
        case 6: l->b = value; break;
        case 7: l->out = value; break;
        case 8: l->weights = value; break;
        case 9: l->scales = value; break;
        case 10: net.arena_bytes = value; break;
        case 11: net.rows_arena_bytes = value; break;
        case 12: net.version = value; break;
        case 13: outputs[0].tensor = value; break;
        case 14: net.height = value; break;
        case 15: net.tensor_count = value % (TENSORS + 1); break;
        case 16: net.layer_count = value % (LAYERS + 1); break;
        case 17: net.checksum ^= value; break;
        case 18: t->offset = (uint32_t)value << 16; break;
        default: arena_bytes = value % (ARENA + 1); break;
        }
    }
    uint8_t *arena = malloc(arena_bytes ? arena_bytes : 1);
    if (!arena) abort();
    if (tt_open(&session, &net, arena, arena_bytes) == TT_OK) check(&net, arena_bytes);
    free(arena);
    return 0;
}
