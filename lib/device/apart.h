/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel may block for minutes runs in a process of its own, which can be left behind. */
#ifndef TNS_DEVICE_APART_H
#define TNS_DEVICE_APART_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/ctx.h"

struct tns__apart {
    pid_t pid;
    int fd; /* where its reply comes from */
};

/* Runs in the child: only async-signal-safe calls, no allocation. What it writes to reply_fd is the
 * reply; returning ends the child. */
typedef void (*tns__apart_fn)(void *arg, int reply_fd);

/* The child keeps keep_fd and drops every other descriptor of ours: a child that hangs must hold no
 * lock and no connection. */
int tns__apart_start(struct tns__apart *a, int keep_fd, tns__apart_fn fn, void *arg,
                     struct tns_error *err);
/* Exactly len bytes, within the deadline. */
int tns__apart_read(struct tns__apart *a, const struct tns_ctx *ctx, void *buf, size_t len,
                    const char *what, struct tns_error *err);
/* After the whole reply was read: the child is on its way out, and is waited for. */
void tns__apart_done(struct tns__apart *a);
/* Ends it, whatever it does. False when it could not be ended: it sits in the kernel. */
bool tns__apart_end(struct tns__apart *a);
void tns__apart_endp(struct tns__apart *a);
#define _tns_apart_ __attribute__((cleanup(tns__apart_endp)))

#endif
