/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the node: confined to the root, replaced whole, locked with a deadline, and traced. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sysroot.h"
#include "base/text.h"
#include "common/tst.h"

static struct tns_sysroot *sr;
static struct tns_error err;
static const char *root;
static char text[256];

/* A recorded tree as sysfs gives it: directories below /devices, symlinks to them elsewhere. */
static void setup(void)
{
    char path[300];

    root = tst_tmpdir();
    err = (struct tns_error)TNS_ERROR_INIT;
    snprintf(path, sizeof(path), "%s/tree/sys/devices/d0", root);
    tst_file(root, "tree/sys/devices/d0/size", "2048\n");
    tst_file(root, "tree/sys/devices/d0/model", "iSCSI Disk      \n");
    tst_file(root, "tree/sys/block/keep", "");
    tst_file(root, "tree/etc/passwd", "inside");
    tst_file(root, "outside", "secret");
    snprintf(path, sizeof(path), "%s/tree/sys/block/sda", root);
    ck_assert_int_eq(symlink("../devices/d0", path), 0);
    snprintf(path, sizeof(path), "%s/tree/abs", root);
    ck_assert_int_eq(symlink("/sys/devices/d0", path), 0);
    snprintf(path, sizeof(path), "%s/tree/up", root);
    ck_assert_int_eq(symlink("../../../../../../../../../etc/passwd", path), 0);
    snprintf(path, sizeof(path), "%s/tree/host", root);
    ck_assert_int_eq(symlink("../outside", path), 0);
    snprintf(path, sizeof(path), "%s/tree/magic", root);
    ck_assert_int_eq(symlink("/proc/self/root", path), 0);
    snprintf(path, sizeof(path), "%s/tree", root);
    tst_ok(tns__sysroot_open(path, &sr, &err), &err);
}

static void teardown(void)
{
    tns__sysroot_close(sr);
    tns__sysroot_close(NULL);
}

static const char *real(const char *path)
{
    static char full[PATH_MAX];

    snprintf(full, sizeof(full), "%s/tree%s", root, path);
    return full;
}

static int count_entries(const char *path)
{
    _tns_strv_ char **names = NULL;
    int n = 0;

    tst_ok(tns__sysroot_list(sr, &names, &err, "%s", path), &err);
    for (char **name = names; *name; name++)
        n++;
    return n;
}

START_TEST(test_an_attribute_is_read_without_its_newline)
{
    uint64_t size = 0;

    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/sys/block/%s/model", "sda"),
           &err);
    ck_assert_str_eq(text, "iSCSI Disk");
    tst_ok(tns__sysroot_read_u64(sr, &size, &err, "/sys/block/%s/size", "sda"), &err);
    ck_assert_uint_eq(size, 2048);
}
END_TEST

START_TEST(test_a_long_attribute_is_cut_at_the_buffer)
{
    char small[6];

    tst_ok(tns__sysroot_read(sr, small, sizeof(small), &err, "/sys/block/sda/model"), &err);
    ck_assert_str_eq(small, "iSCSI");
}
END_TEST

START_TEST(test_what_is_absent_is_not_found_and_named)
{
    uint64_t size = 5;

    tns__sysroot_read(sr, text, sizeof(text), &err, "/sys/block/%s/size", "sdz");
    tst_says(&err, "/sys/block/sdz/size");
    ck_assert_int_eq(err.sys_errno, ENOENT);
    tst_fails(-err.code, TNS_E_NOTFOUND, &err);
    tst_fails(tns__sysroot_read_u64(sr, &size, &err, "/nothing"), TNS_E_NOTFOUND, &err);
    tst_fails(tns__sysroot_open("/no/such/root", &sr, &err), TNS_E_NOTFOUND, &err);
    ck_assert_uint_eq(size, 5);
}
END_TEST

START_TEST(test_what_is_no_number_is_a_device_error)
{
    uint64_t size = 5;

    tns__sysroot_read_u64(sr, &size, &err, "/sys/block/sda/%s", "model");
    tst_says(&err, "/sys/block/sda/model");
    tst_says(&err, "iSCSI Disk");
    tst_fails(-err.code, TNS_E_DEVICE, &err);
    ck_assert_uint_eq(size, 5);
}
END_TEST

START_TEST(test_relative_and_absolute_links_resolve_inside_the_tree)
{
    uint64_t size = 0;

    tst_ok(tns__sysroot_read_u64(sr, &size, &err, "/abs/size"), &err);
    ck_assert_uint_eq(size, 2048);
    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/up"), &err);
    ck_assert_str_eq(text, "inside");
    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/sys/../../../etc/passwd"),
           &err);
    ck_assert_str_eq(text, "inside");
}
END_TEST

START_TEST(test_nothing_outside_of_the_tree_is_reached)
{
    int fd;

    tst_fails(tns__sysroot_read(sr, text, sizeof(text), &err, "/host"), TNS_E_NOTFOUND,
              &err);
    tst_fails(tns__sysroot_read(sr, text, sizeof(text), &err, "/../outside"),
              TNS_E_NOTFOUND, &err);
    tst_fails(tns__sysroot_read(sr, text, sizeof(text), &err, "/magic/etc/passwd"),
              TNS_E_NOTFOUND, &err);
    tst_fails(tns__sysroot_write(sr, "x", &err, "/host"), TNS_E_NOTFOUND, &err);
    tst_fails(tns__sysroot_openfd(sr, O_RDWR | O_CREAT, 0600, &fd, &err, "/magic/x"),
              TNS_E_NOTFOUND, &err);
    ck_assert(!tns__sysroot_exists(sr, "/host"));

    /* a write through "..": ends inside */
    tst_ok(tns__sysroot_replace(sr, "new", 3, 0600, &err, "/../../outside"), &err);
    ck_assert_int_eq(access(real("/outside"), F_OK), 0);
    tst_ok(tns__sysroot_unlink(sr, &err, "/../outside"), &err);
    ck_assert_int_ne(access(real("/outside"), F_OK), 0);
    ck_assert_int_eq(access(real("/../outside"), F_OK), 0);
}
END_TEST

START_TEST(test_paths_are_absolute_and_end_in_a_name)
{
    static const char *const bad[] = { "", "x", "/", "/sys/", "/sys/.", "/sys/.." };

    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++)
        tst_fails(tns__sysroot_unlink(sr, &err, "%s", bad[i]), TNS_E_USAGE, &err);
    tst_fails(tns__sysroot_read(sr, text, sizeof(text), &err, "relative"), TNS_E_USAGE,
              &err);
    tst_fails(tns__sysroot_read(sr, text, sizeof(text), &err, "/%5000s", "x"), TNS_E_USAGE,
              &err);
}
END_TEST

START_TEST(test_slurp_takes_a_whole_file_up_to_its_limit)
{
    _tns_free_ char *big = tns__alloc(100001);
    _tns_free_ char *read_back = NULL;
    size_t len = 0;

    memset(big, 'b', 100000);
    tst_file(root, "tree/big", big);
    tst_ok(tns__sysroot_slurp(sr, 100000, &read_back, &len, &err, "/%s", "big"), &err);
    ck_assert_uint_eq(len, 100000);
    ck_assert_str_eq(read_back, big);
    tst_fails(tns__sysroot_slurp(sr, 99999, &read_back, &len, &err, "/big"), TNS_E_DEVICE,
              &err);
    tst_fails(tns__sysroot_slurp(sr, 10, &read_back, &len, &err, "/sys"), TNS_E_DEVICE,
              &err);

    tns__free(TNS_STEAL(read_back));
    tst_ok(tns__sysroot_slurp(sr, 0, &read_back, NULL, &err, "/sys/block/keep"), &err);
    ck_assert_str_eq(read_back, "");
}
END_TEST

START_TEST(test_slurp_reads_files_that_hide_their_size)
{
    struct tns_sysroot *node = NULL;
    _tns_free_ char *status = NULL;
    size_t len = 0;

    tst_ok(tns__sysroot_open("/", &node, &err), &err);
    tst_ok(tns__sysroot_slurp(node, 1u << 20, &status, &len, &err, "/proc/self/status"),
           &err);
    ck_assert_ptr_nonnull(strstr(status, "\nPid:"));
    ck_assert_uint_eq(len, strlen(status));
    tns__sysroot_close(node);
}
END_TEST

START_TEST(test_a_write_goes_to_what_is_there_and_makes_nothing)
{
    tst_ok(tns__sysroot_write(sr, "1", &err, "/sys/block/%s", "keep"), &err);
    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/sys/block/keep"), &err);
    ck_assert_str_eq(text, "1");
    tst_fails(tns__sysroot_write(sr, "1", &err, "/sys/block/gone"), TNS_E_NOTFOUND, &err);
}
END_TEST

START_TEST(test_replace_is_whole_with_its_mode_and_private_parents)
{
    struct stat st;

    umask(0777);
    tst_ok(tns__sysroot_replace(sr, "one", 3, 0640, &err, "/var/lib/%s", "a.json"), &err);
    umask(022);
    ck_assert_int_eq(stat(real("/var/lib/a.json"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    tst_ok(tns__sysroot_replace(sr, "two", 3, 0600, &err, "/var/lib/a.json"), &err);
    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/var/lib/a.json"), &err);
    ck_assert_str_eq(text, "two");
    ck_assert_int_eq(count_entries("/var/lib"), 1);
}
END_TEST

START_TEST(test_missing_parents_of_a_replaced_file_are_0700)
{
    struct stat st;

    tst_ok(tns__sysroot_replace(sr, "x", 1, 0600, &err, "/run/tnstor/deep/a"), &err);
    ck_assert_int_eq(stat(real("/run/tnstor"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(stat(real("/run/tnstor/deep"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
}
END_TEST

START_TEST(test_replace_does_not_follow_a_link_at_the_final_name)
{
    tst_ok(tns__sysroot_replace(sr, "file", 4, 0600, &err, "/up"), &err);
    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/etc/passwd"), &err);
    ck_assert_str_eq(text, "inside");
    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/up"), &err);
    ck_assert_str_eq(text, "file");
}
END_TEST

START_TEST(test_a_replace_that_fails_leaves_nothing)
{
    tst_fails(tns__sysroot_replace(sr, "x", 1, 0600, &err, "/sys/block"), TNS_E_DEVICE,
              &err);
    tst_fails(tns__sysroot_replace(sr, "x", 1, 0600, &err, "/etc/passwd/below"),
              TNS_E_DEVICE, &err);
    ck_assert_int_eq(count_entries("/sys"), 2);
}
END_TEST

/* A reader that looks all the time never sees anything but a whole old or a whole new file. */
START_TEST(test_a_reader_beside_replace_and_symlink_never_sees_half)
{
    pid_t writer;
    int status;

    tst_ok(tns__sysroot_replace(sr, "aaaa", 4, 0600, &err, "/f"), &err);
    tst_ok(tns__sysroot_symlink(sr, "/dev/a", &err, "/l"), &err);
    writer = fork();
    if (writer == 0) {
        for (int i = 0; i < 300; i++) {
            tns__sysroot_replace(sr, i % 2 ? "aaaa" : "bbbb", 4, 0600, NULL, "/f");
            tns__sysroot_symlink(sr, i % 2 ? "/dev/a" : "/dev/b", NULL, "/l");
        }
        _exit(0);
    }
    while (waitpid(writer, &status, WNOHANG) == 0) {
        tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/f"), &err);
        ck_assert_msg(!strcmp(text, "aaaa") || !strcmp(text, "bbbb"), "%s", text);
        tst_ok(tns__sysroot_readlink(sr, text, sizeof(text), &err, "/l"), &err);
        ck_assert_msg(!strcmp(text, "/dev/a") || !strcmp(text, "/dev/b"), "%s", text);
    }
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_a_directory_is_listed_sorted_and_an_empty_one_is_empty)
{
    _tns_strv_ char **names = NULL;

    tst_file(root, "tree/d/b", "");
    tst_file(root, "tree/d/a", "");
    tst_file(root, "tree/d/.c", "");
    tst_ok(tns__sysroot_list(sr, &names, &err, "/%s", "d"), &err);
    ck_assert_str_eq(names[0], ".c");
    ck_assert_str_eq(names[1], "a");
    ck_assert_str_eq(names[2], "b");
    ck_assert_ptr_null(names[3]);
    tst_ok(tns__sysroot_mkdir(sr, 0755, &err, "/empty"), &err);
    ck_assert_int_eq(count_entries("/empty"), 0);
    tst_fails(tns__sysroot_list(sr, &names, &err, "/gone"), TNS_E_NOTFOUND, &err);
    tst_fails(tns__sysroot_list(sr, &names, &err, "/d/a"), TNS_E_DEVICE, &err);
    tns__strv_free(NULL);
}
END_TEST

START_TEST(test_symlinks_are_placed_read_and_removed)
{
    struct stat st;
    char small[8];

    tst_ok(tns__sysroot_symlink(sr, "/dev/mapper/x", &err, "/dev/tnstor/%s/%s", "s1",
                                "vm-1"),
           &err);
    tst_ok(tns__sysroot_readlink(sr, text, sizeof(text), &err, "/dev/tnstor/s1/vm-1"),
           &err);
    ck_assert_str_eq(text, "/dev/mapper/x");
    ck_assert_int_eq(stat(real("/dev/tnstor"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0755);
    tst_ok(tns__sysroot_symlink(sr, "/dev/sdb", &err, "/dev/tnstor/s1/vm-1"), &err);
    tst_ok(tns__sysroot_readlink(sr, text, sizeof(text), &err, "/dev/tnstor/s1/vm-1"),
           &err);
    ck_assert_str_eq(text, "/dev/sdb");
    ck_assert_int_eq(count_entries("/dev/tnstor/s1"), 1);

    tst_fails(tns__sysroot_readlink(sr, small, 8, &err, "/dev/tnstor/s1/vm-1"),
              TNS_E_DEVICE, &err);
    tst_fails(tns__sysroot_readlink(sr, text, 9, &err, "/etc/passwd"), TNS_E_DEVICE, &err);
    tst_ok(tns__sysroot_unlink(sr, &err, "/dev/tnstor/s1/vm-1"), &err);
    tst_fails(tns__sysroot_readlink(sr, text, 9, &err, "/dev/tnstor/s1/vm-1"),
              TNS_E_NOTFOUND, &err);
}
END_TEST

START_TEST(test_removing_what_is_not_there_is_success)
{
    tst_ok(tns__sysroot_unlink(sr, &err, "/gone"), &err);
    tst_ok(tns__sysroot_unlink(sr, &err, "/no/dir/gone"), &err);
    tst_fails(tns__sysroot_unlink(sr, &err, "/sys"), TNS_E_DEVICE, &err);
    /* a link goes, what it points to stays */
    tst_ok(tns__sysroot_unlink(sr, &err, "/up"), &err);
    ck_assert(tns__sysroot_exists(sr, "/etc/passwd"));
}
END_TEST

START_TEST(test_mkdir_accepts_a_directory_and_nothing_else)
{
    struct stat st;

    umask(022);
    tst_ok(tns__sysroot_mkdir(sr, 0700, &err, "/run/a/%s", "b"), &err);
    tst_ok(tns__sysroot_mkdir(sr, 0700, &err, "/run/a/b"), &err);
    ck_assert_int_eq(stat(real("/run/a/b"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    tst_fails(tns__sysroot_mkdir(sr, 0700, &err, "/etc/passwd"), TNS_E_DEVICE, &err);
    /* an attacker's link to a directory is no directory */
    tst_fails(tns__sysroot_mkdir(sr, 0700, &err, "/abs"), TNS_E_DEVICE, &err);
}
END_TEST

START_TEST(test_exists_follows_links_inside)
{
    ck_assert(tns__sysroot_exists(sr, "/sys/block/%s", "sda"));
    ck_assert(tns__sysroot_exists(sr, "/up"));
    ck_assert(!tns__sysroot_exists(sr, "/sys/block/sdb"));
    ck_assert(!tns__sysroot_exists(sr, "relative"));
}
END_TEST

START_TEST(test_an_opened_fd_is_close_on_exec)
{
    _tns_close_ int fd = -1;

    tst_ok(tns__sysroot_openfd(sr, O_RDWR | O_CREAT, 0600, &fd, &err, "/new"), &err);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(test_a_lock_is_exclusive_and_given_back_by_close)
{
    struct tns_ctx ctx;
    struct tst_watch begin;
    int first = -1, second = -1;

    tst_ctx_init(&ctx, 5000);
    tst_ok(tns__sysroot_lock(sr, &ctx, &first, &err, "/run/lock/%s", "v"), &err);
    begin = tst_watch();
    tst_ctx_init(&ctx, 200);
    tns__sysroot_lock(sr, &ctx, &second, &err, "/run/lock/v");
    tst_says(&err, "/run/lock/v");
    tst_fails(-err.code, TNS_E_BUSY, &err);
    ck_assert_uint_ge(tst_clock_ms(begin), 199);
    ck_assert_uint_lt(tst_own_ms(begin), 200 + tst_ms(100));
    ck_assert_int_eq(second, -1);

    close(first);
    tst_ctx_init(&ctx, 0);
    tst_ok(tns__sysroot_lock(sr, &ctx, &second, &err, "/run/lock/v"), &err);
    ck_assert_int_eq(fcntl(second, F_GETFD), FD_CLOEXEC);
    close(second);
}
END_TEST

START_TEST(test_a_lock_is_waited_for_and_then_had)
{
    struct tns_ctx ctx;
    pid_t holder;
    int fds[2], fd = -1;
    char byte;

    ck_assert_int_eq(pipe(fds), 0);
    tst_ctx_init(&ctx, 10000);
    holder = fork();
    if (holder == 0) {
        struct tns_ctx mine;

        tst_ctx_init(&mine, 10000);
        tns__sysroot_lock(sr, &mine, &fd, NULL, "/l");
        (void)!write(fds[1], "x", 1);
        tns__ctx_backoff(&mine, 150, "x", NULL);
        _exit(0);
    }
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    tst_ok(tns__sysroot_lock(sr, &ctx, &fd, &err, "/l"), &err);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    close(fd);
}
END_TEST

START_TEST(test_a_lock_on_a_file_that_was_removed_meanwhile_is_none)
{
    struct tns_ctx ctx;
    int fd = -1;
    pid_t other;
    int old = open(real("/l"), O_RDWR | O_CREAT, 0600);

    ck_assert_int_eq(flock(old, LOCK_EX), 0);
    tst_ctx_init(&ctx, 10000);
    other = fork();
    if (other == 0) {
        tns__ctx_backoff(&ctx, 100, "x", NULL);
        unlink(real("/l"));
        flock(old, LOCK_UN);
        _exit(0);
    }
    close(old);
    tst_ok(tns__sysroot_lock(sr, &ctx, &fd, &err, "/l"), &err);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
    /* so the file of that name is the locked one */
    old = open(real("/l"), O_RDWR);
    ck_assert_int_ge(old, 0);
    ck_assert_int_lt(flock(old, LOCK_EX | LOCK_NB), 0);
    close(old);
    close(fd);
}
END_TEST

static int cancel_now(void *user)
{
    (void)user;
    return 1;
}

START_TEST(test_waiting_for_a_lock_can_be_cancelled)
{
    struct tns_ctx ctx;
    int first = -1, second = -1;

    tst_ctx_init(&ctx, 10000);
    tst_ok(tns__sysroot_lock(sr, &ctx, &first, &err, "/l"), &err);
    ctx.cancel_fn = cancel_now;
    tst_fails(tns__sysroot_lock(sr, &ctx, &second, &err, "/l"), TNS_E_CANCELLED, &err);
    close(first);
}
END_TEST

START_TEST(test_a_lock_is_not_put_on_what_a_link_points_to)
{
    struct tns_ctx ctx;
    int fd = -1;

    tst_ctx_init(&ctx, 1000);
    tst_fails(tns__sysroot_lock(sr, &ctx, &fd, &err, "/up"), TNS_E_DEVICE, &err);
}
END_TEST

static char traced[1024];

static void trace(void *user, const char *verb, const char *path)
{
    ck_assert_ptr_eq(user, traced);
    strcat(strcat(strcat(strcat(traced, verb), " "), path), "\n");
}

START_TEST(test_every_access_is_traced)
{
    struct tns_ctx ctx;
    _tns_strv_ char **names = NULL;
    _tns_free_ char *all = NULL;
    uint64_t size;
    int fd = -1;

    tst_ctx_init(&ctx, 1000);
    tns__sysroot_trace(sr, trace, traced);
    tns__sysroot_read(sr, text, sizeof(text), NULL, "/a");
    tns__sysroot_read_u64(sr, &size, NULL, "/b");
    tns__sysroot_slurp(sr, 9, &all, NULL, NULL, "/c");
    tns__sysroot_write(sr, "", NULL, "/d");
    tns__sysroot_replace(sr, "", 0, 0600, NULL, "/e");
    tns__sysroot_list(sr, &names, NULL, "/f");
    tns__sysroot_readlink(sr, text, sizeof(text), NULL, "/g");
    tns__sysroot_symlink(sr, "x", NULL, "/h");
    tns__sysroot_unlink(sr, NULL, "/i");
    tns__sysroot_mkdir(sr, 0700, NULL, "/j");
    tns__sysroot_exists(sr, "/k");
    tns__sysroot_openfd(sr, O_RDONLY, 0, &fd, NULL, "/l");
    tns__sysroot_lock(sr, &ctx, &fd, NULL, "/m");
    ck_assert_str_eq(
        traced, "read /a\nread /b\nread /c\nwrite /d\nreplace /e\nlist /f\nreadlink /g\n"
                "symlink /h\nunlink /i\nmkdir /j\nstat /k\nopen /l\nlock /m\n");
}
END_TEST

START_TEST(test_a_file_is_replaced_by_way_of_the_temporary_file_that_is_named)
{
    traced[0] = '\0';
    tns__sysroot_trace(sr, trace, traced);
    tst_ok(tns__sysroot_replace_by(sr, "/v/.t", "new", 3, 0640, &err, "/v/%s", "a"), &err);
    ck_assert_str_eq(traced, "make /v/.t\nreplace /v/a\n");
    tst_ok(tns__sysroot_read(sr, text, sizeof(text), &err, "/v/a"), &err);
    ck_assert_str_eq(text, "new");
    ck_assert_int_eq(count_entries("/v"), 1);
    tst_fails(tns__sysroot_replace_by(sr, "/v/.t", "x", 1, 0600, &err, "/sys/block"),
              TNS_E_DEVICE, &err);
    ck_assert_int_eq(count_entries("/v"), 1);
}
END_TEST

static int sweep_sysroot(void *user, struct tns_error *e)
{
    _tns_sysroot_ struct tns_sysroot *mine = NULL;
    _tns_strv_ char **names = NULL;
    _tns_free_ char *all = NULL;
    int rc;

    (void)user;
    rc = tns__sysroot_open(real("/"), &mine, e);
    if (rc == 0)
        rc = tns__sysroot_list(mine, &names, e, "/sys");
    if (rc == 0)
        rc = tns__sysroot_slurp(mine, 100, &all, NULL, e, "/etc/passwd");
    if (rc == 0)
        rc = tns__sysroot_replace(mine, "x", 1, 0600, e, "/r");
    return rc;
}

START_TEST(test_allocation_sweep_over_the_sysroot)
{
    ck_assert_uint_gt(tst_alloc_sweep(sweep_sysroot, NULL, NULL), 4);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sysroot");
    TCase *tc = tcase_create("sysroot");

    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_an_attribute_is_read_without_its_newline);
    tcase_add_test(tc, test_a_long_attribute_is_cut_at_the_buffer);
    tcase_add_test(tc, test_what_is_absent_is_not_found_and_named);
    tcase_add_test(tc, test_what_is_no_number_is_a_device_error);
    tcase_add_test(tc, test_relative_and_absolute_links_resolve_inside_the_tree);
    tcase_add_test(tc, test_nothing_outside_of_the_tree_is_reached);
    tcase_add_test(tc, test_paths_are_absolute_and_end_in_a_name);
    tcase_add_test(tc, test_slurp_takes_a_whole_file_up_to_its_limit);
    tcase_add_test(tc, test_slurp_reads_files_that_hide_their_size);
    tcase_add_test(tc, test_a_write_goes_to_what_is_there_and_makes_nothing);
    tcase_add_test(tc, test_replace_is_whole_with_its_mode_and_private_parents);
    tcase_add_test(tc, test_missing_parents_of_a_replaced_file_are_0700);
    tcase_add_test(tc, test_replace_does_not_follow_a_link_at_the_final_name);
    tcase_add_test(tc, test_a_replace_that_fails_leaves_nothing);
    tcase_add_test(tc, test_a_file_is_replaced_by_way_of_the_temporary_file_that_is_named);
    tcase_add_test(tc, test_a_reader_beside_replace_and_symlink_never_sees_half);
    tcase_add_test(tc, test_a_directory_is_listed_sorted_and_an_empty_one_is_empty);
    tcase_add_test(tc, test_symlinks_are_placed_read_and_removed);
    tcase_add_test(tc, test_removing_what_is_not_there_is_success);
    tcase_add_test(tc, test_mkdir_accepts_a_directory_and_nothing_else);
    tcase_add_test(tc, test_exists_follows_links_inside);
    tcase_add_test(tc, test_an_opened_fd_is_close_on_exec);
    tcase_add_test(tc, test_a_lock_is_exclusive_and_given_back_by_close);
    tcase_add_test(tc, test_a_lock_is_waited_for_and_then_had);
    tcase_add_test(tc, test_a_lock_on_a_file_that_was_removed_meanwhile_is_none);
    tcase_add_test(tc, test_waiting_for_a_lock_can_be_cancelled);
    tcase_add_test(tc, test_a_lock_is_not_put_on_what_a_link_points_to);
    tcase_add_test(tc, test_every_access_is_traced);
    tcase_add_test(tc, test_allocation_sweep_over_the_sysroot);
    suite_add_tcase(s, tc);
    return s;
}

/* Valgrind before 3.21 does not know the call that confines a recorded tree. */
static bool has_openat2(void)
{
    struct open_how how = { .flags = O_PATH };
    long fd = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

    if (fd >= 0)
        close((int)fd);
    return fd >= 0;
}

int main(void)
{
    if (!has_openat2()) {
        puts("1..0 # SKIP there is no openat2 here");
        return 0;
    }
    return tst_run(suite());
}
