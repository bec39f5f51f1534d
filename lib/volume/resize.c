/* SPDX-License-Identifier: Apache-2.0 */
/* resize: grow, read back, and let a device that is mapped here follow. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/free.h"
#include "volume/lun_check.h"
#include "volume/plan.h"
#include "volume/preflight.h"
#include "volume/resolve.h"

struct resize {
    struct tns_storage *st;
    struct tns_vol *vol;
    uint64_t size_bytes;
    const char *linkname;
};

static int act_grow(void *op, struct tns_error *err)
{
    struct resize *r = op;

    if (r->vol->ds->volsize_bytes == r->size_bytes)
        return 0;
    return tns__zvol_resize(r->st->session, r->vol->zvol, r->size_bytes, r->st->opt.sparse,
                            err);
}

static int size_now(struct resize *r, uint64_t *ret, struct tns_error *err)
{
    struct tns_dataset *ds = NULL;
    int rc = tns__dataset_get(r->st->session, r->vol->zvol, &ds, err);

    if (rc == 0)
        *ret = ds->volsize_bytes;
    tns__dataset_free(ds);
    return rc;
}

static int verify_grow(void *op, bool *ret_done, struct tns_error *err)
{
    struct resize *r = op;
    uint64_t size = 0;
    int rc = size_now(r, &size, err);

    *ret_done = size == r->size_bytes;
    return rc;
}

static int act_proof(void *op, struct tns_error *err)
{
    struct resize *r = op;
    uint64_t size = 0;
    int rc;

    if (r->vol->ds->volsize_bytes == r->size_bytes)
        return 0;
    rc = size_now(r, &size, err);
    if (rc == 0 && size != r->size_bytes)
        rc = tns__error_set(err, TNS_E_SERVER, "%s has %llu bytes after it was set to %llu",
                            r->vol->zvol, (unsigned long long)size,
                            (unsigned long long)r->size_bytes);
    return rc;
}

static int act_local(void *op, struct tns_error *err)
{
    struct resize *r = op;

    return tns__local_resize(r->st, r->linkname, r->size_bytes, err);
}

static const struct tns_step resize_steps[] = {
    { "grow", act_grow, verify_grow, NULL },
    { "proof", act_proof, NULL, NULL },
    { "local", act_local, NULL, NULL },
};

static int judge(struct resize *r, uint64_t asked, struct tns_error *err)
{
    const struct tns_dataset *ds = r->vol->ds;
    uint64_t now = ds->volsize_bytes;

    if (asked == 0 || asked > INT64_MAX / 2)
        return tns__error_set(err, TNS_E_USAGE, "%llu bytes are no size",
                              (unsigned long long)asked);
    r->size_bytes =
        tns__round_up(asked, ds->volblocksize_bytes ? ds->volblocksize_bytes : 512);
    if (r->size_bytes < now)
        return tns__error_set(err, TNS_E_USAGE,
                              "%s has %llu bytes already, and shrinking it "
                              "would cut data off",
                              r->vol->name.leaf, (unsigned long long)now);
    return r->size_bytes == now ? 0
                                : tns__preflight(r->st, r->vol->parent, r->vol->zvol,
                                                 r->size_bytes - now, now, err);
}

static int resize(struct tns_storage *st, const char *volname, uint64_t size_bytes,
                  struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    char linkname[TNS_VOLNAME_CAP];
    char what[TNS_ZVOL_CAP + 48];
    struct resize r = { .st = st, .linkname = linkname };
    int rc = tns__vol_resolve(st, volname, 0, &vol, err);

    r.vol = vol;
    if (rc == 0)
        rc = tns__vol_usable(st, vol, err);
    if (rc == 0)
        rc = judge(&r, size_bytes, err);
    if (rc)
        return rc;
    if (!tns__linkname(volname, NULL, linkname))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
    tns__fmt(what, sizeof(what), "resize %s to %llu", vol->zvol,
             (unsigned long long)r.size_bytes);
    return tns__plan_run(st, what, resize_steps, TNS_ARRAY_LEN(resize_steps), &r, err);
}

int tns_volume_resize(struct tns_storage *st, const char *volname, uint64_t size_bytes,
                      struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = resize(st, volname, size_bytes, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "resizing %s", volname ? volname : "") : 0;
}
