/* SPDX-License-Identifier: Apache-2.0 */
/* The owner's id: from the section, or from the one file that all nodes of a cluster
 * share. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/storage.h"

#define OWNER_FILE "/etc/pve/priv/tnstor/owner"

/* 8-4-4-4-12 lower-case hex digits. */
static bool uuid_ok(const char *s)
{
    size_t i;

    if (strlen(s) != 36)
        return false;
    for (i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s[i] != '-' : !strchr("0123456789abcdef", s[i]))
            return false;
    }
    return true;
}

static int owner_read(struct tns_storage *st, bool *ret_found, struct tns_error *err)
{
    char text[64];
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__sysroot_read(st->sr, text, sizeof(text), &local, OWNER_FILE);

    *ret_found = false;
    if (rc == -TNS_E_NOTFOUND || (rc == 0 && text[0] == '\0'))
        return 0;
    if (rc)
        return tns__error_copy(err, &local);
    if (!uuid_ok(text))
        return tns__error_set(
            err, TNS_E_CONFIG,
            "%s holds no id: restore it from a backup, or "
            "set tn_owner of storage '%s' to the owner that the volumes on "
            "the NAS are tagged with",
            OWNER_FILE, st->opt.storeid);

    memcpy(st->owner, text, sizeof(st->owner));
    *ret_found = true;
    return 0;
}

/*
 * O_EXCL decides between nodes that come here at once; pmxcfs keeps it across the cluster.
 * An empty file is one whose maker is about to write, or died: after a while it is written
 * over.
 */
static int owner_make(struct tns_storage *st, struct tns_error *err)
{
    _tns_close_ int fd = -1;
    struct tns_error local = TNS_ERROR_INIT;
    char uuid[37];
    int rc;

    if (!tns__uuid_new(uuid))
        return tns__error_set(err, TNS_E_DEVICE, "no random number from the kernel");
    rc = tns__sysroot_mkdir(st->sr, 0700, err, "/etc/pve/priv/tnstor");
    if (rc)
        return rc;

    rc = tns__sysroot_openfd(st->sr, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, &local,
                             OWNER_FILE);
    if (rc && local.sys_errno != EEXIST)
        return tns__error_copy(err, &local);
    if (rc == 0 && write(fd, uuid, 36) == 36)
        return 0;
    if (rc == 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno, "writing %s", OWNER_FILE);
    return 0;
}

static int owner_wait(struct tns_storage *st, struct tns_error *err)
{
    unsigned tries;
    char uuid[37];

    for (tries = 0; tries < 20; tries++) {
        bool found;
        int rc = owner_read(st, &found, err);

        if (rc || found)
            return rc;
        rc = tns__ctx_backoff(st->ctx, 50, OWNER_FILE, err);
        if (rc)
            return rc;
    }
    if (!tns__uuid_new(uuid))
        return tns__error_set(err, TNS_E_DEVICE, "no random number from the kernel");
    return tns__sysroot_replace(st->sr, uuid, 36, 0600, err, OWNER_FILE);
}

int tns__owner_load(struct tns_storage *st, bool make, struct tns_error *err)
{
    bool found;
    int rc;

    if (st->owner[0])
        return 0;
    if (st->opt.owner) {
        memcpy(st->owner, st->opt.owner, sizeof(st->owner));
        return 0;
    }

    rc = owner_read(st, &found, err);
    if (rc || found || !make)
        return rc;

    rc = owner_make(st, err);
    if (rc == 0)
        rc = owner_wait(st, err);
    if (rc == 0)
        rc = owner_read(st, &found, err);
    if (rc == 0 && !found)
        rc = tns__error_set(err, TNS_E_DEVICE, "%s cannot be written and read back",
                            OWNER_FILE);
    return rc;
}
