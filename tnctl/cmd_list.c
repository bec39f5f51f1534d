/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl list and show: the volumes of a storage, and what this node has of one. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "storage.h"

static int print_list(const json_t *list)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(list, i, volume)
    {
        const char *parent = tnctl_text(volume, "parent");

        printf("%-40s %15lld %15lld%s%s\n", tnctl_text(volume, "volname"),
               (long long)json_integer_value(json_object_get(volume, "size")),
               (long long)json_integer_value(json_object_get(volume, "used")),
               *parent ? "  of " : "", parent);
    }
    return tnctl_flush();
}

static int run_list(const struct tnctl *ctl, int argc, char *argv[])
{
    _tnctl_storage_ struct tns_storage *st = NULL;
    _tns_json_ json_t *list = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    uint64_t vmid = 0;
    int code = TNCTL_FAILED;

    if (argc < 2 || argc > 3)
        return tnctl_usage("list: takes STOREID [VMID]");
    if (argc == 3 && !tns__parse_u64(argv[2], &vmid))
        return tnctl_usage("list: '%.40s' is no id of a guest", argv[2]);
    st = tnctl_storage_open(ctl, argv[1], &code);
    if (!st)
        return code;
    if (tns_volume_list(st, vmid, &list, &err))
        return tnctl_fail(ctl, &err);
    return ctl->json ? tnctl_print(ctl, list) : print_list(list);
}

static int run_show(const struct tnctl *ctl, int argc, char *argv[])
{
    _tnctl_storage_ struct tns_storage *st = NULL;
    _tns_json_ json_t *status = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    int code = TNCTL_FAILED;

    if (argc != 3)
        return tnctl_usage("show: takes STOREID VOLUME");
    st = tnctl_storage_open(ctl, argv[1], &code);
    if (!st)
        return code;
    if (tns_volume_node_status(st, argv[2], 1, &status, &err))
        return tnctl_fail(ctl, &err);
    return tnctl_print(ctl, status);
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
