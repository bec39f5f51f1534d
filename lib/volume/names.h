/* SPDX-License-Identifier: Apache-2.0 */
/* The names that objects on the NAS get, and the limits they keep. */
#ifndef TNS_VOLUME_NAMES_H
#define TNS_VOLUME_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "tnstor.h"

/* Up to 25.04 the NAS takes dataset names of 200 bytes; a snapshot's name fits behind
 * that. */
#define TNS_ZVOL_MAX 200
#define TNS_ZVOL_CAP (TNS_ZVOL_MAX + 1)
#define TNS_DISK_CAP (TNS_ZVOL_CAP + 5)
#define TNS_EXTENT_CAP 65

/* Leaves that are ours but no volumes: being created, and clones of snapshots to read
 * from. */
#define TNS_STAGING_PREFIX "tnstor-new-"
#define TNS_TEMP_PREFIX "tnstor-snap-"

/* "<dataset>/<leaf>", checked again to be a direct child of the dataset and short
 * enough. */
int tns__zvol_name(const char *dataset, const char *leaf, char ret[TNS_ZVOL_CAP],
                   struct tns_error *err);
/* "zvol/<zvol>", as extents name it. */
bool tns__disk_name(const char *zvol, char ret[TNS_DISK_CAP]);
/* The leaf of a direct child of the dataset, borrowed from id; NULL when it is none. */
const char *tns__leaf_of(const char *dataset, const char *id);
/* Leaf plus 8 hex digits of the full path's hash, at most 64 bytes. */
bool tns__extent_name(const char *zvol, char ret[TNS_EXTENT_CAP]);
/* Leaf of the temporary clone of a snapshot for one node. */
bool tns__temp_leaf(const char *zvol, const char *snap, const char *node, char *ret,
                    size_t cap);

#endif
