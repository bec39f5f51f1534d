/* SPDX-License-Identifier: Apache-2.0 */
/* A session: endpoints with failover, one login, the limiter, what this release can do. */
#ifndef TNS_SESSION_SESSION_H
#define TNS_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/secret.h"
#include "rpc/rpc.h"
#include "tnstor.h"

/* Snapshot methods live in another namespace every few years. */
enum tns_snap_ns {
    TNS_SNAP_ZFS = 1,      /* zfs.snapshot.*            up to 25.04 */
    TNS_SNAP_POOL = 2,     /* pool.snapshot.*           25.10       */
    TNS_SNAP_RESOURCE = 3, /* zfs.resource.snapshot.* beside pool.snapshot.*, 26 */
};

/* One row of the capability table (session/caps.c). release is 2212, 2310, ... 2510, 2600. */
struct tns_caps {
    unsigned release;
    char version[64]; /* as system.version answers */
    enum tns_dialect dialect;
    enum tns_snap_ns snap_ns;
    bool public_rename;      /* pool.dataset.rename, 25.10+ (needs force)                */
    bool service_control;    /* service.control job; else service.start/...              */
    bool delete_extents_arg; /* iscsi.target.delete takes (id, force, delete_extents)    */
    bool product_id;         /* iscsi.extent has product_id                              */
    bool create_drops_tags;  /* pool.dataset.create loses user_properties (26 beta)      */
    bool delete_lies;        /* pool.dataset.delete may answer true and not have deleted */
    bool close_cancels;      /* closing the socket cancels running calls                 */
    bool bulk;               /* core.bulk reachable in this dialect                      */
};

/* Everything a session needs; strings are copied by tns_session_open. Zero means default. */
struct tns_session_opts {
    const char *hosts;     /* "nas1,nas2": tried in order, the standby skipped            */
    const char *transport; /* "ws" (default), "rest": api_transport; "jsonrpc" and "ddp"
                                * are "ws" without a probe                                  */
    const char *scheme;    /* "wss" "https" (default) "ws" "http": api_scheme             */
    uint16_t port;         /* 0: 443, or 80 without TLS                                   */
    bool insecure;
    bool prefer_ipv4;
    const char *ca_file;
    const char
        *fingerprints; /* comma separated                                             */
    const char *user;  /* tn_user: login_ex; NULL: login_with_api_key                 */
    const char *key;   /* the API key; copied into a secret                           */
    size_t key_len;
    const char *run_dir; /* /run/tnstor: limiter, dialect cache, holder socket          */
    bool no_holder;      /* never use or start tnsessiond                               */
    const char
        *holder_path;    /* the program to start on demand; NULL: installed place       */
    unsigned retry_max;  /* api_retry_max: connection attempts, default 3               */
    unsigned timeout_ms; /* budget of a call when none is running, default 30 000       */
    unsigned login_max;  /* logins per window for the whole node, default 18            */
    unsigned
        login_window_ms; /* default 60 000: what the NAS counts                         */
    tns_log_fn log_fn;
    void *log_user;
    int log_level;
    tns_cancel_fn cancel_fn;
    void *cancel_user;
};

struct tns_session;

/* Checks the options (each wrong one is TNS_E_CONFIG naming it) and connects to nothing. */
int tns__session_open(const struct tns_session_opts *opts, struct tns_session **ret,
                      struct tns_error *err);
/* Closes; in a process that did not open it, says nothing to the NAS. NULL is fine. */
void tns__session_close(struct tns_session *s);
void tns__session_closep(struct tns_session **s);
#define _tns_session_ __attribute__((cleanup(tns__session_closep)))

struct tns_ctx *tns__session_ctx(struct tns_session *s);

/* Connects, probes and logs in unless that is done; then what the NAS can do. Borrowed. */
int tns__session_caps(struct tns_session *s, const struct tns_caps **ret,
                      struct tns_error *err);

/*
 * Runs the calls over whatever connection there is, connecting first if need be. Retry policy
 * (RELIABILITY section 3): calls that never left and reads whose reply was lost are repeated on
 * a new connection within the deadline; a mutation whose reply was lost is not, and its error
 * carries TNS_F_OUTCOME_UNKNOWN. 0 when every call was answered by the NAS, each perhaps with an
 * error of its own in call->error; otherwise -code in *err, and in every call that has no reply.
 */
int tns__session_calls(struct tns_session *s, struct tns_call *calls, size_t n,
                       struct tns_error *err);
int tns__session_call(struct tns_session *s, const char *method, json_t *params,
                      unsigned flags, json_t **ret_result, struct tns_error *err);

/*
 * Asked on every new connection but the first, before any other call goes over it: is this
 * still the NAS that is meant? fn may call over the session; its error ends the calls that
 * were to be sent, which have not left.
 */
typedef int (*tns_prove_fn)(void *user, struct tns_error *err);
void tns__session_on_reconnect(struct tns_session *s, tns_prove_fn fn, void *user);

/* For `tnctl ping`: where it is connected, through the holder or not. Filled after caps. */
struct tns_session_info {
    char host[256];
    uint16_t port;
    char fingerprint[96];
    bool via_holder;
    enum tns_dialect dialect;
};
void tns__session_info(const struct tns_session *s, struct tns_session_info *ret);

/* What this handle has used: calls sent, round trips one after the other, and logins of its own;
 * one that the holder did is nobody's. */
struct tns_session_counters {
    uint64_t calls;
    uint64_t trips;
    uint64_t logins;
    uint64_t connects; /* connections made: another NAS may be behind each */
};
void tns__session_counters(const struct tns_session *s, struct tns_session_counters *ret);

#endif
