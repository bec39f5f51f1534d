/* SPDX-License-Identifier: Apache-2.0 */
/* What goes between the open and the read or write of its attribute: sysfs answers ENODEV then. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/stage.h"

#define OTHER "/sys/class/iscsi_session/session77"

/* How the path ends of the file whose device goes before it is read, or written; "": none. */
static const char *going = "", *deleted = "";

static bool is_it(int fd, const char *end)
{
    size_t len = strlen(end);
    char link[64], path[512];
    ssize_t n;

    if (len == 0)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path));
    return n >= (ssize_t)len && memcmp(path + n - len, end, len) == 0;
}

/* In the place of libc's, for the library too. */
ssize_t read(int fd, void *buf, size_t len)
{
    if (!is_it(fd, going))
        return syscall(SYS_read, fd, buf, len);
    errno = ENODEV;
    return -1;
}

/* It is written all the same: that makes the world delete the disk, as somebody else has asked for. */
ssize_t write(int fd, const void *buf, size_t len)
{
    ssize_t n = syscall(SYS_write, fd, buf, len);

    if (!is_it(fd, deleted))
        return n;
    errno = ENODEV;
    return -1;
}

static void setup(void)
{
    going = deleted = "";
    stage_setup();
}

START_TEST(test_a_session_of_another_target_that_ends_meanwhile_disturbs_nobody)
{
    world_put(w, OTHER "/targetname", "iqn.2000-01.org.example:other\n");
    going = "/session77/targetname";
    tst_ok(map(), &w->err);
    tst_ok(unmap(), &w->err);
    ck_assert_ptr_nonnull(strstr(w->traced, "read " OTHER "/targetname\n"));
}
END_TEST

START_TEST(test_a_disk_that_somebody_deletes_already_is_waited_for)
{
    mapped_before();
    deleted = "/delete";
    tst_ok(unmap(), &w->err);
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
    ck_assert_ptr_null(world_disk_of(w, 1, 1));
}
END_TEST

START_TEST(test_a_loop_device_that_is_detached_meanwhile_is_no_user)
{
    mapped_before();
    world_put(w, "/sys/class/block/loop4/loop/backing_file", "/dev/dm-3\n");
    going = "/loop/backing_file";
    tst_ok(unmap(), &w->err);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a_session_of_another_target_that_ends_meanwhile_disturbs_nobody,
        test_a_disk_that_somebody_deletes_already_is_waited_for,
        test_a_loop_device_that_is_detached_meanwhile_is_no_user,
    };

    return tst_main("going", tests, TNS_ARRAY_LEN(tests), setup, stage_teardown, 60);
}
