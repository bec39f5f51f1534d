/* SPDX-License-Identifier: Apache-2.0 */
/* What the NAS knows of one volume, asked for in one trip. */
#ifndef TNS_VOLUME_RESOLVE_H
#define TNS_VOLUME_RESOLVE_H

#include "nas/nas.h"
#include "volume/storage.h"
#include "volume/tag.h"

enum tns_resolve_flag {
    TNS_R_SNAPSHOTS = 1u << 0,
    TNS_R_CLONES = 1u << 1,
    TNS_R_TARGETS = 1u << 2, /* all mappings, all targets */
    TNS_R_EXTENTS = 1u << 3, /* of its zvol; with TARGETS only */
    TNS_R_EXPORT = TNS_R_TARGETS | TNS_R_EXTENTS,
    TNS_R_ANY = 1u << 4, /* whatever volume its tags say that this zvol is */
};

/* Of each candidate name there is one; a base may live in a zvol that kept its vm- name. */
#define TNS_CANDIDATES 2

struct tns_vol {
    struct tns_volname name;
    char zvol[TNS_ZVOL_CAP]; /* where it is, or would be */
    enum tns_whose whose;
    struct tns_dataset *parent;      /* the storage's dataset, owned     */
    const struct tns_dataset *ds;    /* NULL: there is no such zvol      */
    const struct tns_extent *extent; /* NULL: none                       */
    const struct tns_mapping *mapping;
    const struct tns_target *target; /* of mapping                       */
    size_t chosen;                   /* which candidate it is            */

    struct tns_dataset_list *datasets;
    struct tns_snapshot_list *snaps[TNS_CANDIDATES];
    struct tns_dataset_list *clones[TNS_CANDIDATES];
    struct tns_extent_list *extents[TNS_CANDIDATES];
    struct tns_mapping_list *mappings;
    struct tns_target_list *targets;
};

void tns__vol_free(struct tns_vol *vol);
void tns__vol_freep(struct tns_vol **vol);
#define _tns_vol_ __attribute__((cleanup(tns__vol_freep)))

/*
 * An absent zvol is success with ds NULL; the storage's dataset missing is an error. A
 * zvol that is there and not ours is TNS_E_FOREIGN, unless it is one of the old plugin's
 * that we may use.
 */
int tns__vol_resolve(struct tns_storage *st, const char *volname, unsigned flags,
                     struct tns_vol **ret, struct tns_error *err);
/* The same with more calls in the same trip; what they answer is the caller's. */
typedef void (*tns_more_fn)(struct tns_batch *b, void *user);
int tns__vol_resolve_more(struct tns_storage *st, const char *volname, unsigned flags,
                          tns_more_fn more, void *user, struct tns_vol **ret,
                          struct tns_error *err);
/* The same for a leaf outside the grammar (temporary clones), and without judging whose
 * it is. */
int tns__vol_resolve_leaf(struct tns_storage *st, const struct tns_volname *name,
                          unsigned flags, tns_more_fn more, void *user,
                          struct tns_vol **ret, struct tns_error *err);

/* The error for a storage whose dataset is not there: pool exported, or dataset missing. */
int tns__parent_missing(struct tns_storage *st, struct tns_error *err);
/* After a batch that asked for the dataset by call: its absence becomes that error. */
int tns__batch_parent(struct tns_storage *st, const struct tns_batch *b, int call, int rc,
                      struct tns_error *err);

/* Absent: TNS_E_NOTFOUND. Being created or deleted: TNS_E_CONFLICT. Locked:
 * TNS_E_LOCKED. */
int tns__vol_usable(struct tns_storage *st, const struct tns_vol *vol,
                    struct tns_error *err);
/* The one spelling that PVE knows it by. */
int tns__vol_volname(const struct tns_vol *vol, char ret[TNS_VOLNAME_CAP],
                     struct tns_error *err);

/* Finds what is exported of this zvol: more than one extent on it is TNS_E_CONFLICT. */
int tns__export_find(const char *zvol, const struct tns_extent_list *extents,
                     const struct tns_mapping_list *mappings,
                     const struct tns_target_list *targets,
                     const struct tns_extent **ret_extent,
                     const struct tns_mapping **ret_mapping,
                     const struct tns_target **ret_target, struct tns_error *err);
/* Is this the target that the section names? */
bool tns__target_is(const struct tns_target *target, const char *iqn);
/* Is it the section's, or one of its further ones `<first>-tn<k>`? */
bool tns__target_is_ours(const struct tns_storage *st, const struct tns_target *target);
/* The section's first target, by target_iqn or by its alias; NULL when there is none. */
const struct tns_target *tns__target_first(const struct tns_storage *st,
                                           const struct tns_target_list *targets);
/* "tnstor <owner> <storeid>": the alias of targets that are ours. */
bool tns__target_alias(const struct tns_storage *st, char *ret, size_t cap);
/* That one, or with the first number behind it that no target bears yet. */
bool tns__target_alias_free(const struct tns_storage *st,
                            const struct tns_target_list *targets, char *ret, size_t cap);

/* ---- volumes of the old plugin ---- */

/* Named for a VM, a zvol, not one of its helpers. */
bool tns__legacy_named(const struct tns_storage *st, const struct tns_dataset *ds,
                       struct tns_volname *ret);
/* Do the tags below the dataset say that another owner or section uses it, too? */
bool tns__dataset_is_shared(const struct tns_storage *st,
                            const struct tns_dataset_list *children);

#endif
