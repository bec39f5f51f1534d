/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a JSON text checked in one linear pass, before jansson allocates for it. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

const struct tns_json_limits tns__json_default_limits = {
    .bytes = 64u << 20,
    .depth = 32,
    .nodes = 2000000,
    .string = 1u << 20,
};

struct json_scan {
    const struct tns_json_limits *limits;
    const char *p, *end;
    size_t depth, nodes;
    bool after_string;
};

/* The tokens' grammar is jansson's business: here they are only counted. */
static bool json_is_scalar(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '-' || c == '+' || c == '.';
}

static int json_skip_string(struct json_scan *scan, struct tns_error *err)
{
    const char *start = ++scan->p;

    while (scan->p < scan->end && *scan->p != '"')
        scan->p += *scan->p == '\\' ? 2 : 1;
    if (scan->p >= scan->end)
        return tns__error_set(err, TNS_E_PROTOCOL, "JSON text ends inside a string");
    if ((size_t)(scan->p - start) > scan->limits->string)
        return tns__error_set(err, TNS_E_PROTOCOL, "JSON string is longer than %zu bytes",
                              scan->limits->string);
    scan->p++;
    return 0;
}

static int json_count_node(struct json_scan *scan, struct tns_error *err)
{
    if (++scan->nodes <= scan->limits->nodes)
        return 0;
    return tns__error_set(err, TNS_E_PROTOCOL, "JSON text holds more than %zu values",
                          scan->limits->nodes);
}

static int json_open(struct json_scan *scan, struct tns_error *err)
{
    scan->p++;
    if (++scan->depth > scan->limits->depth)
        return tns__error_set(err, TNS_E_PROTOCOL, "JSON text is nested deeper than %zu",
                              scan->limits->depth);
    return json_count_node(scan, err);
}

/* Everything that is neither a string nor the start of a container. */
static int json_step(struct json_scan *scan, struct tns_error *err)
{
    char c = *scan->p++;

    if ((c == ']' || c == '}') && scan->depth > 0)
        scan->depth--;
    if (c == ':' && scan->after_string)
        scan->nodes--; /* the string before it was a key, no value */
    if (!json_is_scalar(c))
        return 0;

    while (scan->p < scan->end && json_is_scalar(*scan->p))
        scan->p++;
    return json_count_node(scan, err);
}

static int json_token(struct json_scan *scan, struct tns_error *err)
{
    char c = *scan->p;
    int rc;

    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        scan->p++;
        return 0;
    }
    if (c == '"') {
        rc = json_skip_string(scan, err);
        scan->after_string = true;
        return rc < 0 ? rc : json_count_node(scan, err);
    }
    rc = c == '[' || c == '{' ? json_open(scan, err) : json_step(scan, err);
    scan->after_string = false;
    return rc;
}

static int json_check_limits(const char *text, size_t len,
                             const struct tns_json_limits *limits, struct tns_error *err)
{
    struct json_scan scan = { .limits = limits, .p = text, .end = text + len };

    if (len > limits->bytes)
        return tns__error_set(err, TNS_E_PROTOCOL, "JSON text is longer than %zu bytes",
                              limits->bytes);
    while (scan.p < scan.end) {
        int rc = json_token(&scan, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A failed allocation comes out of jansson 2.14 as any error, or as a dump with a hole in it: errno
 * alone tells the truth, since neither jansson nor free() touches an ENOMEM. */
static bool json_ran_out(void)
{
    return errno == ENOMEM;
}

/* jansson quotes the text around a mistake, which may be anything: only the place is told. */
static int json_syntax_error(const json_error_t *fault, struct tns_error *err)
{
    switch (json_error_code(fault)) {
    case json_error_duplicate_key:
        return tns__error_set(err, TNS_E_PROTOCOL, "JSON object has a key twice (byte %d)",
                              fault->position);
    case json_error_premature_end_of_input:
        return tns__error_set(err, TNS_E_PROTOCOL, "JSON text ends too early (byte %d)",
                              fault->position);
    case json_error_numeric_overflow:
        return tns__error_set(err, TNS_E_PROTOCOL, "JSON number is out of range (byte %d)",
                              fault->position);
    default:
        return tns__error_set(err, TNS_E_PROTOCOL, "this is no JSON (byte %d)",
                              fault->position);
    }
}

int tns__json_parse(const char *text, size_t len, const struct tns_json_limits *limits,
                    json_t **ret_value, struct tns_error *err)
{
    json_error_t fault = { 0 };
    json_t *value;
    int rc;

    rc = json_check_limits(text, len, limits ? limits : &tns__json_default_limits, err);
    if (rc < 0)
        return rc;

    errno = 0;
    value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (json_ran_out()) {
        json_decref(value);
        return tns__error_nomem(err);
    }
    if (!value)
        return json_syntax_error(&fault, err);

    *ret_value = value;
    return 0;
}

char *tns__json_dump(const json_t *value, size_t *ret_len)
{
    char *text;

    errno = 0;
    text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (json_ran_out()) {
        tns__free(text);
        return NULL;
    }

    if (text && ret_len)
        *ret_len = strlen(text);
    return text;
}
