/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of the old plugin, which have no tag: which ones we may use, and the
 * judgement itself. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/resolve.h"

bool tns__legacy_named(const struct tns_storage *st, const struct tns_dataset *ds,
                       struct tns_volname *ret)
{
    const char *leaf = tns__leaf_of(st->opt.dataset, ds->id);
    char text[TNS_VOLNAME_CAP];

    /* The old plugin's grammar is a little wider: read it through its own form. */
    return ds->type == TNS_DATASET_VOLUME && leaf &&
           tns__fmt(text, sizeof(text), "vol-%s-lun0", leaf) &&
           tns__volname_parse(text, ret, NULL) == 0;
}

bool tns__dataset_is_shared(const struct tns_storage *st,
                            const struct tns_dataset_list *children)
{
    size_t i;

    for (i = 0; i < children->n; i++)
        if (tns__leaf_of(st->opt.dataset, children->items[i].id) &&
            tns__tag_whose(st, &children->items[i]) == TNS_WHOSE_OTHER)
            return true;
    return false;
}

static int foreign(const struct tns_storage *st, const struct tns_vol *vol,
                   struct tns_error *err)
{
    const char *owner = tns__dataset_tag(vol->ds, TNS_TAG_OWNER);
    const char *storeid = tns__dataset_tag(vol->ds, TNS_TAG_STOREID);

    if (vol->whose == TNS_WHOSE_OTHER)
        return tns__error_set(err, TNS_E_FOREIGN,
                              "%s belongs to storage '%s' of owner %s: it is "
                              "not touched",
                              vol->zvol, storeid ? storeid : "?", owner ? owner : "?");
    if (vol->whose == TNS_WHOSE_STALE)
        return tns__error_set(err, TNS_E_FOREIGN,
                              "%s was moved or copied here, its tags name "
                              "%s: `tnctl adopt` makes it a volume of storage '%s'",
                              vol->zvol, tns__dataset_tag(vol->ds, TNS_TAG_SELF),
                              st->opt.storeid);
    return tns__error_set(
        err, TNS_E_FOREIGN,
        "%s has no tag of ours and is not published on the "
        "target of storage '%s' alone: it is read-only to us (`tnctl adopt` "
        "takes it over)",
        vol->zvol, st->opt.storeid);
}

/* Is it published on this section's target, in a dataset that nobody else uses? */
static int legacy_ask(struct tns_storage *st, const struct tns_vol *vol, bool *ret,
                      struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    char disk[TNS_DISK_CAP];
    struct tns_dataset_filter children = { .parent = st->opt.dataset, .with_tags = true };
    struct tns_extent_filter extents = { .disk = disk };
    struct tns_dataset_list *dl = NULL;
    struct tns_extent_list *el = NULL;
    struct tns_mapping_list *ml = NULL;
    struct tns_target_list *tl = NULL;
    const struct tns_extent *extent;
    const struct tns_mapping *mapping;
    const struct tns_target *target;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    tns__disk_name(vol->zvol, disk);
    tns__dataset_list_put(b, &children, &dl);
    tns__extent_list_put(b, &extents, &el);
    tns__mapping_list_put(b, NULL, &ml);
    tns__target_list_put(b, &tl);
    rc = tns__batch_run(b, err);
    if (rc == 0)
        rc = tns__export_find(vol->zvol, el, ml, tl, &extent, &mapping, &target, err);
    if (rc == 0)
        *ret = target && tns__target_is_ours(st, target) && !tns__dataset_is_shared(st, dl);
    tns__dataset_list_free(dl);
    tns__extent_list_free(el);
    tns__mapping_list_free(ml);
    tns__target_list_free(tl);
    return rc;
}

static int judge(struct tns_storage *st, const struct tns_vol *vol, struct tns_error *err)
{
    struct tns_volname name;
    bool usable = false;
    int rc = 0;

    if (!vol->ds || vol->whose == TNS_WHOSE_MINE)
        return 0;
    if (vol->whose == TNS_WHOSE_UNTAGGED && tns__legacy_named(st, vol->ds, &name))
        rc = legacy_ask(st, vol, &usable, err);
    if (rc || usable)
        return rc;
    return foreign(st, vol, err);
}

int tns__vol_resolve(struct tns_storage *st, const char *volname, unsigned flags,
                     struct tns_vol **ret, struct tns_error *err)
{
    return tns__vol_resolve_more(st, volname, flags, NULL, NULL, ret, err);
}

int tns__vol_resolve_more(struct tns_storage *st, const char *volname, unsigned flags,
                          tns_more_fn more, void *user, struct tns_vol **ret,
                          struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    struct tns_volname name;
    int rc = tns__volname_parse(volname, &name, err);

    if (rc == 0)
        rc = tns__vol_resolve_leaf(st, &name, flags, more, user, &vol, err);
    if (rc == 0)
        rc = judge(st, vol, err);
    if (rc)
        return rc;

    *ret = TNS_STEAL(vol);
    return 0;
}
