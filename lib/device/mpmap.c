/* SPDX-License-Identifier: Apache-2.0 */
/* A multipath map: found by its uuid, waited for, grown, removed. */
#include "device/multipath.h"

#include <stdio.h>
#include <string.h>

#define MAP_MS 600000u /* the caller's deadline comes before */
#define GROW_MS 30000u
#define REMOVE_MS 30000u
#define RESTORE_MS 2000u
/* multipathd makes a map by itself when it sees the path; after this it is told. */
#define NUDGE_MS 1000u
#define MULTIPATH "/usr/sbin/multipath"

int tns__mpmap_of_path(struct tns_node *node, const char *dev, const char *naa,
                       struct tns__mpmap *ret, bool *ret_found, struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_strv_ char **holders = NULL;
    int rc =
        tns__sysroot_list(node->sr, &holders, &mine, "/sys/class/block/%s/holders", dev);

    *ret_found = false;
    if (rc < 0)
        return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &mine);
    for (char **holder = holders; *holder; holder++) {
        struct tns__dm dm;

        if (!tns__is_devname(*holder) || tns__dm_read(node, *holder, &dm, NULL) < 0 ||
            !tns__dm_is_map_of(&dm, naa) || !tns__is_dm_name(dm.name))
            continue;
        *ret_found = true;
        snprintf(ret->dev, sizeof(ret->dev), "%s", *holder);
        snprintf(ret->name, sizeof(ret->name), "%s", dm.name);
    }
    return 0;
}

/* Which dm-N /dev/mapper/<name> is; udev makes it a symlink. */
static bool mapper_resolves(struct tns_node *node, const char *name, char ret[32])
{
    char link[256];
    const char *at;

    if (tns__sysroot_readlink(node->sr, link, sizeof(link), NULL, "/dev/mapper/%s", name) <
        0)
        return false;
    at = strrchr(link, '/');
    at = at ? at + 1 : link;
    return tns__starts_with(at, "dm-") && tns__is_devname(at) &&
           tns__fmt(ret, 32, "%s", at);
}

bool tns__mpmap_by_wwid(struct tns_node *node, const char *naa, struct tns__mpmap *ret)
{
    char wwid[TNS__WWID_TEXT];
    struct tns__dm dm;

    tns__wwid_of(naa, wwid);
    if (!mapper_resolves(node, wwid, ret->dev) ||
        tns__dm_read(node, ret->dev, &dm, NULL) < 0 || !tns__dm_is_map_of(&dm, naa))
        return false;
    snprintf(ret->name, sizeof(ret->name), "%s", dm.name);
    return true;
}

/* ---- waiting for it ---- */

struct awaited {
    struct tns_node *node;
    const struct tns__paths *paths;
    const char *naa;
    uint64_t nudge_ns; /* when multipathd is told next */
    unsigned nudge_ms; /* and how long it has after that   */
    struct tns__mpmap map;
};

/* The paths came before their WWID was listed, or their uevent was lost. What it answers does not
 * matter: the map is there in the end, or it is not. */
static void nudge(struct awaited *a)
{
    struct tns_error none = TNS_ERROR_INIT;
    char wwid[TNS__WWID_TEXT];

    if (tns__now_ns() < a->nudge_ns)
        return;
    /* one that is busy with a hundred paths is not helped by being asked for each again and again */
    a->nudge_ms *= 3;
    a->nudge_ns = tns__now_ns() + TNS_MS(a->nudge_ms);
    for (size_t i = 0; i < a->paths->n; i++) {
        struct tns__mpmap map;
        bool is_in = false;

        tns__mpmap_of_path(a->node, a->paths->p[i].dev, a->naa, &map, &is_in, &none);
        if (!is_in)
            tns__multipathd_do(a->node, "add path", a->paths->p[i].dev, NULL);
    }
    tns__wwid_of(a->naa, wwid);
    tns__multipathd_do(a->node, "add map", wwid, NULL);
}

static int is_mapped(void *user, struct tns_error *err)
{
    struct awaited *a = user;
    char dev[32];
    bool found = false;
    int rc = 0;

    for (size_t i = 0; i < a->paths->n && !found && rc == 0; i++)
        rc = tns__mpmap_of_path(a->node, a->paths->p[i].dev, a->naa, &a->map, &found, err);
    if (rc < 0)
        return rc;
    if (!found) {
        nudge(a);
        return 0;
    }
    return mapper_resolves(a->node, a->map.name, dev) && strcmp(dev, a->map.dev) == 0;
}

static int are_all_in(void *user, struct tns_error *err)
{
    struct awaited *a = user;

    for (size_t i = 0; i < a->paths->n; i++) {
        struct tns__mpmap map;
        bool is_in;
        int rc = tns__mpmap_of_path(a->node, a->paths->p[i].dev, a->naa, &map, &is_in, err);

        if (rc < 0)
            return rc;
        if (!is_in) {
            nudge(a);
            return 0;
        }
    }
    return 1;
}

int tns__mpmap_wait(struct tns_node *node, const struct tns__paths *paths, const char *naa,
                    struct tns__mpmap *ret, struct tns_error *err)
{
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    struct tns_error late = TNS_ERROR_INIT;
    struct awaited a = { .node = node,
                         .paths = paths,
                         .naa = naa,
                         .nudge_ns = tns__now_ns() + TNS_MS(NUDGE_MS),
                         .nudge_ms = NUDGE_MS };
    int rc;

    tns__uevent_open(&ue);
    rc = tns__wait_for(node, &ue, MAP_MS, "multipathd to make the map", is_mapped, &a, err);
    if (rc < 0)
        return rc;
    /* the other paths join one by one; a map without one of them is degraded, not wrong */
    rc = tns__wait_for(node, &ue, 3 * NUDGE_MS, "all paths to join the map", are_all_in, &a,
                       &late);
    if (rc < 0 && rc != -TNS_E_TIMEOUT)
        return tns__error_copy(err, &late);
    *ret = a.map;
    return 0;
}

int tns__mpmap_slaves(struct tns_node *node, const char *dm_dev, char ***ret,
                      struct tns_error *err)
{
    return tns__sysroot_list(node->sr, ret, err, "/sys/block/%s/slaves", dm_dev);
}

/* ---- growing ---- */

struct growing {
    struct tns_node *node;
    const char *dev;
    uint64_t size_bytes;
};

static int has_grown(void *user, struct tns_error *err)
{
    struct growing *g = user;
    uint64_t size;
    int rc = tns__dev_size(g->node, g->dev, &size, err);

    return rc < 0 ? rc : size == g->size_bytes;
}

int tns__mpmap_grow(struct tns_node *node, const struct tns__mpmap *map,
                    uint64_t size_bytes, struct tns_error *err)
{
    struct growing g = { .node = node, .dev = map->dev, .size_bytes = size_bytes };
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    int rc = has_grown(&g, err);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    tns__uevent_open(&ue);
    rc = tns__multipathd_do(node, "resize map", map->name, err);
    if (rc < 0)
        return rc;
    return tns__wait_for(node, &ue, GROW_MS, "the map to take its new size", has_grown, &g,
                         err);
}

/* ---- removing ---- */

struct removal {
    struct tns_node *node;
    const struct tns__mpmap *map;
    struct tns_error why; /* what the last attempt came to */
};

static int remove_by_command(struct tns_node *node, const char *name, struct tns_error *err)
{
    const char *const argv[] = { MULTIPATH, "-f", name, NULL };
    _tns_run_result_ struct tns_run_result result = { 0 };
    int rc = node->runner->run(node->runner, node->ctx, argv, &result, err);

    if (rc == 0 && result.exit_code != 0)
        return tns__error_set(err, TNS_E_DEVICE, "multipath -f %s failed (exit code %d)",
                              name, result.exit_code);
    return rc;
}

static bool is_there(const struct removal *r)
{
    return tns__sysroot_exists(r->node->sr, "/sys/block/%s", r->map->dev);
}

/* udev opens what was just closed, for a moment: the map is then "in use", and a little later not. */
static int try_remove(void *user, struct tns_error *err)
{
    struct removal *r = user;

    if (!is_there(r))
        return 1;
    tns__error_clear(&r->why);
    if (tns__multipathd_check(r->node, NULL) == 0)
        tns__multipathd_do(r->node, "remove map", r->map->name, &r->why);
    else
        remove_by_command(r->node, r->map->name, &r->why);
    if (!is_there(r))
        return 1;
    return tns__users_none(r->node, r->map->dev, NULL, r->map->name, err);
}

/* Without queueing, the next moment without a path would be an error for whoever still uses the map. The
 * time that the removal had is over, mostly. */
static void restore_queueing(struct tns_node *node, const char *name)
{
    struct tns_ctx ctx;
    struct tns_node later = tns__node_later(node, &ctx, RESTORE_MS);

    tns__multipathd_do(&later, "restorequeueing map", name, NULL);
}

int tns__mpmap_remove(struct tns_node *node, const struct tns__mpmap *map,
                      struct tns_error *err)
{
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    struct removal r = { .node = node, .map = map, .why = TNS_ERROR_INIT };
    struct tns_error mine = TNS_ERROR_INIT;
    bool is_running;
    int rc;

    if (!is_there(&r))
        return 0;
    /* nothing is begun that there is no time for */
    rc = tns__ctx_check(node->ctx, "the multipath map to go", err);
    if (rc < 0)
        return rc;
    tns__uevent_open(&ue);
    /* nothing is to wait for paths that will not come back */
    is_running = tns__multipathd_check(node, NULL) == 0;
    if (is_running)
        tns__multipathd_do(node, "disablequeueing map", map->name, &r.why);
    rc = tns__error_is(&r.why, TNS_E_TIMEOUT)
             ? tns__error_copy(&mine, &r.why)
             : tns__wait_for(node, &ue, REMOVE_MS, "the multipath map to go", try_remove,
                             &r, &mine);
    if (rc == 0)
        return 0;
    if (is_running && is_there(&r))
        restore_queueing(node, map->name);
    if (rc == -TNS_E_TIMEOUT && r.why.code)
        return tns__error_set(err, TNS_E_TIMEOUT, "%s: %s", map->name, r.why.text);
    return tns__error_copy(err, &mine);
}
