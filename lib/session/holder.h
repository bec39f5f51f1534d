/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of tnsessiond: starting it, and calling a NAS through it. */
#ifndef TNS_SESSION_HOLDER_H
#define TNS_SESSION_HOLDER_H

#include "session/inside.h"

#define TNS_HOLDER_SOCKET "holder.sock"
#define TNS_HOLDER_LOCK "holder.lock"

/*
 * Fills s->rpc, s->caps and what tns__session_info tells from a session of the holder. When it
 * fails, *ret_answered says whether the holder spoke for the NAS, so that the error is the NAS's;
 * otherwise the caller logs in by itself.
 */
int tns__holder_connect(struct tns_session *s, bool *ret_answered, struct tns_error *err);

/* A connection to the holder of that run directory, started if need be; peer checked. */
int tns__holder_dial(struct tns_session *s, int *ret_fd, struct tns_error *err);

#endif
