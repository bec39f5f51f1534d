/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary read-only clones of snapshots, which PVE maps to read from and may forget. */
#ifndef TNS_VOLUME_TEMPCLONE_H
#define TNS_VOLUME_TEMPCLONE_H

#include "volume/resolve.h"
#include "volume/storage.h"

/* Is it a temporary clone of ours? */
bool tns__is_temp(const struct tns_storage *st, const struct tns_dataset *ds);

/*
 * Of these clones (the type of those that were removed becomes 0) removes the
 * temporary ones of this node that nothing uses; one that is in use, or another node's, is
 * TNS_E_CONFLICT naming the node. snap not NULL: only clones of that snapshot.
 */
int tns__temp_remove_idle(struct tns_storage *st, struct tns_dataset_list *clones,
                          const char *snap, struct tns_error *err);

/* Makes the clone of this node, or finds it, and resolves it like a volume, with the
 * caller's calls in the same trip. */
int tns__temp_make(struct tns_storage *st, const char *volname, const char *snap,
                   tns_more_fn more, void *user, struct tns_vol **ret,
                   struct tns_error *err);
/* Removes this node's clone of that snapshot; none is success. */
int tns__temp_unmake(struct tns_storage *st, const struct tns_volname *name,
                     const char *snap, const char *linkname, struct tns_error *err);
/* Removes this node's idle clones: asks the NAS only when a record of this node names
 * one. */
int tns__temp_tidy(struct tns_storage *st, unsigned *ret_removed, struct tns_error *err);

#endif
