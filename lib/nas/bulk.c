/* SPDX-License-Identifier: Apache-2.0 */
/* core.bulk: many calls of one method as a job, each with an outcome of its own. */
#include "nas/nas_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rpc/rpc.h"

/* Requests end at 60 kB; the rest is for the envelope. */
#define ROWS_BYTES_MAX 50000
/* Without core.bulk: calls that are handed to the session at a time. */
#define CALLS_MAX 64

struct bulk {
    struct tns_session *session;
    const char *method;
    const json_t *rows;
    unsigned flags;
    struct tns_error *errors; /* one a row */
};

static void all_failed(const struct bulk *b, size_t from, size_t n,
                       const struct tns_error *why)
{
    for (size_t i = from; i < from + n; i++)
        b->errors[i] = *why;
}

/* What comes behind a failure was not sent, and may be. */
static void not_tried(const struct bulk *b, size_t from, struct tns_error why)
{
    why.flags &= ~(uint32_t)TNS_F_OUTCOME_UNKNOWN;
    why.flags |= TNS_F_RETRYABLE;
    all_failed(b, from, json_array_size(b->rows) - from, &why);
}

/* ---- one job ---- */

static int errno_of(const char *text)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {
        { "[ENOENT]", ENOENT },       { "[EEXIST]", EEXIST }, { "[EBUSY]", EBUSY },
        { "[EPERM]", EPERM },         { "[EACCES]", EACCES }, { "[EINVAL]", EINVAL },
        { "[ENOTEMPTY]", ENOTEMPTY }, { "[ENOSPC]", ENOSPC }, { "[EDQUOT]", EDQUOT },
    };

    for (size_t i = 0; i < TNS_ARRAY_LEN(names); i++) {
        if (tns__starts_with(text, names[i].name))
            return names[i].number;
    }
    return EFAULT;
}

/* Items have no code, only the text that an error reply would have had. */
static void item_error(const struct bulk *b, const char *text, struct tns_error *ret)
{
    *ret = (struct tns_error)TNS_ERROR_INIT;
    tns__errmap_middleware(ret, b->method, 0, errno_of(text), text, NULL);
    tns__nas_refine(ret);
}

static int read_items(const struct bulk *b, size_t from, size_t n, const json_t *items,
                      struct tns_error *err)
{
    if (json_array_size(items) != n)
        return tns__nas_bad_reply(err, "core.bulk", "has another number of items");
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *text = json_object_get(item, "error");

        if (!json_is_object(item) || (text && !json_is_string(text) && !json_is_null(text)))
            return tns__nas_bad_reply(err, "core.bulk", "has an item that is none");
        if (json_is_string(text))
            item_error(b, json_string_value(text), &b->errors[from + i]);
    }
    return 0;
}

/* The description, which nobody reads, is the id of this operation: should the connection be lost,
 * the job is found by it. */
static int run_job(const struct bulk *b, size_t from, size_t n, struct tns_error *err)
{
    _tns_json_ json_t *items = NULL;
    json_t *chunk = json_array();
    struct tns_error why = TNS_ERROR_INIT;
    char op[37] = "";
    int rc = tns__uuid_new(op)
                 ? 0
                 : tns__error_set(&why, TNS_E_DEVICE, "no random number from the kernel");

    for (size_t i = from; i < from + n && rc == 0; i++) {
        if (json_array_append(chunk, json_array_get(b->rows, i)))
            rc = tns__error_nomem(&why);
    }
    if (rc)
        json_decref(chunk);
    else
        rc = tns__nas_call(b->session, "core.bulk",
                           json_pack("[s, o, s]", b->method, chunk, op),
                           b->flags | TNS_CALL_JOB | TNS_CALL_UNIQUE, &items, &why);
    if (rc == 0)
        rc = read_items(b, from, n, items, &why);
    if (rc)
        all_failed(b, from, n, &why);
    return rc ? tns__error_copy(err, &why) : 0;
}

/* ---- or the calls one by one ---- */

static int run_calls(const struct bulk *b, size_t from, size_t n, struct tns_error *err)
{
    _tns_free_ struct tns_call *calls = tns__calloc(n, sizeof(*calls));
    struct tns_error why = TNS_ERROR_INIT;

    if (!calls) {
        tns__error_nomem(&why);
        all_failed(b, from, n, &why);
        return tns__error_copy(err, &why);
    }
    for (size_t i = 0; i < n; i++) {
        calls[i].method = b->method;
        calls[i].params = json_array_get(b->rows, from + i);
        calls[i].flags = b->flags;
        calls[i].error = (struct tns_error)TNS_ERROR_INIT;
    }
    tns__session_calls(b->session, calls, n, &why);
    for (size_t i = 0; i < n; i++) {
        b->errors[from + i] = calls[i].error;
        tns__nas_refine(&b->errors[from + i]);
        tns__call_clear(&calls[i]);
    }
    return why.code ? tns__error_copy(err, &why) : 0;
}

/* ---- */

/* How many rows from here fit into one request; 0 when the first alone does not. */
static int rows_that_fit(const struct bulk *b, size_t from, size_t most, size_t *ret,
                         struct tns_error *err)
{
    size_t bytes = 0;
    size_t n = 0;

    while (from + n < json_array_size(b->rows) && n < most) {
        const json_t *row = json_array_get(b->rows, from + n);
        size_t len = json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;

        if (!json_is_array(row) || len > ROWS_BYTES_MAX)
            return tns__error_set(err, TNS_E_USAGE, "%s: item %zu is too large, or no list",
                                  b->method, from + n);
        if (bytes + len > ROWS_BYTES_MAX)
            break;
        bytes += len;
        n++;
    }
    *ret = n;
    return 0;
}

int tns__bulk(struct tns_session *s, const char *method, const json_t *rows, unsigned flags,
              struct tns_error *ret_errors, struct tns_error *err)
{
    const struct bulk b = { s, method, rows, flags, ret_errors };
    const struct tns_caps *caps = NULL;
    struct tns_error first = TNS_ERROR_INIT;
    size_t n = 0;
    int rc = tns__session_caps(s, &caps, err);

    for (size_t i = 0; i < json_array_size(rows); i++)
        ret_errors[i] = (struct tns_error)TNS_ERROR_INIT;
    /* All are looked at before the first one leaves. */
    for (size_t from = 0; from < json_array_size(rows) && rc == 0; from += n)
        rc = rows_that_fit(&b, from, CALLS_MAX, &n, err);
    if (rc)
        return rc;
    for (size_t from = 0; from < json_array_size(rows); from += n) {
        rows_that_fit(&b, from, caps->bulk ? json_array_size(rows) : CALLS_MAX, &n, err);
        rc = caps->bulk ? run_job(&b, from, n, &first) : run_calls(&b, from, n, &first);
        if (rc) {
            not_tried(&b, from + n, first);
            return tns__error_copy(err, &first);
        }
    }
    for (size_t i = 0; i < json_array_size(rows); i++)
        tns__error_copy(&first, &ret_errors[i]);
    return first.code ? tns__error_copy(err, &first) : 0;
}
