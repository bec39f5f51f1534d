/* SPDX-License-Identifier: Apache-2.0 */
/* Reads objects by tables of fields: required, optional, and ZFS properties in both their shapes. */
#include "nas/decode.h"

#include <string.h>

static int wrong(const char *key, const char *what, const char *how, struct tns_error *err)
{
    return tns__error_set(err, TNS_E_PROTOCOL, "%s: %s %s", what, key, how);
}

/* ---- ZFS properties ---- */

const char *tns__prop_raw(const json_t *prop)
{
    const json_t *raw = json_object_get(prop, "rawvalue");

    if (!raw)
        raw = json_object_get(prop, "raw");
    return json_string_value(raw);
}

static bool is_none(const char *raw)
{
    return !*raw || strcmp(raw, "-") == 0 || strcmp(raw, "none") == 0;
}

int tns__prop_u64(const json_t *prop, const char *key, uint64_t *ret, const char *what,
                  struct tns_error *err)
{
    const char *raw = tns__prop_raw(prop);
    const json_t *parsed = json_object_get(prop, "parsed");

    if (!json_is_object(prop))
        return wrong(key, what, "is no property", err);
    if (raw && is_none(raw)) {
        *ret = 0;
        return 0;
    }
    if (raw)
        return tns__parse_u64(raw, ret) ? 0 : wrong(key, what, "is no number", err);
    if (json_is_integer(parsed) && json_integer_value(parsed) >= 0) {
        *ret = (uint64_t)json_integer_value(parsed);
        return 0;
    }
    return wrong(key, what, "has no value", err);
}

static int prop_field(const json_t *value, const struct tns_field *f, void *at,
                      const char *what, struct tns_error *err)
{
    const char *raw = tns__prop_raw(value);
    uint64_t number = 0;
    char *copy;
    int rc;

    if (f->type == TNS_FIELD_PROP_U64)
        return tns__prop_u64(value, f->key, at, what, err);
    if (f->type == TNS_FIELD_PROP_I64) {
        rc = tns__prop_u64(value, f->key, &number, what, err);
        if (rc == 0 && number > INT64_MAX)
            return wrong(f->key, what, "is too large", err);
        if (rc == 0)
            *(int64_t *)at = (int64_t)number;
        return rc;
    }
    if (!json_is_object(value))
        return wrong(f->key, what, "is no property", err);
    if (f->type == TNS_FIELD_PROP_BOOL) {
        *(bool *)at = raw && (strcmp(raw, "on") == 0 || strcmp(raw, "true") == 0);
        return 0;
    }
    if (!raw || is_none(raw))
        return 0;
    copy = tns__strdup(raw);
    if (!copy)
        return tns__error_nomem(err);
    *(char **)at = copy;
    return 0;
}

/* The value of a user property, in whatever dress it comes. */
static json_t *tag_value(json_t *value)
{
    json_t *raw = json_object_get(value, "rawvalue");

    if (json_is_string(value))
        return value;
    if (!json_is_string(raw))
        raw = json_object_get(value, "raw");
    if (!json_is_string(raw))
        raw = json_object_get(value, "value");
    return json_is_string(raw) ? raw : NULL;
}

int tns__prop_tags(const json_t *source, json_t **ret, const char *what,
                   struct tns_error *err)
{
    _tns_json_ json_t *tags = json_object();
    const char *name;
    json_t *value;

    if (!tags)
        return tns__error_nomem(err);
    if (!json_is_object(source))
        return wrong("user_properties", what, "is missing", err);
    json_object_foreach((json_t *)(uintptr_t)source, name, value)
    {
        json_t *text = tag_value(value);

        /* Some releases list their own words here ("comments"): ours have a colon. */
        if (!strchr(name, ':'))
            continue;
        if (!text)
            return wrong(name, what, "has no value", err);
        if (json_object_set(tags, name, text))
            return tns__error_nomem(err);
    }
    *ret = TNS_STEAL(tags);
    return 0;
}

/* ---- plain fields ---- */

static int str_field(const json_t *value, const struct tns_field *f, char **at,
                     const char *what, struct tns_error *err)
{
    if (!json_is_string(value))
        return wrong(f->key, what, "is no string", err);
    *at = tns__strdup(json_string_value(value));
    return *at ? 0 : tns__error_nomem(err);
}

static int number_field(const json_t *value, const struct tns_field *f, void *at,
                        const char *what, struct tns_error *err)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value))
        return wrong(f->key, what, "is no integer", err);
    if (f->type == TNS_FIELD_I64) {
        *(int64_t *)at = number;
        return 0;
    }
    if (number < 0 || number > (f->type == TNS_FIELD_U16 ? UINT16_MAX : UINT32_MAX))
        return wrong(f->key, what, "is out of range", err);
    if (f->type == TNS_FIELD_U16)
        *(uint16_t *)at = (uint16_t)number;
    else
        *(uint32_t *)at = (uint32_t)number;
    return 0;
}

static int one_field(const json_t *value, const struct tns_field *f, void *at,
                     const char *what, struct tns_error *err)
{
    switch (f->type) {
    case TNS_FIELD_STR:
        return str_field(value, f, at, what, err);
    case TNS_FIELD_I64:
    case TNS_FIELD_U32:
    case TNS_FIELD_U16:
        return number_field(value, f, at, what, err);
    case TNS_FIELD_BOOL:
        if (!json_is_boolean(value))
            return wrong(f->key, what, "is no boolean", err);
        *(bool *)at = json_is_true(value);
        return 0;
    default:
        return prop_field(value, f, at, what, err);
    }
}

int tns__fields_decode(const json_t *obj, const struct tns_field *fields, size_t n,
                       void *out, const char *what, struct tns_error *err)
{
    int rc = 0;

    if (!json_is_object(obj))
        return tns__error_set(err, TNS_E_PROTOCOL, "%s: a row is no object", what);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct tns_field *f = &fields[i];
        const json_t *value = json_object_get(obj, f->key);
        void *at = (char *)out + f->offset;

        if (value && !json_is_null(value))
            rc = one_field(value, f, at, what, err);
        else if (f->need == TNS_MUST)
            rc = wrong(f->key, what, "is missing", err);
        else if (f->need == TNS_TEXT && !(*(char **)at = tns__strdup("")))
            rc = tns__error_nomem(err);
    }
    if (rc)
        tns__fields_clear(fields, n, out);
    return rc;
}

void tns__fields_clear(const struct tns_field *fields, size_t n, void *out)
{
    for (size_t i = 0; i < n; i++) {
        char **at = (char **)(void *)((char *)out + fields[i].offset);

        if (fields[i].type != TNS_FIELD_STR && fields[i].type != TNS_FIELD_PROP_STR)
            continue;
        tns__free(*at);
        *at = NULL;
    }
}
