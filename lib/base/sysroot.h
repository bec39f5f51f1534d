/* SPDX-License-Identifier: Apache-2.0 */
/* The only way to this node's files: a root directory, which tests replace by a recorded tree. */
#ifndef TNS_BASE_SYSROOT_H
#define TNS_BASE_SYSROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/ctx.h"
#include "tnstor.h"

struct tns_sysroot;

/* root "/" is the node itself. Every path below is absolute, and confined to that root. */
int tns__sysroot_open(const char *root, struct tns_sysroot **ret, struct tns_error *err);
void tns__sysroot_close(struct tns_sysroot *sr);
void tns__sysroot_closep(struct tns_sysroot **sr);
#define _tns_sysroot_ __attribute__((cleanup(tns__sysroot_closep)))

/* Called with every path that is opened, read, written or listed: tests record accesses. */
typedef void (*tns_sysroot_trace_fn)(void *user, const char *verb, const char *path);
void tns__sysroot_trace(struct tns_sysroot *sr, tns_sysroot_trace_fn fn, void *user);

/* Paths are printf formats, so that callers write "/sys/block/%s/size". Absent files, and
 * those whose device goes while they are read, are TNS_E_NOTFOUND, everything else TNS_E_DEVICE with
 * errno. */

/* At most cap-1 bytes, trailing white space cut, NUL-terminated. */
int tns__sysroot_read(struct tns_sysroot *sr, char *buf, size_t cap, struct tns_error *err,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
int tns__sysroot_read_u64(struct tns_sysroot *sr, uint64_t *ret, struct tns_error *err,
                          const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* A whole file of at most max bytes, owned by the caller. */
int tns__sysroot_slurp(struct tns_sysroot *sr, size_t max, char **ret, size_t *ret_len,
                       struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* One write() to an existing file (sysfs attributes). */
int tns__sysroot_write(struct tns_sysroot *sr, const char *text, struct tns_error *err,
                       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Writes a file anew: temporary name, fsync, rename. Makes missing parent directories 0700. */
int tns__sysroot_replace(struct tns_sysroot *sr, const void *bytes, size_t len, mode_t mode,
                         struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* The same by way of a temporary file of that path, which is on the same file system: for directories
 * whose other readers take every name for theirs. */
int tns__sysroot_replace_by(struct tns_sysroot *sr, const char *temp, const void *bytes,
                            size_t len, mode_t mode, struct tns_error *err, const char *fmt,
                            ...) __attribute__((format(printf, 7, 8)));
/* Names in a directory, sorted, "." and ".." left out; free with tns__strv_free. */
int tns__sysroot_list(struct tns_sysroot *sr, char ***ret_names, struct tns_error *err,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int tns__sysroot_readlink(struct tns_sysroot *sr, char *buf, size_t cap,
                          struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Places a symlink atomically (temporary name, rename), making missing parent directories 0755. */
int tns__sysroot_symlink(struct tns_sysroot *sr, const char *target, struct tns_error *err,
                         const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Removing what is not there is success. */
int tns__sysroot_unlink(struct tns_sysroot *sr, struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int tns__sysroot_mkdir(struct tns_sysroot *sr, mode_t mode, struct tns_error *err,
                       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool tns__sysroot_exists(struct tns_sysroot *sr, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* For a process that is forked off for one blocking thing: the descriptor that it keeps, and an open that
 * neither allocates nor is traced; -errno, or the fd. */
int tns__sysroot_fd(const struct tns_sysroot *sr);
int tns__sysroot_openat(const struct tns_sysroot *sr, const char *path, int flags,
                        mode_t mode);
/* open() with O_CLOEXEC; the fd is the caller's. */
int tns__sysroot_openfd(struct tns_sysroot *sr, int flags, mode_t mode, int *ret_fd,
                        struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* An exclusive flock on a file that is made when missing, waited for until the deadline;
 * TNS_E_BUSY when it passes. Closing the fd gives it back. */
int tns__sysroot_lock(struct tns_sysroot *sr, const struct tns_ctx *ctx, int *ret_fd,
                      struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same for many at a time, none of them beside an exclusive one. */
int tns__sysroot_lock_shared(struct tns_sysroot *sr, const struct tns_ctx *ctx, int *ret_fd,
                             struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

void tns__strv_free(char **names);
void tns__strv_freep(char ***names);
#define _tns_strv_ __attribute__((cleanup(tns__strv_freep)))

#endif
