/* SPDX-License-Identifier: Apache-2.0 */
/* Query filters and options as a REST query string, as far as one can say them without doubt. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "rpc/rest_priv.h"

/* lib/wire refuses longer targets: filters that would not fit are left to our own filtering. */
#define QUERY_MAX 1500

/* ---- text that grows ---- */

static void text_add_bytes(struct tns_text *t, const char *s, size_t len)
{
    if (t->failed)
        return;
    if (!t->text || t->len + len + 1 > t->cap) {
        size_t cap = (t->len + len + 1) * 2;
        char *grown = tns__realloc(t->text, cap, 1);

        if (!grown) {
            t->failed = true;
            return;
        }
        t->text = grown;
        t->cap = cap;
    }
    memcpy(t->text + t->len, s, len);
    t->len += len;
    t->text[t->len] = '\0';
}

void tns__text_add(struct tns_text *t, const char *s)
{
    text_add_bytes(t, s, strlen(s));
}

void tns__text_add_encoded(struct tns_text *t, const char *s)
{
    for (; *s; s++) {
        char code[4];

        if (isalnum((unsigned char)*s) || strchr("-._~", *s)) {
            text_add_bytes(t, s, 1);
            continue;
        }
        snprintf(code, sizeof(code), "%%%02X", (unsigned)(unsigned char)*s);
        text_add_bytes(t, code, 3);
    }
}

/* ---- what the NAS can be asked ---- */

/*
 * The NAS turns texts that look like a number, a boolean or null into one (restful.py): a value that
 * would arrive as something else is not sent.
 */
static bool value_survives(const json_t *value)
{
    static const char *const words[] = { "true", "false", "null", "none" };
    const char *s = json_string_value(value);

    if (json_is_integer(value))
        return json_integer_value(value) >= 0;
    if (!s || !*s || s[strspn(s, "0123456789")] == '\0')
        return false;
    for (size_t i = 0; i < TNS_ARRAY_LEN(words); i++)
        if (strcasecmp(s, words[i]) == 0)
            return false;
    return true;
}

static bool field_survives(const char *field)
{
    static const char *const taken[] = { "limit", "offset", "count", "sort" };

    for (size_t i = 0; i < TNS_ARRAY_LEN(taken); i++)
        if (strcmp(field, taken[i]) == 0)
            return false;
    return *field && !strstr(field, "__") && strncmp(field, "extra.", 6) != 0;
}

static void add_value(struct tns_text *t, const json_t *value)
{
    char number[32];

    if (json_is_string(value)) {
        tns__text_add_encoded(t, json_string_value(value));
        return;
    }
    snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    tns__text_add(t, number);
}

static void add_separator(struct tns_text *t)
{
    tns__text_add(t, t->text && strchr(t->text, '?') ? "&" : "?");
}

/*
 * The operators that narrow a long list down. A list with `in` is never split by the NAS, which then
 * looks for the field inside of the text: only a list of one can be said, as equality.
 */
static const char *query_operator(const char *op, const json_t **value)
{
    if (strcmp(op, "=") == 0)
        return "=";
    if (strcmp(op, "^") == 0 && json_is_string(*value))
        return "__%5E=";
    if (strcmp(op, "in") != 0 || json_array_size(*value) != 1)
        return NULL;
    *value = json_array_get(*value, 0);
    return "=";
}

static void add_filter(struct tns_text *t, const json_t *filter)
{
    const char *field = json_string_value(json_array_get(filter, 0));
    const char *op = json_string_value(json_array_get(filter, 1));
    const json_t *value = json_array_get(filter, 2);
    const char *spelled = field && op ? query_operator(op, &value) : NULL;

    if (!spelled || !field_survives(field) || !value_survives(value))
        return;
    add_separator(t);
    tns__text_add_encoded(t, field);
    tns__text_add(t, spelled);
    add_value(t, value);
}

static void add_filters(struct tns_text *t, const json_t *filters)
{
    json_t *filter;
    size_t i;

    json_array_foreach(filters, i, filter)
    {
        size_t before = t->len;

        add_filter(t, filter);
        if (t->len <= QUERY_MAX || t->failed)
            continue;
        t->len = before;
        t->text[before] = '\0';
    }
}

int tns__query_add(struct tns_text *t, const json_t *filters, const json_t *options,
                   struct tns_error *err)
{
    json_t *extra = json_object_get(options, "extra");
    const char *key;
    json_t *value;

    json_object_foreach(extra, key, value)
    {
        _tns_free_ char *text = tns__json_dump(value, NULL);

        if (!text)
            return tns__error_nomem(err);
        add_separator(t);
        tns__text_add(t, "extra.");
        tns__text_add_encoded(t, key);
        tns__text_add(t, "=");
        tns__text_add_encoded(t, text);
    }
    add_filters(t, filters);
    return t->failed ? tns__error_nomem(err) : 0;
}
