/* SPDX-License-Identifier: Apache-2.0 */
/* Reconcile: reports what is there; with repair, what our own tags prove is finished or
 * removed. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/classify.h"
#include "volume/free.h"
#include "volume/make.h"
#include "volume/rename.h"
#include "volume/staging.h"
#include "volume/tag.h"
#include "volume/tempclone.h"

struct reconcile {
    struct tns_storage *st;
    const struct tns_scene *scene;
    json_t *rows;
    unsigned repaired;
    unsigned failed;
};

/* ---- repairs, each on its own; a ready volume is never destroyed ---- */

static int resolve_id(struct tns_storage *st, const char *id, unsigned flags,
                      struct tns_vol **ret, struct tns_error *err)
{
    struct tns_volname name = { 0 };
    const char *leaf = tns__leaf_of(st->opt.dataset, id);

    if (!leaf || !tns__fmt(name.leaf, sizeof(name.leaf), "%s", leaf))
        return tns__error_set(err, TNS_E_BUG, "%s has no leaf that fits", id);
    return tns__vol_resolve_leaf(st, &name, TNS_R_ANY | flags, NULL, NULL, ret, err);
}

/* Still the one that was judged: the same operation, the same state. */
static bool unchanged(const struct tns_dataset *was, const struct tns_dataset *now)
{
    const char *op = tns__dataset_tag(was, TNS_TAG_OP);
    const char *by = tns__dataset_tag(was, TNS_TAG_BY);

    return now && tns__tag_state(was) == tns__tag_state(now) &&
           (!op || tns__tag_is(now, TNS_TAG_OP, op)) &&
           (!by || tns__tag_is(now, TNS_TAG_BY, by));
}

static int remove_zvol(struct reconcile *r, const struct tns_dataset *ds,
                       struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    const char *volname = tns__dataset_tag(ds, TNS_TAG_VOLNAME);
    char linkname[TNS_VOLNAME_CAP];
    /* under its first name it was never mapped, and the name that it was to have may be another's now */
    bool is_staging = tns__staging_is_ours(r->st, tns__leaf_of(r->st->opt.dataset, ds->id));
    bool linked = !is_staging && volname && tns__linkname(volname, NULL, linkname);
    int rc =
        resolve_id(r->st, ds->id, TNS_R_SNAPSHOTS | TNS_R_CLONES | TNS_R_EXPORT, &vol, err);

    if (rc)
        return rc;
    if (!unchanged(ds, vol->ds))
        return tns__error_set(err, TNS_E_CONFLICT, "%s has changed meanwhile", ds->id);
    rc = tns__free_check(r->st, vol, err);
    return rc ? rc : tns__free_run(r->st, vol, "reconcile", linked ? linkname : NULL, err);
}

static int promote(struct reconcile *r, const struct tns_dataset *ds, struct tns_error *err)
{
    _tns_json_ json_t *tags =
        tns__json_pack(err, "{s:s, s:s, s:n, s:n}", TNS_TAG_STATE, "ready", TNS_TAG_SELF,
                       ds->id, TNS_TAG_NEXT, TNS_TAG_BY);

    return tags ? tns__dataset_set_tags(r->st->session, ds->id, tags, err) : -err->code;
}

/* `next` never led anywhere: it is forgotten. Else the rename is brought to its end. */
static int finish_rename(struct reconcile *r, const struct tns_dataset *ds,
                         struct tns_error *err)
{
    _tns_rename_ struct tns_rename rn = { .st = r->st };
    _tns_json_ json_t *tags = NULL;
    const char *self = tns__dataset_tag(ds, TNS_TAG_SELF);
    const char *volname = tns__dataset_tag(ds, TNS_TAG_VOLNAME);
    const char *leaf = tns__leaf_of(r->st->opt.dataset, ds->id);
    struct tns_volname name;
    int rc;

    if (tns__tag_is(ds, TNS_TAG_SELF, ds->id)) {
        tags = tns__json_pack(err, "{s:n, s:n}", TNS_TAG_NEXT, TNS_TAG_BY);
        return tags ? tns__dataset_set_tags(r->st->session, ds->id, tags, err) : -err->code;
    }
    if (!self || !volname || tns__volname_parse(volname, &name, err))
        return tns__error_set(err, TNS_E_CONFLICT, "%s does not say what it was", ds->id);
    rc = tns__rename_find(&rn, volname, leaf, err);
    if (rc)
        return rc;
    tns__fmt(name.leaf, sizeof(name.leaf), "%s", leaf);
    rn.base = tns__starts_with(leaf, "base-");
    if (!tns__volname_format(&name, rn.volname))
        return tns__error_set(err, TNS_E_BUG, "no room for a volume name");
    return tns__rename_run(&rn, err);
}

static int publish(struct reconcile *r, const struct tns_dataset *ds, struct tns_error *err)
{
    _tns_make_ struct tns_make m = { 0 };
    _tns_vol_ struct tns_vol *vol = NULL;
    int rc = tns__make_init(&m, r->st, "publish", err);

    if (rc == 0)
        rc = resolve_id(r->st, ds->id, TNS_R_EXPORT, &vol, err);
    if (rc)
        return rc;
    if (!unchanged(ds, vol->ds))
        return tns__error_set(err, TNS_E_CONFLICT, "%s has changed meanwhile", ds->id);
    m.staged = false;
    m.resumed = true;
    strcpy(m.zvol, ds->id);
    tns__fmt(m.volname, sizeof(m.volname), "%s", tns__dataset_tag(ds, TNS_TAG_VOLNAME));
    if (vol->extent)
        m.extent_id = vol->extent->id;
    return tns__make_export(&m, err);
}

static int remove_temp(struct reconcile *r, struct tns_dataset *ds, struct tns_error *err)
{
    struct tns_dataset_list one = { .items = ds, .n = 1 };

    return tns__temp_remove_idle(r->st, &one, NULL, err);
}

static int repair_zvol(struct reconcile *r, struct tns_dataset *ds, enum tns_class class,
                       const char **ret_action, struct tns_error *err)
{
    switch (class) {
    case TNS_CLASS_COMPLETE:
        *ret_action = "marked ready";
        return promote(r, ds, err);
    case TNS_CLASS_HALF_MADE:
    case TNS_CLASS_HALF_FREED:
    case TNS_CLASS_STAGING_LEFT:
        *ret_action = "removed";
        return remove_zvol(r, ds, err);
    case TNS_CLASS_HALF_RENAMED:
        *ret_action = "finished";
        return finish_rename(r, ds, err);
    case TNS_CLASS_NO_EXTENT:
    case TNS_CLASS_NO_MAPPING:
        *ret_action = "published";
        return publish(r, ds, err);
    case TNS_CLASS_TEMP_IDLE:
        *ret_action = "removed";
        return remove_temp(r, ds, err);
    default:
        *ret_action = "none";
        return 0;
    }
}

/* Looked at a moment ago and seen without zvol; once more, now that nobody can be
 * creating it. */
static int remove_extent(struct reconcile *r, const struct tns_extent *extent,
                         struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    int rc = resolve_id(r->st, extent->disk + strlen("zvol/"), TNS_R_EXPORT, &vol, err);

    if (rc)
        return rc;
    if (vol->ds || !vol->extent || vol->extent->id != extent->id)
        return tns__error_set(err, TNS_E_CONFLICT, "extent '%s' has changed meanwhile",
                              extent->name);
    return tns__free_run(r->st, vol, "reconcile", NULL, err);
}

/* ---- the report ---- */

static int report(struct reconcile *r, const char *object, enum tns_class class,
                  const char *text, const char *action, struct tns_error *err)
{
    json_t *row = tns__json_pack(err, "{s:s, s:s, s:s, s:s}", "object", object, "class",
                                 tns__class_name(class), "text", text, "action", action);

    if (!row)
        return -err->code;
    return json_array_append_new(r->rows, row) ? tns__error_nomem(err) : 0;
}

/* One repair that fails is told in its row; the others go on. */
static int outcome(struct reconcile *r, const char *object, enum tns_class class,
                   const char *text, const char *action, int rc, struct tns_error *local,
                   struct tns_error *err)
{
    if (rc == 0 && strcmp(action, "none") != 0)
        r->repaired++;
    if (rc == 0)
        return report(r, object, class, text, action, err);
    r->failed++;
    return report(r, object, class, local->text, "failed", err);
}

static int each_zvol(struct reconcile *r, int repair, struct tns_error *err)
{
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < r->scene->datasets->n; i++) {
        struct tns_dataset *ds = &r->scene->datasets->items[i];
        struct tns_error local = TNS_ERROR_INIT;
        const char *action = "none";
        char text[300];
        enum tns_class class;
        int done = 0;

        if (!tns__leaf_of(r->st->opt.dataset, ds->id) || ds->type != TNS_DATASET_VOLUME)
            continue;
        class = tns__classify_zvol(r->scene, ds, text);
        if (repair)
            done = repair_zvol(r, ds, class, &action, &local);
        rc = outcome(r, ds->id, class, text, action, done, &local, err);
    }
    return rc;
}

static int each_extent(struct reconcile *r, int repair, struct tns_error *err)
{
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < r->scene->extents->n; i++) {
        const struct tns_extent *extent = &r->scene->extents->items[i];
        struct tns_error local = TNS_ERROR_INIT;
        bool remove;
        char text[300];
        char object[100];
        enum tns_class class;
        int done = 0;

        if (!tns__classify_extent(r->scene, extent, &class, text))
            continue;
        remove = repair && class == TNS_CLASS_ORPHAN_EXTENT;
        if (remove)
            done = remove_extent(r, extent, &local);
        snprintf(object, sizeof(object), "extent %s", extent->name);
        rc =
            outcome(r, object, class, text, remove ? "removed" : "none", done, &local, err);
    }
    return rc;
}

/* Its extent may have been made after the extents were read and before the mappings
 * were. */
static int remove_mapping(struct reconcile *r, const struct tns_mapping *mapping,
                          struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(r->st->session);
    struct tns_extent_filter by_id = { .id = mapping->extent_id };
    struct tns_extent_list *found = NULL;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    tns__extent_list_put(b, &by_id, &found);
    rc = tns__batch_run(b, err);
    if (rc == 0 && found->n > 0)
        rc = tns__error_set(err, TNS_E_CONFLICT, "its extent was being made");
    tns__extent_list_free(found);
    return rc ? rc : tns__mapping_remove(r->st, mapping->id, err);
}

static int each_mapping(struct reconcile *r, int repair, struct tns_error *err)
{
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < r->scene->mappings->n; i++) {
        const struct tns_mapping *mapping = &r->scene->mappings->items[i];
        struct tns_error local = TNS_ERROR_INIT;
        char text[300];
        char object[48];
        enum tns_class class;
        int done = 0;

        if (!tns__classify_mapping(r->scene, mapping, &class, text))
            continue;
        if (repair)
            done = remove_mapping(r, mapping, &local);
        snprintf(object, sizeof(object), "mapping %lld", (long long)mapping->id);
        rc =
            outcome(r, object, class, text, repair ? "removed" : "none", done, &local, err);
    }
    return rc;
}

static int reconcile(struct tns_storage *st, int repair, json_t **ret,
                     struct tns_error *err)
{
    struct tns_scene scene = { 0 };
    _tns_json_ json_t *rows = json_array();
    struct reconcile r = { .st = st, .scene = &scene, .rows = rows };
    int rc = rows ? tns__scene_look(st, &scene, err) : tns__error_nomem(err);

    if (rc == 0)
        rc = each_zvol(&r, repair, err);
    if (rc == 0)
        rc = each_extent(&r, repair, err);
    if (rc == 0)
        rc = each_mapping(&r, repair, err);
    tns__scene_clear(&scene);
    if (rc)
        return rc;
    *ret = tns__json_pack(err, "{s:O, s:i, s:i}", "volumes", rows, "repaired",
                          (int)r.repaired, "failed", (int)r.failed);
    return *ret ? 0 : -err->code;
}

int tns_storage_reconcile(struct tns_storage *st, int repair, json_t **ret,
                          struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = reconcile(st, repair, ret, &guard.error);
    return rc;
}
