/* SPDX-License-Identifier: Apache-2.0 */
/* A LUN number was reused: what this node still has of its former owner must go, or be named. */
#include "device/purge.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/broken.h"

/* A holder of a path that is not the map of the volume which is there now. */
struct stale_holder {
    struct tns__mpmap map;
    bool is_map; /* multipath; anything else is a user */
    char words[192];
};

/* 1: a holder that is not the wanted map. */
static int foreign_holder(struct tns_node *node, const struct tns__path *path,
                          const char *naa, struct stale_holder *ret, struct tns_error *err)
{
    struct tns_error gone = TNS_ERROR_INIT;
    _tns_strv_ char **holders = NULL;
    int rc = tns__sysroot_list(node->sr, &holders, &gone, "/sys/class/block/%s/holders",
                               path->dev);

    if (rc < 0)
        return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &gone);
    for (char **holder = holders; *holder; holder++) {
        struct tns__dm dm = { .name = "", .uuid = "" };
        bool is_dm = tns__dm_read(node, *holder, &dm, NULL) == 0;

        if (is_dm && tns__dm_is_map_of(&dm, naa))
            continue;
        *ret = (struct stale_holder){ .is_map = tns__starts_with(dm.uuid, "mpath-") &&
                                                tns__is_dm_name(dm.name) };
        snprintf(ret->map.dev, sizeof(ret->map.dev), "%.31s", *holder);
        snprintf(ret->map.name, sizeof(ret->map.name), "%s", dm.name);
        snprintf(ret->words, sizeof(ret->words), "%.31s (%.127s)", *holder,
                 is_dm ? dm.name : "no device mapper device");
        return 1;
    }
    return 0;
}

/* A stale map is ours to remove only when this LUN is all that it ever was. */
static bool is_all_on_lun(struct tns_node *node, const struct tns_want *want,
                          const struct tns__sessions *sessions, const char *dm_dev)
{
    struct tns__paths slaves = { .n = 0 };
    struct tns_error none = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;

    if (tns__mpmap_slaves(node, dm_dev, &names, &none) < 0)
        return false;
    for (char **name = names; *name; name++) {
        if (tns__paths_add_dev(node, &slaves, *name, &none) < 0)
            return false;
    }
    for (size_t i = 0; i < slaves.n; i++) {
        bool is_ours = false;

        for (size_t k = 0; k < sessions->n; k++)
            is_ours = is_ours || sessions->s[k].host == slaves.p[i].host;
        if (!is_ours || (slaves.p[i].lun & 0x3fffu) != want->lun)
            return false;
    }
    return true;
}

static int release_holder(struct tns_node *node, const struct tns_want *want,
                          const struct tns__sessions *sessions,
                          const struct tns__path *path, const struct stale_holder *holder,
                          struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;

    if (!holder->is_map || !is_all_on_lun(node, want, sessions, holder->map.dev))
        return tns__error_set(
            err, TNS_E_IDENTITY,
            "%s at LUN %u belonged to another volume and is still held by %s", path->dev,
            (unsigned)want->lun, holder->words);
    if (tns__users_none(node, holder->map.dev, NULL, holder->map.name, &why) < 0 ||
        tns__mpmap_remove(node, &holder->map, &why) < 0)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "LUN %u belonged to another volume on this node: %s",
                              (unsigned)want->lun, why.text);
    tns__log(node->ctx, LOG_NOTICE, TNS_LOG_DEVICE, "removed the stale map %s",
             holder->words);
    return 0;
}

static int purge_path(struct tns_node *node, const struct tns_want *want,
                      const struct tns__sessions *sessions, const struct tns__path *path,
                      const char *naa, struct tns_error *err)
{
    struct stale_holder holder;
    struct tns_error why = TNS_ERROR_INIT;
    int rc = foreign_holder(node, path, naa, &holder, err);

    if (rc > 0)
        rc = release_holder(node, want, sessions, path, &holder, err);
    if (rc < 0)
        return rc;
    if (tns__users_none(node, path->dev, NULL, path->dev, &why) < 0)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "LUN %u belonged to another volume on this node: %s",
                              (unsigned)want->lun, why.text);
    return tns__path_delete(node, path, err);
}

/* The kernel made the device for this very volume, and it carries what the node still does with it. That
 * the LUN is gone now says nothing of another owner. */
static bool is_still_ours(struct tns_node *node, const struct tns_want *want,
                          const struct tns__path *path)
{
    struct tns_error none = TNS_ERROR_INIT;
    struct tns__mpmap map;
    char cached[33];
    bool is_in = false;

    if (tns__mpmap_of_path(node, path->dev, want->naa, &map, &is_in, &none) == 0 && is_in)
        return true;
    return tns__path_cached_naa(node, path, cached) && strcmp(cached, want->naa) == 0 &&
           tns__users_none(node, path->dev, NULL, path->dev, &none) < 0;
}

/* Whether the kernel's device is one thing and the LUN another. A LUN that is gone is a leftover, unless
 * it was this volume; a device that answers for itself as somebody else in every memory is none. */
static int is_leftover(struct tns_node *node, const struct tns_want *want,
                       const struct tns__path *path, struct tns_error *err)
{
    struct stale_holder holder;
    struct tns__mpmap map;
    bool is_in_right_map;
    int rc;

    if (path->err.code)
        return path->err.code == TNS_E_NOTFOUND && !is_still_ours(node, want, path);
    rc = foreign_holder(node, path, path->id.naa, &holder, err);
    if (rc != 0)
        return rc;
    rc = tns__mpmap_of_path(node, path->dev, path->id.naa, &map, &is_in_right_map, err);
    if (rc < 0 || is_in_right_map)
        return rc;
    return tns__path_is_stale(node, path);
}

int tns__purge_stale(struct tns_node *node, const struct tns_want *want,
                     const struct tns__sessions *sessions, const struct tns__paths *paths,
                     struct tns__purge *ret, struct tns_error *err)
{
    struct tns__purge purge = { 0 };

    for (size_t i = 0; i < paths->n && !tns__is_broken("stale"); i++) {
        const struct tns__path *path = &paths->p[i];
        int rc = is_leftover(node, want, path, err);

        /* the former owner's map is foreign to whoever is there now, also when that is not us */
        if (rc > 0)
            rc = purge_path(node, want, sessions, path,
                            path->err.code ? want->naa : path->id.naa, err);
        else if (rc == 0)
            continue;
        if (rc < 0)
            return rc;
        purge.removed++;
    }
    *ret = purge;
    return 0;
}
