/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a volume keeps it: rows D15 and D16 of RELIABILITY.md. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/stage.h"

START_TEST(test_d15_a_volume_that_is_open_or_mounted_is_not_unmapped_and_who_is_named)
{
    mapped_before();
    world_process(w, 1234, "qemu-system-x86\n", "/dev/dm-3");
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "process 1234 (qemu-system-x86)");
    tns__error_clear(&w->err);
    world_process(w, 1234, "qemu-system-x86\n", "/dev/null");

    world_mount(w, "dm-3", "/mnt/x");
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "/mnt/x");
    tns__error_clear(&w->err);
    ck_assert_int_eq(tns__device_check_unused(&w->node, "store1", LINK, &w->err),
                     -TNS_E_CONFLICT);
    tst_says(&w->err, "/mnt/x");
    tns__error_clear(&w->err);

    ck_assert_uint_eq(w->deletes, 0);
    world_told(w, "");
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    world_put(w, "/proc/self/mountinfo", "");
    tst_ok(tns__device_check_unused(&w->node, "store1", LINK, &w->err), &w->err);
    tst_ok(unmap(), &w->err);
}
END_TEST

/* The command that udev runs on the device ends a moment after it was seen. */
static void *ends_soon(void *arg)
{
    (void)arg;
    poll(NULL, 0, 300);
    world_process(w, 1234, "kpartx\n", "/dev/null");
    return NULL;
}

START_TEST(test_d15_a_process_that_only_looks_at_the_device_is_waited_for)
{
    pthread_t thread;

    mapped_before();
    world_process(w, 1234, "kpartx\n", "/dev/dm-3");
    ck_assert_int_eq(pthread_create(&thread, NULL, ends_soon, NULL), 0);
    tst_ok(unmap(), &w->err);
    pthread_join(thread, NULL);
    ck_assert_ptr_null(world_map_of(w, W_NAA_A));
}
END_TEST

static bool dm3_is_claimed(struct tns_scsi *scsi, struct tns_sysroot *sr,
                           const struct tns_ctx *ctx, const char *devname)
{
    (void)scsi;
    (void)sr;
    (void)ctx;
    return strcmp(devname, "dm-3") == 0;
}

START_TEST(test_d15_a_device_that_only_the_kernel_holds_is_not_unmapped)
{
    mapped_before();
    w->scsi.is_claimed = dm3_is_claimed;
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "the kernel");
    tns__error_clear(&w->err);
    ck_assert_uint_eq(w->deletes, 0);
    w->scsi.is_claimed = NULL;
    tst_ok(unmap(), &w->err);
}
END_TEST

/* A file of the kernel that names the volume keeps it, for that reason; one that names another does not. */
static void keeps_it(const char *path, const char *other, const char *ours, const char *why)
{
    mapped_before();
    world_put(w, path, other);
    tst_ok(tns__device_check_unused(&w->node, "store1", LINK, &w->err), &w->err);
    world_put(w, path, ours);
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, why);
    tns__error_clear(&w->err);
    ck_assert_uint_eq(w->deletes, 0);
    world_put(w, path, "");
    tst_ok(unmap(), &w->err);
}

/* The kernel opened it, and a loop device claims nothing. */
START_TEST(test_d15_swap_or_a_loop_device_on_the_volume_keeps_it)
{
    keeps_it("/proc/swaps",
             "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n",
             "Filename Type Size Used Priority\n/dev/dm-3 partition 1 0 -2\n",
             "swap on /dev/dm-3");
    keeps_it("/sys/class/block/loop4/loop/backing_file", "/var/lib/vz/other.raw\n",
             "/dev/dm-3\n", "losetup -d /dev/loop4");
}
END_TEST

START_TEST(test_d15_a_file_system_that_only_a_container_sees_keeps_the_volume)
{
    static const char see[] = "36 22 253:3 / /var/lib/ct rw - ext4 /dev/dm-3 rw\n";

    mapped_before();
    world_namespace(w, 1, "init\n", "mnt:[1]", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    world_namespace(w, 601, "lxc-start\n", "mnt:[2]", see);
    world_namespace(w, 602, "bash\n", "mnt:[2]", see);
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "mounted at /var/lib/ct for process 601 (lxc-start)");
    tns__error_clear(&w->err);
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    ck_assert_ptr_null(strstr(w->traced, "/proc/602/mountinfo"));

    world_namespace(w, 601, "lxc-start\n", "mnt:[2]", "");
    tst_ok(unmap(), &w->err);
}
END_TEST

/* A container has a node of its own for the device, and its name says nothing. */
START_TEST(test_d15_a_process_that_opened_the_volume_by_a_node_of_another_name_keeps_it)
{
    char node[] = "/tmp/tns-node-XXXXXX";

    mapped_before();
    ck_assert_ptr_nonnull(mkdtemp(node));
    ck_assert_int_eq(rmdir(node), 0);
    ck_assert_int_eq(mknod(node, S_IFBLK | 0600, makedev(253, 4)), 0);
    world_process(w, 31, "postgres\n", node);
    tst_ok(tns__device_check_unused(&w->node, "store1", LINK, &w->err), &w->err);
    unlink(node);
    ck_assert_int_eq(mknod(node, S_IFBLK | 0600, makedev(253, 3)), 0);
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "31 (postgres)");
    tns__error_clear(&w->err);
    ck_assert_uint_eq(w->deletes, 0);
    unlink(node);
    tst_ok(unmap(), &w->err);
}
END_TEST

START_TEST(test_d15_a_path_opened_beside_its_map_is_seen)
{
    mapped_before();
    world_process(w, 8, "dd\n", "/dev/sdc");
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "8 (dd)");
    tns__error_clear(&w->err);
    world_process(w, 8, "multipathd\n", "/dev/sdc");
    world_process(w, 9, "tnstor-ask\n", "/dev/sdc");
    tst_ok(unmap(), &w->err);
}
END_TEST

START_TEST(test_d15_what_udev_runs_to_look_at_a_disk_is_no_user_but_what_a_person_runs_is)
{
    mapped_before();
    world_process(w, 755, "multipath\n", "/dev/sdc");
    world_put(w, "/proc/755/status", "Name:\tmultipath\nTgid:\t755\nPPid:\t700\nUid:\t0\n");
    world_put(w, "/proc/700/comm", "bash\n");
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "755 (multipath)");
    tns__error_clear(&w->err);
    world_put(w, "/proc/700/comm", "(udev-worker)\n");
    tst_ok(unmap(), &w->err);
}
END_TEST

START_TEST(test_d15_partition_maps_are_no_users_but_what_stands_on_them_is)
{
    mapped_before();
    world_holder(w, "dm-3", "dm-7", W_WWID_A "-part1", "part1-mpath-" W_WWID_A);
    tst_ok(tns__device_check_unused(&w->node, "store1", LINK, &w->err), &w->err);
    world_process(w, 55, "mount\n", "/dev/dm-7");
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "55 (mount)");
}
END_TEST

/* With a single path no map is in the way of the removal. */
START_TEST(test_d15_who_cannot_look_at_the_processes_does_not_take_the_volume_for_unused)
{
    want.multipath = false;
    mapped_before();
    world_put(w, "/proc/77/fd", "not a directory\n");
    tst_fails(unmap(), TNS_E_DEVICE, &w->err);
    ck_assert_uint_eq(w->deletes, 0);
    world_process(w, 78, "kvm\n", "/dev/null");
    world_put(w, "/proc/78/fd/8", "not a link\n");
    tst_ok(tns__sysroot_unlink(w->sr, &w->err, "/proc/77/fd"), &w->err);
    tst_fails(unmap(), TNS_E_DEVICE, &w->err);
    ck_assert_uint_eq(w->deletes, 0);
    tst_ok(tns__sysroot_unlink(w->sr, &w->err, "/proc/78/fd/8"), &w->err);
    tst_ok(unmap(), &w->err);
}
END_TEST

START_TEST(test_d16_a_volume_group_of_a_guest_is_named_with_the_fix)
{
    mapped_before();
    world_holder(w, "dm-3", "dm-9", "my--vg-root", "LVM-abcdef");
    ck_assert_int_eq(unmap(), -TNS_E_CONFLICT);
    tst_says(&w->err, "volume group my-vg");
    tst_says(&w->err, "vgchange -an my-vg");
    tst_says(&w->err, "global_filter");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_d15_a_volume_that_is_open_or_mounted_is_not_unmapped_and_who_is_named,
        test_d15_a_device_that_only_the_kernel_holds_is_not_unmapped,
        test_d15_a_process_that_only_looks_at_the_device_is_waited_for,
        test_d15_swap_or_a_loop_device_on_the_volume_keeps_it,
        test_d15_a_file_system_that_only_a_container_sees_keeps_the_volume,
        test_d15_a_process_that_opened_the_volume_by_a_node_of_another_name_keeps_it,
        test_d15_a_path_opened_beside_its_map_is_seen,
        test_d15_what_udev_runs_to_look_at_a_disk_is_no_user_but_what_a_person_runs_is,
        test_d15_partition_maps_are_no_users_but_what_stands_on_them_is,
        test_d15_who_cannot_look_at_the_processes_does_not_take_the_volume_for_unused,
        test_d16_a_volume_group_of_a_guest_is_named_with_the_fix,
    };

    return tst_main("users", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown, 60);
}
