/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl gc: what interrupted operations have left, on the NAS and on this node. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "storage.h"

static int print_rows(const json_t *report, bool repair, unsigned tidied)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(report, "volumes"), i, row)
    {
        printf("%-20s %s: %s (%s)\n", tnctl_text(row, "class"), tnctl_text(row, "object"),
               tnctl_text(row, "text"), tnctl_text(row, "action"));
    }
    if (repair)
        printf("%lld repaired, %lld failed, %u removed from this node\n",
               (long long)json_integer_value(json_object_get(report, "repaired")),
               (long long)json_integer_value(json_object_get(report, "failed")), tidied);
    return tnctl_flush();
}

static int run(const struct tnctl *ctl, int argc, char *argv[])
{
    _tnctl_storage_ struct tns_storage *st = NULL;
    _tns_json_ json_t *report = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    bool repair = tnctl_flag(&argc, argv, "--repair");
    unsigned tidied = 0;
    int code = TNCTL_FAILED;

    if (argc != 2)
        return tnctl_usage("gc: takes STOREID [--repair]");
    st = tnctl_storage_open(ctl, argv[1], &code);
    if (!st)
        return code;
    if (tns_storage_reconcile(st, repair, &report, &err) ||
        (repair && tns_storage_tidy(st, &tidied, &err)))
        return tnctl_fail(ctl, &err);
    code = ctl->json ? tnctl_print(ctl, report) : print_rows(report, repair, tidied);
    if (code == TNCTL_OK && json_integer_value(json_object_get(report, "failed")) > 0)
        code = TNCTL_FAILED;
    return code;
}

const struct tnctl_cmd tnctl_cmd_gc = {
    .name = "gc",
    .args = "STOREID [--repair]",
    .help = "what interrupted operations have left; --repair finishes or removes it",
    .run = run,
};
