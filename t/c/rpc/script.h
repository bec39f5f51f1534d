/* SPDX-License-Identifier: Apache-2.0 */
/* A NAS made of one C function: what carries messages, in memory and under the test's control. */
#ifndef TNS_T_RPC_SCRIPT_H
#define TNS_T_RPC_SCRIPT_H

#include "base/json.h"
#include "base/mem.h"
#include "common/tst.h"
#include "rpc/rpc_priv.h"

#define SCRIPT_MAX 70000

struct script;

/* Sees each request, parsed; answers by script_say and its kin, now or at a later one. */
typedef void (*script_fn)(struct script *s, json_t *request);

struct script {
    struct tns_io io;
    struct tns_ctx ctx;
    struct tns_error err;
    struct tns_rpc *rpc;
    script_fn fn;

    char *sent[SCRIPT_MAX]; /* every request */
    size_t n_sent;
    char *queue[SCRIPT_MAX]; /* answers on their way */
    size_t head, tail;
    size_t outstanding, most_outstanding;
    unsigned pings;

    /* faults */
    int send_fails; /* a code: the next send fails with it, ... */
    bool send_left; /* ... after the message left */
    int recv_fails; /* when the queue is empty */
    void *user;
};

/* Opens a connection of that dialect on a script; the deadline is 5 s. */
struct script *script_open(const struct tns_codec *codec, script_fn fn);
void script_close(struct script *s);
void script_deadline(struct script *s, unsigned ms);

/* printf into the queue of answers, as they stand. */
void script_say(struct script *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The answer to a request, in the dialect of the connection; value or error are JSON. */
void script_result(struct script *s, const json_t *request, const char *value);
void script_error(struct script *s, const json_t *request, const char *error);

const char *script_method(const json_t *request);
/* Answers each with the first of its parameters. */
void script_mirror(struct script *s, json_t *request);

/* One call with parameters as JSON. */
struct tns_call call_of(const char *method, const char *params, unsigned flags);
void call_done(struct tns_call *call);

#endif
