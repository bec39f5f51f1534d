/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/session share among themselves: memory, limiter, probe, login. */
#ifndef TNS_SESSION_PRIV_H
#define TNS_SESSION_PRIV_H

#include "session/inside.h"

/* ---- what is remembered between processes (memo.c) ---- */

/* Of one host: which dialect it speaks, and the newest API version it listed ("" before 25.04). */
struct tns_memo {
    enum tns_dialect dialect;
    unsigned api; /* 2504, 2510, 2600; 0: older than lists */
};

bool tns__memo_read(int dirfd, const struct tns_endpoint *ep, struct tns_memo *ret);
void tns__memo_write(int dirfd, const struct tns_endpoint *ep, const struct tns_memo *memo);
void tns__memo_forget(int dirfd, const struct tns_endpoint *ep);

/* A refused key is not tried again at once by anybody: 0, or -TNS_E_AUTH and when. */
int tns__refused_check(int dirfd, const char *digest, struct tns_error *err);
void tns__refused_note(int dirfd, const char *digest);
void tns__refused_forget(int dirfd, const char *digest);

/* ---- the login limiter (limiter.c) ---- */

/* A place in the window of logins that the NAS gives to the whole node. */
struct tns_login_slot {
    int dirfd;
    char name[40];
    unsigned max;
    unsigned window_ms;
    unsigned cost; /* login calls it stands for: 2 with SCRAM */
    uint64_t id;
};

/* Waits for room within the deadline; TNS_E_BUSY with retry_after_ms when there will be none. Asked
 * before connecting, so that a full window costs the NAS nothing, ... */
int tns__limiter_room(const struct tns_ctx *ctx, struct tns_login_slot *slot,
                      struct tns_error *err);
/* ... and taken right before the login. */
int tns__limiter_take(const struct tns_ctx *ctx, struct tns_login_slot *slot,
                      struct tns_error *err);
/* The login was answered: its place is kept for a window from now on. */
void tns__limiter_done(struct tns_login_slot *slot);
/* The NAS said "Rate Limit Exceeded": nobody on this node logs in for a while. Returns ms. */
unsigned tns__limiter_close(struct tns_login_slot *slot);

/* ---- one connection ---- */

/* probe.c: which dialect the host speaks, remembered or asked. */
int tns__probe(struct tns_session *s, const struct tns_endpoint *ep, bool fresh,
               struct tns_memo *ret, struct tns_error *err);

/* login.c: waits until this node may log in there. */
int tns__login_room(struct tns_session *s, const struct tns_endpoint *ep,
                    const struct tns_memo *memo, struct tns_error *err);
/* login.c: one login on an open connection. *ret_standby: this controller is not the active one. */
int tns__login(struct tns_session *s, const struct tns_endpoint *ep, struct tns_rpc *rpc,
               const struct tns_memo *memo, bool *ret_standby, struct tns_error *err);

/* scram.c: SCRAM-SHA-512 with the API key; the key itself never leaves. */
int tns__scram_login(struct tns_session *s, struct tns_rpc *rpc, json_t **ret_answer,
                     struct tns_error *err);

/* jobs.c: looks for jobs whose connection was lost, and waits for them within the deadline: true
 * when there was one. What is not found keeps its error. */
bool tns__session_find_jobs(struct tns_session *s, struct tns_call *calls, size_t n);

/* caps.c */
int tns__caps_from_version(const char *version, enum tns_dialect dialect,
                           struct tns_caps *ret, struct tns_error *err);
unsigned
tns__release_of(const char *version); /* 2510 of "TrueNAS-25.10.2"; 0 when it has none */

/* Jittered: between half of base and base, doubled per attempt, at most cap. */
unsigned tns__backoff_ms(unsigned base, unsigned attempt, unsigned cap);

#endif
