/* SPDX-License-Identifier: Apache-2.0 */
/* Who has a block device open: file systems, swap, loop devices, processes, and the file systems of containers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/broken.h"
#include "base/json.h"
#include "device/holders_priv.h"

#define MOUNTS_MAX (16u << 20)

static bool is_of_family(const struct tns__family *f, const char *link)
{
    if (!tns__starts_with(link, "/dev/"))
        return false;
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(link + 5, f->dev[i]) == 0)
            return true;
    }
    return false;
}

static bool has_number(const struct tns__family *f, const char *number)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(number, f->number[i]) == 0)
            return true;
    }
    return false;
}

/* ---- mounts, swap and loop devices ---- */

/* Tells every mount of the family in a mountinfo; `whose` says which process sees it, or nothing. */
static int tell_mounts(struct tns__family *f, char *mountinfo, const char *whose,
                       struct tns_error *err)
{
    char *save = NULL;

    for (char *line = strtok_r(mountinfo, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char number[16], point[200];

        if (sscanf(line, "%*d %*d %15s %*s %199s", number, point) != 2)
            continue;
        if (has_number(f, number) &&
            tns__tell(f->openers, "the file system mounted at %s%s", point, whose) < 0)
            return tns__error_nomem(err);
    }
    return 0;
}

int tns__find_mounts(struct tns_node *node, struct tns__family *f, struct tns_error *err)
{
    _tns_free_ char *text = NULL;
    int rc =
        tns__sysroot_slurp(node->sr, MOUNTS_MAX, &text, NULL, err, "/proc/self/mountinfo");

    return rc < 0 ? rc : tell_mounts(f, text, "", err);
}

int tns__find_swaps(struct tns_node *node, struct tns__family *f, struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_free_ char *text = NULL;
    char *save = NULL;
    int rc = tns__sysroot_slurp(node->sr, 1u << 20, &text, NULL, &mine, "/proc/swaps");

    /* a kernel without swap has no such file */
    if (rc < 0)
        return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &mine);
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char device[64];

        if (sscanf(line, "%63s", device) == 1 && is_of_family(f, device) &&
            tns__tell(f->openers, "swap on %s", device) < 0)
            return tns__error_nomem(err);
    }
    return 0;
}

/* "" of a loop device that stands on nothing, or does no longer. */
static int loop_file(struct tns_node *node, const char *dev, char ret[128],
                     struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    int rc = tns__sysroot_read(node->sr, ret, 128, &mine,
                               "/sys/class/block/%s/loop/backing_file", dev);

    if (rc == 0)
        return 0;
    ret[0] = '\0';
    return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &mine);
}

/* One that losetup made reads through the kernel: no process has the device open. */
int tns__find_loops(struct tns_node *node, struct tns__family *f, struct tns_error *err)
{
    _tns_strv_ char **devs = NULL;
    int rc = tns__sysroot_list(node->sr, &devs, err, "/sys/class/block");

    for (char **dev = devs; rc == 0 && *dev; dev++) {
        char file[128];

        if (!tns__starts_with(*dev, "loop"))
            continue;
        rc = loop_file(node, *dev, file, err);
        if (rc == 0 && is_of_family(f, file) &&
            tns__tell(f->openers, "the loop device %s (losetup -d /dev/%s)", *dev, *dev) <
                0)
            rc = tns__error_nomem(err);
    }
    return rc;
}

/* ---- processes ---- */

/* multipathd watches its paths, udev and a map of ours look at a device for a moment: all let go by
 * themselves. */
static bool lets_go(const char *comm)
{
    static const char *const names[] = { "multipathd", "systemd-udevd", "(udev-worker)",
                                         "udevd", TNS__ASKER };

    for (size_t i = 0; i < TNS_ARRAY_LEN(names); i++) {
        if (strcmp(comm, names[i]) == 0)
            return true;
    }
    return false;
}

static void read_comm(struct tns_node *node, const char *pid, char ret[64])
{
    if (tns__sysroot_read(node->sr, ret, 64, NULL, "/proc/%s/comm", pid) < 0)
        snprintf(ret, 64, "?");
}

static bool parent_of(struct tns_node *node, const char *pid, char ret[16])
{
    char text[1024];
    const char *at;

    if (tns__sysroot_read(node->sr, text, sizeof(text), NULL, "/proc/%s/status", pid) < 0)
        return false;
    at = strstr(text, "\nPPid:");
    return at && sscanf(at, "\nPPid: %15[0-9]", ret) == 1;
}

/* What udev's rules run (multipath -u, blkid, scsi_id, ...) is as passing as udev itself. */
static bool is_bystander(struct tns_node *node, const char *pid, const char *comm)
{
    char parent[16], its_comm[64];

    if (lets_go(comm))
        return true;
    if (!parent_of(node, pid, parent))
        return false;
    read_comm(node, parent, its_comm);
    return strcmp(its_comm, "multipathd") != 0 && lets_go(its_comm);
}

/* A container's node for it, or one that was removed meanwhile, has another name. Asked without a word to
 * the file's server: one that is away would hold us up. */
static bool is_node_of_family(const struct tns__family *f, int dir, const char *fd)
{
    struct statx st;
    char number[24];

    if (statx(dir, fd, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0 ||
        !S_ISBLK(st.stx_mode))
        return false;
    snprintf(number, sizeof(number), "%u:%u", st.stx_rdev_major, st.stx_rdev_minor);
    return has_number(f, number);
}

/* A process ends while we look at it. Whatever else keeps us from looking must not pass for an idle one. */
static int gone_or(const struct tns_error *why, struct tns_error *err)
{
    return why->code == TNS_E_NOTFOUND || why->sys_errno == ESRCH
               ? 0
               : tns__error_copy(err, why);
}

/* 1 when it is the device that we look for. */
static int look_at_fd(const struct tns__family *f, int dir, const char *fd,
                      struct tns_error *err)
{
    char link[128];
    ssize_t len = readlinkat(dir, fd, link, sizeof(link) - 1);

    if (len < 0)
        return errno == ENOENT ? 0
                               : tns__error_errno(err, TNS_E_DEVICE, errno,
                                                  "cannot see what a process has open");
    link[len] = '\0';
    /* sockets, pipes and the like begin otherwise */
    return link[0] == '/' && (is_of_family(f, link) || is_node_of_family(f, dir, fd));
}

/* 1 when it has. */
static int has_open(struct tns_node *node, const struct tns__family *f, const char *pid,
                    struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    _tns_strv_ char **fds = NULL;
    _tns_close_ int dir = -1;
    int rc = tns__sysroot_list(node->sr, &fds, &why, "/proc/%s/fd", pid);

    if (rc == 0)
        rc = tns__sysroot_openfd(node->sr, O_PATH | O_DIRECTORY, 0, &dir, &why,
                                 "/proc/%s/fd", pid);
    for (char **fd = fds; rc == 0 && *fd; fd++)
        rc = look_at_fd(f, dir, *fd, &why);
    return rc < 0 ? gone_or(&why, err) : rc;
}

/* A container mounts its volumes where nobody else sees them. One look for each mount namespace; `seen`
 * holds those that were looked at, ours among them. */
static int find_far_mounts(struct tns_node *node, struct tns__family *f, const char *pid,
                           json_t *seen, struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    _tns_free_ char *text = NULL;
    char ns[64], comm[64], whose[128];

    if (tns__is_broken("containers"))
        return 0;
    if (tns__sysroot_readlink(node->sr, ns, sizeof(ns), &why, "/proc/%s/ns/mnt", pid) < 0)
        return gone_or(&why, err);
    if (json_object_get(seen, ns))
        return 0;
    if (tns__sysroot_slurp(node->sr, MOUNTS_MAX, &text, NULL, &why, "/proc/%s/mountinfo",
                           pid) < 0)
        return why.sys_errno == EINVAL ? 0 : gone_or(&why, err); /* a zombie by now */
    if (json_object_set_new(seen, ns, json_true()) < 0)
        return tns__error_nomem(err);
    read_comm(node, pid, comm);
    snprintf(whose, sizeof(whose), " for process %.20s (%s)", pid, comm);
    return tell_mounts(f, text, whose, err);
}

static int look_at_process(struct tns_node *node, struct tns__family *f, const char *pid,
                           json_t *seen, struct tns_error *err)
{
    char comm[64];
    int rc = has_open(node, f, pid, err);

    if (rc < 0)
        return rc;
    if (rc > 0) {
        read_comm(node, pid, comm);
        if (!is_bystander(node, pid, comm) &&
            tns__tell(f->openers, TNS__PROCESS "%s (%s)", pid, comm) < 0)
            return tns__error_nomem(err);
    }
    return find_far_mounts(node, f, pid, seen, err);
}

int tns__find_openers(struct tns_node *node, struct tns__family *f, struct tns_error *err)
{
    _tns_strv_ char **pids = NULL;
    _tns_json_ json_t *seen = json_object();
    char ns[64];
    int rc =
        seen ? tns__sysroot_list(node->sr, &pids, err, "/proc") : tns__error_nomem(err);

    if (rc == 0 &&
        tns__sysroot_readlink(node->sr, ns, sizeof(ns), NULL, "/proc/self/ns/mnt") == 0 &&
        json_object_set_new(seen, ns, json_true()) < 0)
        rc = tns__error_nomem(err);
    for (char **pid = pids; rc == 0 && *pid; pid++) {
        uint64_t number;

        if (tns__parse_u64(*pid, &number))
            rc = look_at_process(node, f, *pid, seen, err);
    }
    return rc;
}
