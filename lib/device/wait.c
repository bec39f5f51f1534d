/* SPDX-License-Identifier: Apache-2.0 */
/* Uevents of the kernel and of udev as a wake-up call; the state itself is always read from /sys. */
#include "device/wait.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP_KERNEL 1u
#define GROUP_UDEV 2u
#define SLICE_FIRST_MS 5u
#define SLICE_MAX_MS 160u

void tns__uevent_open(struct tns__uevent *ue)
{
    struct sockaddr_nl nl = { .nl_family = AF_NETLINK,
                              .nl_groups = GROUP_KERNEL | GROUP_UDEV };

    ue->fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (ue->fd >= 0 && bind(ue->fd, (struct sockaddr *)&nl, sizeof(nl)) < 0) {
        close(ue->fd);
        ue->fd = -1;
    }
}

void tns__uevent_close(struct tns__uevent *ue)
{
    tns__closep(&ue->fd);
    ue->fd = -1;
}

/* What an event says is not looked at: it may be forged, and the next look at /sys is the truth. An
 * overflow (ENOBUFS) is only one more reason to look. */
static void uevent_drain(struct tns__uevent *ue)
{
    char waste[8192];

    while (recv(ue->fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
        ;
}

static int wait_slice(const struct tns_ctx *until, struct tns__uevent *ue, unsigned ms,
                      const char *what, struct tns_error *err)
{
    struct tns_ctx slice = *until;
    struct tns_error none = TNS_ERROR_INIT;

    if (ue->fd < 0)
        return tns__ctx_backoff(until, ms, what, err);
    tns__ctx_begin(&slice, ms);
    if (tns__ctx_poll(&slice, ue->fd, POLLIN, what, &none) > 0)
        uevent_drain(ue);
    return tns__ctx_check(until, what, err);
}

int tns__wait_for(struct tns_node *node, struct tns__uevent *ue, unsigned max_ms,
                  const char *what, tns__wait_fn is_so, void *user, struct tns_error *err)
{
    struct tns_ctx until = *node->ctx;
    unsigned ms = SLICE_FIRST_MS;

    tns__ctx_begin(&until, max_ms);
    for (;;) {
        int rc = is_so(user, err);

        if (rc != 0)
            return rc < 0 ? rc : 0;
        rc = wait_slice(&until, ue, ms, what, err);
        if (rc < 0)
            return rc;
        ms = ms < SLICE_MAX_MS ? ms * 2 : ms;
    }
}
