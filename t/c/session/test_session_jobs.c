/* SPDX-License-Identifier: Apache-2.0 */
/* C09: a job whose connection was lost is found again, waited for, and never begun twice. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "session/ses.h"

static char run_dir[300];

static void fresh(void)
{
    snprintf(run_dir, sizeof run_dir, "%s", ses_run_dir());
    tst_sim_world(tst_cell_sim(), "{\"job_delay\":0.2}");
}

static void tidy(void)
{
    tst_sim_world(tst_cell_sim(), "{\"job_delay\":0}");
    ses_holder_kill(run_dir, SIGTERM);
}

static struct tns_session *open_session(bool with_holder)
{
    struct tns_session_opts opts;

    ses_opts(tst_cell_sim(), run_dir, &opts);
    opts.transport = ses_transport();
    opts.no_holder = !with_holder;
    opts.holder_path = ses_holder();
    return ses_open(&opts);
}

/* core.bulk, except where REST has none. */
static bool has_jobs(void)
{
    return !tst_cell_is(NULL, "rest") || strcmp(tst_cell()->release, "24") < 0;
}

/* Two items in one job, the second of which fails. Without an operation: what anybody may ask. */
static int bulk(struct tns_session *s, const char *op, json_t **ret, struct tns_error *err)
{
    unsigned flags = op ? TNS_CALL_JOB | TNS_CALL_UNIQUE : TNS_CALL_JOB;
    _tns_json_ json_t *params =
        json_pack("[s,[[s],[s]],s?]", "pool.dataset.get_instance", "tank", "tank/none", op);

    *ret = NULL;
    return tns__session_call(s, "core.bulk", params, flags, ret, err);
}

static const char *new_op(void)
{
    static char op[37];

    ck_assert(tns__uuid_new(op));
    return op;
}

static void check_items(int rc, json_t *items, const struct tns_error *err)
{
    tst_ok(rc, err);
    ck_assert_uint_eq(json_array_size(items), 2);
    ck_assert(json_is_object(json_object_get(json_array_get(items, 0), "result")));
    ck_assert(json_is_string(json_object_get(json_array_get(items, 1), "error")));
    json_decref(items);
}

static void begun_times(int n)
{
    ck_assert_int_eq(tst_sim_calls(tst_cell_sim(), "core.bulk"), n);
}

static void fault(const char *method, const char *what)
{
    char text[160];

    snprintf(text, sizeof text, "{\"match\":\"%s\",\"do\":\"%s\",\"ms\":200}", method,
             what);
    tst_sim_fault(tst_cell_sim(), text);
}

/* Logged in, and about to lose something over the next job; NULL where there are no jobs. */
static struct tns_session *about_to_lose(bool with_holder, const char *method,
                                         const char *what)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_session *s;

    if (!has_jobs())
        return NULL;
    s = open_session(with_holder);
    tst_ok(ses_call(s, &err), &err);
    fault(method, what);
    return s;
}

/* What is lost: the job's number, or the connection while it runs, or the login. */
static const struct {
    const char *method, *what;
} losses[] = { { "core.bulk", "cut" },
               { "core.get_jobs", "cut" },
               { "core.get_jobs", "expire" } };

static void lose_and_find(bool with_holder, int loss)
{
    bool expire = strcmp(losses[loss].what, "expire") == 0;
    _tns_session_ struct tns_session *s = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    json_t *items;
    int rc;

    if (expire && tst_cell_is(NULL, "rest"))
        return; /* there is no login */
    /* The job itself may not do anything for a caller whose login has gone meanwhile. */
    if (expire)
        tst_sim_world(tst_cell_sim(), "{\"job_delay\":0}");
    s = about_to_lose(with_holder, losses[loss].method, losses[loss].what);
    if (!s)
        return;
    rc = bulk(s, new_op(), &items, &err);
    check_items(rc, items, &err);
    begun_times(1);
}

START_TEST(test_C09_a_job_whose_connection_is_lost_is_found_and_waited_for)
{
    lose_and_find(false, _i);
}
END_TEST

START_TEST(test_C09_a_job_that_was_begun_through_the_holder_is_found_as_well)
{
    lose_and_find(true, _i);
}
END_TEST

/* The same job, finished before, is not the one that was begun now: it may have ended otherwise. */
START_TEST(test_C09_an_equal_job_of_before_is_not_taken_for_the_lost_one)
{
    _tns_session_ struct tns_session *s = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    json_t *items;
    int rc;

    if (!has_jobs())
        return;
    s = open_session(false);
    rc = bulk(s, NULL, &items, &err);
    check_items(rc, items, &err);
    for (int i = 0; i < 2; i++) {
        fault("core.bulk", "cut-before");
        ck_assert_int_eq(bulk(s, i ? new_op() : NULL, &items, &err), -TNS_E_TRANSPORT);
        ck_assert_uint_eq(err.flags, TNS_F_OUTCOME_UNKNOWN);
        tns__error_clear(&err);
    }
    begun_times(3);
}
END_TEST

/* Also one without an operation of its own, as long as it goes on. */
START_TEST(test_C09_a_job_that_is_found_but_outlives_the_deadline_is_unknown_and_not_failed)
{
    _tns_session_ struct tns_session *s = about_to_lose(false, "core.bulk", "cut");
    struct tns_error err = TNS_ERROR_INIT;
    json_t *items;
    uint64_t before;

    if (!s || (_i && !tst_cell_is("25.10", "jsonrpc")))
        return;
    tst_sim_world(tst_cell_sim(), "{\"job_delay\":60}");
    before = tns__ctx_begin(tns__session_ctx(s), tst_ms(2000));
    ck_assert_int_eq(bulk(s, _i ? NULL : new_op(), &items, &err), -TNS_E_TIMEOUT);
    tns__session_ctx(s)->deadline_ns = before;
    ck_assert_uint_eq(err.flags, TNS_F_OUTCOME_UNKNOWN);
    tst_says(&err, "goes on");
    begun_times(1);
    tns__error_clear(&err);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_C09_a_job_that_the_nas_forgot_over_a_restart_is_unknown_and_not_begun_again)
{
    _tns_session_ struct tns_session *s = about_to_lose(false, "core.get_jobs", "restart");
    struct tns_error err = TNS_ERROR_INIT;
    json_t *items;

    if (!s)
        return;
    ck_assert_int_eq(bulk(s, new_op(), &items, &err), -TNS_E_TRANSPORT);
    ck_assert_uint_eq(err.flags, TNS_F_OUTCOME_UNKNOWN);
    begun_times(1);
}
END_TEST

static void add(TCase *tc)
{
    int n = (int)TNS_ARRAY_LEN(losses);

    tcase_add_checked_fixture(tc, fresh, tidy);
    tcase_add_loop_test(tc, test_C09_a_job_whose_connection_is_lost_is_found_and_waited_for,
                        0, n);
    tcase_add_loop_test(tc,
                        test_C09_a_job_that_was_begun_through_the_holder_is_found_as_well,
                        0, n);
    tcase_add_test(tc, test_C09_an_equal_job_of_before_is_not_taken_for_the_lost_one);
    tcase_add_loop_test(
        tc,
        test_C09_a_job_that_is_found_but_outlives_the_deadline_is_unknown_and_not_failed, 0,
        2);
    tcase_add_test(
        tc,
        test_C09_a_job_that_the_nas_forgot_over_a_restart_is_unknown_and_not_begun_again);
}

int main(void)
{
    Suite *s = suite_create("session jobs");

    tst_matrix(s, add);
    return tst_run(s);
}
