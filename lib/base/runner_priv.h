/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of the runner: the caller's loop, and the keeper process that runs the program. */
#ifndef TNS_BASE_RUNNER_PRIV_H
#define TNS_BASE_RUNNER_PRIV_H

#include <stdbool.h>
#include <sys/types.h>

/* What the keeper writes to the status pipe before it leaves: one write, so whole or not at all. */
struct tns__run_status {
    int exec_errno; /* the program could not be started */
    int wait_status;
};

/* Write ends for the keeper; it closes everything else it was born with. */
struct tns__run_pipes {
    int out, err, status;
};

/*
 * Forks the keeper: a process of ours, leader of a group of its own, that starts the program, waits
 * for it and reports. It is what makes the runner independent of the SIGCHLD disposition of the host
 * program, and what keeps a program in D state from being anybody's zombie. -errno, or its pid.
 * With lets_end the program can do without its keeper and its pipes.
 */
pid_t tns__run_keeper(const char *const argv[], const struct tns__run_pipes *pipes,
                      bool lets_end);

#endif
