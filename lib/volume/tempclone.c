/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary read-only clones: made for one node, shared by its processes, gone when
 * idle. */
#include "volume/tempclone.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/free.h"
#include "volume/make.h"
#include "volume/pin.h"
#include "volume/snapshot.h"
#include "volume/tag.h"

#define TEMP_YOUNG_S 600

bool tns__is_temp(const struct tns_storage *st, const struct tns_dataset *ds)
{
    const char *leaf = tns__leaf_of(st->opt.dataset, ds->id);

    return leaf && tns__starts_with(leaf, TNS_TEMP_PREFIX) &&
           tns__tag_whose(st, ds) == TNS_WHOSE_MINE &&
           tns__dataset_tag(ds, TNS_TAG_SNAPSHOT);
}

/* The name under which it is linked on its node: "<volname>@<snap>". */
static int temp_linkname(const struct tns_dataset *ds, char ret[TNS_VOLNAME_CAP],
                         struct tns_error *err)
{
    const char *volname = tns__dataset_tag(ds, TNS_TAG_VOLNAME);

    if (!volname || !tns__linkname(volname, NULL, ret))
        return tns__error_set(err, TNS_E_CONFLICT, "%s does not say what it is a clone of",
                              ds->id);
    return 0;
}

static int temp_resolve(struct tns_storage *st, const char *leaf, struct tns_vol **ret,
                        struct tns_error *err)
{
    struct tns_volname name = { 0 };

    if (!tns__fmt(name.leaf, sizeof(name.leaf), "%s", leaf))
        return tns__error_set(err, TNS_E_BUG, "no room for a leaf");
    return tns__vol_resolve_leaf(st, &name, TNS_R_ANY | TNS_R_EXPORT | TNS_R_SNAPSHOTS,
                                 NULL, NULL, ret, err);
}

static int temp_destroy(struct tns_storage *st, const char *leaf, const char *linkname,
                        struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    int rc = temp_resolve(st, leaf, &vol, err);

    if (rc || (!vol->ds && !vol->extent))
        return rc;
    if (vol->ds && !tns__is_temp(st, vol->ds))
        return tns__error_set(err, TNS_E_FOREIGN, "%s is no temporary clone of ours",
                              vol->zvol);
    return tns__free_run(st, vol, "remove the temporary clone", linkname, err);
}

static bool of_snapshot(const struct tns_dataset *ds, const char *snap)
{
    const char *at = ds->origin ? strrchr(ds->origin, '@') : NULL;

    return !snap || (at && strcmp(at + 1, snap) == 0);
}

static int remove_one(struct tns_storage *st, const struct tns_dataset *ds,
                      struct tns_error *err)
{
    const char *node = tns__dataset_tag(ds, TNS_TAG_NODE);
    char linkname[TNS_VOLNAME_CAP];
    int rc = temp_linkname(ds, linkname, err);

    if (rc)
        return rc;
    if (!node || strcmp(node, st->opt.node) != 0)
        return tns__error_set(err, TNS_E_CONFLICT,
                              "node '%s' reads from snapshot %s: deactivate "
                              "%s there, or run `tnctl gc` on it",
                              node ? node : "?", tns__dataset_tag(ds, TNS_TAG_SNAPSHOT),
                              linkname);
    rc = tns__detach_check(st, NULL, linkname, err);
    if (rc)
        return tns__error_prefix(err, "on node '%s'", node);
    return temp_destroy(st, tns__leaf_of(st->opt.dataset, ds->id), linkname, err);
}

int tns__temp_remove_idle(struct tns_storage *st, struct tns_dataset_list *clones,
                          const char *snap, struct tns_error *err)
{
    size_t i;

    for (i = 0; i < clones->n; i++) {
        struct tns_dataset *ds = &clones->items[i];
        int rc;

        if (!tns__is_temp(st, ds) || !of_snapshot(ds, snap))
            continue;
        rc = remove_one(st, ds, err);
        if (rc)
            return rc;
        ds->type = 0;
    }
    return 0;
}

/* ---- made and unmade by map and unmap ---- */

static int temp_create(struct tns_storage *st, const struct tns_vol *vol, const char *leaf,
                       const char *volname, const char *snap, struct tns_error *err)
{
    char label[TNS_VOLNAME_CAP];
    _tns_make_ struct tns_make m = {
        .origin = vol->zvol, .origin_snap = snap, .readonly = true, .tag_snapshot = snap
    };
    int rc = tns__make_init(&m, st, "clone to read from", err);

    if (rc == 0)
        rc = tns__zvol_name(st->opt.dataset, leaf, m.zvol, err);
    if (rc == 0 && !tns__fmt(label, sizeof(label), "%s@%s", volname, snap))
        rc = tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
    if (rc)
        return rc;
    strcpy(m.volname, label);
    return tns__make_run(&m, err);
}

/* A clone that is there, whole or half: whole ones are shared, half ones made anew. */
static int temp_take(struct tns_storage *st, const struct tns_vol *source, const char *leaf,
                     const char *volname, const char *snap, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *temp = NULL;
    char linkname[TNS_VOLNAME_CAP];
    bool at_work = false;
    int rc = temp_resolve(st, leaf, &temp, err);

    if (rc)
        return rc;
    if (temp->ds && !tns__is_temp(st, temp->ds))
        return tns__error_set(err, TNS_E_EXISTS, "%s exists, and is no clone of ours",
                              temp->zvol);
    if (temp->ds && tns__tag_state(temp->ds) == TNS_STATE_READY && temp->mapping)
        return 0;
    if (temp->ds) {
        rc = tns__at_work_ask(st, temp->ds, &at_work, err);
        if (rc)
            return rc;
        if (at_work)
            return tns__error_set(err, TNS_E_BUSY, "another process is at work on %s",
                                  temp->zvol);
    }
    if (temp->ds || temp->extent) {
        if (!tns__linkname(volname, snap, linkname))
            return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
        rc = tns__free_run(st, temp, "remove half a clone", linkname, err);
    }
    return rc ? rc : temp_create(st, source, leaf, volname, snap, err);
}

static int temp_leaf(const struct tns_storage *st, const char *zvol, const char *snap,
                     char leaf[TNS_LEAF_CAP], struct tns_error *err)
{
    if (!tns__temp_leaf(zvol, snap, st->opt.node, leaf, TNS_LEAF_CAP))
        return tns__error_set(err, TNS_E_BUG, "no room for a leaf");
    return 0;
}

int tns__temp_make(struct tns_storage *st, const char *volname, const char *snap,
                   tns_more_fn more, void *user, struct tns_vol **ret,
                   struct tns_error *err)
{
    _tns_vol_ struct tns_vol *source = NULL;
    struct tns_volname name = { 0 };
    int rc = tns__vol_resolve(st, volname, TNS_R_SNAPSHOTS, &source, err);

    if (rc == 0)
        rc = tns__vol_usable(st, source, err);
    if (rc == 0 && !tns__snapshot_find(source, snap))
        rc = tns__error_set(err, TNS_E_NOTFOUND, "volume '%s' has no snapshot '%s'",
                            volname, snap);
    if (rc == 0)
        rc = temp_leaf(st, source->zvol, snap, name.leaf, err);
    if (rc == 0)
        rc = temp_take(st, source, name.leaf, volname, snap, err);
    if (rc)
        return rc;
    return tns__vol_resolve_leaf(st, &name, TNS_R_ANY | TNS_R_EXPORT, more, user, ret, err);
}

int tns__temp_unmake(struct tns_storage *st, const struct tns_volname *name,
                     const char *snap, const char *linkname, struct tns_error *err)
{
    char zvol[TNS_ZVOL_CAP];
    char leaf[TNS_LEAF_CAP];
    int rc = tns__zvol_name(st->opt.dataset, name->leaf, zvol, err);

    if (rc == 0)
        rc = temp_leaf(st, zvol, snap, leaf, err);
    return rc ? rc : temp_destroy(st, leaf, linkname, err);
}

/* ---- tidying up ---- */

static bool knows_clones(struct tns_storage *st)
{
    _tns_strv_ char **names = NULL;
    size_t i;

    if (tns__sysroot_list(st->sr, &names, NULL, "/var/lib/tnstor/%s", st->opt.storeid))
        return false;
    for (i = 0; names[i]; i++)
        if (strchr(names[i], '@'))
            return true;
    return false;
}

int tns__temp_tidy(struct tns_storage *st, unsigned *ret_removed, struct tns_error *err)
{
    struct tns_dataset_filter filter = { .parent = st->opt.dataset, .with_tags = true };
    struct tns_dataset_list *list = NULL;
    int64_t now = 0;
    size_t i;
    int rc;

    if (!knows_clones(st))
        return 0;
    rc = tns__owner_load(st, false, err);
    if (rc == 0)
        rc = tns__pinned_list(st, &filter, &list, err);
    if (rc == 0)
        rc = tns__system_time(st->session, &now, err);
    for (i = 0; rc == 0 && i < list->n; i++) {
        struct tns_error busy = TNS_ERROR_INIT;

        /* A young one may be mapped and not opened yet. */
        if (now - list->items[i].creation_s < TEMP_YOUNG_S ||
            !tns__is_temp(st, &list->items[i]) ||
            !tns__tag_is(&list->items[i], TNS_TAG_NODE, st->opt.node) ||
            tns__tag_state(&list->items[i]) != TNS_STATE_READY)
            continue;
        if (remove_one(st, &list->items[i], &busy) == 0)
            (*ret_removed)++;
        else if (busy.code != TNS_E_CONFLICT)
            rc = tns__error_copy(err, &busy);
    }
    tns__dataset_list_free(list);
    return rc;
}
