/* SPDX-License-Identifier: Apache-2.0 */
/* Single calls, and what a failure on a dataset may really mean. */
#include "nas/nas_priv.h"

#include <stdio.h>
#include <string.h>

int tns__nas_call(struct tns_session *s, const char *method, json_t *params, unsigned flags,
                  json_t **ret_result, struct tns_error *err)
{
    _tns_json_ json_t *owned = params;
    _tns_json_ json_t *result = NULL;
    struct tns_error why = TNS_ERROR_INIT;

    if (!owned)
        return tns__error_nomem(err);
    if (tns__session_call(s, method, owned, flags, &result, &why)) {
        tns__nas_refine(&why);
        if (!why.op[0])
            snprintf(why.op, sizeof(why.op), "%s", method);
        return tns__error_copy(err, &why);
    }
    if (ret_result)
        *ret_result = TNS_STEAL(result);
    return 0;
}

int tns__nas_bad_reply(struct tns_error *err, const char *method, const char *what)
{
    int rc = tns__error_set(err, TNS_E_PROTOCOL, "the reply to %s %s", method, what);

    if (err && err->code == TNS_E_PROTOCOL) {
        err->flags |= TNS_F_OUTCOME_UNKNOWN;
        snprintf(err->op, sizeof(err->op), "%s", method);
    }
    return rc;
}

int tns__nas_create(struct tns_session *s, const char *method, json_t *params,
                    unsigned flags, int64_t *ret_id, struct tns_error *err)
{
    _tns_json_ json_t *result = NULL;
    const json_t *id;
    int rc = tns__nas_call(s, method, params, flags, &result, err);

    if (rc)
        return rc;
    id = json_object_get(result, "id");
    if (!json_is_integer(id) || json_integer_value(id) <= 0)
        return tns__nas_bad_reply(err, method, "holds no id");
    if (ret_id)
        *ret_id = json_integer_value(id);
    return 0;
}

int tns__nas_explain_missing(struct tns_session *s, const char *dataset,
                             struct tns_error *err)
{
    _tns_json_ json_t *rows = NULL;
    struct tns_error quiet = TNS_ERROR_INIT;
    char pool[256];
    int rc;

    if (!tns__error_is(err, TNS_E_NOTFOUND))
        return err ? -err->code : 0;
    snprintf(pool, sizeof(pool), "%.*s", (int)strcspn(dataset, "/@"), dataset);
    /* The root dataset is there as long as the pool is imported, and asking for it needs no
     * other role than what we have. */
    rc = tns__nas_call(s, "pool.dataset.query",
                       json_pack("[[[s, s, s]], {s: {s: b, s: []}}]", "id", "=", pool,
                                 "extra", "retrieve_children", 0, "properties"),
                       TNS_CALL_READ, &rows, &quiet);
    if (rc == 0 && json_is_array(rows) && json_array_size(rows) == 0) {
        tns__error_clear(err);
        tns__error_set(err, TNS_E_UNAVAILABLE,
                       "pool %s is not there: exported, or its disks are missing", pool);
        err->flags |= TNS_F_RETRYABLE;
        snprintf(err->op, sizeof(err->op), "pool.dataset.query");
    }
    return -err->code;
}

int tns__nas_call_on(struct tns_session *s, const char *dataset, const char *method,
                     json_t *params, unsigned flags, json_t **ret_result,
                     struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;

    if (tns__nas_call(s, method, params, flags, ret_result, &why) == 0)
        return 0;
    tns__nas_explain_missing(s, dataset, &why);
    return tns__error_copy(err, &why);
}
