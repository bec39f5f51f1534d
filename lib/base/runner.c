/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program: collects its output, obeys the deadline, and never waits without one. */
#include "base/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/runner_priv.h"

#define RUN_OUTPUT_MAX (1u << 20)
#define RUN_GRACE_MS 2000
#define RUN_KILL_MS 500
#define RUN_SLICE_MS 250

struct run_output {
    int fd;
    char *text;
    size_t len, cap;
};

struct run {
    pid_t pid;
    int pid_fd, status_fd;
    struct run_output out, err;
    struct tns__run_status status;
    bool is_over; /* the keeper reported, or is gone */
    bool has_status;
};

static void run_clear(struct run *run)
{
    tns__closep(&run->pid_fd);
    tns__closep(&run->status_fd);
    tns__closep(&run->out.fd);
    tns__closep(&run->err.fd);
    tns__free(run->out.text);
    tns__free(run->err.text);
}

#define _run_clear_ __attribute__((cleanup(run_clear)))

void tns__run_result_clear(struct tns_run_result *r)
{
    tns__free(r->out);
    tns__free(r->err);
    *r = (struct tns_run_result){ 0 };
}

/* Both ends CLOEXEC, so that no other thread's child holds ours open; the read end never blocks. */
static int run_pipe(int *ret_read, int *ret_write)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    *ret_read = fds[0];
    *ret_write = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int run_start(struct run *run, const char *const argv[], bool lets_end)
{
    _tns_close_ int out = -1, err = -1, status = -1;
    struct tns__run_pipes pipes;
    int rc;

    rc = run_pipe(&run->out.fd, &out);
    if (rc == 0)
        rc = run_pipe(&run->err.fd, &err);
    if (rc == 0)
        rc = run_pipe(&run->status_fd, &status);
    if (rc < 0)
        return rc;

    pipes = (struct tns__run_pipes){ .out = out, .err = err, .status = status };
    run->pid = tns__run_keeper(argv, &pipes, lets_end);
    if (run->pid < 0)
        return run->pid;
    run->pid_fd = pidfd_open(run->pid, 0);
    return 0;
}

static int run_grow(struct run_output *o)
{
    size_t cap = o->cap ? o->cap * 2 : 4096;
    char *grown = tns__realloc(o->text, cap + 1, 1);

    if (!grown)
        return -ENOMEM;
    o->text = grown;
    o->cap = cap;
    return 0;
}

/* What is there now. Past the cap it is read and dropped, or the program would block on it. */
static int run_drain(struct run_output *o)
{
    char waste[4096];

    while (o->fd >= 0) {
        bool is_full = o->len >= RUN_OUTPUT_MAX;
        ssize_t n;

        if (!is_full && o->len == o->cap && run_grow(o) < 0)
            return -ENOMEM;
        n = is_full ? read(o->fd, waste, sizeof(waste))
                    : read(o->fd, o->text + o->len, o->cap - o->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            close(o->fd);
            o->fd = -1;
            return 0;
        }
        if (!is_full)
            o->len += (size_t)n;
    }
    return 0;
}

static void run_read_status(struct run *run)
{
    ssize_t n = read(run->status_fd, &run->status, sizeof(run->status));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    run->has_status = n == (ssize_t)sizeof(run->status);
    run->is_over = true;
}

/* Waits up to ms for anything to happen, and takes what came. */
static int run_turn(struct run *run, int ms)
{
    struct pollfd fds[] = {
        { .fd = run->status_fd, .events = POLLIN },
        { .fd = run->out.fd, .events = POLLIN },
        { .fd = run->err.fd, .events = POLLIN },
    };
    int rc;

    rc = poll(fds, TNS_ARRAY_LEN(fds), ms);
    if (rc < 0)
        return errno == EINTR ? 0 : -errno;
    /* the status first: whatever the program wrote was written before it */
    if (fds[0].revents)
        run_read_status(run);
    rc = run_drain(&run->out);
    return rc < 0 ? rc : run_drain(&run->err);
}

static int run_loop(struct run *run, const struct tns_ctx *ctx, const char *program,
                    struct tns_error *err)
{
    while (!run->is_over) {
        int left_ms = tns__ctx_left_ms(ctx);
        int rc = run_turn(run, left_ms < RUN_SLICE_MS ? left_ms : RUN_SLICE_MS);

        if (rc == -ENOMEM)
            return tns__error_nomem(err);
        if (rc < 0)
            return tns__error_errno(err, TNS_E_DEVICE, -rc, "waiting for %s", program);
        if (run->is_over)
            return 0;
        rc = tns__ctx_check(ctx, program, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Signals the group and gives it ms to end. */
static void run_signal(struct run *run, int sig, unsigned ms)
{
    struct tns_ctx grace = { 0 };

    tns__ctx_begin(&grace, ms);
    kill(-run->pid, sig);
    while (!run->is_over && tns__ctx_left_ms(&grace) > 0) {
        if (run_turn(run, tns__ctx_left_ms(&grace)) < 0)
            return;
    }
}

/* TERM, grace, KILL. What survives even that is in D state: it belongs to init now. */
static void run_stop(struct run *run)
{
    run_signal(run, SIGTERM, RUN_GRACE_MS);
    run_signal(run, SIGKILL, RUN_KILL_MS);
}

/* The keeper alone: the program is init's child then, and no zombie of the host program. */
static void run_leave(const struct run *run)
{
    if (run->pid_fd >= 0)
        pidfd_send_signal(run->pid_fd, SIGKILL, NULL, 0);
    else
        kill(run->pid, SIGKILL);
}

/* The keeper leaves at once after its report or its KILL. A host program that ignores SIGCHLD, or
 * waits for any child in its handler, may have taken it already: nothing is lost by that. */
static void run_reap(const struct run *run)
{
    struct pollfd gone = { .fd = run->pid_fd, .events = POLLIN };
    siginfo_t info;

    if (run->pid_fd < 0) {
        waitpid(run->pid, NULL, 0);
        return;
    }
    while (poll(&gone, 1, RUN_KILL_MS) < 0 && errno == EINTR)
        ;
    waitid(P_PIDFD, (id_t)run->pid_fd, &info, WEXITED | WNOHANG);
}

static char *run_text(struct run_output *o)
{
    if (!o->text)
        return tns__strdup("");
    o->text[o->len] = '\0';
    return TNS_STEAL(o->text);
}

static int run_result(struct run *run, const char *program, struct tns_run_result *ret,
                      struct tns_error *err)
{
    struct tns_run_result result = { .exit_code = -1 };
    int status = run->status.wait_status;

    if (!run->has_status)
        return tns__error_set(err, TNS_E_DEVICE, "%s was killed together with its keeper",
                              program);
    if (run->status.exec_errno)
        return tns__error_errno(err,
                                run->status.exec_errno == ENOENT ? TNS_E_NOTFOUND
                                                                 : TNS_E_DEVICE,
                                run->status.exec_errno, "cannot run %s", program);

    if (WIFEXITED(status))
        result.exit_code = WEXITSTATUS(status);
    else
        result.signal = WTERMSIG(status);
    result.out = run_text(&run->out);
    result.err = run_text(&run->err);
    if (!result.out || !result.err) {
        tns__run_result_clear(&result);
        return tns__error_nomem(err);
    }
    *ret = result;
    return 0;
}

static int run_real(struct tns_runner *r, const struct tns_ctx *ctx,
                    const char *const argv[], struct tns_run_result *ret,
                    struct tns_error *err)
{
    _run_clear_ struct run run = {
        .pid_fd = -1,
        .status_fd = -1,
        .out.fd = -1,
        .err.fd = -1,
    };
    int rc;

    if (!argv[0] || argv[0][0] != '/')
        return tns__error_set(err, TNS_E_USAGE,
                              "a program is run by its absolute path only");
    rc = tns__ctx_check(ctx, argv[0], err);
    if (rc < 0)
        return rc;

    rc = run_start(&run, argv, r->lets_end);
    if (rc < 0)
        return tns__error_errno(err, TNS_E_DEVICE, -rc, "cannot run %s", argv[0]);

    rc = run_loop(&run, ctx, argv[0], err);
    if (rc < 0 && r->lets_end)
        run_leave(&run);
    else if (rc < 0)
        run_stop(&run);
    run_reap(&run);
    return rc < 0 ? rc : run_result(&run, argv[0], ret, err);
}

struct tns_runner *tns__runner_real(void)
{
    static struct tns_runner real = { .run = run_real };

    return &real;
}
