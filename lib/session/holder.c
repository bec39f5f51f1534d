/* SPDX-License-Identifier: Apache-2.0 */
/* A struct tns_rpc whose calls go through the session holder of this node. */
#include "session/holder.h"

#include <poll.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "session/pipe.h"
#include "session/session_priv.h"

#define WINDOW 8
#define ATTEMPTS 4

struct holder_rpc {
    struct tns_rpc base;
    struct tns_pipe pipe;
    char fingerprint[96];
    uint64_t next_id;
};

/* ---- talking ---- */

/* Waits for the next message, sending what is queued meanwhile. */
static int next_message(const struct tns_ctx *ctx, struct tns_pipe *p, size_t max,
                        const char *what, json_t **ret, struct tns_error *err)
{
    for (;;) {
        int rc = tns__pipe_flush(p, err);

        if (!rc)
            rc = tns__pipe_take_json(p, max, ret, err);
        if (rc)
            return rc < 0 ? rc : 0;
        rc = tns__ctx_poll(ctx, p->fd, tns__pipe_pending(p) ? POLLIN | POLLOUT : POLLIN,
                           what, err);
        if (rc < 0)
            return rc;
    }
}

static int send_call(struct holder_rpc *h, const struct tns_call *call, uint64_t id,
                     struct tns_error *err)
{
    json_t *params = call->params;
    _tns_json_ json_t *message = NULL;

    message =
        params ? json_pack("{s:I,s:s,s:O,s:I}", "id", (json_int_t)id, "method",
                           call->method, "params", params, "flags", (json_int_t)call->flags)
               : json_pack("{s:I,s:s,s:[],s:I}", "id", (json_int_t)id, "method",
                           call->method, "params", "flags", (json_int_t)call->flags);
    return message ? tns__pipe_queue_json(&h->pipe, message, err) : tns__error_nomem(err);
}

/* One run of a batch. A call is under way from its id to its reply. */
struct run {
    struct tns_call *calls;
    size_t n;
    uint64_t first_id;
    size_t queued, done;
    uint64_t
        *ends; /* where in the stream each frame ends: it left when that much was sent */
    bool broken;
    struct tns_error why;
};

static void take_error(struct run *r, struct tns_call *call, const json_t *message,
                       const json_t *error)
{
    tns__error_from_json(error, &call->error);
    call->job_id = json_integer_value(json_object_get(message, "job"));
    if (!json_is_true(json_object_get(message, "broken")))
        return;
    r->broken = true;
    tns__error_copy(&r->why, &call->error);
}

static int take_reply(struct run *r, json_t *message, struct tns_error *err)
{
    uint64_t id = (uint64_t)json_integer_value(json_object_get(message, "id"));
    uint64_t at = id - r->first_id; /* wraps, and so is refused, for an id before ours */
    json_t *result = json_object_get(message, "result");
    json_t *error = json_object_get(message, "error");
    struct tns_call *call;

    if (at >= r->queued || (!result && !json_is_object(error)))
        return tns__error_set(err, TNS_E_PROTOCOL, "the session holder answers nonsense");
    call = &r->calls[at];
    if (call->result || call->error.code)
        return tns__error_set(err, TNS_E_PROTOCOL, "the session holder answers twice");
    if (error)
        take_error(r, call, message, error);
    else
        call->result = json_incref(result);
    r->done++;
    return 0;
}

static int step(struct holder_rpc *h, struct run *r, struct tns_error *err)
{
    _tns_json_ json_t *message = NULL;
    int rc;

    while (r->queued < r->n && r->queued - r->done < WINDOW) {
        rc = send_call(h, &r->calls[r->queued], h->next_id++, err);
        if (rc)
            return rc;
        r->ends[r->queued++] = h->pipe.queued;
    }
    rc = next_message(h->base.ctx, &h->pipe, TNS_PIPE_MAX_REPLY, "a reply of the NAS",
                      &message, err);
    return rc ? rc : take_reply(r, message, err);
}

/* What became of the calls without a reply. */
static void mark_lost(const struct holder_rpc *h, struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct tns_call *call = &r->calls[i];
        bool left = i < r->queued && h->pipe.sent >= r->ends[i];

        if (call->result || call->error.code)
            continue;
        tns__error_copy(&call->error, &r->why);
        tns__fmt(call->error.op, sizeof call->error.op, "%s", call->method);
        if (!left)
            call->error.flags |= TNS_F_RETRYABLE;
        else if (!(call->flags & TNS_CALL_READ))
            call->error.flags |= TNS_F_OUTCOME_UNKNOWN;
    }
}

static int holder_calls(struct tns_rpc *rpc, struct tns_call *calls, size_t n,
                        struct tns_error *err)
{
    struct holder_rpc *h = (struct holder_rpc *)rpc;
    uint64_t few[WINDOW];
    _tns_free_ uint64_t *many = NULL;
    struct run r = {
        .calls = calls, .n = n, .first_id = h->next_id, .ends = few, .why = TNS_ERROR_INIT
    };

    if (n > WINDOW) {
        r.ends = many = tns__calloc(n, sizeof *many);
        if (!many)
            return tns__error_nomem(err);
    }
    while (r.done < n && !r.broken) {
        if (step(h, &r, &r.why))
            r.broken = true;
    }
    if (!r.broken)
        return 0;
    mark_lost(h, &r);
    return tns__error_copy(err, &r.why);
}

static void holder_close(struct tns_rpc *rpc)
{
    struct holder_rpc *h = (struct holder_rpc *)rpc;

    tns__pipe_close(&h->pipe);
    tns__free(h);
}

static const char *holder_fingerprint(const struct tns_rpc *rpc)
{
    return ((const struct holder_rpc *)rpc)->fingerprint;
}

static const struct tns_rpc_ops holder_ops = {
    .name = "holder",
    .calls = holder_calls,
    .fingerprint = holder_fingerprint,
    .close = holder_close,
};

/* ---- introducing ourselves ---- */

static const char *transport_word(enum tns_transport t)
{
    return t == TNS_TRANSPORT_JSONRPC ? "jsonrpc" : t == TNS_TRANSPORT_DDP ? "ddp" : "ws";
}

static char *join(char *const words[])
{
    char *text = tns__strdup("");

    for (size_t i = 0; words[i] && text; i++) {
        char *longer = tns__asprintf("%s%s%s", text, i ? "," : "", words[i]);

        tns__free(text);
        text = longer;
    }
    return text;
}

static json_t *hello(const struct tns_session *s)
{
    const struct tns_conf *c = &s->conf;
    _tns_free_ char *hosts = join(c->hosts);
    _tns_free_ char *prints = join(c->fingerprints);

    if (!hosts || !prints)
        return NULL;
    return json_pack("{s:i,s:s,s:s,s:s,s:i,s:b,s:b,s:s?,s:s,s:s?,s:i,s:i,s:i,s:i,s:i}",
                     "tnstor", TNS_PIPE_PROTOCOL, "hosts", hosts, "transport",
                     transport_word(c->transport), "scheme", c->tls ? "wss" : "ws", "port",
                     (int)c->port, "insecure", c->insecure, "prefer_ipv4", c->prefer_ipv4,
                     "ca_file", c->ca_file, "fingerprints", prints, "user", c->user,
                     "retry_max", (int)c->retry_max, "timeout_ms", (int)c->timeout_ms,
                     "login_max", (int)c->login_max, "login_window_ms",
                     (int)c->login_window_ms, "left_ms", tns__ctx_left_ms(&s->ctx));
}

static int say_hello(struct tns_session *s, struct tns_pipe *p, struct tns_error *err)
{
    _tns_json_ json_t *message = hello(s);
    int rc;

    if (!message)
        return tns__error_nomem(err);
    rc = tns__pipe_queue_json(p, message, err);
    /* The key goes as it is, never through a JSON value that nobody wipes. */
    if (!rc)
        rc = tns__pipe_queue(p, tns__secret_bytes(s->key), tns__secret_len(s->key), err);
    return rc;
}

static int read_up(struct tns_session *s, const json_t *message, struct tns_error *err)
{
    const char *version, *host, *print;
    int64_t port, dialect;
    int rc = tns__json_str(message, "version", &version, "session holder", err);

    if (!rc)
        rc = tns__json_str(message, "host", &host, "session holder", err);
    if (!rc)
        rc = tns__json_str(message, "fingerprint", &print, "session holder", err);
    if (!rc)
        rc = tns__json_int(message, "port", &port, "session holder", err);
    if (!rc)
        rc = tns__json_int(message, "dialect", &dialect, "session holder", err);
    if (!rc)
        rc = tns__caps_from_version(version, (enum tns_dialect)dialect, &s->caps, err);
    if (rc)
        return rc;
    s->at_port = (uint16_t)port;
    tns__fmt(s->at_host, sizeof s->at_host, "%s", host);
    tns__fmt(s->fingerprint, sizeof s->fingerprint, "%s", print);
    return 0;
}

static int read_welcome(struct tns_session *s, const json_t *message, bool *ret_answered,
                        struct tns_error *err)
{
    const json_t *error = json_object_get(message, "error");
    struct tns_error why;

    if (!error)
        return read_up(s, message, err);
    tns__error_from_json(error, &why);
    *ret_answered = json_is_true(json_object_get(message, "answered"));
    return tns__error_copy(err, &why);
}

/* Waits no longer than 1/div of what is left, so that there is time to log in without a holder. */
static int next_in_time(struct tns_session *s, struct tns_pipe *p, unsigned part,
                        unsigned at_most_ms, const char *what, json_t **ret,
                        struct tns_error *err)
{
    uint64_t deadline = s->ctx.deadline_ns;
    unsigned ms = (unsigned)tns__ctx_left_ms(&s->ctx) / 4 * part;
    int rc;

    s->ctx.deadline_ns = tns__now_ns() + TNS_MS(ms < at_most_ms ? ms : at_most_ms);
    rc = next_message(&s->ctx, p, TNS_PIPE_MAX_HELLO, what, ret, err);
    s->ctx.deadline_ns = deadline;
    return rc;
}

static int introduce(struct tns_session *s, struct tns_pipe *p, bool *ret_answered,
                     struct tns_error *err)
{
    _tns_json_ json_t *greeting = NULL;
    _tns_json_ json_t *welcome = NULL;
    int rc = next_in_time(s, p, 1, 2000, "the session holder", &greeting, err);

    if (!rc && json_integer_value(json_object_get(greeting, "tnstor")) != TNS_PIPE_PROTOCOL)
        rc =
            tns__error_set(err, TNS_E_PROTOCOL, "the session holder is of another version");
    if (!rc)
        rc = say_hello(s, p, err);
    if (!rc)
        rc = next_in_time(s, p, 3, UINT32_MAX, "the session holder to log in", &welcome,
                          err);
    return rc ? rc : read_welcome(s, welcome, ret_answered, err);
}

static void wipe_sent(struct tns_pipe *p)
{
    if (p->out)
        explicit_bzero(p->out, p->out_len);
    p->out_at = p->out_len = 0;
}

static int connect_once(struct tns_session *s, bool *ret_answered, struct tns_error *err)
{
    struct holder_rpc *h = tns__alloc(sizeof *h);
    int rc;

    if (!h)
        return tns__error_nomem(err);
    *h = (struct holder_rpc){ .base = { .ops = &holder_ops, .ctx = &s->ctx },
                              .pipe = { .fd = -1 },
                              .next_id = 1 };
    rc = tns__holder_dial(s, &h->pipe.fd, err);
    if (!rc)
        rc = introduce(s, &h->pipe, ret_answered, err);
    if (rc) {
        holder_close(&h->base);
        return rc;
    }
    wipe_sent(&h->pipe);
    tns__fmt(h->fingerprint, sizeof h->fingerprint, "%s", s->fingerprint);
    h->base.dialect = s->caps.dialect;
    s->rpc = &h->base;
    s->via_holder = true;
    tns__session_is_new(s);
    return 0;
}

/* A holder that dies, or leaves, just now is followed by another one that is started here: were
 * all its clients to log in by themselves instead, the logins of a minute would be gone. */
int tns__holder_connect(struct tns_session *s, bool *ret_answered, struct tns_error *err)
{
    for (unsigned attempt = 0;; attempt++) {
        struct tns_error why = TNS_ERROR_INIT;

        if (connect_once(s, ret_answered, &why) == 0)
            return 0;
        if (*ret_answered || why.code != TNS_E_TRANSPORT || attempt + 1 >= ATTEMPTS ||
            tns__ctx_backoff(&s->ctx, tns__backoff_ms(10, attempt, 100),
                             "the session holder", NULL))
            return tns__error_copy(err, &why);
    }
}
