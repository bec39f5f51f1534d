/* SPDX-License-Identifier: Apache-2.0 */
/* Giving a volume another name; its extent follows, its NAA and serial stay. */
#ifndef TNS_VOLUME_RENAME_H
#define TNS_VOLUME_RENAME_H

#include "volume/make.h"
#include "volume/resolve.h"

struct tns_rename {
    struct tns_storage *st;
    struct tns_vol *vol; /* under its old name; ds NULL when it has the new one already */
    struct tns_dataset_list *at;     /* what bears the new name, owned */
    struct tns_extent_list *extents; /* on the new name, owned   */
    const struct tns_dataset *ds;    /* the volume, wherever it is   */
    char old_zvol[TNS_ZVOL_CAP];
    char zvol[TNS_ZVOL_CAP];
    char volname[TNS_VOLNAME_CAP];
    char linkname[TNS_VOLNAME_CAP]; /* the old one on this node */
    bool was_mine; /* tagged before; else the tags are written by the first step */
    bool in_place; /* create_base on a release that cannot rename: tags only     */
    bool base;
    bool moved;
    bool noted; /* `next` was written by this run */
};

void tns__rename_clear(struct tns_rename *r);
#define _tns_rename_ __attribute__((cleanup(tns__rename_clear)))

/* Asks for old and new name in one trip and finds out how far an earlier run came. */
int tns__rename_find(struct tns_rename *r, const char *volname, const char *new_leaf,
                     struct tns_error *err);
int tns__rename_run(struct tns_rename *r, struct tns_error *err);

#endif
