/* SPDX-License-Identifier: Apache-2.0 */
/* Locks between the processes of this node; all are flocks, so a process that dies gives them back. */
#ifndef TNS_DEVICE_LOCK_H
#define TNS_DEVICE_LOCK_H

#include "device/device_priv.h"

/* Taken in this order: volume, LUN, then target or multipath for a moment. */
int tns__lock_volume(struct tns_node *node, const char *storeid, const char *linkname,
                     int *ret_fd, struct tns_error *err);
/* Whoever scans, judges or deletes devices of this LUN; two volumes may meet at a reused one. */
int tns__lock_lun(struct tns_node *node, const char *target_iqn, unsigned lun, int *ret_fd,
                  struct tns_error *err);
/* Whoever logs in to or out of a target, or edits its node records. */
int tns__lock_target(struct tns_node *node, const char *target_iqn, int *ret_fd,
                     struct tns_error *err);
/* Whoever counts on the sessions of a target while he looks for a LUN; many do at a time. */
int tns__lock_use(struct tns_node *node, const char *target_iqn, int *ret_fd,
                  struct tns_error *err);
/* Whoever ends them; fails at once while somebody counts on them. */
int tns__lock_end(struct tns_node *node, const char *target_iqn, int *ret_fd,
                  struct tns_error *err);
/* Whoever runs a multipath command. */
int tns__lock_multipath(struct tns_node *node, int *ret_fd, struct tns_error *err);

#endif
