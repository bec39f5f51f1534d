/* SPDX-License-Identifier: Apache-2.0 */
/* multipathd by its socket, and the list of WWIDs by its command: always one LUN, never a scan. */
#ifndef TNS_DEVICE_MULTIPATH_H
#define TNS_DEVICE_MULTIPATH_H

#include "device/holders.h"
#include "device/paths.h"

/* One command about one object; its reply is "ok" or TNS_E_DEVICE. Both are checked words. */
int tns__multipathd_do(struct tns_node *node, const char *verb, const char *object,
                       struct tns_error *err);
/* True when the map queues for ever when all its paths are gone. */
bool tns__multipathd_queues(struct tns_node *node, const char *map);

/* Is this WWID in multipath's list? A missing list is an empty one. */
int tns__wwid_listed(struct tns_node *node, const char *wwid, bool *ret,
                     struct tns_error *err);
/* multipath -a: without it, `find_multipaths strict` makes no map. */
int tns__wwid_add(struct tns_node *node, const char *wwid, bool *ret_added,
                  struct tns_error *err);
/* multipath -w. */
int tns__wwid_remove(struct tns_node *node, const char *wwid, struct tns_error *err);

/* ---- mpmap.c: the map itself ---- */

struct tns__mpmap {
    char dev[32];   /* dm-3 */
    char name[128]; /* below /dev/mapper */
};

/* The multipath map of that NAA that holds this device; false when none does. */
int tns__mpmap_of_path(struct tns_node *node, const char *dev, const char *naa,
                       struct tns__mpmap *ret, bool *ret_found, struct tns_error *err);
/* By /dev/mapper/<wwid>, for maps whose paths are gone. */
bool tns__mpmap_by_wwid(struct tns_node *node, const char *naa, struct tns__mpmap *ret);
/* Waits until there is a map of that NAA on these paths and udev has named it. */
int tns__mpmap_wait(struct tns_node *node, const struct tns__paths *paths, const char *naa,
                    struct tns__mpmap *ret, struct tns_error *err);
/* The paths that a map has now, as kernel names. */
int tns__mpmap_slaves(struct tns_node *node, const char *dm_dev, char ***ret,
                      struct tns_error *err);
/* Makes the map as large as its paths are, and waits until it is. */
int tns__mpmap_grow(struct tns_node *node, const struct tns__mpmap *map,
                    uint64_t size_bytes, struct tns_error *err);
/* Takes the map away; TNS_E_CONFLICT naming who uses it when that is why it stays. */
int tns__mpmap_remove(struct tns_node *node, const struct tns__mpmap *map,
                      struct tns_error *err);

#endif
