/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the NAS into our codes: one row for each shape that is known. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "rpc/rpc_priv.h"

/* The middleware's own numbers, beyond errno.h. */
#define REMOTE_ENOMETHOD 201
#define REMOTE_ESERVICESTARTFAILURE 202
#define REMOTE_EREMOTENODEERROR 204
#define REMOTE_EDATASETISLOCKED 205
#define REMOTE_ENOTAUTHENTICATED 207
#define REMOTE_EREBOOTREQUIRED 209
#define REMOTE_EHAUNAVAILABLE 210

#define RPC_PARSE (-32700)
#define RPC_REQUEST (-32600)
#define RPC_METHOD (-32601)
#define RPC_PARAMS (-32602)

/* The window of the login limit is 60 s long, and when it began is not told. */
#define LOGIN_WINDOW_MS 60000

/* A row matches when each of its conditions does; 0 and NULL match everything. First one wins. */
struct row {
    int remote_code;
    int remote_errno;
    const char *text;
    int code;
    uint32_t flags;
    uint32_t retry_after_ms;
};

#define R TNS_F_RETRYABLE
#define U TNS_F_OUTCOME_UNKNOWN

static const struct row rows[] = {
    /* the envelope */
    { TNS_REMOTE_TOO_MANY, 0, NULL, TNS_E_BUSY, R, 1000 },
    { 0, ETOOMANYREFS, "concurrent calls", TNS_E_BUSY, R, 1000 },
    { RPC_METHOD, 0, NULL, TNS_E_UNSUPPORTED, 0, 0 },
    { RPC_PARSE, 0, NULL, TNS_E_PROTOCOL, 0, 0 },
    { RPC_REQUEST, 0, NULL, TNS_E_PROTOCOL, 0, 0 },
    { 0, REMOTE_ENOMETHOD, NULL, TNS_E_UNSUPPORTED, 0, 0 },
    /* who asks */
    { 0, EBUSY, "Rate Limit Exceeded", TNS_E_BUSY, R, LOGIN_WINDOW_MS },
    { 0, REMOTE_ENOTAUTHENTICATED, NULL, TNS_E_AUTH, 0, 0 },
    { 0, EACCES, "Session is expired", TNS_E_AUTH, 0, 0 },
    { 0, EACCES, NULL, TNS_E_PERMISSION, 0, 0 },
    { 0, EPERM, NULL, TNS_E_PERMISSION, 0, 0 },
    /* what is not there just now */
    { 0, REMOTE_EDATASETISLOCKED, NULL, TNS_E_LOCKED, 0, 0 },
    { 0, 0, "is locked", TNS_E_LOCKED, 0, 0 },
    { 0, REMOTE_EHAUNAVAILABLE, NULL, TNS_E_UNAVAILABLE, R, 0 },
    { 0, REMOTE_EREMOTENODEERROR, NULL, TNS_E_UNAVAILABLE, 0, 0 },
    { 0, REMOTE_EREBOOTREQUIRED, NULL, TNS_E_UNAVAILABLE, 0, 0 },
    { 0, 0, "I/O is currently suspended", TNS_E_UNAVAILABLE, 0, 0 },
    { 0, 0, "Device '/dev/zvol/", TNS_E_UNAVAILABLE, R, 0 },
    /* the row is in the database, the service may not know it yet */
    { 0, REMOTE_ESERVICESTARTFAILURE, NULL, TNS_E_SERVER, U, 0 },
    { 0, ETIMEDOUT, NULL, TNS_E_SERVER, U, 0 },
    /* no room */
    { 0, ENOSPC, NULL, TNS_E_CAPACITY, 0, 0 },
    { 0, EDQUOT, NULL, TNS_E_CAPACITY, 0, 0 },
    { 0, 0, "of your available space", TNS_E_CAPACITY, 0, 0 },
    { 0, 0, "out of space", TNS_E_CAPACITY, 0, 0 },
    { 0, 0, "no space left", TNS_E_CAPACITY, 0, 0 },
    { 0, 0, "quota exceeded", TNS_E_CAPACITY, 0, 0 },
    { 0, 0, "greater than available space", TNS_E_CAPACITY, 0, 0 },
    /* in the way of something; before "does not exist", which such texts may name as well */
    { 0, 0, "dependent clones", TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "has the following clones", TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "has the following holds", TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "more recent snapshots", TNS_E_CONFLICT, 0, 0 },
    { 0, ENOTEMPTY, NULL, TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "has children", TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "has snapshots", TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "is in use.", TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "are in use.", TNS_E_CONFLICT, 0, 0 },
    { 0, 0, "cannot shrink", TNS_E_CONFLICT, 0, 0 },
    { 0, EBUSY, NULL, TNS_E_BUSY, 0, 0 },
    { 0, 0, "is busy", TNS_E_BUSY, 0, 0 },
    /* taken */
    { 0, EEXIST, NULL, TNS_E_EXISTS, 0, 0 },
    { 0, 0, "already exists", TNS_E_EXISTS, 0, 0 },
    { 0, 0, "must be unique", TNS_E_EXISTS, 0, 0 },
    { 0, 0, "already in use", TNS_E_EXISTS, 0, 0 },
    { 0, 0, "currently in use by", TNS_E_EXISTS, 0, 0 },
    { 0, 0, "already being used", TNS_E_EXISTS, 0, 0 },
    /* not there */
    { 0, ENOENT, NULL, TNS_E_NOTFOUND, 0, 0 },
    { 0, 0, "MatchNotFound", TNS_E_NOTFOUND, 0, 0 },
    { 0, 0, "does not exist", TNS_E_NOTFOUND, 0, 0 },
    { 0, 0, "could not find any snapshots", TNS_E_NOTFOUND, 0, 0 },
    { 0, EINVAL, "not found", TNS_E_NOTFOUND, 0, 0 },
    { 0, EFAULT, "not found", TNS_E_NOTFOUND, 0, 0 },
    /* the rest */
    { 0, EOPNOTSUPP, NULL, TNS_E_UNSUPPORTED, 0, 0 },
    { RPC_PARAMS, 0, NULL, TNS_E_USAGE, 0, 0 },
    { 0, 0, NULL, TNS_E_SERVER, 0, 0 },
};

#undef R
#undef U

/*
 * Validation errors hide their own errno in extra = [[attribute, text, errno], ...]; the one
 * outside is always EINVAL (EAGAIN in the legacy dialect). ENOENT without an attribute is the
 * object itself; otherwise the first that says more than EINVAL counts.
 */
static int errno_inside(const json_t *extra, int outside)
{
    json_t *item;
    size_t i;
    int found = outside;

    if (outside != EINVAL && outside != EAGAIN)
        return outside;
    json_array_foreach(extra, i, item)
    {
        int inside = (int)json_integer_value(json_array_get(item, 2));

        if (inside == ENOENT && json_is_null(json_array_get(item, 0)))
            return ENOENT;
        if (inside > 0 && inside != EINVAL && (found == EINVAL || found == EAGAIN))
            found = inside;
    }
    return found == EAGAIN && json_array_size(extra) > 0 ? EINVAL : found;
}

static const struct row *row_for(int remote_code, int remote_errno, const char *text)
{
    const struct row *row = rows;

    while ((row->remote_code && row->remote_code != remote_code) ||
           (row->remote_errno && row->remote_errno != remote_errno) ||
           (row->text && !strstr(text, row->text)))
        row++;
    return row;
}

/* "[EFAULT] Failed ..." without what only the middleware's authors need. */
static const char *without_errname(const char *line)
{
    const char *end;

    if (line[0] != '[' || line[1] != 'E')
        return line;
    end = line + 1 + strspn(line + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    if (end[0] != ']' || end[1] != ' ')
        return line;
    /* The attribute of an error that has none. */
    return end + (tns__starts_with(end + 2, "None: ") ? 8 : 2);
}

/* Several reasons come on a line each. */
static void spell_reason(const char *text, char *ret, size_t cap)
{
    size_t len = 0;

    ret[0] = '\0';
    while (*text && len < cap) {
        const char *line = without_errname(text);
        size_t n = strcspn(line, "\n");

        if (n > 0)
            len += (size_t)snprintf(ret + len, cap - len, "%s%.*s", len ? "; " : "", (int)n,
                                    line);
        text = line + n + strspn(line + n, "\n");
    }
}

void tns__errmap_middleware(struct tns_error *err, const char *method, int remote_code,
                            int remote_errno, const char *reason, const json_t *extra)
{
    const char *text = reason && *reason ? reason : "refused without a reason";
    int inside = errno_inside(extra, remote_errno);
    const struct row *row = row_for(remote_code, inside, text);
    char spelled[1024];

    if (!err || err->code)
        return;
    spell_reason(text, spelled, sizeof(spelled));
    tns__error_set(err, row->code, "%s: %s", method, spelled);
    snprintf(err->op, sizeof(err->op), "%s", method);
    err->remote_code =
        row->remote_errno == ETOOMANYREFS ? TNS_REMOTE_TOO_MANY : remote_code;
    err->remote_errno = inside;
    err->flags |= row->flags;
    err->retry_after_ms = row->retry_after_ms;
}

/* ---- REST ---- */

/* {"attribute": [{"message","errno"}, ...], ...} in the form that the other dialects use. */
static json_t *rest_extra(const json_t *body)
{
    json_t *extra = json_array();
    const char *attribute;
    json_t *list, *item;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)body, attribute, list)
    {
        json_array_foreach(list, i, item)
        {
            bool none = strcmp(attribute, "null") == 0;
            json_t *row = json_pack("[s?,o?,o?]", none ? NULL : attribute,
                                    json_incref(json_object_get(item, "message")),
                                    json_incref(json_object_get(item, "errno")));

            if (!row || json_array_append_new(extra, row) < 0)
                break;
        }
    }
    return extra;
}

/* "attribute: text; attribute: text" */
static void rest_reason(const json_t *extra, char *ret, size_t cap)
{
    json_t *row;
    size_t i, len = 0;

    ret[0] = '\0';
    json_array_foreach(extra, i, row)
    {
        const char *attribute = json_string_value(json_array_get(row, 0));
        const char *text = json_string_value(json_array_get(row, 1));

        if (len < cap)
            len += (size_t)snprintf(ret + len, cap - len, "%s%s%s%s", i ? "; " : "",
                                    attribute ? attribute : "", attribute ? ": " : "",
                                    text ? text : "refused");
    }
}

static void rest_validation(struct tns_error *err, const char *method, const json_t *body)
{
    _tns_json_ json_t *extra = rest_extra(body);
    char reason[512];

    rest_reason(extra, reason, sizeof(reason));
    tns__errmap_middleware(err, method, RPC_PARAMS, EINVAL, reason, extra);
}

/* Statuses that say all there is to say. */
static bool rest_by_status(struct tns_error *err, const char *method, int status,
                           const char *verb, const char *message)
{
    switch (status) {
    case 401:
        tns__error_set(err, TNS_E_AUTH, "%s: the NAS does not accept the API key", method);
        return true;
    case 403:
        tns__error_set(
            err, TNS_E_PERMISSION,
            "%s: the API key may not do this over REST, which from 24.04 is for full "
            "administrators only",
            method);
        return true;
    case 404:
        if (message && strcmp(verb, "GET") == 0)
            tns__error_set(err, TNS_E_NOTFOUND, "%s: %s", method,
                           *message ? message : "there is no such object");
        else
            tns__error_set(err, TNS_E_UNSUPPORTED, "%s: the NAS has no such call over REST",
                           method);
        return true;
    case 405:
        tns__error_set(err, TNS_E_UNSUPPORTED, "%s: the NAS has no such call over REST",
                       method);
        return true;
    case 400:
        tns__error_set(err, TNS_E_USAGE, "%s: the NAS refuses the request: %s", method,
                       message ? message : "HTTP 400");
        return true;
    default:
        return false;
    }
}

void tns__errmap_rest(struct tns_error *err, const char *method, int status,
                      const char *verb, const json_t *body)
{
    const char *message = json_string_value(json_object_get(body, "message"));
    const json_t *number = json_object_get(body, "errno");

    if (!err || err->code)
        return;
    if (!rest_by_status(err, method, status, verb, message)) {
        if (message && json_is_integer(number))
            tns__errmap_middleware(err, method, -32001, (int)json_integer_value(number),
                                   message, NULL);
        else if (message)
            tns__errmap_middleware(err, method, -32001, EINVAL, message, NULL);
        else if (status == 422 && json_is_object(body))
            rest_validation(err, method, body);
        else
            tns__error_set(err, TNS_E_SERVER, "%s: the NAS answered with HTTP %d", method,
                           status);
    }
    snprintf(err->op, sizeof(err->op), "%s", method);
    err->remote_code = status;
}
