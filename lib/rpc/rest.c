/* SPDX-License-Identifier: Apache-2.0 */
/* REST v2.0, 22.12 to 25.10: each call an HTTP exchange of its own, one after another. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "rpc/rest_priv.h"

struct rest {
    struct tns_rpc rpc;
    struct tns_web *web;
    const struct tns_secret *key;
    unsigned release; /* 2212 ... 2510, 0: not known yet */
    char fingerprint[96];
};

/* ---- one exchange ---- */

/* The NAS is behind a proxy of its own, which speaks when the middleware does not. */
static int rest_check_gateway(const struct tns_http_response *res, struct tns_error *err)
{
    int rc;

    if (res->status >= 300 && res->status < 400)
        return tns__error_set(
            err, TNS_E_TRANSPORT,
            "the NAS answered with a redirect (HTTP %d), which is never followed",
            res->status);
    if (res->status != 502 && res->status != 503 && res->status != 504)
        return 0;
    rc = tns__error_set(err, res->status == 504 ? TNS_E_TIMEOUT : TNS_E_TRANSPORT,
                        "the middleware of the NAS does not answer (HTTP %d)", res->status);
    if (err)
        err->remote_code = res->status;
    return rc;
}

/* A text that is no JSON is what a proxy, or a refusal, says. */
static int rest_parse(const struct tns_http_response *res, json_t **ret,
                      struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int rc;

    if (res->body_len == 0) {
        *ret = json_null();
        return 0;
    }
    rc = tns__json_parse(res->body, res->body_len, &tns__json_default_limits, ret, &local);
    if (rc == 0 || rc == -TNS_E_NOMEM || res->status == 200)
        return rc < 0 ? tns__error_copy(err, &local) : 0;
    *ret = json_null();
    return 0;
}

static int rest_exchange(struct rest *rest, const struct tns_route *route, int *ret_status,
                         json_t **ret_body, struct tns_error *err)
{
    struct tns_http_request req = {
        .method = route->verb,
        .path = route->target,
        .bearer = rest->key,
        .body = route->body,
        .body_len = route->body ? strlen(route->body) : 0,
    };
    struct tns_http_response res = { 0 };
    int rc = rest->web->exchange(rest->web, &req, &res, err);

    if (rc < 0)
        return rc;
    snprintf(rest->fingerprint, sizeof(rest->fingerprint), "%s", res.fingerprint);
    rc = rest_check_gateway(&res, err);
    if (rc == 0)
        rc = rest_parse(&res, ret_body, err);
    *ret_status = res.status;
    tns__http_response_clear(&res);
    return rc;
}

/* ---- the release, which some forms depend on ---- */

/* "TrueNAS-SCALE-24.10.2.4", "TrueNAS-25.10.2.1" */
static unsigned release_of(const char *version)
{
    const char *digits = version ? strpbrk(version, "0123456789") : NULL;
    unsigned year = 0, month = 0;

    return digits && sscanf(digits, "%2u.%2u", &year, &month) == 2 ? year * 100 + month : 0;
}

static void rest_note_release(struct rest *rest, const char *method, const json_t *result)
{
    if (strcmp(method, "system.version") == 0)
        rest->release = release_of(json_string_value(result));
}

/* What the NAS says against it is the call's error. */
static int rest_learn_release(struct rest *rest, struct tns_call *call,
                              struct tns_error *err)
{
    struct tns_route route = { .verb = "GET" };
    _tns_json_ json_t *body = NULL;
    int status = 0;
    int rc;

    route.target = tns__strdup("/api/v2.0/system/version");
    if (!route.target)
        return tns__error_nomem(err);
    rc = rest_exchange(rest, &route, &status, &body, err);
    tns__route_clear(&route);
    if (rc < 0)
        return rc;
    if (status != 200)
        tns__errmap_rest(&call->error, "system.version", status, "GET", body);
    else
        rest->release = release_of(json_string_value(body));
    if (rest->release == 0)
        tns__error_set(&call->error, TNS_E_PROTOCOL, "the NAS does not tell its release");
    return 0;
}

/* ---- calls ---- */

/* 0: answered, call->error may be set; -code: the exchange failed, *ret_left says how far it got. */
static int rest_ask(struct rest *rest, const char *method, const json_t *params,
                    struct tns_call *call, json_t **ret_value, struct tns_error *err)
{
    struct tns_route route = { 0 };
    _tns_json_ json_t *body = NULL;
    int status = 0;
    int rc;

    rc = tns__route_for(method, params, rest->release, &route, &call->error);
    if (rc < 0)
        return 0;
    rest->rpc.trips++;
    rc = rest_exchange(rest, &route, &status, &body, err);
    if (rc == 0 && status != 200)
        tns__errmap_rest(&call->error, method, status, route.verb, body);
    else if (rc == 0 && route.filter)
        tns__filter_apply(TNS_STEAL(body), route.filters, route.options, ret_value,
                          &call->error);
    else if (rc == 0)
        *ret_value = TNS_STEAL(body);
    tns__route_clear(&route);
    return rc;
}

static int rest_follow_job(struct rest *rest, struct tns_call *call, int64_t job_id,
                           struct tns_error *err)
{
    for (unsigned looks = 0;; looks++) {
        _tns_json_ json_t *query = NULL;
        _tns_json_ json_t *jobs = NULL;
        int rc =
            tns__ctx_backoff(rest->rpc.ctx, tns__job_pause(looks), "a job of the NAS", err);

        if (rc == 0) {
            query = tns__job_query(job_id, err);
            rc = query ? rest_ask(rest, "core.get_jobs", query, call, &jobs, err)
                       : -TNS_E_NOMEM;
        }
        if (rc < 0)
            return rc;
        if (call->error.code) {
            call->error.flags |= TNS_F_OUTCOME_UNKNOWN;
            return 0;
        }
        if (tns__job_look(call, job_id, jobs) == TNS_JOB_DONE)
            return 0;
    }
}

static int rest_call(struct rest *rest, struct tns_call *call, bool *ret_left,
                     struct tns_error *err)
{
    json_t *value = NULL;
    int rc = 0;

    *ret_left = false;
    if (rest->release == 0 && tns__route_needs_release(call->method, call->params))
        rc = rest_learn_release(rest, call, err);
    if (rc < 0 || call->error.code)
        return rc;

    rc = rest_ask(rest, call->method, call->params, call, &value, err);
    /* lib/wire tells whether the request had left; a gateway's answer proves it. */
    *ret_left = rc < 0 && !(err->flags & TNS_F_RETRYABLE);
    if (rc < 0 || call->error.code)
        return rc;

    if ((call->flags & TNS_CALL_JOB) && json_is_integer(value)) {
        int64_t job_id = json_integer_value(value);

        json_decref(value);
        call->job_id = job_id;
        rc = rest_follow_job(rest, call, job_id, err);
        *ret_left = true;
        return rc;
    }
    rest_note_release(rest, call->method, value);
    call->result = value;
    return 0;
}

/* A request that is wrong in itself fails alone; the connection has nothing to do with it. */
static bool is_call_s_own(int rc)
{
    return rc == -TNS_E_USAGE || rc == -TNS_E_NOMEM;
}

static int rest_calls(struct tns_rpc *rpc, struct tns_call *calls, size_t n,
                      struct tns_error *err)
{
    struct rest *rest = (struct rest *)rpc;
    struct tns_error local = TNS_ERROR_INIT;
    int rc = 0;

    for (size_t i = 0; i < n; i++)
        tns__call_clear(&calls[i]);
    for (size_t i = 0; i < n; i++) {
        bool left = false;
        uint64_t start = tns__now_ns();

        if (rc == 0) {
            rc = rest_call(rest, &calls[i], &left, &local);
            tns__log(rpc->ctx, LOG_DEBUG, "rpc", "%s: %s after %u us", calls[i].method,
                     rc < 0                ? "lost"
                     : calls[i].error.code ? "refused"
                                           : "answered",
                     (unsigned)((tns__now_ns() - start) / 1000));
        }
        if (rc < 0)
            tns__call_lost(&calls[i], left, &local);
        if (is_call_s_own(rc)) {
            rc = 0;
            tns__error_clear(&local);
        }
        if (calls[i].error.code)
            snprintf(calls[i].error.op, sizeof(calls[i].error.op), "%s", calls[i].method);
    }
    return rc < 0 ? tns__error_copy(err, &local) : 0;
}

static const char *rest_fingerprint(const struct tns_rpc *rpc)
{
    return ((const struct rest *)(const void *)rpc)->fingerprint;
}

static void rest_close(struct tns_rpc *rpc)
{
    struct rest *rest = (struct rest *)rpc;

    rest->web->close(rest->web);
    tns__free(rest);
}

static const struct tns_rpc_ops rest_ops = {
    .name = "rest",
    .calls = rest_calls,
    .fingerprint = rest_fingerprint,
    .close = rest_close,
};

int tns__rest_open(struct tns_ctx *ctx, struct tns_web *web, const struct tns_secret *key,
                   struct tns_rpc **ret, struct tns_error *err)
{
    struct rest *rest = tns__alloc(sizeof(*rest));

    if (!rest) {
        web->close(web);
        return tns__error_nomem(err);
    }
    rest->rpc =
        (struct tns_rpc){ .ops = &rest_ops, .ctx = ctx, .dialect = TNS_DIALECT_REST };
    rest->web = web;
    rest->key = key;
    *ret = &rest->rpc;
    return 0;
}
