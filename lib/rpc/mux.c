/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on one connection: 8 in flight, replies in any order, jobs followed to their end. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "rpc/rpc_priv.h"

#define MUX_WINDOW 8
/* Messages that answer nothing: a few may be late replies of another life, more is nonsense. */
#define MUX_MAX_ODD 16
#define MUX_MAX_EVENTS 10000
/* -32000, too many calls outstanding: not executed, so tried again, each time later. */
#define MUX_MAX_BUSY 10
#define MUX_BUSY_MS 40u

enum state {
    WAITING, /* to be sent as soon as there is room, not before at_ns */
    IN_FLIGHT,
    FINISHED, /* result or error are in the call                       */
};

struct entry {
    struct entry *next;
    struct tns_call *call; /* NULL: abandoned; its late reply is swallowed */
    enum state state;
    uint64_t id; /* of the request that is in flight */
    uint64_t at_ns;
    uint64_t sent_ns;
    bool left;      /* the call itself may have reached the NAS    */
    int64_t job_id; /* > 0: the call is done, this job is followed */
    uint64_t trip;
    unsigned looks;
    unsigned busy;
};

struct mux {
    struct tns_rpc rpc;
    const struct tns_codec *codec;
    struct tns_io *io;
    struct entry *first, **tail;
    size_t in_flight;
    uint64_t last_id;
    uint64_t heard; /* the latest trip of which a reply is here */
    unsigned odd, events;
    pid_t owner_pid;
    struct tns_error broken;
};

static struct mux *mux_of(struct tns_rpc *rpc)
{
    return (struct mux *)rpc;
}

/* ---- entries ---- */

static struct entry *entry_add(struct mux *mux, struct tns_call *call)
{
    struct entry *e = tns__alloc(sizeof(*e));

    if (!e)
        return NULL;
    e->call = call;
    *mux->tail = e;
    mux->tail = &e->next;
    return e;
}

static void entry_remove(struct mux *mux, struct entry *e)
{
    struct entry **at = &mux->first;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    if (mux->tail == &e->next)
        mux->tail = at;
    if (e->state == IN_FLIGHT)
        mux->in_flight--;
    tns__free(e);
}

static struct entry *entry_by_id(const struct mux *mux, uint64_t id)
{
    for (struct entry *e = mux->first; e; e = e->next)
        if (e->state == IN_FLIGHT && e->id == id)
            return e;
    return NULL;
}

/* Its owner no longer waits. What is in flight stays, so that its late reply is known. */
static void entry_abandon(struct mux *mux, struct entry *e)
{
    e->call = NULL;
    if (e->state != IN_FLIGHT)
        entry_remove(mux, e);
}

static void entry_fail(struct entry *e, const struct tns_error *why)
{
    if (e->call)
        tns__call_lost(e->call, e->left, why);
    e->state = FINISHED;
}

/* The connection is of no use any more: everything that is not finished fails with it. */
static int mux_break(struct mux *mux, const struct tns_error *why)
{
    tns__error_copy(&mux->broken, why);
    mux->in_flight = 0;
    for (struct entry *e = mux->first; e; e = e->next)
        if (e->state != FINISHED)
            entry_fail(e, why);
    return -why->code;
}

/* ---- sending ---- */

/* Secrets go to nobody who could not be trusted with them: a plain connection is read by all. */
static int mux_check_private(const struct mux *mux, const struct tns_call *call,
                             struct tns_error *err)
{
    if (mux->io->private || !(call->flags & (TNS_CALL_SECRET | TNS_CALL_AUTH)))
        return 0;
    return tns__error_set(
        err, TNS_E_CONFIG,
        "%s: a key or password is never sent without TLS, and the NAS revokes a "
        "key that arrives so: use the scheme https or wss",
        call->method);
}

static int mux_spell(struct mux *mux, const struct entry *e, char **ret_text,
                     size_t *ret_len, struct tns_error *err)
{
    _tns_json_ json_t *query = NULL;
    _tns_json_ json_t *message = NULL;
    json_t *params = e->call->params;
    const char *method = e->call->method;

    if (e->job_id > 0) {
        method = "core.get_jobs";
        params = query = tns__job_query(e->job_id, err);
        if (!query)
            return -TNS_E_NOMEM;
    }
    message = mux->codec->encode(e->id, method, params, err);
    if (!message)
        return -TNS_E_NOMEM;
    *ret_text = tns__json_dump(message, ret_len);
    return *ret_text ? 0 : tns__error_nomem(err);
}

/* What could have known no reply that is not here yet travels together with what waits for those
 * replies, however late they come. Looking at a job again is waiting, not a trip more. */
static void mux_count_trip(struct mux *mux, struct entry *e)
{
    e->trip = mux->heard + (e->looks == 0);
    if (e->trip > mux->rpc.trips)
        mux->rpc.trips = e->trip;
}

/* -code only when the connection broke; a request that cannot be sent at all fails alone. */
static int mux_send(struct mux *mux, struct entry *e, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    char *text = NULL;
    size_t len = 0;
    int rc;

    e->id = ++mux->last_id;
    rc = mux_check_private(mux, e->call, &local);
    if (rc == 0)
        rc = mux_spell(mux, e, &text, &len, &local);
    if (rc < 0) {
        entry_fail(e, &local);
        return 0;
    }

    rc = mux->io->ops->send(mux->io, text, len, &local);
    explicit_bzero(text, len);
    tns__free(text);
    if (rc == -TNS_E_USAGE || rc == -TNS_E_NOMEM) {
        tns__error_prefix(&local, "%s", e->call->method);
        entry_fail(e, &local);
        return 0;
    }
    if (rc == 0 || !(local.flags & TNS_F_RETRYABLE))
        e->left = true;
    if (rc < 0)
        return tns__error_copy(err, &local);
    mux_count_trip(mux, e);
    e->state = IN_FLIGHT;
    e->sent_ns = tns__now_ns();
    mux->in_flight++;
    return 0;
}

/* Sends what is due. *ret_next_ns: when the next one that pauses is due, 0 for none. */
static int mux_send_due(struct mux *mux, uint64_t *ret_next_ns, struct tns_error *err)
{
    *ret_next_ns = 0;
    for (struct entry *e = mux->first; e; e = e->next) {
        int rc;

        if (e->state != WAITING)
            continue;
        if (e->at_ns > tns__now_ns()) {
            if (*ret_next_ns == 0 || e->at_ns < *ret_next_ns)
                *ret_next_ns = e->at_ns;
            continue;
        }
        if (mux->in_flight >= MUX_WINDOW)
            continue;
        rc = mux_send(mux, e, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- receiving ---- */

static void entry_wait(struct entry *e, unsigned ms)
{
    e->state = WAITING;
    e->at_ns = tns__now_ns() + TNS_MS(ms);
}

/* Several processes that were refused together must not come back together. */
static unsigned mux_jitter(unsigned busy)
{
    unsigned base = MUX_BUSY_MS << (busy < 6 ? busy : 6);

    return base + (unsigned)((tns__now_ns() / 1000 + (uint64_t)getpid() * 7919) % base);
}

static bool is_too_many(const struct tns_error *err)
{
    return err->code == TNS_E_BUSY && err->remote_code == TNS_REMOTE_TOO_MANY;
}

static void entry_take_error(struct mux *mux, struct entry *e, const json_t *error)
{
    struct tns_error local = TNS_ERROR_INIT;

    mux->codec->explain(error, e->call->method, &local);
    if (is_too_many(&local) && e->busy < MUX_MAX_BUSY) {
        if (e->job_id == 0)
            e->left = false;
        entry_wait(e, mux_jitter(e->busy++));
        return;
    }
    /* The look at a job failed, not the job. */
    if (e->job_id > 0 && !(e->call->flags & TNS_CALL_READ))
        local.flags |= TNS_F_OUTCOME_UNKNOWN;
    tns__error_copy(&e->call->error, &local);
    e->state = FINISHED;
}

static void entry_take_result(struct entry *e, json_t *result)
{
    struct tns_call *call = e->call;

    if (e->job_id > 0) {
        if (tns__job_look(call, e->job_id, result) == TNS_JOB_GOING)
            entry_wait(e, tns__job_pause(++e->looks));
        else
            e->state = FINISHED;
        return;
    }
    if ((call->flags & TNS_CALL_JOB) && json_is_integer(result) &&
        json_integer_value(result) > 0) {
        e->job_id = call->job_id = json_integer_value(result);
        entry_wait(e, tns__job_pause(0));
        return;
    }
    call->result = json_incref(result);
    e->state = FINISHED;
}

static void entry_take(struct mux *mux, struct entry *e, const struct tns_frame *frame)
{
    struct tns_error local = TNS_ERROR_INIT;

    mux->in_flight--;
    if (e->trip > mux->heard)
        mux->heard = e->trip;
    e->state = WAITING;
    if (!e->call) {
        entry_remove(mux, e);
        return;
    }
    tns__log(mux->rpc.ctx, LOG_DEBUG, "rpc", "%s: %s after %u us", e->call->method,
             frame->error ? "refused" : "answered",
             (unsigned)((tns__now_ns() - e->sent_ns) / 1000));
    if (frame->error) {
        entry_take_error(mux, e, frame->error);
    } else if (frame->result) {
        entry_take_result(e, frame->result);
    } else {
        tns__error_set(&local, TNS_E_PROTOCOL,
                       "%s: the answer has neither result nor error", e->call->method);
        entry_fail(e, &local);
    }
}

static int mux_odd(struct mux *mux, struct tns_error *err)
{
    if (++mux->odd <= MUX_MAX_ODD)
        return 0;
    return tns__error_set(err, TNS_E_PROTOCOL,
                          "the NAS keeps sending answers to questions that were not asked");
}

static int mux_event(struct mux *mux, struct tns_error *err)
{
    if (++mux->events <= MUX_MAX_EVENTS)
        return 0;
    return tns__error_set(err, TNS_E_PROTOCOL, "the NAS sends events without end");
}

static int mux_refused(const struct mux *mux, const json_t *error, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;

    mux->codec->explain(error, "a request", &local);
    return tns__error_set(err, TNS_E_PROTOCOL, "the NAS could not read a request: %s",
                          local.text);
}

static int mux_take(struct mux *mux, const char *text, size_t len, struct tns_error *err)
{
    _tns_json_ json_t *message = NULL;
    struct tns_frame frame;
    struct entry *e;
    int rc = tns__json_parse(text, len, &tns__json_default_limits, &message, err);

    if (rc < 0)
        return rc;
    mux->codec->decode(message, &frame);
    switch (frame.kind) {
    case TNS_FRAME_EVENT:
        return mux_event(mux, err);
    case TNS_FRAME_REFUSED:
        return mux_refused(mux, frame.error, err);
    case TNS_FRAME_REPLY:
        e = entry_by_id(mux, frame.id);
        if (!e)
            return mux_odd(mux, err);
        mux->events = 0;
        entry_take(mux, e, &frame);
        return 0;
    case TNS_FRAME_ODD:
        break;
    }
    return mux_odd(mux, err);
}

/* ---- the interface ---- */

static struct tns_call *mux_hand_back(struct mux *mux)
{
    for (struct entry *e = mux->first; e; e = e->next) {
        struct tns_call *call = e->call;

        if (e->state != FINISHED)
            continue;
        entry_remove(mux, e);
        return call;
    }
    return NULL;
}

/* How long recv may wait: until the caller's time is up, or a pause is over. */
static int mux_patience(uint64_t until_ns, uint64_t next_ns)
{
    uint64_t now = tns__now_ns();
    uint64_t end = next_ns && next_ns < until_ns ? next_ns : until_ns;

    return end > now ? (int)((end - now + 999999) / 1000000) : 0;
}

static int mux_step(struct mux *mux, uint64_t until_ns, bool *ret_idle,
                    struct tns_error *err)
{
    _tns_free_ char *text = NULL;
    uint64_t next_ns;
    size_t len;
    int rc = mux_send_due(mux, &next_ns, err);

    *ret_idle = false;
    for (struct entry *e = mux->first; rc == 0 && e; e = e->next)
        if (e->state == FINISHED)
            return 0;
    if (rc == 0)
        rc = mux->io->ops->recv(mux->io, mux_patience(until_ns, next_ns), &text, &len, err);
    if (rc < 0)
        return rc;
    *ret_idle = !text;
    return text ? mux_take(mux, text, len, err) : 0;
}

static int mux_usable(const struct mux *mux, struct tns_error *err)
{
    if (mux->owner_pid != getpid())
        return tns__error_set(err, TNS_E_FORKED,
                              "the connection belongs to another process");
    return mux->broken.code ? tns__error_copy(err, &mux->broken) : 0;
}

static int mux_submit(struct tns_rpc *rpc, struct tns_call *call, struct tns_error *err)
{
    struct mux *mux = mux_of(rpc);
    int rc = mux_usable(mux, err);

    if (rc < 0)
        return rc;
    tns__call_clear(call);
    return entry_add(mux, call) ? 0 : tns__error_nomem(err);
}

static bool is_only_late(int rc)
{
    return rc == -TNS_E_TIMEOUT || rc == -TNS_E_CANCELLED;
}

static int mux_pump(struct tns_rpc *rpc, int timeout_ms, struct tns_call **ret_done,
                    struct tns_error *err)
{
    struct mux *mux = mux_of(rpc);
    uint64_t until = tns__now_ns() + TNS_MS((unsigned)timeout_ms);
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_call *call;
    int rc = mux_usable(mux, err);

    if (rc < 0)
        return rc;
    for (;;) {
        bool idle;

        rc = mux_step(mux, until, &idle, &local);
        if (rc < 0)
            break;
        call = mux_hand_back(mux);
        if (call || (idle && tns__now_ns() >= until)) {
            *ret_done = call;
            return 0;
        }
    }
    if (!is_only_late(rc))
        mux_break(mux, &local);
    return tns__error_copy(err, &local);
}

static bool is_one_of(const struct tns_call *call, const struct tns_call *calls, size_t n)
{
    return call >= calls && call < calls + n;
}

/* The caller's structs go out of scope: no entry may point at them any longer. */
static void mux_let_go(struct mux *mux, const struct tns_call *calls, size_t n,
                       const struct tns_error *why)
{
    struct entry *next;

    for (struct entry *e = mux->first; e; e = next) {
        next = e->next;
        if (!e->call || !is_one_of(e->call, calls, n))
            continue;
        if (e->state != FINISHED)
            tns__call_lost(e->call, e->left, why);
        entry_abandon(mux, e);
    }
}

static int mux_wait_all(struct mux *mux, size_t n, struct tns_error *err)
{
    while (n > 0) {
        struct tns_call *done = NULL;
        int rc = mux_pump(&mux->rpc, tns__ctx_left_ms(mux->rpc.ctx), &done, err);

        if (rc == 0 && !done)
            rc = tns__ctx_check(mux->rpc.ctx, "answers of the NAS", err);
        if (rc < 0)
            return rc;
        if (done)
            n--;
    }
    return 0;
}

static int mux_calls(struct tns_rpc *rpc, struct tns_call *calls, size_t n,
                     struct tns_error *err)
{
    struct mux *mux = mux_of(rpc);
    struct tns_error local = TNS_ERROR_INIT;
    size_t submitted = 0;
    int rc = mux_usable(mux, &local);

    for (size_t i = 0; i < n; i++)
        tns__call_clear(&calls[i]);
    for (; rc == 0 && submitted < n; submitted++)
        rc = mux_submit(rpc, &calls[submitted], &local);
    if (rc == 0)
        rc = mux_wait_all(mux, n, &local);
    if (rc == 0)
        return 0;

    mux_let_go(mux, calls, n, &local);
    for (size_t i = 0; i < n; i++)
        tns__call_lost(&calls[i], false, &local);
    return tns__error_copy(err, &local);
}

static int mux_ping(struct tns_rpc *rpc, struct tns_error *err)
{
    struct mux *mux = mux_of(rpc);
    struct tns_error local = TNS_ERROR_INIT;
    int rc = mux_usable(mux, err);

    if (rc < 0)
        return rc;
    rc = mux->io->ops->ping(mux->io, &local);
    if (rc < 0 && !is_only_late(rc))
        mux_break(mux, &local);
    return rc < 0 ? tns__error_copy(err, &local) : 0;
}

static int mux_fd(const struct tns_rpc *rpc)
{
    const struct mux *mux = (const struct mux *)(const void *)rpc;

    return mux->io->ops->fd(mux->io);
}

static const char *mux_fingerprint(const struct tns_rpc *rpc)
{
    const struct mux *mux = (const struct mux *)(const void *)rpc;

    return mux->io->ops->fingerprint(mux->io);
}

static void mux_close(struct tns_rpc *rpc)
{
    struct mux *mux = mux_of(rpc);

    mux->io->ops->close(mux->io);
    while (mux->first)
        entry_remove(mux, mux->first);
    tns__free(mux);
}

static const struct tns_rpc_ops mux_ops = {
    .name = "websocket",
    .calls = mux_calls,
    .submit = mux_submit,
    .pump = mux_pump,
    .fd = mux_fd,
    .fingerprint = mux_fingerprint,
    .ping = mux_ping,
    .close = mux_close,
};

int tns__mux_open(struct tns_ctx *ctx, const struct tns_codec *codec, struct tns_io *io,
                  struct tns_rpc **ret, struct tns_error *err)
{
    struct mux *mux = tns__alloc(sizeof(*mux));

    if (!mux) {
        io->ops->close(io);
        return tns__error_nomem(err);
    }
    mux->rpc = (struct tns_rpc){ .ops = &mux_ops, .ctx = ctx, .dialect = codec->dialect };
    mux->codec = codec;
    mux->io = io;
    mux->tail = &mux->first;
    mux->owner_pid = getpid();
    mux->broken = (struct tns_error)TNS_ERROR_INIT;
    *ret = &mux->rpc;
    return 0;
}
