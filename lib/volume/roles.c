/* SPDX-License-Identifier: Apache-2.0 */
/* A key that may not do all of it is told so before the first change, not in the middle. */
#include "volume/roles.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "nas/nas.h"

static const char *const volume_roles[] = {
    "DATASET_READ",
    "DATASET_WRITE",
    "DATASET_DELETE",
    "SNAPSHOT_READ",
    "SNAPSHOT_WRITE",
    "SNAPSHOT_DELETE",
    "SHARING_ISCSI_EXTENT_WRITE",
    "SHARING_ISCSI_TARGET_READ",
    "SHARING_ISCSI_TARGETEXTENT_WRITE",
    "SHARING_ISCSI_PORTAL_READ",
    "SHARING_ISCSI_GLOBAL_READ",
    "POOL_READ",
};

static const char *const setup_roles[] = {
    "SHARING_ISCSI_TARGET_WRITE",
    "SHARING_ISCSI_PORTAL_WRITE",
    "SHARING_ISCSI_INITIATOR_WRITE",
};

static void lacking(const struct tns_roles *roles, const char *const names[], size_t n,
                    char *text, size_t cap)
{
    size_t i;

    for (i = 0; i < n; i++) {
        size_t used = strlen(text);

        if (tns__roles_lack(roles, names[i]))
            tns__fmt(text + used, cap - used, "%s%s", used ? ", " : "", names[i]);
    }
}

int tns__roles_check(struct tns_storage *st, bool setup, struct tns_error *err)
{
    struct tns_roles roles = { 0 };
    char text[400] = "";
    int rc = tns__roles_get(st->session, &roles, err);

    if (rc)
        return rc;
    lacking(&roles, volume_roles, TNS_ARRAY_LEN(volume_roles), text, sizeof(text));
    if (setup)
        lacking(&roles, setup_roles, TNS_ARRAY_LEN(setup_roles), text, sizeof(text));
    tns__roles_clear(&roles);
    if (text[0])
        return tns__error_set(err, TNS_E_PERMISSION, "api_key: its user lacks the roles %s",
                              text);
    return 0;
}
