/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a device itself: INQUIRY and READ CAPACITY by SG_IO, in a child that may hang. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/apart.h"
#include "device/device_priv.h"

#define DEVICES_MAX 32u
#define DATA_BYTES 512u
#define SENSE_BYTES 32u
#define UNIT_ATTENTIONS_MAX 16
/* One device after the other in one child is cheap; who makes the others wait this long gets a child
 * of his own. */
#define TOGETHER_MS 500u
/* No path that works needs longer; one that hangs must not use up the caller's time. */
#define ALONE_MS 5000u

enum { CMD_CAPACITY, CMD_SERIAL, CMD_IDENTIFICATION, N_CMDS };

static const uint8_t cdbs[N_CMDS][16] = {
    /* SERVICE ACTION IN (16) with READ CAPACITY (16), 32 bytes */
    [CMD_CAPACITY] = { 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0 },
    [CMD_SERIAL] = { 0x12, 1, 0x80, DATA_BYTES >> 8, DATA_BYTES & 0xff, 0 },
    /* last: if the LUN changes hands meanwhile, this one tells */
    [CMD_IDENTIFICATION] = { 0x12, 1, 0x83, DATA_BYTES >> 8, DATA_BYTES & 0xff, 0 },
};
static const uint8_t cdb_lens[N_CMDS] = { 16, 6, 6 };
static const char *const cmd_names[N_CMDS] = { "READ CAPACITY (16)", "INQUIRY 0x80",
                                               "INQUIRY 0x83" };

/* What one command came back with; crosses the pipe as it is. */
struct cmd_reply {
    int sys_errno;
    unsigned host_status, status, key, ascq, len;
    uint8_t data[DATA_BYTES];
};

struct device_reply {
    int open_errno;
    uint64_t kernel_bytes;
    struct cmd_reply cmds[N_CMDS];
};

struct question {
    const struct tns_sysroot *sr;
    unsigned timeout_ms;
    bool with_serial;
    size_t n;
    char paths[DEVICES_MAX][40];
};

/* ---- in the child ---- */

static void read_sense(const uint8_t *sense, unsigned len, struct cmd_reply *r)
{
    unsigned code = len ? sense[0] & 0x7f : 0;

    if ((code == 0x70 || code == 0x71) && len >= 14) {
        r->key = sense[2] & 0x0f;
        r->ascq = (unsigned)sense[12] << 8 | sense[13];
    } else if ((code == 0x72 || code == 0x73) && len >= 4) {
        r->key = sense[1] & 0x0f;
        r->ascq = (unsigned)sense[2] << 8 | sense[3];
    }
}

static void run_cmd(int fd, int cmd, unsigned timeout_ms, struct cmd_reply *r)
{
    uint8_t sense[SENSE_BYTES], cdb[16];
    struct sg_io_hdr io = { .interface_id = 'S',
                            .dxfer_direction = SG_DXFER_FROM_DEV,
                            .cmd_len = cdb_lens[cmd],
                            .mx_sb_len = sizeof(sense),
                            .dxfer_len = cmd == CMD_CAPACITY ? 32 : DATA_BYTES,
                            .dxferp = r->data,
                            .cmdp = cdb,
                            .sbp = sense,
                            .timeout = timeout_ms };

    *r = (struct cmd_reply){ 0 };
    memcpy(cdb, cdbs[cmd], sizeof(cdb));
    if (ioctl(fd, SG_IO, &io) < 0) {
        r->sys_errno = errno;
        return;
    }
    r->status = io.status;
    r->host_status = io.host_status;
    read_sense(sense, io.sb_len_wr, r);
    if (io.resid >= 0 && (unsigned)io.resid <= io.dxfer_len)
        r->len = io.dxfer_len - (unsigned)io.resid;
}

static void ask_device(const struct question *q, const char *path, struct device_reply *r)
{
    int fd = tns__sysroot_openat(q->sr, path, O_RDONLY | O_NONBLOCK, 0);

    *r = (struct device_reply){ .open_errno = fd < 0 ? -fd : 0 };
    if (fd < 0)
        return;
    for (int cmd = 0; cmd < N_CMDS; cmd++) {
        int tries = 0;

        if (cmd == CMD_SERIAL && !q->with_serial)
            continue;
        do
            run_cmd(fd, cmd, q->timeout_ms, &r->cmds[cmd]);
        while (r->cmds[cmd].key == TNS__SENSE_UNIT_ATTENTION &&
               ++tries < UNIT_ATTENTIONS_MAX);
    }
    if (ioctl(fd, BLKGETSIZE64, &r->kernel_bytes) < 0)
        r->kernel_bytes = 0;
    /* closed by leaving: a descriptor more or less does not matter here */
}

static void ask_main(void *arg, int reply_fd)
{
    static struct device_reply replies[DEVICES_MAX];
    const struct question *q = arg;
    const char *at = (const char *)replies;
    size_t left = q->n * sizeof(replies[0]);

    prctl(PR_SET_NAME, TNS__ASKER);
    for (size_t i = 0; i < q->n; i++)
        ask_device(q, q->paths[i], &replies[i]);
    while (left > 0) {
        ssize_t n = write(reply_fd, at, left);

        if (n <= 0)
            return;
        at += n;
        left -= (size_t)n;
    }
}

/* ---- in the parent ---- */

static int cmd_error(const struct cmd_reply *r, int cmd, const char *name,
                     struct tns_error *err)
{
    if (r->sys_errno)
        return tns__error_errno(err, TNS_E_DEVICE, r->sys_errno, "%s: %s failed", name,
                                cmd_names[cmd]);
    if (r->host_status)
        return tns__error_set(err, TNS_E_DEVICE,
                              "%s does not answer %s (host status 0x%02x)", name,
                              cmd_names[cmd], r->host_status);
    if (r->status == 0)
        return 0;
    tns__scsi_sense_error(r->key, r->ascq, cmd_names[cmd], err);
    return tns__error_prefix(err, "%s", name);
}

static int parse_reply(const struct device_reply *r, const char *name,
                       struct tns_scsi_id *ret, struct tns_error *err)
{
    const struct cmd_reply *cmds = r->cmds;
    struct tns_scsi_id id = { .kernel_bytes = r->kernel_bytes };
    int rc = 0;

    if (r->open_errno)
        return tns__error_errno(err,
                                r->open_errno == ENOENT ? TNS_E_NOTFOUND : TNS_E_DEVICE,
                                r->open_errno, "cannot open /dev/%s", name);
    for (int cmd = 0; cmd < N_CMDS && rc == 0; cmd++)
        rc = cmd_error(&cmds[cmd], cmd, name, err);
    if (rc < 0)
        return rc;

    rc = tns__scsi_capacity(cmds[CMD_CAPACITY].data, cmds[CMD_CAPACITY].len, &id.size_bytes,
                            &id.blocksize, err);
    if (rc == 0 && cmds[CMD_SERIAL].len)
        rc = tns__vpd_serial(cmds[CMD_SERIAL].data, cmds[CMD_SERIAL].len, id.serial, err);
    if (rc == 0)
        rc = tns__vpd_naa(cmds[CMD_IDENTIFICATION].data, cmds[CMD_IDENTIFICATION].len,
                          id.naa, err);
    if (rc < 0)
        return tns__error_prefix(err, "%s", name);
    *ret = id;
    return 0;
}

/* ---- devices that were left behind hanging (row D14) ---- */

static void stuck_remember(struct tns_sysroot *sr, const char *name, pid_t pid)
{
    struct tns_error none = TNS_ERROR_INIT;
    char text[32];

    snprintf(text, sizeof(text), "%d\n", (int)pid);
    tns__sysroot_replace(sr, text, strlen(text), 0600, &none, TNS__STUCK_DIR "/%s", name);
}

/* Its number may have become another process's. One that has ended waits for its parent to take notice, and
 * a parent that lives long is here only now and then. */
static bool is_asking(struct tns_sysroot *sr, int pid)
{
    struct tns_error none = TNS_ERROR_INIT;
    char text[1024], head[48];
    char state = '?';
    int parent = 0;

    snprintf(head, sizeof(head), "%d (" TNS__ASKER ") ", pid);
    if (tns__sysroot_read(sr, text, sizeof(text), &none, "/proc/%d/stat", pid) < 0 ||
        !tns__starts_with(text, head))
        return false;
    if (sscanf(text + strlen(head), "%c %d", &state, &parent) < 1 || !strchr("ZXx", state))
        return true;
    if (parent == getpid())
        waitpid(pid, NULL, WNOHANG);
    return false;
}

/* As long as the child that asked last sits in the kernel, no other one is sent after it. */
static int stuck_check(struct tns_sysroot *sr, const char *name, struct tns_error *err)
{
    struct tns_error none = TNS_ERROR_INIT;
    uint64_t pid;

    if (tns__sysroot_read_u64(sr, &pid, &none, TNS__STUCK_DIR "/%s", name) < 0)
        return 0;
    if (pid > 0 && pid <= INT_MAX && is_asking(sr, (int)pid))
        return tns__error_set(
            err, TNS_E_DEVICE,
            "%s hangs in the kernel: process %d still waits for its answer", name,
            (int)pid);
    tns__sysroot_unlink(sr, &none, TNS__STUCK_DIR "/%s", name);
    return 0;
}

/* ---- one child, or one for each ---- */

struct asking {
    struct tns_sysroot *sr;
    const struct tns_ctx *ctx;
    bool with_serial;
};

static int ask_start(const struct asking *as, const char *const names[], size_t n,
                     struct tns__apart *a, struct tns_error *err)
{
    int left_ms = tns__ctx_left_ms(as->ctx);
    struct question q = { .sr = as->sr, .with_serial = as->with_serial, .n = n };

    q.timeout_ms = (unsigned)left_ms < ALONE_MS ? (unsigned)left_ms : ALONE_MS;
    for (size_t i = 0; i < n; i++)
        snprintf(q.paths[i], sizeof(q.paths[i]), "/dev/%.31s", names[i]);
    return tns__apart_start(a, tns__sysroot_fd(as->sr), ask_main, &q, err);
}

static void fail_all(struct tns_error errs[], size_t n, const struct tns_error *why)
{
    for (size_t i = 0; i < n; i++)
        tns__error_copy(&errs[i], why);
}

/* True when all was answered, or nothing can be asked at all. */
static bool ask_together(const struct asking *as, const char *const names[], size_t n,
                         struct tns_scsi_id ids[], struct tns_error errs[])
{
    struct tns_error err = TNS_ERROR_INIT;
    _tns_free_ struct device_reply *replies = tns__calloc(n, sizeof(*replies));
    _tns_apart_ struct tns__apart child = { 0 };
    struct tns_ctx soon = *as->ctx;
    int rc = replies ? 0 : tns__error_nomem(&err);

    if (rc == 0)
        rc = ask_start(as, names, n, &child, &err);
    if (rc < 0) {
        fail_all(errs, n, &err);
        return true;
    }
    tns__ctx_begin(&soon, TOGETHER_MS);
    if (tns__apart_read(&child, &soon, replies, n * sizeof(*replies), "the device", &err) <
        0)
        return false;
    tns__apart_done(&child);
    for (size_t i = 0; i < n; i++)
        parse_reply(&replies[i], names[i], &ids[i], &errs[i]);
    return true;
}

static void take_answer(const struct asking *as, const struct tns_ctx *until,
                        struct tns__apart *child, const char *name, struct tns_scsi_id *id,
                        struct tns_error *err)
{
    struct device_reply reply;
    char what[64];
    pid_t pid = child->pid;

    snprintf(what, sizeof(what), "an answer of %s", name);
    if (tns__apart_read(child, until, &reply, sizeof(reply), what, err) == 0) {
        tns__apart_done(child);
        parse_reply(&reply, name, id, err);
        return;
    }
    if (!tns__apart_end(child))
        stuck_remember(as->sr, name, pid);
}

/* All children are under way before the first answer is waited for. */
static void ask_each(const struct asking *as, const char *const names[], size_t n,
                     struct tns_scsi_id ids[], struct tns_error errs[])
{
    struct tns__apart children[DEVICES_MAX];
    struct tns_ctx until = *as->ctx;

    for (size_t i = 0; i < n; i++) {
        children[i] = (struct tns__apart){ 0 };
        if (stuck_check(as->sr, names[i], &errs[i]) == 0)
            ask_start(as, &names[i], 1, &children[i], &errs[i]);
    }
    tns__ctx_begin(&until, ALONE_MS);
    for (size_t i = 0; i < n; i++) {
        if (children[i].pid > 0)
            take_answer(as, &until, &children[i], names[i], &ids[i], &errs[i]);
    }
}

static void scsi_identify_all(struct tns_scsi *scsi, struct tns_sysroot *sr,
                              const struct tns_ctx *ctx, const char *const names[],
                              size_t n, bool with_serial, struct tns_scsi_id ids[],
                              struct tns_error errs[])
{
    struct tns_error err = TNS_ERROR_INIT;
    struct asking as = { .sr = sr, .ctx = ctx, .with_serial = with_serial };
    bool is_clean = !tns__sysroot_exists(sr, TNS__STUCK_DIR);

    (void)scsi;
    for (size_t i = 0; i < n; i++) {
        if (n > DEVICES_MAX || !tns__is_devname(names[i]))
            tns__error_set(&err, TNS_E_USAGE, "\"%s\" is not a device to ask", names[i]);
    }
    if (err.code) {
        fail_all(errs, n, &err);
        return;
    }
    if (!is_clean || !ask_together(&as, names, n, ids, errs))
        ask_each(&as, names, n, ids, errs);
}

static int scsi_identify(struct tns_scsi *scsi, struct tns_sysroot *sr,
                         const struct tns_ctx *ctx, const char *devname,
                         struct tns_scsi_id *ret, struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    struct tns_scsi_id id;

    scsi_identify_all(scsi, sr, ctx, &devname, 1, true, &id, &mine);
    if (mine.code)
        return tns__error_copy(err, &mine);
    *ret = id;
    return 0;
}

/* ---- who holds it in the kernel ---- */

struct claim {
    const struct tns_sysroot *sr;
    char path[40];
};

/* Whoever has claimed the device keeps others from claiming it: no list of the kernel's tells of btrfs, ZFS
 * or an export. */
static void claim_main(void *arg, int reply_fd)
{
    const struct claim *c = arg;
    bool is_claimed;

    prctl(PR_SET_NAME, TNS__ASKER);
    is_claimed =
        tns__sysroot_openat(c->sr, c->path, O_RDONLY | O_NONBLOCK | O_EXCL, 0) == -EBUSY;
    if (write(reply_fd, &is_claimed, sizeof(is_claimed)) < 0)
        _exit(1);
}

static bool scsi_is_claimed(struct tns_scsi *scsi, struct tns_sysroot *sr,
                            const struct tns_ctx *ctx, const char *devname)
{
    _tns_apart_ struct tns__apart child = { 0 };
    struct claim c = { .sr = sr };
    struct tns_ctx soon = *ctx;
    bool is_claimed = false;

    (void)scsi;
    tns__fmt(c.path, sizeof(c.path), "/dev/%.31s", devname);
    if (!tns__is_devname(devname) ||
        tns__apart_start(&child, tns__sysroot_fd(sr), claim_main, &c, NULL) < 0)
        return false;
    tns__ctx_begin(&soon, TOGETHER_MS);
    if (tns__apart_read(&child, &soon, &is_claimed, sizeof(is_claimed), devname, NULL) < 0)
        return false;
    tns__apart_done(&child);
    return is_claimed;
}

struct tns_scsi *tns__scsi_real(void)
{
    static struct tns_scsi real = { .identify = scsi_identify,
                                    .identify_all = scsi_identify_all,
                                    .is_claimed = scsi_is_claimed };

    return &real;
}
