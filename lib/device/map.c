/* SPDX-License-Identifier: Apache-2.0 */
/* map: from a LUN on the NAS to a link on this node, proven on every path before it is placed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/broken.h"
#include "device/link.h"
#include "device/locate.h"
#include "device/lock.h"
#include "device/purge.h"
#include "device/verify.h"
#include "device/wait.h"

#define OPEN_MS 5000u
#define TAKE_BACK_MS 5000u

/* Work on one volume under its locks. */
struct mapping {
    struct tns_node *node;
    const struct tns_want *want;
    struct tns__sessions sessions;
    struct tns__paths paths;
    struct tns__verdict verdict;
    unsigned portals_failed;
    char wwid[TNS__WWID_TEXT];
    bool has_listed; /* we put the WWID into multipath's list */
    struct tns__mpmap map;
};

/* ---- paths ---- */

static int no_paths(const struct mapping *m, struct tns_error *err)
{
    if (m->verdict.trouble.code)
        return tns__error_copy(err, &m->verdict.trouble);
    return tns__error_set(
        err, TNS_E_NOTFOUND,
        "the target %s offers no LUN %u to this node (is the initiator group "
        "right?)",
        m->want->target_iqn, (unsigned)m->want->lun);
}

static bool is_new(const struct mapping *m, const char *dev)
{
    const struct tns__path *path = tns__paths_find(&m->paths, dev);

    return path && path->is_new;
}

/* multipathd has made a map of what our scan brought. It goes, unless it has another path, too. */
static void drop_map_of(struct mapping *m, const char *dev)
{
    struct tns_error none = TNS_ERROR_INIT;
    _tns_strv_ char **slaves = NULL;
    struct tns__mpmap map;
    bool is_in = false;

    if (tns__mpmap_of_path(m->node, dev, m->want->naa, &map, &is_in, &none) < 0 || !is_in ||
        tns__mpmap_slaves(m->node, map.dev, &slaves, &none) < 0)
        return;
    for (char **slave = slaves; *slave; slave++) {
        if (!is_new(m, *slave))
            return;
    }
    if (tns__users_none(m->node, map.dev, NULL, map.name, &none) == 0)
        tns__mpmap_remove(m->node, &map, &none);
}

/* An attempt that failed takes away again what its scan has brought: it is another volume, which
 * nobody asked for on this node, or one that cannot be used. */
static void drop_new(struct mapping *m)
{
    for (size_t i = 0; i < m->paths.n; i++) {
        const struct tns__path *path = &m->paths.p[i];
        struct tns_error none = TNS_ERROR_INIT;

        if (!path->is_new)
            continue;
        if (path->dev[0])
            drop_map_of(m, path->dev);
        /* one that never became a block device is nobody's */
        if (!path->dev[0] ||
            tns__users_none(m->node, path->dev, NULL, path->dev, &none) == 0)
            tns__path_delete(m->node, path, &none);
    }
}

/* Also when the attempt failed because its time was over, or somebody cancelled it. */
static void take_back(struct mapping *m)
{
    struct tns_node *node = m->node;
    struct tns_error none = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tns_node later = tns__node_later(node, &ctx, TAKE_BACK_MS);

    m->node = &later;
    drop_new(m);
    if (m->has_listed)
        tns__wwid_remove(m->node, m->wwid, &none);
    m->node = node;
}

/* The kernel shows a new disk in /sys a moment before it can be opened. */
static bool is_on_its_way(const struct tns__path *path)
{
    return path->is_new && (path->err.sys_errno == ENXIO || path->err.sys_errno == ENOENT);
}

static int have_all_opened(void *user, struct tns_error *err)
{
    struct mapping *m = user;
    bool is_early = false;

    (void)err;
    for (size_t i = 0; i < m->paths.n; i++) {
        if (is_on_its_way(&m->paths.p[i])) {
            tns__error_clear(&m->paths.p[i].err);
            is_early = true;
        }
    }
    if (!is_early)
        return 1;
    tns__paths_identify(m->node, &m->paths, m->want->serial != NULL);
    return 0;
}

static int identify_paths(struct mapping *m, struct tns_error *err)
{
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    struct tns_error late = TNS_ERROR_INIT;
    int rc;

    tns__uevent_open(&ue);
    tns__paths_identify(m->node, &m->paths, m->want->serial != NULL);
    rc = tns__wait_for(m->node, &ue, OPEN_MS, "the disk to be ready", have_all_opened, m,
                       &late);
    /* a disk that never opens is a path that failed, as its own error says */
    return rc < 0 && rc != -TNS_E_TIMEOUT ? tns__error_copy(err, &late) : 0;
}

/* What an earlier scan of this attempt brought is still ours to take back. */
static int scan_paths(struct mapping *m, struct tns_error *err)
{
    const struct tns__paths before = m->paths;
    int rc = tns__paths_scan(m->node, &m->sessions, m->want->lun, &m->paths, err);

    for (size_t i = 0; i < m->paths.n; i++) {
        struct tns__path *path = &m->paths.p[i];
        const struct tns__path *was = tns__paths_find(&before, path->dev);

        path->is_new = path->is_new || (was && was->is_new);
    }
    return rc;
}

/* Finds the LUN on every session; leftovers of an earlier owner are cleared once. */
static int find_paths(struct mapping *m, struct tns_error *err)
{
    struct tns__purge purge;
    int rc;

    for (int attempt = 0;; attempt++) {
        rc = scan_paths(m, err);
        if (rc < 0)
            return rc;
        rc = identify_paths(m, err);
        if (rc < 0)
            return rc;
        rc = tns__purge_stale(m->node, m->want, &m->sessions, &m->paths, &purge, err);
        if (rc < 0)
            return rc;
        if (purge.removed == 0 || attempt > 0)
            break;
        tns__log(m->node->ctx, LOG_NOTICE, TNS_LOG_DEVICE,
                 "%s: removed %u stale devices of LUN %u, looking again", m->want->linkname,
                 purge.removed, (unsigned)m->want->lun);
    }
    rc = tns__paths_judge(m->want, &m->paths, &m->verdict, err);
    if (rc == 0 && m->verdict.proven == 0)
        rc = no_paths(m, err);
    return rc;
}

/* Only what is proven may carry the volume. */
static void keep_proven(struct tns__paths *paths)
{
    size_t n = 0;

    for (size_t i = 0; i < paths->n; i++) {
        if (paths->p[i].err.code == 0)
            paths->p[n++] = paths->p[i];
    }
    paths->n = n;
}

/* The target says the right size; the kernel may still have the one from before a resize. */
static int settle_size(struct mapping *m, const struct tns__path *path,
                       struct tns_error *err)
{
    uint64_t size;
    int rc = tns__dev_size(m->node, path->dev, &size, err);

    if (rc < 0 || size == m->want->size_bytes)
        return rc;
    rc = tns__path_grow(m->node, path, m->want->size_bytes, err);
    return rc < 0 ? tns__error_prefix(err, "%s", path->dev) : 0;
}

/* ---- the device above the paths ---- */

/* A slave that was not among our paths must prove itself too. */
static int verify_slaves(struct mapping *m, struct tns_error *err)
{
    struct tns__paths others = { .n = 0 };
    struct tns__verdict verdict;
    _tns_strv_ char **slaves = NULL;
    int rc = tns__mpmap_slaves(m->node, m->map.dev, &slaves, err);

    for (char **slave = slaves; rc == 0 && *slave; slave++) {
        if (!tns__paths_find(&m->paths, *slave))
            rc = tns__paths_add_dev(m->node, &others, *slave, err);
    }
    if (rc == 0)
        rc = tns__paths_verify(m->node, m->want, &others, &verdict, err);
    if (rc < 0)
        return tns__error_prefix(err, "the multipath map %s holds a path of something else",
                                 m->map.name);
    if (slaves && !slaves[0])
        return tns__error_set(err, TNS_E_DEVICE, "the multipath map %s has no path",
                              m->map.name);
    return 0;
}

static void warn_queueing(struct mapping *m, struct tns_mapped *mapped)
{
    if (mapped->warning[0] || !tns__multipathd_queues(m->node, m->map.name))
        return;
    snprintf(
        mapped->warning, sizeof(mapped->warning),
        "%.100s queues for ever when all paths are gone: set no_path_retry to a number in "
        "multipath.conf",
        m->map.name);
}

static int finish_map(struct mapping *m, struct tns_mapped *ret, struct tns_error *err)
{
    struct tns_mapped mapped;
    char device[512];
    int rc = tns__mpmap_wait(m->node, &m->paths, m->want->naa, &m->map, err);

    if (rc == 0)
        rc = verify_slaves(m, err);
    if (rc == 0)
        rc = tns__mpmap_grow(m->node, &m->map, m->want->size_bytes, err);
    if (rc == 0)
        rc = tns__link_place_map(m->node, m->want, &m->map, device, err);
    if (rc < 0)
        return rc;
    tns__mapped_fill(m->want, &m->verdict, device, m->portals_failed, &mapped);
    warn_queueing(m, &mapped);
    *ret = mapped;
    return 0;
}

static int finish_disk(struct mapping *m, struct tns_mapped *ret, struct tns_error *err)
{
    char device[512];
    int rc = tns__link_place_disk(m->node, m->want, m->paths.p[0].dev, device, err);

    if (rc < 0)
        return rc;
    m->verdict.proven = 1;
    tns__mapped_fill(m->want, &m->verdict, device, m->portals_failed, ret);
    return 0;
}

/* multipathd may have taken the path although the storage does not ask for it: then the map is the
 * device, and its single path would be a way around it. */
static int finish(struct mapping *m, struct tns_mapped *ret, struct tns_error *err)
{
    bool is_held = false;
    int rc = 0;

    for (size_t i = 0; i < m->paths.n && rc == 0; i++)
        rc = settle_size(m, &m->paths.p[i], err);
    for (size_t i = 0; i < m->paths.n && rc == 0 && !is_held; i++)
        rc = tns__mpmap_of_path(m->node, m->paths.p[i].dev, m->want->naa, &m->map, &is_held,
                                err);
    if (rc < 0)
        return rc;
    return m->want->multipath || is_held ? finish_map(m, ret, err)
                                         : finish_disk(m, ret, err);
}

/* ---- what it was before ---- */

/* What it was when this node mapped it last, unless that is what it still is. */
static bool was_elsewhere(const struct tns__known *was, const struct tns_want *want)
{
    return was->target_iqn && was->naa[0] &&
           (was->lun != want->lun || strcmp(was->target_iqn, want->target_iqn) != 0 ||
            strcmp(was->naa, want->naa) != 0);
}

static int remove_former(struct tns_node *node, const struct tns__known *was,
                         struct tns_error *err)
{
    _tns_free_ struct tns__located *at = tns__alloc(sizeof(*at));
    _tns_close_ int lun_lock = -1;
    int rc = at ? tns__lock_lun(node, was->target_iqn, was->lun, &lun_lock, err)
                : tns__error_nomem(err);

    if (rc == 0)
        rc = tns__locate(node, was, at, err);
    return rc < 0 ? rc : tns__remove_located(node, was, at, err);
}

/* The volume was at another LUN: multipathd would take what the node has of that for a path. Or the name
 * was another volume's, which may be in use here under the name that it has now: that one stays. */
static int leave_former(struct tns_node *node, const struct tns_want *want,
                        struct tns_error *err)
{
    const struct tns_want names = { .storeid = want->storeid, .linkname = want->linkname };
    struct tns_record record = { .memory = NULL };
    struct tns_error why = TNS_ERROR_INIT;
    struct tns__known was;
    int rc = tns__known_make(node, &names, &record, &was, err);

    if (rc == 0 && was_elsewhere(&was, want) && remove_former(node, &was, &why) < 0) {
        tns__log(node->ctx, LOG_WARNING, TNS_LOG_DEVICE, "%s was naa.%s at LUN %u: %s",
                 want->linkname, was.naa, (unsigned)was.lun, why.text);
        tns__link_remove(node, want->storeid, want->linkname, NULL);
        if (strcmp(was.naa, want->naa) == 0)
            rc = tns__error_set(err, TNS_E_IDENTITY,
                                "it was at LUN %u when it was mapped last, and: %s",
                                (unsigned)was.lun, why.text);
    }
    tns__record_clear(&record);
    return rc;
}

/* ---- map ---- */

static int map_prepare(struct mapping *m, struct tns_error *err)
{
    const struct tns_want *want = m->want;
    int rc = 0;

    /* what cannot work shall fail before anything is touched */
    if (want->multipath && !tns__is_broken("multipathd-first"))
        rc = tns__multipathd_check(m->node, err);
    if (rc == 0)
        rc = tns__record_write(m->node, want, err);
    if (rc == 0)
        rc = tns__sessions_ensure(m->node, want, &m->sessions, &m->portals_failed, err);
    /* before the scan, so that multipathd takes the paths as they come */
    if (rc == 0 && want->multipath)
        rc = tns__wwid_add(m->node, m->wwid, &m->has_listed, err);
    return rc;
}

static int map_locked(struct mapping *m, struct tns_mapped *ret, struct tns_error *err)
{
    struct tns_error none = TNS_ERROR_INIT;
    /* a session that is there must not be ended before its disk is */
    _tns_close_ int use = -1;
    int rc = tns__lock_use(m->node, m->want->target_iqn, &use, err);

    if (rc == 0)
        rc = map_prepare(m, err);
    if (rc == 0)
        rc = find_paths(m, err);
    if (rc == 0) {
        keep_proven(&m->paths);
        rc = finish(m, ret, err);
    }
    if (rc < 0)
        take_back(m);
    if (rc == -TNS_E_IDENTITY)
        tns__link_remove(m->node, m->want->storeid, m->want->linkname, &none);
    return rc;
}

/* A portal that was away when the volume was mapped may be back: its path is still missing. */
static bool has_all_paths(const struct tns_want *want, const struct tns_mapped *mapped)
{
    return !want->multipath || !tns__starts_with(mapped->device, "/dev/mapper/") ||
           mapped->paths + mapped->silent >= want->n_portals;
}

/* What is mapped and proven is not lost because more of it could not be had. */
static int map_fewer(const struct mapping *m, const struct tns_mapped *mapped,
                     const struct tns_error *why, struct tns_mapped *ret)
{
    tns__log(m->node->ctx, LOG_WARNING, TNS_LOG_DEVICE, "%s stays as it is: %s",
             m->want->linkname, why->text);
    *ret = *mapped;
    return 0;
}

int tns__device_map(struct tns_node *node, const struct tns_want *want,
                    struct tns_mapped *ret, struct tns_error *err)
{
    _tns_free_ struct mapping *m = NULL;
    _tns_close_ int volume_lock = -1, lun_lock = -1;
    struct tns_error unproven = TNS_ERROR_INIT;
    struct tns_error mine = TNS_ERROR_INIT;
    struct tns_mapped fewer;
    bool found = false;
    int rc = tns__want_check(want, err);

    if (rc < 0)
        return rc;
    /* the usual case costs no lock: it changes nothing */
    if (tns__device_verify(node, want, &found, &fewer, &unproven) == 0 && found &&
        has_all_paths(want, &fewer)) {
        *ret = fewer;
        return 0;
    }

    m = tns__alloc(sizeof(*m));
    if (!m)
        return tns__error_nomem(err);
    *m = (struct mapping){ .node = node, .want = want, .verdict.trouble = TNS_ERROR_INIT };
    tns__wwid_of(want->naa, m->wwid);
    rc = tns__lock_volume(node, want->storeid, want->linkname, &volume_lock, &mine);
    if (rc == 0)
        rc = leave_former(node, want, &mine);
    if (rc == 0)
        rc = tns__lock_lun(node, want->target_iqn, want->lun, &lun_lock, &mine);
    if (rc == 0)
        rc = map_locked(m, ret, &mine);
    if (rc < 0 && found && rc != -TNS_E_IDENTITY)
        return map_fewer(m, &fewer, &mine, ret);
    if (rc < 0) {
        tns__error_copy(err, &mine);
        return tns__error_prefix(err, "mapping %s", want->linkname);
    }
    tns__log(node->ctx, LOG_INFO, TNS_LOG_DEVICE, "mapped %s: %s, %u paths", ret->path,
             ret->device, ret->paths);
    return 0;
}
