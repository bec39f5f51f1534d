/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi.target, with the groups that say who may log in by which portal. */
#include "nas/decode.h"

#include <string.h>

#define QUERY "iscsi.target.query"

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_target, id, "id"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_target, name, "name"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MAY, tns_target, alias, "alias"),
};

static const struct tns_field group_fields[] = {
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_target_group, portal_id, "portal"),
    TNS_FIELD(TNS_FIELD_I64, TNS_MAY, tns_target_group, initiator_id, "initiator"),
    TNS_FIELD(TNS_FIELD_I64, TNS_MAY, tns_target_group, auth_tag, "auth"),
};

static int group_row(const json_t *obj, struct tns_target_group *g, struct tns_error *err)
{
    const char *method = json_string_value(json_object_get(obj, "authmethod"));
    int rc =
        tns__fields_decode(obj, group_fields, TNS_ARRAY_LEN(group_fields), g, QUERY, err);

    if (rc == 0 &&
        !tns__fmt(g->authmethod, sizeof(g->authmethod), "%s", method ? method : "NONE"))
        rc = tns__error_set(err, TNS_E_PROTOCOL, "%s: authmethod is too long", QUERY);
    return rc;
}

static void target_clear(void *row)
{
    struct tns_target *t = row;

    tns__free(t->groups);
    t->groups = NULL;
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), t);
}

static int target_row(const json_t *obj, void *row, const struct tns_item *it,
                      struct tns_error *err)
{
    struct tns_target *t = row;
    const json_t *groups = json_object_get(obj, "groups");
    int rc = tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), t, QUERY, err);

    (void)it;
    if (rc)
        return rc;
    if (!json_is_array(groups))
        rc = tns__error_set(err, TNS_E_PROTOCOL, "%s: groups is missing", QUERY);
    t->groups = tns__calloc(json_array_size(groups) + 1, sizeof(*t->groups));
    if (!t->groups)
        rc = tns__error_nomem(err);
    for (size_t i = 0; i < json_array_size(groups) && rc == 0; i++) {
        rc = group_row(json_array_get(groups, i), &t->groups[i], err);
        t->n_groups = i + 1;
    }
    if (rc)
        target_clear(t);
    return rc;
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_target),
    .row = target_row,
    .clear = target_clear,
};

void tns__target_list_free(struct tns_target_list *l)
{
    tns__list_free(l, &kind);
}

int tns__target_list_put(struct tns_batch *b, struct tns_target_list **ret)
{
    return tns__list_put(b, &kind, ret);
}

/* ---- changes ---- */

static json_t *id_or_null(int64_t id)
{
    return id > 0 ? json_integer(id) : json_null();
}

static json_t *groups_json(const struct tns_target_group *groups, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct tns_target_group *g = &groups[i];
        json_t *entry =
            json_pack("{s: I, s: o, s: s, s: o}", "portal", (json_int_t)g->portal_id,
                      "initiator", id_or_null(g->initiator_id), "authmethod",
                      g->authmethod[0] ? g->authmethod : "NONE", "auth",
                      id_or_null(g->auth_tag));

        if (json_array_append_new(list, entry)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int tns__target_create(struct tns_session *s, const char *name, const char *alias,
                       const struct tns_target_group *groups, size_t n_groups,
                       int64_t *ret_id, struct tns_error *err)
{
    int rc = tns__name_text(name, 120, "target name", err);

    if (rc == 0 && alias)
        rc = tns__name_text(alias, 256, "target alias", err);
    if (rc)
        return rc;
    rc = tns__nas_create(s, "iscsi.target.create",
                         json_pack("[{s: s, s: s?, s: o}]", "name", name, "alias", alias,
                                   "groups", groups_json(groups, n_groups)),
                         0, ret_id, err);
    return rc ? tns__error_prefix(err, "creating target %s", name) : 0;
}

int tns__target_delete(struct tns_session *s, int64_t id, struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    int rc = tns__session_caps(s, &caps, err);

    /* Not forced, and extents stay: a target that somebody uses is nothing to remove. */
    if (rc == 0)
        rc = tns__nas_call(s, "iscsi.target.delete",
                           caps->delete_extents_arg
                               ? json_pack("[I, b, b]", (json_int_t)id, 0, 0)
                               : json_pack("[I, b]", (json_int_t)id, 0),
                           0, NULL, err);
    return rc ? tns__error_prefix(err, "deleting target %lld", (long long)id) : 0;
}
