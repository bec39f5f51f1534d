/* SPDX-License-Identifier: Apache-2.0 */
/* pool.dataset.query: one bounded reply, whichever of its forms a release needs. */
#include "nas/decode.h"

#include <string.h>

#define QUERY "pool.dataset.query"
/* slots of an item */
enum { ID, PARENT, ORIGIN };
enum { WITH_TAGS, MINIMAL };
/* numbers of an item: the last of the names is a dataset of any kind, and its room is asked for */
enum { WITHIN };

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_dataset, id, "id"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_dataset, pool, "pool"),
    TNS_FIELD(TNS_FIELD_BOOL, TNS_MAY, tns_dataset, encrypted, "encrypted"),
    TNS_FIELD(TNS_FIELD_BOOL, TNS_MAY, tns_dataset, locked, "locked"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, volsize_bytes, "volsize"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, volblocksize_bytes, "volblocksize"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MUST, tns_dataset, used_bytes, "used"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, referenced_bytes, "usedbydataset"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, available_bytes, "available"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, refreservation_bytes,
              "refreservation"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, reservation_bytes, "reservation"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, quota_bytes, "quota"),
    TNS_FIELD(TNS_FIELD_PROP_U64, TNS_MAY, tns_dataset, refquota_bytes, "refquota"),
    TNS_FIELD(TNS_FIELD_PROP_I64, TNS_MAY, tns_dataset, creation_s, "creation"),
    /* rawvalue: the value is upper-cased on 25.10 and 26 */
    TNS_FIELD(TNS_FIELD_PROP_STR, TNS_MAY, tns_dataset, origin, "origin"),
    TNS_FIELD(TNS_FIELD_PROP_BOOL, TNS_MAY, tns_dataset, readonly, "readonly"),
};

/* ---- memory ---- */

static void dataset_clear(void *row)
{
    struct tns_dataset *d = row;

    json_decref(d->tags);
    d->tags = NULL;
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), d);
}

void tns__dataset_free(struct tns_dataset *d)
{
    if (d)
        dataset_clear(d);
    tns__free(d);
}

const char *tns__dataset_tag(const struct tns_dataset *d, const char *name)
{
    return d ? json_string_value(json_object_get(d->tags, name)) : NULL;
}

/* ---- what is asked ---- */

/* "encryption" brings encrypted and locked along, which 25.10 and 26 leave out otherwise. */
static json_t *properties(const struct tns_item *it)
{
    if (it->flag[MINIMAL])
        return json_pack("[s, s, s, s]", "used", "available", "quota", "encryption");
    if (it->text[ID] || it->num[WITHIN])
        return json_pack("[s, s, s, s, s, s, s, s, s, s, s, s, s]", "volsize",
                         "volblocksize", "used", "usedbydataset", "available",
                         "refreservation", "reservation", "quota", "refquota", "creation",
                         "origin", "readonly", "encryption");
    return json_pack("[s, s, s, s, s, s, s, s, s]", "volsize", "volblocksize", "used",
                     "usedbydataset", "refreservation", "creation", "origin", "readonly",
                     "encryption");
}

static json_t *options(const struct tns_item *it, bool retrieve_children, bool flat)
{
    return json_pack("{s: {s: b, s: b, s: b, s: o}}", "extra", "retrieve_children",
                     retrieve_children, "flat", flat, "retrieve_user_props",
                     it->flag[WITH_TAGS], "properties", properties(it));
}

/* The clones of one snapshot, or of any snapshot of a zvol. */
static json_t *origin_filter(const char *origin)
{
    _tns_free_ char *prefix = NULL;

    if (strchr(origin, '@'))
        return json_pack("[s, s, s]", "origin.rawvalue", "=", origin);
    prefix = tns__asprintf("%s@", origin);
    return prefix ? json_pack("[s, s, s]", "origin.rawvalue", "^", prefix) : NULL;
}

static json_t *children_filter(const char *parent)
{
    _tns_free_ char *prefix = tns__asprintf("%s/", parent);

    return prefix ? json_pack("[s, [[s, s, s], [s, s, s]]]", "OR", "id", "=", parent, "id",
                              "^", prefix)
                  : NULL;
}

/* Both are taken; NULL is lack of memory, never "no filter". */
static int query(struct tns_item *it, json_t *filter, json_t *opts, struct tns_error *err)
{
    if (filter && opts)
        return tns__item_query(it, QUERY, filter, opts, err);
    json_decref(filter);
    json_decref(opts);
    return tns__error_nomem(err);
}

static int encode_ids(struct tns_item *it, const struct tns_caps *caps,
                      struct tns_error *err)
{
    json_t *filters;
    json_t *opts;

    if (tns__quirk_in_shortcut(caps))
        return query(it, json_pack("[s, s, O]", "id", "in", it->json),
                     options(it, false, true), err);
    if (it->num[WITHIN])
        return tns__error_set(err, TNS_E_BUG, "this release takes no dataset among zvols");
    filters =
        json_pack("[[s, s, O], [s, s, s]]", "id", "in", it->json, "type", "=", "VOLUME");
    opts = options(it, true, true);
    if (filters && opts)
        return tns__item_call(it, QUERY, json_pack("[o, o]", filters, opts), TNS_CALL_READ,
                              err);
    json_decref(filters);
    json_decref(opts);
    return tns__error_nomem(err);
}

static int dataset_encode(struct tns_item *it, const struct tns_caps *caps,
                          struct tns_error *err)
{
    bool flat = tns__quirk_flat_query(caps);

    if (it->json)
        return encode_ids(it, caps, err);
    if (it->text[ORIGIN])
        return query(it, origin_filter(it->text[ORIGIN]), options(it, !flat, true), err);
    if (it->text[ID])
        return query(it, json_pack("[s, s, s]", "id", "=", it->text[ID]),
                     options(it, false, true), err);
    if (flat)
        return query(it, children_filter(it->text[PARENT]), options(it, false, true), err);
    return query(it, json_pack("[s, s, s]", "id", "=", it->text[PARENT]),
                 options(it, true, false), err);
}

/* ---- what is answered ---- */

static int dataset_type(const json_t *obj, enum tns_dataset_type *ret,
                        struct tns_error *err)
{
    const char *type = json_string_value(json_object_get(obj, "type"));

    if (type && strcmp(type, "VOLUME") == 0)
        *ret = TNS_DATASET_VOLUME;
    else if (type && strcmp(type, "FILESYSTEM") == 0)
        *ret = TNS_DATASET_FILESYSTEM;
    else
        return tns__error_set(err, TNS_E_PROTOCOL, "%s: a row has no type that we know",
                              QUERY);
    return 0;
}

static int dataset_row(const json_t *obj, void *row, const struct tns_item *it,
                       struct tns_error *err)
{
    struct tns_dataset *d = row;
    int rc = tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), d, QUERY, err);

    if (rc)
        return rc;
    rc = dataset_type(obj, &d->type, err);
    if (rc == 0 && d->type == TNS_DATASET_VOLUME && d->volsize_bytes == 0 &&
        !it->flag[MINIMAL])
        rc = tns__error_set(err, TNS_E_PROTOCOL, "%s: the volume %.200s has no volsize",
                            QUERY, d->id);
    if (rc == 0 && it->flag[WITH_TAGS])
        rc = tns__prop_tags(json_object_get(obj, "user_properties"), &d->tags, QUERY, err);
    if (rc)
        dataset_clear(d);
    return rc;
}

static bool is_child(const char *id, const char *parent)
{
    size_t len = strlen(parent);

    return strncmp(id, parent, len) == 0 && id[len] == '/' && id[len + 1] &&
           !strchr(id + len + 1, '/');
}

static bool is_clone(const char *origin, const char *of)
{
    size_t len = strlen(of);

    if (!origin)
        return false;
    if (strchr(of, '@'))
        return strcmp(origin, of) == 0;
    return strncmp(origin, of, len) == 0 && origin[len] == '@';
}

static bool is_among(const struct tns_dataset *d, const struct tns_item *it)
{
    size_t n = json_array_size(it->json);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(d->id, json_string_value(json_array_get(it->json, i))) == 0)
            return d->type == TNS_DATASET_VOLUME || (it->num[WITHIN] && i == n - 1);
    }
    return false;
}

static bool dataset_keep(const void *row, const struct tns_item *it)
{
    const struct tns_dataset *d = row;

    return (!it->json || is_among(d, it)) &&
           (!it->text[ID] || strcmp(d->id, it->text[ID]) == 0) &&
           (!it->text[PARENT] || is_child(d->id, it->text[PARENT])) &&
           (!it->text[ORIGIN] || is_clone(d->origin, it->text[ORIGIN]));
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_dataset),
    .row = dataset_row,
    .clear = dataset_clear,
    .keep = dataset_keep,
};

void tns__dataset_list_free(struct tns_dataset_list *l)
{
    tns__list_free(l, &kind);
}

int tns__dataset_take(struct tns_dataset_list *l, const char *id, struct tns_dataset **ret,
                      struct tns_error *err)
{
    size_t i = 0;
    struct tns_dataset *d;

    while (i < l->n && strcmp(l->items[i].id, id) != 0)
        i++;
    if (i == l->n)
        return tns__error_set(err, TNS_E_NOTFOUND, "there is no dataset %s", id);
    d = tns__alloc(sizeof(*d));
    if (!d)
        return tns__error_nomem(err);
    *d = l->items[i];
    l->items[i] = l->items[--l->n];
    *ret = d;
    return 0;
}

bool tns__dataset_takes_within(const struct tns_caps *caps)
{
    return tns__quirk_in_shortcut(caps);
}

/* The row of exactly this dataset, borrowed. Two of them make no sense and nothing is guessed. */
static int find_row(const json_t *rows, const char *id, json_t **ret, struct tns_error *err)
{
    json_t *found = NULL;

    if (!json_is_array(rows))
        return tns__error_set(err, TNS_E_PROTOCOL, "%s: the reply is no list", QUERY);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, "id"));

        if (!name || strcmp(name, id) != 0)
            continue;
        if (found)
            return tns__error_set(err, TNS_E_PROTOCOL, "%s: there are two rows for %s",
                                  QUERY, id);
        found = row;
    }
    if (!found)
        return tns__error_set(err, TNS_E_NOTFOUND, "there is no dataset %s", id);
    *ret = found;
    return 0;
}

static int dataset_list_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    json_t *parent = NULL;
    json_t *rows = result;
    void *list = NULL;
    int rc;

    if (it->text[PARENT] && !it->text[ORIGIN]) {
        /* The parent must be there: no children of nothing are not "no children". */
        rc = find_row(result, it->text[PARENT], &parent, err);
        if (rc)
            return rc;
        if (!tns__quirk_flat_query(it->caps))
            rows = json_object_get(parent, "children");
    }
    rc = tns__list_decode(rows, &kind, it, &list, err);
    if (rc == 0)
        tns__item_give(it, list);
    return rc;
}

static int dataset_get_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    _tns_free_ struct tns_dataset *d = NULL;
    json_t *row = NULL;
    int rc = find_row(result, it->text[ID], &row, err);

    if (rc)
        return rc;
    d = tns__alloc(sizeof(*d));
    if (!d)
        return tns__error_nomem(err);
    rc = dataset_row(row, d, it, err);
    if (rc == 0)
        tns__item_give(it, TNS_STEAL(d));
    return rc;
}

/* ---- the calls ---- */

static const struct tns_verb list_verb = { dataset_encode, dataset_list_decode, NULL };
static const struct tns_verb get_verb = { dataset_encode, dataset_get_decode, NULL };

/* A snapshot's or a dataset's name. */
static int check_origin(const char *origin, struct tns_error *err)
{
    const char *at = strchr(origin, '@');
    _tns_free_ char *dataset = at ? tns__strndup(origin, (size_t)(at - origin)) : NULL;

    if (!at)
        return tns__name_dataset(origin, err);
    if (!dataset)
        return tns__error_nomem(err);
    return tns__name_dataset(dataset, err) || tns__name_snapshot(at + 1, err);
}

static void check_filter(const struct tns_dataset_filter *f, struct tns_error *err)
{
    size_t bytes = 0;

    if (f->id)
        tns__name_dataset(f->id, err);
    if (f->parent)
        tns__name_dataset(f->parent, err);
    if (f->origin_of)
        check_origin(f->origin_of, err);
    if (f->within && tns__name_dataset(f->within, err) == 0)
        bytes = strlen(f->within) + 2;
    for (size_t i = 0; f->ids && f->ids[i]; i++) {
        tns__name_dataset(f->ids[i], err);
        bytes += strlen(f->ids[i]) + 2;
    }
    if (bytes > TNS_NAMES_BYTES || (f->ids && !f->ids[0]))
        tns__error_set(err, TNS_E_USAGE, "no names, or too many, to ask for at once");
    if (!f->id && !f->ids && !f->parent && !f->origin_of)
        tns__error_set(err, TNS_E_USAGE, "a list of all datasets is too much to ask for");
}

/* The dataset that they are in is the last of the names. */
static int put_names(struct tns_item *it, const struct tns_dataset_filter *f,
                     struct tns_error *err)
{
    it->json = tns__strings_json(f->ids);
    it->num[WITHIN] = f->within != NULL;
    if (!it->json || (f->within && json_array_append_new(it->json, json_string(f->within))))
        return tns__error_nomem(err);
    return 0;
}

int tns__dataset_list_put(struct tns_batch *b, const struct tns_dataset_filter *f,
                          struct tns_dataset_list **ret)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct tns_item *it = tns__batch_add(b, &list_verb, ret);

    if (!it)
        return tns__batch_last(b);
    check_filter(f, &why);
    if (!why.code && f->ids)
        put_names(it, f, &why);
    if (why.code)
        tns__batch_refuse(b, &why);
    tns__batch_text(b, it, ID, f->id);
    tns__batch_text(b, it, PARENT, f->parent);
    tns__batch_text(b, it, ORIGIN, f->origin_of);
    it->flag[WITH_TAGS] = f->with_tags;
    it->flag[MINIMAL] = f->minimal;
    return tns__batch_last(b);
}

int tns__dataset_get_put(struct tns_batch *b, const char *id, struct tns_dataset **ret)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct tns_item *it = tns__batch_add(b, &get_verb, ret);

    if (!it)
        return tns__batch_last(b);
    if (tns__name_dataset(id, &why))
        tns__batch_refuse(b, &why);
    tns__batch_text(b, it, ID, id);
    it->flag[WITH_TAGS] = true;
    return tns__batch_last(b);
}

int tns__dataset_list(struct tns_session *s, const struct tns_dataset_filter *f,
                      struct tns_dataset_list **ret, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s);
    struct tns_error why = TNS_ERROR_INIT;

    tns__dataset_list_put(b, f, ret);
    if (tns__batch_run_one(b, &why, "listing datasets") == 0)
        return 0;
    if (f->parent)
        tns__nas_explain_missing(s, f->parent, &why);
    return tns__error_copy(err, &why);
}

int tns__dataset_get(struct tns_session *s, const char *id, struct tns_dataset **ret,
                     struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s);
    struct tns_error why = TNS_ERROR_INIT;

    tns__dataset_get_put(b, id, ret);
    if (tns__batch_run_one(b, &why, "reading %s", id ? id : "") == 0)
        return 0;
    if (tns__error_is(&why, TNS_E_NOTFOUND))
        tns__nas_explain_missing(s, id, &why);
    return tns__error_copy(err, &why);
}
