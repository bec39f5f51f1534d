/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a storage of storage.cfg, and small things that its subcommands share. */
#include "storage.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "section.h"

#define TIMEOUT_MS 60000u

/* Where things are on this node, when they are not where the library looks. */
static int put_node(const struct tnctl *ctl, json_t *options, struct tns_error *err)
{
    const struct {
        const char *key;
        const char *value;
    } all[] = {
        { "tn_sysroot", ctl->root },
        { "tn_run_dir", ctl->run_dir[0] ? ctl->run_dir : NULL },
        { "tn_holder", ctl->session.no_holder ? "" : ctl->session.holder_path },
    };

    for (size_t i = 0; i < TNS_ARRAY_LEN(all); i++) {
        if (all[i].value &&
            json_object_set_new(options, all[i].key, json_string(all[i].value)))
            return tns__error_nomem(err);
    }
    return 0;
}

static int storage_open(const struct tnctl *ctl, const char *storeid,
                        struct tns_storage **ret, struct tns_error *err)
{
    const struct tns_hooks hooks = { .size = sizeof hooks,
                                     .log_fn = tnctl_log,
                                     .log_level = tnctl_log_level(ctl) };
    _tns_json_ json_t *options = NULL;
    int rc = tnctl_section_read(ctl->root ? ctl->root : "", storeid, &options, err);

    if (rc == 0)
        rc = put_node(ctl, options, err);
    if (rc == 0)
        rc = tns_storage_open(options, &hooks, ret, err);
    if (rc == 0)
        tns_storage_set_timeout(*ret, ctl->session.timeout_ms ? ctl->session.timeout_ms
                                                              : TIMEOUT_MS);
    return rc;
}

int tnctl_on_storage(const struct tnctl *ctl, const char *storeid,
                     const struct tnctl_work *work)
{
    _tns_json_ json_t *result = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_storage *st = NULL;
    int rc = storage_open(ctl, storeid, &st, &err);

    if (rc == 0)
        rc = work->run(st, work->user, &result, &err);
    tns_storage_close(st);
    if (rc)
        return tnctl_fail(ctl, &err);
    if (result && (ctl->json || !work->print))
        return tnctl_print(ctl, result);
    if (result)
        work->print(result, work->user);
    return tnctl_written(true);
}

bool tnctl_flag(int *argc, char *argv[], const char *flag)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], flag) != 0)
            continue;
        memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof argv[0]);
        --*argc;
        return true;
    }
    return false;
}

const char *tnctl_text(const json_t *obj, const char *key)
{
    const char *text = json_string_value(json_object_get(obj, key));

    return text ? text : "";
}
