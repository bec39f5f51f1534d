/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of rows, filtered here again, and lists of strings. */
#include "nas/decode.h"

#include <string.h>

/* What all lists look like; read and written by memcpy only, since each has its own type. */
struct any_list {
    void *items;
    size_t n;
};

static void rows_free(void *items, size_t n, const struct tns_list_kind *kind)
{
    for (size_t i = 0; i < n; i++)
        kind->clear((char *)items + i * kind->row_size);
    tns__free(items);
}

void tns__list_free(void *list, const struct tns_list_kind *kind)
{
    struct any_list any;

    if (!list)
        return;
    memcpy(&any, list, sizeof(any));
    rows_free(any.items, any.n, kind);
    tns__free(list);
}

/* Reads the rows one by one; the JSON of a row is gone before the next one is copied. */
static int rows_decode(json_t *rows, const struct tns_list_kind *kind,
                       const struct tns_item *it, struct any_list *list,
                       struct tns_error *err)
{
    size_t total = json_array_size(rows);

    for (size_t i = 0; i < total; i++) {
        void *row = (char *)list->items + list->n * kind->row_size;
        int rc = kind->row(json_array_get(rows, i), row, it, err);

        if (rc)
            return rc;
        if (kind->keep && !kind->keep(row, it)) {
            kind->clear(row);
            memset(row, 0, kind->row_size);
        } else {
            list->n++;
        }
        json_array_set_new(rows, i, json_null());
    }
    return 0;
}

int tns__list_decode(json_t *rows, const struct tns_list_kind *kind,
                     const struct tns_item *it, void **ret_list, struct tns_error *err)
{
    struct any_list any = { 0 };
    void *list;
    int rc = 0;

    if (!json_is_array(rows))
        return tns__error_set(err, TNS_E_PROTOCOL, "%s: the reply is no list", kind->what);
    list = tns__alloc(sizeof(any));
    any.items = tns__calloc(json_array_size(rows) + 1, kind->row_size);
    if (!list || !any.items)
        rc = tns__error_nomem(err);
    if (rc == 0)
        rc = rows_decode(rows, kind, it, &any, err);
    if (rc) {
        rows_free(any.items, any.n, kind);
        tns__free(list);
        return rc;
    }
    memcpy(list, &any, sizeof(any));
    *ret_list = list;
    return 0;
}

void tns__item_give(const struct tns_item *it, void *pointer)
{
    memcpy(it->ret, &pointer, sizeof(pointer));
}

/* ---- all rows of a kind ---- */

static int all_encode(struct tns_item *it, const struct tns_caps *caps,
                      struct tns_error *err)
{
    (void)caps;
    return tns__item_query(it, it->list->what, NULL, NULL, err);
}

static int all_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    void *list = NULL;
    int rc = tns__list_decode(result, it->list, it, &list, err);

    if (rc == 0)
        tns__item_give(it, list);
    return rc;
}

static const struct tns_verb all_verb = { all_encode, all_decode, NULL };

int tns__list_put(struct tns_batch *b, const struct tns_list_kind *kind, void *ret)
{
    struct tns_item *it = tns__batch_add(b, &all_verb, ret);

    if (it)
        it->list = kind;
    return tns__batch_last(b);
}

/* ---- strings ---- */

void tns__strings_free(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        tns__free(strings[i]);
    tns__free(strings);
}

int tns__strings_decode(const json_t *array, const char *key, char ***ret, const char *what,
                        struct tns_error *err)
{
    size_t n = json_array_size(array);
    char **strings;

    if (!json_is_array(array))
        return tns__error_set(err, TNS_E_PROTOCOL, "%s: a list is missing", what);
    strings = tns__calloc(n + 1, sizeof(*strings));
    if (!strings)
        return tns__error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        const char *text = json_string_value(key ? json_object_get(value, key) : value);

        strings[i] = text ? tns__strdup(text) : NULL;
        if (strings[i])
            continue;
        tns__strings_free(strings);
        return text ? tns__error_nomem(err)
                    : tns__error_set(err, TNS_E_PROTOCOL, "%s: %s is no string", what,
                                     key ? key : "an entry");
    }
    *ret = strings;
    return 0;
}

json_t *tns__strings_json(const char *const *strings)
{
    json_t *array = json_array();

    for (size_t i = 0; array && strings && strings[i]; i++) {
        if (json_array_append_new(array, json_string(strings[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}
