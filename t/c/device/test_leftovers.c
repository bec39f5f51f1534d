/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is killed while it writes a CHAP secret: iscsiadm goes on working, nothing is left. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/tst.h"
#include "device/session.h"
#include "device/stage.h"

#define RECORDS "/etc/iscsi/nodes/" W_IQN
#define OLD_TEMP ".%s.4711.0123456789abcdef"

static struct tns__sessions sessions;
static struct tns_secret *chap;

static void setup(void)
{
    stage_setup();
    chap = tns__secret_new(TST_CANARY_CHAP, strlen(TST_CANARY_CHAP));
    want.chap = (struct tns_chap){ .user = "tnuser", .password = chap };
}

static void teardown(void)
{
    tns__secret_free(chap);
    stage_teardown();
}

static int ensure(void)
{
    unsigned failed = 0;
    int rc = tns__sessions_ensure(&w->node, &want, &sessions, &failed, &w->err);

    if (rc == 0)
        ck_assert_uint_eq(failed, 0);
    return rc;
}

/* Names in the directory of the target, the two records apart. */
static unsigned others_there(void)
{
    char path[512];
    struct dirent *entry;
    unsigned n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s" RECORDS, w->root);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
             strncmp(entry->d_name, "10.0.0.", 7) != 0;
    closedir(dir);
    return n;
}

static void secret_is_in(const char *path)
{
    ck_assert_ptr_nonnull(
        strstr(world_get(w, path), "\nnode.session.auth.password = " TST_CANARY_CHAP "\n"));
}

/* A child that dies when it has written the secret, and has not yet given the file its name. */
static void die_with_the_secret(void)
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        w->crash_on = "replace " RECORDS;
        w->ctx.owner_pid = getpid();
        ensure();
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 137);
    w->crash_on = NULL;
}

START_TEST(test_a_kill_between_writing_and_renaming_a_record_stops_no_iscsiadm)
{
    die_with_the_secret();
    ck_assert_uint_ge(others_there(), 1);
    tst_ok(ensure(), &w->err);
    ck_assert_uint_eq(tns__sessions_up(&sessions), 2);
    ck_assert_uint_eq(others_there(), 0);
    secret_is_in(RECORDS "/10.0.0.2,3260");
    secret_is_in(RECORDS "/10.0.0.20,3260");
}
END_TEST

START_TEST(test_a_volume_is_unmapped_beside_what_a_killed_process_left)
{
    tst_ok(map(), &w->err);
    world_put(w, RECORDS "/" TNS__RECORD_TEMP "1-2-3", "a secret\n");
    tst_ok(tns__device_unmap(&w->node, &want, true, &w->err), &w->err);
    ck_assert_uint_eq(others_there(), 0);
}
END_TEST

START_TEST(test_what_earlier_versions_left_is_removed_and_nothing_of_anybody_else)
{
    static const char *const others[] = { RECORDS "/10.0.0.9,3260,1/default",
                                          RECORDS "/10.0.0.9,3260,1/.default.1.0123",
                                          RECORDS "/.tn.4711.0123456789abcdeg",
                                          RECORDS "/.0123456789abcdef" };
    char beside[128], below[128];

    snprintf(beside, sizeof(beside), RECORDS "/" OLD_TEMP, "10.0.0.2,3260");
    snprintf(below, sizeof(below), RECORDS "/10.0.0.9,3260,1/" OLD_TEMP, "default");
    world_put(w, beside, "a secret\n");
    world_put(w, below, "a secret\n");
    for (size_t i = 0; i < TNS_ARRAY_LEN(others); i++)
        world_put(w, others[i], "");

    tst_ok(ensure(), &w->err);
    ck_assert(!world_has(w, beside));
    ck_assert(!world_has(w, below));
    for (size_t i = 0; i < TNS_ARRAY_LEN(others); i++)
        ck_assert_msg(world_has(w, others[i]), "%s", others[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a_kill_between_writing_and_renaming_a_record_stops_no_iscsiadm,
        test_a_volume_is_unmapped_beside_what_a_killed_process_left,
        test_what_earlier_versions_left_is_removed_and_nothing_of_anybody_else,
    };

    return tst_main("leftovers", tests, TNS_ARRAY_LEN(tests), setup, teardown, 60);
}
