/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the system calls of a function, and of the processes it starts. */
#ifndef TNS_T_DEVICE_COUNT_H
#define TNS_T_DEVICE_COUNT_H

/* How many, exec'd programs included in *ret_execs; -1 where this machine allows no ptrace. fn runs in
 * a child and must answer 0. */
int count_syscalls(int (*fn)(void *user), void *user, int *ret_execs);

#endif
