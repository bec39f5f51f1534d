/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to snapshots. Nothing here is ever recursive or deferred. */
#include "nas/snapshot_priv.h"

#include <string.h>

/* What every change starts with: names checked, the release known. */
struct target {
    const struct tns_caps *caps;
    char *full; /* dataset@name */
};

static void target_clear(struct target *t)
{
    tns__free(t->full);
}
#define _target_ __attribute__((cleanup(target_clear)))

static int target_open(struct tns_session *s, const char *dataset, const char *name,
                       struct target *t, struct tns_error *err)
{
    int rc = tns__name_full(dataset, name, &t->full, err);

    return rc ? rc : tns__session_caps(s, &t->caps, err);
}

static bool is_resource(const struct target *t)
{
    return t->caps->snap_ns == TNS_SNAP_RESOURCE;
}

static int change(struct tns_session *s, const struct target *t, const char *verb,
                  json_t *params, struct tns_error *err)
{
    char method[48];
    int rc = tns__nas_call_on(s, t->full,
                              tns__snapshot_method(t->caps, verb, method, sizeof(method)),
                              params, 0, NULL, err);

    return rc ? tns__error_prefix(err, "snapshot %s", t->full) : 0;
}

/* ---- create ---- */

int tns__snapshot_create(struct tns_session *s, const char *dataset, const char *name,
                         const json_t *tags, struct tns_error *err)
{
    _target_ struct target t = { 0 };
    json_t *own;
    int rc = target_open(s, dataset, name, &t, err);

    if (rc)
        return rc;
    own = tags ? json_copy((json_t *)(uintptr_t)tags) : json_object();
    return change(s, &t, "create",
                  json_pack("[{s: s, s: s, s: o}]", "dataset", dataset, "name", name,
                            is_resource(&t) ? "user_properties" : "properties", own),
                  err);
}

/* ---- delete ---- */

static int delete_encode(struct tns_item *it, const struct tns_caps *caps,
                         struct tns_error *err)
{
    bool resource = caps->snap_ns == TNS_SNAP_RESOURCE;
    char method[48];

    tns__snapshot_method(caps, resource ? "destroy" : "delete", method, sizeof(method));
    if (resource)
        return tns__item_call(it, method,
                              json_pack("[{s: s, s: b, s: b}]", "path", it->text[0],
                                        "recursive", 0, "defer", 0),
                              0, err);
    return tns__item_call(it, method,
                          json_pack("[s, {s: b, s: b}]", it->text[0], "defer", 0,
                                    "recursive", 0),
                          0, err);
}

static const struct tns_verb delete_verb = { delete_encode, NULL, NULL };

int tns__snapshot_delete_put(struct tns_batch *b, const char *dataset, const char *name)
{
    _tns_free_ char *full = NULL;
    struct tns_error why = TNS_ERROR_INIT;
    struct tns_item *it = tns__batch_add(b, &delete_verb, NULL);

    if (it && tns__name_full(dataset, name, &full, &why))
        tns__batch_refuse(b, &why);
    tns__batch_text(b, it, 0, full);
    return tns__batch_last(b);
}

static bool append_names(const json_t *names, char *buf, size_t cap)
{
    size_t used = 0;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (!name || !tns__fmt(buf + used, cap - used, "%s%s", i ? ", " : "", name))
            break;
        used += strlen(buf + used);
    }
    return used > 0;
}

/* Older releases refuse with the text of ZFS, which does not say what is in the way. */
static void name_blockers(struct tns_session *s, const char *dataset, const char *full,
                          struct tns_error *why)
{
    struct tns_snapshot_list *list = NULL;
    struct tns_error quiet = TNS_ERROR_INIT;
    char names[256] = "";

    if (why->code != TNS_E_CONFLICT || strstr(why->text, "clones: ") ||
        strstr(why->text, "holds: "))
        return;
    if (tns__snapshot_list(s, dataset, &list, &quiet))
        return;
    for (size_t i = 0; i < list->n; i++) {
        const struct tns_snapshot *sn = &list->items[i];

        if (strcmp(sn->id, full) != 0)
            continue;
        if (append_names(sn->clones, names, sizeof(names)))
            tns__error_prefix(why, "clones depend on it (%s)", names);
        else if (sn->held)
            tns__error_prefix(why, "it is held");
    }
    tns__snapshot_list_free(list);
}

int tns__snapshot_delete(struct tns_session *s, const char *dataset, const char *name,
                         struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s);
    _tns_free_ char *full = NULL;
    struct tns_error why = TNS_ERROR_INIT;
    int rc = tns__name_full(dataset, name, &full, err);

    if (rc)
        return rc;
    tns__snapshot_delete_put(b, dataset, name);
    if (tns__batch_run(b, &why) == 0)
        return 0;
    name_blockers(s, dataset, full, &why);
    tns__nas_explain_missing(s, dataset, &why);
    tns__error_prefix(&why, "deleting snapshot %s", full);
    return tns__error_copy(err, &why);
}

/* ---- the others ---- */

int tns__snapshot_rollback(struct tns_session *s, const char *dataset, const char *name,
                           struct tns_error *err)
{
    _target_ struct target t = { 0 };
    int rc = target_open(s, dataset, name, &t, err);

    if (rc)
        return rc;
    return change(s, &t, "rollback",
                  is_resource(&t)
                      ? json_pack("[{s: s, s: b}]", "path", t.full, "recursive", 0)
                      : json_pack("[s, {s: b}]", t.full, "recursive", 0),
                  err);
}

/* Up to 25.10 a clone takes user properties along; 26 hands properties to another library, which
 * knows native ones only. */
bool tns__clone_takes_tags(const struct tns_caps *caps)
{
    return caps->snap_ns != TNS_SNAP_RESOURCE;
}

static json_t *clone_arguments(const struct target *t, const char *new_id,
                               const json_t *tags)
{
    json_t *own;

    if (is_resource(t))
        return json_pack("[{s: s, s: s}]", "snapshot", t->full, "dataset", new_id);
    own = tags ? json_copy((json_t *)(uintptr_t)tags) : json_object();
    return json_pack("[{s: s, s: s, s: o}]", "snapshot", t->full, "dataset_dst", new_id,
                     "dataset_properties", own);
}

int tns__snapshot_clone(struct tns_session *s, const char *dataset, const char *name,
                        const char *new_id, const json_t *tags, struct tns_error *err)
{
    _target_ struct target t = { 0 };
    int rc = target_open(s, dataset, name, &t, err);

    if (rc == 0)
        rc = tns__name_dataset(new_id, err);
    if (rc)
        return rc;
    rc = change(s, &t, "clone", clone_arguments(&t, new_id, tags), err);
    if (rc == 0 && json_object_size(tags) && !tns__clone_takes_tags(t.caps))
        rc = tns__dataset_set_tags(s, new_id, tags, err);
    return rc ? tns__error_prefix(err, "cloning to %s", new_id) : 0;
}

int tns__snapshot_rename(struct tns_session *s, const char *dataset, const char *name,
                         const char *new_name, struct tns_error *err)
{
    _target_ struct target t = { 0 };
    _tns_free_ char *new_full = NULL;
    int rc = target_open(s, dataset, name, &t, err);

    if (rc == 0)
        rc = tns__name_full(dataset, new_name, &new_full, err);
    if (rc)
        return rc;
    if (t.caps->snap_ns == TNS_SNAP_ZFS)
        return tns__error_set(
            err, TNS_E_UNSUPPORTED,
            "snapshot %s cannot be renamed: that needs TrueNAS 25.10 or later", t.full);
    /* pool.snapshot.rename is still there in 26, and always fails. */
    return change(s, &t, "rename",
                  is_resource(&t) ? json_pack("[{s: s, s: s}]", "current_name", t.full,
                                              "new_name", new_full)
                                  : json_pack("[s, {s: s, s: b}]", t.full, "new_name",
                                              new_full, "force", 1),
                  err);
}

int tns__snapshot_hold(struct tns_session *s, const char *dataset, const char *name,
                       bool hold, struct tns_error *err)
{
    _target_ struct target t = { 0 };
    int rc = target_open(s, dataset, name, &t, err);

    if (rc)
        return rc;
    return change(s, &t, hold ? "hold" : "release",
                  is_resource(&t)
                      ? json_pack("[{s: s, s: s}]", "path", t.full, "tag", "truenas")
                      : json_pack("[s, {s: b}]", t.full, "recursive", 0),
                  err);
}
