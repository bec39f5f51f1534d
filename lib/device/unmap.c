/* SPDX-License-Identifier: Apache-2.0 */
/* unmap: from whatever is left of a mapped volume to nothing; never while somebody uses it. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/broken.h"
#include "device/locate.h"
#include "device/lock.h"

/* Every device of the volume, so that a path opened beside its map is seen as well. */
static int check_users(struct tns_node *node, const struct tns__known *known,
                       const struct tns__located *at, struct tns_error *err)
{
    const char *spare = at->has_map ? at->map.dev : NULL;
    char what[512];
    int rc = 0;

    snprintf(what, sizeof(what), "%s/%s", known->storeid, known->linkname);
    if (at->has_map)
        rc = tns__users_none(node, at->map.dev, NULL, what, err);
    for (size_t i = 0; i < at->paths.n && rc == 0; i++) {
        if (at->paths.p[i].dev[0])
            rc = tns__users_none(node, at->paths.p[i].dev, spare, what, err);
    }
    return rc;
}

/* A path that has become another volume's device while it was in our map is left to that volume. */
static bool is_ours(struct tns_node *node, const struct tns__known *known,
                    const struct tns__path *path)
{
    char cached[33];

    return !known->naa[0] || !tns__path_cached_naa(node, path, cached) ||
           strcmp(cached, known->naa) == 0;
}

static int remove_paths(struct tns_node *node, const struct tns__known *known,
                        const struct tns__located *at, struct tns_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < at->paths.n && rc == 0; i++) {
        if (is_ours(node, known, &at->paths.p[i]) && !tns__is_broken("delete"))
            rc = tns__path_delete(node, &at->paths.p[i], err);
    }
    return rc;
}

static int remove_once(struct tns_node *node, const struct tns__known *known,
                       const struct tns__located *at, struct tns_error *err)
{
    char wwid[TNS__WWID_TEXT];
    int rc = check_users(node, known, at, err);

    if (rc == 0 && at->has_map)
        rc = tns__mpmap_remove(node, &at->map, err);
    if (rc == 0)
        rc = remove_paths(node, known, at, err);
    if (rc == 0 && known->naa[0]) {
        tns__wwid_of(known->naa, wwid);
        rc = tns__wwid_remove(node, wwid, err);
    }
    /* last: as long as it is there, a repeated unmap knows where to look */
    return rc < 0 ? rc : tns__link_remove(node, known->storeid, known->linkname, err);
}

/* multipathd makes a map by itself of paths that came a moment ago (a map that was killed, a scan by hand),
 * between our look and the end of the paths: it is no user of theirs, and goes as well. */
int tns__remove_located(struct tns_node *node, const struct tns__known *known,
                        struct tns__located *at, struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    bool may_get_map = !at->has_map && at->paths.n > 0;
    int rc = remove_once(node, known, at, &mine);

    if (may_get_map && tns__locate(node, known, at, err) < 0)
        return -err->code;
    if (may_get_map && at->has_map)
        return remove_once(node, known, at, err);
    return rc < 0 ? tns__error_copy(err, &mine) : 0;
}

static int unmap_locked(struct tns_node *node, const struct tns__known *known,
                        struct tns_error *err)
{
    _tns_free_ struct tns__located *at = tns__alloc(sizeof(*at));
    _tns_close_ int lun_lock = -1;
    bool was_mapped;
    int rc = 0;

    if (!at)
        return tns__error_nomem(err);
    if (known->target_iqn)
        rc = tns__lock_lun(node, known->target_iqn, known->lun, &lun_lock, err);
    if (rc == 0)
        rc = tns__locate(node, known, at, err);
    if (rc < 0)
        return rc;
    was_mapped = at->link.kind != TNS__LINK_NONE || at->has_map || at->paths.n;
    rc = tns__remove_located(node, known, at, err);
    if (rc == 0 && was_mapped)
        tns__log(node->ctx, LOG_INFO, TNS_LOG_DEVICE, "unmapped %s/%s", known->storeid,
                 known->linkname);
    return rc;
}

/* Logging out needs portals: of the want, or of the record. */
static int leave(struct tns_node *node, const struct tns_want *want,
                 const struct tns_record *record, struct tns_error *err)
{
    if (want->target_iqn && want->n_portals)
        return tns__sessions_leave(node, want, err);
    return record->memory ? tns__sessions_leave(node, &record->want, err) : 0;
}

int tns__device_unmap(struct tns_node *node, const struct tns_want *want, bool logout,
                      struct tns_error *err)
{
    struct tns_record record = { .memory = NULL };
    struct tns__known known;
    _tns_close_ int volume_lock = -1;
    int rc = tns__names_check(want->storeid, want->linkname, err);

    if (rc == 0)
        rc = tns__lock_volume(node, want->storeid, want->linkname, &volume_lock, err);
    if (rc == 0)
        rc = tns__known_make(node, want, &record, &known, err);
    if (rc == 0)
        rc = unmap_locked(node, &known, err);
    if (rc == 0 && logout)
        rc = leave(node, want, &record, err);
    tns__record_clear(&record);
    return rc < 0 ? tns__error_prefix(err, "unmapping %s", want->linkname) : 0;
}

int tns__device_check_unused(struct tns_node *node, const char *storeid,
                             const char *linkname, struct tns_error *err)
{
    const struct tns_want want = { .storeid = storeid, .linkname = linkname };
    _tns_free_ struct tns__located *at = tns__alloc(sizeof(*at));
    struct tns_record record = { .memory = NULL };
    struct tns__known known;
    int rc;

    if (!at)
        return tns__error_nomem(err);
    rc = tns__known_make(node, &want, &record, &known, err);
    if (rc == 0)
        rc = tns__locate(node, &known, at, err);
    if (rc == 0)
        rc = check_users(node, &known, at, err);
    tns__record_clear(&record);
    return rc;
}
