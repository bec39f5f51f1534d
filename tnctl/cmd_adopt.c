/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl adopt and release: volumes of the old plugin, or moved ones, become ours; or nobody's. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "storage.h"

typedef int (*each_fn)(struct tns_storage *st, const char *volname, struct tns_error *err);

static int each(const struct tnctl *ctl, int argc, char *argv[], each_fn fn,
                const char *done)
{
    _tnctl_storage_ struct tns_storage *st = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    int code = TNCTL_FAILED;

    st = tnctl_storage_open(ctl, argv[1], &code);
    if (!st)
        return code;
    for (int i = 2; i < argc; i++) {
        if (fn(st, argv[i], &err))
            return tnctl_fail(ctl, &err);
        if (!ctl->json)
            printf("%s %s\n", done, argv[i]);
    }
    return tnctl_flush();
}

static int print_adopted(const json_t *report)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(report, "volumes"), i, row)
    {
        printf("%s %s as %s\n", tnctl_text(row, "action"), tnctl_text(row, "object"),
               tnctl_text(row, "volname"));
    }
    return tnctl_flush();
}

static int adopt_all(const struct tnctl *ctl, const char *storeid, bool check)
{
    _tnctl_storage_ struct tns_storage *st = NULL;
    _tns_json_ json_t *report = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    int code = TNCTL_FAILED;

    st = tnctl_storage_open(ctl, storeid, &code);
    if (!st)
        return code;
    if (tns_storage_adopt_all(st, check, &report, &err))
        return tnctl_fail(ctl, &err);
    return ctl->json ? tnctl_print(ctl, report) : print_adopted(report);
}

static int run_adopt(const struct tnctl *ctl, int argc, char *argv[])
{
    bool all = tnctl_flag(&argc, argv, "--all");
    bool check = tnctl_flag(&argc, argv, "--check");

    if (argc < 2 || all != (argc == 2) || (check && !all))
        return tnctl_usage("adopt: takes STOREID VOLUME..., or STOREID --all [--check]");
    return all ? adopt_all(ctl, argv[1], check)
               : each(ctl, argc, argv, tns_volume_adopt, "adopted");
}

static int run_release(const struct tnctl *ctl, int argc, char *argv[])
{
    if (argc < 3)
        return tnctl_usage("release: takes STOREID VOLUME...");
    return each(ctl, argc, argv, tns_volume_release, "released");
}

const struct tnctl_cmd tnctl_cmd_adopt = {
    .name = "adopt",
    .args = "STOREID VOLUME... | STOREID --all [--check]",
    .help =
        "makes volumes of the old plugin, or with --all moved and replicated ones, ours",
    .run = run_adopt,
};

const struct tnctl_cmd tnctl_cmd_release = {
    .name = "release",
    .args = "STOREID VOLUME...",
    .help = "takes our tags off volumes: they stay, and are nobody's",
    .run = run_release,
};
