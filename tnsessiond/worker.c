/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: the loop between its clients, the router and the NAS. */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <syslog.h>

#include "base/mem.h"

/* Calls given to the connection at a time; it sends eight of them. */
#define SUBMITTED_MAX 16
/* Jobs are looked at in between, so something has to tick while calls are out. */
#define TICK_MS 20
#define MAX_CLIENTS 1024
/* After a SIGTERM, or without a router: so long for the calls that are out. */
#define ENDING_NS TNS_MS(10000)

/* ---- the router's end ---- */

static bool receive_client(struct worker *w)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    uint32_t left_ms;
    struct iovec iov = { .iov_base = &left_ms, .iov_len = sizeof left_ms };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof control.bytes };
    ssize_t n = recvmsg(w->control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n == (ssize_t)sizeof left_ms ? CMSG_FIRSTHDR(&msg) : NULL;
    int fd;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof fd)) {
        close(w->control);
        w->control = -1;
        return false;
    }
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    tnsd_client_add(w, fd, left_ms);
    return true;
}

static void hear_router(struct worker *w)
{
    while (w->control >= 0 && receive_client(w))
        ;
}

static void hear_signal(struct worker *w)
{
    struct signalfd_siginfo info;

    while (read(w->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            w->ending = true;
    }
}

/* ---- clients ---- */

static unsigned longest_wait(const struct worker *w)
{
    unsigned longest = 0;

    for (const struct client *c = w->clients; c; c = c->next) {
        unsigned ms = c->welcomed ? 0 : tnsd_ms_until(c->until_ns);

        if (ms > longest)
            longest = ms;
    }
    return longest;
}

static void refuse_all(struct worker *w, const struct tns_error *why)
{
    for (struct client *c = w->clients; c; c = c->next) {
        if (c->welcomed)
            continue;
        /* UNSUPPORTED: it has no session to hold, but answers by REST */
        tnsd_refuse(&c->pipe, why, why->code != TNS_E_UNSUPPORTED);
        c->welcomed = true;
        tnsd_client_stop(c);
    }
}

/* All that wait share one attempt, and its answer; also those that came during it. */
static void welcome_all(struct worker *w)
{
    struct tns_error why = TNS_ERROR_INIT;
    unsigned ms = longest_wait(w);
    struct upstream *up;

    if (!ms)
        return;
    up = tnsd_upstream(w, ms, &why);
    w->busy_ns = tns__now_ns();
    hear_router(w);
    if (!up) {
        tnsd_log(LOG_NOTICE, "%s", why.text);
        refuse_all(w, &why);
        return;
    }
    for (struct client *c = w->clients; c; c = c->next) {
        if (!c->welcomed)
            tnsd_client_welcome(c, up);
    }
}

static bool is_done(const struct worker *w, const struct client *c)
{
    if (!c->welcomed)
        return tnsd_ms_until(c->until_ns) == 0 || w->ending;
    return c->closing && !c->queued && !c->submitted && !tns__pipe_pending(&c->pipe);
}

static void tend_client(struct worker *w, struct client *c, short events)
{
    bool here = !(events & (POLLHUP | POLLERR));

    if (here && (events & POLLOUT))
        here = tns__pipe_flush(&c->pipe, NULL) == 0;
    if (here && ((events & POLLIN) || c->closing))
        here = tnsd_client_read(c);
    if (!here || is_done(w, c))
        tnsd_client_free(w, c);
}

/* Those that no event will come for: let go, or late. */
static void tend_parting(struct worker *w)
{
    struct client *next;

    for (struct client *c = w->clients; c; c = next) {
        next = c->next;
        if (c->closing || !c->welcomed)
            tend_client(w, c, 0);
    }
}

/* ---- calls ---- */

static void submit_all(struct worker *w)
{
    while (w->submitted < SUBMITTED_MAX) {
        struct item *item = tnsd_next_item(w);

        if (!item)
            return;
        w->busy_ns = tns__now_ns();
        tnsd_submit(w, item);
    }
}

/* ---- leaving ---- */

static void stop_clients(struct worker *w)
{
    for (struct client *c = w->clients; c; c = c->next) {
        if (c->welcomed)
            tnsd_client_stop(c);
    }
}

/* Idle: the router is asked to send nobody any more, and answers by closing. */
static void consider_leaving(struct worker *w)
{
    bool idle = !w->submitted && tns__now_ns() - w->busy_ns >= TNS_MS(w->d->idle_ms);
    char word = TNSD_LEAVING;

    if (!w->leaving && (idle || w->ending || w->control < 0)) {
        w->leaving = true;
        w->busy_ns = tns__now_ns();
        if (w->control >= 0 &&
            send(w->control, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
            close(w->control);
            w->control = -1;
        }
    }
    if (w->leaving)
        stop_clients(w);
}

static bool may_leave(const struct worker *w)
{
    bool late = w->leaving && tns__now_ns() - w->busy_ns > ENDING_NS;

    return w->leaving && w->control < 0 &&
           ((!w->clients && !w->submitted) || (late && w->ending));
}

/* ---- the loop ---- */

/* Calls that were read after the last look at the queues. */
static bool has_work(const struct worker *w)
{
    for (const struct client *c = w->clients; c; c = c->next) {
        if (c->queued && c->welcomed)
            return w->submitted < SUBMITTED_MAX;
    }
    return false;
}

static int patience(const struct worker *w)
{
    uint64_t when = w->busy_ns + (w->leaving ? ENDING_NS : TNS_MS(w->d->idle_ms));

    if (has_work(w))
        return 0;
    if (w->submitted)
        return TICK_MS;
    for (const struct upstream *up = w->ups; up; up = up->next) {
        if (tnsd_is_waited_for(up))
            return TICK_MS;
        if (up->ping_ns < when)
            when = up->ping_ns;
    }
    return (int)tnsd_ms_until(when);
}

static size_t watch(const struct worker *w, struct pollfd *fds, struct client **clients,
                    size_t *ret_n)
{
    size_t n = 0, base;

    fds[n++] = (struct pollfd){ .fd = w->signal_fd, .events = POLLIN };
    fds[n++] = (struct pollfd){ .fd = w->control, .events = POLLIN };
    for (const struct upstream *up = w->ups; up && n < 8; up = up->next)
        fds[n++] = (struct pollfd){ .fd = up->session->rpc->ops->fd(up->session->rpc),
                                    .events = POLLIN };
    base = n;
    for (struct client *c = w->clients; c && n - base < MAX_CLIENTS; c = c->next) {
        short events = tns__pipe_pending(&c->pipe) ? POLLOUT : 0;

        if (!c->closing && c->queued + c->submitted < TNSD_AHEAD)
            events = (short)(events | POLLIN);
        clients[n - base] = c;
        fds[n++] = (struct pollfd){ .fd = c->pipe.fd, .events = events };
    }
    *ret_n = n;
    return base;
}

static void look(struct worker *w)
{
    static struct pollfd fds[8 + MAX_CLIENTS];
    static struct client *clients[MAX_CLIENTS];
    size_t n, base = watch(w, fds, clients, &n);

    if (poll(fds, (nfds_t)n, patience(w)) < 0)
        return;
    if (fds[0].revents)
        hear_signal(w);
    if (fds[1].revents)
        hear_router(w);
    for (size_t i = base; i < n; i++) {
        if (fds[i].revents)
            tend_client(w, clients[i - base], fds[i].revents);
    }
}

int tnsd_work(const struct tnsd *d, const struct tnsd_hello *hello, int first_client,
              int control)
{
    struct worker w = {
        .d = d, .control = control, .signal_fd = d->signal_fd, .busy_ns = tns__now_ns()
    };

    tnsd_hello_opts(d, hello, &w.opts);
    tnsd_client_add(&w, first_client, hello->left_ms);
    for (;;) {
        welcome_all(&w);
        submit_all(&w);
        tnsd_pump(&w);
        tnsd_ping(&w);
        consider_leaving(&w);
        tend_parting(&w);
        if (may_leave(&w))
            break;
        look(&w);
    }
    while (w.clients)
        tnsd_client_free(&w, w.clients);
    while (w.ups)
        tnsd_upstream_free(&w, w.ups);
    return 0;
}
