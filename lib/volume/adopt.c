/* SPDX-License-Identifier: Apache-2.0 */
/* adopt and release: tags for volumes that have none, or whose tags name another place. */
#include "volume/adopt.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/pin.h"
#include "volume/plan.h"

json_t *tns__adopt_tags(struct tns_storage *st, const char *zvol, const char *volname,
                        struct tns_error *err)
{
    _tns_json_ json_t *tags = NULL;
    char uuid[37];

    if (tns__owner_load(st, true, err))
        return NULL;
    if (!tns__uuid_new(uuid)) {
        tns__error_set(err, TNS_E_DEVICE, "no random number from the kernel");
        return NULL;
    }
    tags = tns__tags_new(st, zvol, volname, uuid, "ready", err);
    if (!tags || tns__tags_put(tags, TNS_TAG_BY, NULL, err) ||
        tns__tags_put(tags, TNS_TAG_NEXT, NULL, err))
        return NULL;
    return TNS_STEAL(tags);
}

struct adopt {
    struct tns_storage *st;
    const char *zvol;
    const json_t *tags;
};

static int act_tag(void *op, struct tns_error *err)
{
    struct adopt *a = op;

    return tns__dataset_set_tags(a->st->session, a->zvol, a->tags, err);
}

static int verify_tag(void *op, bool *ret_done, struct tns_error *err)
{
    (void)op;
    (void)err;
    *ret_done = false;
    return 0;
}

static const struct tns_step tag_steps[] = { { "tag", act_tag, verify_tag, NULL } };

static int write_tags(struct tns_storage *st, const char *verb, const char *zvol,
                      const json_t *tags, struct tns_error *err)
{
    struct adopt a = { .st = st, .zvol = zvol, .tags = tags };
    char what[TNS_ZVOL_CAP + 16];

    tns__fmt(what, sizeof(what), "%s %s", verb, zvol);
    return tns__plan_run(st, what, tag_steps, TNS_ARRAY_LEN(tag_steps), &a, err);
}

/* Another owner's valid tags are the one thing that adopting does not overrule. */
static int judge(const struct tns_storage *st, const struct tns_vol *vol,
                 struct tns_error *err)
{
    const char *owner = vol->ds ? tns__dataset_tag(vol->ds, TNS_TAG_OWNER) : NULL;

    if (!vol->ds)
        return tns__error_set(err, TNS_E_NOTFOUND, "there is no zvol %s", vol->zvol);
    if (vol->ds->type != TNS_DATASET_VOLUME)
        return tns__error_set(err, TNS_E_CONFLICT, "%s is no zvol", vol->zvol);
    if (vol->whose == TNS_WHOSE_OTHER ||
        (vol->whose == TNS_WHOSE_STALE && owner && strcmp(owner, st->owner) != 0))
        return tns__error_set(err, TNS_E_FOREIGN,
                              "%s belongs to owner %s, storage '%s': release "
                              "it there first",
                              vol->zvol, owner ? owner : "?",
                              tns__dataset_tag(vol->ds, TNS_TAG_STOREID));
    return tns__tag_schema(vol->ds, err);
}

static int adopt(struct tns_storage *st, const char *volname, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    _tns_json_ json_t *tags = NULL;
    struct tns_volname name;
    int rc = tns__volname_parse(volname, &name, err);

    if (rc == 0)
        rc = tns__owner_load(st, true, err);
    if (rc == 0)
        rc = tns__vol_resolve_leaf(st, &name, 0, NULL, NULL, &vol, err);
    if (rc == 0)
        rc = judge(st, vol, err);
    if (rc || vol->whose == TNS_WHOSE_MINE)
        return rc;
    tags = tns__adopt_tags(st, vol->zvol, volname, err);
    return tags ? write_tags(st, "adopt", vol->zvol, tags, err) : -err->code;
}

int tns_volume_adopt(struct tns_storage *st, const char *volname, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = adopt(st, volname, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "adopting %s", volname ? volname : "") : 0;
}

/* ---- all that name us, wherever they were moved ---- */

static int adopt_one(struct tns_storage *st, const struct tns_dataset *ds, int check_only,
                     json_t *array, struct tns_error *err)
{
    const char *volname = tns__dataset_tag(ds, TNS_TAG_VOLNAME);
    const char *leaf = tns__leaf_of(st->opt.dataset, ds->id);
    struct tns_volname name;
    _tns_json_ json_t *tags = NULL;
    json_t *row;
    int rc;

    if (!volname || tns__volname_parse(volname, &name, NULL) ||
        strcmp(name.leaf, leaf) != 0)
        volname = leaf;
    if (tns__volname_parse(volname, &name, NULL))
        return 0; /* not a volume's name: staging and temporary clones stay what they are */
    row = tns__json_pack(err, "{s:s, s:s, s:s?, s:s}", "object", ds->id, "volname", volname,
                         "was", tns__dataset_tag(ds, TNS_TAG_SELF), "action",
                         check_only ? "would adopt" : "adopted");
    if (!row)
        return -err->code;
    if (json_array_append_new(array, row))
        return tns__error_nomem(err);
    if (check_only)
        return 0;
    tags = tns__adopt_tags(st, ds->id, volname, err);
    if (!tags)
        return -err->code;
    rc = write_tags(st, "adopt", ds->id, tags, err);
    return rc;
}

static int adopt_all(struct tns_storage *st, int check_only, json_t **ret,
                     struct tns_error *err)
{
    struct tns_dataset_filter filter = { .parent = st->opt.dataset, .with_tags = true };
    struct tns_dataset_list *list = NULL;
    _tns_json_ json_t *array = json_array();
    size_t i;
    int rc = array ? tns__owner_load(st, false, err) : tns__error_nomem(err);

    if (rc == 0)
        rc = tns__pinned_list(st, &filter, &list, err);
    for (i = 0; rc == 0 && i < list->n; i++) {
        const struct tns_dataset *ds = &list->items[i];

        if (ds->type == TNS_DATASET_VOLUME && tns__leaf_of(st->opt.dataset, ds->id) &&
            tns__tag_whose(st, ds) == TNS_WHOSE_STALE && st->owner[0] &&
            tns__tag_is(ds, TNS_TAG_OWNER, st->owner))
            rc = adopt_one(st, ds, check_only, array, err);
    }
    tns__dataset_list_free(list);
    if (rc == 0)
        *ret = json_pack("{s:O}", "volumes", array);
    return rc || *ret ? rc : tns__error_nomem(err);
}

int tns_storage_adopt_all(struct tns_storage *st, int check_only, json_t **ret,
                          struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = adopt_all(st, check_only, ret, &guard.error);
    return rc;
}

/* ---- release ---- */

int tns_volume_release(struct tns_storage *st, const char *volname, struct tns_error *err)
{
    static const char *const keys[] = { TNS_TAG_OWNER, TNS_TAG_STOREID, TNS_TAG_VOLNAME,
                                        TNS_TAG_OP,    TNS_TAG_STATE,   TNS_TAG_SELF,
                                        TNS_TAG_NEXT,  TNS_TAG_SCHEMA,  TNS_TAG_WAS,
                                        TNS_TAG_BY };
    _tns_guard_ struct tns_guard guard;
    _tns_vol_ struct tns_vol *vol = NULL;
    _tns_json_ json_t *tags = json_object();
    size_t i;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = tags ? tns__vol_resolve(st, volname, 0, &vol, &guard.error)
                  : tns__error_nomem(&guard.error);
    if (rc == 0)
        rc = tns__vol_usable(st, vol, &guard.error);
    if (rc || vol->whose != TNS_WHOSE_MINE)
        return rc;
    for (i = 0; rc == 0 && i < TNS_ARRAY_LEN(keys); i++)
        if (tns__dataset_tag(vol->ds, keys[i]))
            rc = tns__tags_put(tags, keys[i], NULL, &guard.error);
    if (rc == 0)
        rc = write_tags(st, "release", vol->zvol, tags, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "releasing %s", volname) : 0;
}
