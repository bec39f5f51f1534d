/* SPDX-License-Identifier: Apache-2.0 */
/* Changing things below a sysroot: whole or not at all, and never through a half-made name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sysroot_priv.h"

#define LOCK_RETRY_MAX_MS 20

int tns__sysroot_write(struct tns_sysroot *sr, const char *text, struct tns_error *err,
                       const char *fmt, ...)
{
    char path[PATH_MAX];
    _tns_close_ int fd = -1;
    size_t len = strlen(text);
    ssize_t n;
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_path(sr, "write", path, err, fmt, ap));
    if (rc < 0)
        return rc;

    fd = tns__sysroot_openat(sr, path, O_WRONLY | O_NOCTTY, 0);
    if (fd < 0)
        return tns__sysroot_fail(err, -fd, "write", path);
    /* a sysfs attribute takes its value in one write, or not at all */
    n = write(fd, text, len);
    if (n < 0)
        return tns__sysroot_fail(err, errno, "write", path);
    return (size_t)n == len ? 0 : tns__sysroot_fail(err, EIO, "write", path);
}

/* A name beside the final one that nobody else uses. */
static void temp_name(char ret[NAME_MAX + 1], const char *name)
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        random = tns__now_ns();
    snprintf(ret, NAME_MAX + 1, ".%.200s.%d.%016llx", name, (int)getpid(),
             (unsigned long long)random);
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_new(int dir_fd, const char *name, const void *bytes, size_t len,
                     mode_t mode)
{
    _tns_close_ int fd =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    int rc;

    if (fd < 0)
        return -errno;
    rc = write_all(fd, bytes, len);
    /* the mode asked for, whatever the umask of the host program is */
    if (rc == 0 && fchmod(fd, mode) < 0)
        rc = -errno;
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    return rc;
}

/* A new name is durable only with its directory; an O_PATH fd cannot be synced. */
static int sync_dir(int dir_fd)
{
    _tns_close_ int dir = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

/* What is to stand under a name: a symlink to target, or else a file. */
struct content {
    const char *target;
    const void *bytes;
    size_t len;
    mode_t mode;
};

/* Nobody ever sees it half made: it is made beside, and takes the name in one step. */
static int place(const struct tns__sysroot_entry *at, const char *verb,
                 const struct content *what, struct tns_error *err)
{
    char temp[NAME_MAX + 1];
    int rc;

    temp_name(temp, at->name);
    if (what->target)
        rc = symlinkat(what->target, at->dir_fd, temp) < 0 ? -errno : 0;
    else
        rc = write_new(at->dir_fd, temp, what->bytes, what->len, what->mode);
    if (rc == 0 && renameat(at->dir_fd, temp, at->dir_fd, at->name) < 0)
        rc = -errno;
    if (rc == 0 && !what->target)
        rc = sync_dir(at->dir_fd);
    if (rc == 0)
        return 0;
    unlinkat(at->dir_fd, temp, 0);
    return tns__sysroot_fail(err, -rc, verb, at->path);
}

int tns__sysroot_replace(struct tns_sysroot *sr, const void *bytes, size_t len, mode_t mode,
                         struct tns_error *err, const char *fmt, ...)
{
    const struct content what = { .bytes = bytes, .len = len, .mode = mode };
    _tns_entry_ struct tns__sysroot_entry at = { .dir_fd = -1 };
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "replace", 0700, &at, err, fmt, ap));
    return rc < 0 ? rc : place(&at, "replace", &what, err);
}

static int enter_temp(struct tns_sysroot *sr, struct tns__sysroot_entry *ret,
                      struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int enter_temp(struct tns_sysroot *sr, struct tns__sysroot_entry *ret,
                      struct tns_error *err, const char *fmt, ...)
{
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "make", 0700, ret, err, fmt, ap));
    return rc;
}

/* The second half of replacing: the temporary file takes the name. */
static int move_to(const struct tns__sysroot_entry *temp,
                   const struct tns__sysroot_entry *at, struct tns_error *err)
{
    int rc = renameat(temp->dir_fd, temp->name, at->dir_fd, at->name) < 0 ? -errno : 0;

    if (rc == 0)
        rc = sync_dir(at->dir_fd);
    return rc < 0 ? tns__sysroot_fail(err, -rc, "replace", at->path) : 0;
}

int tns__sysroot_replace_by(struct tns_sysroot *sr, const char *temp_path,
                            const void *bytes, size_t len, mode_t mode,
                            struct tns_error *err, const char *fmt, ...)
{
    _tns_entry_ struct tns__sysroot_entry temp = { .dir_fd = -1 }, at = { .dir_fd = -1 };
    int rc = enter_temp(sr, &temp, err, "%s", temp_path);

    if (rc < 0)
        return rc;
    rc = write_new(temp.dir_fd, temp.name, bytes, len, mode);
    if (rc < 0)
        rc = tns__sysroot_fail(err, -rc, "make", temp.path);
    /* entered only now, so that a trace shows the moment when both are there */
    if (rc == 0)
        TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "replace", 0700, &at, err, fmt, ap));
    if (rc == 0)
        rc = move_to(&temp, &at, err);
    if (rc < 0)
        unlinkat(temp.dir_fd, temp.name, 0);
    return rc;
}

int tns__sysroot_symlink(struct tns_sysroot *sr, const char *target, struct tns_error *err,
                         const char *fmt, ...)
{
    const struct content what = { .target = target };
    _tns_entry_ struct tns__sysroot_entry at = { .dir_fd = -1 };
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "symlink", 0755, &at, err, fmt, ap));
    return rc < 0 ? rc : place(&at, "place symlink", &what, err);
}

int tns__sysroot_unlink(struct tns_sysroot *sr, struct tns_error *err, const char *fmt, ...)
{
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_entry_ struct tns__sysroot_entry at = { .dir_fd = -1 };
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "unlink", 0, &at, &mine, fmt, ap));
    if (rc == -TNS_E_NOTFOUND)
        return 0;
    if (rc < 0)
        return tns__error_copy(err, &mine);

    if (unlinkat(at.dir_fd, at.name, 0) < 0 && errno != ENOENT)
        return tns__sysroot_fail(err, errno, "remove", at.path);
    return 0;
}

int tns__sysroot_mkdir(struct tns_sysroot *sr, mode_t mode, struct tns_error *err,
                       const char *fmt, ...)
{
    _tns_entry_ struct tns__sysroot_entry at = { .dir_fd = -1 };
    struct stat st;
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "mkdir", mode, &at, err, fmt, ap));
    if (rc < 0)
        return rc;

    if (mkdirat(at.dir_fd, at.name, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return tns__sysroot_fail(err, errno, "make directory", at.path);
    if (fstatat(at.dir_fd, at.name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return tns__sysroot_fail(err, ENOTDIR, "make directory", at.path);
    return 0;
}

/* Whether fd is still the file of that name: another process may have replaced it meanwhile. */
static bool is_still_there(int fd, const struct tns__sysroot_entry *at)
{
    struct stat mine, there;

    return fstat(fd, &mine) == 0 &&
           fstatat(at->dir_fd, at->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/* flock cannot be polled, so it is tried again, at growing intervals, up to the deadline. */
static int lock_wait(const struct tns_ctx *ctx, int fd, int how, const char *path,
                     struct tns_error *err)
{
    struct tns_error waiting = TNS_ERROR_INIT;
    unsigned pause_ms = 1;

    while (flock(fd, how | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return tns__sysroot_fail(err, errno, "lock", path);
        if (tns__ctx_backoff(ctx, pause_ms, path, &waiting) == -TNS_E_TIMEOUT)
            return tns__error_set(err, TNS_E_BUSY, "%s is locked by another process", path);
        if (waiting.code)
            return tns__error_copy(err, &waiting);
        if (pause_ms < LOCK_RETRY_MAX_MS)
            pause_ms *= 2;
    }
    return 0;
}

static int lock_as(const struct tns_ctx *ctx, int how, const struct tns__sysroot_entry *at,
                   int *ret_fd, struct tns_error *err)
{
    for (;;) {
        _tns_close_ int fd =
            openat(at->dir_fd, at->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        int rc;

        if (fd < 0)
            return tns__sysroot_fail(err, errno, "lock", at->path);
        rc = lock_wait(ctx, fd, how, at->path, err);
        if (rc < 0)
            return rc;
        if (is_still_there(fd, at)) {
            *ret_fd = TNS_STEAL_FD(fd);
            return 0;
        }
    }
}

int tns__sysroot_lock(struct tns_sysroot *sr, const struct tns_ctx *ctx, int *ret_fd,
                      struct tns_error *err, const char *fmt, ...)
{
    _tns_entry_ struct tns__sysroot_entry at = { .dir_fd = -1 };
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "lock", 0700, &at, err, fmt, ap));
    return rc < 0 ? rc : lock_as(ctx, LOCK_EX, &at, ret_fd, err);
}

int tns__sysroot_lock_shared(struct tns_sysroot *sr, const struct tns_ctx *ctx, int *ret_fd,
                             struct tns_error *err, const char *fmt, ...)
{
    _tns_entry_ struct tns__sysroot_entry at = { .dir_fd = -1 };
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "lock", 0700, &at, err, fmt, ap));
    return rc < 0 ? rc : lock_as(ctx, LOCK_SH, &at, ret_fd, err);
}
