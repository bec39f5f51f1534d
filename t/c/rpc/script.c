/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted connection: a queue each way. */
#include "rpc/script.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct script *of(const struct tns_io *io)
{
    return (struct script *)(uintptr_t)io;
}

static int script_send(struct tns_io *io, const char *text, size_t len,
                       struct tns_error *err)
{
    struct script *s = of(io);
    json_t *request = NULL;
    int code = s->send_fails;

    if (code) {
        s->send_fails = 0;
        tns__error_set(err, code, "the script breaks the connection");
        if (!s->send_left)
            err->flags |= TNS_F_RETRYABLE;
        return -code;
    }
    if (len > (60u << 10))
        return tns__error_set(err, TNS_E_USAGE, "too large for the script");
    s->sent[s->n_sent++] = strndup(text, len);
    s->outstanding++;
    if (s->outstanding > s->most_outstanding)
        s->most_outstanding = s->outstanding;
    /* In a sweep the allocation that fails may be one of ours: the second try is not it. */
    if (tns__json_parse(text, len, &tns__json_default_limits, &request, NULL) < 0)
        ck_assert_int_eq(tns__json_parse(text, len, &tns__json_default_limits, &request,
                                         NULL),
                         0);
    if (s->fn)
        s->fn(s, request);
    json_decref(request);
    return 0;
}

static int script_recv(struct tns_io *io, int timeout_ms, char **ret_text, size_t *ret_len,
                       struct tns_error *err)
{
    struct script *s = of(io);
    int left = tns__ctx_left_ms(&s->ctx);

    *ret_text = NULL;
    *ret_len = 0;
    if (s->head < s->tail) {
        char *text = s->queue[s->head++];

        *ret_text = tns__strdup(text);
        if (!*ret_text) {
            s->head--;
            return tns__error_nomem(err);
        }
        *ret_len = strlen(text);
        free(text);
        return 0;
    }
    if (s->recv_fails)
        return tns__error_set(err, s->recv_fails, "the script breaks the connection");
    poll(NULL, 0, timeout_ms < left ? timeout_ms : left);
    return tns__ctx_check(&s->ctx, "the script", err);
}

static int script_ping(struct tns_io *io, struct tns_error *err)
{
    (void)err;
    of(io)->pings++;
    return 0;
}

static int script_fd(const struct tns_io *io)
{
    (void)io;
    return 42;
}

static const char *script_fingerprint(const struct tns_io *io)
{
    (void)io;
    return "AB:CD";
}

/* The script outlives the connection, for the test to look at. */
static void script_io_close(struct tns_io *io)
{
    of(io)->rpc = NULL;
}

static const struct tns_io_ops script_ops = {
    .send = script_send,
    .recv = script_recv,
    .ping = script_ping,
    .fd = script_fd,
    .fingerprint = script_fingerprint,
    .close = script_io_close,
};

struct script *script_open(const struct tns_codec *codec, script_fn fn)
{
    struct script *s = calloc(1, sizeof(*s));

    s->err = (struct tns_error)TNS_ERROR_INIT;
    s->io = (struct tns_io){ .ops = &script_ops, .private = true };
    s->fn = fn;
    tst_ctx_init(&s->ctx, 5000);
    if (codec)
        tst_ok(tns__mux_open(&s->ctx, codec, &s->io, &s->rpc, &s->err), &s->err);
    return s;
}

void script_close(struct script *s)
{
    tns__rpc_close(s->rpc);
    for (size_t i = 0; i < s->n_sent; i++)
        free(s->sent[i]);
    while (s->head < s->tail)
        free(s->queue[s->head++]);
    free(s);
}

void script_deadline(struct script *s, unsigned ms)
{
    s->ctx.deadline_ns = 0;
    tns__ctx_begin(&s->ctx, ms);
}

void script_say(struct script *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    ck_assert_int_ge(vasprintf(&s->queue[s->tail++], fmt, ap), 0);
    va_end(ap);
}

static bool is_ddp(const json_t *request)
{
    return json_object_get(request, "msg") != NULL;
}

static void answer(struct script *s, const json_t *request, const char *key,
                   const char *value)
{
    s->outstanding--;
    if (is_ddp(request))
        script_say(s, "{\"msg\":\"result\",\"id\":\"%s\",\"%s\":%s}",
                   json_string_value(json_object_get(request, "id")), key, value);
    else
        script_say(s, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"%s\":%s}",
                   (long long)json_integer_value(json_object_get(request, "id")), key,
                   value);
}

void script_result(struct script *s, const json_t *request, const char *value)
{
    answer(s, request, "result", value);
}

void script_error(struct script *s, const json_t *request, const char *error)
{
    answer(s, request, "error", error);
}

const char *script_method(const json_t *request)
{
    return json_string_value(json_object_get(request, "method"));
}

void script_mirror(struct script *s, json_t *request)
{
    char *text = json_dumps(json_array_get(json_object_get(request, "params"), 0),
                            JSON_ENCODE_ANY | JSON_COMPACT);

    script_result(s, request, text ? text : "null");
    free(text);
}

struct tns_call call_of(const char *method, const char *params, unsigned flags)
{
    struct tns_call call = { .method = method, .flags = flags, .error = TNS_ERROR_INIT };

    if (params) {
        call.params = json_loads(params, 0, NULL);
        ck_assert_ptr_nonnull(call.params);
    }
    return call;
}

void call_done(struct tns_call *call)
{
    json_decref(call->params);
    call->params = NULL;
    tns__call_clear(call);
}
