/* SPDX-License-Identifier: Apache-2.0 */
/* The relay: two sockets, one thread, and a limit on what comes back. */
#include "wire/proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct proxy {
    int fd;
    uint16_t port, target;
    size_t limit, passed;
    atomic_bool stop;
    pthread_t thread;
};

static int dial(uint16_t port)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* false when either side is done. */
static bool move(struct proxy *p, int from, int to, bool limited)
{
    char buf[65536];
    ssize_t n = recv(from, buf, sizeof(buf), MSG_DONTWAIT);
    size_t pass;

    if (n <= 0)
        return n < 0;
    pass = limited && p->limit - p->passed < (size_t)n ? p->limit - p->passed : (size_t)n;
    if (limited)
        p->passed += pass;
    return pass == 0 || send(to, buf, pass, MSG_NOSIGNAL) == (ssize_t)pass;
}

static void relay(struct proxy *p, int client)
{
    struct pollfd pfd[2] = { { .fd = client, .events = POLLIN },
                             { .fd = dial(p->target), .events = POLLIN } };
    bool on = pfd[1].fd >= 0;

    while (on && !atomic_load(&p->stop)) {
        if (poll(pfd, 2, 5) <= 0)
            continue;
        if (pfd[0].revents)
            on = move(p, pfd[0].fd, pfd[1].fd, false);
        if (on && pfd[1].revents)
            on = move(p, pfd[1].fd, pfd[0].fd, true);
    }
    if (pfd[1].fd >= 0)
        close(pfd[1].fd);
}

static void *proxy_thread(void *arg)
{
    struct proxy *p = arg;

    while (!atomic_load(&p->stop)) {
        struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
        int client = poll(&pfd, 1, 5) > 0 ? accept4(p->fd, NULL, NULL, SOCK_CLOEXEC) : -1;

        if (client < 0)
            continue;
        relay(p, client);
        close(client);
    }
    return NULL;
}

struct proxy *proxy_start(uint16_t target, size_t limit)
{
    struct proxy *p = calloc(1, sizeof(*p));
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);
    sigset_t all, before;

    p->target = target;
    p->limit = limit;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(p->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    ck_assert_int_eq(listen(p->fd, 8), 0);
    getsockname(p->fd, (struct sockaddr *)&sin, &len);
    p->port = ntohs(sin.sin_port);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ck_assert_int_eq(pthread_create(&p->thread, NULL, proxy_thread, p), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p;
}

uint16_t proxy_port(const struct proxy *p)
{
    return p->port;
}

size_t proxy_stop(struct proxy *p)
{
    size_t passed;

    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    close(p->fd);
    passed = p->passed;
    free(p);
    return passed;
}
