/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines bound every wait, cancellation is noticed, and a fork is. */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/tst.h"

/* How late a wait may end. */
#define SLACK_MS 100

START_TEST(test_a_shorter_budget_wins_and_the_outer_one_comes_back)
{
    struct tns_ctx ctx;
    uint64_t none, outer;

    tns__ctx_init(&ctx);
    none = tns__ctx_begin(&ctx, 1000);
    ck_assert_uint_eq(none, 0);
    ck_assert_int_gt(tns__ctx_left_ms(&ctx), 900);

    outer = tns__ctx_begin(&ctx, 100);
    ck_assert_int_le(tns__ctx_left_ms(&ctx), 100);
    ctx.deadline_ns = outer;
    outer = tns__ctx_begin(&ctx, 5000);
    ck_assert_int_le(tns__ctx_left_ms(&ctx), 1000);
    ck_assert_uint_eq(ctx.deadline_ns, outer);
}
END_TEST

START_TEST(test_left_is_rounded_up_and_never_negative)
{
    struct tns_ctx ctx = { 0 };

    ck_assert_int_eq(tns__ctx_left_ms(&ctx), 0);
    ctx.deadline_ns = tns__now_ns() - 1;
    ck_assert_int_eq(tns__ctx_left_ms(&ctx), 0);
    ctx.deadline_ns = UINT64_MAX;
    ck_assert_int_eq(tns__ctx_left_ms(&ctx), INT_MAX);
    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, UINT_MAX);
    ck_assert_int_eq(tns__ctx_left_ms(&ctx), INT_MAX);
}
END_TEST

START_TEST(test_a_context_without_a_deadline_waits_for_nothing)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    tns__ctx_init(&ctx);
    tst_fails(tns__ctx_check(&ctx, "x", &err), TNS_E_TIMEOUT, &err);
    tst_fails(tns__ctx_poll(&ctx, fds[0], POLLIN, "x", &err), TNS_E_TIMEOUT, &err);
}
END_TEST

START_TEST(test_poll_ends_at_the_deadline_and_names_what_it_waited_for)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tst_watch begin = tst_watch();
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    tst_ctx_init(&ctx, 300);
    tns__ctx_poll(&ctx, fds[0], POLLIN, "the NAS to answer", &err);
    ck_assert_uint_ge(tst_clock_ms(begin), 299);
    ck_assert_uint_lt(tst_own_ms(begin), 300 + tst_ms(SLACK_MS));
    tst_says(&err, "the NAS to answer");
    tst_fails(-err.code, TNS_E_TIMEOUT, &err);
}
END_TEST

START_TEST(test_poll_tells_readiness_at_once_and_hangup_too)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    tst_ctx_init(&ctx, 5000);
    ck_assert_int_eq(tns__ctx_poll(&ctx, fds[1], POLLOUT, "x", &err), POLLOUT);
    close(fds[1]);
    ck_assert_int_eq(tns__ctx_poll(&ctx, fds[0], POLLIN, "x", &err), POLLHUP);
    tst_fails(tns__ctx_poll(&ctx, -1, POLLIN, "x", &err), TNS_E_BUG, &err);
}
END_TEST

START_TEST(test_what_is_ready_is_told_even_when_the_deadline_has_passed)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    tst_ctx_init(&ctx, 0);
    ck_assert_int_eq(tns__ctx_poll(&ctx, fds[0], POLLIN, "x", &err), POLLIN);
}
END_TEST

static int stop_after(void *user)
{
    int *calls = user;

    return --*calls <= 0;
}

START_TEST(test_cancel_is_noticed_without_a_signal)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tst_watch begin = tst_watch();
    int calls = 2;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    tst_ctx_init(&ctx, 20000);
    ctx.cancel_fn = stop_after;
    ctx.cancel_user = &calls;
    tst_fails(tns__ctx_poll(&ctx, fds[0], POLLIN, "x", &err), TNS_E_CANCELLED, &err);
    ck_assert_uint_lt(tst_own_ms(begin), 2 * 250 + tst_ms(SLACK_MS));

    calls = 1;
    tst_fails(tns__ctx_check(&ctx, "x", &err), TNS_E_CANCELLED, &err);
    calls = 2;
    begin = tst_watch();
    tst_fails(tns__ctx_backoff(&ctx, 10000, "x", &err), TNS_E_CANCELLED, &err);
    ck_assert_uint_lt(tst_own_ms(begin), 2 * 250 + tst_ms(SLACK_MS));
}
END_TEST

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
    (void)sig;
    alarms = alarms + 1;
}

static int stop_on_alarm(void *user)
{
    (void)user;
    return alarms > 0;
}

static void alarm_every_20_ms(void)
{
    struct sigaction action = { .sa_handler = on_alarm };
    struct itimerval timer = { { 0, 20000 }, { 0, 20000 } };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

START_TEST(test_a_signal_asks_the_cancel_callback_at_once)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tst_watch begin = tst_watch();
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    tst_ctx_init(&ctx, 20000);
    ctx.cancel_fn = stop_on_alarm;
    alarm_every_20_ms();
    tst_fails(tns__ctx_poll(&ctx, fds[0], POLLIN, "x", &err), TNS_E_CANCELLED, &err);
    ck_assert_uint_lt(tst_own_ms(begin), 20 + tst_ms(SLACK_MS));
}
END_TEST

START_TEST(test_a_rain_of_signals_does_not_move_the_deadline)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tst_watch begin;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    alarm_every_20_ms();
    begin = tst_watch();
    tst_ctx_init(&ctx, 300);
    tst_fails(tns__ctx_poll(&ctx, fds[0], POLLIN, "x", &err), TNS_E_TIMEOUT, &err);
    ck_assert_uint_ge(tst_clock_ms(begin), 299);
    ck_assert_uint_lt(tst_own_ms(begin), 300 + tst_ms(SLACK_MS));

    begin = tst_watch();
    tst_ctx_init(&ctx, 2000);
    tst_ok(tns__ctx_backoff(&ctx, 200, "x", &err), &err);
    ck_assert_uint_ge(tst_clock_ms(begin), 200);
    ck_assert_uint_lt(tst_own_ms(begin), 200 + tst_ms(SLACK_MS));
    ck_assert_int_gt(alarms, 5);
}
END_TEST

START_TEST(test_backoff_ends_early_at_the_deadline)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tst_watch begin = tst_watch();

    tst_ctx_init(&ctx, 100);
    tst_fails(tns__ctx_backoff(&ctx, 5000, "x", &err), TNS_E_TIMEOUT, &err);
    ck_assert_uint_lt(tst_own_ms(begin), 100 + tst_ms(SLACK_MS));
}
END_TEST

START_TEST(test_a_handle_refuses_to_work_in_a_child)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    int status;
    pid_t pid;

    tst_ctx_init(&ctx, 1000);
    tst_ok(tns__ctx_check_pid(&ctx, &err), &err);
    pid = fork();
    if (pid == 0)
        _exit(tns__ctx_check_pid(&ctx, NULL) == -TNS_E_FORKED ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ctx");
    TCase *tc = tcase_create("ctx");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_a_shorter_budget_wins_and_the_outer_one_comes_back);
    tcase_add_test(tc, test_left_is_rounded_up_and_never_negative);
    tcase_add_test(tc, test_a_context_without_a_deadline_waits_for_nothing);
    tcase_add_test(tc, test_poll_ends_at_the_deadline_and_names_what_it_waited_for);
    tcase_add_test(tc, test_poll_tells_readiness_at_once_and_hangup_too);
    tcase_add_test(tc, test_what_is_ready_is_told_even_when_the_deadline_has_passed);
    tcase_add_test(tc, test_cancel_is_noticed_without_a_signal);
    tcase_add_test(tc, test_a_signal_asks_the_cancel_callback_at_once);
    tcase_add_test(tc, test_a_rain_of_signals_does_not_move_the_deadline);
    tcase_add_test(tc, test_backoff_ends_early_at_the_deadline);
    tcase_add_test(tc, test_a_handle_refuses_to_work_in_a_child);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
