/* SPDX-License-Identifier: Apache-2.0 */
/* Everything this node still has of one volume, found without asking any device. */
#ifndef TNS_DEVICE_LOCATE_H
#define TNS_DEVICE_LOCATE_H

#include "device/link.h"

/* What is known of a volume that may be gone from the NAS, or have no link any more. */
struct tns__known {
    const char *storeid, *linkname;
    const char *target_iqn; /* NULL: not known */
    unsigned lun;
    char naa[33]; /* "": not known */
};

struct tns__located {
    struct tns__link link;
    bool has_map;
    struct tns__mpmap map;
    struct tns__sessions sessions;
    struct tns__paths
        paths; /* of the map, of the link, and those of the LUN that say they are ours */
};

/* From the want, completed by this node's record; names alone are enough. */
int tns__known_make(struct tns_node *node, const struct tns_want *want,
                    struct tns_record *record, struct tns__known *ret,
                    struct tns_error *err);
int tns__locate(struct tns_node *node, const struct tns__known *known,
                struct tns__located *ret, struct tns_error *err);
/* The device that users would have open: dm-3, or sdc; NULL when there is none. */
const char *tns__located_dev(const struct tns__located *at);

/* ---- unmap.c ---- */

/* Takes all of it away, from whatever is left; refuses while it is used. */
int tns__remove_located(struct tns_node *node, const struct tns__known *known,
                        struct tns__located *at, struct tns_error *err);

#endif
