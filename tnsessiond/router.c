/* SPDX-License-Identifier: Apache-2.0 */
/* The router: accepts clients, hears their hello, hands their descriptor to the worker in charge. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "session/holder.h"
#include "tnsessiond.h"

#define MAX_GUESTS 512
#define MAX_WORKERS 64
/* A client says its hello at once; who does not is not one of ours. */
#define HELLO_NS TNS_MS(10000)
#define CONTROL_BUFFER (4 * 1024 * 1024)

/* A client that has not said its hello yet. */
struct guest {
    struct tns_pipe pipe;
    json_t *options;
    uint64_t until_ns;
};

struct worker {
    char digest[17];
    pid_t pid;
    int control;
};

struct router {
    struct tnsd *d;
    struct guest guests[MAX_GUESTS];
    size_t n_guests;
    struct worker workers[MAX_WORKERS];
    size_t n_workers;
    uint64_t busy_ns; /* when somebody last wanted something */
    bool ending;
};

/* ---- workers ---- */

static void drop_worker(struct router *r, size_t i)
{
    close(r->workers[i].control);
    r->workers[i] = r->workers[--r->n_workers];
}

static struct worker *find_worker(struct router *r, const char *digest)
{
    for (size_t i = 0; i < r->n_workers; i++) {
        if (!strcmp(r->workers[i].digest, digest))
            return &r->workers[i];
    }
    return NULL;
}

/* In the child: nothing of the router stays but the worker's own ends. */
static void become_worker(struct router *r, const struct tnsd_hello *hello, int client,
                          int control)
{
    struct tnsd d = *r->d;

    close(d.listen_fd);
    d.listen_fd = -1;
    for (size_t i = 0; i < r->n_workers; i++)
        close(r->workers[i].control);
    for (size_t i = 0; i < r->n_guests; i++) {
        if (r->guests[i].pipe.fd != client)
            tns__pipe_close(&r->guests[i].pipe);
    }
    exit(tnsd_work(&d, hello, client, control));
}

static int start_worker(struct router *r, const struct tnsd_hello *hello, int client)
{
    int pair[2], size = CONTROL_BUFFER;
    struct worker *w = &r->workers[r->n_workers];
    pid_t pid;

    if (r->n_workers == MAX_WORKERS ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        become_worker(r, hello, client, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return -1;
    }
    *w = (struct worker){ .pid = pid, .control = pair[0] };
    memcpy(w->digest, hello->digest, sizeof w->digest);
    r->n_workers++;
    tnsd_log(LOG_INFO, "worker %d for %s", (int)pid, hello->digest);
    return 0;
}

static int pass_client(const struct worker *w, uint32_t left_ms, int client)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = &left_ms, .iov_len = sizeof left_ms };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof control.bytes };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof client);
    memcpy(CMSG_DATA(c), &client, sizeof client);
    return sendmsg(w->control, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof left_ms ? 0 : -1;
}

static void assign(struct router *r, struct guest *g, const struct tnsd_hello *hello)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct worker *w = find_worker(r, hello->digest);

    if (w && pass_client(w, hello->left_ms, g->pipe.fd) == 0)
        return;
    if (w && errno == EPIPE) {
        drop_worker(r, (size_t)(w - r->workers));
        w = NULL;
    }
    if (!w && start_worker(r, hello, g->pipe.fd) == 0)
        return;
    tns__error_set(&why, TNS_E_BUSY, "the session holder is overloaded");
    tnsd_refuse(&g->pipe, &why, false);
}

/* ---- guests ---- */

static void drop_guest(struct router *r, size_t i)
{
    tns__pipe_close(&r->guests[i].pipe);
    json_decref(r->guests[i].options);
    r->guests[i] = r->guests[--r->n_guests];
}

static bool peer_is_us(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.uid == geteuid();
}

static bool greet(struct tns_pipe *pipe)
{
    static const char text[] = "{\"tnstor\":1}";

    _Static_assert(TNS_PIPE_PROTOCOL == 1, "the greeting names the protocol");
    return !tns__pipe_queue(pipe, text, sizeof text - 1, NULL) &&
           !tns__pipe_flush(pipe, NULL) && !tns__pipe_pending(pipe);
}

static void accept_guests(struct router *r)
{
    while (r->n_guests < MAX_GUESTS) {
        int fd = accept4(r->d->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct guest *g = &r->guests[r->n_guests];

        if (fd < 0)
            return;
        *g = (struct guest){ .pipe = { .fd = fd }, .until_ns = tns__now_ns() + HELLO_NS };
        if (!peer_is_us(fd) || !greet(&g->pipe)) {
            tns__pipe_close(&g->pipe);
            continue;
        }
        r->n_guests++;
        r->busy_ns = tns__now_ns();
    }
}

static void serve_hello(struct router *r, struct guest *g, char *key, size_t len)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct tnsd_hello hello;

    if (tnsd_hello_read(g->options, key, len, &hello, &why)) {
        tnsd_refuse(&g->pipe, &why, false);
        return;
    }
    assign(r, g, &hello);
    tnsd_hello_clear(&hello);
}

/* True when the guest is done with, served or not. */
static bool hear_guest(struct router *r, struct guest *g)
{
    char *key = NULL;
    size_t len = 0;
    int rc = 1;

    if (!g->options)
        rc = tns__pipe_take_json(&g->pipe, TNS_PIPE_MAX_HELLO, &g->options, NULL);
    if (rc > 0)
        rc = tns__pipe_take(&g->pipe, TNS_PIPE_MAX_HELLO, &key, &len, NULL);
    if (rc <= 0)
        return rc < 0;
    serve_hello(r, g, key, len);
    explicit_bzero(key, len);
    tns__free(key);
    return true;
}

/* ---- the loop ---- */

static void hear_worker(struct router *r, size_t i)
{
    char word;
    ssize_t n = recv(r->workers[i].control, &word, 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    drop_worker(r, i);
}

static void hear_signal(struct router *r)
{
    struct signalfd_siginfo info;

    while (read(r->d->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGCHLD)
            r->ending = true;
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static bool is_idle(const struct router *r)
{
    return r->n_workers == 0 && r->n_guests == 0 &&
           tns__now_ns() - r->busy_ns >= TNS_MS(r->d->idle_ms);
}

static int patience(const struct router *r)
{
    if (r->n_guests)
        return 1000;
    if (r->n_workers)
        return -1;
    return (int)tnsd_ms_until(r->busy_ns + TNS_MS(r->d->idle_ms));
}

static void look(struct router *r)
{
    struct pollfd fds[2 + MAX_GUESTS + MAX_WORKERS];
    size_t guests = r->n_guests, workers = r->n_workers, n = 0;

    fds[n++] = (struct pollfd){ .fd = r->d->signal_fd, .events = POLLIN };
    fds[n++] = (struct pollfd){ .fd = guests < MAX_GUESTS ? r->d->listen_fd : -1,
                                .events = POLLIN };
    for (size_t i = 0; i < guests; i++)
        fds[n++] = (struct pollfd){ .fd = r->guests[i].pipe.fd, .events = POLLIN };
    for (size_t i = 0; i < workers; i++)
        fds[n++] = (struct pollfd){ .fd = r->workers[i].control, .events = POLLIN };
    if (poll(fds, (nfds_t)n, patience(r)) < 0)
        return;
    if (fds[0].revents)
        hear_signal(r);
    /* Backwards: dropping one moves the last one into its place. Workers first, so that nobody is
     * assigned to one that has just said goodbye. */
    for (size_t i = workers; i-- > 0;) {
        if (fds[2 + guests + i].revents)
            hear_worker(r, i);
    }
    for (size_t i = guests; i-- > 0;) {
        if ((fds[2 + i].revents && hear_guest(r, &r->guests[i])) ||
            r->guests[i].until_ns < tns__now_ns())
            drop_guest(r, i);
    }
    if (fds[1].revents)
        accept_guests(r);
}

/* Under the lock of the starters, so that nobody connects to a socket about to vanish: who comes
 * later finds none, and starts the next holder. True when we may go. */
static bool leave(struct router *r)
{
    struct pollfd waiting = { .fd = r->d->listen_fd, .events = POLLIN };
    struct tns_ctx ctx;
    int lock = -1;
    bool go;

    if (!r->d->owns_socket)
        return r->ending || poll(&waiting, 1, 0) == 0;
    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, 200);
    if (tns__rundir_lock(&ctx, r->d->dirfd, TNS_HOLDER_LOCK, &lock, NULL))
        return r->ending;
    go = r->ending || poll(&waiting, 1, 0) == 0;
    if (go)
        unlinkat(r->d->dirfd, TNS_HOLDER_SOCKET, 0);
    close(lock);
    return go;
}

int tnsd_route(struct tnsd *d)
{
    struct router *r = tns__alloc(sizeof *r);

    if (!r)
        return 1;
    r->d = d;
    r->busy_ns = tns__now_ns();
    while (!(r->ending || is_idle(r)) || !leave(r)) {
        if (is_idle(r)) /* somebody came, or is just coming: stay for them */
            r->busy_ns = tns__now_ns();
        look(r);
    }
    tnsd_log(LOG_INFO, r->ending ? "ending" : "nobody needs a session any more");
    while (r->n_guests)
        drop_guest(r, r->n_guests - 1);
    while (r->n_workers)
        drop_worker(r, r->n_workers - 1); /* they finish what they have, and leave */
    tns__free(r);
    return 0;
}
