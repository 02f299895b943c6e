/* An MQTT 3.1.1 client that only publishes (OASIS standard, 29 October 2014): QoS 0 and 1, retained messages, a will.
 * Waits for each acknowledgement before the next message, so order holds and one packet is ever in flight. */
#ifndef TT_CAM_MQTT_H
#define TT_CAM_MQTT_H

#include "link.h"

typedef struct {
    const char *client_id, *user, *password; /* user "" for none */
    const char *will_topic, *will;           /* retained by the broker when we vanish */
    int keep_alive_s;
} tt_mqtt_hello;

typedef struct {
    int socket; /* -1: not connected */
    uint16_t packet;
    double sent_s; /* when we last sent anything */
} tt_mqtt;

enum { TT_MQTT_PACKET = 8192 };

/* --- packets: bytes written, or 0 when room is too small. Pure. --- */
size_t tt_mqtt_connect(uint8_t *to, size_t room, const tt_mqtt_hello *hello);
size_t tt_mqtt_publish(uint8_t *to, size_t room, const char *topic, const char *message, size_t bytes, int qos,
                       int retain, int again, uint16_t packet);

/* The packet at the start of what came. Returns its bytes, 0 when more is needed, -1 when it is none that a broker
 * sends to a client that only publishes. type: 2 CONNACK, 4 PUBACK, 13 PINGRESP. value: return code, packet. */
long tt_mqtt_parse(const uint8_t *from, size_t bytes, int *type, int *value);

/* --- the connection: 0 with the fault, and then it is closed. --- */
int tt_mqtt_open(tt_mqtt *mqtt, const tt_url *url, const tt_mqtt_hello *hello, double timeout_s, tt_fault *fault);
int tt_mqtt_send(tt_mqtt *mqtt, const char *topic, const char *message, size_t bytes, int qos, int retain, int again,
                 double timeout_s, tt_fault *fault);
int tt_mqtt_ping(tt_mqtt *mqtt, double timeout_s, tt_fault *fault);
void tt_mqtt_close(tt_mqtt *mqtt);

#endif
