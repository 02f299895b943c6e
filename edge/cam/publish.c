#include "publish.h"

#include <stdio.h>
#include <string.h>

#include "http.h"

enum { WAIT_MAX_S = 60 };

int tt_publish_begin(tt_publisher *publisher, const tt_config *config, const char *net, tt_fault *fault)
{
    memset(publisher, 0, sizeof *publisher);
    publisher->config = config;
    publisher->mqtt.socket = -1;
    if (!config->publish[0]) return 1;
    if (!tt_url_parse(&publisher->url, config->publish, "publish", fault)) return 0;
    if (!strcmp(publisher->url.scheme, "mqtt"))
        publisher->kind = TT_PUBLISH_MQTT;
    else if (!strcmp(publisher->url.scheme, "http"))
        publisher->kind = TT_PUBLISH_HTTP;
    else
        return tt_fail(fault, "config", "publish", "mqtt:// or http://", config->publish, "see docs/camera.md");
    if (publisher->url.path[0] && publisher->kind == TT_PUBLISH_MQTT)
        snprintf(publisher->base, sizeof publisher->base, "%.199s", publisher->url.path);
    else
        snprintf(publisher->base, sizeof publisher->base, "telltale/%.180s", net);
    if (strpbrk(publisher->base, "#+"))
        return tt_fail(fault, "config", "publish", "a topic without # and +", publisher->base, "see docs/camera.md");
    snprintf(publisher->availability, sizeof publisher->availability, "%s/availability", publisher->base);
    return 1;
}

void tt_publish_event(tt_publisher *publisher, const char *json)
{
    if (publisher->kind == TT_PUBLISH_NOWHERE) return;
    if (publisher->count == TT_PUBLISH_EVENTS) {
        publisher->first = (publisher->first + 1) % TT_PUBLISH_EVENTS;
        publisher->count--;
        publisher->lost++;
        publisher->again = 0;
    }
    char *to = publisher->events[(publisher->first + publisher->count++) % TT_PUBLISH_EVENTS];
    snprintf(to, TT_PUBLISH_EVENT, "%s", json);
}

void tt_publish_state(tt_publisher *publisher, const char *json)
{
    snprintf(publisher->state, sizeof publisher->state, "%s", json);
    publisher->state_new = 1;
}

static int later(tt_publisher *publisher)
{
    publisher->wait_s = publisher->wait_s > 0 ? publisher->wait_s * 2 : 1;
    if (publisher->wait_s > WAIT_MAX_S) publisher->wait_s = WAIT_MAX_S;
    publisher->next_try_s = tt_now_s() + publisher->wait_s;
    return 0;
}

static int send_one(tt_publisher *publisher, const char *topic, const char *json, int qos, int retain, int again,
                    tt_fault *fault)
{
    char whole[512];
    double timeout_s = publisher->config->timeout_s;
    if (publisher->kind == TT_PUBLISH_HTTP)
        return tt_http_post(&publisher->url, timeout_s, json, strlen(json), fault) || later(publisher);
    if (topic[0] == '/')
        snprintf(whole, sizeof whole, "%s", topic + 1);
    else
        snprintf(whole, sizeof whole, "%s/%s", publisher->base, topic);
    return tt_mqtt_send(&publisher->mqtt, whole, json, strlen(json), qos, retain, again, timeout_s, fault) ||
           later(publisher);
}

static int is_there(const tt_publisher *publisher)
{
    return publisher->kind == TT_PUBLISH_HTTP || publisher->mqtt.socket >= 0;
}

int tt_publish_now(tt_publisher *publisher, const char *topic, const char *json, int retain, tt_fault *fault)
{
    if (publisher->kind == TT_PUBLISH_NOWHERE || !is_there(publisher) || tt_now_s() < publisher->next_try_s) return 1;
    return send_one(publisher, topic, json, retain ? publisher->config->qos : 0, retain, 0, fault);
}

static int keep_alive_s(const tt_config *config)
{
    double twice = config->interval_s * 2 + 30;
    return twice > 65000 ? 65000 : (int)twice;
}

/* Connected, or tried to. */
static int meet(tt_publisher *publisher, tt_fault *fault)
{
    const tt_config *config = publisher->config;
    if (publisher->mqtt.socket >= 0) {
        if (tt_now_s() - publisher->mqtt.sent_s < keep_alive_s(config) / 2.0) return 1;
        return tt_mqtt_ping(&publisher->mqtt, config->timeout_s, fault) || later(publisher);
    }
    tt_mqtt_hello hello = {config->client_id,      publisher->url.user, publisher->url.password,
                           publisher->availability, "offline",           keep_alive_s(config)};
    if (!tt_mqtt_open(&publisher->mqtt, &publisher->url, &hello, config->timeout_s, fault)) return later(publisher);
    publisher->state_new = publisher->state[0] != 0; /* whatever changed while we were away */
    if (!send_one(publisher, "availability", "online", config->qos, 1, 0, fault)) return 0;
    return !publisher->greet || publisher->greet(publisher->context, fault);
}

int tt_publish_drain(tt_publisher *publisher, tt_fault *fault)
{
    int qos = publisher->config->qos;
    if (publisher->kind == TT_PUBLISH_NOWHERE || tt_now_s() < publisher->next_try_s) return 1;
    if (publisher->kind == TT_PUBLISH_MQTT && !meet(publisher, fault)) return 0;
    while (publisher->count) {
        if (!send_one(publisher, "event", publisher->events[publisher->first], qos, 0, publisher->again, fault)) {
            publisher->again = 1;
            return 0;
        }
        publisher->again = 0;
        publisher->first = (publisher->first + 1) % TT_PUBLISH_EVENTS;
        publisher->count--;
    }
    if (publisher->state_new && publisher->kind == TT_PUBLISH_MQTT) {
        if (!send_one(publisher, "state", publisher->state, qos, 1, 0, fault)) return 0;
        publisher->state_new = 0;
    }
    publisher->wait_s = 0;
    return 1;
}

void tt_publish_end(tt_publisher *publisher)
{
    tt_fault fault;
    if (publisher->mqtt.socket >= 0) send_one(publisher, "availability", "offline", publisher->config->qos, 1, 0, &fault);
    tt_mqtt_close(&publisher->mqtt);
}
