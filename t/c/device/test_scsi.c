/* SPDX-License-Identifier: Apache-2.0 */
/* Asking devices for real: what SG_IO answers, devices that hang, system calls that are counted. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/access.h"
#include "device/count.h"
#include "device/device_priv.h"
#include "device/stage.h"

/* ---- disks in files: the ioctl that the library calls is this one ---- */

/* What a file below /dev holds: "mode naa serial blocks blocksize". */
struct paper_disk {
    char mode[16], naa[33], serial[32];
    unsigned long long blocks;
    unsigned blocksize;
};

static bool ignores_kill;
static int attentions;

static void put_be(uint8_t *at, uint64_t value, int bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static unsigned answer_naa(const struct paper_disk *d, uint8_t *data)
{
    memset(data, 0, 64);
    data[1] = 0x83;
    data[3] = 12 + 20;
    /* a T10 designator first, as real targets have it */
    data[4] = 2;
    data[5] = 1;
    data[7] = 8;
    memcpy(data + 8, "TrueNAS ", 8);
    data[16] = 1;
    data[17] = 3;
    data[19] = 16;
    for (int i = 0; i < 16; i++) {
        unsigned byte;

        sscanf(d->naa + 2 * i, "%2x", &byte);
        data[20 + i] = (uint8_t)byte;
    }
    return 36;
}

static unsigned answer_serial(const struct paper_disk *d, uint8_t *data)
{
    memset(data, ' ', 40);
    data[0] = data[2] = 0;
    data[1] = 0x80;
    data[3] = 36;
    /* at the right, padded, as tgt has it */
    memcpy(data + 40 - strlen(d->serial), d->serial, strlen(d->serial));
    return 40;
}

static unsigned answer_capacity(const struct paper_disk *d, uint8_t *data)
{
    memset(data, 0, 32);
    put_be(data, d->blocks - 1, 8);
    put_be(data + 8, d->blocksize, 4);
    return 32;
}

static void sense(struct sg_io_hdr *io, uint8_t key, uint8_t asc, uint8_t ascq)
{
    memset(io->sbp, 0, io->mx_sb_len);
    io->status = 2;
    io->sbp[0] = 0x70;
    io->sbp[2] = key;
    io->sbp[12] = asc;
    io->sbp[13] = ascq;
    io->sb_len_wr = 18;
}

static void answer(const struct paper_disk *d, struct sg_io_hdr *io)
{
    uint8_t *data = io->dxferp;
    unsigned len;

    if (strcmp(d->mode, "hang") == 0) {
        for (;;)
            pause();
    }
    if (strcmp(d->mode, "gone") == 0) {
        sense(io, 5, 0x25, 0);
        return;
    }
    if (strcmp(d->mode, "attention") == 0 && attentions++ < 3) {
        sense(io, 6, 0x3f, 0x0e);
        return;
    }
    if (strcmp(d->mode, "noconnect") == 0) {
        io->host_status = 1;
        return;
    }
    if (io->cmdp[0] == 0x9e)
        len = answer_capacity(d, data);
    else
        len = io->cmdp[2] == 0x80 ? answer_serial(d, data) : answer_naa(d, data);
    io->resid = (int)(io->dxfer_len - len);
}

int ioctl(int fd, unsigned long request, ...)
{
    struct paper_disk d = { .mode = "" };
    struct sg_io_hdr *io;
    char text[160] = "";
    va_list ap;

    va_start(ap, request);
    io = va_arg(ap, struct sg_io_hdr *);
    va_end(ap);
    if ((request != SG_IO && request != BLKGETSIZE64) ||
        pread(fd, text, sizeof(text) - 1, 0) < 0 ||
        sscanf(text, "%15s %32s %31s %llu %u", d.mode, d.naa, d.serial, &d.blocks,
               &d.blocksize) != 5) {
        errno = ENOTTY;
        return -1;
    }
    if (request == BLKGETSIZE64) {
        *(uint64_t *)(void *)io = d.blocks * d.blocksize;
        return 0;
    }
    answer(&d, io);
    return 0;
}

/* A process in D state takes no signal: this is how one looks from outside. */
int kill(pid_t pid, int sig)
{
    return ignores_kill ? 0 : (int)syscall(SYS_kill, pid, sig);
}

/* ---- tests ---- */

static void paper(const char *dev, const char *mode, const char *naa)
{
    char path[64], text[160];

    snprintf(path, sizeof(path), "/dev/%s", dev);
    snprintf(text, sizeof(text), "%s %s %s %llu 512\n", mode, naa, W_SERIAL,
             (unsigned long long)W_SIZE / 512);
    world_put(w, path, text);
}

static int identify(const char *dev, struct tns_scsi_id *id)
{
    struct tns_scsi *scsi = tns__scsi_real();

    return scsi->identify(scsi, w->sr, &w->ctx, dev, id, &w->err);
}

START_TEST(test_a_disk_tells_its_naa_serial_and_size)
{
    struct tns_scsi_id id;

    paper("sdc", "ok", W_NAA_A);
    tst_ok(identify("sdc", &id), &w->err);
    ck_assert_str_eq(id.naa, W_NAA_A);
    ck_assert_str_eq(id.serial, W_SERIAL);
    ck_assert_uint_eq(id.size_bytes, W_SIZE);
    ck_assert_uint_eq(id.kernel_bytes, W_SIZE);
    ck_assert_uint_eq(id.blocksize, 512);
}
END_TEST

START_TEST(test_unit_attentions_are_passed_over)
{
    struct tns_scsi_id id;

    paper("sdc", "attention", W_NAA_A);
    tst_ok(identify("sdc", &id), &w->err);
    ck_assert_str_eq(id.naa, W_NAA_A);
}
END_TEST

START_TEST(test_a_lun_that_is_gone_and_a_path_that_is_cut_are_told_apart)
{
    struct tns_scsi_id id;

    paper("sdc", "gone", W_NAA_A);
    tst_fails(identify("sdc", &id), TNS_E_NOTFOUND, &w->err);
    paper("sdc", "noconnect", W_NAA_A);
    tst_fails(identify("sdc", &id), TNS_E_DEVICE, &w->err);
    tst_fails(identify("sdz", &id), TNS_E_NOTFOUND, &w->err);
    tst_fails(identify("../sdc", &id), TNS_E_USAGE, &w->err);
    world_put(w, "/dev/sdd", "no disk at all");
    tst_fails(identify("sdd", &id), TNS_E_DEVICE, &w->err);
}
END_TEST

START_TEST(test_a_device_that_hangs_ends_at_the_deadline_and_holds_no_lock)
{
    uint64_t start = tns__now_ns();
    struct tns_scsi_id id;
    int lock = -1;

    paper("sdc", "hang", W_NAA_A);
    tst_ok(tns__sysroot_lock(w->sr, &w->ctx, &lock, &w->err, "/run/tnstor/lock/x"),
           &w->err);
    ignores_kill = true;
    w->ctx.deadline_ns = start + TNS_MS(300);
    tst_fails(identify("sdc", &id), TNS_E_TIMEOUT, &w->err);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(2000));

    /* the child is still there; the lock that we let go is free all the same */
    close(lock);
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(300);
    tst_ok(tns__sysroot_lock(w->sr, &w->ctx, &lock, &w->err, "/run/tnstor/lock/x"),
           &w->err);
    close(lock);
    ignores_kill = false;
    ck_assert_int_eq(kill(atoi(world_get(w, "/run/tnstor/stuck/sdc")), SIGKILL), 0);
}
END_TEST

/* A child that sdc has hung, and that takes no signal. */
static int hung_child(void)
{
    struct tns_scsi_id id;
    int pid;

    paper("sdc", "hang", W_NAA_A);
    ignores_kill = true;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(200);
    tst_fails(identify("sdc", &id), TNS_E_TIMEOUT, &w->err);
    pid = atoi(world_get(w, "/run/tnstor/stuck/sdc"));
    ck_assert_int_gt(pid, 0);
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(60000);
    return pid;
}

/* What /proc tells of a process, whose parent we are. */
static void proc_says(int pid, const char *comm, char state)
{
    char path[64], text[160];

    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    snprintf(text, sizeof(text), "%s\n", comm);
    world_put(w, path, text);
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    snprintf(text, sizeof(text), "%d (%s) %c %d 1 1 0 -1 0\n", pid, comm, state,
             (int)getpid());
    world_put(w, path, text);
}

START_TEST(test_d14_no_second_process_is_sent_after_a_device_that_one_hangs_on)
{
    int pid = hung_child();
    struct tns_scsi_id id;

    proc_says(pid, TNS__ASKER, 'D');
    ck_assert_int_eq(identify("sdc", &id), -TNS_E_DEVICE);
    tst_says(&w->err, "hangs in the kernel");
    tns__error_clear(&w->err);

    /* when that one is gone the device is asked again, also when its number is another process's */
    ignores_kill = false;
    kill(pid, SIGKILL);
    proc_says(pid, "pvestatd", 'S');
    paper("sdc", "ok", W_NAA_A);
    tst_ok(identify("sdc", &id), &w->err);
    ck_assert(!world_has(w, "/run/tnstor/stuck/sdc"));
}
END_TEST

START_TEST(test_d14_a_child_that_has_ended_and_was_not_waited_for_hangs_no_longer)
{
    int pid = hung_child();
    struct tns_scsi_id id;
    siginfo_t info;

    ignores_kill = false;
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    proc_says(pid, TNS__ASKER, 'Z');
    paper("sdc", "ok", W_NAA_A);
    tst_ok(identify("sdc", &id), &w->err);
    ck_assert(!world_has(w, "/run/tnstor/stuck/sdc"));
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
}
END_TEST

/* A real device: nobody else needs one of the kernel's loops that is bound to no file. */
START_TEST(test_what_the_kernel_has_claimed_for_somebody_is_known)
{
    struct tns_scsi *scsi = tns__scsi_real();
    struct tns_sysroot *sr = NULL;
    int fd = open("/dev/loop7", O_RDONLY | O_EXCL | O_CLOEXEC);

    if (fd < 0)
        return; /* no such device, or not ours to open */
    tst_ok(tns__sysroot_open("/", &sr, &w->err), &w->err);
    ck_assert(scsi->is_claimed(scsi, sr, &w->ctx, "loop7"));
    close(fd);
    ck_assert(!scsi->is_claimed(scsi, sr, &w->ctx, "loop7"));
    ck_assert(!scsi->is_claimed(scsi, sr, &w->ctx, "../dev/loop7"));
    tns__sysroot_close(sr);
}
END_TEST

START_TEST(test_one_device_that_hangs_does_not_keep_the_others_from_answering)
{
    const char *const devs[] = { "sdc", "sdd", "sde" };
    struct tns_scsi *scsi = tns__scsi_real();
    struct tns_error errs[3];
    struct tns_scsi_id ids[3];

    paper("sdc", "ok", W_NAA_A);
    paper("sdd", "hang", W_NAA_A);
    paper("sde", "ok", W_NAA_B);
    for (int i = 0; i < 3; i++)
        errs[i] = (struct tns_error)TNS_ERROR_INIT;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(1500);
    scsi->identify_all(scsi, w->sr, &w->ctx, devs, 3, true, ids, errs);
    ck_assert_int_eq(errs[0].code, 0);
    ck_assert_str_eq(ids[0].naa, W_NAA_A);
    ck_assert_int_eq(errs[1].code, TNS_E_TIMEOUT);
    ck_assert_int_eq(errs[2].code, 0);
    ck_assert_str_eq(ids[2].naa, W_NAA_B);
}
END_TEST

/* ---- the already mapped volume ---- */

static int map_again(void *user)
{
    struct tns_node *node = user;
    struct tns_error err = TNS_ERROR_INIT;
    int rc = tns__device_map(node, &want, &mapped, &err);

    if (rc < 0)
        fprintf(stderr, "# %s\n", err.text);
    return rc < 0 || !mapped.already || mapped.paths != 2;
}

START_TEST(test_a_mapped_volume_costs_at_most_40_system_calls_and_no_command)
{
    struct tns_sysroot *plain = NULL;
    struct tns_node node = w->node;
    int calls = INT_MAX, execs = -1;

    tst_ok(tns__device_map(&w->node, &want, &mapped, &w->err), &w->err);
    paper("sdc", "ok", W_NAA_A);
    paper("sdd", "ok", W_NAA_A);
    tst_ok(tns__sysroot_open(w->root, &plain, &w->err), &w->err);
    node.sr = plain; /* the world's own looks shall not count */
    node.scsi = tns__scsi_real();
    /* on a busy machine a wait is looked at more than once: the least is what it costs */
    for (int i = 0; i < 5 && calls > 0; i++) {
        int n = count_syscalls(map_again, &node, &execs);

        calls = n < calls ? n : calls;
    }
    tns__sysroot_close(plain);
#ifdef __SANITIZE_ADDRESS__
    calls = -1; /* its allocator makes calls of its own */
#endif
    if (calls < 0) {
        printf("# this machine does not let us count system calls\n");
        return;
    }
    printf("# %d system calls for a mapped volume with two paths\n", calls);
    ck_assert_int_gt(calls, 10);
    ck_assert_int_le(calls, 40);
    ck_assert_int_eq(execs, 0);
}
END_TEST

/* ---- nothing but the volume's own ---- */

START_TEST(test_nothing_but_the_volumes_own_devices_is_touched_among_200_others)
{
    json_t *status = NULL;
    unsigned removed;

    world_noise(w);
    tst_ok(tns__device_map(&w->node, &want, &mapped, &w->err), &w->err);
    tst_ok(tns__device_map(&w->node, &want, &mapped, &w->err), &w->err);
    w->luns[0].size = want.size_bytes = 2 * W_SIZE;
    tst_ok(tns__device_resize(&w->node, &want, &w->err), &w->err);
    tst_ok(tns__device_status(&w->node, &want, &status, &w->err), &w->err);
    json_decref(status);
    tst_ok(tns__device_check_unused(&w->node, "store1", "vm-100-disk-0", &w->err), &w->err);
    tst_ok(tns__device_unmap(&w->node, &want, true, &w->err), &w->err);
    tst_ok(tns__device_map(&w->node, &want, &mapped, &w->err), &w->err);
    world_lun_gone(w, 1);
    tst_ok(tns__device_tidy(&w->node, "store1", &removed, &w->err), &w->err);
    ck_assert_uint_eq(removed, 1);
    ck_assert_msg(!strstr(w->traced, W_NOISE), "somebody else's device: %s",
                  strstr(w->traced, W_NOISE));
    access_lists_nothing_foreign(w->traced);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a_disk_tells_its_naa_serial_and_size,
        test_unit_attentions_are_passed_over,
        test_a_lun_that_is_gone_and_a_path_that_is_cut_are_told_apart,
        test_a_device_that_hangs_ends_at_the_deadline_and_holds_no_lock,
        test_d14_no_second_process_is_sent_after_a_device_that_one_hangs_on,
        test_d14_a_child_that_has_ended_and_was_not_waited_for_hangs_no_longer,
        test_what_the_kernel_has_claimed_for_somebody_is_known,
        test_one_device_that_hangs_does_not_keep_the_others_from_answering,
        test_a_mapped_volume_costs_at_most_40_system_calls_and_no_command,
        test_nothing_but_the_volumes_own_devices_is_touched_among_200_others,
    };

    return tst_main("scsi", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown, 60);
}
