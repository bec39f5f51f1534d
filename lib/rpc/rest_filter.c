/* SPDX-License-Identifier: Apache-2.0 */
/* Query filters and options applied by ourselves, since a REST query string says few of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "rpc/rest_priv.h"

/* The NAS allows three levels of OR; no recursion beyond that. */
#define OR_DEPTH 3

/* ---- fields and values ---- */

/* "a.b.c" inside nested objects; NULL when it is not there. */
static const json_t *field_get(const json_t *row, const char *path)
{
    char part[128];

    while (row && *path) {
        size_t len = strcspn(path, ".");

        if (len >= sizeof(part))
            return NULL;
        memcpy(part, path, len);
        part[len] = '\0';
        row = json_object_get(row, part);
        path += len + (path[len] == '.');
    }
    return row;
}

static bool is_number(const json_t *v)
{
    return json_is_number(v);
}

/* Ordered only among numbers and among texts; *ret is then below, at or above zero. */
static bool value_compare(const json_t *a, const json_t *b, bool fold, int *ret)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);

        *ret = (x > y) - (x < y);
        return true;
    }
    if (is_number(a) && is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);

        *ret = (x > y) - (x < y);
        return true;
    }
    if (json_is_string(a) && json_is_string(b)) {
        *ret = (fold ? strcasecmp : strcmp)(json_string_value(a), json_string_value(b));
        return true;
    }
    return false;
}

static bool value_equal(const json_t *a, const json_t *b, bool fold)
{
    int order;

    if (value_compare(a, b, fold, &order))
        return order == 0;
    if (!a || !b)
        return (!a || json_is_null(a)) && (!b || json_is_null(b));
    return json_equal(a, b);
}

static bool list_has(const json_t *list, const json_t *value, bool fold)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (value_equal(item, value, fold)) return true;
    return false;
}

/* rin: the field is the list, or the text, that the value is looked for in. */
static bool value_within(const json_t *field, const json_t *value)
{
    if (json_is_string(field) && json_is_string(value))
        return strstr(json_string_value(field), json_string_value(value)) != NULL;
    return list_has(field, value, false);
}

static bool value_starts(const json_t *a, const json_t *b, bool fold)
{
    const char *text = json_string_value(a), *want = json_string_value(b);

    return text && want && (fold ? strncasecmp : strncmp)(text, want, strlen(want)) == 0;
}

static bool value_ends(const json_t *a, const json_t *b, bool fold)
{
    const char *text = json_string_value(a), *want = json_string_value(b);
    size_t len, tail;

    if (!text || !want)
        return false;
    len = strlen(text);
    tail = strlen(want);
    return tail <= len && (fold ? strcasecmp : strcmp)(text + len - tail, want) == 0;
}

/* ---- operators ---- */

enum op {
    OP_EQ,
    OP_NE,
    OP_GT,
    OP_GE,
    OP_LT,
    OP_LE,
    OP_IN,
    OP_NIN,
    OP_RIN,
    OP_RNIN,
    OP_STARTS,
    OP_NSTARTS,
    OP_ENDS,
    OP_NENDS,
    OP_UNKNOWN,
};

static const char *const op_names[] = { "=",   "!=",  ">",    ">=", "<",  "<=", "in",
                                        "nin", "rin", "rnin", "^",  "!^", "$",  "!$" };

/* A leading C: letters of either case are the same. */
static enum op op_find(const char *name, bool *ret_fold)
{
    *ret_fold = name[0] == 'C';
    name += *ret_fold;
    for (size_t i = 0; i < TNS_ARRAY_LEN(op_names); i++)
        if (strcmp(name, op_names[i]) == 0)
            return (enum op)i;
    return OP_UNKNOWN;
}

static bool op_holds(enum op op, const json_t *field, const json_t *value, bool fold)
{
    int order = 0;
    bool ordered = value_compare(field, value, fold, &order);

    switch (op) {
    case OP_EQ:
        return value_equal(field, value, fold);
    case OP_NE:
        return !value_equal(field, value, fold);
    case OP_GT:
        return ordered && order > 0;
    case OP_GE:
        return ordered && order >= 0;
    case OP_LT:
        return ordered && order < 0;
    case OP_LE:
        return ordered && order <= 0;
    case OP_IN:
        return list_has(value, field, fold);
    case OP_NIN:
        return !list_has(value, field, fold);
    case OP_RIN:
        return value_within(field, value);
    case OP_RNIN:
        return !value_within(field, value);
    case OP_STARTS:
        return value_starts(field, value, fold);
    case OP_NSTARTS:
        return !value_starts(field, value, fold);
    case OP_ENDS:
        return value_ends(field, value, fold);
    case OP_NENDS:
        return !value_ends(field, value, fold);
    case OP_UNKNOWN:
        break;
    }
    return false;
}

static bool is_or(const json_t *filter)
{
    const char *first = json_string_value(json_array_get(filter, 0));

    return first && strcmp(first, "OR") == 0 && json_array_size(filter) == 2;
}

static bool row_matches(const json_t *row, const json_t *filter, unsigned depth);

static bool row_matches_all(const json_t *row, const json_t *filters, unsigned depth)
{
    json_t *filter;
    size_t i;

    json_array_foreach(filters, i,
                       filter) if (!row_matches(row, filter, depth)) return false;
    return true;
}

/* A branch of OR is one filter, or a list of filters that must all hold. */
static bool row_matches_any(const json_t *row, const json_t *branches, unsigned depth)
{
    json_t *branch;
    size_t i;

    json_array_foreach(branches, i, branch)
    {
        bool list = json_is_array(json_array_get(branch, 0));

        if (list ? row_matches_all(row, branch, depth) : row_matches(row, branch, depth))
            return true;
    }
    return false;
}

static bool row_matches(const json_t *row, const json_t *filter, unsigned depth)
{
    bool fold;
    enum op op;

    if (is_or(filter))
        return depth < OR_DEPTH &&
               row_matches_any(row, json_array_get(filter, 1), depth + 1);
    op = op_find(json_string_value(json_array_get(filter, 1)), &fold);
    return op_holds(op, field_get(row, json_string_value(json_array_get(filter, 0))),
                    json_array_get(filter, 2), fold);
}

/* ---- checking ---- */

/* "nulls_first:name" and its like. */
static int check_order(const json_t *order_by, struct tns_error *err)
{
    json_t *field;
    size_t i;

    json_array_foreach(order_by, i, field) if (
        !json_is_string(field) ||
        strchr(json_string_value(field),
               ':')) return tns__error_set(err, TNS_E_UNSUPPORTED,
                                           "this order of a query cannot be had over REST");
    return 0;
}

static int check_list(const json_t *filters, unsigned depth, struct tns_error *err);

static int check_filter(const json_t *filter, unsigned depth, struct tns_error *err)
{
    const char *field = json_string_value(json_array_get(filter, 0));
    const char *op = json_string_value(json_array_get(filter, 1));
    bool fold;

    if (is_or(filter) && depth < OR_DEPTH)
        return check_list(json_array_get(filter, 1), depth + 1, err);
    if (!field || !op || json_array_size(filter) != 3)
        return tns__error_set(err, TNS_E_USAGE,
                              "a query filter is not [field, operator, value]");
    if (op_find(op, &fold) == OP_UNKNOWN)
        return tns__error_set(err, TNS_E_UNSUPPORTED,
                              "the filter operator %s cannot be used over REST", op);
    return 0;
}

static int check_list(const json_t *filters, unsigned depth, struct tns_error *err)
{
    json_t *filter;
    size_t i;

    json_array_foreach(filters, i, filter)
    {
        bool list = depth > 0 && json_is_array(json_array_get(filter, 0));
        int rc = list ? depth < OR_DEPTH
                            ? check_list(filter, depth + 1, err)
                            : tns__error_set(err, TNS_E_USAGE,
                                             "query filters are nested too deeply")
                      : check_filter(filter, depth, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

int tns__filter_check(const json_t *filters, const json_t *options, struct tns_error *err)
{
    static const char *const known[] = {
        "select", "order_by", "count", "get",
        "limit",  "offset",   "extra", "force_sql_filters"
    };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)options, key, value)
    {
        bool found = false;

        for (size_t i = 0; i < TNS_ARRAY_LEN(known); i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            return tns__error_set(err, TNS_E_UNSUPPORTED,
                                  "the query option %s cannot be used over REST", key);
    }
    if (check_order(json_object_get(options, "order_by"), err) < 0)
        return -TNS_E_UNSUPPORTED;
    return check_list(filters, 0, err);
}

/* ---- options ---- */

/* qsort gives no argument: rows are wrapped together with their key. */
struct sortable {
    json_t *row;
    const json_t *key;
    size_t index;
    bool down;
};

static int sortable_compare(const void *x, const void *y)
{
    const struct sortable *a = x, *b = y;
    int order = 0;

    if (!value_compare(a->key, b->key, false, &order))
        order = json_is_null(a->key) || !a->key   ? -1
                : json_is_null(b->key) || !b->key ? 1
                                                  : 0;
    if (a->down)
        order = -order;
    return order ? order : a->index < b->index ? -1 : 1;
}

static int sort_by(json_t *rows, const char *field, struct tns_error *err)
{
    size_t n = json_array_size(rows);
    bool down = field[0] == '-';
    _tns_free_ struct sortable *list = tns__calloc(n ? n : 1, sizeof(*list));

    if (!list)
        return tns__error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array_get(rows, i);

        list[i] =
            (struct sortable){ json_incref(row), field_get(row, field + down), i, down };
    }
    qsort(list, n, sizeof(*list), sortable_compare);
    for (size_t i = 0; i < n; i++)
        json_array_set_new(rows, i, list[i].row);
    return 0;
}

/* The last key first: the sort is stable. */
static int sort_rows(json_t *rows, const json_t *order_by, struct tns_error *err)
{
    for (size_t i = json_array_size(order_by); i > 0; i--) {
        const char *field = json_string_value(json_array_get(order_by, i - 1));
        int rc = field ? sort_by(rows, field, err) : 0;

        if (rc < 0)
            return rc;
    }
    return 0;
}

static json_t *select_fields(const json_t *row, const json_t *fields)
{
    json_t *picked = json_object();
    json_t *field;
    size_t i;

    json_array_foreach(fields, i, field)
    {
        bool renamed = json_is_array(field);
        const char *from = json_string_value(renamed ? json_array_get(field, 0) : field);
        const char *to = renamed ? json_string_value(json_array_get(field, 1)) : from;
        const json_t *value = from ? field_get(row, from) : NULL;

        if (picked && to && value &&
            json_object_set(picked, to, (json_t *)(uintptr_t)value) < 0) {
            json_decref(picked);
            return NULL;
        }
    }
    return picked;
}

static int select_rows(json_t *rows, const json_t *fields, struct tns_error *err)
{
    for (size_t i = 0; json_array_size(fields) > 0 && i < json_array_size(rows); i++) {
        json_t *picked = select_fields(json_array_get(rows, i), fields);

        if (!picked || json_array_set_new(rows, i, picked) < 0)
            return tns__error_nomem(err);
    }
    return 0;
}

static json_t *cut_rows(const json_t *rows, const json_t *options)
{
    json_int_t offset = json_integer_value(json_object_get(options, "offset"));
    json_int_t limit = json_integer_value(json_object_get(options, "limit"));
    json_t *cut = json_array();
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if ((json_int_t)i < offset || (limit > 0 && (json_int_t)i >= offset + limit))
            continue;
        if (!cut || json_array_append(cut, row) < 0) {
            json_decref(cut);
            return NULL;
        }
    }
    return cut;
}

static json_t *keep_matching(const json_t *all, const json_t *filters)
{
    json_t *kept = json_array();
    json_t *row;
    size_t i;

    json_array_foreach(all, i, row)
    {
        if (!row_matches_all(row, filters, 0))
            continue;
        if (!kept || json_array_append(kept, row) < 0) {
            json_decref(kept);
            return NULL;
        }
    }
    return kept;
}

static int finish(json_t *rows, const json_t *options, json_t **ret_value,
                  struct tns_error *err)
{
    if (json_is_true(json_object_get(options, "count"))) {
        *ret_value = json_integer((json_int_t)json_array_size(rows));
        return *ret_value ? 0 : tns__error_nomem(err);
    }
    if (!json_is_true(json_object_get(options, "get"))) {
        *ret_value = json_incref(rows);
        return 0;
    }
    if (json_array_size(rows) == 0)
        return tns__error_set(err, TNS_E_NOTFOUND, "nothing matches the query");
    *ret_value = json_incref(json_array_get(rows, 0));
    return 0;
}

int tns__filter_apply(json_t *all, const json_t *filters, const json_t *options,
                      json_t **ret_value, struct tns_error *err)
{
    _tns_json_ json_t *taken = all;
    _tns_json_ json_t *kept = NULL;
    _tns_json_ json_t *cut = NULL;
    int rc;

    if (!json_is_array(taken))
        return tns__error_set(err, TNS_E_PROTOCOL, "a query was not answered with a list");
    kept = keep_matching(taken, filters);
    if (!kept)
        return tns__error_nomem(err);
    rc = sort_rows(kept, json_object_get(options, "order_by"), err);
    if (rc < 0)
        return rc;
    cut = cut_rows(kept, options);
    if (!cut)
        return tns__error_nomem(err);
    rc = select_rows(cut, json_object_get(options, "select"), err);
    return rc < 0 ? rc : finish(cut, options, ret_value, err);
}
