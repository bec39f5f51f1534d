/* SPDX-License-Identifier: Apache-2.0 */
/* Killed anywhere, out of memory anywhere, several processes at once: the same end every time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/stage.h"

#define PROCESSES 8
#define VOLUMES 16

static int unmap_and_leave(void)
{
    return tns__device_unmap(&w->node, &want, true, &w->err);
}

static int wait_child(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The operation in a child that dies at its n-th access to the node; true when it got through. */
static bool die_at(unsigned n, int (*op)(void))
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        w->accesses = 0;
        w->crash_at = n;
        w->ctx.owner_pid = getpid();
        _exit(op() == 0 ? 0 : 1);
    }
    status = wait_child(pid);
    w->crash_at = 0;
    memset(w->is_scanning, 0, sizeof(w->is_scanning));
    ck_assert_msg(status == 0 || status == 137, "access %u: the child ended with %d", n,
                  status);
    return status == 0;
}

static void nothing_is_left(void)
{
    ck_assert(world_link_is(w, LINK, NULL));
    ck_assert_ptr_null(world_map_of(w, W_NAA_A));
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
    ck_assert_ptr_null(world_disk_of(w, 1, 1));
    ck_assert(!w->sessions[0].exists && !w->sessions[1].exists);
    ck_assert_str_eq(world_get(w, "/etc/multipath/wwids"), "");
    ck_assert(!world_has(w, "/etc/iscsi/nodes/" W_IQN "/10.0.0.2,3260"));
}

static void fresh_budget(void)
{
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(tst_ms(20000));
    world_forget(w);
}

START_TEST(test_map_completes_after_a_kill_at_any_access)
{
    unsigned n = 1;

    for (bool is_through = false; !is_through; n += (unsigned)tst_sweep_step()) {
        fresh_budget();
        is_through = die_at(n, map);
        tst_ok(map(), &w->err);
        ck_assert(world_link_is(w, LINK, MAPPER_A));
        ck_assert_uint_eq(mapped.paths, 2);
        tst_ok(unmap_and_leave(), &w->err);
        nothing_is_left();
    }
    printf("# map: %u places to die\n", n);
    ck_assert_uint_gt(n, 50);
}
END_TEST

START_TEST(test_unmap_completes_after_a_kill_at_any_access)
{
    unsigned n = 1;

    for (bool is_through = false; !is_through; n += (unsigned)tst_sweep_step()) {
        fresh_budget();
        tst_ok(map(), &w->err);
        is_through = die_at(n, unmap_and_leave);
        tst_ok(unmap_and_leave(), &w->err);
        nothing_is_left();
    }
    printf("# unmap: %u places to die\n", n);
    ck_assert_uint_gt(n, 50);
}
END_TEST

START_TEST(test_a_link_never_stands_before_the_proof)
{
    unsigned n = 1;

    /* another volume is behind the LUN: at no access is there a link */
    world_lun(w, 1, W_NAA_B);
    for (;; n += (unsigned)tst_sweep_step()) {
        pid_t pid;

        fresh_budget();
        pid = fork();
        if (pid == 0) {
            w->accesses = 0;
            w->crash_at = n;
            w->ctx.owner_pid = getpid();
            _exit(map() == -TNS_E_IDENTITY ? 0 : 1);
        }
        if (wait_child(pid) == 0)
            break;
        w->crash_at = 0;
        ck_assert(world_link_is(w, LINK, NULL));
    }
    w->crash_at = 0;
    ck_assert(world_link_is(w, LINK, NULL));
    ck_assert_uint_gt(n, 20);
}
END_TEST

/* ---- memory ---- */

static int sweep_map(void *user, struct tns_error *err)
{
    int rc;

    (void)user;
    fresh_budget();
    rc = tns__device_map(&w->node, &want, &mapped, err);
    return rc;
}

static int sweep_unmap(void *user, struct tns_error *err)
{
    (void)user;
    fresh_budget();
    return tns__device_unmap(&w->node, &want, false, err);
}

static int sweep_status(void *user, struct tns_error *err)
{
    json_t *status = NULL;
    int rc;

    (void)user;
    fresh_budget();
    rc = tns__device_status(&w->node, &want, &status, err);
    json_decref(status);
    return rc;
}

static int sweep_record(void *user, struct tns_error *err)
{
    struct tns_record record = { .memory = NULL };
    int rc;

    (void)user;
    rc = tns__record_read(&w->node, "store1", LINK, &record, err);
    tns__record_clear(&record);
    return rc;
}

START_TEST(test_out_of_memory_is_an_error_wherever_it_happens)
{
    /* jansson drops a character that it has no room for: then the record makes no sense */
    static const int also[] = { TNS_E_USAGE, TNS_E_PROTOCOL, TNS_E_DEVICE, TNS_E_NOTFOUND,
                                0 };

    world_session(w, 0);
    world_session(w, 1);
    tst_alloc_sweep(sweep_map, NULL, NULL);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    tst_alloc_sweep(sweep_status, NULL, NULL);
    tst_alloc_sweep(sweep_record, NULL, also);
    tst_alloc_sweep(sweep_unmap, NULL, NULL);
    ck_assert(world_link_is(w, LINK, NULL));
}
END_TEST

/* ---- several processes (row D28) ---- */

static void volume_of(int i, struct tns_want *ret, char linkname[32], char naa[33])
{
    *ret = want;
    snprintf(linkname, 32, "vm-%d-disk-0", 200 + i);
    snprintf(naa, 33, "6589cfc0000000000000000000%06x", 0x100 + i);
    ret->linkname = linkname;
    memcpy(ret->naa, naa, 33);
    ret->lun = (uint16_t)(i + 2);
}

static int process_main(int number)
{
    int rc = 0;

    w->ctx.owner_pid = getpid();
    for (int round = 0; round < 2 && rc == 0; round++) {
        for (int i = number % 2; i < VOLUMES && rc == 0; i += PROCESSES / 4) {
            struct tns_want one;
            char linkname[32], naa[33];

            volume_of(i, &one, linkname, naa);
            rc = tns__device_map(&w->node, &one, &mapped, &w->err);
        }
    }
    if (rc < 0)
        fprintf(stderr, "# process %d: %s\n", number, w->err.text);
    return rc;
}

/* All processes map the same volumes in the same moment; every volume comes out right, once. */
START_TEST(test_d28_processes_that_map_at_once_share_the_work)
{
    pid_t pids[PROCESSES];
    struct tns_want one;
    char linkname[32], naa[33], target[64];

    for (int i = 0; i < VOLUMES; i++) {
        volume_of(i, &one, linkname, naa);
        world_lun(w, one.lun, one.naa);
    }
    fresh_budget();
    for (int p = 0; p < PROCESSES; p++) {
        pids[p] = fork();
        ck_assert_int_ge(pids[p], 0);
        if (pids[p] == 0)
            _exit(process_main(p) == 0 ? 0 : 1);
    }
    for (int p = 0; p < PROCESSES; p++)
        ck_assert_int_eq(wait_child(pids[p]), 0);

    ck_assert_uint_eq(w->scans, 2 * VOLUMES);
    ck_assert_uint_eq(w->deletes, 0);
    for (int i = 0; i < VOLUMES; i++) {
        volume_of(i, &one, linkname, naa);
        snprintf(target, sizeof(target), "/dev/mapper/3%s", one.naa);
        ck_assert(world_link_is(w, linkname, target));
        tst_ok(tns__device_unmap(&w->node, &one, false, &w->err), &w->err);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_map_completes_after_a_kill_at_any_access,
        test_unmap_completes_after_a_kill_at_any_access,
        test_a_link_never_stands_before_the_proof,
        test_out_of_memory_is_an_error_wherever_it_happens,
        test_d28_processes_that_map_at_once_share_the_work,
    };

    return tst_main("crash", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown, 180);
}
