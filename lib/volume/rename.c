/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a rename: write `next`, rename, point the extent there, write `self`,
 * clear `next`. */
#include "volume/rename.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/free.h"
#include "volume/moved.h"
#include "volume/plan.h"
#include "volume/snapshot.h"
#include "volume/tag.h"

void tns__rename_clear(struct tns_rename *r)
{
    tns__vol_free(r->vol);
    tns__dataset_list_free(r->at);
    tns__extent_list_free(r->extents);
}

/* ---- how far is it? ---- */

static void more_put(struct tns_batch *b, void *user)
{
    struct tns_rename *r = user;
    const char *ids[] = { r->zvol, NULL };
    char disk[TNS_DISK_CAP];
    struct tns_dataset_filter by_id = { .ids = ids, .with_tags = true };
    struct tns_extent_filter by_disk = { .disk = disk };

    tns__disk_name(r->zvol, disk);
    tns__dataset_list_put(b, &by_id, &r->at);
    tns__extent_list_put(b, &by_disk, &r->extents);
}

/* The one at the new name is this volume when its own tags say where it came from. */
static bool came_from(const struct tns_rename *r, const struct tns_dataset *ds)
{
    if (tns__tag_whose(r->st, ds) != TNS_WHOSE_MINE)
        return false;
    if (tns__tag_is(ds, TNS_TAG_NEXT, ds->id))
        return tns__tag_is(ds, TNS_TAG_SELF, r->old_zvol);
    return tns__tag_is(ds, TNS_TAG_WAS, r->old_zvol);
}

static int judge(struct tns_rename *r, struct tns_error *err)
{
    const struct tns_dataset *at = r->at->n ? &r->at->items[0] : NULL;

    if (strcmp(r->zvol, r->vol->zvol) == 0)
        return tns__error_set(err, TNS_E_USAGE, "%s has that name already",
                              r->vol->name.leaf);
    if (r->vol->ds && at)
        return tns__error_set(err, TNS_E_EXISTS, "%s exists already", r->zvol);
    if (r->vol->ds) {
        r->ds = r->vol->ds;
        r->was_mine = r->vol->whose == TNS_WHOSE_MINE;
        return tns__vol_usable(r->st, r->vol, err);
    }
    if (!at || !came_from(r, at))
        return tns__vol_usable(r->st, r->vol, err); /* says that it does not exist */
    r->ds = at;
    r->was_mine = true;
    r->moved = true;
    return 0;
}

int tns__rename_find(struct tns_rename *r, const char *volname, const char *new_leaf,
                     struct tns_error *err)
{
    struct tns_volname name;
    int rc = tns__volname_parse(volname, &name, err);

    if (rc == 0)
        rc = tns__zvol_name(r->st->opt.dataset, new_leaf, r->zvol, err);
    if (rc == 0)
        rc = tns__zvol_name(r->st->opt.dataset, name.leaf, r->old_zvol, err);
    if (rc == 0)
        rc = tns__vol_resolve_more(r->st, volname, TNS_R_EXPORT | TNS_R_SNAPSHOTS, more_put,
                                   r, &r->vol, err);
    if (rc)
        return rc;
    if (!tns__linkname(volname, NULL, r->linkname))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
    return judge(r, err);
}

/* ---- the steps ---- */

static int act_local(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    int rc = tns__detach_check(r->st, r->vol, r->linkname, err);

    return rc ? rc : tns__detach_for_good(r->st, r->vol, r->linkname, false, err);
}

/* An old plugin's volume becomes ours by this, under the name it had. */
static int act_next(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    _tns_json_ json_t *tags = NULL;
    char volname[TNS_VOLNAME_CAP];
    char uuid[37];
    char by[160];
    int rc = 0;

    if (r->moved)
        return 0;
    if (r->was_mine) {
        tags = json_object();
    } else {
        if (!tns__uuid_new(uuid))
            return tns__error_set(err, TNS_E_DEVICE, "no random number from the kernel");
        rc = tns__vol_volname(r->vol, volname, err);
        if (rc)
            return rc;
        tags = tns__tags_new(r->st, r->old_zvol, volname, uuid, "ready", err);
    }
    if (!tags)
        return err->code ? -err->code : tns__error_nomem(err);
    rc = tns__tags_put(tags, TNS_TAG_NEXT, r->zvol, err);
    if (rc == 0)
        rc = tns__by_make(r->st, by, sizeof(by), err);
    if (rc == 0)
        rc = tns__tags_put(tags, TNS_TAG_BY, by, err);
    if (rc == 0)
        rc = tns__dataset_set_tags(r->st->session, r->vol->zvol, tags, err);
    if (rc == 0)
        r->noted = true;
    return rc;
}

static int undo_next(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    _tns_json_ json_t *tags = NULL;

    if (!r->noted || r->moved)
        return 0;
    tags = tns__json_pack(err, "{s:n, s:n}", TNS_TAG_NEXT, TNS_TAG_BY);
    return tags ? tns__dataset_set_tags(r->st->session, r->vol->zvol, tags, err)
                : -err->code;
}

/* Before the name is free for another volume: a node that remembers this one by it, and cannot ask the NAS,
 * must not take it for that one. */
static int moved_note(struct tns_rename *r, const char *linkname, struct tns_error *err)
{
    const char *naa = r->vol->extent ? r->vol->extent->naa : NULL;

    return naa && !r->moved ? tns__moved_note(r->st, naa, linkname, err) : 0;
}

static int act_moved(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    char linkname[TNS_VOLNAME_CAP];

    if (!tns__linkname(r->volname, NULL, linkname))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", r->volname);
    return moved_note(r, linkname, err);
}

static int undo_moved(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;

    return moved_note(r, r->linkname, err);
}

static int act_rename(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    struct tns_error local = TNS_ERROR_INIT;
    int rc;

    if (r->moved)
        return 0;
    rc = tns__dataset_rename(r->st->session, r->vol->zvol, r->zvol, &local);
    if (rc == -TNS_E_UNSUPPORTED && r->base) {
        r->in_place = true;
        return 0;
    }
    if (rc)
        return tns__error_copy(err, &local);
    r->moved = true;
    return 0;
}

static int verify_rename(void *op, bool *ret_done, struct tns_error *err)
{
    struct tns_rename *r = op;
    const char *ids[] = { r->zvol, NULL };
    struct tns_dataset_filter filter = { .ids = ids, .with_tags = true };
    struct tns_dataset_list *found = NULL;
    int rc = tns__dataset_list(r->st->session, &filter, &found, err);

    if (rc == 0)
        *ret_done = r->moved = found->n == 1 && came_from(r, &found->items[0]);
    tns__dataset_list_free(found);
    return rc;
}

/* On the new name already, or still on the old one; an extent that is nowhere is not
 * made here. */
static int act_extent(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    char name[TNS_EXTENT_CAP];

    if (r->in_place || r->extents->n > 0 || !r->vol->extent)
        return 0;
    if (!tns__extent_name(r->zvol, name))
        return tns__error_set(err, TNS_E_BUG, "no room for the extent's name");
    return tns__extent_set_zvol(r->st->session, r->vol->extent->id, r->zvol, name, err);
}

/* Templates are cloned from a snapshot that nobody else deletes by its name. */
static int act_base(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    struct tns_error local = TNS_ERROR_INIT;
    int rc;

    if (!r->base || (r->vol->ds && tns__snapshot_find(r->vol, TNS_BASE_SNAP)))
        return 0;
    rc = tns__snapshot_make(r->st, r->in_place ? r->vol->zvol : r->zvol, TNS_BASE_SNAP,
                            &local);
    return rc == -TNS_E_EXISTS ? 0 : tns__error_copy(err, &local);
}

static int act_self(void *op, struct tns_error *err)
{
    struct tns_rename *r = op;
    const char *zvol = r->in_place ? r->vol->zvol : r->zvol;
    _tns_json_ json_t *tags = tns__json_pack(err, "{s:s, s:s, s:s, s:n, s:n}", TNS_TAG_SELF,
                                             zvol, TNS_TAG_VOLNAME, r->volname, TNS_TAG_WAS,
                                             r->old_zvol, TNS_TAG_NEXT, TNS_TAG_BY);

    return tags ? tns__dataset_set_tags(r->st->session, zvol, tags, err) : -err->code;
}

static const struct tns_step rename_steps[] = {
    { "local", act_local, NULL, NULL },
    { "next", act_next, tns__verify_repeat, undo_next },
    { "moved", act_moved, NULL, undo_moved },
    { "rename", act_rename, verify_rename, NULL },
    { "extent", act_extent, tns__verify_repeat, NULL },
    { "base", act_base, NULL, NULL },
    { "self", act_self, tns__verify_repeat, NULL },
};

int tns__rename_run(struct tns_rename *r, struct tns_error *err)
{
    char what[2 * TNS_ZVOL_CAP + 16];
    int rc = tns__owner_load(r->st, true, err);

    if (rc)
        return rc;
    tns__fmt(what, sizeof(what), "rename %s to %s", r->old_zvol, r->zvol);
    return tns__plan_run(r->st, what, rename_steps, TNS_ARRAY_LEN(rename_steps), r, err);
}
