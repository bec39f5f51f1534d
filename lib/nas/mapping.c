/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi.targetextent: which extent is which LUN of which target. */
#include "nas/decode.h"

#define QUERY "iscsi.targetextent.query"

enum { TARGET, EXTENT };

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_mapping, id, "id"),
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_mapping, target_id, "target"),
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_mapping, extent_id, "extent"),
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_mapping, lun, "lunid"),
};

static int mapping_row(const json_t *obj, void *row, const struct tns_item *it,
                       struct tns_error *err)
{
    (void)it;
    return tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), row, QUERY, err);
}

static void mapping_clear(void *row)
{
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), row);
}

static bool mapping_keep(const void *row, const struct tns_item *it)
{
    const struct tns_mapping *m = row;

    return (it->num[TARGET] <= 0 || m->target_id == it->num[TARGET]) &&
           (it->num[EXTENT] <= 0 || m->extent_id == it->num[EXTENT]);
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_mapping),
    .row = mapping_row,
    .clear = mapping_clear,
    .keep = mapping_keep,
};

void tns__mapping_list_free(struct tns_mapping_list *l)
{
    tns__list_free(l, &kind);
}

static int mapping_encode(struct tns_item *it, const struct tns_caps *caps,
                          struct tns_error *err)
{
    int by = it->num[EXTENT] > 0 ? EXTENT : TARGET;
    json_t *filter = NULL;

    (void)caps;
    if (it->num[by] > 0) {
        filter = json_pack("[s, s, I]", by == EXTENT ? "extent" : "target", "=",
                           (json_int_t)it->num[by]);
        if (!filter)
            return tns__error_nomem(err);
    }
    return tns__item_query(it, QUERY, filter, NULL, err);
}

static int mapping_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    void *list = NULL;
    int rc = tns__list_decode(result, &kind, it, &list, err);

    if (rc == 0)
        tns__item_give(it, list);
    return rc;
}

static const struct tns_verb list_verb = { mapping_encode, mapping_decode, NULL };

int tns__mapping_list_put(struct tns_batch *b, const struct tns_mapping_filter *f,
                          struct tns_mapping_list **ret)
{
    struct tns_item *it = tns__batch_add(b, &list_verb, ret);

    if (it && f) {
        it->num[TARGET] = f->target_id;
        it->num[EXTENT] = f->extent_id;
    }
    return tns__batch_last(b);
}

int tns__mapping_create(struct tns_session *s, int64_t target_id, int64_t extent_id,
                        int64_t lun, int64_t *ret_id, struct tns_error *err)
{
    int rc = tns__nas_create(s, "iscsi.targetextent.create",
                             json_pack("[{s: I, s: I, s: I}]", "target",
                                       (json_int_t)target_id, "extent",
                                       (json_int_t)extent_id, "lunid", (json_int_t)lun),
                             0, ret_id, err);

    return rc ? tns__error_prefix(err, "mapping extent %lld as LUN %lld of target %lld",
                                  (long long)extent_id, (long long)lun,
                                  (long long)target_id)
              : 0;
}

int tns__mapping_delete(struct tns_session *s, int64_t id, struct tns_error *err)
{
    /* forced: without it any session on the target, for whatever LUN, is in the way */
    int rc = tns__nas_call(s, "iscsi.targetextent.delete",
                           json_pack("[I, b]", (json_int_t)id, 1), 0, NULL, err);

    return rc ? tns__error_prefix(err, "deleting mapping %lld", (long long)id) : 0;
}
