/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl gc: what interrupted operations have left, on the NAS and on this node. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "storage.h"

struct gc {
    bool repair;
    unsigned tidied;
    bool has_failed;
};

static int look(struct tns_storage *st, void *user, json_t **ret, struct tns_error *err)
{
    struct gc *gc = user;
    int rc = tns_storage_reconcile(st, gc->repair, ret, err);

    if (rc == 0 && gc->repair)
        rc = tns_storage_tidy(st, &gc->tidied, err);
    gc->has_failed = json_integer_value(json_object_get(*ret, "failed")) > 0;
    return rc;
}

static void print_rows(const json_t *report, const void *user)
{
    const struct gc *gc = user;
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(report, "volumes"), i, row)
    {
        printf("%-20s %s: %s (%s)\n", tnctl_text(row, "class"), tnctl_text(row, "object"),
               tnctl_text(row, "text"), tnctl_text(row, "action"));
    }
    if (gc->repair)
        printf("%lld repaired, %lld failed, %u removed from this node\n",
               (long long)json_integer_value(json_object_get(report, "repaired")),
               (long long)json_integer_value(json_object_get(report, "failed")),
               gc->tidied);
}

static int run(const struct tnctl *ctl, int argc, char *argv[])
{
    struct gc gc = { .repair = tnctl_flag(&argc, argv, "--repair") };
    const struct tnctl_work work = { look, print_rows, &gc };
    int code;

    if (argc != 2)
        return tnctl_usage("gc: takes STOREID [--repair]");
    code = tnctl_on_storage(ctl, argv[1], &work);
    return code == TNCTL_OK && gc.has_failed ? TNCTL_FAILED : code;
}

const struct tnctl_cmd tnctl_cmd_gc = {
    .name = "gc",
    .args = "STOREID [--repair]",
    .help = "what interrupted operations have left; --repair finishes or removes it",
    .run = run,
};
