/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that libwebsockets opens: none may pass exec, and none may be forgotten by it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/wire_priv.h"

static bool fd_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static bool fd_is_eventfd(int fd)
{
    char path[32], what[64] = "";

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, what, sizeof(what) - 1) > 0 &&
           strcmp(what, "anon_inode:[eventfd]") == 0;
}

static bool fd_is_netlink(int fd)
{
    struct sockaddr addr = { 0 };
    socklen_t len = sizeof(addr);

    return getsockname(fd, &addr, &len) == 0 && addr.sa_family == AF_NETLINK;
}

/* Both numbers mean one and the same open file: its status flags are shared. */
static bool fd_same(int a, int b)
{
    int flags = fcntl(b, F_GETFL);
    bool same;

    if (flags < 0 || fcntl(a, F_GETFL) != flags ||
        fcntl(b, F_SETFL, flags ^ O_NONBLOCK) < 0)
        return false;
    same = fcntl(a, F_GETFL) == (flags ^ O_NONBLOCK);
    fcntl(b, F_SETFL, flags);
    return same && fcntl(a, F_GETFL) == flags;
}

void tns__fd_watch_begin(struct tns_fd_watch *w)
{
    *w = (struct tns_fd_watch){ .wake = -1, .twin = -1 };
    w->first = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (w->first < 0)
        return;
    close(w->first);
    for (int i = 0; i < TNS_FD_WATCH; i++)
        w->was_open[i] = fd_open(w->first + i);
}

/*
 * 4.2 and later open a netlink socket that passes exec, and do not close their eventfd when the
 * context goes. A twin of it tells later whether the number still means it.
 */
void tns__fd_watch_opened(struct tns_fd_watch *w)
{
    int found = -1, n = 0;

    for (int i = 0; w->first >= 0 && i < TNS_FD_WATCH; i++) {
        int fd = w->first + i;

        if (w->was_open[i])
            continue;
        if (fd_is_netlink(fd))
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (fd_is_eventfd(fd)) {
            found = fd;
            n++;
        }
    }
    /* Another thread may have opened one at the same moment: rather one too many than its. */
    if (n != 1)
        return;
    w->twin = fcntl(found, F_DUPFD_CLOEXEC, 3);
    w->wake = w->twin >= 0 ? found : -1;
}

void tns__fd_watch_end(struct tns_fd_watch *w)
{
    if (w->twin < 0)
        return;
    if (fd_same(w->wake, w->twin))
        close(w->wake);
    close(w->twin);
    w->wake = w->twin = -1;
}
