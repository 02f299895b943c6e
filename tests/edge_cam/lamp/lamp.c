/* A net whose answer the tests know beforehand: lamp is the mean brightness of its input, dark the rest. It stands
 * where an exported net and the runtime stand, so that what is around them can be tested to the last event. */
#include "lamp.h"

enum { SIDE = 32, BYTES = SIDE * SIDE * 3 };

static const tt_label labels[] = {{"lamp", 0.3f, 0.7f}, {"dark", 0.3f, 0.7f}};

const tt_net lamp_net = {
    .version = TT_NET_VERSION,
    .name = "lamp",
    .height = SIDE,
    .width = SIDE,
    .channels = 3,
    .kind = TT_STATES,
    .fit = TT_STRETCH,
    .labels = labels,
    .label_count = 2,
    .average_s = 0.3f,
    .dwell_s = 0.3f,
    .output_count = 1,
    .arena_bytes = BYTES,
};

const char *tt_status_string(tt_status status)
{
    return status == TT_OK ? "ok" : "not ok";
}

tt_status tt_open(tt_session *session, const tt_net *net, void *arena, size_t bytes)
{
    if (bytes < net->arena_bytes) return TT_ERROR_ARENA;
    session->net = net;
    session->arena = arena;
    return TT_OK;
}

uint8_t *tt_input(tt_session *session)
{
    return session->arena;
}

tt_status tt_run(tt_session *session)
{
    return session->arena ? TT_OK : TT_ERROR_ORDER;
}

size_t tt_count(const tt_net *net, size_t index)
{
    return index == 0 ? net->label_count : 0;
}

tt_status tt_read(const tt_session *session, size_t index, float *values, size_t room)
{
    long sum = 0;
    if (index || room < 2) return TT_ERROR_SMALL;
    for (int i = 0; i < BYTES; i++) sum += session->arena[i];
    values[0] = (float)sum / (float)BYTES / 255.0f;
    values[1] = 1.0f - values[0];
    return TT_OK;
}

tt_status tt_selftest_some(const tt_net *net, void *arena, size_t bytes, uint32_t most)
{
    (void)most;
    return telltale_selftest(net, arena, bytes);
}

tt_status telltale_selftest(const tt_net *net, void *arena, size_t bytes)
{
    return arena && bytes >= net->arena_bytes ? TT_OK : TT_ERROR_ARENA;
}

uint32_t tt_crc32(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    crc = ~crc;
    for (; bytes; bytes--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}
