/* SPDX-License-Identifier: Apache-2.0 */
/* What processes share: the run directory, the login limiter, what is remembered of a NAS. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "session/ses.h"

static int open_dir(void)
{
    struct tns_error err = TNS_ERROR_INIT;
    int fd = -1;

    tst_ok(tns__rundir_open(ses_run_dir(), &fd, &err), &err);
    return fd;
}

static int try_dir(const char *path, struct tns_error *err)
{
    int fd = -1;
    int rc = tns__rundir_open(path, &fd, err);

    if (fd >= 0)
        close(fd);
    return rc;
}

START_TEST(test_the_run_directory_is_made_private)
{
    struct tns_error err = TNS_ERROR_INIT;
    char path[300];
    struct stat st;

    tns__fmt(path, sizeof path, "%s/new", ses_run_dir());
    tst_ok(try_dir(path, &err), &err);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    tst_ok(try_dir(path, &err), &err);
}
END_TEST

START_TEST(test_a_run_directory_that_others_may_enter_is_refused)
{
    struct tns_error err = TNS_ERROR_INIT;
    const char *path = ses_run_dir();

    chmod(path, 0755);
    ck_assert_int_eq(try_dir(path, &err), -TNS_E_CONFIG);
    tst_says(&err, "0755");
    tns__error_clear(&err);
    chmod(path, 0720);
    tst_fails(try_dir(path, &err), TNS_E_CONFIG, &err);
}
END_TEST

START_TEST(test_a_run_directory_of_another_user_is_refused)
{
    struct tns_error err = TNS_ERROR_INIT;
    const char *path = ses_run_dir();

    if (geteuid() == 0) {
        ck_assert_int_eq(chown(path, 65534, 65534), 0);
        ck_assert_int_eq(try_dir(path, &err), -TNS_E_CONFIG);
        tst_says(&err, "65534");
    } else {
        ck_assert_int_eq(try_dir("/root", &err), -TNS_E_CONFIG);
    }
}
END_TEST

START_TEST(test_a_symlink_is_not_followed_to_a_run_directory)
{
    struct tns_error err = TNS_ERROR_INIT;
    const char *dir = ses_run_dir();
    char real[300], link[300];

    tns__fmt(real, sizeof real, "%s/real", dir);
    tns__fmt(link, sizeof link, "%s/link", dir);
    ck_assert_int_eq(mkdir(real, 0700), 0);
    ck_assert_int_eq(symlink(real, link), 0);
    ck_assert_int_eq(try_dir(link, &err), -TNS_E_CONFIG);
    tst_says(&err, "symlink");
}
END_TEST

START_TEST(test_files_in_the_run_directory_are_private_and_replaced_whole)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    struct stat st;
    char text[64];

    tst_fails(tns__rundir_read(dir, "memo", text, sizeof text, &err), TNS_E_NOTFOUND, &err);
    tst_ok(tns__rundir_write(dir, "memo", "first", &err), &err);
    tst_ok(tns__rundir_write(dir, "memo", "2", &err), &err);
    tst_ok(tns__rundir_read(dir, "memo", text, sizeof text, &err), &err);
    ck_assert_str_eq(text, "2");
    ck_assert_int_eq(fstatat(dir, "memo", &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(symlinkat("/etc/passwd", dir, "trap"), 0);
    tst_fails(tns__rundir_read(dir, "trap", text, sizeof text, &err), TNS_E_DEVICE, &err);
}
END_TEST

START_TEST(test_a_lock_that_is_held_is_busy_at_the_deadline)
{
    _tns_close_ int dir = open_dir();
    _tns_close_ int first = -1;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tst_watch began = tst_watch();
    int second = -1;

    tst_ctx_init(&ctx, 200);
    tst_ok(tns__rundir_lock(&ctx, dir, "lock", &first, &err), &err);
    tst_fails(tns__rundir_lock(&ctx, dir, "lock", &second, &err), TNS_E_BUSY, &err);
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(400));
}
END_TEST

/* ---- the limiter ---- */

static struct tns_login_slot slot_of(int dir, unsigned max, unsigned window_ms,
                                     unsigned cost)
{
    return (struct tns_login_slot){
        .dirfd = dir, .name = "logins", .max = max, .window_ms = window_ms, .cost = cost
    };
}

START_TEST(test_the_limiter_lets_so_many_in_and_tells_when_the_next_may_come)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tns_login_slot slot;

    tst_ctx_init(&ctx, 1000);
    for (int i = 0; i < 18; i++) {
        slot = slot_of(dir, 18, 60000, 1);
        tst_ok(tns__limiter_take(&ctx, &slot, &err), &err);
        tns__limiter_done(&slot);
    }
    slot = slot_of(dir, 18, 60000, 1);
    ck_assert_int_eq(tns__limiter_take(&ctx, &slot, &err), -TNS_E_BUSY);
    ck_assert_uint_gt(err.retry_after_ms, 55000);
    ck_assert_uint_le(err.retry_after_ms, 60001);
    tns__error_clear(&err);
    ck_assert_int_eq(tns__limiter_room(&ctx, &slot, &err), -TNS_E_BUSY);
}
END_TEST

START_TEST(test_the_limiter_waits_within_the_deadline)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tst_watch began = tst_watch();

    tst_ctx_init(&ctx, 5000);
    for (int i = 0; i < 7; i++) {
        struct tns_login_slot slot = slot_of(dir, 3, 300, 1);

        tst_ok(tns__limiter_take(&ctx, &slot, &err), &err);
        tns__limiter_done(&slot);
    }
    /* 3 at once, 3 a window later, the seventh after two windows */
    ck_assert_uint_ge(tst_clock_ms(began), 600);
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(2000));
}
END_TEST

START_TEST(test_a_login_under_way_keeps_its_place_until_it_was_answered)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tns_login_slot first = slot_of(dir, 1, 100, 1), second = slot_of(dir, 1, 100, 1);

    tst_ctx_init(&ctx, 400);
    tst_ok(tns__limiter_take(&ctx, &first, &err), &err);
    tst_fails(tns__limiter_take(&ctx, &second, &err), TNS_E_BUSY, &err);
    tns__limiter_done(&first);
    tst_ctx_init(&ctx, 400);
    tst_ok(tns__limiter_take(&ctx, &second, &err), &err);
}
END_TEST

START_TEST(test_a_scram_login_counts_twice)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;

    tst_ctx_init(&ctx, 300);
    for (int i = 0; i < 9; i++) {
        struct tns_login_slot slot = slot_of(dir, 18, 60000, 2);

        tst_ok(tns__limiter_take(&ctx, &slot, &err), &err);
        tns__limiter_done(&slot);
    }
    struct tns_login_slot one = slot_of(dir, 18, 60000, 1);
    tst_fails(tns__limiter_take(&ctx, &one, &err), TNS_E_BUSY, &err);
}
END_TEST

START_TEST(test_c10_a_refusal_of_the_nas_closes_the_window_for_everyone)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tns_login_slot first = slot_of(dir, 18, 60000, 1), other = first;

    tst_ctx_init(&ctx, 500);
    tst_ok(tns__limiter_take(&ctx, &first, &err), &err);
    ck_assert_uint_eq(tns__limiter_close(&first), 60000);
    ck_assert_int_eq(tns__limiter_take(&ctx, &other, &err), -TNS_E_BUSY);
    ck_assert_uint_gt(err.retry_after_ms, 55000);
}
END_TEST

START_TEST(test_a_broken_limiter_file_starts_anew)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_ctx ctx;
    struct tns_login_slot slot = slot_of(dir, 18, 60000, 1);

    tst_ctx_init(&ctx, 500);
    tst_ok(tns__rundir_write(dir, "logins", "not a limiter", &err), &err);
    tst_ok(tns__limiter_take(&ctx, &slot, &err), &err);
}
END_TEST

/* ---- memory ---- */

START_TEST(test_the_dialect_of_a_host_is_remembered_until_it_is_forgotten)
{
    _tns_close_ int dir = open_dir();
    struct tns_endpoint nas = { .host = "nas", .port = 443, .tls = true };
    struct tns_endpoint other = { .host = "nas", .port = 444, .tls = true };
    struct tns_memo memo = { .dialect = TNS_DIALECT_JSONRPC, .api = 2510 }, got = { 0 };

    ck_assert(!tns__memo_read(dir, &nas, &got));
    tns__memo_write(dir, &nas, &memo);
    ck_assert(tns__memo_read(dir, &nas, &got));
    ck_assert_int_eq(got.dialect, TNS_DIALECT_JSONRPC);
    ck_assert_uint_eq(got.api, 2510);
    ck_assert(!tns__memo_read(dir, &other, &got));
    tns__memo_forget(dir, &nas);
    ck_assert(!tns__memo_read(dir, &nas, &got));
}
END_TEST

START_TEST(test_c25_a_refused_key_is_left_alone_for_longer_each_time)
{
    _tns_close_ int dir = open_dir();
    struct tns_error err = TNS_ERROR_INIT;
    unsigned first;

    tst_ok(tns__refused_check(dir, "0123456789abcdef", &err), &err);
    tns__refused_note(dir, "0123456789abcdef");
    ck_assert_int_eq(tns__refused_check(dir, "0123456789abcdef", &err), -TNS_E_AUTH);
    first = err.retry_after_ms;
    ck_assert_uint_gt(first, 50000);
    tns__error_clear(&err);
    tns__refused_note(dir, "0123456789abcdef");
    ck_assert_int_eq(tns__refused_check(dir, "0123456789abcdef", &err), -TNS_E_AUTH);
    ck_assert_uint_gt(err.retry_after_ms, first + 50000);
    tns__error_clear(&err);
    tst_ok(tns__refused_check(dir, "fedcba9876543210", &err), &err);
    tns__refused_forget(dir, "0123456789abcdef");
    tst_ok(tns__refused_check(dir, "0123456789abcdef", &err), &err);
}
END_TEST

START_TEST(test_backoff_is_jittered_and_bounded)
{
    unsigned low = 10000, high = 0;

    for (int i = 0; i < 200; i++) {
        unsigned ms = tns__backoff_ms(100, 2, 1000);

        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
        ck_assert_uint_le(tns__backoff_ms(100, 50, 1000), 1000);
    }
    ck_assert_uint_ge(low, 200);
    ck_assert_uint_le(high, 400);
    ck_assert_uint_gt(high - low, 50);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session run directory");
    TCase *tc = tcase_create("run directory");

    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, test_the_run_directory_is_made_private);
    tcase_add_test(tc, test_a_run_directory_that_others_may_enter_is_refused);
    tcase_add_test(tc, test_a_run_directory_of_another_user_is_refused);
    tcase_add_test(tc, test_a_symlink_is_not_followed_to_a_run_directory);
    tcase_add_test(tc, test_files_in_the_run_directory_are_private_and_replaced_whole);
    tcase_add_test(tc, test_a_lock_that_is_held_is_busy_at_the_deadline);
    tcase_add_test(tc, test_the_limiter_lets_so_many_in_and_tells_when_the_next_may_come);
    tcase_add_test(tc, test_the_limiter_waits_within_the_deadline);
    tcase_add_test(tc, test_a_login_under_way_keeps_its_place_until_it_was_answered);
    tcase_add_test(tc, test_a_scram_login_counts_twice);
    tcase_add_test(tc, test_c10_a_refusal_of_the_nas_closes_the_window_for_everyone);
    tcase_add_test(tc, test_a_broken_limiter_file_starts_anew);
    tcase_add_test(tc, test_the_dialect_of_a_host_is_remembered_until_it_is_forgotten);
    tcase_add_test(tc, test_c25_a_refused_key_is_left_alone_for_longer_each_time);
    tcase_add_test(tc, test_backoff_is_jittered_and_bounded);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
