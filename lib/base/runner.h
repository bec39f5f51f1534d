/* SPDX-License-Identifier: Apache-2.0 */
/* The only way to other programs: an argv, a deadline, capped output, and no shell. */
#ifndef TNS_BASE_RUNNER_H
#define TNS_BASE_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ctx.h"
#include "tnstor.h"

struct tns_run_result {
    int exit_code; /* -1 when a signal ended it, which `signal` then names */
    int signal;
    char *out; /* stdout and stderr apart, each capped at 1 MiB, NUL-terminated */
    char *err;
};

void tns__run_result_clear(struct tns_run_result *r);
#define _tns_run_result_ __attribute__((cleanup(tns__run_result_clear)))

/*
 * argv[0] is an absolute path. Fixed environment (PATH, LC_ALL=C), stdin /dev/null, own process
 * group, no inherited descriptors. At the deadline: SIGTERM to the group, 2 s of grace, SIGKILL, and
 * a child that even then stays (D state) is abandoned, never waited for: TNS_E_TIMEOUT.
 * A command that ran and failed is success here: look at exit_code. A program that is
 * not there is TNS_E_NOTFOUND. SIGCHLD handlers and
 * SIG_IGN of the host program must not disturb: pidfd where the kernel has it.
 */
struct tns_runner {
    int (*run)(struct tns_runner *r, const struct tns_ctx *ctx, const char *const argv[],
               struct tns_run_result *ret, struct tns_error *err);
    void *user; /* of the implementation: tests keep their script here */
    /* A program that must not die half way: at the deadline, or when cancelled, it is left alone to end
     * by itself, within 2 minutes from its start. */
    bool lets_end;
};

/* The real one; static, needs no release. */
struct tns_runner *tns__runner_real(void);

#endif
