/* SPDX-License-Identifier: Apache-2.0 */
/* Who stands on a block device: device mapper, LVM; openers.c knows who has it open. */
#include "device/holders_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/broken.h"
#include "base/json.h"
#include "device/wait.h"

/* How long a process that only looks may take. */
#define PASSING_MS 2000u

bool tns__is_dm_name(const char *s)
{
    static const char set[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "._+@:-";
    size_t len = strnlen(s, 128);

    return len > 0 && len < 128 && strspn(s, set) == len && s[0] != '-' && s[0] != '.';
}

void tns__wwid_of(const char *naa, char ret[TNS__WWID_TEXT])
{
    snprintf(ret, TNS__WWID_TEXT, "3%.32s", naa);
}

int tns__dm_read(struct tns_node *node, const char *dev, struct tns__dm *ret,
                 struct tns_error *err)
{
    int rc = tns__sysroot_read(node->sr, ret->name, sizeof(ret->name), err,
                               "/sys/class/block/%s/dm/name", dev);

    return rc < 0 ? rc
                  : tns__sysroot_read(node->sr, ret->uuid, sizeof(ret->uuid), err,
                                      "/sys/class/block/%s/dm/uuid", dev);
}

bool tns__dm_is_map_of(const struct tns__dm *dm, const char *naa)
{
    char wwid[TNS__WWID_TEXT];

    tns__wwid_of(naa, wwid);
    return tns__starts_with(dm->uuid, "mpath-") && strcmp(dm->uuid + 6, wwid) == 0;
}

/* ---- the family ---- */

static int family_add(struct tns_node *node, struct tns__family *f, const char *dev,
                      struct tns_error *err)
{
    if (f->n == TNS__FAMILY_MAX)
        return tns__error_set(err, TNS_E_CONFLICT, "%s carries more than %u devices",
                              f->dev[0], TNS__FAMILY_MAX);
    snprintf(f->dev[f->n], sizeof(f->dev[0]), "%s", dev);
    f->number[f->n][0] = '\0';
    tns__sysroot_read(node->sr, f->number[f->n], sizeof(f->number[0]), NULL,
                      "/sys/class/block/%s/dev", dev);
    f->n++;
    return 0;
}

int tns__tell(json_t *list, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tns__text_clean(text);
    return json_array_append_new(list, json_string(text));
}

/* "vg--one-lv--two" is the volume group "vg-one". */
static void vg_of(const char *dm_name, char *ret, size_t cap)
{
    size_t n = 0;

    for (const char *p = dm_name; *p && n + 1 < cap; p++) {
        if (p[0] == '-' && p[1] != '-')
            break;
        p += p[0] == '-';
        ret[n++] = *p;
    }
    ret[n] = '\0';
}

static int family_holder(struct tns_node *node, struct tns__family *f, const char *holder,
                         struct tns_error *err)
{
    struct tns__dm dm;
    char vg[128];
    int rc;

    if (tns__dm_read(node, holder, &dm, NULL) < 0)
        return tns__tell(f->holders, "%s", holder) < 0 ? tns__error_nomem(err) : 0;
    /* kpartx: goes with the map when nobody uses it */
    if (tns__starts_with(dm.uuid, "part"))
        return family_add(node, f, holder, err);
    if (!tns__starts_with(dm.uuid, "LVM-"))
        return tns__tell(f->holders, "%s (%s)", dm.name, holder) < 0 ? tns__error_nomem(err)
                                                                     : 0;
    vg_of(dm.name, vg, sizeof(vg));
    rc =
        tns__tell(f->holders,
                  "LVM volume group %s, active on this node (vgchange -an %s, and keep the "
                  "devices of "
                  "guests out of LVM with global_filter in lvm.conf)",
                  vg, vg);
    return rc < 0 ? tns__error_nomem(err) : 0;
}

static int family_holders(struct tns_node *node, struct tns__family *f, const char *dev,
                          const char *spare, struct tns_error *err)
{
    struct tns_error gone = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;
    int rc = tns__sysroot_list(node->sr, &names, &gone, "/sys/class/block/%s/holders", dev);

    if (rc == -TNS_E_NOTFOUND)
        return 0;
    if (rc < 0)
        return tns__error_copy(err, &gone);
    for (char **name = names; *name && rc == 0; name++) {
        if (!spare || strcmp(*name, spare) != 0)
            rc = family_holder(node, f, *name, err);
    }
    return rc;
}

/* sdc has sdc1 in its directory, nvme0n1 nvme0n1p1: what begins with its name and is a partition. */
static int family_partitions(struct tns_node *node, struct tns__family *f, const char *dev,
                             struct tns_error *err)
{
    struct tns_error gone = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;
    int rc = tns__sysroot_list(node->sr, &names, &gone, "/sys/class/block/%s", dev);

    if (rc < 0)
        return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &gone);
    for (char **name = names; *name && rc == 0; name++) {
        if (tns__starts_with(*name, dev) &&
            tns__sysroot_exists(node->sr, "/sys/class/block/%s/%s/partition", dev, *name))
            rc = family_add(node, f, *name, err);
    }
    return rc;
}

static int family_grow(struct tns_node *node, struct tns__family *f, const char *spare,
                       struct tns_error *err)
{
    int rc = family_partitions(node, f, f->dev[0], err);

    for (size_t i = 0; i < f->n && rc == 0; i++)
        rc = family_holders(node, f, f->dev[i], spare, err);
    return rc;
}

/* What stands on a device holds it, too, and is known already. */
static bool has_holders(struct tns_node *node, const char *dev)
{
    _tns_strv_ char **names = NULL;

    return tns__sysroot_list(node->sr, &names, NULL, "/sys/class/block/%s/holders", dev) ==
               0 &&
           names[0];
}

/* Where nobody was found. */
static int find_claims(struct tns_node *node, struct tns__family *f, struct tns_error *err)
{
    if (!node->scsi->is_claimed || json_array_size(f->holders) ||
        json_array_size(f->openers))
        return 0;
    for (size_t i = 0; i < f->n; i++) {
        if (has_holders(node, f->dev[i]) ||
            !node->scsi->is_claimed(node->scsi, node->sr, node->ctx, f->dev[i]))
            continue;
        if (tns__tell(f->openers,
                      "the kernel, for a file system, a ZFS pool or an export on %s",
                      f->dev[i]) < 0)
            return tns__error_nomem(err);
    }
    return 0;
}

int tns__users_find(struct tns_node *node, const char *dev, const char *spare, json_t **ret,
                    struct tns_error *err)
{
    _tns_json_ json_t *users = tns__json_pack(err, "{s:[], s:[]}", "holders", "openers");
    _tns_free_ struct tns__family *f = tns__alloc(sizeof(*f));
    int rc;

    if (!users || !f)
        return tns__error_nomem(err);
    f->holders = json_object_get(users, "holders");
    f->openers = json_object_get(users, "openers");
    rc = family_add(node, f, dev, err);
    if (rc == 0)
        rc = family_grow(node, f, spare, err);
    if (rc == 0)
        rc = tns__find_mounts(node, f, err);
    if (rc == 0)
        rc = tns__find_swaps(node, f, err);
    if (rc == 0)
        rc = tns__find_loops(node, f, err);
    if (rc == 0)
        rc = tns__find_openers(node, f, err);
    if (rc == 0)
        rc = find_claims(node, f, err);
    if (rc < 0)
        return tns__error_prefix(err, "who uses %s", dev);
    *ret = TNS_STEAL(users);
    return 0;
}

const char *tns__users_first(const json_t *users)
{
    const char *holder =
        json_string_value(json_array_get(json_object_get(users, "holders"), 0));

    return holder ? holder
                  : json_string_value(json_array_get(json_object_get(users, "openers"), 0));
}

/* Processes alone, and nothing that stays until somebody takes it away. */
static bool may_pass(const json_t *users)
{
    const json_t *opener;
    size_t i;

    json_array_foreach(json_object_get(users, "openers"), i, opener)
    {
        if (!tns__starts_with(json_string_value(opener), TNS__PROCESS))
            return false;
    }
    return json_array_size(json_object_get(users, "holders")) == 0;
}

struct vacancy {
    struct tns_node *node;
    const char *dev, *spare, *what;
    struct tns_error why; /* who was there at the last look */
};

static int is_vacant(void *user, struct tns_error *err)
{
    struct vacancy *v = user;
    _tns_json_ json_t *users = NULL;
    const char *first;
    int rc = tns__users_find(v->node, v->dev, v->spare, &users, err);

    if (rc < 0)
        return rc;
    first = tns__users_first(users);
    if (!first)
        return 1;
    tns__error_clear(&v->why);
    tns__error_set(&v->why, TNS_E_CONFLICT, "%s (%s) is in use on this node by %s", v->what,
                   v->dev, first);
    return may_pass(users) ? 0 : tns__error_copy(err, &v->why);
}

/* A device that its guest has closed may be opened by somebody who only looks (vgs, lvm's or kpartx's service;
 * what udev itself runs is no user at all): such a process is gone in a moment. */
int tns__users_none(struct tns_node *node, const char *dev, const char *spare,
                    const char *what, struct tns_error *err)
{
    struct tns__uevent ue = { .fd = -1 };
    struct tns_error late = TNS_ERROR_INIT;
    struct vacancy v = {
        .node = node, .dev = dev, .spare = spare, .what = what, .why = TNS_ERROR_INIT
    };
    int rc = 0;

    if (!tns__is_broken("holders"))
        rc = tns__wait_for(node, &ue, PASSING_MS, what, is_vacant, &v, &late);
    if (rc == 0)
        return 0;
    return tns__error_copy(err, v.why.code ? &v.why : &late);
}
