/* SPDX-License-Identifier: Apache-2.0 */
/* One way to call a NAS, whatever dialect it speaks: calls in, results or errors out. */
#ifndef TNS_RPC_RPC_H
#define TNS_RPC_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/secret.h"
#include "tnstor.h"
#include "wire/wire.h"

enum tns_dialect {
    TNS_DIALECT_UNKNOWN = 0,
    TNS_DIALECT_JSONRPC = 1, /* /api/current, 25.04 and later                    */
    TNS_DIALECT_DDP = 2,     /* /websocket, the only one up to 24.10             */
    TNS_DIALECT_REST = 3,    /* /api/v2.0, 22.12 to 25.10                        */
};

enum tns_call_flag {
    TNS_CALL_READ = 1u << 0,   /* changes nothing: may be repeated after a lost reply     */
    TNS_CALL_JOB = 1u << 1,    /* answers a job id: wait for the job, give its result     */
    TNS_CALL_SECRET = 1u << 2, /* parameters or result are never logged                   */
    TNS_CALL_AUTH = 1u << 3,   /* part of a login                                         */
    TNS_CALL_UNIQUE = 1u << 4, /* no other call, ever, has these parameters: a job can be
                                * told by them                                            */
};

/*
 * One call. method and params (an array) stay the caller's until it is done; result becomes the
 * caller's. error.code is 0 when result is valid. After a failure in flight, a call without
 * TNS_CALL_READ that had left the socket carries TNS_F_OUTCOME_UNKNOWN.
 */
struct tns_call {
    const char *method; /* as the NAS names it: "pool.dataset.query" */
    json_t *params;
    unsigned flags;
    json_t *result;
    struct tns_error error;
    int64_t job_id; /* > 0: the job that was begun, also when its end was not seen */
};

void tns__call_clear(struct tns_call *call); /* releases result, clears error; not params */

struct tns_rpc;

struct tns_rpc_ops {
    const char *name;
    /*
     * Sends all calls, at most 8 in flight, and returns when each is answered or failed. 0 when
     * every call has a reply from the NAS (which may be an error of its own in call->error);
     * otherwise the connection is unusable: -code, and *err says why.
     */
    int (*calls)(struct tns_rpc *rpc, struct tns_call *calls, size_t n,
                 struct tns_error *err);
    /*
     * The asynchronous half, for tnsessiond, which serves many clients over one connection; both
     * are NULL where there is none (REST). submit queues a call, which is sent as soon as fewer
     * than 8 are in flight; it stays in place, and the caller's, until pump hands it back. pump
     * moves what can be moved, waits at most timeout_ms (0: not at all) for something to be
     * finished, and gives one finished call, or NULL. When it answers -code the connection is
     * unusable, and every call not handed back yet carries its error as after `calls`.
     */
    int (*submit)(struct tns_rpc *rpc, struct tns_call *call, struct tns_error *err);
    int (*pump)(struct tns_rpc *rpc, int timeout_ms, struct tns_call **ret_done,
                struct tns_error *err);
    /* Readable when pump has something to do; -1 when unknown. May be NULL. */
    int (*fd)(const struct tns_rpc *rpc);
    /* Colon-hex SHA-256 of the peer's certificate, "" without TLS. May be NULL. Borrowed. */
    const char *(*fingerprint)(const struct tns_rpc *rpc);
    /* A keepalive that is due (websocket ping); called when the owner is idle. May be NULL. */
    int (*ping)(struct tns_rpc *rpc, struct tns_error *err);
    void (*close)(struct tns_rpc *rpc);
};

struct tns_rpc {
    const struct tns_rpc_ops *ops;
    struct tns_ctx *ctx;
    enum tns_dialect dialect;
    uint64_t trips; /* made so far: requests of which one had to wait for another's reply */
};

/* Each connects its own transport to the endpoint; none logs in (REST takes the key along, with
 * the user name unused). On the wire nothing but the handshake has been sent when they return. */
int tns__rpc_jsonrpc_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                          struct tns_rpc **ret, struct tns_error *err);
int tns__rpc_ddp_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                      struct tns_rpc **ret, struct tns_error *err);
int tns__rpc_rest_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                       const struct tns_secret *key, struct tns_rpc **ret,
                       struct tns_error *err);
void tns__rpc_close(struct tns_rpc *rpc);
void tns__rpc_closep(struct tns_rpc **rpc);
#define _tns_rpc_ __attribute__((cleanup(tns__rpc_closep)))

int tns__rpc_calls(struct tns_rpc *rpc, struct tns_call *calls, size_t n,
                   struct tns_error *err);
/* A batch of one: 0 with *ret_result owned, or the call's or the connection's error. */
int tns__rpc_call(struct tns_rpc *rpc, const char *method, json_t *params, unsigned flags,
                  json_t **ret_result, struct tns_error *err);

/*
 * Jobs outlive the connection that began them. After a failure that carries OUTCOME_UNKNOWN, a
 * call with TNS_CALL_JOB may still be followed: search gives the parameters for core.get_jobs
 * (NULL: no memory), found picks the call's job out of the answer (0: not there), look reads it.
 */
enum tns_job_state { TNS_JOB_GOING, TNS_JOB_DONE };

json_t *tns__job_search(const struct tns_call *call, struct tns_error *err);
int64_t tns__job_found(const struct tns_call *call, const json_t *jobs);
/* Going on, or done with call->result or call->error set. */
enum tns_job_state tns__job_look(struct tns_call *call, int64_t job_id, json_t *jobs);
/* Milliseconds until the next look, growing with each. */
unsigned tns__job_pause(unsigned looks);

/*
 * Errors of the NAS, put into our codes in one table per dialect (rpc/errmap.c): EINVAL inside
 * with errno 2 in `extra` is notfound, EBUSY "Rate Limit Exceeded" is busy with retry_after, and
 * so on (truenas/API.md 1.1-1.3, 7).
 */
void tns__errmap_middleware(struct tns_error *err, const char *method, int remote_code,
                            int remote_errno, const char *reason, const json_t *extra);

#endif
