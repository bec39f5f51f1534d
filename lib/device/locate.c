/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of a volume here: the link, the map by its uuid, the paths by what they remember. */
#include "device/locate.h"

#include <stdio.h>
#include <string.h>

#include "base/broken.h"
int tns__known_make(struct tns_node *node, const struct tns_want *want,
                    struct tns_record *record, struct tns__known *ret,
                    struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    struct tns__known known = { .storeid = want->storeid,
                                .linkname = want->linkname,
                                .target_iqn = want->target_iqn,
                                .lun = want->lun };
    int rc = tns__names_check(want->storeid, want->linkname, err);

    if (rc < 0)
        return rc;
    snprintf(known.naa, sizeof(known.naa), "%s", want->naa);
    rc = tns__record_read(node, want->storeid, want->linkname, record, &mine);
    /* a record that cannot be read must not keep a volume mapped for ever whose NAA is known */
    if (rc < 0 && rc != -TNS_E_NOTFOUND && !known.naa[0])
        return tns__error_copy(err, &mine);
    if (rc == 0 && !known.naa[0])
        snprintf(known.naa, sizeof(known.naa), "%s", record->want.naa);
    if (rc == 0 && !known.target_iqn && strcmp(known.naa, record->want.naa) == 0) {
        known.target_iqn = record->want.target_iqn;
        known.lun = record->want.lun;
    }
    if (known.naa[0] && !tns__is_naa(known.naa))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is not a NAA identifier of type 6",
                              known.naa);
    *ret = known;
    return 0;
}

/* The map of the link counts only when it is a multipath map, and of our NAA if that is known. */
static void locate_map(struct tns_node *node, const struct tns__known *known,
                       struct tns__located *at)
{
    struct tns__dm dm;

    if (known->naa[0] && tns__mpmap_by_wwid(node, known->naa, &at->map)) {
        at->has_map = true;
        return;
    }
    if (at->link.kind != TNS__LINK_MAP || tns__dm_read(node, at->link.dev, &dm, NULL) < 0 ||
        !tns__starts_with(dm.uuid, "mpath-") ||
        (known->naa[0] && !tns__dm_is_map_of(&dm, known->naa)))
        return;
    at->has_map = true;
    snprintf(at->map.dev, sizeof(at->map.dev), "%s", at->link.dev);
    snprintf(at->map.name, sizeof(at->map.name), "%s", dm.name);
}

static int locate_slaves(struct tns_node *node, struct tns__located *at,
                         struct tns_error *err)
{
    _tns_strv_ char **slaves = NULL;
    int rc = tns__mpmap_slaves(node, at->map.dev, &slaves, err);

    for (char **slave = slaves; rc == 0 && *slave; slave++)
        rc = tns__paths_add_dev(node, &at->paths, *slave, err);
    return rc;
}

/* Devices at the LUN's address are ours when the kernel remembers our NAA for them. A map of ours that
 * has another name than its WWID is found through them. */
static int locate_lun(struct tns_node *node, const struct tns__known *known,
                      struct tns__located *at, struct tns_error *err)
{
    struct tns__paths here = { .n = 0 };
    int rc = tns__sessions_read(node, known->target_iqn, &at->sessions, err);

    if (rc == 0)
        rc = tns__paths_collect(node, &at->sessions, known->lun, &here, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < here.n && rc == 0; i++) {
        char cached[33];

        if (!tns__path_cached_naa(node, &here.p[i], cached) ||
            strcmp(cached, known->naa) != 0)
            continue;
        if (!at->has_map)
            rc = tns__mpmap_of_path(node, here.p[i].dev, known->naa, &at->map, &at->has_map,
                                    err);
        if (rc == 0 && !tns__paths_find(&at->paths, here.p[i].dev) &&
            at->paths.n < TNS__PATHS_MAX)
            at->paths.p[at->paths.n++] = here.p[i];
    }
    return rc;
}

int tns__locate(struct tns_node *node, const struct tns__known *known,
                struct tns__located *ret, struct tns_error *err)
{
    int rc;

    *ret = (struct tns__located){ .link.kind = TNS__LINK_NONE };
    rc = tns__link_read(node, known->storeid, known->linkname, &ret->link, err);
    if (rc < 0)
        return rc;
    locate_map(node, known, ret);
    if (ret->has_map)
        rc = locate_slaves(node, ret, err);
    else if (ret->link.kind == TNS__LINK_DISK)
        rc = tns__paths_add_dev(node, &ret->paths, ret->link.dev, err);
    if (rc == 0 && known->target_iqn && known->naa[0] && !tns__is_broken("leftovers"))
        rc = locate_lun(node, known, ret, err);
    return rc;
}

const char *tns__located_dev(const struct tns__located *at)
{
    if (at->has_map)
        return at->map.dev;
    return at->paths.n ? at->paths.p[0].dev : NULL;
}
