/* SPDX-License-Identifier: Apache-2.0 */
/* path(): pure. No network, no device; only QEMU's record is looked at, where QEMU maps. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "volume/free.h"

static int path_of(struct tns_storage *st, const char *volname, const char *snap,
                   char ret[512], struct tns_error *err)
{
    struct tns_volname name;
    struct tns_error quiet = TNS_ERROR_INIT;
    char linkname[TNS_VOLNAME_CAP];
    char text[512];
    int rc = tns__volname_parse(volname, &name, err);

    if (rc == 0 && snap)
        rc = tns__snapname_check(snap, err);
    if (rc)
        return rc;
    if (!tns__linkname(volname, snap, linkname))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
    if (st->opt.qemu && tns__qemu_url(&st->node, st->opt.storeid, linkname, text,
                                      sizeof(text), &quiet) == 0) {
        strcpy(ret, text);
        return 0;
    }
    if (!tns__fmt(text, sizeof(text), "/dev/tnstor/%s/%s", st->opt.storeid, linkname))
        return tns__error_set(err, TNS_E_BUG, "no room for a path");
    strcpy(ret, text);
    return 0;
}

int tns_volume_path(struct tns_storage *st, const char *volname, const char *snap,
                    char ret[512], struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter_local(st, &guard, err);

    if (rc == 0)
        rc = path_of(st, volname, snap && *snap ? snap : NULL, ret, &guard.error);
    return rc;
}
