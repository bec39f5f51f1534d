/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of sysroot share: opening below the root, and finding a name's directory. */
#ifndef TNS_BASE_SYSROOT_PRIV_H
#define TNS_BASE_SYSROOT_PRIV_H

#include <limits.h>
#include <stdarg.h>

#include "base/sysroot.h"

struct tns_sysroot {
    int fd;       /* O_PATH of the root */
    bool is_real; /* the root is "/": nothing to confine */
    tns_sysroot_trace_fn trace_fn;
    void *trace_user;
};

/* A path split at its last component: at(dir_fd, name) acts on exactly that entry. */
struct tns__sysroot_entry {
    int dir_fd;
    char path[PATH_MAX];
    const char *name; /* inside path */
};

/* Formats, checks and traces the path. */
int tns__sysroot_path(struct tns_sysroot *sr, const char *verb, char ret[PATH_MAX],
                      struct tns_error *err, const char *fmt, va_list ap)
    __attribute__((format(printf, 5, 0)));

/* Formats the path and opens its directory, which is made with make_mode when that is not 0. */
int tns__sysroot_enter(struct tns_sysroot *sr, const char *verb, mode_t make_mode,
                       struct tns__sysroot_entry *ret, struct tns_error *err,
                       const char *fmt, va_list ap) __attribute__((format(printf, 6, 0)));

/* Closes its directory. */
void tns__sysroot_leave(struct tns__sysroot_entry *at);
#define _tns_entry_ __attribute__((cleanup(tns__sysroot_leave)))

/* rc of a call that takes the arguments of a function with `fmt` and dots last, as `ap`. */
#define TNS__VARARGS(rc, fmt, call)                                                        \
    do {                                                                                   \
        va_list ap;                                                                        \
        va_start(ap, fmt);                                                                 \
        (rc) = (call);                                                                     \
        va_end(ap);                                                                        \
    } while (0)

/* The error of a failed system call on a path: NOTFOUND when it is not there, or no longer. */
int tns__sysroot_fail(struct tns_error *err, int sys_errno, const char *verb,
                      const char *path);

#endif
