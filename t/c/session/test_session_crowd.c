/* SPDX-License-Identifier: Apache-2.0 */
/* Many processes at the same moment: few logins with a holder, never too many without one. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/held.h"

START_TEST(test_a_hundred_processes_at_once_log_in_once)
{
    unsigned ended[256];

    ses_crowd(100, held_request, NULL, ended);
    ck_assert_uint_eq(ended[0], 100);
    ck_assert_int_le(tst_sim_stat(held_sim, "logins"), 2);
}
END_TEST

START_TEST(test_a_hundred_processes_survive_the_holder_being_killed)
{
    unsigned ended[256];
    pid_t killer;

    ck_assert_int_eq(held_request(NULL), 0);
    killer = fork();
    if (killer == 0) {
        tst_eventually(tst_sim_stat(held_sim, "calls") > 40, 20000);
        ses_holder_kill(held_run_dir, SIGKILL);
        _exit(0);
    }
    ses_crowd(100, held_request, NULL, ended);
    waitpid(killer, NULL, 0);
    ck_assert_uint_eq(ended[0], 100);
    ck_assert_int_le(tst_sim_stat(held_sim, "logins"), 2 + 2);
}
END_TEST

static int one_busy_request(void *user)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;
    int code = 0;

    ses_opts(held_sim, held_run_dir, &opts);
    opts.timeout_ms = *(const unsigned *)user;
    if (opts.timeout_ms > 25000)
        opts.login_window_ms = 1500;
    if (tns__session_open(&opts, &s, &err) || ses_call(s, &err))
        code = err.code;
    if (code == TNS_E_BUSY && err.retry_after_ms == 0)
        code = 250;
    if (code && code != TNS_E_BUSY)
        fprintf(stderr, "# %s: %s\n", tns_code_name(err.code), err.text);
    return code;
}

START_TEST(test_d28_two_hundred_processes_without_a_holder_stay_below_the_limit)
{
    unsigned ended[256], timeout_ms = 20000;

    ses_crowd(200, one_busy_request, &timeout_ms, ended);
    ck_assert_uint_eq(ended[0] + ended[TNS_E_BUSY], 200);
    ck_assert_uint_ge(ended[0], 15);
    ck_assert_int_le(tst_sim_stat(held_sim, "logins"), 20);
    ck_assert_int_eq(tst_sim_stat(held_sim, "limited"), 0);
}
END_TEST

START_TEST(test_d28_without_a_holder_everybody_gets_in_when_the_deadline_allows)
{
    unsigned ended[256], timeout_ms = 40000;

    tst_sim_world(held_sim, "{\"limiter\":{\"window\":1.5,\"calls\":20}}");
    ses_crowd(60, one_busy_request, &timeout_ms, ended);
    tst_sim_world(held_sim, "{\"limiter\":{\"window\":60,\"calls\":20}}");
    ck_assert_uint_eq(ended[0], 60);
    ck_assert_int_eq(tst_sim_stat(held_sim, "limited"), 0);
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 60);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session crowds");
    TCase *tc = tcase_create("crowds");

    tcase_add_unchecked_fixture(tc, held_start, held_stop);
    tcase_add_checked_fixture(tc, held_fresh, held_tidy);
    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, test_a_hundred_processes_at_once_log_in_once);
    tcase_add_test(tc, test_a_hundred_processes_survive_the_holder_being_killed);
    tcase_add_test(tc,
                   test_d28_two_hundred_processes_without_a_holder_stay_below_the_limit);
    tcase_add_test(tc,
                   test_d28_without_a_holder_everybody_gets_in_when_the_deadline_allows);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
