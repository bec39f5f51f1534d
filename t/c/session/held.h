/* SPDX-License-Identifier: Apache-2.0 */
/* A tnsim, and a run directory for each test, in which holders of the session may run. */
#ifndef TNS_T_SESSION_HELD_H
#define TNS_T_SESSION_HELD_H

#include "session/ses.h"

/* Unchecked and checked fixtures of a test case. */
void held_start(void);
void held_stop(void);
void held_fresh(void);
void held_tidy(void);

/* Between those. */
extern struct tst_sim *held_sim;
extern char held_run_dir[300];

/* Options that use, and start, the holder in that directory. */
void held_opts(struct tns_session_opts *ret);
/* What a short-lived process does: 0, or the code of the error. */
int held_request(void *user);

#endif
