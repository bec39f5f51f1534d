/* SPDX-License-Identifier: Apache-2.0 */
/* One batch: the zvol, its snapshots, its clones, its extent by disk, its mapping. */
#include "volume/resolve.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/pin.h"

struct candidate {
    char zvol[TNS_ZVOL_CAP];
    char disk[TNS_DISK_CAP];
};

void tns__vol_free(struct tns_vol *vol)
{
    size_t i;

    if (!vol)
        return;
    for (i = 0; i < TNS_CANDIDATES; i++) {
        tns__snapshot_list_free(vol->snaps[i]);
        tns__dataset_list_free(vol->clones[i]);
        tns__extent_list_free(vol->extents[i]);
    }
    tns__dataset_free(vol->parent);
    tns__dataset_list_free(vol->datasets);
    tns__mapping_list_free(vol->mappings);
    tns__target_list_free(vol->targets);
    tns__free(vol);
}

void tns__vol_freep(struct tns_vol **vol)
{
    tns__vol_free(*vol);
}

/* Where releases cannot rename, a template keeps the zvol name that it had as a disk. */
static int candidates_make(const struct tns_storage *st, const struct tns_volname *name,
                           bool both, struct candidate c[TNS_CANDIDATES], size_t *ret_n,
                           struct tns_error *err)
{
    char leaf[TNS_LEAF_CAP];
    int rc = tns__zvol_name(st->opt.dataset, name->leaf, c[0].zvol, err);

    *ret_n = 1;
    if (rc == 0 && name->is_base && both) {
        if (!tns__fmt(leaf, sizeof(leaf), "vm-%s", name->leaf + strlen("base-")))
            return tns__error_set(err, TNS_E_BUG, "no room for a leaf");
        rc = tns__zvol_name(st->opt.dataset, leaf, c[1].zvol, err);
        *ret_n = 2;
    }
    return rc;
}

static void batch_fill(struct tns_batch *b, struct tns_vol *vol, struct candidate *c,
                       size_t n, unsigned flags)
{
    size_t i;

    for (i = 0; i < n; i++) {
        struct tns_dataset_filter clones = { .origin_of = c[i].zvol, .with_tags = true };
        struct tns_extent_filter extents = { .disk = c[i].disk };

        tns__disk_name(c[i].zvol, c[i].disk);
        if (flags & TNS_R_SNAPSHOTS)
            tns__snapshot_list_put(b, c[i].zvol, &vol->snaps[i]);
        if (flags & TNS_R_CLONES)
            tns__dataset_list_put(b, &clones, &vol->clones[i]);
        if (flags & TNS_R_EXTENTS)
            tns__extent_list_put(b, &extents, &vol->extents[i]);
    }
    if (flags & TNS_R_TARGETS) {
        tns__mapping_list_put(b, NULL, &vol->mappings);
        tns__target_list_put(b, &vol->targets);
    }
}

static const struct tns_dataset *find_id(const struct tns_dataset_list *list,
                                         const char *id)
{
    size_t i;

    for (i = 0; i < list->n; i++)
        if (strcmp(list->items[i].id, id) == 0)
            return &list->items[i];
    return NULL;
}

/* Is this zvol, which bears a candidate's name, the volume that was asked for? */
static bool is_it(const struct tns_storage *st, const struct tns_volname *name,
                  const struct tns_dataset *ds, bool any)
{
    const char *tagged = tns__dataset_tag(ds, TNS_TAG_VOLNAME);
    const char *leaf = tns__leaf_of(st->opt.dataset, ds->id);
    struct tns_volname own;

    if (any || tns__tag_whose(st, ds) != TNS_WHOSE_MINE ||
        tns__tag_is(ds, TNS_TAG_NEXT, ds->id))
        return leaf && strcmp(leaf, name->leaf) == 0;
    return tagged && tns__volname_parse(tagged, &own, NULL) == 0 &&
           strcmp(own.leaf, name->leaf) == 0;
}

int tns__parent_missing(struct tns_storage *st, struct tns_error *err)
{
    struct tns_pool *pool = NULL;
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__pool_get(st->session, st->opt.pool, &pool, &local);
    bool away = rc == -TNS_E_NOTFOUND ||
                (rc == 0 && (!pool->status || (strcmp(pool->status, "ONLINE") != 0 &&
                                               strcmp(pool->status, "DEGRADED") != 0)));

    tns__pool_free(pool);
    if (away)
        return tns__error_set(err, TNS_E_UNAVAILABLE,
                              "pool '%s' is not imported on the NAS: "
                              "import it",
                              st->opt.pool);
    if (rc)
        return tns__error_copy(err, &local);
    return tns__error_set(err, TNS_E_CONFIG, "dataset: '%s' does not exist on the NAS",
                          st->opt.dataset);
}

int tns__batch_parent(struct tns_storage *st, const struct tns_batch *b, int call, int rc,
                      struct tns_error *err)
{
    const struct tns_error *parent = tns__batch_error(b, call);

    /* of another NAS it does not matter what it has */
    if (rc == 0 || rc == -TNS_E_IDENTITY || parent->code != TNS_E_NOTFOUND)
        return rc;
    tns__error_clear(err);
    return tns__parent_missing(st, err);
}

static int choose(struct tns_storage *st, struct tns_vol *vol, const struct candidate *c,
                  size_t n, unsigned flags, struct tns_error *err)
{
    size_t i;

    strcpy(vol->zvol, c[0].zvol);
    for (i = 0; i < n && !vol->ds; i++) {
        const struct tns_dataset *ds = find_id(vol->datasets, c[i].zvol);

        if (!ds || !is_it(st, &vol->name, ds, flags & TNS_R_ANY))
            continue;
        if (i > 0 && tns__tag_whose(st, ds) != TNS_WHOSE_MINE)
            continue;
        vol->ds = ds;
        vol->chosen = i;
        strcpy(vol->zvol, ds->id);
    }
    if (vol->ds)
        vol->whose = tns__tag_whose(st, vol->ds);
    /* what stands under the name and is not it keeps what exports it */
    if (!(flags & TNS_R_EXTENTS) || (!vol->ds && find_id(vol->datasets, vol->zvol)))
        return 0;
    return tns__export_find(vol->zvol, vol->extents[vol->chosen], vol->mappings,
                            vol->targets, &vol->extent, &vol->mapping, &vol->target, err);
}

static int resolve_once(struct tns_storage *st, const struct tns_volname *name, bool both,
                        unsigned flags, tns_more_fn more, void *user, struct tns_vol **ret,
                        struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    _tns_vol_ struct tns_vol *vol = tns__alloc(sizeof(*vol));
    struct candidate c[TNS_CANDIDATES];
    const char *ids[TNS_CANDIDATES + 1] = { NULL };
    struct tns_dataset_filter filter = { .ids = ids, .with_tags = true };
    struct tns_pin pin;
    size_t n;
    size_t i;
    int parent_call;
    int rc;

    if (!b || !vol)
        return tns__error_nomem(err);
    rc = tns__owner_load(st, false, err);
    if (rc == 0)
        rc = candidates_make(st, name, both, c, &n, err);
    if (rc)
        return rc;

    vol->name = *name;
    for (i = 0; i < n; i++)
        ids[i] = c[i].zvol;
    tns__dataset_list_put(b, &filter, &vol->datasets);
    parent_call = tns__dataset_get_put(b, st->opt.dataset, &vol->parent);
    batch_fill(b, vol, c, n, flags);
    tns__pin_put(st, b, &pin);
    if (more)
        more(b, user);
    rc = tns__pin_judge(st, &pin, tns__batch_run(b, err), err);
    rc = tns__batch_parent(st, b, parent_call, rc, err);
    if (rc == 0)
        rc = choose(st, vol, c, n, flags, err);
    if (rc)
        return rc;

    *ret = TNS_STEAL(vol);
    return 0;
}

/* On a release that renames, a template is under its own name, and only one that is older
 * than that release has to be asked for again. */
int tns__vol_resolve_leaf(struct tns_storage *st, const struct tns_volname *name,
                          unsigned flags, tns_more_fn more, void *user,
                          struct tns_vol **ret, struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    int rc = tns__session_caps(st->session, &caps, err);
    bool both;

    if (rc)
        return rc;
    both = !caps->public_rename;
    rc = resolve_once(st, name, both, flags, more, user, ret, err);
    if (rc || both || !name->is_base || (*ret)->ds)
        return rc;
    tns__vol_free(*ret);
    *ret = NULL;
    return resolve_once(st, name, true, flags, NULL, NULL, ret, err);
}

int tns__vol_volname(const struct tns_vol *vol, char ret[TNS_VOLNAME_CAP],
                     struct tns_error *err)
{
    const char *tagged = vol->ds ? tns__dataset_tag(vol->ds, TNS_TAG_VOLNAME) : NULL;

    if (vol->whose == TNS_WHOSE_MINE && tagged &&
        !tns__tag_is(vol->ds, TNS_TAG_NEXT, vol->zvol))
        return tns__fmt(ret, TNS_VOLNAME_CAP, "%s", tagged)
                   ? 0
                   : tns__error_set(err, TNS_E_PROTOCOL, "%s: its tag is too long",
                                    vol->zvol);
    return tns__volname_format(&vol->name, ret)
               ? 0
               : tns__error_set(err, TNS_E_BUG, "no room for a volume name");
}

static int state_usable(const struct tns_vol *vol, struct tns_error *err)
{
    switch (tns__tag_state(vol->ds)) {
    case TNS_STATE_CREATING:
        return tns__error_set(err, TNS_E_CONFLICT,
                              "%s is still being created, or that was cut "
                              "short: free it, or let `tnctl gc` finish it",
                              vol->zvol);
    case TNS_STATE_DELETING:
        return tns__error_set(err, TNS_E_CONFLICT,
                              "%s is being deleted: free it again to "
                              "finish that",
                              vol->zvol);
    case TNS_STATE_UNKNOWN:
        return tns__error_set(err, TNS_E_CONFLICT,
                              "%s has a state that this version does not "
                              "know: upgrade this node",
                              vol->zvol);
    default:
        return 0;
    }
}

int tns__vol_usable(struct tns_storage *st, const struct tns_vol *vol,
                    struct tns_error *err)
{
    int rc;

    if (!vol->ds)
        return tns__error_set(err, TNS_E_NOTFOUND,
                              "volume '%s' does not exist: there is no zvol "
                              "%s",
                              vol->name.leaf, vol->zvol);
    if (vol->ds->type != TNS_DATASET_VOLUME)
        return tns__error_set(err, TNS_E_CONFLICT, "%s is no zvol", vol->zvol);
    rc = tns__tag_schema(vol->ds, err);
    if (rc == 0 && vol->whose == TNS_WHOSE_MINE)
        rc = state_usable(vol, err);
    if (rc == 0 && (vol->ds->locked || vol->parent->locked))
        rc = tns__error_set(err, TNS_E_LOCKED,
                            "%s is encrypted and locked: unlock it on the "
                            "NAS",
                            vol->ds->locked ? vol->zvol : st->opt.dataset);
    return rc;
}
