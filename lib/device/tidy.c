/* SPDX-License-Identifier: Apache-2.0 */
/* Leftovers: devices of volumes that were freed elsewhere, and the traces of a storage that goes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/broken.h"
#include "device/locate.h"
#include "device/lock.h"
#include "device/record_priv.h"
#include "device/verify.h"

#define NOTE "%s/tidied/%s"
/* Leftovers of volumes that were freed elsewhere wait for the next volume to be mapped here. */
#define SELDOM_MS (10u * 60u * 1000u)
#define SELDOM_BUDGET_MS 3000u

/* Every path was asked, and every one says that the target has no such LUN any more. */
static bool is_gone(struct tns_node *node, struct tns__located *at)
{
    size_t gone = 0;

    tns__paths_identify(node, &at->paths, false);
    for (size_t i = 0; i < at->paths.n; i++)
        gone += at->paths.p[i].err.code == TNS_E_NOTFOUND;
    return at->paths.n > 0 && gone == at->paths.n;
}

static int tidy_known(struct tns_node *node, const struct tns__known *known,
                      bool *ret_removed, struct tns_error *err)
{
    _tns_free_ struct tns__located *at = tns__alloc(sizeof(*at));
    _tns_close_ int lun_lock = -1;
    int rc;

    if (!at)
        return tns__error_nomem(err);
    rc = tns__lock_lun(node, known->target_iqn, known->lun, &lun_lock, err);
    if (rc == 0)
        rc = tns__locate(node, known, at, err);
    if (rc < 0 || !is_gone(node, at) || tns__is_broken("tidy"))
        return rc;
    rc = tns__remove_located(node, known, at, err);
    if (rc == 0)
        rc = tns__record_remove(node, known->storeid, known->linkname, err);
    *ret_removed = rc == 0;
    return rc;
}

static int tidy_one(struct tns_node *node, const char *storeid, const char *linkname,
                    bool *ret_removed, struct tns_error *err)
{
    const struct tns_want want = { .storeid = storeid, .linkname = linkname };
    struct tns_record record = { .memory = NULL };
    struct tns__known known;
    _tns_close_ int volume_lock = -1;
    int rc = tns__lock_volume(node, storeid, linkname, &volume_lock, err);

    if (rc == 0)
        rc = tns__known_make(node, &want, &record, &known, err);
    if (rc == 0 && known.target_iqn && known.naa[0])
        rc = tidy_known(node, &known, ret_removed, err);
    tns__record_clear(&record);
    return rc;
}

int tns__device_tidy(struct tns_node *node, const char *storeid, unsigned *ret_removed,
                     struct tns_error *err)
{
    _tns_strv_ char **names = NULL;
    unsigned removed = 0;
    int rc = tns__record_names(node, storeid, &names, err);

    if (rc < 0)
        return rc;
    for (char **name = names; *name; name++) {
        struct tns_error mine = TNS_ERROR_INIT;
        bool is_removed = false;

        rc = tns__ctx_check(node->ctx, "tidying up", err);
        if (rc < 0)
            return rc;
        /* one that is in use, or that cannot be told, stays and is told about */
        if (tidy_one(node, storeid, *name, &is_removed, &mine) < 0)
            tns__log(node->ctx, LOG_WARNING, TNS_LOG_DEVICE, "%s/%s is left over: %s",
                     storeid, *name, mine.text);
        removed += is_removed;
    }
    *ret_removed = removed;
    return 0;
}

/* The note goes first: of several processes one tidies up. */
static bool was_tidied(struct tns_node *node, const char *storeid)
{
    uint64_t now = tns__now_ns(), at;
    char text[32];
    int len;

    if (tns__sysroot_read_u64(node->sr, &at, NULL, NOTE, tns__run_dir(node), storeid) ==
            0 &&
        at <= now && now - at < TNS_MS(SELDOM_MS))
        return true;
    len = snprintf(text, sizeof(text), "%" PRIu64 "\n", now);
    return tns__sysroot_replace(node->sr, text, (size_t)len, 0600, NULL, NOTE,
                                tns__run_dir(node), storeid) < 0;
}

bool tns__device_tidy_seldom(struct tns_node *node, const char *storeid)
{
    struct tns_error mine = TNS_ERROR_INIT;
    uint64_t deadline;
    unsigned removed;

    if (was_tidied(node, storeid))
        return false;
    deadline = tns__ctx_begin(node->ctx, SELDOM_BUDGET_MS);
    if (tns__device_tidy(node, storeid, &removed, &mine) < 0)
        tns__log(node->ctx, LOG_NOTICE, TNS_LOG_DEVICE, "tidying up after %s: %s", storeid,
                 mine.text);
    node->ctx->deadline_ns = deadline;
    return true;
}

/* A volume that is still mapped keeps its record: without it nobody could unmap it properly. */
static bool has_mapped(struct tns_node *node, const char *storeid, const char *linkname)
{
    struct tns__link link;

    return tns__link_read(node, storeid, linkname, &link, NULL) < 0 ||
           link.kind == TNS__LINK_MAP || link.kind == TNS__LINK_DISK;
}

int tns__record_spare(struct tns_node *node, const char *storeid, char ***ret,
                      struct tns_error *err)
{
    char **names = NULL;
    size_t n = 0;
    int rc = tns__record_names(node, storeid, &names, err);

    if (rc < 0)
        return rc;
    for (char **name = names; *name; name++) {
        if (has_mapped(node, storeid, *name))
            tns__free(*name);
        else
            names[n++] = *name;
    }
    names[n] = NULL;
    *ret = names;
    return 0;
}

static int forget_one(struct tns_node *node, const char *storeid, const char *linkname,
                      struct tns_error *err)
{
    int rc = 0;

    if (has_mapped(node, storeid, linkname))
        return 0;
    rc = tns__link_remove(node, storeid, linkname, err);
    return rc < 0 ? rc : tns__record_remove(node, storeid, linkname, err);
}

int tns__record_forget(struct tns_node *node, const char *storeid, const char *linkname,
                       struct tns_error *err)
{
    _tns_close_ int volume_lock = -1;
    int rc = tns__lock_volume(node, storeid, linkname, &volume_lock, err);

    return rc < 0 ? rc : forget_one(node, storeid, linkname, err);
}

static int forget_notes(struct tns_node *node, const char *storeid, struct tns_error *err)
{
    _tns_strv_ char **names = NULL;
    int rc = 0;

    if (tns__sysroot_list(node->sr, &names, NULL, "%s/qemu/%s", tns__run_dir(node),
                          storeid) < 0)
        return 0;
    for (char **name = names; *name && rc == 0; name++)
        rc = tns__sysroot_unlink(node->sr, err, "%s/qemu/%s/%s", tns__run_dir(node),
                                 storeid, *name);
    return rc;
}

int tns__record_remove_all(struct tns_node *node, const char *storeid,
                           struct tns_error *err)
{
    _tns_strv_ char **names = NULL;
    int rc = tns__record_names(node, storeid, &names, err);

    for (char **name = names; rc == 0 && *name; name++)
        rc = forget_one(node, storeid, *name, err);
    return rc < 0 ? rc : forget_notes(node, storeid, err);
}
