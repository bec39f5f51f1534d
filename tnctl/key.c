/* SPDX-License-Identifier: Apache-2.0 */
/* The API key comes from a file or from stdin, never from the command line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tnctl.h"

static void warn_of_mode(const char *path, int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
        fprintf(stderr,
                "tnctl: warning: %s can be read by others (mode %04o): chmod 600 it\n",
                path, (unsigned)(st.st_mode & 07777));
}

static int read_all(int fd, const char *name, char *buf, size_t cap, size_t *ret_len,
                    struct tns_error *err)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = read(fd, buf + len, cap - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tns__error_errno(err, TNS_E_CONFIG, errno, "cannot read the key from %s",
                                    name);
        if (n == 0)
            break;
        len += (size_t)n;
        if (len == cap)
            return tns__error_set(err, TNS_E_CONFIG, "%s is too long for an API key", name);
    }
    *ret_len = len;
    return 0;
}

static size_t without_line_end(const char *buf, size_t len)
{
    if (len && buf[len - 1] == '\n')
        len--;
    if (len && buf[len - 1] == '\r')
        len--;
    return len;
}

int tnctl_read_key(const char *path, char *buf, size_t cap, size_t *ret_len,
                   struct tns_error *err)
{
    bool from_stdin = !strcmp(path, "-");
    const char *name = from_stdin ? "stdin" : path;
    _tns_close_ int fd = -1;
    size_t len = 0;
    int rc;

    if (!from_stdin) {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            return tns__error_errno(err, TNS_E_CONFIG, errno, "cannot open the key file %s",
                                    path);
        warn_of_mode(path, fd);
    }
    rc = read_all(from_stdin ? STDIN_FILENO : fd, name, buf, cap, &len, err);
    if (rc)
        return rc;
    len = without_line_end(buf, len);
    if (len == 0)
        return tns__error_set(err, TNS_E_CONFIG, "%s holds no API key", name);
    *ret_len = len;
    return 0;
}
