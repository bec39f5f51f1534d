/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: a method of this kind answers a number at once, and its result when that job is over. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "rpc/rpc_priv.h"

#define LOOK_FIRST_MS 50
#define LOOK_MOST_MS 2000

json_t *tns__job_query(int64_t job_id, struct tns_error *err)
{
    return tns__json_pack(err, "[[[s,s,I]]]", "id", "=", (json_int_t)job_id);
}

unsigned tns__job_pause(unsigned looks)
{
    unsigned ms = LOOK_FIRST_MS;

    while (looks-- > 0 && ms < LOOK_MOST_MS)
        ms += ms / 2;
    return ms < LOOK_MOST_MS ? ms : LOOK_MOST_MS;
}

/* exc_info has what an error reply would have had. */
static void job_failed(struct tns_call *call, const json_t *job)
{
    const json_t *info = json_object_get(job, "exc_info");
    const char *type = json_string_value(json_object_get(info, "type"));
    const char *text = json_string_value(json_object_get(job, "error"));
    bool validation =
        type && (strcmp(type, "VALIDATION") == 0 || strcmp(type, "ValidationErrors") == 0 ||
                 strcmp(type, "InstanceNotFound") == 0);

    tns__errmap_middleware(&call->error, call->method, validation ? -32602 : -32001,
                           (int)json_integer_value(json_object_get(info, "errno")), text,
                           json_object_get(info, "extra"));
}

static enum tns_job_state job_end(struct tns_call *call, json_t *job, const char *state)
{
    json_t *result = json_object_get(job, "result");

    if (strcmp(state, "SUCCESS") == 0)
        call->result = result ? json_incref(result) : json_null();
    else if (strcmp(state, "FAILED") == 0)
        job_failed(call, job);
    else
        tns__error_set(&call->error, TNS_E_SERVER, "%s: the job was aborted on the NAS",
                       call->method);
    return TNS_JOB_DONE;
}

/* The filter is not trusted: the job is looked for by its id. */
static json_t *job_find(json_t *jobs, int64_t job_id)
{
    json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job) if (json_integer_value(json_object_get(job, "id")) ==
                                         job_id) return job;
    return NULL;
}

enum tns_job_state tns__job_look(struct tns_call *call, int64_t job_id, json_t *jobs)
{
    json_t *job = job_find(jobs, job_id);
    const char *state = json_string_value(json_object_get(job, "state"));

    if (state && (strcmp(state, "WAITING") == 0 || strcmp(state, "RUNNING") == 0))
        return TNS_JOB_GOING;
    if (state && (strcmp(state, "SUCCESS") == 0 || strcmp(state, "FAILED") == 0 ||
                  strcmp(state, "ABORTED") == 0))
        return job_end(call, job, state);

    /* Only the newest 1000 are kept, and their numbers start anew at each boot. */
    tns__error_set(&call->error, TNS_E_SERVER, "%s: the NAS no longer knows its job %lld",
                   call->method, (long long)job_id);
    call->error.flags |= TNS_F_OUTCOME_UNKNOWN;
    return TNS_JOB_DONE;
}
