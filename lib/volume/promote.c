/* SPDX-License-Identifier: Apache-2.0 */
/* promote: a clone becomes independent of what it was cloned from. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/plan.h"
#include "volume/resolve.h"

struct promote {
    struct tns_storage *st;
    const struct tns_vol *vol;
};

static int act_promote(void *op, struct tns_error *err)
{
    struct promote *p = op;

    return tns__dataset_promote(p->st->session, p->vol->zvol, err);
}

static int verify_promote(void *op, bool *ret_done, struct tns_error *err)
{
    struct promote *p = op;
    struct tns_dataset *ds = NULL;
    int rc = tns__dataset_get(p->st->session, p->vol->zvol, &ds, err);

    if (rc == 0)
        *ret_done = ds->origin == NULL;
    tns__dataset_free(ds);
    return rc;
}

static const struct tns_step promote_steps[] = {
    { "promote", act_promote, verify_promote, NULL },
};

int tns_volume_promote(struct tns_storage *st, const char *volname, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    _tns_vol_ struct tns_vol *vol = NULL;
    struct promote p = { .st = st };
    char what[TNS_ZVOL_CAP + 16];
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = tns__vol_resolve(st, volname, 0, &vol, &guard.error);
    if (rc == 0)
        rc = tns__vol_usable(st, vol, &guard.error);
    if (rc || !vol->ds->origin)
        return rc;
    p.vol = vol;
    tns__fmt(what, sizeof(what), "promote %s", vol->zvol);
    rc = tns__plan_run(st, what, promote_steps, TNS_ARRAY_LEN(promote_steps), &p,
                       &guard.error);
    return rc ? tns__error_prefix(&guard.error, "promoting %s", volname) : 0;
}
