/* SPDX-License-Identifier: Apache-2.0 */
/* What is repeated and what is not. */

/*
 * A call that never left, and a read whose reply was lost, are
 * sent again over a new connection within the deadline; so is a call that the NAS refused to begin
 * (session expired, too many calls at once). A change whose reply was lost is never sent again: its
 * error says OUTCOME_UNKNOWN, and the volume layer reads back.
 */
#include "session/session_priv.h"

#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "session/holder.h"

#define BACKOFF_FIRST_MS 250u
#define BACKOFF_MAX_MS 2000u
#define REMOTE_TOO_MANY (-32000)
#define FEW_CALLS 8
/* A NAS cuts idle sockets after 60 s, and a dead peer says nothing at all. */
#define IDLE_PROVE_NS TNS_MS(20000)
#define PROVE_MS 5000u

unsigned tns__backoff_ms(unsigned base, unsigned attempt, unsigned cap)
{
    uint32_t dice = 0;

    while (attempt-- > 0 && base < cap)
        base *= 2;
    if (base > cap)
        base = cap;
    if (getrandom(&dice, sizeof dice, GRND_NONBLOCK) != (ssize_t)sizeof dice)
        dice = (uint32_t)tns__now_ns();
    return base / 2 + dice % (base / 2 + 1);
}

bool tns__error_is_expired(const struct tns_error *err)
{
    enum { NOT_AUTHENTICATED = 207, NO_ACCESS = 13 };

    return err->remote_errno == NOT_AUTHENTICATED ||
           (err->remote_errno == NO_ACCESS && strstr(err->text, "Session is expired"));
}

/* ---- connecting ---- */

/* With REST each request carries the key: there is no session to share. */
static bool speaks_rest(const struct tns_session *s)
{
    struct tns_endpoint ep;
    struct tns_memo memo;

    tns__conf_endpoint(&s->conf, s->host, &ep);
    return s->conf.transport == TNS_TRANSPORT_REST ||
           (s->conf.transport == TNS_TRANSPORT_AUTO &&
            tns__memo_read(s->dirfd, &ep, &memo) && memo.dialect == TNS_DIALECT_REST);
}

static int connect_once(struct tns_session *s, struct tns_error *err)
{
    bool answered = false;
    struct tns_error why = TNS_ERROR_INIT;
    int rc;

    rc = tns__session_dirfd(s, err);
    if (rc)
        return rc;
    if (s->no_holder || speaks_rest(s))
        return tns__session_connect_direct(s, err);
    rc = tns__holder_connect(s, &answered, &why);
    if (!rc)
        return 0;
    if (answered || why.code == TNS_E_CANCELLED || tns__ctx_left_ms(&s->ctx) == 0)
        return tns__error_copy(err, &why);
    tns__log(&s->ctx, 6, "session", "no session holder (%s): logging in directly",
             why.text);
    return tns__session_connect_direct(s, err);
}

/* A NAS that worked a moment ago is restarting, and is waited for; one that never did is not. */
static bool connect_again(const struct tns_session *s, unsigned attempt,
                          const struct tns_error *why)
{
    if (why->code != TNS_E_TRANSPORT && why->code != TNS_E_UNAVAILABLE)
        return false;
    return s->was_up || attempt + 1 < s->conf.retry_max;
}

int tns__session_connect(struct tns_session *s, struct tns_error *err)
{
    struct tns_error cause = TNS_ERROR_INIT;

    if (s->rpc)
        return 0;
    for (unsigned attempt = 0;; attempt++) {
        struct tns_error why = TNS_ERROR_INIT;
        unsigned wait_ms = tns__backoff_ms(BACKOFF_FIRST_MS, attempt, BACKOFF_MAX_MS);

        if (connect_once(s, &why) == 0)
            return 0;
        /* The last attempt only ran out of time: what the others ran into tells more. */
        if (why.code == TNS_E_TIMEOUT && cause.code)
            return tns__error_copy(err, &cause);
        if (!connect_again(s, attempt, &why) ||
            wait_ms >= (unsigned)tns__ctx_left_ms(&s->ctx))
            return tns__error_copy(err, &why);
        cause = why;
        if (tns__ctx_backoff(&s->ctx, wait_ms, "the NAS to come back", err))
            return -err->code;
    }
}

/* ---- calling ---- */

static bool changes_something(const struct tns_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(calls[i].flags & TNS_CALL_READ))
            return true;
    }
    return false;
}

/* A change on a connection that may be dead would end as OUTCOME_UNKNOWN for nothing: after a pause,
 * or a call that timed out, the connection is proven first. */
static void prove(struct tns_session *s, const struct tns_call *calls, size_t n)
{
    bool idle = tns__now_ns() - s->used_ns > IDLE_PROVE_NS && changes_something(calls, n);
    uint64_t before;

    if (!s->rpc || s->via_holder || !(s->suspect || idle))
        return;
    before = tns__ctx_begin(&s->ctx, PROVE_MS);
    if (tns__session_freshen(s, NULL))
        tns__session_disconnect(s);
    s->ctx.deadline_ns = before;
    s->suspect = false;
}

/* A call that never left is sent again over another connection, and behind that may be another
 * NAS. When the question itself had to connect once more, its answer is about that connection. */
static int prove_again(struct tns_session *s, struct tns_error *err)
{
    int rc;

    if (!s->unproven || !s->prove_fn || s->proving)
        return 0;
    s->proving = true;
    rc = s->prove_fn(s->prove_user, err);
    s->proving = false;
    if (rc)
        tns__session_disconnect(s);
    else
        s->unproven = false;
    return rc;
}

struct batch {
    struct tns_call *all;  /* the caller's */
    struct tns_call *todo; /* copies of those without a reply yet */
    size_t *at;            /* where each of them belongs */
    size_t n;              /* of todo */
    unsigned rounds;       /* connections that broke under it */
    unsigned crowded;      /* times that the NAS had too many calls */
    bool relogged;
    struct tns_error lost; /* the first error that is no answer of the NAS */
};

enum fate { FATE_ANSWERED, FATE_AGAIN, FATE_LOST };

/* With REST a proxy may answer in place of the NAS: that is TRANSPORT, with an HTTP status. */
static bool is_answer(const struct tns_call *call)
{
    return call->result || (call->error.code != TNS_E_TRANSPORT &&
                            (call->error.remote_code || call->error.remote_errno));
}

static enum fate fate_after_break(const struct tns_call *call)
{
    if (is_answer(call))
        return FATE_ANSWERED;
    if (call->error.flags & TNS_F_OUTCOME_UNKNOWN)
        return FATE_LOST;
    if (call->error.code != TNS_E_TRANSPORT)
        return FATE_LOST;
    return (call->flags & TNS_CALL_READ) || (call->error.flags & TNS_F_RETRYABLE)
               ? FATE_AGAIN
               : FATE_LOST;
}

static enum fate fate_after_reply(const struct batch *b, const struct tns_call *call)
{
    /* Of a job it is the look at it that was refused: it has begun, and must not do so twice. */
    if (!call->error.code || (call->error.flags & TNS_F_OUTCOME_UNKNOWN))
        return FATE_ANSWERED;
    if (!b->relogged && tns__error_is_expired(&call->error))
        return FATE_AGAIN;
    if (b->crowded < 5 && call->error.remote_code == REMOTE_TOO_MANY)
        return FATE_AGAIN;
    return FATE_ANSWERED;
}

static void hand_over(struct batch *b, size_t i)
{
    struct tns_call *to = &b->all[b->at[i]];

    to->result = TNS_STEAL(b->todo[i].result);
    to->error = b->todo[i].error;
    to->job_id = b->todo[i].job_id;
}

/* Sorts out one run; what stays in todo is to be repeated. */
static void sort_out(struct batch *b, int rc, const struct tns_error *why)
{
    size_t kept = 0;
    bool expired = false, crowded = false;

    for (size_t i = 0; i < b->n; i++) {
        struct tns_call *call = &b->todo[i];
        enum fate fate;

        if (rc && !call->result && !call->error.code)
            call->error = *why;
        fate = rc ? fate_after_break(call) : fate_after_reply(b, call);
        if (fate == FATE_AGAIN && !rc && tns__error_is_expired(&call->error))
            expired = true;
        else if (fate == FATE_AGAIN && !rc)
            crowded = true;
        if (fate == FATE_LOST)
            tns__error_copy(&b->lost, &call->error);
        if (fate != FATE_AGAIN) {
            hand_over(b, i);
            continue;
        }
        b->todo[kept] = *call;
        b->at[kept++] = b->at[i];
    }
    b->n = kept;
    b->rounds += rc != 0;
    b->relogged = b->relogged || expired;
    b->crowded += crowded;
}

/* Gives what is left the error that ends it; that it is another NAS says more than how the last
 * connection ended. */
static void give_up(struct batch *b, const struct tns_error *why)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!b->todo[i].error.code || why->code == TNS_E_IDENTITY)
            b->todo[i].error = *why;
        hand_over(b, i);
    }
    if (b->n)
        tns__error_copy(&b->lost, why);
    b->n = 0;
}

/* A reply that did not come in time does not spoil a direct connection, and a login is dear. */
static void keep_or_drop(struct tns_session *s, int rc)
{
    bool late = rc == -TNS_E_TIMEOUT || rc == -TNS_E_CANCELLED;

    if (!rc)
        s->used_ns = tns__now_ns();
    else if (late && !s->via_holder && s->rpc->dialect != TNS_DIALECT_REST)
        s->suspect = true;
    else if (rc != -TNS_E_USAGE)
        tns__session_disconnect(s);
}

static int run_once(struct tns_session *s, struct batch *b, struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    uint64_t before = s->rpc->trips;
    int rc;

    for (size_t i = 0; i < b->n; i++)
        b->todo[i].error = (struct tns_error)TNS_ERROR_INIT;
    s->used.calls += b->n;
    rc = tns__rpc_calls(s->rpc, b->todo, b->n, &why);
    s->used.trips += s->rpc->trips - before;
    keep_or_drop(s, rc);
    sort_out(b, rc, &why);
    /* Once more, by ourselves or by the holder, which gives an expired session up. */
    if (b->relogged && b->n)
        tns__session_disconnect(s);
    return rc ? tns__error_copy(err, &why) : 0;
}

/* The error of calls that were not sent at all: they may be sent again by anyone. */
static void never_left(struct tns_error *why)
{
    if (why->code != TNS_E_USAGE && why->code != TNS_E_IDENTITY)
        why->flags |= TNS_F_RETRYABLE;
}

static int run_batch(struct tns_session *s, struct batch *b, struct tns_error *err)
{
    while (b->n) {
        struct tns_error why = TNS_ERROR_INIT;
        bool connected = s->rpc != NULL;
        int rc;

        prove(s, b->todo, b->n);
        rc = tns__session_connect(s, &why);
        if (!rc)
            rc = prove_again(s, &why);
        if (rc) {
            never_left(&why);
            give_up(b, &why);
            break;
        }
        /* Each round of a batch needs a working connection, so this is not the storm it looks
         * like: a NAS that cannot be reached ends it above. */
        rc = run_once(s, b, &why);
        if (b->n && b->rounds >= s->conf.retry_max + (connected ? 1 : 0))
            give_up(b, &why);
        if (b->n && (rc || b->crowded) &&
            tns__ctx_backoff(&s->ctx, tns__backoff_ms(100, b->rounds + b->crowded, 1000),
                             "the NAS", &why))
            give_up(b, &why);
    }
    return b->lost.code ? tns__error_copy(err, &b->lost) : 0;
}

static int run_copied(struct tns_session *s, struct tns_call *calls, size_t n,
                      struct tns_error *err)
{
    struct tns_call few[FEW_CALLS];
    size_t few_at[FEW_CALLS];
    _tns_free_ struct tns_call *many = NULL;
    _tns_free_ size_t *many_at = NULL;
    struct batch b = {
        .all = calls, .todo = few, .at = few_at, .n = n, .lost = TNS_ERROR_INIT
    };

    if (n > FEW_CALLS) {
        b.todo = many = tns__calloc(n, sizeof *many);
        b.at = many_at = tns__calloc(n, sizeof *many_at);
        if (!many || !many_at)
            return tns__error_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        b.todo[i] = calls[i];
        b.todo[i].result = NULL;
        b.todo[i].job_id = 0;
        b.at[i] = i;
    }
    return run_batch(s, &b, err);
}

/* After looking for jobs: whether there is a call without an answer of the NAS. */
static int still_lost(const struct tns_call *calls, size_t n, struct tns_error *why)
{
    tns__error_clear(why);
    for (size_t i = 0; i < n; i++) {
        if (!is_answer(&calls[i]))
            return tns__error_copy(why, &calls[i].error);
    }
    return 0;
}

int tns__session_calls(struct tns_session *s, struct tns_call *calls, size_t n,
                       struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    uint64_t before;
    int rc = tns__ctx_check_pid(&s->ctx, err);

    if (rc)
        return rc;
    before = tns__ctx_begin(&s->ctx, s->conf.timeout_ms);
    rc = run_copied(s, calls, n, &why);
    if (tns__session_find_jobs(s, calls, n))
        rc = still_lost(calls, n, &why);
    s->ctx.deadline_ns = before;
    return rc ? tns__error_copy(err, &why) : 0;
}

int tns__session_call(struct tns_session *s, const char *method, json_t *params,
                      unsigned flags, json_t **ret_result, struct tns_error *err)
{
    struct tns_call call = {
        .method = method, .params = params, .flags = flags, .error = TNS_ERROR_INIT
    };
    int rc = tns__session_calls(s, &call, 1, err);

    if (!rc && call.error.code)
        rc = tns__error_copy(err, &call.error);
    if (rc) {
        json_decref(call.result);
        return rc;
    }
    if (ret_result)
        *ret_result = call.result;
    else
        json_decref(call.result);
    return 0;
}

int tns__session_caps(struct tns_session *s, const struct tns_caps **ret,
                      struct tns_error *err)
{
    uint64_t before;
    int rc = tns__ctx_check_pid(&s->ctx, err);

    if (rc)
        return rc;
    before = tns__ctx_begin(&s->ctx, s->conf.timeout_ms);
    rc = tns__session_connect(s, err);
    s->ctx.deadline_ns = before;
    if (!rc)
        *ret = &s->caps;
    return rc;
}
