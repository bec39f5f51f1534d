/* SPDX-License-Identifier: Apache-2.0 */
/* free: devices, mapping, extent, snapshots, and last the zvol: the one point of no
 * return. */
#include "volume/free.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/make.h"
#include "volume/plan.h"
#include "volume/tag.h"
#include "volume/tempclone.h"

struct unmake {
    struct tns_storage *st;
    struct tns_vol *vol;
    const char *linkname;
    bool marked;
};

/* ---- what must not go ---- */

static void names_add(char *buf, size_t cap, const char *name)
{
    size_t used = strlen(buf);

    tns__fmt(buf + used, cap - used, "%s%s", used ? ", " : "", name);
}

int tns__free_check(const struct tns_storage *st, const struct tns_vol *vol,
                    struct tns_error *err)
{
    const struct tns_dataset_list *clones = vol->clones[vol->chosen];
    const struct tns_snapshot_list *snaps = vol->snaps[vol->chosen];
    char names[300] = "";
    size_t i;

    for (i = 0; clones && i < clones->n; i++) {
        const char *leaf = tns__leaf_of(st->opt.dataset, clones->items[i].id);

        if (clones->items[i].type == 0)
            continue; /* removed a moment ago */
        names_add(names, sizeof(names), leaf ? leaf : clones->items[i].id);
    }
    if (names[0])
        return tns__error_set(err, TNS_E_CONFLICT, "%s has clones, which need it: %s",
                              vol->zvol, names);
    for (i = 0; snaps && i < snaps->n; i++)
        if (snaps->items[i].held)
            names_add(names, sizeof(names), snaps->items[i].name);
    if (names[0])
        return tns__error_set(err, TNS_E_CONFLICT,
                              "%s has snapshots that are held: %s; release "
                              "them on the NAS first",
                              vol->zvol, names);
    return 0;
}

/* ---- the steps ---- */

static int act_local(void *op, struct tns_error *err)
{
    struct unmake *u = op;

    return u->linkname ? tns__detach_for_good(u->st, u->vol, u->linkname,
                                              u->st->opt.logout_on_free, err)
                       : 0;
}

/* Somebody freed it and made another one of that name: that one is not to go, and it was whole,
 * or will say so itself in a moment. */
static int unmark_other(struct unmake *u, const struct tns_error *why,
                        struct tns_error *err)
{
    _tns_json_ json_t *tags =
        tns__json_pack(err, "{s:s, s:n}", TNS_TAG_STATE, "ready", TNS_TAG_BY);

    u->marked = false;
    if (!tags || tns__dataset_set_tags(u->st->session, u->vol->zvol, tags, err))
        return -err->code;
    return tns__error_copy(err, why);
}

/* Gone meanwhile: whoever makes one of that name now has nothing to do with this free. */
static int mark(struct unmake *u, const json_t *tags, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    bool mine = u->vol->whose == TNS_WHOSE_MINE;
    const char *op = mine ? tns__dataset_tag(u->vol->ds, TNS_TAG_OP) : NULL;
    int rc = tns__dataset_set_tags_of(u->st->session, u->vol->zvol, tags,
                                      op ? TNS_TAG_OP : NULL, op, &local);

    u->marked = rc == 0;
    if (rc == -TNS_E_CONFLICT && op)
        return unmark_other(u, &local, err);
    if (rc != -TNS_E_NOTFOUND)
        return tns__error_copy(err, &local);
    u->vol->ds = NULL;
    return 0;
}

/* An old plugin's volume is tagged as ours by this, so that a free cut short can be
 * finished. */
static int act_mark(void *op, struct tns_error *err)
{
    struct unmake *u = op;
    _tns_json_ json_t *tags = NULL;
    char volname[TNS_VOLNAME_CAP];
    char by[160];
    char uuid[37];
    int rc;

    if (!u->vol->ds)
        return 0;
    rc = tns__vol_volname(u->vol, volname, err);
    if (rc)
        return rc;
    if (u->vol->whose == TNS_WHOSE_MINE) {
        tags = json_object();
        rc = tags ? tns__by_make(u->st, by, sizeof(by), err) : tns__error_nomem(err);
        if (rc == 0)
            rc = tns__tags_put(tags, TNS_TAG_STATE, "deleting", err);
        if (rc == 0)
            rc = tns__tags_put(tags, TNS_TAG_BY, by, err);
    } else {
        if (!tns__uuid_new(uuid))
            return tns__error_set(err, TNS_E_DEVICE, "no random number from the kernel");
        tags = tns__tags_new(u->st, u->vol->zvol, volname, uuid, "deleting", err);
        rc = tags ? 0 : -err->code;
    }
    return rc ? rc : mark(u, tags, err);
}

/* It stays one that is being deleted, but nobody is at it any more: the next free, or a
 * reconcile on any node, need not wait. */
static int undo_mark(void *op, struct tns_error *err)
{
    struct unmake *u = op;
    struct tns_error local = TNS_ERROR_INIT;
    _tns_json_ json_t *tags = NULL;
    int rc;

    if (!u->marked)
        return 0;
    tags = tns__json_pack(err, "{s:n}", TNS_TAG_BY);
    if (!tags)
        return -err->code;
    rc = tns__dataset_set_tags(u->st->session, u->vol->zvol, tags, &local);
    return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &local);
}

static int act_mapping(void *op, struct tns_error *err)
{
    struct unmake *u = op;
    int rc;

    if (!u->vol->mapping)
        return 0;
    rc = tns__mapping_remove(u->st, u->vol->mapping->id, err);
    if (rc == 0)
        tns__lun_freed(u->st, u->vol->mapping->lun);
    return rc;
}

static int act_extent(void *op, struct tns_error *err)
{
    struct unmake *u = op;

    return u->vol->extent ? tns__extent_remove(u->st, u->vol->extent->id, err) : 0;
}

/* All at once; those that are gone already are fine. The first one that refuses is the
 * error. */
static int act_snapshots(void *op, struct tns_error *err)
{
    struct unmake *u = op;
    const struct tns_snapshot_list *snaps = u->vol->snaps[u->vol->chosen];
    _tns_batch_ struct tns_batch *b = NULL;
    size_t i;
    int rc;

    if (!u->vol->ds || !snaps || snaps->n == 0)
        return 0;
    b = tns__batch_new(u->st->session);
    if (!b)
        return tns__error_nomem(err);
    for (i = 0; i < snaps->n; i++)
        tns__snapshot_delete_put(b, snaps->items[i].dataset, snaps->items[i].name);
    rc = tns__batch_run(b, err);
    if (rc == 0)
        return 0;
    for (i = 0; i < snaps->n; i++) {
        const struct tns_error *e = tns__batch_error(b, (int)i);

        if (e->code && e->code != TNS_E_NOTFOUND) {
            tns__error_clear(err);
            return tns__error_copy(err, e);
        }
    }
    tns__error_clear(err);
    return 0;
}

static int act_zvol(void *op, struct tns_error *err)
{
    struct unmake *u = op;

    return u->vol->ds ? tns__zvol_remove(u->st, u->vol->zvol, err) : 0;
}

/* Gone, or born again as another one: either way the one that was meant is no more. */
static int verify_zvol(void *op, bool *ret_done, struct tns_error *err)
{
    struct unmake *u = op;
    const char *ids[] = { u->vol->zvol, NULL };
    struct tns_dataset_filter filter = { .ids = ids, .with_tags = true };
    struct tns_dataset_list *found = NULL;
    const char *was = tns__dataset_tag(u->vol->ds, TNS_TAG_OP);
    int rc = tns__dataset_list(u->st->session, &filter, &found, err);

    if (rc)
        return rc;
    *ret_done = found->n == 0 || (was && !tns__tag_is(&found->items[0], TNS_TAG_OP, was));
    tns__dataset_list_free(found);
    return 0;
}

static const struct tns_step free_steps[] = {
    { "local", act_local, NULL, NULL },
    { "mark", act_mark, tns__verify_repeat, undo_mark },
    { "unmap", act_mapping, tns__verify_repeat, NULL },
    { "extent", act_extent, tns__verify_repeat, NULL },
    { "snapshots", act_snapshots, tns__verify_repeat, NULL },
    { "destroy", act_zvol, verify_zvol, NULL },
};

int tns__free_run(struct tns_storage *st, struct tns_vol *vol, const char *what,
                  const char *linkname, struct tns_error *err)
{
    struct unmake u = { .st = st, .vol = vol, .linkname = linkname };
    char text[TNS_ZVOL_CAP + 32];

    tns__fmt(text, sizeof(text), "%s %s", what, vol->zvol);
    return tns__plan_run(st, text, free_steps, TNS_ARRAY_LEN(free_steps), &u, err);
}

/* ---- free ---- */

/* The zvol is gone: an extent that says we made it goes, too; any other is not touched. */
static int free_rest(struct tns_storage *st, struct tns_vol *vol, const char *linkname,
                     struct tns_error *err)
{
    if (vol->extent && !tns__extent_is_ours(st, vol->extent)) {
        tns__log(st->ctx, LOG_WARNING, "volume",
                 "extent '%s' points at %s, which does not exist; "
                 "it is not ours and stays",
                 vol->extent->name, vol->zvol);
        vol->extent = NULL;
        vol->mapping = NULL;
    }
    return tns__free_run(st, vol, "free the rest of", linkname, err);
}

/* Somebody at work on it would be left with nothing to stand on. */
static int being_made(struct tns_storage *st, const struct tns_vol *vol,
                      struct tns_error *err)
{
    const char *by = tns__dataset_tag(vol->ds, TNS_TAG_BY);
    bool at_work = false;
    int rc;

    if (vol->whose != TNS_WHOSE_MINE || tns__tag_state(vol->ds) != TNS_STATE_CREATING)
        return 0;
    rc = tns__at_work_ask(st, vol->ds, &at_work, err);
    if (rc || !at_work)
        return rc;
    return tns__error_set(err, TNS_E_BUSY, "%s is being created by another process (%s)",
                          vol->zvol, by ? by : "unknown");
}

static int free_volume(struct tns_storage *st, const char *volname, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    char canonical[TNS_VOLNAME_CAP];
    char linkname[TNS_VOLNAME_CAP];
    int rc = tns__vol_resolve(st, volname, TNS_R_SNAPSHOTS | TNS_R_CLONES | TNS_R_EXPORT,
                              &vol, err);

    if (rc == 0 && vol->clones[vol->chosen]->n > 0)
        rc = tns__temp_remove_idle(st, vol->clones[vol->chosen], NULL, err);
    if (rc)
        return rc;
    if (!tns__linkname(volname, NULL, linkname))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
    if (!vol->ds)
        return free_rest(st, vol, linkname, err);

    rc = tns__vol_volname(vol, canonical, err);
    if (rc == 0)
        rc = tns__tag_schema(vol->ds, err);
    if (rc == 0 && vol->ds->type != TNS_DATASET_VOLUME)
        rc = tns__error_set(err, TNS_E_FOREIGN, "%s is no zvol", vol->zvol);
    if (rc == 0)
        rc = being_made(st, vol, err);
    if (rc == 0)
        rc = tns__free_check(st, vol, err);
    if (rc == 0)
        rc = tns__detach_check(st, vol, linkname, err);
    if (rc == 0)
        rc = tns__owner_load(st, true, err);
    return rc ? rc : tns__free_run(st, vol, "free", linkname, err);
}

int tns_volume_free(struct tns_storage *st, const char *volname, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = free_volume(st, volname, &guard.error);
    if (rc)
        return tns__error_prefix(&guard.error, "freeing %s", volname ? volname : "");
    return 0;
}
