/* SPDX-License-Identifier: Apache-2.0 */
/* Linked clones: of a template, or of a snapshot of any volume. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/freename.h"
#include "volume/make.h"
#include "volume/snapshot.h"

#define NAME_TRIES 32

/* Which snapshot it starts from; a template that lost its own gets it again. */
static int origin_of(struct tns_storage *st, const struct tns_vol *vol, const char *snap,
                     uint64_t *ret_size, struct tns_error *err)
{
    const struct tns_snapshot *found = tns__snapshot_find(vol, snap);

    *ret_size = vol->ds->volsize_bytes;
    if (found && found->volsize_bytes)
        *ret_size = found->volsize_bytes;
    if (found)
        return 0;
    if (vol->name.is_base && strcmp(snap, TNS_BASE_SNAP) == 0)
        return tns__snapshot_make(st, vol->zvol, snap, err);
    return tns__error_set(err, TNS_E_NOTFOUND, "volume '%s' has no snapshot '%s'",
                          vol->name.leaf, snap);
}

/* The base is part of the clone's name, so that PVE sees which templates are in use. */
static int clone_name(struct tns_make *m, const struct tns_vol *vol,
                      struct tns_names *names, struct tns_error *err)
{
    struct tns_volname own = { 0 };
    int rc = tns__names_next(m->st, names, own.leaf, err);

    if (rc == 0)
        rc = tns__zvol_name(m->st->opt.dataset, own.leaf, m->zvol, err);
    if (rc)
        return rc;
    if (vol->name.is_base)
        memcpy(own.base, vol->name.leaf, sizeof(own.base));
    if (!tns__volname_format(&own, m->volname))
        return tns__error_set(err, TNS_E_BUG, "no room for a volume name");
    return 0;
}

struct clone {
    struct tns_storage *st;
    const char *volname;
    const char *snap;
    uint64_t vmid;
};

/* One attempt under the first free name; EXISTS without a zvol of ours: somebody was
 * faster. */
static int attempt(const struct clone *c, struct tns_make *m, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    _tns_names_ struct tns_names *names = tns__alloc(sizeof(*names));
    const char *snap = c->snap ? c->snap : TNS_BASE_SNAP;
    int rc;

    if (!names)
        return tns__error_nomem(err);
    rc = tns__names_fill(c->st, c->vmid, 0, names, err);
    if (rc == 0)
        rc = tns__vol_resolve_more(c->st, c->volname, TNS_R_SNAPSHOTS | TNS_R_TARGETS,
                                   tns__names_put, names, &vol, err);
    if (rc == 0)
        rc = tns__vol_usable(c->st, vol, err);
    if (rc == 0 && !c->snap && !vol->name.is_base)
        rc = tns__error_set(err, TNS_E_USAGE,
                            "%s is no template: a linked clone is made of a "
                            "template, or of a snapshot",
                            c->volname);
    if (rc == 0)
        rc = origin_of(c->st, vol, snap, &m->size_bytes, err);
    if (rc == 0)
        rc = clone_name(m, vol, names, err);
    if (rc)
        return rc;

    m->origin = vol->zvol;
    m->origin_snap = snap;
    m->mappings = TNS_STEAL(vol->mappings);
    m->targets = TNS_STEAL(vol->targets);
    return tns__make_run(m, err);
}

static int clone_volume(const struct clone *c, char ret[256], struct tns_error *err)
{
    unsigned tries;

    for (tries = 0; tries < NAME_TRIES; tries++) {
        _tns_make_ struct tns_make m = { .origin = c->volname };
        struct tns_error local = TNS_ERROR_INIT;
        int rc = tns__make_init(&m, c->st, "clone", err);

        if (rc)
            return rc;
        rc = attempt(c, &m, &local);
        if (rc == 0)
            strcpy(ret, m.volname);
        if (rc != -TNS_E_EXISTS || m.got_name)
            return rc ? tns__error_copy(err, &local) : 0;
    }
    return tns__error_set(err, TNS_E_BUSY,
                          "no free name for guest %llu could be had: too many at "
                          "once",
                          (unsigned long long)c->vmid);
}

int tns_volume_clone(struct tns_storage *st, const char *volname, const char *snap,
                     uint64_t vmid, char ret[256], struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct clone c = {
        .st = st, .volname = volname, .snap = snap && *snap ? snap : NULL, .vmid = vmid
    };
    int rc = tns__enter(st, &guard, err);

    if (rc == 0 && (vmid < 100 || vmid > 999999999))
        rc = tns__error_set(&guard.error, TNS_E_USAGE, "%llu is no id of a guest",
                            (unsigned long long)vmid);
    if (rc == 0 && c.snap)
        rc = tns__snapname_check(c.snap, &guard.error);
    if (rc == 0)
        rc = clone_volume(&c, ret, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "cloning %s", volname ? volname : "") : 0;
}
