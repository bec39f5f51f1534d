/* SPDX-License-Identifier: Apache-2.0 */
/* Typed access to the members of a JSON object, with errors that name object and member. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

enum json_want { WANT_STR, WANT_INT, WANT_BOOL, WANT_ARR, WANT_OBJ };

static bool json_is_a(const json_t *value, enum json_want want)
{
    switch (want) {
    case WANT_STR:
        return json_is_string(value);
    case WANT_INT:
        return json_is_integer(value);
    case WANT_BOOL:
        return json_is_boolean(value);
    case WANT_ARR:
        return json_is_array(value);
    case WANT_OBJ:
        return json_is_object(value);
    }
    return false;
}

/* The member, NULL when it may be absent and is, or an error; *ret_rc tells which. */
static const json_t *json_member(const json_t *obj, const char *key, enum json_want want,
                                 bool optional, int *ret_rc, const char *what,
                                 struct tns_error *err)
{
    static const char *const names[] = {
        [WANT_STR] = "a string", [WANT_INT] = "an integer", [WANT_BOOL] = "a boolean",
        [WANT_ARR] = "an array", [WANT_OBJ] = "an object",
    };
    const json_t *value = json_object_get(obj, key);

    *ret_rc = 0;
    if (!json_is_object(obj))
        *ret_rc = tns__error_set(err, TNS_E_PROTOCOL, "%s is no JSON object", what);
    else if (!value && !optional)
        *ret_rc = tns__error_set(err, TNS_E_PROTOCOL, "%s has no \"%s\"", what, key);
    else if (value && !(optional && json_is_null(value)) && !json_is_a(value, want))
        *ret_rc = tns__error_set(err, TNS_E_PROTOCOL, "%s: \"%s\" is not %s", what, key,
                                 names[want]);

    return *ret_rc == 0 && value && !json_is_null(value) ? value : NULL;
}

int tns__json_str(const json_t *obj, const char *key, const char **ret, const char *what,
                  struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_STR, false, &rc, what, err);

    if (value)
        *ret = json_string_value(value);
    return rc;
}

int tns__json_int(const json_t *obj, const char *key, int64_t *ret, const char *what,
                  struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_INT, false, &rc, what, err);

    if (value)
        *ret = json_integer_value(value);
    return rc;
}

int tns__json_size(const json_t *obj, const char *key, uint64_t *ret, const char *what,
                   struct tns_error *err)
{
    int64_t value = 0;
    int rc = tns__json_int(obj, key, &value, what, err);

    if (rc < 0)
        return rc;
    if (value < 0)
        return tns__error_set(err, TNS_E_PROTOCOL, "%s: \"%s\" is negative", what, key);
    *ret = (uint64_t)value;
    return 0;
}

int tns__json_bool(const json_t *obj, const char *key, bool *ret, const char *what,
                   struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_BOOL, false, &rc, what, err);

    if (value)
        *ret = json_is_true(value);
    return rc;
}

int tns__json_arr(const json_t *obj, const char *key, const json_t **ret, const char *what,
                  struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_ARR, false, &rc, what, err);

    if (value)
        *ret = value;
    return rc;
}

int tns__json_obj(const json_t *obj, const char *key, const json_t **ret, const char *what,
                  struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_OBJ, false, &rc, what, err);

    if (value)
        *ret = value;
    return rc;
}

int tns__json_str_opt(const json_t *obj, const char *key, const char **ret,
                      const char *what, struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_STR, true, &rc, what, err);

    if (value)
        *ret = json_string_value(value);
    return rc;
}

int tns__json_int_opt(const json_t *obj, const char *key, int64_t *ret, const char *what,
                      struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_INT, true, &rc, what, err);

    if (value)
        *ret = json_integer_value(value);
    return rc;
}

int tns__json_bool_opt(const json_t *obj, const char *key, bool *ret, const char *what,
                       struct tns_error *err)
{
    int rc;
    const json_t *value = json_member(obj, key, WANT_BOOL, true, &rc, what, err);

    if (value)
        *ret = json_is_true(value);
    return rc;
}

/* jansson tells a failed allocation as a NULL value, or not at all, but malloc sets errno. A part that
 * the caller could not make is out of memory as well; a NULL string is a mistake. */
static bool json_pack_ran_out(const json_error_t *fault)
{
    enum json_error_code code = json_error_code(fault);

    if (code == json_error_null_value)
        return errno == ENOMEM ||
               (!strstr(fault->text, "string") && !strstr(fault->text, "key"));
    return errno == ENOMEM;
}

json_t *tns__json_pack(struct tns_error *err, const char *fmt, ...)
{
    json_error_t fault = { 0 };
    json_t *value;
    va_list ap;

    va_start(ap, fmt);
    errno = 0;
    value = json_vpack_ex(&fault, 0, fmt, ap);
    va_end(ap);
    if (value && errno != ENOMEM)
        return value;
    json_decref(value);

    if (json_pack_ran_out(&fault))
        tns__error_nomem(err);
    else
        tns__error_set(err, TNS_E_BUG, "cannot pack JSON by \"%s\": %s", fmt, fault.text);
    return NULL;
}
