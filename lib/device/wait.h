/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the kernel and udev: woken by uevents, bounded, and right without them too. */
#ifndef TNS_DEVICE_WAIT_H
#define TNS_DEVICE_WAIT_H

#include <stdbool.h>

#include "device/device_priv.h"

/* Open it before the thing is started that is to be waited for. */
struct tns__uevent {
    int fd; /* -1: no events here, the wait looks by itself */
};
void tns__uevent_open(struct tns__uevent *ue);
void tns__uevent_close(struct tns__uevent *ue);
#define _tns_uevent_ __attribute__((cleanup(tns__uevent_close)))

/* 1: it is so; 0: not yet; -code: it will never be. */
typedef int (*tns__wait_fn)(void *user, struct tns_error *err);

/* Asks `is_so` after every uevent, and at growing intervals besides. TNS_E_TIMEOUT after max_ms or at
 * the deadline, whichever is first. */
int tns__wait_for(struct tns_node *node, struct tns__uevent *ue, unsigned max_ms,
                  const char *what, tns__wait_fn is_so, void *user, struct tns_error *err);

#endif
