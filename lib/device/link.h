/* SPDX-License-Identifier: Apache-2.0 */
/* /dev/tnstor/<storeid>/<linkname>: there only after proof, and read before anything else. */
#ifndef TNS_DEVICE_LINK_H
#define TNS_DEVICE_LINK_H

#include "device/multipath.h"

enum tns__link_kind {
    TNS__LINK_NONE,
    TNS__LINK_MAP,  /* /dev/mapper/<name>         */
    TNS__LINK_DISK, /* /dev/disk/by-diskseq/<n>   */
    TNS__LINK_DEAD, /* what it pointed at is gone */
};

struct tns__link {
    enum tns__link_kind kind;
    char target[256];
    char name[128]; /* of the map */
    char dev[32];   /* dm-3 or sdc */
};

int tns__link_read(struct tns_node *node, const char *storeid, const char *linkname,
                   struct tns__link *ret, struct tns_error *err);
int tns__link_place_map(struct tns_node *node, const struct tns_want *want,
                        const struct tns__mpmap *map, char ret[512], struct tns_error *err);
/* Waits until udev has named this very device by its disk sequence number. */
int tns__link_place_disk(struct tns_node *node, const struct tns_want *want,
                         const char *dev, char ret[512], struct tns_error *err);
int tns__link_remove(struct tns_node *node, const char *storeid, const char *linkname,
                     struct tns_error *err);

#endif
