/* SPDX-License-Identifier: Apache-2.0 */
/* Rollback: never past a held or cloned snapshot, and the LUN shows the size that came
 * back. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/free.h"
#include "volume/lun_check.h"
#include "volume/plan.h"
#include "volume/snapshot.h"
#include "volume/tempclone.h"

struct rollback {
    struct tns_storage *st;
    struct tns_vol *vol;
    const struct tns_snapshot *snap;
    char linkname[TNS_VOLNAME_CAP];
    /* The size changes, or an earlier run was cut short: the LUN is opened anew. */
    bool reopen;
    bool closed;
};

/* ---- what stands in the way ---- */

static size_t first_newer(const struct tns_vol *vol, const struct tns_snapshot *snap)
{
    return (size_t)(snap - vol->snaps[vol->chosen]->items) + 1;
}

static bool cloned(const struct tns_storage *st, const struct tns_vol *vol,
                   const struct tns_snapshot *snap)
{
    const struct tns_dataset_list *clones = vol->clones[vol->chosen];
    size_t i;

    for (i = 0; i < clones->n; i++) {
        const struct tns_dataset *ds = &clones->items[i];

        /* A temporary one of this node is removed on the way, if nothing uses it. */
        if (ds->type == 0 ||
            (tns__is_temp(st, ds) && tns__tag_is(ds, TNS_TAG_NODE, st->opt.node)))
            continue;
        if (ds->origin && strcmp(ds->origin, snap->id) == 0)
            return true;
    }
    return false;
}

static int blockers(const struct rollback *r, json_t **ret, struct tns_error *err)
{
    const struct tns_snapshot_list *list = r->vol->snaps[r->vol->chosen];
    _tns_json_ json_t *names = json_array();
    char text[300] = "";
    size_t i;

    if (!names)
        return tns__error_nomem(err);
    for (i = first_newer(r->vol, r->snap); i < list->n; i++) {
        const struct tns_snapshot *s = &list->items[i];
        size_t used = strlen(text);

        if (r->st->opt.removes_newer && !s->held && !cloned(r->st, r->vol, s))
            continue;
        if (json_array_append_new(names, json_string(s->name)))
            return tns__error_nomem(err);
        tns__fmt(text + used, sizeof(text) - used, "%s%s", used ? ", " : "", s->name);
    }
    if (json_array_size(names) == 0)
        return 0;
    tns__error_set(err, TNS_E_CONFLICT,
                   "rollback of %s to '%s' would destroy newer snapshots"
                   "%s: %s%s",
                   r->vol->name.leaf, r->snap->name,
                   r->st->opt.removes_newer ? " that are held or cloned" : "", text,
                   r->st->opt.removes_newer ? ""
                                            : " (delete them, or set "
                                              "tn_rollback_removes_newer)");
    if (ret)
        *ret = TNS_STEAL(names);
    return -TNS_E_CONFLICT;
}

static int prepare(struct rollback *r, const char *volname, const char *snap, json_t **ret,
                   struct tns_error *err)
{
    int rc =
        tns__snapshot_resolve(r->st, volname, snap,
                              TNS_R_SNAPSHOTS | TNS_R_CLONES | TNS_R_EXPORT, &r->vol, err);

    if (rc == 0)
        rc = tns__vol_usable(r->st, r->vol, err);
    if (rc)
        return rc;
    if (!tns__linkname(volname, NULL, r->linkname))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
    r->snap = tns__snapshot_find(r->vol, snap);
    if (!r->snap)
        return tns__error_set(err, TNS_E_NOTFOUND, "volume '%s' has no snapshot '%s'",
                              r->vol->name.leaf, snap);
    return blockers(r, ret, err);
}

int tns_rollback_check(struct tns_storage *st, const char *volname, const char *snap,
                       json_t **ret_blockers, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct rollback r = { .st = st };
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = prepare(&r, volname, snap, ret_blockers, &guard.error);
    tns__vol_free(r.vol);
    return rc;
}

/* ---- the steps ---- */

static int act_newer(void *op, struct tns_error *err)
{
    struct rollback *r = op;
    const struct tns_snapshot_list *list = r->vol->snaps[r->vol->chosen];
    size_t first = first_newer(r->vol, r->snap);
    size_t i;

    /* Newest first: cut short, what is left is still a history without holes. */
    for (i = list->n; i > first; i--) {
        int rc = tns__temp_remove_idle(r->st, r->vol->clones[r->vol->chosen],
                                       list->items[i - 1].name, err);

        if (rc == 0)
            rc = tns__snapshot_remove(r->st, r->vol->zvol, list->items[i - 1].name, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* Disabled first and enabled last: a run that is cut short leaves a LUN that nobody can
 * read at the wrong size, and the next run sees by it that there is something to
 * finish. */
static int act_close(void *op, struct tns_error *err)
{
    struct rollback *r = op;
    int rc;

    if (!r->reopen || !r->vol->extent || !r->vol->extent->enabled)
        return 0;
    rc = tns__extent_set_enabled(r->st->session, r->vol->extent->id, false, err);
    if (rc == 0)
        r->closed = true;
    return rc;
}

static int act_open(void *op, struct tns_error *err)
{
    struct rollback *r = op;
    int rc;

    if (!r->vol->extent || (!r->reopen && !r->closed))
        return 0;
    rc = tns__extent_set_enabled(r->st->session, r->vol->extent->id, true, err);
    if (rc == 0)
        r->closed = false;
    return rc;
}

static int undo_close(void *op, struct tns_error *err)
{
    struct rollback *r = op;

    return r->closed ? act_open(op, err) : 0;
}

static int act_rollback(void *op, struct tns_error *err)
{
    struct rollback *r = op;

    return tns__snapshot_rollback(r->st->session, r->vol->zvol, r->snap->name, err);
}

/* Nothing tells that it happened; with the snapshot still the newest, once more harms
 * nothing. */
static int verify_rollback(void *op, bool *ret_done, struct tns_error *err)
{
    struct rollback *r = op;
    struct tns_snapshot_list *list = NULL;
    int rc = tns__snapshot_list(r->st->session, r->vol->zvol, &list, err);

    if (rc == 0 &&
        (list->n == 0 || strcmp(list->items[list->n - 1].name, r->snap->name) != 0))
        rc = tns__error_set(err, TNS_E_CONFLICT, "snapshot '%s' is not the newest any more",
                            r->snap->name);
    tns__snapshot_list_free(list);
    *ret_done = false;
    return rc;
}

static int act_proof(void *op, struct tns_error *err)
{
    struct rollback *r = op;
    uint64_t size = r->snap->volsize_bytes;
    int rc = 0;

    if (!r->reopen)
        return 0;
    if (size == 0) {
        struct tns_dataset *ds = NULL;

        rc = tns__dataset_get(r->st->session, r->vol->zvol, &ds, err);
        size = ds ? ds->volsize_bytes : 0;
        tns__dataset_free(ds);
    }
    if (rc == 0)
        rc = tns__lun_size_check(r->st, r->vol, size, err);
    return rc ? rc : tns__local_resize(r->st, r->linkname, size, err);
}

static const struct tns_step rollback_steps[] = {
    { "newer", act_newer, tns__verify_repeat, NULL },
    { "close", act_close, tns__verify_repeat, undo_close },
    { "rollback", act_rollback, verify_rollback, NULL },
    { "open", act_open, tns__verify_repeat, NULL },
    { "proof", act_proof, NULL, NULL },
};

static int rollback(struct rollback *r, const char *volname, const char *snap,
                    struct tns_error *err)
{
    char what[TNS_ZVOL_CAP + TNS_SNAP_CAP + 16];
    int rc = prepare(r, volname, snap, NULL, err);

    if (rc == 0)
        rc = tns__detach_check(r->st, r->vol, r->linkname, err);
    if (rc)
        return rc;
    /* Where the release does not tell a snapshot's size, it may be another one. */
    r->reopen = r->snap->volsize_bytes != r->vol->ds->volsize_bytes ||
                (r->vol->extent && !r->vol->extent->enabled);
    tns__fmt(what, sizeof(what), "rollback %s@%s", r->vol->zvol, snap);
    return tns__plan_run(r->st, what, rollback_steps, TNS_ARRAY_LEN(rollback_steps), r,
                         err);
}

int tns_rollback(struct tns_storage *st, const char *volname, const char *snap,
                 struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct rollback r = { .st = st };
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = rollback(&r, volname, snap, &guard.error);
    tns__vol_free(r.vol);
    return rc ? tns__error_prefix(&guard.error, "rolling back %s", volname ? volname : "")
              : 0;
}
