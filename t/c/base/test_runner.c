/* SPDX-License-Identifier: Apache-2.0 */
/* The runner: nothing goes in but argv, everything comes out, and nothing is waited for too long. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/runner.h"
#include "common/tst.h"

#define SLACK_MS 300
#define GRACE_MS 2000
/* Until a shell has come so far as to leave its mark. */
#define START_MS (700 + tst_ms(100))

static struct tns_ctx ctx;
static struct tns_error err;
static struct tns_run_result result;

static void setup(void)
{
    tst_ctx_init(&ctx, tst_ms(20000));
    err = (struct tns_error)TNS_ERROR_INIT;
    result = (struct tns_run_result){ 0 };
}

static void teardown(void)
{
    tns__run_result_clear(&result);
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

static int run(const char *const argv[])
{
    struct tns_runner *r = tns__runner_real();

    tns__run_result_clear(&result);
    return r->run(r, &ctx, argv, &result, &err);
}

static int run_sh(const char *script)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };

    return run(argv);
}

/* The script has to fail with that code, under a deadline of timeout_ms. Since when it ran. */
static struct tst_watch fails_after(const char *script, unsigned timeout_ms, int code)
{
    struct tst_watch began = tst_watch();

    tst_ctx_init(&ctx, timeout_ms);
    run_sh(script);
    tst_fails(-err.code, code, &err);
    ck_assert_ptr_null(result.out);
    return began;
}

START_TEST(test_output_and_exit_code_come_back)
{
    tst_ok(run_sh("echo out; echo err >&2; exit 7"), &err);
    ck_assert_int_eq(result.exit_code, 7);
    ck_assert_int_eq(result.signal, 0);
    ck_assert_str_eq(result.out, "out\n");
    ck_assert_str_eq(result.err, "err\n");

    tst_ok(run_sh("exit 0"), &err);
    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_str_eq(result.out, "");
    ck_assert_str_eq(result.err, "");
}
END_TEST

START_TEST(test_a_signal_that_ended_it_is_named)
{
    tst_ok(run_sh("kill -SEGV $$"), &err);
    ck_assert_int_eq(result.exit_code, -1);
    ck_assert_int_eq(result.signal, SIGSEGV);
}
END_TEST

START_TEST(test_arguments_are_passed_as_they_are)
{
    const char *argv[] = { "/usr/bin/printf", "<%s>",  "",   "a b",
                           "$(id)",           "'\"\n", "-x", NULL };

    tst_ok(run(argv), &err);
    ck_assert_str_eq(result.out, "<><a b><$(id)><'\"\n><-x>");
}
END_TEST

START_TEST(test_only_absolute_paths_are_run)
{
    const char *relative[] = { "sh", "-c", "true", NULL };
    const char *nothing[] = { NULL };

    tst_fails(run(relative), TNS_E_USAGE, &err);
    tst_fails(run(nothing), TNS_E_USAGE, &err);
}
END_TEST

START_TEST(test_a_program_that_is_not_there_is_told_by_its_path)
{
    const char *gone[] = { "/usr/sbin/no-such-program", NULL };
    const char *dir[] = { "/usr", NULL };

    run(gone);
    tst_says(&err, "/usr/sbin/no-such-program");
    tst_fails(-err.code, TNS_E_NOTFOUND, &err);
    run(dir);
    ck_assert_int_eq(err.sys_errno, EACCES);
    tst_fails(-err.code, TNS_E_DEVICE, &err);
}
END_TEST

START_TEST(test_the_environment_is_fixed)
{
    const char *argv[] = { "/usr/bin/env", NULL };

    setenv("TNS_SECRET", "in the environment", 1);
    setenv("LD_PRELOAD", "", 1);
    tst_ok(run(argv), &err);
    ck_assert_str_eq(result.out, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n");
}
END_TEST

START_TEST(test_stdin_is_empty_and_no_descriptor_is_inherited)
{
    const char *fds[] = { "/bin/ls", "/proc/self/fd", NULL };
    int spare = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as careless hosts do */

    ck_assert_int_ge(dup2(spare, 200), 0);
    tst_ok(run(fds), &err);
    ck_assert_str_eq(result.out, "0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
    tst_ok(run_sh("cat; readlink /proc/self/fd/0"), &err);
    ck_assert_str_eq(result.out, "/dev/null\n");
}
END_TEST

START_TEST(test_a_lock_of_ours_does_not_live_on_in_a_program_that_stays)
{
    char path[300];
    int fd, again;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/lock", tst_tmpdir());
    fd = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    tst_ok(run_sh("setsid sleep 30 >/dev/null 2>&1 & echo $!"), &err);
    pid = atoi(result.out);
    close(fd);
    again = open(path, O_RDWR);
    ck_assert_int_eq(flock(again, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

START_TEST(test_it_works_with_stdin_stdout_and_stderr_closed)
{
    int ok;
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        close(0);
        close(1);
        close(2);
        ok = run_sh("echo out; echo err >&2; exit 5") == 0 && result.exit_code == 5 &&
             strcmp(result.out, "out\n") == 0 && strcmp(result.err, "err\n") == 0;
        _exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_output_is_capped_and_the_rest_does_not_block_the_program)
{
    tst_ok(run_sh("head -c 3000000 /dev/zero | tr '\\0' x; echo done >&2; exit 4"), &err);
    ck_assert_uint_eq(strlen(result.out), 1u << 20);
    ck_assert_str_eq(result.err, "done\n");
    ck_assert_int_eq(result.exit_code, 4);
}
END_TEST

START_TEST(test_large_output_on_both_streams_does_not_deadlock)
{
    tst_ok(run_sh(
               "head -c 500000 /dev/zero | tr '\\0' e >&2; head -c 500000 /dev/zero | tr "
               "'\\0' o"),
           &err);
    ck_assert_uint_eq(strlen(result.out), 500000);
    ck_assert_uint_eq(strlen(result.err), 500000);
}
END_TEST

START_TEST(test_at_the_deadline_a_program_is_asked_to_end)
{
    char script[400], mark[300];
    struct tst_watch began;

    snprintf(mark, sizeof(mark), "%s/ended", tst_tmpdir());
    snprintf(script, sizeof(script),
             "trap '>%s; exit 3' TERM; while :; do sleep 0.05; done", mark);
    began = fails_after(script, START_MS, TNS_E_TIMEOUT);
    ck_assert_uint_ge(tst_clock_ms(began), START_MS - 1);
    ck_assert_uint_lt(tst_own_ms(began), START_MS + tst_ms(SLACK_MS));
    ck_assert_int_eq(access(mark, F_OK), 0);
}
END_TEST

START_TEST(test_a_program_that_ignores_it_is_killed_with_its_children_after_the_grace)
{
    char script[400], mark[300];
    struct tst_watch began;
    FILE *f;
    int pid = 0;

    snprintf(mark, sizeof(mark), "%s/pid", tst_tmpdir());
    snprintf(script, sizeof(script),
             "trap '' TERM; sleep 60 & echo $! >%s; while :; do sleep 60; done", mark);
    began = fails_after(script, START_MS, TNS_E_TIMEOUT);
    ck_assert_uint_ge(tst_clock_ms(began), START_MS + GRACE_MS - 1);
    ck_assert_uint_lt(tst_own_ms(began), START_MS + GRACE_MS + tst_ms(SLACK_MS));

    f = fopen(mark, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
    fclose(f);
    tst_eventually(kill(pid, 0) < 0 && errno == ESRCH, 2000);
}
END_TEST

START_TEST(test_a_stopped_program_is_killed_too)
{
    struct tst_watch began = fails_after("kill -STOP $$; sleep 60", 200, TNS_E_TIMEOUT);

    ck_assert_uint_lt(tst_own_ms(began), 200 + GRACE_MS + tst_ms(SLACK_MS));
}
END_TEST

START_TEST(test_a_descendant_that_keeps_the_output_open_is_not_waited_for)
{
    struct tst_watch began = tst_watch();
    int pid;

    tst_ok(run_sh("setsid sleep 60 & echo $!"), &err);
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(1000));
    pid = atoi(result.out);
    ck_assert_int_gt(pid, 1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

START_TEST(test_what_even_a_kill_does_not_reach_is_abandoned)
{
    char script[400], mark[300];
    struct tst_watch began;
    FILE *f;
    int pid = 0;

    /* out of the group, as a process in D state is out of reach */
    snprintf(mark, sizeof(mark), "%s/pid", tst_tmpdir());
    snprintf(script, sizeof(script),
             "setsid sleep 60 & echo $! >%s; trap '' TERM; wait; sleep 60", mark);
    began = fails_after(script, START_MS, TNS_E_TIMEOUT);
    ck_assert_uint_lt(tst_own_ms(began), START_MS + GRACE_MS + tst_ms(SLACK_MS));
    f = fopen(mark, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
    fclose(f);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

START_TEST(test_a_program_that_must_not_die_half_way_ends_by_itself_after_the_deadline)
{
    struct tns_runner patient = *tns__runner_real();
    char script[400], mark[300];
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    struct tst_watch began = tst_watch();

    patient.lets_end = true;
    snprintf(mark, sizeof(mark), "%s/ended", tst_tmpdir());
    snprintf(script, sizeof(script), "sleep %u; echo out; echo err >&2; >%s",
             START_MS / 1000 + 2, mark);
    tst_ctx_init(&ctx, START_MS);
    tst_fails(patient.run(&patient, &ctx, argv, &result, &err), TNS_E_TIMEOUT, &err);
    ck_assert_uint_lt(tst_own_ms(began), START_MS + tst_ms(SLACK_MS));
    ck_assert_int_ne(access(mark, F_OK), 0);
    /* nobody is there for its output, nor to wait for it */
    tst_eventually(access(mark, F_OK) == 0, 5000);
}
END_TEST

static int cancel_now(void *user)
{
    (void)user;
    return 1;
}

static int cancel_later(void *user)
{
    int *calls = user;

    return ++*calls > 1;
}

START_TEST(test_cancel_ends_the_program_and_says_so)
{
    struct tst_watch began = tst_watch();
    int calls = 0;

    ctx.cancel_fn = cancel_later;
    ctx.cancel_user = &calls;
    tst_fails(run_sh("sleep 60"), TNS_E_CANCELLED, &err);
    ck_assert_uint_lt(tst_own_ms(began), 250 + tst_ms(SLACK_MS));
}
END_TEST

START_TEST(test_nothing_is_started_when_it_is_too_late)
{
    char script[400], mark[300];

    snprintf(mark, sizeof(mark), "%s/started", tst_tmpdir());
    snprintf(script, sizeof(script), ">%s", mark);
    fails_after(script, 0, TNS_E_TIMEOUT);
    tst_ctx_init(&ctx, 1000);
    ctx.cancel_fn = cancel_now;
    tst_fails(run_sh(script), TNS_E_CANCELLED, &err);
    ck_assert_int_ne(access(mark, F_OK), 0);
}
END_TEST

START_TEST(test_a_host_that_ignores_sigchld_still_gets_the_exit_code)
{
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 20; i++) {
        tst_ok(run_sh("exit 9"), &err);
        ck_assert_int_eq(result.exit_code, 9);
    }
    ck_assert_ptr_eq(signal(SIGCHLD, SIG_DFL), SIG_IGN);
}
END_TEST

static volatile sig_atomic_t reaped;

static void reap_all(int sig)
{
    int saved = errno;

    (void)sig;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped = reaped + 1;
    errno = saved;
}

START_TEST(test_a_host_that_reaps_every_child_in_its_handler_still_gets_the_exit_code)
{
    int before;

    signal(SIGCHLD, reap_all);
    for (int i = 0; i < 20; i++) {
        tst_ok(run_sh("exit 9"), &err);
        ck_assert_int_eq(result.exit_code, 9);
    }
    /* and the handler does what it says */
    before = reaped;
    if (fork() == 0)
        _exit(0);
    tst_eventually(reaped > before, 5000);
}
END_TEST

START_TEST(test_signals_that_the_host_blocks_or_ignores_are_normal_in_the_program)
{
    unsigned long long blocked, ignored;
    sigset_t all, now;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    /* 32 and 33 are libc's own: posix_spawn leaves them ignored in whatever the host was spawned as */
    tst_ok(run_sh("sed -nE 's/^Sig(Blk|Ign)://p' /proc/self/status"), &err);
    ck_assert_int_eq(sscanf(result.out, "%llx %llx", &blocked, &ignored), 2);
    ck_assert_uint_eq(blocked, 0);
    ck_assert_uint_eq(ignored & ~0x180000000ull, 0);
    sigprocmask(SIG_SETMASK, NULL, &now);
    ck_assert(sigismember(&now, SIGTERM) && sigismember(&now, SIGCHLD));
}
END_TEST

START_TEST(test_a_program_that_kills_its_whole_group_is_an_error_not_a_success)
{
    run_sh("kill -KILL 0");
    tst_says(&err, "/bin/sh");
    tst_fails(-err.code, TNS_E_DEVICE, &err);
}
END_TEST

START_TEST(test_no_descriptor_is_left_behind)
{
    int lowest = dup(0);

    close(lowest);
    tst_ok(run_sh("echo x"), &err);
    fails_after("sleep 60", 50, TNS_E_TIMEOUT);
    ck_assert_int_eq(dup(0), lowest);
}
END_TEST

static int sweep_run(void *user, struct tns_error *e)
{
    const char *argv[] = { "/bin/echo", "x", NULL };
    struct tns_run_result r = { 0 };
    int rc;

    (void)user;
    rc = tns__runner_real()->run(tns__runner_real(), &ctx, argv, &r, e);
    if (rc == 0)
        ck_assert_str_eq(r.out, "x\n");
    tns__run_result_clear(&r);
    return rc;
}

START_TEST(test_allocation_sweep_over_a_run)
{
    tst_ctx_init(&ctx, 60000);
    ck_assert_uint_ge(tst_alloc_sweep(sweep_run, NULL, NULL), 3);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("runner");
    TCase *tc = tcase_create("runner");

    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_output_and_exit_code_come_back);
    tcase_add_test(tc, test_a_signal_that_ended_it_is_named);
    tcase_add_test(tc, test_arguments_are_passed_as_they_are);
    tcase_add_test(tc, test_only_absolute_paths_are_run);
    tcase_add_test(tc, test_a_program_that_is_not_there_is_told_by_its_path);
    tcase_add_test(tc, test_the_environment_is_fixed);
    tcase_add_test(tc, test_stdin_is_empty_and_no_descriptor_is_inherited);
    tcase_add_test(tc, test_a_lock_of_ours_does_not_live_on_in_a_program_that_stays);
    tcase_add_test(tc, test_it_works_with_stdin_stdout_and_stderr_closed);
    tcase_add_test(tc, test_output_is_capped_and_the_rest_does_not_block_the_program);
    tcase_add_test(tc, test_large_output_on_both_streams_does_not_deadlock);
    tcase_add_test(tc, test_at_the_deadline_a_program_is_asked_to_end);
    tcase_add_test(
        tc, test_a_program_that_ignores_it_is_killed_with_its_children_after_the_grace);
    tcase_add_test(tc, test_a_stopped_program_is_killed_too);
    tcase_add_test(tc, test_a_descendant_that_keeps_the_output_open_is_not_waited_for);
    tcase_add_test(tc, test_what_even_a_kill_does_not_reach_is_abandoned);
    tcase_add_test(
        tc, test_a_program_that_must_not_die_half_way_ends_by_itself_after_the_deadline);
    tcase_add_test(tc, test_cancel_ends_the_program_and_says_so);
    tcase_add_test(tc, test_nothing_is_started_when_it_is_too_late);
    tcase_add_test(tc, test_a_host_that_ignores_sigchld_still_gets_the_exit_code);
    tcase_add_test(
        tc, test_a_host_that_reaps_every_child_in_its_handler_still_gets_the_exit_code);
    tcase_add_test(tc,
                   test_signals_that_the_host_blocks_or_ignores_are_normal_in_the_program);
    tcase_add_test(tc, test_a_program_that_kills_its_whole_group_is_an_error_not_a_success);
    tcase_add_test(tc, test_no_descriptor_is_left_behind);
    tcase_add_test(tc, test_allocation_sweep_over_a_run);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
