/* SPDX-License-Identifier: Apache-2.0 */
/* tnsessiond: one login per node and credential, for all processes. Started on demand, or by systemd. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/text.h"
#include "session/holder.h"
#include "tnsessiond.h"

#define SYSTEMD_FD 3
#define BACKLOG 1024

static void print_help(void)
{
    puts("usage: tnsessiond [--run-dir DIR] [--idle SECONDS] [--foreground] [--verbose]\n\n"
         "Holds the session of this node with each NAS, and serves all processes over it. "
         "Every\n"
         "program that needs it starts it by itself; see tnsessiond(8).\n\n"
         "  --run-dir DIR    instead of " TNS_DEFAULT_RUN_DIR "\n"
         "  --idle SECONDS   leave after so long without a call, default 300\n"
         "  --listen-fd N    the listening socket is descriptor N\n"
         "  --foreground     stay, and log to stderr\n"
         "  --verbose        log more; twice for more still\n"
         "  --help, --version");
}

static int fail(const char *text)
{
    fprintf(stderr, "tnsessiond: %s\n", text);
    return 2;
}

/* sd_listen_fds(3) in three lines: the variables are for the process they name only. */
static int systemd_fd(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    uint64_t n;

    if (!pid || !fds || !tns__parse_u64(pid, &n) || n != (uint64_t)getpid())
        return -1;
    return tns__parse_u64(fds, &n) && n == 1 ? SYSTEMD_FD : -1;
}

static bool is_listener(int fd)
{
    int listening = 0;
    socklen_t len = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* Started by hand: the same steps, under the same lock, as a client takes that starts us. */
static int listen_ourselves(struct tnsd *d, struct tns_error *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    _tns_close_ int lock = -1;
    _tns_close_ int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    _tns_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct tns_ctx ctx;
    int rc;

    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, 5000);
    rc = tns__rundir_lock(&ctx, d->dirfd, TNS_HOLDER_LOCK, &lock, err);
    if (rc)
        return rc;
    tns__fmt(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" TNS_HOLDER_SOCKET,
             d->dirfd);
    if (connect(probe, (const struct sockaddr *)&addr, sizeof addr) == 0)
        return tns__error_set(err, TNS_E_EXISTS, "another one serves %s already",
                              d->run_dir);
    unlinkat(d->dirfd, TNS_HOLDER_SOCKET, 0);
    if (bind(fd, (const struct sockaddr *)&addr, sizeof addr) != 0 ||
        fchmodat(d->dirfd, TNS_HOLDER_SOCKET, 0600, 0) != 0 || listen(fd, BACKLOG) != 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno, "cannot listen in %s",
                                d->run_dir);
    d->listen_fd = TNS_STEAL_FD(fd);
    return 0;
}

static int find_listener(struct tnsd *d, struct tns_error *err)
{
    int given = systemd_fd();

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (given >= 0)
        d->owns_socket = false;
    if (d->listen_fd < 0)
        d->listen_fd = given;
    if (d->listen_fd < 0)
        return listen_ourselves(d, err);
    if (!is_listener(d->listen_fd))
        return tns__error_set(err, TNS_E_CONFIG, "descriptor %d is no listening socket",
                              d->listen_fd);
    fcntl(d->listen_fd, F_SETFD, FD_CLOEXEC);
    fcntl(d->listen_fd, F_SETFL, fcntl(d->listen_fd, F_GETFL) | O_NONBLOCK);
    return 0;
}

static int open_signals(struct tnsd *d)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return d->signal_fd >= 0 ? 0 : -1;
}

static int read_number(const char *text, uint64_t max, uint64_t *ret)
{
    return tns__parse_u64(text, ret) && *ret <= max ? 0 : -1;
}

enum option_id {
    OPT_FOREGROUND = 256,
    OPT_HELP,
    OPT_IDLE,
    OPT_LISTEN_FD,
    OPT_RUN_DIR,
    OPT_VERBOSE,
    OPT_VERSION
};

static const struct option options[] = {
    { "foreground", no_argument, NULL, OPT_FOREGROUND },
    { "help", no_argument, NULL, OPT_HELP },
    { "idle", required_argument, NULL, OPT_IDLE },
    { "listen-fd", required_argument, NULL, OPT_LISTEN_FD },
    { "run-dir", required_argument, NULL, OPT_RUN_DIR },
    { "verbose", no_argument, NULL, OPT_VERBOSE },
    { "version", no_argument, NULL, OPT_VERSION },
    { 0 },
};

/* 0, the exit code, or -1 when there is nothing more to do. */
static int set_option(struct tnsd *d, int id, const char *text)
{
    uint64_t n;

    switch (id) {
    case OPT_FOREGROUND:
        d->foreground = true;
        return 0;
    case OPT_HELP:
        print_help();
        return -1;
    case OPT_IDLE:
        if (read_number(text, 86400, &n))
            return fail("--idle: not a number of seconds");
        d->idle_ms = (unsigned)n * 1000;
        return 0;
    case OPT_LISTEN_FD:
        if (read_number(text, 1023, &n))
            return fail("--listen-fd: not a descriptor");
        d->listen_fd = (int)n;
        return 0;
    case OPT_RUN_DIR:
        d->run_dir = text;
        return 0;
    case OPT_VERBOSE:
        d->log_level += d->log_level < LOG_DEBUG;
        return 0;
    case OPT_VERSION:
        printf("tnsessiond %s\n", tns_version_string());
        return -1;
    default:
        return 2;
    }
}

int main(int argc, char *argv[])
{
    struct tnsd d = { .run_dir = TNS_DEFAULT_RUN_DIR,
                      .dirfd = -1,
                      .listen_fd = -1,
                      .idle_ms = 300000,
                      .owns_socket = true,
                      .log_level = LOG_NOTICE };
    struct tns_error err = TNS_ERROR_INIT;
    int id, code;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        code = set_option(&d, id, optarg);
        if (code)
            return code < 0 ? 0 : code;
    }
    if (optind < argc)
        return fail("takes no arguments");
    if (tns__rundir_open(d.run_dir, &d.dirfd, &err) || find_listener(&d, &err))
        return fail(err.text);
    /* Whoever started us on demand waits for this process only. */
    if (!d.foreground && d.owns_socket && daemon(1, 1) != 0)
        return fail("cannot go into the background");
    if (chdir("/") != 0 || open_signals(&d) != 0)
        return fail("cannot start");
    tnsd_log_open(&d);
    return tnsd_route(&d);
}
