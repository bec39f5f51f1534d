/* SPDX-License-Identifier: Apache-2.0 */
/* What this node has of a volume: is it in use here, and away with it. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "volume/free.h"

bool tns__linkname(const char *volname, const char *snap, char ret[TNS_VOLNAME_CAP])
{
    char *p;

    if (!tns__fmt(ret, TNS_VOLNAME_CAP, "%s%s%s", volname, snap ? "@" : "",
                  snap ? snap : ""))
        return false;
    for (p = ret; *p; p++)
        if (*p == '/')
            *p = '+';
    return true;
}

int tns__detach_check(struct tns_storage *st, const char *linkname, struct tns_error *err)
{
    return tns__device_check_unused(&st->node, st->opt.storeid, linkname, err);
}

int tns__detach(struct tns_storage *st, const char *linkname, bool logout,
                struct tns_error *err)
{
    struct tns_record record = { 0 };
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_want want = { .storeid = st->opt.storeid, .linkname = linkname };
    int rc = tns__record_read(&st->node, st->opt.storeid, linkname, &record, &local);

    if (rc == 0)
        want = record.want;
    else if (rc != -TNS_E_NOTFOUND)
        return tns__error_copy(err, &local);

    rc = tns__qemu_unmap(&st->node, &want, err);
    if (rc == 0)
        rc = tns__device_unmap(&st->node, &want, logout, err);
    tns__record_clear(&record);
    return rc;
}

int tns__detach_for_good(struct tns_storage *st, const char *linkname, bool logout,
                         struct tns_error *err)
{
    int rc = tns__detach(st, linkname, logout, err);

    return rc ? rc : tns__record_remove(&st->node, st->opt.storeid, linkname, err);
}
