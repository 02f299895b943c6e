#include "mqtt.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT = 1, CONNACK = 2, PUBLISH = 3, PUBACK = 4, PINGREQ = 12, PINGRESP = 13, DISCONNECT = 14 };

/* --- packets --------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *at;
    size_t room, used;
    int cut;
} out;

static void put(out *to, const void *bytes, size_t count)
{
    if (count > to->room - to->used) {
        to->cut = 1;
        return;
    }
    memcpy(to->at + to->used, bytes, count);
    to->used += count;
}

static void put_byte(out *to, int value)
{
    uint8_t byte = (uint8_t)value;
    put(to, &byte, 1);
}

static void put_word(out *to, size_t value)
{
    put_byte(to, (int)(value >> 8 & 255));
    put_byte(to, (int)(value & 255));
}

static void put_string(out *to, const char *words)
{
    size_t count = strlen(words);
    if (count > 65535) to->cut = 1;
    put_word(to, count);
    put(to, words, count);
}

/* The fixed header (2.2): type, flags, bytes to follow. */
static void put_head(out *to, int type, int flags, size_t left)
{
    put_byte(to, type << 4 | flags);
    if (left > 268435455) to->cut = 1;
    do {
        put_byte(to, (int)((left & 127) | (left > 127 ? 128 : 0)));
        left >>= 7;
    } while (left && !to->cut);
}

size_t tt_mqtt_connect(uint8_t *at, size_t room, const tt_mqtt_hello *hello)
{
    out to = {at, room, 0, 0};
    size_t left = 10 + 2 + strlen(hello->client_id) + 2 + strlen(hello->will_topic) + 2 + strlen(hello->will);
    int flags = 0x02 | 0x04 | 0x08 | 0x20; /* clean session; a will of QoS 1, retained */
    if (hello->user[0]) {
        flags |= 0x80 | 0x40;
        left += 4 + strlen(hello->user) + strlen(hello->password);
    }
    put_head(&to, CONNECT, 0, left);
    put_string(&to, "MQTT");
    put_byte(&to, 4);
    put_byte(&to, flags);
    put_word(&to, (size_t)hello->keep_alive_s);
    put_string(&to, hello->client_id);
    put_string(&to, hello->will_topic);
    put_string(&to, hello->will);
    if (hello->user[0]) {
        put_string(&to, hello->user);
        put_string(&to, hello->password);
    }
    return to.cut ? 0 : to.used;
}

size_t tt_mqtt_publish(uint8_t *at, size_t room, const char *topic, const char *message, size_t bytes, int qos,
                       int retain, int again, uint16_t packet)
{
    out to = {at, room, 0, 0};
    int flags = (qos && again ? 8 : 0) | qos << 1 | (retain ? 1 : 0);
    put_head(&to, PUBLISH, flags, 2 + strlen(topic) + (qos ? 2 : 0) + bytes);
    put_string(&to, topic);
    if (qos) put_word(&to, packet);
    put(&to, message, bytes);
    return to.cut ? 0 : to.used;
}

long tt_mqtt_parse(const uint8_t *from, size_t bytes, int *type, int *value)
{
    if (bytes < 1) return 0;
    *type = from[0] >> 4;
    size_t left = *type == CONNACK || *type == PUBACK ? 2 : 0;
    if ((from[0] & 15) || (!left && *type != PINGRESP)) return -1;
    if (bytes < 2) return 0;
    if (from[1] != left) return -1;
    if (bytes < 2 + left) return 0;
    *value = *type == CONNACK ? from[3] : *type == PUBACK ? from[2] << 8 | from[3] : 0;
    return (long)(2 + left);
}

/* --- the connection -------------------------------------------------------------------------------------------------- */

static int refuse(const char *expected, const char *got, tt_fault *fault)
{
    return tt_fail(fault, "network", "the MQTT broker", expected, got, "it is tried again");
}

static int drop(tt_mqtt *mqtt)
{
    if (mqtt->socket >= 0) close(mqtt->socket);
    mqtt->socket = -1;
    return 0;
}

static int say(tt_mqtt *mqtt, const uint8_t *bytes, size_t count, double until_s, tt_fault *fault)
{
    mqtt->sent_s = tt_now_s();
    return tt_send(mqtt->socket, bytes, count, until_s, fault) || drop(mqtt);
}

/* Waits for one packet of this type, and for this value unless -1; stray older acknowledgements are passed over. */
static int hear(tt_mqtt *mqtt, int type, int value, int *got_value, double until_s, tt_fault *fault)
{
    uint8_t came[4];
    size_t used = 0;
    for (;;) {
        int got_type;
        long size = tt_mqtt_parse(came, used, &got_type, got_value);
        if (size > 0 && got_type == type && (value < 0 || *got_value == value)) return 1;
        if (size > 0) used = 0;
        if (size < 0) {
            refuse("an acknowledgement", "something else", fault);
            return drop(mqtt);
        }
        size_t want = used < 2 ? 2 - used : (size_t)2 + came[1] - used; /* parse() has seen came[1] is at most 2 */
        long got = tt_receive(mqtt->socket, came + used, want, until_s, fault);
        if (got == 0) refuse("an acknowledgement", "the end of the connection", fault);
        if (got <= 0) return drop(mqtt);
        used += (size_t)got;
    }
}

int tt_mqtt_open(tt_mqtt *mqtt, const tt_url *url, const tt_mqtt_hello *hello, double timeout_s, tt_fault *fault)
{
    uint8_t packet[1024];
    double until_s = tt_now_s() + timeout_s;
    size_t bytes = tt_mqtt_connect(packet, sizeof packet, hello);
    int code;
    mqtt->socket = -1;
    if (!bytes) return refuse("names and password below 1 KiB", "longer ones", fault);
    mqtt->socket = tt_connect(url, 1883, until_s, fault);
    if (mqtt->socket < 0) return 0;
    if (!say(mqtt, packet, bytes, until_s, fault) || !hear(mqtt, CONNACK, -1, &code, until_s, fault)) return 0;
    if (code == 0) return 1;
    static const char *const reasons[] = {"", "another version of MQTT", "the client_id refused", "no service",
                                          "a wrong user or password", "no permission"};
    refuse("to be let in", code < 6 ? reasons[code] : "an unknown refusal", fault);
    return drop(mqtt);
}

int tt_mqtt_send(tt_mqtt *mqtt, const char *topic, const char *message, size_t bytes, int qos, int retain, int again,
                 double timeout_s, tt_fault *fault)
{
    uint8_t packet[TT_MQTT_PACKET];
    double until_s = tt_now_s() + timeout_s;
    if (qos && ++mqtt->packet == 0) mqtt->packet = 1;
    size_t count = tt_mqtt_publish(packet, sizeof packet, topic, message, bytes, qos, retain, again, mqtt->packet);
    int value;
    if (!count) return refuse("a message below 8 KiB", "a longer one", fault);
    return say(mqtt, packet, count, until_s, fault) &&
           (!qos || hear(mqtt, PUBACK, mqtt->packet, &value, until_s, fault));
}

int tt_mqtt_ping(tt_mqtt *mqtt, double timeout_s, tt_fault *fault)
{
    static const uint8_t packet[2] = {PINGREQ << 4, 0};
    double until_s = tt_now_s() + timeout_s;
    int value;
    return say(mqtt, packet, 2, until_s, fault) && hear(mqtt, PINGRESP, -1, &value, until_s, fault);
}

void tt_mqtt_close(tt_mqtt *mqtt)
{
    static const uint8_t packet[2] = {DISCONNECT << 4, 0};
    tt_fault fault;
    if (mqtt->socket >= 0) say(mqtt, packet, 2, tt_now_s() + 1.0, &fault);
    drop(mqtt);
}
