/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a volume away, top-down; shared by free, temporary clones and reconcile. */
#ifndef TNS_VOLUME_FREE_H
#define TNS_VOLUME_FREE_H

#include "volume/resolve.h"
#include "volume/storage.h"

/* "-" for '/', "@snap" behind: the last part of the path below /dev/tnstor/<storeid>. */
bool tns__linkname(const char *volname, const char *snap, char ret[TNS_VOLNAME_CAP]);

/*
 * The plan of removal, from whatever is left of it: local devices, state=deleting,
 * mapping, extent, snapshots, zvol. vol was resolved with all flags; what must not go
 * (clones, holds) was checked by tns__free_check. linkname NULL: it was never mapped here.
 */
int tns__free_run(struct tns_storage *st, struct tns_vol *vol, const char *what,
                  const char *linkname, struct tns_error *err);
/* TNS_E_CONFLICT naming the clones or the held snapshots. */
int tns__free_check(const struct tns_storage *st, const struct tns_vol *vol,
                    struct tns_error *err);

/* ---- detach.c: what this node has of it ---- */

/* TNS_E_CONFLICT naming who holds it, under whichever spelling of its name (vol, may be NULL, tells its NAA). */
int tns__detach_check(struct tns_storage *st, const struct tns_vol *vol,
                      const char *linkname, struct tns_error *err);
/* Unmaps it here; not mapped is success. Its record stays: with the API away it can be mapped again. */
int tns__detach(struct tns_storage *st, const char *linkname, bool logout,
                struct tns_error *err);
/* The same, with its other spellings, for a volume that goes, or goes by another name: nothing is remembered
 * of it. */
int tns__detach_for_good(struct tns_storage *st, const struct tns_vol *vol,
                         const char *linkname, bool logout, struct tns_error *err);

#endif
