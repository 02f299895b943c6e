/* What is told, to an MQTT broker or an HTTP address; a broker that is away costs time-outs, never the telling.
 * Knows nothing of pictures. */
#ifndef TT_CAM_PUBLISH_H
#define TT_CAM_PUBLISH_H

#include "config.h"
#include "mqtt.h"

enum { TT_PUBLISH_EVENTS = 64, TT_PUBLISH_EVENT = 512, TT_PUBLISH_STATE = 6144 };

typedef struct {
    enum { TT_PUBLISH_NOWHERE, TT_PUBLISH_MQTT, TT_PUBLISH_HTTP } kind;
    const tt_config *config;
    tt_url url;
    char base[200], availability[232]; /* topics */
    tt_mqtt mqtt;
    double next_try_s, wait_s; /* when it is tried again, and how long it then waits */
    char events[TT_PUBLISH_EVENTS][TT_PUBLISH_EVENT];
    int first, count, lost; /* lost: events dropped because the queue was full */
    int again;              /* the first event may have arrived already */
    char state[TT_PUBLISH_STATE];
    int state_new;
    int (*greet)(void *context, tt_fault *fault); /* called once connected: announces what there is, by tt_publish_now */
    void *context;
} tt_publisher;

/* net: the default of the topic and the client's name. 0 with the fault when config->publish is no address. */
int tt_publish_begin(tt_publisher *publisher, const tt_config *config, const char *net, tt_fault *fault);

/* Keeps an event until it has been taken; the oldest goes when there are too many. */
void tt_publish_event(tt_publisher *publisher, const char *json);

/* What the states are now; only the newest is kept. */
void tt_publish_state(tt_publisher *publisher, const char *json);

/* A message of the moment: lost when nobody is there to take it. topic: below the base, or a whole one after a /. */
int tt_publish_now(tt_publisher *publisher, const char *topic, const char *json, int retain, tt_fault *fault);

/* Sends what waits. 0 with the fault when it could not; it is tried again later, less and less often. */
int tt_publish_drain(tt_publisher *publisher, tt_fault *fault);

void tt_publish_end(tt_publisher *publisher);

#endif
