/* SPDX-License-Identifier: Apache-2.0 */
/* A child for one blocking thing: reply by pipe, killed or abandoned at the deadline. */
#include "device/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define KILL_MS 200

static void close_between(int first, int last)
{
    if (first <= last)
        close_range((unsigned)first, (unsigned)last, 0);
}

/* 0 to 2 go as well: a task of the host program ends only when its output is closed everywhere. The
 * child's own end of the pipe for reading may stay. */
static _Noreturn void child_main(const int pipe_fds[2], int keep_fd, tns__apart_fn fn,
                                 void *arg)
{
    int reply_fd = pipe_fds[1];
    int low = keep_fd >= 0 && keep_fd < reply_fd ? keep_fd : reply_fd;
    int high = keep_fd > reply_fd ? keep_fd : reply_fd;

    close_between(0, low - 1);
    if (high - low > 2 || pipe_fds[0] != low + 1)
        close_between(low + 1, high - 1);
    close_range((unsigned)high + 1, ~0u, 0);
    fn(arg, reply_fd);
    _exit(0);
}

int tns__apart_start(struct tns__apart *a, int keep_fd, tns__apart_fn fn, void *arg,
                     struct tns_error *err)
{
    sigset_t all, before;
    int fds[2], saved;
    pid_t pid;

    *a = (struct tns__apart){ .pid = -1, .fd = -1 };
    if (pipe2(fds, O_CLOEXEC) < 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno, "cannot make a pipe");

    /* the handlers of the host program must not run in the child */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = _Fork();
    if (pid == 0)
        child_main(fds, keep_fd, fn, arg);
    saved = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return tns__error_errno(err, TNS_E_DEVICE, saved, "cannot start a process");
    }
    *a = (struct tns__apart){ .pid = pid, .fd = fds[0] };
    return 0;
}

int tns__apart_read(struct tns__apart *a, const struct tns_ctx *ctx, void *buf, size_t len,
                    const char *what, struct tns_error *err)
{
    char *at = buf;

    while (len > 0) {
        ssize_t n;
        int rc = tns__ctx_poll(ctx, a->fd, POLLIN, what, err);

        if (rc < 0)
            return rc;
        n = read(a->fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tns__error_set(err, TNS_E_DEVICE,
                                  "%s: the process that asked ended early", what);
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

void tns__apart_done(struct tns__apart *a)
{
    while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(a->fd);
    *a = (struct tns__apart){ .pid = -1, .fd = -1 };
}

/* The host program may reap any child in a handler of its own: then it is gone as well. */
static bool is_reaped(pid_t pid)
{
    pid_t got;

    do
        got = waitpid(pid, NULL, WNOHANG);
    while (got < 0 && errno == EINTR);
    return got != 0;
}

bool tns__apart_end(struct tns__apart *a)
{
    struct tns_ctx grace = { 0 };
    bool is_gone;

    if (a->pid <= 0)
        return true;
    kill(a->pid, SIGKILL);
    tns__ctx_begin(&grace, KILL_MS);
    for (;;) {
        is_gone = is_reaped(a->pid);
        if (is_gone || tns__ctx_left_ms(&grace) == 0)
            break;
        poll(NULL, 0, 1);
    }
    tns__closep(&a->fd);
    *a = (struct tns__apart){ .pid = -1, .fd = -1 };
    return is_gone;
}

void tns__apart_endp(struct tns__apart *a)
{
    tns__apart_end(a);
}
