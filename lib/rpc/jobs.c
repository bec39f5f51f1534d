/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: a method of this kind answers a number at once, and its result when that job is over. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "rpc/rpc_priv.h"

#define LOOK_FIRST_MS 50
#define LOOK_MOST_MS 2000
/* Of the newest jobs of a method: the others are older than any deadline of ours. */
#define SEARCH_MAX 50

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

/* ---- a job whose connection was lost ---- */

json_t *tns__job_search(const struct tns_call *call, struct tns_error *err)
{
    if (call->job_id > 0)
        return tns__job_query(call->job_id, err);
    return tns__json_pack(err, "[[[s,s,s]],{s:[s],s:i}]", "method", "=", call->method,
                          "order_by", "-id", "limit", SEARCH_MAX);
}

/* A release fills in what a request leaves out: every field of ours has to be in theirs. */
static bool covers(const json_t *theirs, const json_t *ours)
{
    const char *key;
    json_t *value;

    if (!json_is_object(ours) || !json_is_object(theirs))
        return json_equal(theirs, ours);
    json_object_foreach((json_t *)(uintptr_t)ours, key, value)
    {
        if (!json_equal(json_object_get(theirs, key), value))
            return false;
    }
    return true;
}

static bool has_our_arguments(const json_t *job, const struct tns_call *call)
{
    const json_t *theirs = json_object_get(job, "arguments");
    const char *method = json_string_value(json_object_get(job, "method"));

    if (!method || strcmp(method, call->method) != 0 ||
        json_array_size(theirs) < json_array_size(call->params))
        return false;
    for (size_t i = 0; i < json_array_size(call->params); i++) {
        if (!covers(json_array_get(theirs, i), json_array_get(call->params, i)))
            return false;
    }
    return true;
}

static bool is_going(const json_t *job)
{
    const char *state = json_string_value(json_object_get(job, "state"));

    return state && (strcmp(state, "WAITING") == 0 || strcmp(state, "RUNNING") == 0);
}

/*
 * A number alone proves nothing, as numbers start anew at each boot. Nor do arguments that anybody
 * may have used before: of such jobs only one that goes on can be meant.
 */
int64_t tns__job_found(const struct tns_call *call, const json_t *jobs)
{
    int64_t newest = 0;

    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        int64_t id = json_integer_value(json_object_get(job, "id"));
        bool sure = call->job_id > 0 ? id == call->job_id
                                     : (call->flags & TNS_CALL_UNIQUE) || is_going(job);

        if (sure && id > newest && has_our_arguments(job, call))
            newest = id;
    }
    return newest;
}
