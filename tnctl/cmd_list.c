/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl list and show: the volumes of a storage, and what this node has of one. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "storage.h"

static int list(struct tns_storage *st, void *user, json_t **ret, struct tns_error *err)
{
    const uint64_t *vmid = user;

    return tns_volume_list(st, *vmid, ret, err);
}

static void print_list(const json_t *volumes, const void *user)
{
    const json_t *volume;
    size_t i;

    (void)user;
    json_array_foreach(volumes, i, volume)
    {
        const char *parent = tnctl_text(volume, "parent");

        printf("%-40s %15lld %15lld%s%s\n", tnctl_text(volume, "volname"),
               (long long)json_integer_value(json_object_get(volume, "size")),
               (long long)json_integer_value(json_object_get(volume, "used")),
               *parent ? "  of " : "", parent);
    }
}

static int run_list(const struct tnctl *ctl, int argc, char *argv[])
{
    uint64_t vmid = 0;
    const struct tnctl_work work = { list, print_list, &vmid };

    if (argc < 2 || argc > 3)
        return tnctl_usage("list: takes STOREID [VMID]");
    if (argc == 3 && !tns__parse_u64(argv[2], &vmid))
        return tnctl_usage("list: '%.40s' is no id of a guest", argv[2]);
    return tnctl_on_storage(ctl, argv[1], &work);
}

static int show(struct tns_storage *st, void *user, json_t **ret, struct tns_error *err)
{
    return tns_volume_node_status(st, user, 1, ret, err);
}

static int run_show(const struct tnctl *ctl, int argc, char *argv[])
{
    if (argc != 3)
        return tnctl_usage("show: takes STOREID VOLUME");
    return tnctl_on_storage(ctl, argv[1], &(struct tnctl_work){ show, NULL, argv[2] });
}

const struct tnctl_cmd tnctl_cmd_list = {
    .name = "list",
    .args = "STOREID [VMID]",
    .help = "the volumes of a storage: name, size, used, and what it is a clone of",
    .run = run_list,
};

const struct tnctl_cmd tnctl_cmd_show = {
    .name = "show",
    .args = "STOREID VOLUME",
    .help = "one volume: on the NAS, and its paths, holders and users on this node",
    .run = run_show,
};
