/* SPDX-License-Identifier: Apache-2.0 */
/* What the session tests share: options for a tnsim, run directories, holders of our own. */
#ifndef TNS_T_SESSION_SES_H
#define TNS_T_SESSION_SES_H

#include "common/tst.h"
#include "session/session_priv.h"

/* A fresh run directory of this test, 0700. Borrowed until the next call in this process. */
const char *ses_run_dir(void);

/* Options for that tnsim: its address, fingerprint and key; no holder, run directory as given. */
void ses_opts(const struct tst_sim *sim, const char *run_dir, struct tns_session_opts *ret);
/* The transport option that leads to the cell's dialect. */
const char *ses_transport(void);

/* Opens with these options, or fails the test; the log goes to where ses_log_text finds it. */
struct tns_session *ses_open(const struct tns_session_opts *opts);
const char *ses_log_text(void);

/* One system.version; 0 or -code. */
int ses_call(struct tns_session *s, struct tns_error *err);

/* The program under test; options then use and start it. */
const char *ses_holder(void);
/* Pids of the holders that serve this very run directory; returns how many. */
size_t ses_holder_pids(const char *run_dir, pid_t *pids, size_t cap);
/* Sends each of them the signal and waits, a little, until they are gone. */
void ses_holder_kill(const char *run_dir, int sig);

/* Runs fn in n processes at once; each exit code is counted: ret[code]. */
void ses_crowd(unsigned n, int (*fn)(void *user), void *user, unsigned ret[256]);

#endif
