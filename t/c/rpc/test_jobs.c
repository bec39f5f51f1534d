/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: followed to their end, within the deadline, and told from their own absence. */
#include <stdlib.h>
#include <string.h>

#include "rpc/script.h"

struct job {
    unsigned running; /* looks that find it running */
    const char *end;  /* the answer of core.get_jobs after these */
    unsigned looks;
};

#define RUNNING "[{\"id\":812,\"state\":\"RUNNING\",\"result\":null}]"
#define DONE "[{\"id\":812,\"state\":\"SUCCESS\",\"result\":{\"a\":1}}]"

static void serve_job(struct script *s, json_t *request)
{
    struct job *job = s->user;

    if (strcmp(script_method(request), "core.get_jobs") != 0) {
        script_result(s, request, "812");
        return;
    }
    script_result(s, request, job->looks++ < job->running ? RUNNING : job->end);
}

static int run_job(struct job *job, int dialect, struct tns_call *call, struct script **ret)
{
    struct script *s =
        script_open(dialect ? &tns__codec_ddp : &tns__codec_jsonrpc, serve_job);

    *ret = s;
    s->user = job;
    *call = call_of("core.bulk", "[\"a\",[]]", TNS_CALL_JOB);
    return tns__rpc_calls(s->rpc, call, 1, &s->err);
}

START_TEST(test_a_job_s_result_is_the_call_s_result)
{
    struct job job = { .running = 3, .end = DONE };
    struct script *s;
    struct tns_call call;
    int rc = run_job(&job, _i, &call, &s);

    tst_ok(rc, &s->err);
    ck_assert_int_eq(call.error.code, 0);
    ck_assert_int_eq((int)json_integer_value(json_object_get(call.result, "a")), 1);
    ck_assert_uint_eq(job.looks, 4);
    ck_assert_ptr_nonnull(strstr(s->sent[1], "[[[\"id\",\"=\",812]]]"));
    call_done(&call);
    script_close(s);
}
END_TEST

struct ending {
    const char *answer;
    int code;
    uint32_t flags;
    const char *words;
};

static const struct ending endings[] = {
    { "[{\"id\":812,\"state\":\"FAILED\",\"error\":\"[EFAULT] Service not running after "
      "start\","
      "\"exc_info\":{\"type\":\"CallError\",\"errno\":14,\"extra\":null}}]",
      TNS_E_SERVER, 0, "Service not running after start" },
    { "[{\"id\":812,\"state\":\"FAILED\",\"error\":\"[EBUSY] x: dataset is "
      "busy\",\"exc_info\":{"
      "\"type\":\"CallError\",\"errno\":16,\"extra\":null}}]",
      TNS_E_BUSY, 0, "busy" },
    { "[{\"id\":812,\"state\":\"FAILED\",\"error\":\"[ENOENT] None: X does not "
      "exist\",\"exc_info\":{"
      "\"type\":\"VALIDATION\",\"errno\":null,\"extra\":[[null,\"X does not exist\",2]]}}]",
      TNS_E_NOTFOUND, 0, "does not exist" },
    { "[{\"id\":812,\"state\":\"FAILED\",\"error\":\"bad argument\",\"exc_info\":{\"type\":"
      "\"ValidationErrors\",\"errno\":22,\"extra\":[[\"a\",\"bad argument\",22]]}}]",
      TNS_E_USAGE, 0, "bad argument" },
    { "[{\"id\":812,\"state\":\"FAILED\",\"error\":null,\"exc_info\":null}]", TNS_E_SERVER,
      0, "core.bulk" },
    { "[{\"id\":812,\"state\":\"ABORTED\"}]", TNS_E_SERVER, 0, "aborted" },
    { "[]", TNS_E_SERVER, TNS_F_OUTCOME_UNKNOWN, "812" },
    { "[{\"id\":813,\"state\":\"SUCCESS\",\"result\":1}]", TNS_E_SERVER,
      TNS_F_OUTCOME_UNKNOWN, "812" },
    { "[{\"id\":812,\"state\":\"WHATEVER\"}]", TNS_E_SERVER, TNS_F_OUTCOME_UNKNOWN, "812" },
    { "null", TNS_E_SERVER, TNS_F_OUTCOME_UNKNOWN, "812" },
};

START_TEST(test_every_end_of_a_job_is_told)
{
    struct job job = { .end = endings[_i].answer };
    struct script *s;
    struct tns_call call;
    int rc = run_job(&job, 0, &call, &s);

    tst_ok(rc, &s->err);
    ck_assert_int_eq(call.error.code, endings[_i].code);
    ck_assert_uint_eq(call.error.flags, endings[_i].flags);
    tst_says(&call.error, endings[_i].words);
    ck_assert_ptr_null(call.result);
    call_done(&call);
    script_close(s);
}
END_TEST

START_TEST(test_a_job_without_a_result_gives_null)
{
    struct job job = { .end = "[{\"id\":812,\"state\":\"SUCCESS\"}]" };
    struct script *s;
    struct tns_call call;
    int rc = run_job(&job, 0, &call, &s);

    tst_ok(rc, &s->err);
    ck_assert(json_is_null(call.result));
    call_done(&call);
    script_close(s);
}
END_TEST

START_TEST(test_C09_a_job_that_outlives_the_deadline_is_unknown_and_not_failed)
{
    struct job job = { .running = 1000 };
    struct script *s = script_open(_i ? &tns__codec_ddp : &tns__codec_jsonrpc, serve_job);
    struct tns_call call = call_of("core.bulk", NULL, TNS_CALL_JOB);

    s->user = &job;
    script_deadline(s, 2500);
    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_TIMEOUT);
    ck_assert_uint_eq(call.error.flags, TNS_F_OUTCOME_UNKNOWN);
    ck_assert_uint_gt(job.looks, 1);
    ck_assert_uint_lt(job.looks, 16);
    call_done(&call);
    script_close(s);
}
END_TEST

static void break_while_running(struct script *s, json_t *request)
{
    if (strcmp(script_method(request), "core.get_jobs") == 0)
        s->recv_fails = TNS_E_TRANSPORT;
    else
        script_result(s, request, "812");
}

START_TEST(test_C09_a_connection_lost_while_a_job_runs_leaves_it_unknown)
{
    struct script *s = script_open(&tns__codec_jsonrpc, break_while_running);
    struct tns_call call = call_of("core.bulk", NULL, TNS_CALL_JOB);

    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_TRANSPORT);
    ck_assert_uint_eq(call.error.flags, TNS_F_OUTCOME_UNKNOWN);
    call_done(&call);
    script_close(s);
}
END_TEST

START_TEST(test_a_result_that_is_no_number_is_the_job_s_own)
{
    /* core.set_options {legacy_jobs: false}: the answer comes when the job ends. */
    struct script *s = script_open(&tns__codec_jsonrpc, script_mirror);
    struct tns_call call = call_of("core.bulk", "[[true]]", TNS_CALL_JOB);

    tst_ok(tns__rpc_calls(s->rpc, &call, 1, &s->err), &s->err);
    ck_assert(json_is_array(call.result));
    ck_assert_uint_eq(s->n_sent, 1);
    call_done(&call);
    script_close(s);
}
END_TEST

#define JOB(id, state, args)                                                               \
    "{\"id\":" id ",\"method\":\"core.bulk\",\"state\":\"" state "\",\"arguments\":" args  \
    "}"
#define OURS "[\"a\",{\"x\":1}]"

/* Which of the jobs of a NAS is the one that a call began. */
static const struct search {
    const char *jobs;
    int64_t id; /* of the call's job, 0: never told */
    unsigned flags;
    int64_t found;
} searches[] = {
    /* by its number, which another job may have after a restart of the NAS */
    { "[" JOB("7", "SUCCESS", OURS) "," JOB("8", "RUNNING", OURS) "]", 7, 0, 7 },
    { "[" JOB("7", "SUCCESS", "[\"b\",{\"x\":1}]") "]", 7, 0, 0 },
    { "[{\"id\":7,\"method\":\"other\",\"state\":\"RUNNING\",\"arguments\":" OURS "}]", 7,
      0, 0 },
    /* by parameters that no other call has */
    { "[" JOB("7", "SUCCESS", OURS) "]", 0, TNS_CALL_UNIQUE, 7 },
    { "[" JOB("7", "FAILED", OURS) "," JOB("9", "SUCCESS", "[\"b\",{}]") "]", 0,
      TNS_CALL_UNIQUE, 7 },
    /* by parameters that others may have: only what still goes on, and the newest of it */
    { "[" JOB("7", "SUCCESS", OURS) "]", 0, 0, 0 },
    { "[" JOB("7", "WAITING", OURS) "," JOB("8", "RUNNING", OURS) "," JOB("9", "ABORTED",
                                                                          OURS) "]",
      0, 0, 8 },
    /* the NAS fills in what was left out, and leaves nothing out */
    { "[" JOB("7", "RUNNING", "[\"a\",{\"x\":1,\"y\":2},null]") "]", 0, 0, 7 },
    { "[" JOB("7", "RUNNING", "[\"a\",{\"x\":2}]") "]", 0, 0, 0 },
    { "[" JOB("7", "RUNNING", "[\"a\",{}]") "]", 0, 0, 0 },
    { "[" JOB("7", "RUNNING", "[\"a\"]") "]", 0, 0, 0 },
    { "[" JOB("7", "RUNNING", "null") "]", 0, 0, 0 },
    { "[" JOB("-7", "RUNNING", OURS) "]", 0, 0, 0 },
    { "[7, null]", 0, 0, 0 },
    { "{\"id\":7}", 0, 0, 0 },
};

START_TEST(test_C09_a_lost_job_is_told_by_its_number_or_its_arguments)
{
    const struct search *t = &searches[_i];
    struct tns_call call = call_of("core.bulk", OURS, TNS_CALL_JOB | t->flags);
    json_t *jobs = json_loads(t->jobs, 0, NULL);

    ck_assert_ptr_nonnull(jobs);
    call.job_id = t->id;
    ck_assert_int_eq(tns__job_found(&call, jobs), t->found);
    json_decref(jobs);
    call_done(&call);
}
END_TEST

START_TEST(test_C09_a_call_tells_the_number_of_its_job_when_the_connection_broke)
{
    struct script *s = script_open(&tns__codec_jsonrpc, break_while_running);
    struct tns_call call = call_of("core.bulk", NULL, TNS_CALL_JOB);

    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_TRANSPORT);
    ck_assert_int_eq(call.job_id, 812);
    call_done(&call);
    script_close(s);
}
END_TEST

START_TEST(test_the_looks_grow_further_apart)
{
    unsigned last = 0;

    for (unsigned i = 0; i < 30; i++) {
        unsigned ms = tns__job_pause(i);

        ck_assert_uint_ge(ms, last);
        ck_assert_uint_ge(ms, 50);
        ck_assert_uint_le(ms, 2000);
        last = ms;
    }
    ck_assert_uint_eq(last, 2000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("jobs");
    TCase *tc = tcase_create("jobs");

    tcase_add_loop_test(tc, test_a_job_s_result_is_the_call_s_result, 0, 2);
    tcase_add_loop_test(tc, test_every_end_of_a_job_is_told, 0,
                        sizeof(endings) / sizeof(endings[0]));
    tcase_add_test(tc, test_a_job_without_a_result_gives_null);
    tcase_add_loop_test(tc,
                        test_C09_a_job_that_outlives_the_deadline_is_unknown_and_not_failed,
                        0, 2);
    tcase_add_test(tc, test_C09_a_connection_lost_while_a_job_runs_leaves_it_unknown);
    tcase_add_loop_test(tc, test_C09_a_lost_job_is_told_by_its_number_or_its_arguments, 0,
                        sizeof(searches) / sizeof(searches[0]));
    tcase_add_test(tc,
                   test_C09_a_call_tells_the_number_of_its_job_when_the_connection_broke);
    tcase_add_test(tc, test_a_result_that_is_no_number_is_the_job_s_own);
    tcase_add_test(tc, test_the_looks_grow_further_apart);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
