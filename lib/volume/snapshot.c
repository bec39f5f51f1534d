/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: made, deleted, renamed and listed, each after a look at whose volume it is. */
#include "volume/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/plan.h"
#include "volume/tempclone.h"

const struct tns_snapshot *tns__snapshot_find(const struct tns_vol *vol, const char *snap)
{
    const struct tns_snapshot_list *list = vol->snaps[vol->chosen];
    size_t i;

    for (i = 0; list && i < list->n; i++)
        if (strcmp(list->items[i].name, snap) == 0)
            return &list->items[i];
    return NULL;
}

int tns__snapshot_resolve(struct tns_storage *st, const char *volname, const char *snap,
                          unsigned flags, struct tns_vol **ret, struct tns_error *err)
{
    int rc = tns__snapname_check(snap, err);

    return rc ? rc : tns__vol_resolve(st, volname, flags, ret, err);
}

static int snapshot_missing(const struct tns_vol *vol, const char *snap,
                            struct tns_error *err)
{
    return tns__error_set(err, TNS_E_NOTFOUND, "volume '%s' has no snapshot '%s'",
                          vol->name.leaf, snap);
}

struct snap_op {
    struct tns_storage *st;
    const char *zvol;
    const char *snap;
    const char *new_name;
    char op[37];
};

static bool has(const struct tns_snapshot_list *list, const char *name, const char *op)
{
    size_t i;

    for (i = 0; i < list->n; i++) {
        const char *tag =
            json_string_value(json_object_get(list->items[i].tags, TNS_TAG_OP));

        if (strcmp(list->items[i].name, name) == 0)
            return !op || (tag && strcmp(tag, op) == 0);
    }
    return false;
}

/* After a lost reply: do the snapshots that are there now say that it happened? */
static int look(struct snap_op *o,
                bool (*happened)(const struct snap_op *o,
                                 const struct tns_snapshot_list *list),
                bool *ret_done, struct tns_error *err)
{
    struct tns_snapshot_list *list = NULL;
    int rc = tns__snapshot_list(o->st->session, o->zvol, &list, err);

    if (rc == 0)
        *ret_done = happened(o, list);
    tns__snapshot_list_free(list);
    return rc;
}

static int run(struct snap_op *o, const char *verb, const struct tns_step *step,
               struct tns_error *err)
{
    char what[TNS_ZVOL_CAP + 2 * TNS_SNAP_CAP + 32];

    tns__fmt(what, sizeof(what), "%s %s@%s%s%s", verb, o->zvol, o->snap,
             o->new_name ? " to " : "", o->new_name ? o->new_name : "");
    return tns__plan_run(o->st, what, step, 1, o, err);
}

/* ---- create ---- */

static int act_create(void *op, struct tns_error *err)
{
    struct snap_op *o = op;
    _tns_json_ json_t *tags = tns__json_pack(err, "{s:s}", TNS_TAG_OP, o->op);

    if (!tags)
        return -err->code;
    return tns__snapshot_create(o->st->session, o->zvol, o->snap, tags, err);
}

static bool is_created(const struct snap_op *o, const struct tns_snapshot_list *list)
{
    return has(list, o->snap, o->op);
}

static int verify_create(void *op, bool *ret_done, struct tns_error *err)
{
    return look(op, is_created, ret_done, err);
}

static const struct tns_step create_step = { "snapshot", act_create, verify_create, NULL };

int tns__snapshot_make(struct tns_storage *st, const char *zvol, const char *snap,
                       struct tns_error *err)
{
    struct snap_op o = { .st = st, .zvol = zvol, .snap = snap };

    if (!tns__uuid_new(o.op))
        return tns__error_set(err, TNS_E_DEVICE, "no random number from the kernel");
    return run(&o, "snapshot", &create_step, err);
}

int tns_snapshot_create(struct tns_storage *st, const char *volname, const char *snap,
                        struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    _tns_vol_ struct tns_vol *vol = NULL;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = tns__snapshot_resolve(st, volname, snap, 0, &vol, &guard.error);
    if (rc == 0)
        rc = tns__vol_usable(st, vol, &guard.error);
    if (rc == 0)
        rc = tns__snapshot_make(st, vol->zvol, snap, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "snapshot '%s' of %s", snap ? snap : "",
                                  volname ? volname : "")
              : 0;
}

/* ---- delete ---- */

int tns__snapshot_clones_check(const struct tns_storage *st, const struct tns_vol *vol,
                               const struct tns_snapshot *snap, struct tns_error *err)
{
    const struct tns_dataset_list *clones = vol->clones[vol->chosen];
    char names[300] = "";
    size_t i;

    for (i = 0; clones && i < clones->n; i++) {
        const struct tns_dataset *ds = &clones->items[i];
        const char *leaf = tns__leaf_of(st->opt.dataset, ds->id);
        size_t used = strlen(names);

        if (ds->type != 0 && ds->origin && strcmp(ds->origin, snap->id) == 0)
            tns__fmt(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
                     leaf ? leaf : ds->id);
    }
    if (names[0])
        return tns__error_set(err, TNS_E_CONFLICT,
                              "snapshot '%s' has clones, which need it: %s", snap->name,
                              names);
    if (snap->held)
        return tns__error_set(err, TNS_E_CONFLICT,
                              "snapshot '%s' is held: release it on the NAS "
                              "first",
                              snap->name);
    return 0;
}

static int act_delete(void *op, struct tns_error *err)
{
    struct snap_op *o = op;
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__snapshot_delete(o->st->session, o->zvol, o->snap, &local);

    return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &local);
}

static bool is_deleted(const struct snap_op *o, const struct tns_snapshot_list *list)
{
    return !has(list, o->snap, NULL);
}

static int verify_delete(void *op, bool *ret_done, struct tns_error *err)
{
    return look(op, is_deleted, ret_done, err);
}

static const struct tns_step delete_step = { "delete", act_delete, verify_delete, NULL };

int tns__snapshot_remove(struct tns_storage *st, const char *zvol, const char *snap,
                         struct tns_error *err)
{
    struct snap_op o = { .st = st, .zvol = zvol, .snap = snap };

    return run(&o, "delete snapshot", &delete_step, err);
}

static int delete_snapshot(struct tns_storage *st, const char *volname, const char *snap,
                           struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    const struct tns_snapshot *found;
    int rc =
        tns__snapshot_resolve(st, volname, snap, TNS_R_SNAPSHOTS | TNS_R_CLONES, &vol, err);

    if (rc)
        return rc;
    found = vol->ds ? tns__snapshot_find(vol, snap) : NULL;
    if (!found)
        return 0;
    rc = tns__tag_schema(vol->ds, err);
    if (rc == 0)
        rc = tns__temp_remove_idle(st, vol->clones[vol->chosen], snap, err);
    if (rc == 0)
        rc = tns__snapshot_clones_check(st, vol, found, err);
    return rc ? rc : tns__snapshot_remove(st, vol->zvol, snap, err);
}

int tns_snapshot_delete(struct tns_storage *st, const char *volname, const char *snap,
                        struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = delete_snapshot(st, volname, snap, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "deleting snapshot '%s' of %s",
                                  snap ? snap : "", volname ? volname : "")
              : 0;
}

/* ---- rename ---- */

static int act_rename(void *op, struct tns_error *err)
{
    struct snap_op *o = op;

    return tns__snapshot_rename(o->st->session, o->zvol, o->snap, o->new_name, err);
}

static bool is_renamed(const struct snap_op *o, const struct tns_snapshot_list *list)
{
    return has(list, o->new_name, NULL) && !has(list, o->snap, NULL);
}

static int verify_rename(void *op, bool *ret_done, struct tns_error *err)
{
    return look(op, is_renamed, ret_done, err);
}

static const struct tns_step rename_step = { "rename", act_rename, verify_rename, NULL };

static int rename_snapshot(struct tns_storage *st, const char *volname, const char *snap,
                           const char *new_name, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    struct snap_op o = { .st = st, .snap = snap, .new_name = new_name };
    int rc = tns__snapname_check(new_name, err);

    if (rc == 0)
        rc = tns__snapshot_resolve(st, volname, snap, TNS_R_SNAPSHOTS, &vol, err);
    if (rc == 0)
        rc = tns__vol_usable(st, vol, err);
    if (rc)
        return rc;
    if (tns__snapshot_find(vol, new_name))
        return tns__snapshot_find(vol, snap)
                   ? tns__error_set(err, TNS_E_EXISTS, "snapshot '%s' exists already",
                                    new_name)
                   : 0; /* done before */
    if (!tns__snapshot_find(vol, snap))
        return snapshot_missing(vol, snap, err);
    o.zvol = vol->zvol;
    return run(&o, "rename snapshot", &rename_step, err);
}

int tns_snapshot_rename(struct tns_storage *st, const char *volname, const char *snap,
                        const char *new_name, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = rename_snapshot(st, volname, snap, new_name, &guard.error);
    return rc;
}

/* ---- list ---- */

static json_t *snapshot_json(const struct tns_vol *vol, const struct tns_snapshot *snap,
                             struct tns_error *err)
{
    char id[24];

    /* The transaction it was made in: grows with time, and never comes again in this
     * pool. */
    snprintf(id, sizeof(id), "%llu", (unsigned long long)snap->createtxg);
    return tns__json_pack(err, "{s:s, s:s, s:I, s:I, s:I, s:b}", "name", snap->name, "id",
                          id, "timestamp", (json_int_t)snap->creation_s, "size",
                          (json_int_t)(snap->volsize_bytes ? snap->volsize_bytes
                                                           : vol->ds->volsize_bytes),
                          "used", (json_int_t)snap->used_bytes, "held", (int)snap->held);
}

static int list_snapshots(struct tns_storage *st, const char *volname, json_t **ret,
                          struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    _tns_json_ json_t *array = json_array();
    size_t i;
    int rc = array ? tns__vol_resolve(st, volname, TNS_R_SNAPSHOTS, &vol, err)
                   : tns__error_nomem(err);

    if (rc == 0 && !vol->ds)
        return tns__vol_usable(st, vol, err);
    for (i = 0; rc == 0 && i < vol->snaps[vol->chosen]->n; i++) {
        json_t *obj = snapshot_json(vol, &vol->snaps[vol->chosen]->items[i], err);

        if (!obj)
            rc = -err->code;
        else if (json_array_append_new(array, obj))
            rc = tns__error_nomem(err);
    }
    if (rc == 0)
        *ret = TNS_STEAL(array);
    return rc;
}

int tns_snapshot_list(struct tns_storage *st, const char *volname, json_t **ret,
                      struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = list_snapshots(st, volname, ret, &guard.error);
    return rc;
}
