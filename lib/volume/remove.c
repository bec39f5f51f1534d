/* SPDX-License-Identifier: Apache-2.0 */
/* Removing one object: gone already is success, and so is gone after a lost reply. */
#include "base/error.h"
#include "volume/make.h"

/* A deletion can be repeated by id: the second one finds nothing, and ids are not used
 * again. */
static bool again(int rc, const struct tns_error *err)
{
    return rc && (err->flags & (TNS_F_OUTCOME_UNKNOWN | TNS_F_RETRYABLE)) != 0;
}

static int gone(int rc, struct tns_error *local, struct tns_error *err)
{
    if (rc == 0 || rc == -TNS_E_NOTFOUND)
        return 0;
    return tns__error_copy(err, local);
}

int tns__mapping_remove(struct tns_storage *st, int64_t id, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__mapping_delete(st->session, id, &local);

    if (again(rc, &local)) {
        tns__error_clear(&local);
        rc = tns__mapping_delete(st->session, id, &local);
        /* The row may be gone while the service still exports it: the NAS cancels what
         * runs. */
        if (rc == -TNS_E_NOTFOUND)
            return tns__service_reload(st->session, "iscsitarget", err);
    }
    return gone(rc, &local, err);
}

int tns__extent_remove(struct tns_storage *st, int64_t id, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__extent_delete(st->session, id, &local);

    if (again(rc, &local)) {
        tns__error_clear(&local);
        rc = tns__extent_delete(st->session, id, &local);
    }
    return gone(rc, &local, err);
}

int tns__zvol_remove(struct tns_storage *st, const char *zvol, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__dataset_delete(st->session, zvol, &local);

    return gone(rc, &local, err);
}
