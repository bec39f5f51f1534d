/* SPDX-License-Identifier: Apache-2.0 */
/* list and info: every volume that is ours, under the one name that PVE knows it by. */
#include "volume/list.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/free.h"
#include "volume/moved.h"
#include "volume/patience.h"
#include "volume/pin.h"
#include "volume/tag.h"

/* "tank/vm/base-100-disk-0@__base__" without the dataset; NULL for none. */
static const char *parent_of(const struct tns_storage *st, const struct tns_dataset *ds)
{
    size_t len = strlen(st->opt.dataset);

    if (!ds->origin)
        return NULL;
    if (strncmp(ds->origin, st->opt.dataset, len) == 0 && ds->origin[len] == '/')
        return ds->origin + len + 1;
    return ds->origin;
}

static int put_text(json_t *obj, const char *key, const char *text, struct tns_error *err)
{
    if (text && json_object_set_new(obj, key, json_string(text)) != 0)
        return tns__error_nomem(err);
    return 0;
}

json_t *tns__volume_json(const struct tns_storage *st, const struct tns_dataset *ds,
                         const char *volname, uint64_t vmid, struct tns_error *err)
{
    _tns_json_ json_t *obj =
        tns__json_pack(err, "{s:s, s:I, s:I, s:I, s:s?, s:I, s:s, s:s}", "volname", volname,
                       "vmid", (json_int_t)vmid, "size", (json_int_t)ds->volsize_bytes,
                       "used", (json_int_t)ds->used_bytes, "parent", parent_of(st, ds),
                       "ctime", (json_int_t)ds->creation_s, "format", "raw", "zvol",
                       ds->id);

    if (!obj || put_text(obj, "notes", tns__dataset_tag(ds, TNS_TAG_NOTES), err) ||
        put_text(obj, "protected", tns__dataset_tag(ds, TNS_TAG_PROTECTED), err))
        return NULL;
    return TNS_STEAL(obj);
}

/* ---- those with tags ---- */

/* Under which name is it listed? False: it is none of ours, or not a whole volume. */
static bool listed_as(const struct tns_storage *st, const struct tns_dataset *ds,
                      struct tns_volname *name, char volname[TNS_VOLNAME_CAP])
{
    const char *leaf = tns__leaf_of(st->opt.dataset, ds->id);
    const char *tagged = tns__dataset_tag(ds, TNS_TAG_VOLNAME);

    if (!leaf || ds->type != TNS_DATASET_VOLUME ||
        tns__tag_whose(st, ds) != TNS_WHOSE_MINE || tns__tag_state(ds) != TNS_STATE_READY)
        return false;
    if (tns__tag_is(ds, TNS_TAG_NEXT,
                    ds->id)) /* renamed, and cut short before the last tag */
        tagged = leaf;
    return tagged && tns__volname_parse(tagged, name, NULL) == 0 &&
           tns__fmt(volname, TNS_VOLNAME_CAP, "%s", tagged);
}

static int append(const struct tns_storage *st, json_t *array, const struct tns_dataset *ds,
                  const char *volname, uint64_t vmid, struct tns_error *err)
{
    json_t *obj = tns__volume_json(st, ds, volname, vmid, err);

    if (!obj)
        return -err->code;
    return json_array_append_new(array, obj) ? tns__error_nomem(err) : 0;
}

/* ---- those of the old plugin ---- */

struct exports {
    struct tns_extent_list *extents;
    struct tns_mapping_list *mappings;
    struct tns_target_list *targets;
};

static void exports_clear(struct exports *e)
{
    tns__extent_list_free(e->extents);
    tns__mapping_list_free(e->mappings);
    tns__target_list_free(e->targets);
}

static int exports_ask(struct tns_storage *st, struct exports *ret, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    char prefix[TNS_DISK_CAP + 1];
    struct tns_extent_filter filter = { .disk_prefix = prefix };

    if (!b)
        return tns__error_nomem(err);
    if (!tns__fmt(prefix, sizeof(prefix), "zvol/%s/", st->opt.dataset))
        return tns__error_set(err, TNS_E_BUG, "no room for a prefix");
    tns__extent_list_put(b, &filter, &ret->extents);
    tns__mapping_list_put(b, NULL, &ret->mappings);
    tns__target_list_put(b, &ret->targets);
    return tns__batch_run(b, err);
}

/* Published on our target: the old spelling, with the LUN that is mapped. */
static bool legacy_as(const struct tns_storage *st, const struct tns_dataset *ds,
                      const struct exports *e, struct tns_volname *name,
                      char volname[TNS_VOLNAME_CAP])
{
    const struct tns_extent *extent;
    const struct tns_mapping *mapping;
    const struct tns_target *target;

    if (tns__tag_whose(st, ds) != TNS_WHOSE_UNTAGGED || !tns__legacy_named(st, ds, name) ||
        tns__export_find(ds->id, e->extents, e->mappings, e->targets, &extent, &mapping,
                         &target, NULL) ||
        !target || !tns__target_is_ours(st, target))
        return false;
    return tns__fmt(volname, TNS_VOLNAME_CAP, "vol-%s-lun%lld", name->leaf,
                    (long long)mapping->lun);
}

static bool wants_legacy(const struct tns_storage *st, const struct tns_dataset_list *list)
{
    struct tns_volname name;
    size_t i;

    if (tns__dataset_is_shared(st, list))
        return false;
    for (i = 0; i < list->n; i++)
        if (tns__tag_whose(st, &list->items[i]) == TNS_WHOSE_UNTAGGED &&
            tns__legacy_named(st, &list->items[i], &name))
            return true;
    return false;
}

static int list_legacy(struct tns_storage *st, const struct tns_dataset_list *list,
                       uint64_t vmid, json_t *array, struct tns_error *err)
{
    struct exports e = { 0 };
    int rc = exports_ask(st, &e, err);
    size_t i;

    for (i = 0; rc == 0 && i < list->n; i++) {
        struct tns_volname name;
        char volname[TNS_VOLNAME_CAP];

        if (legacy_as(st, &list->items[i], &e, &name, volname) &&
            (vmid == 0 || vmid == name.vmid))
            rc = append(st, array, &list->items[i], volname, name.vmid, err);
    }
    exports_clear(&e);
    return rc;
}

/* ---- list ---- */

static int list_volumes(struct tns_storage *st, uint64_t vmid, json_t **ret,
                        struct tns_error *err)
{
    struct tns_dataset_filter filter = { .parent = st->opt.dataset, .with_tags = true };
    _tns_json_ json_t *array = json_array();
    struct tns_dataset_list *list = NULL;
    size_t i;
    int rc = array ? tns__owner_load(st, false, err) : tns__error_nomem(err);

    if (rc == 0)
        rc = tns__pinned_list(st, &filter, &list, err);
    for (i = 0; rc == 0 && i < list->n; i++) {
        struct tns_volname name;
        char volname[TNS_VOLNAME_CAP];

        if (listed_as(st, &list->items[i], &name, volname) &&
            (vmid == 0 || vmid == name.vmid))
            rc = append(st, array, &list->items[i], volname, name.vmid, err);
    }
    if (rc == 0 && wants_legacy(st, list))
        rc = list_legacy(st, list, vmid, array, err);
    tns__dataset_list_free(list);
    if (rc)
        return rc;
    *ret = TNS_STEAL(array);
    return 0;
}

int tns_volume_list(struct tns_storage *st, uint64_t vmid, json_t **ret,
                    struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = list_volumes(st, vmid, ret, &guard.error);
    return rc;
}

/* ---- info ---- */

/* The size that this node mapped it with: its device says the same, or, where it is not mapped, mapping it
 * will prove it. */
static json_t *known_json(const struct tns_storage *st, const struct tns_volname *name,
                          const char *volname, const struct tns_want *want, const char *why,
                          struct tns_error *err)
{
    char zvol[TNS_ZVOL_CAP];

    if (tns__zvol_name(st->opt.dataset, name->leaf, zvol, err))
        return NULL;
    return tns__json_pack(err, "{s:s, s:I, s:I, s:n, s:n, s:n, s:s, s:s, s:s++}", "volname",
                          volname, "vmid", (json_int_t)name->vmid, "size",
                          (json_int_t)want->size_bytes, "used", "parent", "ctime", "format",
                          "raw", "zvol", zvol, "warning", volname,
                          ": from this node's record, because the API is away: ", why);
}

/* PVE asks for the size of a cloud-init disk at every start of its guest. */
static int info_known(struct tns_storage *st, const char *volname,
                      const struct tns_volname *name, const struct tns_record *record,
                      const struct tns_error *why, json_t **ret, struct tns_error *err)
{
    struct tns_mapped mapped;
    bool found;

    if (!record->memory || tns__moved_away(st, record->want.naa, record->want.linkname) ||
        tns__device_verify(&st->node, &record->want, &found, &mapped, NULL))
        return tns__error_copy(err, why);
    *ret = known_json(st, name, volname, &record->want, why->text, err);
    if (!*ret)
        return -err->code;
    tns__log(st->ctx, LOG_WARNING, "volume", "%s",
             json_string_value(json_object_get(*ret, "warning")));
    return 0;
}

static int info_told(struct tns_storage *st, const char *volname, const struct tns_vol *vol,
                     json_t **ret, struct tns_error *err)
{
    char canonical[TNS_VOLNAME_CAP];
    int rc;

    if (!vol->ds)
        return tns__vol_usable(st, vol, err);
    rc = tns__vol_volname(vol, canonical, err);
    if (rc)
        return rc;
    *ret = tns__volume_json(st, vol->ds, vol->whose == TNS_WHOSE_MINE ? canonical : volname,
                            vol->name.vmid, err);
    return *ret ? 0 : -err->code;
}

static int info(struct tns_storage *st, const char *volname, const struct tns_volname *name,
                const struct tns_record *record, json_t **ret, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_patience patience;
    bool is_away;
    int rc = tns__patience_begin(&patience, st, record->memory ? TNS_RECORD_MS : 0, &local);

    if (rc == 0)
        rc = tns__vol_resolve(st, volname, 0, &vol, &local);
    is_away = tns__patience_end(&patience, rc, &local);
    if (is_away)
        return info_known(st, volname, name, record, &local, ret, err);
    return rc ? tns__error_copy(err, &local) : info_told(st, volname, vol, ret, err);
}

int tns_volume_info(struct tns_storage *st, const char *volname, json_t **ret,
                    struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct tns_record record = { .memory = NULL };
    char linkname[TNS_VOLNAME_CAP];
    struct tns_volname name;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = tns__volname_parse(volname, &name, &guard.error);
    if (rc == 0 && tns__linkname(volname, NULL, linkname))
        tns__record_read(&st->node, st->opt.storeid, linkname, &record, NULL);
    if (rc == 0)
        rc = info(st, volname, &name, &record, ret, &guard.error);
    tns__record_clear(&record);
    return rc;
}
