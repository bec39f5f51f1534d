/* SPDX-License-Identifier: Apache-2.0 */
/* Opening paths below a root directory, confined by the kernel when it is a recorded tree. */
#include "base/sysroot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sysroot_priv.h"

int tns__sysroot_open(const char *root, struct tns_sysroot **ret, struct tns_error *err)
{
    _tns_sysroot_ struct tns_sysroot *sr = tns__alloc(sizeof(*sr));

    if (!sr)
        return tns__error_nomem(err);

    sr->is_real = strcmp(root, "/") == 0;
    sr->fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sr->fd < 0)
        return tns__sysroot_fail(err, errno, "open", root);

    *ret = TNS_STEAL(sr);
    return 0;
}

void tns__sysroot_close(struct tns_sysroot *sr)
{
    if (!sr)
        return;
    if (sr->fd >= 0)
        close(sr->fd);
    tns__free(sr);
}

void tns__sysroot_closep(struct tns_sysroot **sr)
{
    tns__sysroot_close(*sr);
}

void tns__sysroot_trace(struct tns_sysroot *sr, tns_sysroot_trace_fn fn, void *user)
{
    sr->trace_fn = fn;
    sr->trace_user = user;
}

int tns__sysroot_fail(struct tns_error *err, int sys_errno, const char *verb,
                      const char *path)
{
    /* ENODEV: it was opened, and what it tells of has gone since */
    int code = sys_errno == ENOENT || sys_errno == ENODEV ? TNS_E_NOTFOUND : TNS_E_DEVICE;

    return tns__error_errno(err, code, sys_errno, "cannot %s %s", verb, path);
}

int tns__sysroot_path(struct tns_sysroot *sr, const char *verb, char ret[PATH_MAX],
                      struct tns_error *err, const char *fmt, va_list ap)
{
    int len = vsnprintf(ret, PATH_MAX, fmt, ap);

    if (len < 0 || len >= PATH_MAX)
        return tns__error_set(err, TNS_E_USAGE, "cannot %s a path of more than %d bytes",
                              verb, PATH_MAX - 1);
    if (ret[0] != '/')
        return tns__error_set(err, TNS_E_USAGE, "cannot %s %s: the path is not absolute",
                              verb, ret);
    if (sr->trace_fn)
        sr->trace_fn(sr->trace_user, verb, ret);
    return 0;
}

int tns__sysroot_fd(const struct tns_sysroot *sr)
{
    return sr->fd;
}

/* A recorded tree holds symlinks, absolute ones too, that must resolve inside of it: only the
 * kernel can do that without a race. The real root needs no confinement. */
int tns__sysroot_openat(const struct tns_sysroot *sr, const char *path, int flags,
                        mode_t mode)
{
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    do {
        if (sr->is_real)
            fd = openat(sr->fd, path, flags | O_CLOEXEC, mode);
        else
            fd = syscall(SYS_openat2, sr->fd, path, &how, sizeof(how));
        /* openat2 answers EAGAIN when a rename raced with a ".." */
    } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && !sr->is_real)));

    return fd < 0 ? -errno : (int)fd;
}

/* Every directory of dir that is missing; the ones that are there stay as they are. */
static int sysroot_make_dirs(const struct tns_sysroot *sr, const char *dir, mode_t mode)
{
    char path[PATH_MAX];

    for (const char *slash = strchr(dir + 1, '/');; slash = strchr(slash + 1, '/')) {
        size_t len = slash ? (size_t)(slash - dir) : strlen(dir);
        _tns_close_ int up = -1;
        char *name;

        memcpy(path, dir, len);
        path[len] = '\0';
        name = strrchr(path, '/');
        *name++ = '\0';
        up = tns__sysroot_openat(sr, path[0] ? path : "/", O_PATH | O_DIRECTORY, 0);
        if (up < 0)
            return up;
        if (*name && mkdirat(up, name, mode) < 0 && errno != EEXIST)
            return -errno;
        if (!slash)
            return 0;
    }
}

static int sysroot_open_dir(const struct tns_sysroot *sr, const char *dir, mode_t make_mode)
{
    int fd = tns__sysroot_openat(sr, dir, O_PATH | O_DIRECTORY, 0);
    int rc;

    if (fd != -ENOENT || !make_mode)
        return fd;
    rc = sysroot_make_dirs(sr, dir, make_mode);
    return rc < 0 ? rc : tns__sysroot_openat(sr, dir, O_PATH | O_DIRECTORY, 0);
}

int tns__sysroot_enter(struct tns_sysroot *sr, const char *verb, mode_t make_mode,
                       struct tns__sysroot_entry *ret, struct tns_error *err,
                       const char *fmt, va_list ap)
{
    char dir[PATH_MAX];
    char *slash;
    int rc;

    ret->dir_fd = -1;
    rc = tns__sysroot_path(sr, verb, ret->path, err, fmt, ap);
    if (rc < 0)
        return rc;

    slash = strrchr(ret->path, '/');
    ret->name = slash + 1;
    if (!*ret->name || strcmp(ret->name, ".") == 0 || strcmp(ret->name, "..") == 0)
        return tns__error_set(err, TNS_E_USAGE,
                              "cannot %s %s: the path does not end in a name", verb,
                              ret->path);

    memcpy(dir, ret->path, (size_t)(slash - ret->path) + 1);
    dir[slash == ret->path ? 1 : slash - ret->path] = '\0';
    ret->dir_fd = sysroot_open_dir(sr, dir, make_mode);
    if (ret->dir_fd < 0)
        return tns__sysroot_fail(err, -ret->dir_fd, verb, ret->path);
    return 0;
}

void tns__sysroot_leave(struct tns__sysroot_entry *at)
{
    if (at->dir_fd >= 0)
        close(at->dir_fd);
}

int tns__sysroot_openfd(struct tns_sysroot *sr, int flags, mode_t mode, int *ret_fd,
                        struct tns_error *err, const char *fmt, ...)
{
    char path[PATH_MAX];
    int rc, fd;

    TNS__VARARGS(rc, fmt, tns__sysroot_path(sr, "open", path, err, fmt, ap));
    if (rc < 0)
        return rc;

    fd = tns__sysroot_openat(sr, path, flags, mode);
    if (fd < 0)
        return tns__sysroot_fail(err, -fd, "open", path);
    *ret_fd = fd;
    return 0;
}

bool tns__sysroot_exists(struct tns_sysroot *sr, const char *fmt, ...)
{
    char path[PATH_MAX];
    int rc, fd;

    TNS__VARARGS(rc, fmt, tns__sysroot_path(sr, "stat", path, NULL, fmt, ap));
    if (rc < 0)
        return false;

    fd = tns__sysroot_openat(sr, path, O_PATH, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}
