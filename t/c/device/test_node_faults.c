/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on a node: rows D01 to D26 of RELIABILITY.md, each a named test.
 * D15 and D16 are in test_users.c. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/stage.h"

/* ---- D01: a LUN number was reused ---- */

START_TEST(test_d01_a_stale_disk_and_its_idle_map_are_removed_and_the_lun_is_scanned_anew)
{
    world_session(w, 0);
    world_session(w, 1);
    world_lun(w, 1, W_NAA_B);
    world_disk(w, 0, 1);
    world_disk(w, 1, 1);
    world_map(w, W_NAA_B);
    world_lun(w, 1, W_NAA_A);

    tst_ok(map(), &w->err);
    ck_assert_ptr_null(world_map_of(w, W_NAA_B));
    ck_assert_uint_eq(w->deletes, 2);
    ck_assert_uint_eq(w->scans, 2);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    ck_assert_ptr_nonnull(strstr(w->told, "remove map " W_WWID_B));
}
END_TEST

START_TEST(test_d01_a_stale_map_that_is_held_is_refused_and_its_holder_is_named)
{
    world_session(w, 0);
    world_lun(w, 1, W_NAA_B);
    world_disk(w, 0, 1);
    world_process(w, 4242, "qemu-system-x86\n", "/dev/dm-3");
    world_map(w, W_NAA_B);
    world_lun(w, 1, W_NAA_A);
    want.n_portals = 1;

    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    tst_says(&w->err, "qemu-system-x86");
    tst_says(&w->err, "4242");
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert_ptr_nonnull(world_map_of(w, W_NAA_B));
    ck_assert(world_link_is(w, LINK, NULL));
    ck_assert_ptr_null(strstr(world_get(w, "/etc/multipath/wwids"), W_WWID_A));
}
END_TEST

START_TEST(test_d01_a_mapped_volume_whose_lun_became_another_is_refused_every_time)
{
    mapped_before();
    world_lun(w, 1, W_NAA_B);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(map(), -TNS_E_IDENTITY);
        tst_says(&w->err, W_NAA_B);
        tns__error_clear(&w->err);
        ck_assert(world_link_is(w, LINK, NULL));
    }
}
END_TEST

START_TEST(test_d01_a_swapped_lun_under_a_running_guest_is_refused_and_left_alone)
{
    mapped_before();
    world_process(w, 999, "kvm\n", "/dev/dm-3");
    world_lun(w, 1, W_NAA_B);
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    tst_says(&w->err, "kvm");
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert_ptr_nonnull(world_map_of(w, W_NAA_A));
    ck_assert(world_link_is(w, LINK, NULL));
}
END_TEST

START_TEST(test_d01_another_volume_in_its_own_right_is_never_removed)
{
    world_session(w, 0);
    world_lun(w, 1, W_NAA_B);
    world_disk(w, 0, 1);
    world_map(w, W_NAA_B);
    want.n_portals = 1;
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert_ptr_nonnull(world_map_of(w, W_NAA_B));
}
END_TEST

START_TEST(test_d01_a_foreign_disk_that_only_our_scan_brought_goes_again)
{
    world_session(w, 0);
    want.n_portals = 1;
    world_lun(w, 1, W_NAA_B);
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    ck_assert_uint_eq(w->deletes, 1);
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
}
END_TEST

/* LUN 1 is another volume's now, and ours is at LUN 5. */
static void move_to_lun_5(void)
{
    mapped_before();
    world_lun(w, 1, W_NAA_B);
    world_lun(w, 5, W_NAA_A);
    want.lun = 5;
}

START_TEST(test_d01_a_volume_that_moved_is_mapped_at_its_new_lun_and_keeps_no_old_path)
{
    move_to_lun_5();
    tst_ok(map(), &w->err);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert_uint_eq(w->deletes, 2);
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
    ck_assert_ptr_null(world_disk_of(w, 1, 1));
}
END_TEST

START_TEST(test_d01_a_volume_that_moved_while_it_is_open_is_refused_and_who_is_named)
{
    move_to_lun_5();
    world_process(w, 4711, "kvm\n", "/dev/dm-3");
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    tst_says(&w->err, "LUN 1");
    tst_says(&w->err, "kvm");
    ck_assert(world_link_is(w, LINK, NULL));
    ck_assert_ptr_nonnull(world_disk_of(w, 0, 1));
    ck_assert_ptr_null(world_disk_of(w, 0, 5));
}
END_TEST

START_TEST(test_d01_a_name_that_went_to_another_volume_leaves_the_one_it_was_to_its_user)
{
    mapped_before();
    world_process(w, 4711, "kvm\n", "/dev/dm-3");
    world_lun(w, 5, W_NAA_B);
    want.lun = 5;
    snprintf(want.naa, sizeof(want.naa), "%s", W_NAA_B);
    tst_ok(map(), &w->err);
    ck_assert(world_link_is(w, LINK, "/dev/mapper/3" W_NAA_B));
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert_ptr_nonnull(world_disk_of(w, 0, 1));
}
END_TEST

/* Freed and made anew elsewhere under the same name, at the same LUN: every path answers as the new one,
 * through devices and a map that were made for the old one. */
static void next_of_the_name(void)
{
    mapped_before();
    world_lun(w, 1, W_NAA_B);
    snprintf(want.naa, sizeof(want.naa), "%s", W_NAA_B);
}

START_TEST(test_d01_the_next_volume_of_a_name_is_not_used_through_the_map_of_the_one_before)
{
    next_of_the_name();
    tst_ok(map(), &w->err);
    ck_assert(world_link_is(w, LINK, "/dev/mapper/3" W_NAA_B));
    ck_assert_uint_eq(w->deletes, 2);
    ck_assert_ptr_null(world_map_of(w, W_NAA_A));
    tst_ok(unmap(), &w->err);
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
    ck_assert_ptr_null(world_map_of(w, W_NAA_B));
}
END_TEST

START_TEST(
    test_d01_the_next_volume_of_a_name_is_refused_while_the_map_of_the_one_before_is_open)
{
    next_of_the_name();
    world_process(w, 4711, "kvm\n", "/dev/dm-3");
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    tst_says(&w->err, "4711");
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert(world_link_is(w, LINK, NULL));
}
END_TEST

START_TEST(
    test_d01_the_next_volume_of_a_name_is_not_used_through_the_disk_of_the_one_before)
{
    want.multipath = false;
    world_multipathd_stop(w);
    next_of_the_name();
    tst_ok(map(), &w->err);
    ck_assert(!mapped.already);
    tst_ok(unmap(), &w->err);
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
}
END_TEST

START_TEST(test_d01_udev_that_remembers_the_old_identity_makes_the_disk_new)
{
    world_session(w, 0);
    want.n_portals = 1;
    world_disk(w, 0, 1);
    /* rescanned by somebody: the kernel knows, udev and so multipathd do not */
    world_put(w, "/run/udev/data/b8:176", "S:disk/x\nE:ID_SERIAL=" W_WWID_B "\n");
    ck_assert_uint_eq(world_disk_of(w, 0, 1)->diskseq * 16, 176);
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(w->deletes, 1);
    ck_assert_uint_eq(w->scans, 1);
}
END_TEST

/* ---- D02: freed on another node ---- */

START_TEST(test_d02_tidy_removes_only_own_devices_whose_lun_is_gone)
{
    unsigned removed = 99;

    mapped_before();
    tst_ok(tns__device_tidy(&w->node, "store1", &removed, &w->err), &w->err);
    ck_assert_uint_eq(removed, 0);
    ck_assert(world_link_is(w, LINK, MAPPER_A));

    world_lun_gone(w, 1);
    tst_ok(tns__device_tidy(&w->node, "store1", &removed, &w->err), &w->err);
    ck_assert_uint_eq(removed, 1);
    ck_assert(world_link_is(w, LINK, NULL));
    ck_assert_ptr_null(world_map_of(w, W_NAA_A));
    ck_assert_uint_eq(w->deletes, 2);
    ck_assert(!world_has(w, "/var/lib/tnstor/store1/" LINK ".json"));
    world_ran(w, WWID_DROP);
}
END_TEST

START_TEST(test_d02_tidy_leaves_what_is_held_silent_or_somebody_elses)
{
    unsigned removed = 99;

    mapped_before();
    world_process(w, 77, "kvm\n", "/dev/dm-3");
    world_lun_gone(w, 1);
    tst_ok(tns__device_tidy(&w->node, "store1", &removed, &w->err), &w->err);
    ck_assert_uint_eq(removed, 0);
    ck_assert_ptr_nonnull(strstr(tst_log_text(), "kvm"));

    w->is_silent[0] = true;
    world_process(w, 77, "kvm\n", "/dev/null");
    tst_ok(tns__device_tidy(&w->node, "store1", &removed, &w->err), &w->err);
    ck_assert_uint_eq(removed, 0);
    w->is_silent[0] = false;
    world_lun(w, 1, W_NAA_B);
    tst_ok(tns__device_tidy(&w->node, "store1", &removed, &w->err), &w->err);
    ck_assert_uint_eq(removed, 0);
    ck_assert_uint_eq(w->deletes, 0);
}
END_TEST

/* ---- D03: half removed ---- */

START_TEST(test_d03_unmap_completes_from_a_map_without_paths)
{
    mapped_before();
    world_put(w, "/sys/class/scsi_device/2:0:0:1/device/delete", "1\n");
    world_put(w, "/sys/class/scsi_device/3:0:0:1/device/delete", "1\n");
    tst_ok(unmap(), &w->err);
    ck_assert_ptr_null(world_map_of(w, W_NAA_A));
    ck_assert(world_link_is(w, LINK, NULL));
}
END_TEST

START_TEST(test_d03_unmap_completes_from_paths_without_a_map_and_without_a_link)
{
    world_session(w, 0);
    world_disk(w, 0, 1);
    tst_ok(unmap(), &w->err);
    ck_assert_uint_eq(w->deletes, 1);
}
END_TEST

/* Two paths, and a map that multipathd makes by itself at that access; false when unmap took fewer. */
static bool unmap_with_map_at(unsigned access)
{
    world_session(w, 0);
    world_session(w, 1);
    world_disk(w, 0, 1);
    world_disk(w, 1, 1);
    world_put(w, "/etc/multipath/wwids", "/" W_WWID_A "/\n");
    world_forget(w);
    w->accesses = 0;
    w->map_at = access;
    ck_assert_msg(unmap() == 0, "with a map at access %u: %s", access, w->err.text);
    w->map_at = 0;
    ck_assert_msg(!world_map_of(w, W_NAA_A), "a map at access %u stays", access);
    ck_assert_uint_eq(w->deletes, 2);
    return access <= w->accesses;
}

START_TEST(test_d03_a_map_that_multipathd_makes_during_unmap_goes_whenever_it_comes)
{
    unsigned access = 1;

    while (unmap_with_map_at(access))
        access++;
    ck_assert_uint_gt(access, 30);
}
END_TEST

START_TEST(test_d03_map_completes_what_a_killed_process_left)
{
    world_session(w, 0);
    world_session(w, 1);
    world_disk(w, 1, 1);
    world_put(w, "/etc/multipath/wwids", "/" W_WWID_A "/\n");
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(w->scans, 1);
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
}
END_TEST

/* ---- D04 to D08: paths ---- */

START_TEST(test_d04_paths_with_different_identities_are_refused_and_nothing_is_touched)
{
    mapped_before();
    w->special[1] = (struct w_lun){
        .exists = true, .number = 1, .naa = W_NAA_B, .size = W_SIZE, .blocksize = 512
    };
    world_process(w, 12, "kvm\n", "/dev/dm-3");
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    tst_says(&w->err, "12 (kvm)");
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert_ptr_nonnull(world_map_of(w, W_NAA_A));
}
END_TEST

START_TEST(test_d05_a_path_that_is_down_degrades_and_the_healthy_one_is_not_touched)
{
    mapped_before();
    world_session_down(w, 1);
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert_ptr_nonnull(strstr(mapped.warning, "degraded"));
    world_ran(w, "");

    tst_ok(unmap(), &w->err);
    world_forget(w);
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert_uint_eq(mapped.portals_failed, 1);
    world_ran(w, WWID_ADD);
}
END_TEST

START_TEST(test_d06_with_all_paths_down_map_fails_and_opens_nothing)
{
    mapped_before();
    world_session_down(w, 0);
    world_session_down(w, 1);
    ck_assert_int_lt(map(), 0);
    ck_assert_ptr_null(strstr(w->traced, "open /dev/"));
    world_ran(w, "");
}
END_TEST

START_TEST(test_d07_a_path_that_came_back_is_asked_again_before_it_counts)
{
    mapped_before();
    world_session_down(w, 1);
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
    world_session(w, 1);
    w->special[1] = (struct w_lun){
        .exists = true, .number = 1, .naa = W_NAA_B, .size = W_SIZE, .blocksize = 512
    };
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
}
END_TEST

START_TEST(test_d08_a_failed_map_takes_back_what_it_added)
{
    world_session(w, 0);
    want.n_portals = 1;
    world_lun_gone(w, 1);
    tst_fails(map(), TNS_E_NOTFOUND, &w->err);
    world_ran(w, WWID_ADD WWID_DROP);
    ck_assert_str_eq(world_get(w, "/etc/multipath/wwids"), "");
}
END_TEST

START_TEST(test_d08_paths_that_fail_right_after_the_scan_are_taken_away_again)
{
    world_session(w, 0);
    world_session(w, 1);
    w->is_silent[0] = w->is_silent[1] = true;
    for (int i = 0; i < 2; i++) {
        tst_fails(map(), TNS_E_DEVICE, &w->err);
        world_ran(w, WWID_ADD WWID_DROP);
        ck_assert_ptr_null(world_disk_of(w, 0, 1));
        ck_assert_ptr_null(world_disk_of(w, 1, 1));
        ck_assert(world_link_is(w, LINK, NULL));
    }
    ck_assert(w->sessions[0].is_up && w->sessions[1].is_up);
    w->is_silent[0] = w->is_silent[1] = false;
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 2);
}
END_TEST

START_TEST(test_d11_a_device_that_is_slow_to_appear_is_waited_for)
{
    w->appear_after = 40;
    world_session(w, 0);
    want.n_portals = 1;
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
}
END_TEST

START_TEST(test_d11_a_disk_that_cannot_be_opened_yet_is_asked_again)
{
    w->open_after = 3;
    world_session(w, 0);
    want.n_portals = 1;
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert_uint_eq(w->scans, 1);
    ck_assert_uint_eq(w->deletes, 0);
}
END_TEST

START_TEST(test_d11_a_device_that_stays_empty_ends_at_the_deadline)
{
    w->appear_after = 1000000;
    world_session(w, 0);
    want.n_portals = 1;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(300);
    tst_fails(map(), TNS_E_TIMEOUT, &w->err);
    ck_assert(world_link_is(w, LINK, NULL));
}
END_TEST

START_TEST(test_d12_without_multipathd_map_fails_before_it_touches_anything)
{
    world_multipathd_stop(w);
    ck_assert_int_eq(map(), -TNS_E_DEVICE);
    tst_says(&w->err, "use_multipath 0");
    world_ran(w, "");
    ck_assert_uint_eq(w->scans, 0);
    ck_assert(!world_has(w, "/var/lib/tnstor/store1"));
}
END_TEST

/* Nobody accepts, and the queue is full: connect() answers EAGAIN. */
static void full_socket(char name[64], int fds[3])
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    socklen_t len;

    snprintf(name, 64, "@tns-full-%d", (int)getpid());
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    memcpy(un.sun_path + 1, name + 1, strlen(name) - 1);
    for (int i = 0; i < 3; i++)
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(fds[0], (struct sockaddr *)&un, len), 0);
    ck_assert_int_eq(listen(fds[0], 0), 0);
    ck_assert_int_eq(connect(fds[1], (struct sockaddr *)&un, len), 0);
    ck_assert_int_eq(connect(fds[2], (struct sockaddr *)&un, len), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

START_TEST(test_d12_a_full_socket_of_multipathd_ends_at_the_deadline)
{
    uint64_t start = tns__now_ns();
    char name[64];
    int fds[3];

    full_socket(name, fds);
    w->node.multipathd = name;
    w->ctx.deadline_ns = start + TNS_MS(300);
    ck_assert_int_eq(map(), -TNS_E_DEVICE);
    tst_says(&w->err, "multipathd does not answer");
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(3000));
    world_ran(w, "");
    ck_assert_uint_eq(w->scans, 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}
END_TEST

START_TEST(test_d12_unmap_works_without_multipathd)
{
    mapped_before();
    world_multipathd_stop(w);
    tst_ok(unmap(), &w->err);
    world_ran(w, "multipath -f " W_WWID_A "\n" WWID_DROP);
}
END_TEST

START_TEST(test_d12_a_wedged_multipathd_ends_at_the_deadline)
{
    uint64_t start = tns__now_ns();

    mapped_before();
    atomic_store(&w->is_wedged, true);
    start = tns__now_ns();
    w->ctx.deadline_ns = start + TNS_MS(400);
    tst_fails(unmap(), TNS_E_TIMEOUT, &w->err);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(3000));
    ck_assert(world_link_is(w, LINK, MAPPER_A));

    /* and nobody is locked out afterwards */
    atomic_store(&w->is_wedged, false);
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(5000);
    tst_ok(unmap(), &w->err);
}
END_TEST

START_TEST(test_d13_a_hung_multipath_command_ends_at_the_deadline_and_leaves_no_lock)
{
    uint64_t start = tns__now_ns();

    world_session(w, 0);
    want.n_portals = 1;
    w->multipath_hangs = true;
    w->ctx.deadline_ns = start + TNS_MS(400);
    tst_fails(map(), TNS_E_TIMEOUT, &w->err);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(4000));

    w->multipath_hangs = false;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(5000);
    tst_ok(map(), &w->err);
}
END_TEST

/* ---- D17, D18: other nodes ---- */

START_TEST(test_d17_source_and_destination_of_a_migration_leave_the_target_to_each_other)
{
    mapped_before();
    tst_ok(unmap(), &w->err);
    /* the other node still runs the guest: no logout, and no word to the target */
    world_ran(w, WWID_DROP);
    ck_assert(w->luns[0].exists);
    ck_assert(w->sessions[0].is_up && w->sessions[1].is_up);
}
END_TEST

START_TEST(test_d18_a_new_node_needs_nothing_of_the_old_one_and_throws_nobody_out)
{
    tst_ok(map(), &w->err);
    ck_assert_ptr_null(strstr(w->commands, "--logout"));
    ck_assert_ptr_null(strstr(w->commands, "-o delete"));
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert_uint_eq(mapped.paths, 2);
}
END_TEST

START_TEST(test_d24_a_portal_that_was_away_at_the_first_map_joins_at_a_later_one)
{
    w->login_exit[1] = 8;
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert_ptr_nonnull(strstr(mapped.warning, "degraded"));
    world_forget(w);

    /* within the minute nobody waits for it again */
    tst_ok(map(), &w->err);
    world_ran(w, "");
    ck_assert_uint_eq(mapped.paths, 1);

    world_put(w, "/run/tnstor/portals/10.0.0.20_3260", "1\n");
    w->login_exit[1] = 0;
    tst_ok(map(), &w->err);
    world_ran(w, NEW_RECORD("10.0.0.20:3260") LOGIN("10.0.0.20:3260"));
    ck_assert_uint_eq(w->scans, 1);
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert_str_eq(mapped.warning, "");
    tst_ok(map(), &w->err);
    ck_assert(mapped.already);
}
END_TEST

START_TEST(test_d24_what_is_mapped_stays_when_the_missing_path_cannot_be_had)
{
    w->login_exit[1] = 8;
    tst_ok(map(), &w->err);
    world_put(w, "/run/tnstor/portals/10.0.0.20_3260", "1\n");
    world_multipathd_stop(w);
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    ck_assert_ptr_nonnull(strstr(tst_log_text(), "stays as it is"));
}
END_TEST

/* ---- D20, D23: sizes ---- */

START_TEST(test_d20_resize_reaches_every_path_and_the_map)
{
    mapped_before();
    w->luns[0].size = 2 * W_SIZE;
    want.size_bytes = 2 * W_SIZE;
    tst_ok(tns__device_resize(&w->node, &want, &w->err), &w->err);
    ck_assert_uint_eq(w->rescans, 2);
    world_ran(w, "");
    world_told(w, "resize map " W_WWID_A "\n");
    ck_assert_str_eq(world_get(w, "/sys/block/dm-3/size"), "262144\n");
    tst_ok(map(), &w->err);
    ck_assert(mapped.already);
}
END_TEST

START_TEST(test_d20_a_size_that_the_target_does_not_show_is_an_error)
{
    mapped_before();
    want.size_bytes = 2 * W_SIZE;
    tst_fails(tns__device_resize(&w->node, &want, &w->err), TNS_E_IDENTITY, &w->err);
    ck_assert_uint_eq(w->rescans, 0);
}
END_TEST

START_TEST(test_d20_a_map_that_does_not_follow_is_an_error_and_not_the_old_size)
{
    mapped_before();
    w->ignores_grow = true;
    w->luns[0].size = 2 * W_SIZE;
    want.size_bytes = 2 * W_SIZE;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(400);
    tst_fails(tns__device_resize(&w->node, &want, &w->err), TNS_E_TIMEOUT, &w->err);
}
END_TEST

START_TEST(test_d20_with_a_path_away_the_map_keeps_its_size_and_the_error_says_what_to_do)
{
    mapped_before();
    world_session_down(w, 1);
    w->luns[0].size = want.size_bytes = 2 * W_SIZE;
    ck_assert_int_eq(tns__device_resize(&w->node, &want, &w->err), -TNS_E_DEVICE);
    tst_says(&w->err, "sdd is away");
    tst_says(&w->err, "repeat");
    tns__error_clear(&w->err);
    ck_assert_str_eq(world_get(w, "/sys/block/dm-3/size"), "131072\n");

    world_session(w, 1);
    tst_ok(tns__device_resize(&w->node, &want, &w->err), &w->err);
    ck_assert_str_eq(world_get(w, "/sys/block/sdd/size"), "262144\n");
    ck_assert_str_eq(world_get(w, "/sys/block/dm-3/size"), "262144\n");
}
END_TEST

START_TEST(test_d20_a_path_that_was_away_during_a_resize_grows_when_it_is_mapped_again)
{
    mapped_before();
    world_session_down(w, 1);
    w->luns[0].size = want.size_bytes = 2 * W_SIZE;
    ck_assert_int_eq(tns__device_resize(&w->node, &want, &w->err), -TNS_E_DEVICE);
    tns__error_clear(&w->err);

    world_session(w, 1);
    tst_ok(map(), &w->err);
    ck_assert_str_eq(world_get(w, "/sys/block/sdd/size"), "262144\n");
    ck_assert_str_eq(world_get(w, "/sys/block/dm-3/size"), "262144\n");
    tst_ok(map(), &w->err);
    ck_assert(mapped.already);
}
END_TEST

START_TEST(test_d20_map_catches_up_with_a_resize_made_by_another_node)
{
    mapped_before();
    w->luns[0].size = 2 * W_SIZE;
    want.size_bytes = 2 * W_SIZE;
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(w->rescans, 2);
    ck_assert_str_eq(world_get(w, "/sys/block/dm-3/size"), "262144\n");
}
END_TEST

START_TEST(test_d20_resize_of_what_is_not_mapped_is_success)
{
    tst_ok(tns__device_resize(&w->node, &want, &w->err), &w->err);
    world_ran(w, "");
}
END_TEST

START_TEST(test_d23_another_block_size_or_serial_is_refused)
{
    world_session(w, 0);
    want.n_portals = 1;
    w->luns[0].blocksize = 4096;
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    tst_says(&w->err, "blocks of 4096");
    tns__error_clear(&w->err);
    w->luns[0].blocksize = 512;
    want.serial = "other";
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    tst_says(&w->err, "serial");
}
END_TEST

START_TEST(test_d23_a_4k_volume_is_mapped_when_4k_is_wanted)
{
    world_session(w, 0);
    want.n_portals = 1;
    want.blocksize = 4096;
    w->luns[0].blocksize = 4096;
    tst_ok(map(), &w->err);
}
END_TEST

/* ---- D26 ---- */

START_TEST(test_d26_a_node_that_cannot_write_its_record_fails_before_it_logs_in)
{
    world_put(w, "/var/lib/tnstor", "not a directory");
    ck_assert_int_eq(map(), -TNS_E_DEVICE);
    tst_says(&w->err, "/var/lib/tnstor");
    world_ran(w, "");
    ck_assert_uint_eq(w->scans, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_d01_a_stale_disk_and_its_idle_map_are_removed_and_the_lun_is_scanned_anew,
        test_d01_a_stale_map_that_is_held_is_refused_and_its_holder_is_named,
        test_d01_a_mapped_volume_whose_lun_became_another_is_refused_every_time,
        test_d01_a_swapped_lun_under_a_running_guest_is_refused_and_left_alone,
        test_d01_another_volume_in_its_own_right_is_never_removed,
        test_d01_a_foreign_disk_that_only_our_scan_brought_goes_again,
        test_d01_a_volume_that_moved_is_mapped_at_its_new_lun_and_keeps_no_old_path,
        test_d01_a_volume_that_moved_while_it_is_open_is_refused_and_who_is_named,
        test_d01_a_name_that_went_to_another_volume_leaves_the_one_it_was_to_its_user,
        test_d01_the_next_volume_of_a_name_is_not_used_through_the_map_of_the_one_before,
        test_d01_the_next_volume_of_a_name_is_refused_while_the_map_of_the_one_before_is_open,
        test_d01_the_next_volume_of_a_name_is_not_used_through_the_disk_of_the_one_before,
        test_d01_udev_that_remembers_the_old_identity_makes_the_disk_new,
        test_d02_tidy_removes_only_own_devices_whose_lun_is_gone,
        test_d02_tidy_leaves_what_is_held_silent_or_somebody_elses,
        test_d03_unmap_completes_from_a_map_without_paths,
        test_d03_unmap_completes_from_paths_without_a_map_and_without_a_link,
        test_d03_a_map_that_multipathd_makes_during_unmap_goes_whenever_it_comes,
        test_d03_map_completes_what_a_killed_process_left,
        test_d04_paths_with_different_identities_are_refused_and_nothing_is_touched,
        test_d05_a_path_that_is_down_degrades_and_the_healthy_one_is_not_touched,
        test_d06_with_all_paths_down_map_fails_and_opens_nothing,
        test_d07_a_path_that_came_back_is_asked_again_before_it_counts,
        test_d08_a_failed_map_takes_back_what_it_added,
        test_d08_paths_that_fail_right_after_the_scan_are_taken_away_again,
        test_d11_a_device_that_is_slow_to_appear_is_waited_for,
        test_d11_a_disk_that_cannot_be_opened_yet_is_asked_again,
        test_d11_a_device_that_stays_empty_ends_at_the_deadline,
        test_d12_without_multipathd_map_fails_before_it_touches_anything,
        test_d12_a_full_socket_of_multipathd_ends_at_the_deadline,
        test_d12_unmap_works_without_multipathd,
        test_d12_a_wedged_multipathd_ends_at_the_deadline,
        test_d13_a_hung_multipath_command_ends_at_the_deadline_and_leaves_no_lock,
        test_d17_source_and_destination_of_a_migration_leave_the_target_to_each_other,
        test_d18_a_new_node_needs_nothing_of_the_old_one_and_throws_nobody_out,
        test_d24_a_portal_that_was_away_at_the_first_map_joins_at_a_later_one,
        test_d24_what_is_mapped_stays_when_the_missing_path_cannot_be_had,
        test_d20_resize_reaches_every_path_and_the_map,
        test_d20_a_size_that_the_target_does_not_show_is_an_error,
        test_d20_a_map_that_does_not_follow_is_an_error_and_not_the_old_size,
        test_d20_with_a_path_away_the_map_keeps_its_size_and_the_error_says_what_to_do,
        test_d20_a_path_that_was_away_during_a_resize_grows_when_it_is_mapped_again,
        test_d20_map_catches_up_with_a_resize_made_by_another_node,
        test_d20_resize_of_what_is_not_mapped_is_success,
        test_d23_another_block_size_or_serial_is_refused,
        test_d23_a_4k_volume_is_mapped_when_4k_is_wanted,
        test_d26_a_node_that_cannot_write_its_record_fails_before_it_logs_in,
    };

    return tst_main("node faults", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown,
                    60);
}
