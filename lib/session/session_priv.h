/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/session, and tnsessiond, share: options, run directory, one connection. */
#ifndef TNS_SESSION_PRIV_H
#define TNS_SESSION_PRIV_H

#include "base/cleanup.h"
#include "base/ctx.h"
#include "base/error.h"
#include "base/secret.h"
#include "session/session.h"

#define TNS_HOSTS_MAX 8
#define TNS_FINGERPRINTS_MAX 8
#define TNS_DEFAULT_RUN_DIR "/run/tnstor"
#ifndef TNS_HOLDER_PATH
#define TNS_HOLDER_PATH "/usr/libexec/tnstor/tnsessiond"
#endif

/* ---- options (opts.c) ---- */

enum tns_transport {
    TNS_TRANSPORT_AUTO = 0, /* "ws": probe, jsonrpc or ddp, REST where no websocket gets through */
    TNS_TRANSPORT_JSONRPC,
    TNS_TRANSPORT_DDP,
    TNS_TRANSPORT_REST,
};

/* The options of a session, checked and copied; the key is kept apart. */
struct tns_conf {
    char *hosts[TNS_HOSTS_MAX + 1]; /* IPv6 without brackets, NULL-terminated */
    size_t n_hosts;
    enum tns_transport transport;
    bool tls;
    uint16_t port;
    bool insecure;
    bool prefer_ipv4;
    char *ca_file;
    char *fingerprints[TNS_FINGERPRINTS_MAX + 1]; /* upper case, NULL-terminated */
    char *user;
    char *run_dir;
    char *holder_path;
    bool no_holder;
    unsigned retry_max;
    unsigned timeout_ms;
    unsigned login_max;
    unsigned login_window_ms;
};

int tns__conf_read(const struct tns_session_opts *opts, struct tns_conf *ret,
                   struct tns_error *err);
void tns__conf_clear(struct tns_conf *conf);
void tns__conf_endpoint(const struct tns_conf *conf, size_t host, struct tns_endpoint *ret);

/*
 * 16 hex digits that stand for (endpoints, rules, credential): one upstream session of the holder
 * each, and the name of the record of a refused key. Hides the key: a cut SHA-256 of 64 random
 * characters and more.
 */
bool tns__conf_digest(const struct tns_conf *conf, const struct tns_secret *key, char ret[17]);

/* ---- the run directory (rundir.c) ---- */

/* Opens, or makes, the directory: ours, 0700, no symlink; anything else is TNS_E_CONFIG. */
int tns__rundir_open(const char *path, int *ret_fd, struct tns_error *err);
/* A small file there, whole; TNS_E_NOTFOUND when absent. NUL-terminated. */
int tns__rundir_read(int dirfd, const char *name, char *buf, size_t cap, struct tns_error *err);
/* Replaces it atomically. */
int tns__rundir_write(int dirfd, const char *name, const char *text, struct tns_error *err);
/* An exclusive lock on a file there, waited for within the deadline; TNS_E_BUSY after it. */
int tns__rundir_lock(const struct tns_ctx *ctx, int dirfd, const char *name, int *ret_fd,
                     struct tns_error *err);

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

struct tns_session {
    struct tns_ctx ctx;
    struct tns_conf conf;
    struct tns_secret *key;
    char digest[17];
    int dirfd;      /* of run_dir; -1 until it is needed */
    size_t host;    /* the one in use, or to be tried first */
    bool suspect;   /* a call timed out on it: prove that it lives before the next one */
    uint64_t used_ns; /* when a call on it was answered last */
    bool was_up;    /* a connection worked once: a restart is waited for until the deadline */
    bool no_holder; /* from the options, or since the holder failed us */
    struct tns_rpc *rpc;
    bool via_holder;
    struct tns_caps caps;
    char fingerprint[96];
    char at_host[256];
    uint16_t at_port;
    struct tns_session_counters used;
};

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

/* caps.c */
int tns__caps_from_version(const char *version, enum tns_dialect dialect, struct tns_caps *ret,
                           struct tns_error *err);
unsigned tns__release_of(const char *version); /* 2510 of "TrueNAS-25.10.2"; 0 when it has none */

/* connect.c: a direct connection, logged in, with caps; tries the hosts in order. */
/* Asks for the release again: a cheap proof that the connection works and is logged in. */
int tns__session_freshen(struct tns_session *s, struct tns_error *err);
int tns__session_connect_direct(struct tns_session *s, struct tns_error *err);
/* The same through the holder where there is one, with retries (retry.c). */
int tns__session_connect(struct tns_session *s, struct tns_error *err);
void tns__session_disconnect(struct tns_session *s);
/* The run directory, opened once. */
int tns__session_dirfd(struct tns_session *s, struct tns_error *err);

/* True for answers of a session that is no longer logged in: the call was not executed. */
bool tns__error_is_expired(const struct tns_error *err);

/* Jittered: between half of base and base, doubled per attempt, at most cap. */
unsigned tns__backoff_ms(unsigned base, unsigned attempt, unsigned cap);

#endif
