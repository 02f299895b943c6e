/* A TCP connection that never waits beyond a deadline, and the address it goes to. Knows nothing of what is said.
 *
 * A static program cannot load the resolver of the C library, so a host is an IPv4 or IPv6 address, `localhost` or a
 * name in /etc/hosts. */
#ifndef TT_CAM_LINK_H
#define TT_CAM_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* scheme://[user[:password]@]host[:port][/path]; path without its first slash. */
typedef struct {
    char scheme[8], user[64], password[64], host[128], path[256];
    int port; /* 0: not given */
} tt_url;

/* what: how to call it in a fault. 0 with the fault when it is none. */
int tt_url_parse(tt_url *url, const char *words, const char *what, tt_fault *fault);

/* Seconds on a clock that never steps. */
double tt_now_s(void);

/* The socket, or -1 with the fault. until_s: tt_now_s() by which it must stand. */
int tt_connect(const tt_url *url, int default_port, double until_s, tt_fault *fault);

/* All of it, or 0 with the fault. */
int tt_send(int socket, const void *data, size_t bytes, double until_s, tt_fault *fault);

/* What has come, at most room bytes; 0 at the end; -1 with the fault. */
long tt_receive(int socket, void *data, size_t room, double until_s, tt_fault *fault);

#endif
