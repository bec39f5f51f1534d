/* SPDX-License-Identifier: Apache-2.0 */
/* Writing sysfs attributes whose write lasts as long as the device takes to answer. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "device/apart.h"
#include "device/paths.h"

struct attr_job {
    int fd;
    const char *text;
};

static void attr_main(void *arg, int reply_fd)
{
    const struct attr_job *job = arg;
    size_t len = strlen(job->text);
    int result = write(job->fd, job->text, len) == (ssize_t)len ? 0 : errno;

    if (write(reply_fd, &result, sizeof(result)) < 0)
        _exit(1);
}

int tns__attr_write(struct tns_node *node, const char *path, const char *text,
                    struct tns_error *err)
{
    _tns_apart_ struct tns__apart child = { 0 };
    _tns_close_ int fd = -1;
    struct attr_job job = { .text = text };
    int result = 0;
    int rc = tns__sysroot_openfd(node->sr, O_WRONLY, 0, &fd, err, "%s", path);

    if (rc < 0)
        return rc;
    job.fd = fd;
    rc = tns__apart_start(&child, fd, attr_main, &job, err);
    if (rc == 0)
        rc = tns__apart_read(&child, node->ctx, &result, sizeof(result), path, err);
    if (rc < 0)
        return rc;
    tns__apart_done(&child);
    if (result)
        return tns__error_errno(err, TNS_E_DEVICE, result, "cannot write \"%s\" to %s",
                                text, path);
    return 0;
}
