/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshots of a dataset, in the shapes of three namespaces. */
#include "nas/snapshot_priv.h"

#include <stdlib.h>
#include <string.h>

#include "nas/decode.h"

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_snapshot, id,
              "name"), /* the full one, everywhere */
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_snapshot, dataset, "dataset"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_snapshot, name, "snapshot_name"),
};

static const struct tns_field props[] = {
    TNS_FIELD(TNS_FIELD_PROP_I64, TNS_MUST, tns_snapshot, creation_s, "creation"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MUST, tns_snapshot, used_bytes, "used"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MUST, tns_snapshot, referenced_bytes, "referenced"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_snapshot, volsize_bytes, "volsize"),
};

static const char *const namespaces[] = {
    [TNS_SNAP_ZFS] = "zfs.snapshot",
    [TNS_SNAP_POOL] = "pool.snapshot",
    [TNS_SNAP_RESOURCE] = "zfs.resource.snapshot",
};

const char *tns__snapshot_method(const struct tns_caps *caps, const char *verb, char *buf,
                                 size_t cap)
{
    return tns__fmt(buf, cap, "%s.%s", namespaces[caps->snap_ns], verb) ? buf : verb;
}

/* ---- rows ---- */

static void snapshot_clear(void *row)
{
    struct tns_snapshot *sn = row;

    json_decref(sn->clones);
    json_decref(sn->tags);
    sn->clones = sn->tags = NULL;
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), sn);
}

/* A string in the older namespaces, a number in zfs.resource. */
static int decode_txg(const json_t *obj, struct tns_snapshot *sn, struct tns_error *err)
{
    const json_t *txg = json_object_get(obj, "createtxg");

    if (json_is_integer(txg) && json_integer_value(txg) >= 0) {
        sn->createtxg = (uint64_t)json_integer_value(txg);
        return 0;
    }
    if (json_is_string(txg) && tns__parse_u64(json_string_value(txg), &sn->createtxg))
        return 0;
    return tns__error_set(err, TNS_E_PROTOCOL, "%s has no createtxg", sn->id);
}

/* The property is "a,b"; releases that do not tell have none. */
static int decode_clones(const json_t *properties, struct tns_snapshot *sn,
                         struct tns_error *err)
{
    const json_t *prop = json_object_get(properties, "clones");
    const char *p = tns__prop_raw(prop);

    if (!prop || !p)
        return 0;
    sn->clones = json_array();
    while (sn->clones && *p) {
        size_t len = strcspn(p, ",");

        if (len && json_array_append_new(sn->clones, json_stringn(p, len)))
            return tns__error_nomem(err);
        p += len + (p[len] == ',');
    }
    return sn->clones ? 0 : tns__error_nomem(err);
}

/* An object of tags in the older namespaces (some show only their own), a list in zfs.resource;
 * userrefs counts all of them where it is told. */
static bool decode_held(const json_t *obj, const json_t *properties)
{
    const json_t *holds = json_object_get(obj, "holds");
    const char *refs = tns__prop_raw(json_object_get(properties, "userrefs"));

    return json_object_size(holds) > 0 || json_array_size(holds) > 0 ||
           (refs && strcmp(refs, "0") != 0 && strcmp(refs, "-") != 0);
}

static int snapshot_row(const json_t *obj, void *row, const struct tns_item *it,
                        struct tns_error *err)
{
    struct tns_snapshot *sn = row;
    const json_t *properties = json_object_get(obj, "properties");
    const json_t *tags = properties;
    int rc = tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), sn, it->method, err);

    if (rc)
        return rc;
    if (it->caps->snap_ns == TNS_SNAP_RESOURCE)
        tags = json_object_get(obj, "user_properties");
    rc = decode_txg(obj, sn, err);
    if (rc == 0)
        rc = tns__fields_decode(properties, props, TNS_ARRAY_LEN(props), sn, it->method,
                                err);
    if (rc == 0)
        rc = decode_clones(properties, sn, err);
    if (rc == 0 && json_is_object(tags))
        rc = tns__prop_tags(tags, &sn->tags, it->method, err);
    sn->held = decode_held(obj, properties);
    if (rc)
        snapshot_clear(sn);
    return rc;
}

static bool snapshot_keep(const void *row, const struct tns_item *it)
{
    const struct tns_snapshot *sn = row;

    return strcmp(sn->dataset, it->text[0]) == 0;
}

static const struct tns_list_kind kind = {
    .what = "the list of snapshots",
    .row_size = sizeof(struct tns_snapshot),
    .row = snapshot_row,
    .clear = snapshot_clear,
    .keep = snapshot_keep,
};

void tns__snapshot_list_free(struct tns_snapshot_list *l)
{
    tns__list_free(l, &kind);
}

/* ---- query ---- */

static int encode_resource(struct tns_item *it, const char *method, struct tns_error *err)
{
    return tns__item_call(it, method,
                          json_pack("[{s: [s], s: [s, s, s, s], s: b, s: b}]", "paths",
                                    it->text[0], "properties", "creation", "used",
                                    "referenced", "volsize", "get_user_properties", 1,
                                    "get_holds", 1),
                          TNS_CALL_READ, err);
}

static int snapshot_encode(struct tns_item *it, const struct tns_caps *caps,
                           struct tns_error *err)
{
    char method[48];

    tns__snapshot_method(caps, "query", method, sizeof(method));
    if (caps->snap_ns == TNS_SNAP_RESOURCE)
        return encode_resource(it, method, err);
    return tns__item_call(it, method,
                          json_pack("[[[s, s, s]], {s: {s: b, s: [s, s, s, s, s, s]}}]",
                                    "dataset", "=", it->text[0], "extra", "holds", 1,
                                    "properties", "creation", "used", "referenced",
                                    "volsize", "clones", "userrefs"),
                          TNS_CALL_READ, err);
}

static int by_txg(const void *a, const void *b)
{
    const struct tns_snapshot *x = a, *y = b;

    return (x->createtxg > y->createtxg) - (x->createtxg < y->createtxg);
}

static int snapshot_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    void *list = NULL;
    int rc = tns__list_decode(result, &kind, it, &list, err);

    if (rc)
        return rc;
    qsort(((struct tns_snapshot_list *)list)->items, ((struct tns_snapshot_list *)list)->n,
          sizeof(struct tns_snapshot), by_txg);
    tns__item_give(it, list);
    return 0;
}

/* zfs.resource reports a dataset that is not there, the others have no snapshots of it: the same to
 * our callers, who ask for the dataset beside. */
static bool snapshot_forgive(struct tns_item *it, const struct tns_error *why,
                             json_t **instead)
{
    (void)it;
    if (why->code != TNS_E_NOTFOUND)
        return false;
    *instead = json_array();
    return *instead != NULL;
}

static const struct tns_verb list_verb = { snapshot_encode, snapshot_decode,
                                           snapshot_forgive };

int tns__snapshot_list_put(struct tns_batch *b, const char *dataset,
                           struct tns_snapshot_list **ret)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct tns_item *it = tns__batch_add(b, &list_verb, ret);

    if (it && tns__name_dataset(dataset, &why))
        tns__batch_refuse(b, &why);
    tns__batch_text(b, it, 0, dataset);
    return tns__batch_last(b);
}

int tns__snapshot_list(struct tns_session *s, const char *dataset,
                       struct tns_snapshot_list **ret, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s);

    tns__snapshot_list_put(b, dataset, ret);
    return tns__batch_run_one(b, err, "listing the snapshots of %s",
                              dataset ? dataset : "");
}
