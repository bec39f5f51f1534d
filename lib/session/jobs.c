/* SPDX-License-Identifier: Apache-2.0 */
/* A job goes on without the connection that began it: it is found again, and waited for. */
#include "session/session_priv.h"

#include <stdio.h>

/* The NAS may still be reading the request when its answer is already lost. */
#define LOOKS_WITHOUT_IT 3

static bool is_lost(const struct tns_session *s, const struct tns_call *call)
{
    bool broken =
        call->error.code == TNS_E_TRANSPORT || tns__error_is_expired(&call->error);

    return broken && (call->flags & TNS_CALL_JOB) &&
           (call->error.flags & TNS_F_OUTCOME_UNKNOWN) && tns__ctx_left_ms(&s->ctx) > 0;
}

/* What it looks like now; *ret_id 0 when it is not among the jobs of the NAS. */
static int look(struct tns_session *s, struct tns_call *call, int64_t *ret_id,
                enum tns_job_state *ret_state, struct tns_error *err)
{
    _tns_json_ json_t *query = tns__job_search(call, err);
    _tns_json_ json_t *jobs = NULL;
    int rc;

    if (!query)
        return -TNS_E_NOMEM;
    rc = tns__session_call(s, "core.get_jobs", query, TNS_CALL_READ, &jobs, err);
    if (rc)
        return rc;
    *ret_id = tns__job_found(call, jobs);
    if (*ret_id)
        *ret_state = tns__job_look(call, *ret_id, jobs);
    return 0;
}

/* Whatever is in the way now, it is not known how the job ends. */
static void give_up(struct tns_call *call, int64_t job_id, const struct tns_error *why)
{
    tns__error_clear(&call->error);
    if (job_id)
        tns__error_set(&call->error, why->code, "%s: job %lld goes on: %s", call->method,
                       (long long)job_id, why->text);
    else
        tns__error_set(&call->error, why->code, "%s: looking for its job: %s", call->method,
                       why->text);
    snprintf(call->error.op, sizeof(call->error.op), "%s", call->method);
    call->error.flags |= TNS_F_OUTCOME_UNKNOWN;
}

static void find(struct tns_session *s, struct tns_call *call)
{
    struct tns_call seen = { .method = call->method,
                             .params = call->params,
                             .flags = call->flags,
                             .job_id = call->job_id,
                             .error = TNS_ERROR_INIT };
    struct tns_error why = TNS_ERROR_INIT;
    enum tns_job_state state = TNS_JOB_GOING;
    unsigned without = 0;
    int64_t id = 0;
    int rc = 0;

    for (unsigned looks = 0; rc == 0 && state == TNS_JOB_GOING; looks++) {
        rc = look(s, &seen, &id, &state, &why);
        if (rc == 0 && id)
            seen.job_id = id;
        else if (rc == 0 && ++without == LOOKS_WITHOUT_IT)
            return;
        if (rc == 0 && state == TNS_JOB_GOING)
            rc = tns__ctx_backoff(&s->ctx, tns__job_pause(looks), "a job of the NAS", &why);
    }
    if (rc) {
        give_up(call, id, &why);
        return;
    }
    call->result = TNS_STEAL(seen.result);
    call->error = seen.error;
    call->job_id = id;
}

bool tns__session_find_jobs(struct tns_session *s, struct tns_call *calls, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        if (!is_lost(s, &calls[i]))
            continue;
        tns__log(&s->ctx, 6, "session", "%s: the connection was lost, looking for its job",
                 calls[i].method);
        find(s, &calls[i]);
        any = true;
    }
    return any;
}
