/* SPDX-License-Identifier: Apache-2.0 */
/* Mapped already? What the link leads to must prove itself as if it were new. */
#include <stdio.h>
#include <string.h>

#include "base/broken.h"
#include "device/link.h"
#include "device/locate.h"
#include "device/verify.h"

/* Everything that answers as this volume, but was made when the LUN was another's: the data would be
 * right, and whatever goes by the kernel's memory of it - multipathd, udev, unmap - wrong. */
static int former_owner_s(const struct tns_want *want, const char *dev,
                          struct tns_error *err)
{
    return tns__error_set(err, TNS_E_IDENTITY,
                          "%s was made for another volume, the former owner of LUN %u", dev,
                          (unsigned)want->lun);
}

/* The map bears the identity for which multipathd made it: in its name, or, when that is an alias, in its
 * uuid. */
static int verify_made_for(struct tns_node *node, const struct tns_want *want,
                           const struct tns__link *link, struct tns_error *err)
{
    char wwid[TNS__WWID_TEXT];
    struct tns__dm dm;
    int rc;

    tns__wwid_of(want->naa, wwid);
    if (strcmp(link->name, wwid) == 0 || tns__is_broken("stale"))
        return 0;
    rc = tns__dm_read(node, link->dev, &dm, err);
    if (rc < 0 || tns__dm_is_map_of(&dm, want->naa))
        return rc;
    return former_owner_s(want, link->dev, err);
}

static int collect_slaves(struct tns_node *node, const struct tns__link *link,
                          struct tns__paths *paths, struct tns_error *err)
{
    _tns_strv_ char **slaves = NULL;
    int rc = tns__mpmap_slaves(node, link->dev, &slaves, err);

    if (rc < 0)
        return rc;
    for (char **slave = slaves; *slave; slave++) {
        struct tns__path *path = &paths->p[paths->n];

        if (paths->n == TNS__PATHS_MAX || !tns__is_devname(*slave))
            return tns__error_set(err, TNS_E_DEVICE, "%s has strange paths", link->target);
        *path = (struct tns__path){ .err = TNS_ERROR_INIT };
        snprintf(path->dev, sizeof(path->dev), "%s", *slave);
        paths->n++;
    }
    return 0;
}

static int size_error(const struct tns_want *want, const char *dev, uint64_t size,
                      struct tns_error *err)
{
    return tns__error_set(err, TNS_E_IDENTITY,
                          "%s has %llu bytes on this node, but %s has %llu", dev,
                          (unsigned long long)size, want->linkname,
                          (unsigned long long)want->size_bytes);
}

static int verify_size(struct tns_node *node, const struct tns_want *want, const char *dev,
                       struct tns_error *err)
{
    uint64_t size;
    int rc = tns__dev_size(node, dev, &size, err);

    if (rc < 0 || !want->size_bytes || size == want->size_bytes)
        return rc;
    return size_error(want, dev, size, err);
}

/* A path that was away during a resize still has the old size, and would fail what lies beyond it. */
static int verify_path_sizes(const struct tns_want *want, const struct tns__paths *paths,
                             struct tns_error *err)
{
    for (size_t i = 0; i < paths->n && !tns__is_broken("path-size"); i++) {
        const struct tns__path *path = &paths->p[i];

        if (path->err.code == 0 && path->id.kernel_bytes && want->size_bytes &&
            path->id.kernel_bytes != want->size_bytes)
            return size_error(want, path->dev, path->id.kernel_bytes, err);
    }
    return 0;
}

static int verify_linked(struct tns_node *node, const struct tns_want *want,
                         const struct tns__link *link, struct tns_mapped *ret,
                         struct tns_error *err)
{
    struct tns__paths paths = { .n = 0 };
    struct tns_want again = *want;
    struct tns__verdict verdict = { .proven = 0 };
    int rc;

    again.serial = NULL; /* compared when it was mapped; the NAA is what cannot be twice */
    if (link->kind == TNS__LINK_MAP)
        rc = collect_slaves(node, link, &paths, err);
    else
        rc = tns__paths_add_dev(node, &paths, link->dev, err);
    if (rc == 0)
        rc = tns__paths_verify(node, &again, &paths, &verdict, err);
    if (rc == 0 && link->kind == TNS__LINK_MAP)
        rc = verify_made_for(node, want, link, err);
    else if (rc == 0 && verdict.proven && tns__path_is_stale(node, &paths.p[0]))
        rc = former_owner_s(want, link->dev, err);
    if (rc == 0)
        rc = verify_path_sizes(want, &paths, err);
    if (rc == 0)
        rc = verify_size(node, want, link->dev, err);
    if (rc < 0)
        return rc;
    if (verdict.proven == 0 && !tns__is_broken("silence"))
        return verdict.trouble.code
                   ? tns__error_copy(err, &verdict.trouble)
                   : tns__error_set(err, TNS_E_DEVICE, "%s has no path left", link->target);
    tns__mapped_fill(want, &verdict, link->target, 0, ret);
    ret->already = true;
    return 0;
}

int tns__device_verify(struct tns_node *node, const struct tns_want *want, bool *ret_found,
                       struct tns_mapped *ret, struct tns_error *err)
{
    struct tns__link link;
    int rc;

    if (!tns__is_naa(want->naa))
        return tns__error_set(err, TNS_E_USAGE,
                              "%s: \"%s\" is not a NAA identifier of type 6",
                              want->linkname, want->naa);
    rc = tns__link_read(node, want->storeid, want->linkname, &link, err);
    if (rc < 0)
        return rc;
    if (link.kind == TNS__LINK_NONE || link.kind == TNS__LINK_DEAD) {
        *ret_found = false;
        return 0;
    }
    rc = verify_linked(node, want, &link, ret, err);
    if (rc < 0)
        return rc;
    *ret_found = true;
    return 0;
}
