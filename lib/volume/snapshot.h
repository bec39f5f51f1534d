/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of a resolved volume, for the operations that need them. */
#ifndef TNS_VOLUME_SNAPSHOT_H
#define TNS_VOLUME_SNAPSHOT_H

#include "volume/resolve.h"

/* The snapshot that templates are cloned from. */
#define TNS_BASE_SNAP "__base__"

/* Borrowed from vol, which was resolved with TNS_R_SNAPSHOTS; NULL when there is none. */
const struct tns_snapshot *tns__snapshot_find(const struct tns_vol *vol, const char *snap);
/* tns__vol_resolve with the snapshot's name checked first. */
int tns__snapshot_resolve(struct tns_storage *st, const char *volname, const char *snap,
                          unsigned flags, struct tns_vol **ret, struct tns_error *err);
/* Clones (resolved with TNS_R_CLONES) or holds: TNS_E_CONFLICT naming them. */
int tns__snapshot_clones_check(const struct tns_storage *st, const struct tns_vol *vol,
                               const struct tns_snapshot *snap, struct tns_error *err);
/* One-step plans: read back by this operation's own id after a lost reply. */
int tns__snapshot_make(struct tns_storage *st, const char *zvol, const char *snap,
                       struct tns_error *err);
int tns__snapshot_remove(struct tns_storage *st, const char *zvol, const char *snap,
                         struct tns_error *err);

#endif
