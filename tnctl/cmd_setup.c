/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl setup and doctor: is everything there that a storage needs? */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "storage.h"

static int set_up(struct tns_storage *st, void *user, json_t **ret, struct tns_error *err)
{
    const bool *check = user;

    return tns_storage_setup(st, *check, ret, err);
}

static void print_steps(const json_t *plan, const void *user)
{
    const json_t *step;
    size_t i;

    (void)user;
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        printf("%-7s %-16s %s: %s\n", tnctl_text(step, "action"), tnctl_text(step, "what"),
               tnctl_text(step, "object"), tnctl_text(step, "text"));
    }
    printf("target_iqn %s\n", tnctl_text(plan, "target_iqn"));
}

static int run_setup(const struct tnctl *ctl, int argc, char *argv[])
{
    bool check = tnctl_flag(&argc, argv, "--check");
    const struct tnctl_work work = { set_up, print_steps, &check };

    if (argc != 2)
        return tnctl_usage("setup: takes STOREID [--check]");
    return tnctl_on_storage(ctl, argv[1], &work);
}

static int check_all(struct tns_storage *st, void *user, json_t **ret,
                     struct tns_error *err)
{
    (void)user;
    return tns_storage_check(st, ret, err);
}

static void print_check(const json_t *report, const void *user)
{
    const json_t *warning;
    size_t i;

    (void)user;
    json_array_foreach(json_object_get(report, "warnings"), i, warning)
    {
        printf("warning: %s\n", json_string_value(warning));
    }
    printf("%s: everything that the storage needs is there\n",
           tnctl_text(report, "release"));
}

static int run_doctor(const struct tnctl *ctl, int argc, char *argv[])
{
    const struct tnctl_work work = { check_all, print_check, NULL };

    if (argc != 2)
        return tnctl_usage("doctor: takes STOREID");
    return tnctl_on_storage(ctl, argv[1], &work);
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
