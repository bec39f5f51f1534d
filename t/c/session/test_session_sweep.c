/* SPDX-License-Identifier: Apache-2.0 */
/* Any single allocation of open, login and call may fail: an error, no crash, nothing lost. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "session/ses.h"

static struct tst_sim *sim;
static char run_dir[300];

static void start_25(void)
{
    sim = tst_sim_start("25.10", NULL);
}

static void start_24(void)
{
    sim = tst_sim_start("24.10", NULL);
}

static void start_26(void)
{
    sim = tst_sim_start("26", NULL);
}

static void stop_sim(void)
{
    tst_sim_stop(sim);
}

static void fresh(void)
{
    snprintf(run_dir, sizeof run_dir, "%s", ses_run_dir());
    tst_sim_reset(sim);
    tst_sim_world(sim,
                  "{\"limiter\":{\"reset\":true,\"calls\":1000000},\"wrong_key_delay\":0}");
}

/* The sweep makes jansson's allocations fail as well. Its parser (2.14) writes out of bounds when
 * the buffer of a long string cannot grow, and SCRAM's texts are long: there only ours fail. */
static bool spare_jansson;

static int open_and_call(void *user, struct tns_error *err)
{
    const struct tns_session_opts *opts = user;
    struct tns_session *s = NULL;
    json_t *params, *result = NULL;
    int rc;

    if (spare_jansson)
        json_set_alloc_funcs(malloc, free);
    rc = tns__session_open(opts, &s, err);
    if (rc)
        return rc;
    params = json_array();
    rc = params ? tns__session_call(s, "pool.query", params, TNS_CALL_READ, &result, err)
                : tns__error_nomem(err);
    if (!rc)
        ck_assert_uint_eq(json_array_size(result), 2);
    json_decref(params);
    json_decref(result);
    tns__session_close(s);
    return rc;
}

static void sweep(struct tns_session_opts *opts)
{
    opts->login_max = 64;
    opts->login_window_ms = 1;
    opts->timeout_ms = 5000;
    ck_assert_uint_gt(tst_alloc_sweep(open_and_call, opts, NULL), 20);
    ck_assert_int_eq(tst_sim_stat(sim, "logins_failed"), 0);
}

START_TEST(test_open_login_and_call_survive_any_failed_allocation)
{
    struct tns_session_opts opts;

    ses_opts(sim, run_dir, &opts);
    sweep(&opts);
}
END_TEST

START_TEST(test_a_login_with_a_user_survives_any_failed_allocation)
{
    struct tns_session_opts opts;

    ses_opts(sim, run_dir, &opts);
    opts.user = "root";
    spare_jansson = !strcmp(sim->release, "26");
    sweep(&opts);
}
END_TEST

START_TEST(test_a_call_through_the_holder_survives_any_failed_allocation)
{
    struct tns_session_opts opts;

    ses_opts(sim, run_dir, &opts);
    opts.no_holder = false;
    opts.holder_path = ses_holder();
    sweep(&opts);
    ses_holder_kill(run_dir, SIGTERM);
}
END_TEST

static TCase *new_case(Suite *s, const char *name, void (*start)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_unchecked_fixture(tc, start, stop_sim);
    tcase_add_checked_fixture(tc, fresh, NULL);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return tc;
}

int main(void)
{
    Suite *s = suite_create("session allocation sweep");
    TCase *tc = new_case(s, "24.10", start_24);

    tcase_add_test(tc, test_open_login_and_call_survive_any_failed_allocation);
    tc = new_case(s, "25.10", start_25);
    tcase_add_test(tc, test_open_login_and_call_survive_any_failed_allocation);
    tcase_add_test(tc, test_a_login_with_a_user_survives_any_failed_allocation);
    tcase_add_test(tc, test_a_call_through_the_holder_survives_any_failed_allocation);
    tc = new_case(s, "26", start_26);
    tcase_add_test(tc, test_a_login_with_a_user_survives_any_failed_allocation);
    return tst_run(s);
}
