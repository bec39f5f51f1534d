/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi.initiator: groups of hosts that may log in. */
#include "nas/decode.h"

#define QUERY "iscsi.initiator.query"

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_initiator_group, id, "id"),
    TNS_FIELD(TNS_FIELD_STR, TNS_TEXT, tns_initiator_group, comment, "comment"),
};

static void initiator_clear(void *row)
{
    struct tns_initiator_group *g = row;

    tns__strings_free(g->iqns);
    g->iqns = NULL;
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), g);
}

static int initiator_row(const json_t *obj, void *row, const struct tns_item *it,
                         struct tns_error *err)
{
    struct tns_initiator_group *g = row;
    int rc = tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), g, QUERY, err);

    (void)it;
    if (rc)
        return rc;
    rc =
        tns__strings_decode(json_object_get(obj, "initiators"), NULL, &g->iqns, QUERY, err);
    if (rc)
        initiator_clear(g);
    return rc;
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_initiator_group),
    .row = initiator_row,
    .clear = initiator_clear,
};

void tns__initiator_list_free(struct tns_initiator_list *l)
{
    tns__list_free(l, &kind);
}

int tns__initiator_list_put(struct tns_batch *b, struct tns_initiator_list **ret)
{
    return tns__list_put(b, &kind, ret);
}

/* ---- changes ---- */

static int iqns_json(const char *const *iqns, json_t **ret, struct tns_error *err)
{
    int rc = 0;

    for (size_t i = 0; iqns[i] && rc == 0; i++)
        rc = tns__name_text(iqns[i], 223, "initiator name", err);
    if (rc)
        return rc;
    *ret = tns__strings_json(iqns);
    return *ret ? 0 : tns__error_nomem(err);
}

int tns__initiator_create(struct tns_session *s, const char *const *iqns,
                          const char *comment, int64_t *ret_id, struct tns_error *err)
{
    json_t *list = NULL;
    int rc = tns__name_text(comment ? comment : "", 1024, "comment", err);

    if (rc == 0)
        rc = iqns_json(iqns, &list, err);
    if (rc)
        return rc;
    rc = tns__nas_create(s, "iscsi.initiator.create",
                         json_pack("[{s: o, s: s}]", "initiators", list, "comment",
                                   comment ? comment : ""),
                         0, ret_id, err);
    return rc ? tns__error_prefix(err, "creating a group of initiators") : 0;
}

int tns__initiator_update(struct tns_session *s, int64_t id, const char *const *iqns,
                          struct tns_error *err)
{
    json_t *list = NULL;
    int rc = iqns_json(iqns, &list, err);

    if (rc)
        return rc;
    rc = tns__nas_call(s, "iscsi.initiator.update",
                       json_pack("[I, {s: o}]", (json_int_t)id, "initiators", list), 0,
                       NULL, err);
    return rc ? tns__error_prefix(err, "changing the group %lld of initiators",
                                  (long long)id)
              : 0;
}
