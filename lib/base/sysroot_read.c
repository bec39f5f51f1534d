/* SPDX-License-Identifier: Apache-2.0 */
/* Reading below a sysroot: attributes, whole files, directories, symlinks. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sysroot_priv.h"
#include "base/text.h"

/* Reads until cap bytes or the end; the count, or -errno. */
static ssize_t read_full(int fd, char *buf, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t n = read(fd, buf + len, cap - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* An attribute comes as a whole; to look for its end would be one system call more. */
static ssize_t read_once(int fd, char *buf, size_t cap)
{
    ssize_t n;

    do
        n = read(fd, buf, cap);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void cut_white_space(char *buf, size_t len)
{
    while (len > 0 && strchr(" \t\r\n", buf[len - 1]))
        len--;
    buf[len] = '\0';
}

static int sysroot_vread(struct tns_sysroot *sr, char *buf, size_t cap,
                         struct tns_error *err, const char *fmt, va_list ap)
    __attribute__((format(printf, 5, 0)));

static int sysroot_vread(struct tns_sysroot *sr, char *buf, size_t cap,
                         struct tns_error *err, const char *fmt, va_list ap)
{
    char path[PATH_MAX];
    _tns_close_ int fd = -1;
    ssize_t len;
    int rc;

    rc = tns__sysroot_path(sr, "read", path, err, fmt, ap);
    if (rc < 0)
        return rc;
    rc = TNS_BUG_ON(err, cap == 0);
    if (rc < 0)
        return rc;

    fd = tns__sysroot_openat(sr, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return tns__sysroot_fail(err, -fd, "read", path);
    len = read_once(fd, buf, cap - 1);
    if (len < 0) {
        buf[0] = '\0';
        return tns__sysroot_fail(err, (int)-len, "read", path);
    }
    cut_white_space(buf, (size_t)len);
    return 0;
}

int tns__sysroot_read(struct tns_sysroot *sr, char *buf, size_t cap, struct tns_error *err,
                      const char *fmt, ...)
{
    int rc;

    TNS__VARARGS(rc, fmt, sysroot_vread(sr, buf, cap, err, fmt, ap));
    return rc;
}

int tns__sysroot_read_u64(struct tns_sysroot *sr, uint64_t *ret, struct tns_error *err,
                          const char *fmt, ...)
{
    char text[64];
    char path[PATH_MAX];
    va_list ap, again;
    int rc;

    va_start(ap, fmt);
    va_copy(again, ap);
    rc = sysroot_vread(sr, text, sizeof(text), err, fmt, ap);
    if (rc == 0 && !tns__parse_u64(text, ret)) {
        tns__sysroot_path(sr, "read", path, NULL, fmt, again);
        rc = tns__error_set(err, TNS_E_DEVICE, "%s holds no number: \"%s\"", path, text);
    }
    va_end(again);
    va_end(ap);
    return rc;
}

/* Grows by doubling: files of /proc and /sys do not tell their size. */
static int slurp_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
    _tns_free_ char *buf = NULL;
    size_t len = 0, cap = 0;

    while (len == cap && cap <= max) {
        size_t more = cap ? cap * 2 : 4096;
        char *grown;
        ssize_t n;

        if (more > max + 1)
            more = max + 1;
        grown = tns__realloc(buf, more + 1, 1);
        if (!grown)
            return -ENOMEM;
        buf = grown;
        n = read_full(fd, buf + len, more - len);
        if (n < 0)
            return (int)n;
        len += (size_t)n;
        cap = more;
    }
    if (len > max)
        return -EFBIG;

    buf[len] = '\0';
    *ret = TNS_STEAL(buf);
    *ret_len = len;
    return 0;
}

int tns__sysroot_slurp(struct tns_sysroot *sr, size_t max, char **ret, size_t *ret_len,
                       struct tns_error *err, const char *fmt, ...)
{
    char path[PATH_MAX];
    _tns_close_ int fd = -1;
    size_t len = 0;
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_path(sr, "read", path, err, fmt, ap));
    if (rc < 0)
        return rc;

    fd = tns__sysroot_openat(sr, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return tns__sysroot_fail(err, -fd, "read", path);
    rc = slurp_fd(fd, max, ret, &len);
    if (rc == -ENOMEM)
        return tns__error_nomem(err);
    if (rc < 0)
        return tns__sysroot_fail(err, -rc, "read", path);
    if (ret_len)
        *ret_len = len;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The vector stays NULL-terminated, so that it can be freed at any point. */
static int strv_add(char ***names, size_t *n, const char *name)
{
    char **grown = tns__realloc(*names, *n + 2, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    *names = grown;
    grown[*n] = tns__strdup(name);
    grown[*n + 1] = NULL;
    if (!grown[*n])
        return -ENOMEM;
    ++*n;
    return 0;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Without a DIR: opening one costs three system calls, and map of a mapped volume is counted in them. */
static int list_dir(int fd, char ***ret_names)
{
    _tns_strv_ char **names = tns__calloc(1, sizeof(*names));
    _Alignas(struct dirent64) char buf[8192];
    size_t n = 0;
    ssize_t len;

    if (!names)
        return -ENOMEM;
    while ((len = getdents64(fd, buf, sizeof(buf))) > 0) {
        const struct dirent64 *entry;

        for (ssize_t at = 0; at < len; at += entry->d_reclen) {
            int rc;

            entry = (const void *)(buf + at);
            rc = is_dot(entry->d_name) ? 0 : strv_add(&names, &n, entry->d_name);
            if (rc < 0)
                return rc;
        }
    }
    /* a directory that was removed meanwhile has come to its end: so POSIX says of readdir */
    if (len < 0 && errno != ENOENT)
        return -errno;

    qsort(names, n, sizeof(*names), compare_names);
    *ret_names = TNS_STEAL(names);
    return 0;
}

int tns__sysroot_list(struct tns_sysroot *sr, char ***ret_names, struct tns_error *err,
                      const char *fmt, ...)
{
    char path[PATH_MAX];
    _tns_close_ int fd = -1;
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_path(sr, "list", path, err, fmt, ap));
    if (rc < 0)
        return rc;

    fd = tns__sysroot_openat(sr, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return tns__sysroot_fail(err, -fd, "list", path);
    rc = list_dir(fd, ret_names);
    if (rc == -ENOMEM)
        return tns__error_nomem(err);
    return rc < 0 ? tns__sysroot_fail(err, -rc, "list", path) : 0;
}

int tns__sysroot_readlink(struct tns_sysroot *sr, char *buf, size_t cap,
                          struct tns_error *err, const char *fmt, ...)
{
    _tns_entry_ struct tns__sysroot_entry at = { .dir_fd = -1 };
    ssize_t len;
    int rc;

    TNS__VARARGS(rc, fmt, tns__sysroot_enter(sr, "readlink", 0, &at, err, fmt, ap));
    if (rc < 0)
        return rc;

    len = readlinkat(at.dir_fd, at.name, buf, cap);
    if (len >= 0 && (size_t)len >= cap)
        return tns__sysroot_fail(err, ENAMETOOLONG, "read symlink", at.path);
    if (len < 0)
        return tns__sysroot_fail(err, errno, "read symlink", at.path);
    buf[len] = '\0';
    return 0;
}

void tns__strv_free(char **names)
{
    for (char **name = names; name && *name; name++)
        tns__free(*name);
    tns__free(names);
}

void tns__strv_freep(char ***names)
{
    tns__strv_free(*names);
}
