/* SPDX-License-Identifier: Apache-2.0 */
/* pool.query: is it there, is it well, and is it dRAID. */
#include "nas/decode.h"

#include <string.h>

#define QUERY "pool.query"

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_pool, name, "name"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_pool, guid, "guid"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_pool, status, "status"),
    TNS_FIELD(TNS_FIELD_BOOL, TNS_MUST, tns_pool, healthy, "healthy"),
};

static bool is_draid(const json_t *obj)
{
    const json_t *vdevs = json_object_get(json_object_get(obj, "topology"), "data");

    for (size_t i = 0; i < json_array_size(vdevs); i++) {
        const char *type =
            json_string_value(json_object_get(json_array_get(vdevs, i), "type"));

        if (type && strcmp(type, "DRAID") == 0)
            return true;
    }
    return false;
}

static int pool_row(const json_t *obj, void *row, const struct tns_item *it,
                    struct tns_error *err)
{
    struct tns_pool *p = row;
    int rc = tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), p, QUERY, err);

    (void)it;
    if (rc == 0)
        p->draid = is_draid(obj);
    return rc;
}

static void pool_clear(void *row)
{
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), row);
}

static bool pool_keep(const void *row, const struct tns_item *it)
{
    const struct tns_pool *p = row;

    return !it->text[0] || strcmp(p->name, it->text[0]) == 0;
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_pool),
    .row = pool_row,
    .clear = pool_clear,
    .keep = pool_keep,
};

void tns__pool_free(struct tns_pool *p)
{
    if (p)
        pool_clear(p);
    tns__free(p);
}

void tns__pool_list_free(struct tns_pool_list *l)
{
    tns__list_free(l, &kind);
}

static int pool_encode(struct tns_item *it, const struct tns_caps *caps,
                       struct tns_error *err)
{
    json_t *filter = NULL;

    (void)caps;
    if (it->text[0]) {
        filter = json_pack("[s, s, s]", "name", "=", it->text[0]);
        if (!filter)
            return tns__error_nomem(err);
    }
    return tns__item_query(it, QUERY, filter, NULL, err);
}

static int pool_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    void *list = NULL;
    int rc = tns__list_decode(result, &kind, it, &list, err);

    if (rc == 0)
        tns__item_give(it, list);
    return rc;
}

static const struct tns_verb list_verb = { pool_encode, pool_decode, NULL };

int tns__pool_list_put(struct tns_batch *b, const char *name, struct tns_pool_list **ret)
{
    struct tns_item *it = tns__batch_add(b, &list_verb, ret);

    if (it && name)
        tns__batch_text(b, it, 0, name);
    return tns__batch_last(b);
}

static int pools(struct tns_session *s, const char *name, struct tns_pool_list **ret,
                 struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s);
    struct tns_item *it = tns__batch_add(b, &list_verb, ret);

    tns__batch_text(b, it, 0, name);
    return tns__batch_run_one(b, err, "reading pool %s", name ? name : "list");
}

int tns__pool_list(struct tns_session *s, struct tns_pool_list **ret, struct tns_error *err)
{
    return pools(s, NULL, ret, err);
}

int tns__pool_get(struct tns_session *s, const char *name, struct tns_pool **ret,
                  struct tns_error *err)
{
    struct tns_pool_list *list = NULL;
    struct tns_pool *pool = NULL;
    int rc = tns__name_dataset(name, err);

    if (rc == 0)
        rc = pools(s, name, &list, err);
    if (rc)
        return rc;
    if (list->n == 0)
        rc = tns__error_set(err, TNS_E_NOTFOUND, "there is no pool %s", name);
    else if (list->n > 1)
        rc = tns__error_set(err, TNS_E_PROTOCOL, "%s: there are two pools %s", QUERY, name);
    else if (!(pool = tns__alloc(sizeof(*pool))))
        rc = tns__error_nomem(err);
    if (rc == 0) {
        *pool = list->items[0];
        list->n = 0; /* its strings moved */
        *ret = pool;
    }
    tns__pool_list_free(list);
    return rc;
}
