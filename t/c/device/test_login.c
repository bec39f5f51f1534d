/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in: records, CHAP secrets, exit codes, portals that are away or hang. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/lock.h"
#include "device/session.h"
#include "device/stage.h"

#define RECORD_0 "/etc/iscsi/nodes/" W_IQN "/10.0.0.2,3260"
#define MUTUAL "CaNaRyChap-12-nas"

static struct tns__sessions sessions;
static struct tns_secret *chap, *mutual;

static void setup(void)
{
    stage_setup();
    chap = tns__secret_new(TST_CANARY_CHAP, strlen(TST_CANARY_CHAP));
    mutual = tns__secret_new(MUTUAL, strlen(MUTUAL));
}

static void teardown(void)
{
    tns__secret_free(chap);
    tns__secret_free(mutual);
    stage_teardown();
}

static int ensure(unsigned *failed)
{
    return tns__sessions_ensure(&w->node, &want, &sessions, failed, &w->err);
}

static bool ran(const char *words)
{
    return strstr(w->commands, words) != NULL;
}

static bool record_says(const char *line)
{
    return strstr(world_get(w, RECORD_0), line) != NULL;
}

/* ---- records ---- */

START_TEST(test_d19_records_never_start_by_themselves_and_never_scan)
{
    unsigned failed = 9;

    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(failed, 0);
    ck_assert_uint_eq(tns__sessions_up(&sessions), 2);
    ck_assert(record_says("\nnode.startup = manual\n"));
    ck_assert(record_says("\nnode.session.scan = manual\n"));
    ck_assert(record_says("\nnode.session.initial_login_retry_max = 0\n"));
    ck_assert(record_says("\nnode.session.auth.authmethod = None\n"));
}
END_TEST

START_TEST(test_a_record_that_is_right_needs_no_other_command_than_the_login)
{
    unsigned failed;

    want.n_portals = 1;
    want.chap = (struct tns_chap){ .user = "tnuser", .password = chap };
    tst_ok(ensure(&failed), &w->err);
    world_session_gone(w, 0);
    world_forget(w);
    tst_ok(ensure(&failed), &w->err);
    world_ran(w, "iscsiadm -m node -T " W_IQN " -p 10.0.0.2:3260 --login\n");
}
END_TEST

START_TEST(test_leaving_ends_the_session_and_takes_our_record_along)
{
    unsigned failed;

    want.n_portals = 1;
    tst_ok(ensure(&failed), &w->err);
    world_forget(w);
    tst_ok(tns__sessions_leave(&w->node, &want, &w->err), &w->err);
    world_ran(w, "iscsiadm -m node -T " W_IQN " -p 10.0.0.2:3260 --logout\n"
                 "iscsiadm -m node -T " W_IQN " -p 10.0.0.2:3260 -o delete\n");
    ck_assert(!world_has(w, RECORD_0));
}
END_TEST

START_TEST(test_leaving_keeps_the_session_while_another_process_maps_a_volume_of_the_target)
{
    unsigned failed;
    int use = -1;

    want.n_portals = 1;
    tst_ok(ensure(&failed), &w->err);
    world_forget(w);
    tst_ok(tns__lock_use(&w->node, W_IQN, &use, &w->err), &w->err);
    tst_ok(tns__sessions_leave(&w->node, &want, &w->err), &w->err);
    world_ran(w, "");
    close(use);
    tst_ok(tns__sessions_leave(&w->node, &want, &w->err), &w->err);
    ck_assert_ptr_nonnull(strstr(w->commands, "--logout"));
}
END_TEST

START_TEST(test_a_volume_is_not_mapped_over_a_session_that_is_just_being_ended)
{
    int end = -1;

    tst_ok(tns__lock_end(&w->node, W_IQN, &end, &w->err), &w->err);
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(300);
    ck_assert_int_eq(map(), -TNS_E_BUSY);
    tns__error_clear(&w->err);
    close(end);
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(60000);
    tst_ok(map(), &w->err);
}
END_TEST

START_TEST(test_leaving_keeps_the_session_while_a_device_is_left)
{
    unsigned failed;

    tst_ok(ensure(&failed), &w->err);
    world_disk(w, 1, 1);
    world_forget(w);
    tst_ok(tns__sessions_leave(&w->node, &want, &w->err), &w->err);
    world_ran(w, "");
    ck_assert(w->sessions[0].exists);
}
END_TEST

/* ---- CHAP ---- */

START_TEST(test_chap_secrets_are_swapped_into_the_0600_record_and_into_nothing_else)
{
    char path[512];
    struct stat st;
    unsigned failed;

    want.n_portals = 1;
    want.chap = (struct tns_chap){ .user = "tnuser",
                                   .password = chap,
                                   .mutual_user = "nasuser",
                                   .mutual_password = mutual };
    tst_ok(ensure(&failed), &w->err);
    ck_assert(record_says("\nnode.session.auth.authmethod = CHAP\n"));
    ck_assert(record_says("\nnode.session.auth.username = tnuser\n"));
    ck_assert(record_says("\nnode.session.auth.password = " TST_CANARY_CHAP "\n"));
    ck_assert(record_says("\nnode.session.auth.username_in = nasuser\n"));
    ck_assert(record_says("\nnode.session.auth.password_in = " MUTUAL "\n"));
    ck_assert(!record_says("tnstor-"));
    snprintf(path, sizeof(path), "%s" RECORD_0, w->root);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert(ran("-n node.session.auth.password -v TOKEN "));
    tst_no_canary(w->commands);
    tst_no_canary(tst_log_text());
    tst_no_canary(w->traced);
}
END_TEST

/* The commands are really run here, by a program that writes down what /proc shows of it. */
START_TEST(test_proc_never_shows_a_chap_secret_while_the_commands_run)
{
    char stub[512], seen[512], script[1600];
    const char *text;
    unsigned failed;

    snprintf(stub, sizeof(stub), "%s/stub", w->root);
    snprintf(seen, sizeof(seen), "%s/seen", w->root);
    snprintf(script, sizeof(script),
             "#!/bin/sh\nfor f in /proc/[0-9]*/cmdline /proc/$$/environ; do\n"
             "  tr '\\0' ' ' <\"$f\" >>%s 2>/dev/null\ndone\nexit 0\n",
             seen);
    world_put(w, "/stub", script);
    ck_assert_int_eq(chmod(stub, 0700), 0);
    w->stub = stub;
    want.n_portals = 1;
    want.chap = (struct tns_chap){ .user = "tnuser",
                                   .password = chap,
                                   .mutual_user = "nasuser",
                                   .mutual_password = mutual };
    tst_ok(ensure(&failed), &w->err);

    text = world_get(w, "/seen");
    ck_assert_ptr_nonnull(strstr(text, "node.session.auth.password"));
    ck_assert_ptr_nonnull(strstr(text, "node.session.auth.password_in"));
    ck_assert_ptr_nonnull(strstr(text, "--login"));
    tst_no_canary(text);
    world_forget(w);
}
END_TEST

START_TEST(test_a_wrong_chap_password_is_an_auth_error_and_leaves_no_record)
{
    unsigned failed;

    want.n_portals = 1;
    want.chap = (struct tns_chap){ .user = "tnuser", .password = chap };
    w->login_exit[0] = 24;
    tst_fails(ensure(&failed), TNS_E_AUTH, &w->err);
    ck_assert(!world_has(w, RECORD_0));
    ck_assert(ran("-o delete\n"));
}
END_TEST

START_TEST(test_a_changed_chap_password_reaches_the_record)
{
    struct tns_secret *other = tns__secret_new("AnotherChap-99", 14);
    unsigned failed;

    want.n_portals = 1;
    want.chap = (struct tns_chap){ .user = "tnuser", .password = other };
    tst_ok(ensure(&failed), &w->err);
    ck_assert(record_says("\nnode.session.auth.password = AnotherChap-99\n"));
    world_session_gone(w, 0);
    want.chap.password = chap;
    tst_ok(ensure(&failed), &w->err);
    ck_assert(record_says("\nnode.session.auth.password = " TST_CANARY_CHAP "\n"));
    tns__secret_free(other);
}
END_TEST

START_TEST(test_chap_values_that_could_be_read_as_something_else_are_refused)
{
    static const char *const passwords[] = { "with blank", "two\nlines", "" };
    unsigned failed;

    want.n_portals = 1;
    for (size_t i = 0; i < TNS_ARRAY_LEN(passwords); i++) {
        struct tns_secret *bad = tns__secret_new(passwords[i], strlen(passwords[i]));

        want.chap = (struct tns_chap){ .user = "tnuser", .password = bad };
        tst_fails(ensure(&failed), TNS_E_CONFIG, &w->err);
        tns__secret_free(bad);
    }
    want.chap = (struct tns_chap){ .user = "-o", .password = chap };
    tst_fails(ensure(&failed), TNS_E_CONFIG, &w->err);
    world_ran(w, "");
}
END_TEST

/* ---- D09: exit codes ---- */

START_TEST(test_d09_exit_codes_of_iscsiadm_have_their_meaning)
{
    static const struct {
        int exit_code, code;
    } rows[] = { { 0, 0 },
                 { 15, 0 },
                 { 21, TNS_E_NOTFOUND },
                 { 24, TNS_E_AUTH },
                 { 28, TNS_E_BUSY },
                 { 29, TNS_E_BUSY },
                 { 32, TNS_E_TRANSPORT },
                 { 8, TNS_E_TRANSPORT },
                 { 12, TNS_E_DEVICE },
                 { 20, TNS_E_DEVICE },
                 { 6, TNS_E_DEVICE },
                 { 99, TNS_E_DEVICE } };
    unsigned failed;

    for (size_t i = 0; i < TNS_ARRAY_LEN(rows); i++)
        ck_assert_int_eq(tns__iscsiadm_code(rows[i].exit_code), rows[i].code);

    want.n_portals = 1;
    w->login_exit[0] = 28;
    ck_assert_int_eq(ensure(&failed), -TNS_E_BUSY);
    ck_assert_uint_ne(w->err.flags & TNS_F_RETRYABLE, 0);
}
END_TEST

START_TEST(test_d09_a_session_that_exists_already_is_success)
{
    unsigned failed;

    want.n_portals = 1;
    w->login_exit[0] = 15;
    tst_ok(ensure(&failed), &w->err);
    ck_assert(ran("--login"));
    ck_assert_uint_eq(failed, 0);
}
END_TEST

/* ---- D10: portals by their numbers ---- */

START_TEST(test_d10_a_session_to_10_0_0_20_is_none_to_10_0_0_2)
{
    unsigned failed;

    world_session(w, 1);
    tst_ok(ensure(&failed), &w->err);
    ck_assert(ran("-p 10.0.0.2:3260 --login"));
    ck_assert(!ran("-p 10.0.0.20:3260 --login"));
}
END_TEST

START_TEST(test_d24_ipv6_and_other_ports_are_portals_like_any_other)
{
    unsigned failed;

    world_free(w);
    w = world_new(4);
    want = world_want(w);
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(tns__sessions_up(&sessions), 4);
    ck_assert(ran("-p [fd00::2]:3261 --login"));
    ck_assert(world_has(w, "/etc/iscsi/nodes/" W_IQN "/fd00::2,3261"));
    world_forget(w);
    tst_ok(ensure(&failed), &w->err);
    world_ran(w, "");
}
END_TEST

/* ---- portals that fail ---- */

START_TEST(
    test_d24_a_portal_that_refuses_does_not_fail_the_rest_and_is_left_out_for_a_while)
{
    unsigned failed = 9;

    w->login_exit[1] = 8;
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(failed, 1);
    ck_assert_uint_eq(tns__sessions_up(&sessions), 1);

    world_forget(w);
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(failed, 1);
    world_ran(w, "");

    /* its minute is over: the file holds when */
    world_put(w, "/run/tnstor/portals/10.0.0.20_3260", "1\n");
    w->login_exit[1] = 0;
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(failed, 0);
    ck_assert(ran("-p 10.0.0.20:3260 --login"));
}
END_TEST

START_TEST(test_a_portal_that_hangs_costs_the_others_three_seconds_and_no_more)
{
    uint64_t start = tns__now_ns();
    unsigned failed = 9;

    w->login_hangs[1] = true;
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(failed, 1);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(6000));
    start = tns__now_ns();
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(500));
}
END_TEST

START_TEST(test_d13_a_hung_iscsiadm_ends_at_the_deadline_and_leaves_no_lock)
{
    uint64_t start = tns__now_ns();
    unsigned failed;

    w->login_hangs[0] = w->login_hangs[1] = true;
    w->ctx.deadline_ns = start + TNS_MS(400);
    ck_assert_int_lt(ensure(&failed), 0);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(4000));
    tns__error_clear(&w->err);

    w->login_hangs[0] = w->login_hangs[1] = false;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(5000);
    tst_ok(ensure(&failed), &w->err);
}
END_TEST

START_TEST(test_without_multipath_the_first_portal_that_works_is_enough)
{
    unsigned failed = 9;

    want.multipath = false;
    w->login_exit[0] = 8;
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(failed, 1);
    ck_assert_uint_eq(tns__sessions_up(&sessions), 1);
    ck_assert(ran("-p 10.0.0.20:3260 --login"));
    world_forget(w);
    tst_ok(ensure(&failed), &w->err);
    world_ran(w, "");
}
END_TEST

START_TEST(test_a_target_without_portal_or_session_is_a_clear_error)
{
    unsigned failed;

    want.n_portals = 0;
    tst_fails(ensure(&failed), TNS_E_CONFIG, &w->err);
    want.n_portals = 1;
    world_session(w, 0);
    world_session_down(w, 0);
    tst_fails(ensure(&failed), TNS_E_TRANSPORT, &w->err);
    world_ran(w, "");
}
END_TEST

START_TEST(test_the_initiator_name_is_read_and_checked)
{
    char name[256];

    tst_ok(tns__device_initiator_name(&w->node, name, sizeof(name), &w->err), &w->err);
    ck_assert_str_eq(name, W_INITIATOR);
    world_put(w, "/etc/iscsi/initiatorname.iscsi", "GenerateName=yes\n");
    tst_fails(tns__device_initiator_name(&w->node, name, sizeof(name), &w->err),
              TNS_E_CONFIG, &w->err);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_d19_records_never_start_by_themselves_and_never_scan,
        test_a_record_that_is_right_needs_no_other_command_than_the_login,
        test_leaving_ends_the_session_and_takes_our_record_along,
        test_leaving_keeps_the_session_while_another_process_maps_a_volume_of_the_target,
        test_a_volume_is_not_mapped_over_a_session_that_is_just_being_ended,
        test_leaving_keeps_the_session_while_a_device_is_left,
        test_chap_secrets_are_swapped_into_the_0600_record_and_into_nothing_else,
        test_proc_never_shows_a_chap_secret_while_the_commands_run,
        test_a_wrong_chap_password_is_an_auth_error_and_leaves_no_record,
        test_a_changed_chap_password_reaches_the_record,
        test_chap_values_that_could_be_read_as_something_else_are_refused,
        test_d09_exit_codes_of_iscsiadm_have_their_meaning,
        test_d09_a_session_that_exists_already_is_success,
        test_d10_a_session_to_10_0_0_20_is_none_to_10_0_0_2,
        test_d24_ipv6_and_other_ports_are_portals_like_any_other,
        test_d24_a_portal_that_refuses_does_not_fail_the_rest_and_is_left_out_for_a_while,
        test_a_portal_that_hangs_costs_the_others_three_seconds_and_no_more,
        test_d13_a_hung_iscsiadm_ends_at_the_deadline_and_leaves_no_lock,
        test_without_multipath_the_first_portal_that_works_is_enough,
        test_a_target_without_portal_or_session_is_a_clear_error,
        test_the_initiator_name_is_read_and_checked,
    };

    return tst_main("login", tests, TNS_ARRAY_LEN(tests), setup, teardown, 60);
}
