/* SPDX-License-Identifier: Apache-2.0 */
/* Leftovers of an earlier owner of a LUN number: removed if nobody holds them, else named. */
#ifndef TNS_DEVICE_PURGE_H
#define TNS_DEVICE_PURGE_H

#include "device/multipath.h"

struct tns__purge {
    unsigned removed;
};

/*
 * paths have been asked. Those that show that kernel, udev or a map remember another identity than
 * the LUN has now are deleted, with the map that holds them when nobody uses it. One that is held is
 * TNS_E_IDENTITY and names the holder. Devices that are plainly another volume's stay.
 */
int tns__purge_stale(struct tns_node *node, const struct tns_want *want,
                     const struct tns__sessions *sessions, const struct tns__paths *paths,
                     struct tns__purge *ret, struct tns_error *err);

/* Makes the kernel see the new size of a path, and waits until it does. */
int tns__path_grow(struct tns_node *node, const struct tns__path *path, uint64_t size_bytes,
                   struct tns_error *err);

#endif
