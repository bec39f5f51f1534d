/* SPDX-License-Identifier: Apache-2.0 */
/* resize: this LUN is looked at again on every path, then the map follows, then it is proven. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/broken.h"
#include "device/link.h"
#include "device/lock.h"
#include "device/purge.h"
#include "device/verify.h"

#define GROW_MS 30000u

struct path_growing {
    struct tns_node *node;
    const struct tns__path *path;
    uint64_t size_bytes;
};

static int has_size(void *user, struct tns_error *err)
{
    struct path_growing *g = user;
    uint64_t size;
    int rc = tns__dev_size(g->node, g->path->dev, &size, err);

    return rc < 0 ? rc : size == g->size_bytes;
}

int tns__path_grow(struct tns_node *node, const struct tns__path *path, uint64_t size_bytes,
                   struct tns_error *err)
{
    struct path_growing g = { .node = node, .path = path, .size_bytes = size_bytes };
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    int rc;

    tns__uevent_open(&ue);
    rc = tns__path_rescan(node, path, err);
    if (rc < 0)
        return rc;
    return tns__wait_for(node, &ue, GROW_MS, "the kernel to see the new size", has_size, &g,
                         err);
}

static int linked_paths(struct tns_node *node, const struct tns__link *link,
                        struct tns__paths *ret, struct tns_error *err)
{
    _tns_strv_ char **slaves = NULL;
    int rc = 0;

    ret->n = 0;
    if (link->kind == TNS__LINK_DISK)
        return tns__paths_add_dev(node, ret, link->dev, err);
    rc = tns__mpmap_slaves(node, link->dev, &slaves, err);
    for (char **slave = slaves; rc == 0 && *slave; slave++)
        rc = tns__paths_add_dev(node, ret, *slave, err);
    return rc;
}

/* A path that does not answer now learns its size when it comes back; all silent is a failure. */
static int resize_paths(struct tns_node *node, const struct tns_want *want,
                        const struct tns__paths *paths, struct tns_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < paths->n && rc == 0; i++) {
        if (paths->p[i].err.code == 0)
            rc = tns__path_grow(node, &paths->p[i], want->size_bytes, err);
        if (rc < 0)
            tns__error_prefix(err, "%s", paths->p[i].dev);
        if (tns__is_broken("resize-every-path"))
            break;
    }
    return rc;
}

/* The kernel refuses a map that is larger than one of its paths. */
static int small_path(struct tns_node *node, const struct tns_want *want,
                      const struct tns__paths *paths, struct tns_error *err)
{
    for (size_t i = 0; i < paths->n; i++) {
        const struct tns__path *path = &paths->p[i];
        struct tns_error none = TNS_ERROR_INIT;
        uint64_t size;

        if (path->err.code == 0 ||
            (tns__dev_size(node, path->dev, &size, &none) == 0 && size == want->size_bytes))
            continue;
        return tns__error_set(
            err, TNS_E_DEVICE,
            "the NAS has %llu bytes, and the map cannot grow while the path "
            "%s is away (%s): repeat it when the path is back",
            (unsigned long long)want->size_bytes, path->dev, path->err.text);
    }
    return 0;
}

static int resize_linked(struct tns_node *node, const struct tns_want *want,
                         const struct tns__link *link, struct tns_error *err)
{
    struct tns__mpmap map;
    struct tns__verdict verdict = { .proven = 0 };
    struct tns__paths paths;
    int rc = linked_paths(node, link, &paths, err);

    /* identity and the new size first, by the target's own word: nothing is grown on trust */
    if (rc == 0)
        rc = tns__paths_verify(node, want, &paths, &verdict, err);
    if (rc < 0)
        return rc;
    if (verdict.proven == 0)
        return verdict.trouble.code
                   ? tns__error_copy(err, &verdict.trouble)
                   : tns__error_set(err, TNS_E_DEVICE, "%s has no path left", link->target);
    rc = resize_paths(node, want, &paths, err);
    if (rc < 0 || link->kind == TNS__LINK_DISK)
        return rc;
    memcpy(map.dev, link->dev, sizeof(map.dev));
    memcpy(map.name, link->name, sizeof(map.name));
    rc = small_path(node, want, &paths, err);
    return rc < 0 ? rc : tns__mpmap_grow(node, &map, want->size_bytes, err);
}

int tns__device_resize(struct tns_node *node, const struct tns_want *want,
                       struct tns_error *err)
{
    _tns_close_ int volume_lock = -1, lun_lock = -1;
    struct tns__link link = { .kind = TNS__LINK_NONE };
    int rc = tns__want_check(want, err);

    if (rc == 0)
        rc = tns__lock_volume(node, want->storeid, want->linkname, &volume_lock, err);
    if (rc == 0)
        rc = tns__lock_lun(node, want->target_iqn, want->lun, &lun_lock, err);
    if (rc == 0)
        rc = tns__link_read(node, want->storeid, want->linkname, &link, err);
    if (rc < 0)
        return rc;
    if (link.kind == TNS__LINK_NONE || link.kind == TNS__LINK_DEAD)
        return 0;
    rc = resize_linked(node, want, &link, err);
    if (rc == 0)
        rc = tns__record_write(node, want, err);
    if (rc < 0)
        return tns__error_prefix(err, "resizing %s on this node", want->linkname);
    tns__log(node->ctx, LOG_INFO, TNS_LOG_DEVICE, "%s/%s: now %llu bytes", want->storeid,
             want->linkname, (unsigned long long)want->size_bytes);
    return 0;
}
