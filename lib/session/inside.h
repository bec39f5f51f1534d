/* SPDX-License-Identifier: Apache-2.0 */
/* What lib/session shows to tnsessiond: options as they are checked, the run directory, the handle. */
#ifndef TNS_SESSION_INSIDE_H
#define TNS_SESSION_INSIDE_H

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
    TNS_TRANSPORT_AUTO =
        0, /* "ws": probe, jsonrpc or ddp, REST where no websocket gets through */
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
bool tns__conf_digest(const struct tns_conf *conf, const struct tns_secret *key,
                      char ret[17]);

/* ---- the run directory (rundir.c) ---- */

/* Opens, or makes, the directory: ours, 0700, no symlink; anything else is TNS_E_CONFIG. */
int tns__rundir_open(const char *path, int *ret_fd, struct tns_error *err);
/* A small file there, whole; TNS_E_NOTFOUND when absent. NUL-terminated. */
int tns__rundir_read(int dirfd, const char *name, char *buf, size_t cap,
                     struct tns_error *err);
/* Replaces it atomically. */
int tns__rundir_write(int dirfd, const char *name, const char *text, struct tns_error *err);
/* An exclusive lock on a file there, waited for within the deadline; TNS_E_BUSY after it. */
int tns__rundir_lock(const struct tns_ctx *ctx, int dirfd, const char *name, int *ret_fd,
                     struct tns_error *err);

/* ---- one connection ---- */

struct tns_session {
    struct tns_ctx ctx;
    struct tns_conf conf;
    struct tns_secret *key;
    char digest[17];
    int dirfd;        /* of run_dir; -1 until it is needed                                */
    size_t host;      /* the one in use, or to be tried first                             */
    bool suspect;     /* a call timed out on it: prove that it lives before the next one  */
    uint64_t used_ns; /* when a call on it was answered last                              */
    bool was_up;      /* a connection worked once: a restart is waited for                */
    bool no_holder;   /* from the options, or since the holder failed us                  */
    tns_prove_fn prove_fn;
    void *prove_user;
    bool unproven; /* connected anew, and prove_fn has not been asked yet              */
    bool proving;  /* it is being asked: what it calls itself goes through              */
    struct tns_rpc *rpc;
    bool via_holder;
    struct tns_caps caps;
    char fingerprint[96];
    char at_host[256];
    uint16_t at_port;
    struct tns_session_counters used;
};

/* Asks for the release again: a cheap proof that the connection works and is logged in. */
int tns__session_freshen(struct tns_session *s, struct tns_error *err);
/* connect.c: a direct connection, logged in, with caps; tries the hosts in order. */
int tns__session_connect_direct(struct tns_session *s, struct tns_error *err);
/* The same through the holder where there is one, with retries (retry.c). */
int tns__session_connect(struct tns_session *s, struct tns_error *err);
void tns__session_disconnect(struct tns_session *s);
/* A connection was made, of whichever kind: another NAS may be behind it than behind the last one. */
void tns__session_is_new(struct tns_session *s);
/* The run directory, opened once. */
int tns__session_dirfd(struct tns_session *s, struct tns_error *err);

/* True for answers of a session that is no longer logged in: the call was not executed. */
bool tns__error_is_expired(const struct tns_error *err);

#endif
