/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: between fork and exec only async-signal-safe calls, and nothing is inherited. */
#include "base/runner_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALONE_S 120

enum { FD_STATUS = 3, FD_FIRST_FOREIGN = 4 };

static char *const keeper_env[] = {
    (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" },
    (char[]){ "LC_ALL=C" },
    NULL,
};

static void keeper_close_from(int first)
{
    struct rlimit limit;
    int last = 65536;

    if (close_range((unsigned)first, ~0u, 0) == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)last)
        last = (int)limit.rlim_cur;
    for (int fd = first; fd < last; fd++)
        close(fd);
}

/* Pipes may sit on 0 to 3 when the host program closed its own: move them out of the way. */
static int keeper_move_up(int fd)
{
    return fcntl(fd, F_DUPFD, FD_FIRST_FOREIGN);
}

static int keeper_set_fds(const struct tns__run_pipes *pipes)
{
    int status = keeper_move_up(pipes->status);
    int out = keeper_move_up(pipes->out);
    int err = keeper_move_up(pipes->err);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0 && null < FD_FIRST_FOREIGN)
        null = keeper_move_up(null);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0 || dup2(status, FD_STATUS) < 0)
        return -1;
    keeper_close_from(FD_FIRST_FOREIGN);
    return fcntl(FD_STATUS, F_SETFD, FD_CLOEXEC);
}

static void keeper_default_signals(void)
{
    struct sigaction dfl;

    memset(&dfl, 0, sizeof(dfl));
    dfl.sa_handler = SIG_DFL;
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL); /* KILL, STOP and libc's own two refuse, rightly */
}

static void keeper_report(int exec_errno, int wait_status)
{
    struct tns__run_status report = { .exec_errno = exec_errno,
                                      .wait_status = wait_status };
    ssize_t n;

    do
        n = write(FD_STATUS, &report, sizeof(report));
    while (n < 0 && errno == EINTR);
    _exit(n == (ssize_t)sizeof(report) ? 0 : 1);
}

/* Both outlive exec: nobody may read its output any more, nor be there to end it. */
static void keeper_set_free(void)
{
    struct sigaction ignore;

    memset(&ignore, 0, sizeof(ignore));
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
    alarm(ALONE_S);
}

static void keeper_exec(const char *const argv[], bool lets_end)
{
    sigset_t none;

    if (lets_end)
        keeper_set_free();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/") == 0)
        execve(argv[0], (char *const *)(const void *)argv, keeper_env);
    keeper_report(errno, 0);
}

/* Runs with every signal blocked: only KILL to the group reaches the keeper itself. */
static void keeper_main(const char *const argv[], const struct tns__run_pipes *pipes,
                        bool lets_end)
{
    int wait_status;
    pid_t child;

    setpgid(0, 0);
    keeper_default_signals();
    if (keeper_set_fds(pipes) < 0)
        _exit(1);

    child = _Fork();
    if (child == 0)
        keeper_exec(argv, lets_end);
    if (child < 0)
        keeper_report(errno, 0);

    /* the caller shall see the end of the output when the program ends, not when we do */
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    while (waitpid(child, &wait_status, 0) < 0) {
        if (errno != EINTR)
            keeper_report(errno, 0);
    }
    keeper_report(0, wait_status);
}

pid_t tns__run_keeper(const char *const argv[], const struct tns__run_pipes *pipes,
                      bool lets_end)
{
    sigset_t all, before;
    pid_t pid;
    int saved;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* not fork(): the handlers that other libraries registered have no business in the keeper */
    pid = _Fork();
    if (pid == 0)
        keeper_main(argv, pipes, lets_end);
    saved = errno;
    if (pid > 0)
        setpgid(pid,
                pid); /* whoever comes first: the group is there before it is signalled */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -saved : pid;
}
