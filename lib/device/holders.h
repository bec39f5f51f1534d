/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a block device on this node. */
#ifndef TNS_DEVICE_HOLDERS_H
#define TNS_DEVICE_HOLDERS_H

#include "device/device_priv.h"

struct tns__dm {
    char name[128]; /* as under /dev/mapper */
    char uuid[192]; /* "mpath-36589cfc..."  */
};
/* Of a dm-N. */
int tns__dm_read(struct tns_node *node, const char *dev, struct tns__dm *ret,
                 struct tns_error *err);
bool tns__is_dm_name(const char *s);
/* "3" and the NAA: what udev, multipathd and the device mapper call a LUN. */
#define TNS__WWID_TEXT 34
void tns__wwid_of(const char *naa, char ret[TNS__WWID_TEXT]);
/* True for the multipath map of that NAA. */
bool tns__dm_is_map_of(const struct tns__dm *dm, const char *naa);

/*
 * Looks for everything that uses dev, its partitions and their bare partition maps: other device
 * mapper devices, mounts, swap, open files. {holders: [..], openers: [..]} in words for people.
 * spare (NULL: none) is a map of dev itself that does not count.
 */
int tns__users_find(struct tns_node *node, const char *dev, const char *spare, json_t **ret,
                    struct tns_error *err);
/* The first words of such a list; NULL when nobody uses it. */
const char *tns__users_first(const json_t *users);
/* 0, or TNS_E_CONFLICT naming who uses dev. A process that has it open is given a moment to close it. */
int tns__users_none(struct tns_node *node, const char *dev, const char *spare,
                    const char *what, struct tns_error *err);

#endif
