/* SPDX-License-Identifier: Apache-2.0 */
/* A relay that falls silent after so many bytes of the server's. */
#ifndef TNS_T_WIRE_PROXY_H
#define TNS_T_WIRE_PROXY_H

#include <stddef.h>
#include <stdint.h>

struct proxy;

/* One connection to 127.0.0.1:target; from the server at most `limit` bytes get through. */
struct proxy *proxy_start(uint16_t target, size_t limit);
uint16_t proxy_port(const struct proxy *p);
/* Bytes of the server that got through; ends the relay. */
size_t proxy_stop(struct proxy *p);

#endif
