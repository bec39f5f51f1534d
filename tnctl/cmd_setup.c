/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl setup and doctor: is everything there that a storage needs? */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "storage.h"

static int print_steps(const json_t *plan)
{
    const json_t *step;
    size_t i;

    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        printf("%-7s %-16s %s: %s\n", tnctl_text(step, "action"), tnctl_text(step, "what"),
               tnctl_text(step, "object"), tnctl_text(step, "text"));
    }
    printf("target_iqn %s\n", tnctl_text(plan, "target_iqn"));
    return tnctl_flush();
}

static int run_setup(const struct tnctl *ctl, int argc, char *argv[])
{
    _tnctl_storage_ struct tns_storage *st = NULL;
    _tns_json_ json_t *plan = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    bool check = tnctl_flag(&argc, argv, "--check");
    int code = TNCTL_FAILED;

    if (argc != 2)
        return tnctl_usage("setup: takes STOREID [--check]");
    st = tnctl_storage_open(ctl, argv[1], &code);
    if (!st)
        return code;
    if (tns_storage_setup(st, check, &plan, &err))
        return tnctl_fail(ctl, &err);
    return ctl->json ? tnctl_print(ctl, plan) : print_steps(plan);
}

static int print_check(const json_t *report)
{
    const json_t *warning;
    size_t i;

    json_array_foreach(json_object_get(report, "warnings"), i, warning)
    {
        printf("warning: %s\n", json_string_value(warning));
    }
    printf("%s: everything that the storage needs is there\n",
           tnctl_text(report, "release"));
    return tnctl_flush();
}

static int run_doctor(const struct tnctl *ctl, int argc, char *argv[])
{
    _tnctl_storage_ struct tns_storage *st = NULL;
    _tns_json_ json_t *report = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    int code = TNCTL_FAILED;

    if (argc != 2)
        return tnctl_usage("doctor: takes STOREID");
    st = tnctl_storage_open(ctl, argv[1], &code);
    if (!st)
        return code;
    if (tns_storage_check(st, &report, &err))
        return tnctl_fail(ctl, &err);
    return ctl->json ? tnctl_print(ctl, report) : print_check(report);
}

const struct tnctl_cmd tnctl_cmd_setup = {
    .name = "setup",
    .args = "STOREID [--check]",
    .help = "makes what a storage needs on the NAS; --check only tells",
    .run = run_setup,
};

const struct tnctl_cmd tnctl_cmd_doctor = {
    .name = "doctor",
    .args = "STOREID",
    .help = "asks the NAS and the portals whether every option of a storage is right",
    .run = run_doctor,
};
