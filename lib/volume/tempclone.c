/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary read-only clones: made for one node, shared by its processes, gone when idle. */
#include "volume/tempclone.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/free.h"
#include "volume/make.h"
#include "volume/tag.h"

bool tns__is_temp(const struct tns_storage *st, const struct tns_dataset *ds)
{
    const char *leaf = tns__leaf_of(st->opt.dataset, ds->id);

    return leaf && tns__starts_with(leaf, TNS_TEMP_PREFIX) &&
           tns__tag_whose(st, ds) == TNS_WHOSE_MINE && tns__dataset_tag(ds, TNS_TAG_SNAPSHOT);
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
    return tns__vol_resolve_leaf(st, &name, TNS_R_EXPORT | TNS_R_SNAPSHOTS, ret, err);
}

static int temp_destroy(struct tns_storage *st, const char *leaf, const char *linkname,
                        struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    int rc = temp_resolve(st, leaf, &vol, err);

    if (rc || (!vol->ds && !vol->extent))
        return rc;
    if (vol->ds && !tns__is_temp(st, vol->ds))
        return tns__error_set(err, TNS_E_FOREIGN, "%s is no temporary clone of ours", vol->zvol);
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
        return tns__error_set(err, TNS_E_CONFLICT, "node '%s' reads from snapshot %s: deactivate "
                              "%s there, or run `tnctl gc` on it", node ? node : "?",
                              tns__dataset_tag(ds, TNS_TAG_SNAPSHOT), linkname);
    rc = tns__detach_check(st, linkname, err);
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
