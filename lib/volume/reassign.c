/* SPDX-License-Identifier: Apache-2.0 */
/* create_base and rename: which new name it will be, and the same request again after a
 * crash. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/freename.h"
#include "volume/rename.h"
#include "volume/snapshot.h"
#include "volume/tag.h"

/* A linked clone stays one: its base remains the first half of its name. */
static int new_volname(const struct tns_volname *old, const char *leaf, char ret[256],
                       struct tns_error *err)
{
    struct tns_volname name = { 0 };

    if (!tns__fmt(name.leaf, sizeof(name.leaf), "%s", leaf))
        return tns__error_set(err, TNS_E_BUG, "no room for a leaf");
    memcpy(name.base, old->base, sizeof(name.base));
    return tns__volname_format(&name, ret)
               ? 0
               : tns__error_set(err, TNS_E_BUG, "no room for a volume name");
}

/* Finds how far it is, and does the rest. */
static int carry_out(struct tns_rename *r, const char *volname, const char *leaf,
                     char ret[256], struct tns_error *err)
{
    int rc = tns__rename_find(r, volname, leaf, err);

    if (rc == 0)
        rc = tns__rename_run(r, err);
    if (rc == 0)
        strcpy(ret, r->volname);
    return rc;
}

static int create_base(struct tns_storage *st, const char *volname, char ret[256],
                       struct tns_error *err)
{
    _tns_rename_ struct tns_rename r = { .st = st, .base = true };
    struct tns_volname name;
    char leaf[TNS_LEAF_CAP];
    int rc = tns__volname_parse(volname, &name, err);

    if (rc == 0 && name.is_base)
        rc = tns__error_set(err, TNS_E_USAGE, "%s is a template already", volname);
    if (rc)
        return rc;
    if (!tns__fmt(leaf, sizeof(leaf), "base-%s", name.leaf + strlen("vm-")))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long for a template", volname);
    rc = new_volname(&name, leaf, r.volname, err);
    return rc ? rc : carry_out(&r, volname, leaf, ret, err);
}

/* On a release that cannot rename, a template by tag answers to its new name only. */
static bool is_base_already(struct tns_storage *st, const char *volname, char ret[256])
{
    _tns_vol_ struct tns_vol *vol = NULL;
    struct tns_error quiet = TNS_ERROR_INIT;
    struct tns_volname name;
    char base[TNS_VOLNAME_CAP];
    char was[TNS_ZVOL_CAP];

    if (tns__volname_parse(volname, &name, NULL) || name.is_base ||
        !tns__fmt(base, sizeof(base), "base-%s", name.leaf + strlen("vm-")) ||
        tns__zvol_name(st->opt.dataset, name.leaf, was, NULL) ||
        tns__vol_resolve(st, base, 0, &vol, &quiet) || !vol->ds ||
        vol->whose != TNS_WHOSE_MINE || !tns__tag_is(vol->ds, TNS_TAG_WAS, was))
        return false;
    return new_volname(&name, base, ret, NULL) == 0;
}

int tns_volume_create_base(struct tns_storage *st, const char *volname, char ret[256],
                           struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__enter(st, &guard, err);

    if (rc)
        return rc;
    rc = create_base(st, volname, ret, &local);
    if (rc == -TNS_E_NOTFOUND && is_base_already(st, volname, ret))
        return 0;
    if (rc) {
        tns__error_copy(&guard.error, &local);
        return tns__error_prefix(&guard.error, "making %s a template",
                                 volname ? volname : "");
    }
    return 0;
}

/* ---- rename ---- */

static int check_new_name(uint64_t vmid, const char *new_name, struct tns_error *err)
{
    struct tns_volname name;
    int rc = tns__leaf_parse(new_name, &name, err);

    if (rc == 0 && (name.vmid != vmid || name.is_base))
        rc = tns__error_set(err, TNS_E_USAGE, "'%s' is no name of a disk of guest %llu",
                            new_name, (unsigned long long)vmid);
    return rc;
}

/* The volume that an earlier run of this very request brought there, among those with a name of the new
 * guest; NULL: none did. */
static const struct tns_dataset *moved_before(const struct tns_storage *st,
                                              const struct tns_dataset_list *found,
                                              const char *old_zvol)
{
    size_t i;

    for (i = 0; i < found->n; i++) {
        const struct tns_dataset *ds = &found->items[i];

        if (tns__tag_whose(st, ds) == TNS_WHOSE_MINE && strcmp(ds->id, old_zvol) != 0 &&
            (tns__tag_is(ds, TNS_TAG_WAS, old_zvol) ||
             tns__tag_is(ds, TNS_TAG_SELF, old_zvol)))
            return ds;
    }
    return NULL;
}

/* What bears a name of the new guest, and whether anything bears the old name: then what came from it once
 * is another volume. */
static int ask_names(struct tns_storage *st, struct tns_names *names, const char *old_zvol,
                     bool *ret_old_is_there, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    const char *ids[] = { old_zvol, NULL };
    struct tns_dataset_filter filter = { .ids = ids, .minimal = true };
    struct tns_dataset_list *old = NULL;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    tns__names_put(b, names);
    tns__dataset_list_put(b, &filter, &old);
    rc = tns__batch_run(b, err);
    *ret_old_is_there = rc == 0 && old->n > 0;
    tns__dataset_list_free(old);
    return rc;
}

/* The name that an earlier run of this very request chose, or else the first free one. */
static int choose_name(struct tns_storage *st, const char *volname, uint64_t vmid,
                       char leaf[TNS_LEAF_CAP], struct tns_error *err)
{
    _tns_names_ struct tns_names *names = tns__alloc(sizeof(*names));
    const struct tns_dataset *moved = NULL;
    struct tns_volname name;
    char old_zvol[TNS_ZVOL_CAP];
    bool old_is_there = false;
    int rc = names ? tns__volname_parse(volname, &name, err) : tns__error_nomem(err);

    if (rc == 0)
        rc = tns__zvol_name(st->opt.dataset, name.leaf, old_zvol, err);
    if (rc == 0)
        rc = tns__names_fill(st, vmid, 0, names, err);
    if (rc == 0)
        rc = ask_names(st, names, old_zvol, &old_is_there, err);
    if (rc == 0)
        rc = tns__owner_load(st, false, err);
    if (rc)
        return rc;
    if (!old_is_there)
        moved = moved_before(st, names->found, old_zvol);
    if (!moved)
        return tns__names_next(st, names, leaf, err);
    return tns__fmt(leaf, TNS_LEAF_CAP, "%s", tns__leaf_of(st->opt.dataset, moved->id))
               ? 0
               : tns__error_set(err, TNS_E_BUG, "no room for a leaf");
}

static int rename_volume(struct tns_storage *st, const char *volname, uint64_t vmid,
                         const char *new_name, char ret[256], struct tns_error *err)
{
    _tns_rename_ struct tns_rename r = { .st = st };
    struct tns_volname name;
    char leaf[TNS_LEAF_CAP];
    int rc = tns__volname_parse(volname, &name, err);

    if (rc == 0 && name.is_base)
        rc = tns__error_set(err, TNS_E_USAGE,
                            "%s is a template: its clones know it by its name", volname);
    if (rc == 0 && new_name && *new_name)
        rc = check_new_name(vmid, new_name, err);
    else if (rc == 0)
        rc = choose_name(st, volname, vmid, leaf, err);
    if (rc)
        return rc;
    if (new_name && *new_name && !tns__fmt(leaf, sizeof(leaf), "%s", new_name))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", new_name);

    rc = new_volname(&name, leaf, r.volname, err);
    return rc ? rc : carry_out(&r, volname, leaf, ret, err);
}

int tns_volume_rename(struct tns_storage *st, const char *volname, uint64_t vmid,
                      const char *new_name, char ret[256], struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0 && (vmid < 100 || vmid > 999999999))
        rc = tns__error_set(&guard.error, TNS_E_USAGE, "%llu is no id of a guest",
                            (unsigned long long)vmid);
    if (rc == 0)
        rc = rename_volume(st, volname, vmid, new_name, ret, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "renaming %s", volname ? volname : "") : 0;
}
