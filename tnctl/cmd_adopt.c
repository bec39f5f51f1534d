/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl adopt and release: volumes of the old plugin, or moved ones, become ours; or nobody's. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "storage.h"

struct each {
    int (*fn)(struct tns_storage *st, const char *volname, struct tns_error *err);
    const char *done;
    char *const *volnames;
    bool quiet;
};

static int run_each(struct tns_storage *st, void *user, json_t **ret, struct tns_error *err)
{
    const struct each *each = user;

    (void)ret;
    for (char *const *name = each->volnames; *name; name++) {
        int rc = each->fn(st, *name, err);

        if (rc)
            return rc;
        if (!each->quiet)
            printf("%s %s\n", each->done, *name);
    }
    return 0;
}

static int run_all(struct tns_storage *st, void *user, json_t **ret, struct tns_error *err)
{
    const bool *check = user;

    return tns_storage_adopt_all(st, *check, ret, err);
}

static void print_adopted(const json_t *report, const void *user)
{
    const json_t *row;
    size_t i;

    (void)user;
    json_array_foreach(json_object_get(report, "volumes"), i, row)
    {
        printf("%s %s as %s\n", tnctl_text(row, "action"), tnctl_text(row, "object"),
               tnctl_text(row, "volname"));
    }
}

static int run_adopt(const struct tnctl *ctl, int argc, char *argv[])
{
    bool all = tnctl_flag(&argc, argv, "--all");
    bool check = tnctl_flag(&argc, argv, "--check");
    struct each each = { tns_volume_adopt, "adopted", argv + 2, ctl->json };
    const struct tnctl_work on_all = { run_all, print_adopted, &check };
    const struct tnctl_work on_each = { run_each, NULL, &each };

    if (argc < 2 || all != (argc == 2) || (check && !all))
        return tnctl_usage("adopt: takes STOREID VOLUME..., or STOREID --all [--check]");
    return tnctl_on_storage(ctl, argv[1], all ? &on_all : &on_each);
}

static int run_release(const struct tnctl *ctl, int argc, char *argv[])
{
    struct each each = { tns_volume_release, "released", argv + 2, ctl->json };
    const struct tnctl_work work = { run_each, NULL, &each };

    if (argc < 3)
        return tnctl_usage("release: takes STOREID VOLUME...");
    return tnctl_on_storage(ctl, argv[1], &work);
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
