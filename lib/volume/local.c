/* SPDX-License-Identifier: Apache-2.0 */
/* What a storage leaves on this node, and who this node is. */
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "nas/nas.h"
#include "volume/pin.h"
#include "volume/records.h"
#include "volume/tempclone.h"

int tns_storage_tidy(struct tns_storage *st, unsigned *ret_removed, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    unsigned removed = 0;
    unsigned clones = 0;
    unsigned records = 0;
    int rc = tns__enter_local(st, &guard, err);

    if (rc == 0)
        rc = tns__device_tidy(&st->node, st->opt.storeid, &removed, &guard.error);
    if (rc == 0 && st->session)
        rc = tns__temp_tidy(st, &clones, &guard.error);
    if (rc == 0 && st->session)
        rc = tns__records_tidy(st, &records, &guard.error);
    if (rc)
        return rc;
    if (ret_removed)
        *ret_removed = removed + clones + records;
    return 0;
}

int tns_storage_forget(struct tns_storage *st, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter_local(st, &guard, err);

    if (rc == 0)
        rc = tns__record_remove_all(&st->node, st->opt.storeid, &guard.error);
    if (rc == 0)
        rc = tns__pin_forget(st, &guard.error);
    return rc;
}

int tns_storage_initiator(struct tns_storage *st, char ret[256], struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    char name[256];
    int rc = tns__enter_local(st, &guard, err);

    if (rc == 0)
        rc = tns__device_initiator_name(&st->node, name, sizeof(name), &guard.error);
    if (rc == 0)
        strcpy(ret, name);
    return rc;
}

/* The pool's GUID and the dataset: the same through every address, another on another
 * NAS. */
static int identity(struct tns_storage *st, char ret[128], struct tns_error *err)
{
    struct tns_pool *pool = NULL;
    struct tns_error local = TNS_ERROR_INIT;
    char hash[33];
    int rc = tns__pool_get(st->session, st->opt.pool, &pool, &local);

    if (rc == -TNS_E_NOTFOUND)
        return tns__error_set(err, TNS_E_UNAVAILABLE,
                              "pool '%s' is not imported on the NAS", st->opt.pool);
    if (rc)
        return tns__error_copy(err, &local);
    rc = tns__pin_compare(st, pool->guid, err);
    if (rc == 0 && (!tns__sha256_hex(st->opt.dataset, strlen(st->opt.dataset), 16, hash) ||
                    !tns__fmt(ret, 128, "truenas:%s:%s", pool->guid, hash)))
        rc = tns__error_set(err, TNS_E_BUG, "no room for the identity of '%s'",
                            st->opt.pool);
    tns__pool_free(pool);
    return rc;
}

int tns_storage_identity(struct tns_storage *st, char ret[128], struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    char text[128];
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = identity(st, text, &guard.error);
    if (rc == 0)
        strcpy(ret, text);
    return rc;
}
