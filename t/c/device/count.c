/* SPDX-License-Identifier: Apache-2.0 */
/* A small strace -f -c: every system call between two marks, in a child and its children. */
#include "device/count.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A call that nothing in the library makes, with an argument that tells the mark. */
#define MARK_CALL SYS_getpriority
#define MARK_BEGIN 0x6d61726bu
#define MARK_END 0x6d61726cu
#define TRACEES_MAX 64

struct counting {
    int calls, execs;
    bool is_on;
    bool verbose;
};

static _Noreturn void tracee(int (*fn)(void *user), void *user)
{
    int rc;

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(77);
    raise(SIGSTOP);
    syscall(MARK_CALL, MARK_BEGIN, 0);
    rc = fn(user);
    syscall(MARK_CALL, MARK_END, 0);
    _exit(rc == 0 ? 0 : 1);
}

static void on_syscall(struct counting *c, pid_t pid)
{
    struct __ptrace_syscall_info info;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return;
    if (info.entry.nr == MARK_CALL && info.entry.args[0] == MARK_BEGIN) {
        c->is_on = true;
        return;
    }
    if (info.entry.nr == MARK_CALL && info.entry.args[0] == MARK_END)
        c->is_on = false;
    if (!c->is_on)
        return;
    c->calls++;
    c->execs += info.entry.nr == SYS_execve;
    if (c->verbose)
        fprintf(stderr, "# %d: syscall %d\n", (int)pid, (int)info.entry.nr);
}

/* Lets every tracee run from stop to stop until the first one has ended; its status. */
static int trace_all(struct counting *c, pid_t first)
{
    int status, result = -1;
    pid_t pid;

    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        int sig = 0;

        if (pid < 0)
            continue;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid == first)
                result = status;
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            on_syscall(c, pid);
        else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
            sig = WSTOPSIG(status);
        ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
    }
    return result;
}

int count_syscalls(int (*fn)(void *user), void *user, int *ret_execs)
{
    struct counting c = { .verbose = getenv("TNS_TEST_SYSCALLS") != NULL };
    pid_t pid = fork();
    int status;

    if (pid == 0)
        tracee(fn, user);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
        return -1;
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
               (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                        PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) < 0)
        return -1;
    ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    status = trace_all(&c, pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return -1;
    *ret_execs = c.execs;
    return c.calls;
}
