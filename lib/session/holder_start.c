/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the session holder, or starting it. */

/*
 * Whoever comes first makes the socket, under a lock, and hands it to the program: so everybody can
 * connect at once, and two starters cannot both win.
 */
#include "session/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "session/session_priv.h"

#define BACKLOG 1024
#define LISTEN_FD 3
/* Starting takes some 20 ms; who waits longer had better log in by himself. */
#define START_MS 3000u

/* The address by way of the directory that was checked: no path is looked up again, and a long
 * one fits. */
static void address(int dirfd, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    tns__fmt(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/" TNS_HOLDER_SOCKET,
             dirfd);
}

static int new_socket(int *ret_fd, struct tns_error *err)
{
    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return *ret_fd >= 0
               ? 0
               : tns__error_errno(err, TNS_E_DEVICE, errno, "cannot make a socket");
}

/* Whoever listens there must be us, that is root on a node. */
static int check_peer(int fd, struct tns_error *err)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return tns__error_errno(err, TNS_E_TRANSPORT, errno, "session holder");
    if (peer.uid != geteuid())
        return tns__error_set(err, TNS_E_TRANSPORT, "the session holder runs as user %u",
                              (unsigned)peer.uid);
    return 0;
}

/* 0 and *ret_fd; 0 and -1 when nobody listens; -code. */
static int try_connect(int dirfd, int *ret_fd, struct tns_error *err)
{
    _tns_close_ int fd = -1;
    struct sockaddr_un addr;
    struct stat st;
    int rc;

    *ret_fd = -1;
    if (fstatat(dirfd, TNS_HOLDER_SOCKET, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT
                   ? 0
                   : tns__error_errno(err, TNS_E_DEVICE, errno, TNS_HOLDER_SOCKET);
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return tns__error_set(err, TNS_E_TRANSPORT,
                              TNS_HOLDER_SOCKET
                              " in the run directory is not a socket of ours");
    rc = new_socket(&fd, err);
    if (rc)
        return rc;
    address(dirfd, &addr);
    if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) != 0) {
        if (errno == ECONNREFUSED || errno == ENOENT)
            return 0;
        return tns__error_errno(err, errno == EAGAIN ? TNS_E_BUSY : TNS_E_TRANSPORT, errno,
                                "session holder");
    }
    rc = check_peer(fd, err);
    if (!rc)
        *ret_fd = TNS_STEAL_FD(fd);
    return rc;
}

static int make_listener(int dirfd, int *ret_fd, struct tns_error *err)
{
    _tns_close_ int fd = -1;
    struct sockaddr_un addr;
    int rc = new_socket(&fd, err);

    if (rc)
        return rc;
    /* try_connect saw, under the lock, that nobody listens on what may be there. */
    unlinkat(dirfd, TNS_HOLDER_SOCKET, 0);
    address(dirfd, &addr);
    if (bind(fd, (const struct sockaddr *)&addr, sizeof addr) != 0 ||
        fchmodat(dirfd, TNS_HOLDER_SOCKET, 0600, 0) != 0 || listen(fd, BACKLOG) != 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno,
                                "cannot listen on " TNS_HOLDER_SOCKET);
    *ret_fd = TNS_STEAL_FD(fd);
    return 0;
}

static int prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr,
                   int listen_fd)
{
    sigset_t none, all;
    int rc = 0;

    sigemptyset(&none);
    sigfillset(&all);
    for (int fd = 0; fd < 3 && !rc; fd++)
        rc = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(files, listen_fd, LISTEN_FD);
    if (!rc)
        rc = posix_spawn_file_actions_addclosefrom_np(files, LISTEN_FD + 1);
    if (!rc)
        rc = posix_spawnattr_setsigmask(attr, &none);
    if (!rc)
        rc = posix_spawnattr_setsigdefault(attr, &all);
    if (!rc)
        rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                POSIX_SPAWN_SETSIGDEF);
    return rc;
}

static int run_program(const struct tns_session *s, int listen_fd, pid_t *ret_pid)
{
    char *const argv[] = { s->conf.holder_path, (char[]){ "--run-dir" },
                           s->conf.run_dir,     (char[]){ "--listen-fd" },
                           (char[]){ "3" },     NULL };
    char *const envp[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" },
                           (char[]){ "LC_ALL=C" }, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&files);

    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (!rc) {
        rc = prepare(&files, &attr, listen_fd);
        if (!rc)
            rc = posix_spawn(ret_pid, s->conf.holder_path, &files, &attr, argv, envp);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* It leaves at once and lives on as a child of init. A host program that reaps all its children may
 * be faster; a program that stays is left to itself. */
static void reap(struct tns_session *s, pid_t pid)
{
    uint64_t before = tns__ctx_begin(&s->ctx, START_MS);

    for (unsigned attempt = 0; waitpid(pid, NULL, WNOHANG) == 0; attempt++) {
        if (tns__ctx_backoff(&s->ctx, tns__backoff_ms(2, attempt, 20), "the session holder",
                             NULL))
            break;
    }
    s->ctx.deadline_ns = before;
}

/* dup2 onto itself would keep FD_CLOEXEC in place, and the descriptor must not be one that the
 * actions before it replace: so it is moved out of the way first. */
static int spawn(struct tns_session *s, int listen_fd, struct tns_error *err)
{
    _tns_close_ int high = fcntl(listen_fd, F_DUPFD_CLOEXEC, 10);
    pid_t pid;
    int rc;

    if (high < 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno,
                                "cannot start the session holder");
    rc = run_program(s, high, &pid);
    if (rc)
        return tns__error_errno(err, TNS_E_DEVICE, rc, "cannot start %s",
                                s->conf.holder_path);
    reap(s, pid);
    return 0;
}

/* Under the lock: starts it unless somebody has done so meanwhile. */
static int start(struct tns_session *s, int *ret_fd, struct tns_error *err)
{
    _tns_close_ int lock = -1;
    _tns_close_ int listener = -1;
    uint64_t before = tns__ctx_begin(&s->ctx, START_MS);
    int rc = tns__rundir_lock(&s->ctx, s->dirfd, TNS_HOLDER_LOCK, &lock, NULL);

    s->ctx.deadline_ns = before;
    if (rc)
        return tns__error_set(err, TNS_E_DEVICE,
                              "the session holder is being started for too long");
    rc = try_connect(s->dirfd, ret_fd, err);
    if (rc || *ret_fd >= 0)
        return rc;
    if (access(s->conf.holder_path, X_OK) != 0)
        return tns__error_errno(err, TNS_E_NOTFOUND, errno, "%s", s->conf.holder_path);
    rc = make_listener(s->dirfd, &listener, err);
    if (!rc)
        rc = try_connect(s->dirfd, ret_fd, err);
    if (!rc)
        rc = spawn(s, listener, err);
    if (rc)
        unlinkat(s->dirfd, TNS_HOLDER_SOCKET, 0);
    if (rc && *ret_fd >= 0) {
        close(*ret_fd);
        *ret_fd = -1;
    }
    return rc;
}

int tns__holder_dial(struct tns_session *s, int *ret_fd, struct tns_error *err)
{
    for (unsigned attempt = 0;; attempt++) {
        struct tns_error why = TNS_ERROR_INIT;
        int fd = -1;
        int rc = try_connect(s->dirfd, &fd, &why);

        if (!rc && fd < 0)
            rc = start(s, &fd, &why);
        if (!rc) {
            *ret_fd = fd;
            return 0;
        }
        /* A full backlog: many came at the same moment. */
        if (why.code != TNS_E_BUSY || attempt >= 8)
            return tns__error_copy(err, &why);
        rc = tns__ctx_backoff(&s->ctx, tns__backoff_ms(5, attempt, 200),
                              "the session holder", err);
        if (rc)
            return rc;
    }
}
