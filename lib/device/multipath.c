/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of multipathd: one command, one reply, a deadline. */
#include "device/multipath.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/broken.h"
#include "device/lock.h"

#define SOCKET_NAME "@/org/kernel/linux/storage/multipathd"
#define MULTIPATH "/usr/sbin/multipath"
#define WWIDS_FILE "/etc/multipath/wwids"
#define REPLY_MAX 65536u
#define COMMAND_MS 10000u
#define CONNECT_MS 3000u

/* "@name" is the abstract socket of that name. */
static bool socket_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
    size_t len = strlen(name);

    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (len >= sizeof(ret->sun_path))
        return false;
    memcpy(ret->sun_path, name, len);
    if (name[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

static int talk_failed(int sys_errno, struct tns_error *err)
{
    return tns__error_errno(
        err, TNS_E_DEVICE, sys_errno,
        "multipathd does not answer (systemctl status multipathd; a storage "
        "without multipath needs use_multipath 0)");
}

static int talk_connect(struct tns_node *node, int *ret_fd, struct tns_error *err)
{
    struct tns_ctx ctx = *node->ctx;
    struct sockaddr_un un;
    socklen_t len;
    _tns_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (!socket_address(node->multipathd ? node->multipathd : SOCKET_NAME, &un, &len))
        return tns__error_set(err, TNS_E_USAGE,
                              "the name of multipathd's socket is too long");
    if (fd < 0)
        return talk_failed(errno, err);
    tns__ctx_begin(&ctx, CONNECT_MS);
    /* EAGAIN is a full queue: many callers at once, or a daemon that takes no calls any more */
    while (connect(fd, (struct sockaddr *)&un, len) < 0) {
        int sys_errno = errno;

        if (sys_errno != EAGAIN || tns__ctx_backoff(&ctx, 10, "multipathd", NULL) < 0)
            return talk_failed(sys_errno, err);
    }
    *ret_fd = TNS_STEAL_FD(fd);
    return 0;
}

static int talk_send(const struct tns_ctx *ctx, int fd, const void *bytes, size_t len,
                     struct tns_error *err)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            int rc = tns__ctx_poll(ctx, fd, POLLOUT, "multipathd", err);

            if (rc < 0)
                return rc;
            continue;
        }
        if (n < 0 && errno != EINTR)
            return talk_failed(errno, err);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int talk_recv(const struct tns_ctx *ctx, int fd, void *bytes, size_t len,
                     struct tns_error *err)
{
    char *at = bytes;

    while (len > 0) {
        ssize_t n;
        int rc = tns__ctx_poll(ctx, fd, POLLIN, "multipathd", err);

        if (rc < 0)
            return rc;
        n = recv(fd, at, len, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return talk_failed(n < 0 ? errno : ECONNRESET, err);
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Length and text with its NUL, in both directions. */
static int talk(struct tns_node *node, const char *command, char **ret_reply,
                struct tns_error *err)
{
    struct tns_ctx ctx = *node->ctx;
    _tns_free_ char *reply = NULL;
    _tns_close_ int fd = -1;
    size_t len = strlen(command) + 1;
    int rc = talk_connect(node, &fd, err);

    tns__ctx_begin(&ctx, COMMAND_MS);
    if (rc == 0)
        rc = talk_send(&ctx, fd, &len, sizeof(len), err);
    if (rc == 0)
        rc = talk_send(&ctx, fd, command, len, err);
    if (rc == 0)
        rc = talk_recv(&ctx, fd, &len, sizeof(len), err);
    if (rc < 0)
        return rc;
    if (len == 0 || len > REPLY_MAX)
        return tns__error_set(err, TNS_E_DEVICE,
                              "multipathd announces a reply of %zu bytes", len);
    reply = tns__alloc(len + 1);
    if (!reply)
        return tns__error_nomem(err);
    rc = talk_recv(&ctx, fd, reply, len, err);
    if (rc < 0)
        return rc;
    /* one line, and formatted ones come padded with blanks */
    reply[strcspn(reply, "\n")] = '\0';
    for (size_t n = strlen(reply); n > 0 && reply[n - 1] == ' '; n--)
        reply[n - 1] = '\0';
    *ret_reply = TNS_STEAL(reply);
    return 0;
}

int tns__multipathd_check(struct tns_node *node, struct tns_error *err)
{
    _tns_close_ int fd = -1;

    return talk_connect(node, &fd, err);
}

int tns__multipathd_do(struct tns_node *node, const char *verb, const char *object,
                       struct tns_error *err)
{
    _tns_free_ char *reply = NULL;
    char command[256];
    int rc;

    if (!tns__is_dm_name(object) ||
        !tns__fmt(command, sizeof(command), "%s %s", verb, object))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is no name for multipathd", object);
    rc = talk(node, command, &reply, err);
    if (rc < 0)
        return rc;
    if (strcmp(reply, "ok") != 0)
        return tns__error_set(err, TNS_E_DEVICE, "multipathd: %s: %s", command, reply);
    return 0;
}

bool tns__multipathd_queues(struct tns_node *node, const char *map)
{
    _tns_free_ char *reply = NULL;
    struct tns_error none = TNS_ERROR_INIT;
    char command[256];

    return tns__is_dm_name(map) &&
           tns__fmt(command, sizeof(command), "show map %s raw format %%Q", map) &&
           talk(node, command, &reply, &none) == 0 && strcmp(reply, "on") == 0;
}

/* ---- the list of WWIDs ---- */

int tns__wwid_listed(struct tns_node *node, const char *wwid, bool *ret,
                     struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_free_ char *text = NULL;
    char entry[64];
    int rc = tns__sysroot_slurp(node->sr, 4u << 20, &text, NULL, &mine, WWIDS_FILE);

    if (rc < 0 && rc != -TNS_E_NOTFOUND)
        return tns__error_copy(err, &mine);
    snprintf(entry, sizeof(entry), "\n/%s/", wwid);
    *ret = text && (strstr(text, entry) || tns__starts_with(text, entry + 1));
    return 0;
}

static int wwid_command(struct tns_node *node, const char *option, const char *wwid,
                        struct tns_error *err)
{
    const char *const argv[] = { MULTIPATH, option, wwid, NULL };
    _tns_run_result_ struct tns_run_result result = { 0 };
    struct tns_ctx ctx = *node->ctx;
    _tns_close_ int lock = -1;
    int rc;

    if (!tns__is_wwid(wwid))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is no WWID", wwid);
    rc = tns__lock_multipath(node, &lock, err);
    if (rc < 0)
        return rc;
    tns__ctx_begin(&ctx, COMMAND_MS);
    rc = node->runner->run(node->runner, &ctx, argv, &result, err);
    if (rc < 0)
        return rc;
    if (result.exit_code != 0)
        return tns__error_set(err, TNS_E_DEVICE, "multipath %s %s failed (exit code %d)",
                              option, wwid, result.exit_code);
    return 0;
}

int tns__wwid_add(struct tns_node *node, const char *wwid, bool *ret_added,
                  struct tns_error *err)
{
    bool is_listed;
    int rc = tns__wwid_listed(node, wwid, &is_listed, err);

    if (rc < 0)
        return rc;
    if (!is_listed && !tns__is_broken("wwid"))
        rc = wwid_command(node, "-a", wwid, err);
    if (rc == 0)
        *ret_added = !is_listed;
    return rc;
}

int tns__wwid_remove(struct tns_node *node, const char *wwid, struct tns_error *err)
{
    bool is_listed;
    int rc = tns__wwid_listed(node, wwid, &is_listed, err);

    return rc < 0 || !is_listed ? rc : wwid_command(node, "-w", wwid, err);
}
