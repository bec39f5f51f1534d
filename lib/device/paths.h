/* SPDX-License-Identifier: Apache-2.0 */
/* The SCSI devices through which this node sees one LUN. */
#ifndef TNS_DEVICE_PATHS_H
#define TNS_DEVICE_PATHS_H

#include "device/session.h"
#include "device/wait.h"

#define TNS__PATHS_MAX 32u

struct tns__path {
    unsigned host, target_id, lun; /* the channel is 0 with iSCSI        */
    char dev[32];                  /* sdc; "" while the kernel has none  */
    bool is_new;                   /* appeared by our scan               */
    struct tns_addr portal;
    bool has_portal;
    struct tns_scsi_id id; /* what it answered when it was asked, unless: */
    struct tns_error err;  /* why there is no answer                      */
};

struct tns__paths {
    struct tns__path p[TNS__PATHS_MAX];
    size_t n;
};

/* A path known by its kernel name only: a slave of a map, the device of a single path. */
int tns__paths_add_dev(struct tns_node *node, struct tns__paths *paths, const char *dev,
                       struct tns_error *err);
const struct tns__path *tns__paths_find(const struct tns__paths *paths, const char *dev);

/* What the kernel has of this LUN on these sessions now; nothing is scanned. */
int tns__paths_collect(struct tns_node *node, const struct tns__sessions *sessions,
                       unsigned lun, struct tns__paths *ret, struct tns_error *err);
/* The same, and on each session that is up and has no such device, exactly host:channel:id:lun is
 * scanned and its block device waited for. */
int tns__paths_scan(struct tns_node *node, const struct tns__sessions *sessions,
                    unsigned lun, struct tns__paths *ret, struct tns_error *err);

/* Asks every path who it is: id or err of each. Without with_serial the serial may stay "". */
void tns__paths_identify(struct tns_node *node, struct tns__paths *paths, bool with_serial);

/* The kernel's own idea of the size, in bytes; 0 while it has none. */
int tns__dev_size(struct tns_node *node, const char *dev, uint64_t *ret,
                  struct tns_error *err);
/* True when kernel or udev still hold the identity or block size of an earlier owner of the LUN. */
bool tns__path_is_stale(struct tns_node *node, const struct tns__path *path);
/* The NAA that the kernel remembers; false when it has none. */
bool tns__path_cached_naa(struct tns_node *node, const struct tns__path *path,
                          char ret[33]);

/* Removes this very SCSI device from the kernel; one that is gone already is success. */
int tns__path_delete(struct tns_node *node, const struct tns__path *path,
                     struct tns_error *err);
/* Makes the kernel read the capacity again. */
int tns__path_rescan(struct tns_node *node, const struct tns__path *path,
                     struct tns_error *err);

/* ---- attr.c ---- */

/* Writes a sysfs attribute that may block: in a child, within the deadline. */
int tns__attr_write(struct tns_node *node, const char *path, const char *text,
                    struct tns_error *err);

#endif
