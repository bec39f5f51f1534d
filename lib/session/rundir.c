/* SPDX-License-Identifier: Apache-2.0 */
/* The run directory: what the processes of this node share, and nobody else may read or place. */
#include "session/session_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

static int check_owner(int fd, const char *path, struct tns_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return tns__error_errno(err, TNS_E_CONFIG, errno, "run_dir: %s", path);
    if (st.st_uid != geteuid())
        return tns__error_set(err, TNS_E_CONFIG,
                              "run_dir: %s belongs to user %u, not to %u; remove it", path,
                              (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & 077)
        return tns__error_set(
            err, TNS_E_CONFIG,
            "run_dir: %s has mode %04o; others must have no access (chmod 700)", path,
            (unsigned)(st.st_mode & 07777));
    return 0;
}

int tns__rundir_open(const char *path, int *ret_fd, struct tns_error *err)
{
    _tns_close_ int fd = -1;
    int rc;

    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return tns__error_errno(err, TNS_E_CONFIG, errno, "run_dir: cannot make %s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return tns__error_set(err, TNS_E_CONFIG,
                              "run_dir: %s is no directory (a symlink is not "
                              "followed)",
                              path);
    if (fd < 0)
        return tns__error_errno(err, TNS_E_CONFIG, errno, "run_dir: cannot open %s", path);
    rc = check_owner(fd, path, err);
    if (rc)
        return rc;
    *ret_fd = TNS_STEAL_FD(fd);
    return 0;
}

int tns__rundir_read(int dirfd, const char *name, char *buf, size_t cap,
                     struct tns_error *err)
{
    _tns_close_ int fd =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    ssize_t n;

    if (fd < 0)
        return tns__error_errno(err, errno == ENOENT ? TNS_E_NOTFOUND : TNS_E_DEVICE, errno,
                                "cannot open %s in the run directory", name);
    n = read(fd, buf, cap - 1);
    if (n < 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno,
                                "cannot read %s in the run directory", name);
    buf[n] = '\0';
    return 0;
}

static int write_whole(int fd, const char *text)
{
    size_t len = strlen(text);
    ssize_t n = write(fd, text, len);

    if (n < 0)
        return errno;
    return (size_t)n == len ? 0 : ENOSPC;
}

int tns__rundir_write(int dirfd, const char *name, const char *text, struct tns_error *err)
{
    char temp[96];
    int fd, sys;

    if (!tns__fmt(temp, sizeof temp, "%s.%d.tmp", name, (int)getpid()))
        return tns__error_set(err, TNS_E_BUG, "file name too long: %s", name);
    fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno,
                                "cannot make %s in the run directory", temp);
    sys = write_whole(fd, text);
    close(fd);
    if (!sys && renameat(dirfd, temp, dirfd, name) != 0)
        sys = errno;
    if (!sys)
        return 0;
    unlinkat(dirfd, temp, 0);
    return tns__error_errno(err, TNS_E_DEVICE, sys, "cannot write %s in the run directory",
                            name);
}

/* True when the file that fd is open on is still the one of that name. */
static bool still_there(int dirfd, const char *name, int fd)
{
    struct stat mine, named;

    return fstat(fd, &mine) == 0 &&
           fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

int tns__rundir_lock(const struct tns_ctx *ctx, int dirfd, const char *name, int *ret_fd,
                     struct tns_error *err)
{
    char what[80];

    tns__fmt(what, sizeof what, "the lock %s in the run directory", name);
    for (unsigned attempt = 0;; attempt++) {
        _tns_close_ int fd =
            openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        struct tns_error late = TNS_ERROR_INIT;

        if (fd < 0)
            return tns__error_errno(err, TNS_E_DEVICE, errno, "cannot open %s", what);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (!still_there(dirfd, name, fd))
                continue;
            *ret_fd = TNS_STEAL_FD(fd);
            return 0;
        }
        if (errno != EWOULDBLOCK && errno != EINTR)
            return tns__error_errno(err, TNS_E_DEVICE, errno, "cannot lock %s", what);
        if (tns__ctx_backoff(ctx, tns__backoff_ms(2, attempt, 50), what, &late) ||
            tns__ctx_check(ctx, what, &late))
            return tns__error_is(&late, TNS_E_CANCELLED)
                       ? tns__error_copy(err, &late)
                       : tns__error_set(err, TNS_E_BUSY, "%s is held by another process",
                                        what);
    }
}
