/* SPDX-License-Identifier: Apache-2.0 */
/* The symlink of a volume: where it points, and whether that is still there. */
#include "device/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINK "/dev/tnstor/%s/%s"
#define MAPPER "/dev/mapper/"
#define DISKSEQ "/dev/disk/by-diskseq/"
#define UDEV_MS 30000u

/* The kernel name at the end of a link of udev: "../../sdc". */
static bool kernel_name_of(struct tns_node *node, const char *path, char ret[32])
{
    char link[256];
    const char *at;

    if (tns__sysroot_readlink(node->sr, link, sizeof(link), NULL, "%s", path) < 0)
        return false;
    at = strrchr(link, '/');
    at = at ? at + 1 : link;
    return tns__is_devname(at) && tns__fmt(ret, 32, "%s", at);
}

/* udev's link may lag behind; the number in sysfs does not. */
static bool has_diskseq(struct tns_node *node, const char *dev, const char *number)
{
    char now[32];

    return tns__sysroot_read(node->sr, now, sizeof(now), NULL,
                             "/sys/class/block/%s/diskseq", dev) == 0 &&
           strcmp(now, number) == 0;
}

static void link_follow(struct tns_node *node, struct tns__link *link)
{
    const char *target = link->target;

    link->kind = TNS__LINK_DEAD;
    if (tns__starts_with(target, MAPPER) && tns__is_dm_name(target + strlen(MAPPER))) {
        snprintf(link->name, sizeof(link->name), "%s", target + strlen(MAPPER));
        if (kernel_name_of(node, target, link->dev) && tns__starts_with(link->dev, "dm-"))
            link->kind = TNS__LINK_MAP;
    } else if (tns__starts_with(target, DISKSEQ)) {
        if (kernel_name_of(node, target, link->dev) &&
            has_diskseq(node, link->dev, target + strlen(DISKSEQ)))
            link->kind = TNS__LINK_DISK;
    }
}

int tns__link_read(struct tns_node *node, const char *storeid, const char *linkname,
                   struct tns__link *ret, struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    struct tns__link link = { .kind = TNS__LINK_NONE };
    int rc = tns__names_check(storeid, linkname, err);

    if (rc < 0)
        return rc;
    rc = tns__sysroot_readlink(node->sr, link.target, sizeof(link.target), &mine, LINK,
                               storeid, linkname);
    if (rc < 0 && rc != -TNS_E_NOTFOUND)
        return tns__error_copy(err, &mine);
    if (rc == 0)
        link_follow(node, &link);
    *ret = link;
    return 0;
}

static int link_place(struct tns_node *node, const struct tns_want *want,
                      const char *target, struct tns_error *err)
{
    char before[256];

    if (tns__sysroot_readlink(node->sr, before, sizeof(before), NULL, LINK, want->storeid,
                              want->linkname) == 0 &&
        strcmp(before, target) == 0)
        return 0;
    return tns__sysroot_symlink(node->sr, target, err, LINK, want->storeid, want->linkname);
}

int tns__link_place_map(struct tns_node *node, const struct tns_want *want,
                        const struct tns__mpmap *map, char ret[512], struct tns_error *err)
{
    char target[256];
    int rc;

    snprintf(target, sizeof(target), MAPPER "%s", map->name);
    rc = link_place(node, want, target, err);
    if (rc == 0)
        snprintf(ret, 512, "%s", target);
    return rc;
}

struct named {
    struct tns_node *node;
    const char *dev;
    char target[64];
};

static int is_named(void *user, struct tns_error *err)
{
    struct named *n = user;
    char dev[32];

    (void)err;
    return kernel_name_of(n->node, n->target, dev) && strcmp(dev, n->dev) == 0;
}

int tns__link_place_disk(struct tns_node *node, const struct tns_want *want,
                         const char *dev, char ret[512], struct tns_error *err)
{
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    struct named n = { .node = node, .dev = dev };
    uint64_t number;
    int rc;

    tns__uevent_open(&ue);
    rc = tns__sysroot_read_u64(node->sr, &number, err, "/sys/class/block/%s/diskseq", dev);
    if (rc < 0)
        return rc;
    snprintf(n.target, sizeof(n.target), DISKSEQ "%" PRIu64, number);
    rc = tns__wait_for(node, &ue, UDEV_MS, "udev to name the device", is_named, &n, err);
    if (rc == 0)
        rc = link_place(node, want, n.target, err);
    if (rc == 0)
        snprintf(ret, 512, "%s", n.target);
    return rc;
}

int tns__link_remove(struct tns_node *node, const char *storeid, const char *linkname,
                     struct tns_error *err)
{
    return tns__sysroot_unlink(node->sr, err, LINK, storeid, linkname);
}
