/* SPDX-License-Identifier: Apache-2.0 */
/* Any texts as the answers to calls, in each of the three dialects. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/rest_priv.h"
#include "rpc/rpc_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALLS 4

/* ---- a connection that says one line of the input after the other, and breaks at its end ---- */

struct lines {
    struct tns_io io;
    const char *at, *end;
};

static int lines_send(struct tns_io *io, const char *text, size_t len,
                      struct tns_error *err)
{
    (void)io, (void)text, (void)len, (void)err;
    return 0;
}

static int lines_recv(struct tns_io *io, int timeout_ms, char **ret_text, size_t *ret_len,
                      struct tns_error *err)
{
    struct lines *l = (struct lines *)io;
    const char *eol;

    (void)timeout_ms;
    if (l->at >= l->end)
        return tns__error_set(err, TNS_E_TRANSPORT, "the input ends");
    eol = memchr(l->at, '\n', (size_t)(l->end - l->at));
    *ret_len = (size_t)((eol ? eol : l->end) - l->at);
    *ret_text = tns__alloc(*ret_len + 1);
    memcpy(*ret_text, l->at, *ret_len);
    l->at += *ret_len + 1;
    return 0;
}

static int lines_ping(struct tns_io *io, struct tns_error *err)
{
    (void)io, (void)err;
    return 0;
}

static void lines_close(struct tns_io *io)
{
    (void)io;
}

static const struct tns_io_ops lines_ops = {
    .send = lines_send, .recv = lines_recv, .ping = lines_ping, .close = lines_close
};

/* ---- a web that answers every request with the input ---- */

struct page {
    struct tns_web web;
    int status;
    const char *body;
    size_t len;
    unsigned times;
};

static int page_exchange(struct tns_web *web, const struct tns_http_request *req,
                         struct tns_http_response *ret, struct tns_error *err)
{
    struct page *p = (struct page *)web;

    (void)req;
    if (p->times++ >= CALLS + 2)
        return tns__error_set(err, TNS_E_TRANSPORT, "the input ends");
    *ret = (struct tns_http_response){ .status = p->status, .body_len = p->len };
    ret->body = tns__alloc(p->len + 1);
    memcpy(ret->body, p->body, p->len);
    return 0;
}

static void page_close(struct tns_web *web)
{
    (void)web;
}

/* ---- calls ---- */

static void make_calls(struct tns_call calls[CALLS])
{
    calls[0] = (struct tns_call){ .method = "iscsi.extent.query", .flags = TNS_CALL_READ };
    calls[0].params = json_pack("[[[s,s,s]],{s:[s],s:[s],s:i}]", "name", "=", "x", "select",
                                "id", "order_by", "-id", "limit", 3);
    calls[1] = (struct tns_call){ .method = "core.bulk", .flags = TNS_CALL_JOB };
    calls[1].params = json_pack("[s,[]]", "a.b");
    calls[2] = (struct tns_call){ .method = "pool.dataset.create" };
    calls[2].params = json_pack("[{}]");
    calls[3] = (struct tns_call){ .method = "service.start" };
    calls[3].params = json_pack("[s,{}]", "iscsitarget");
    for (size_t i = 0; i < CALLS; i++)
        calls[i].error = (struct tns_error)TNS_ERROR_INIT;
}

/* Each has either a result or an error in words; what is lost says what that means. */
static void check_calls(struct tns_call calls[CALLS], int rc, const char *why)
{
    for (size_t i = 0; i < CALLS; i++) {
        if (!calls[i].result == !calls[i].error.code)
            abort();
        if (calls[i].error.code && !calls[i].error.text[0])
            abort();
        if (rc < 0 && !calls[i].error.flags && !strcmp(calls[i].error.text, why))
            abort();
        json_decref(calls[i].params);
        tns__call_clear(&calls[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 200, 200, 400, 401, 403, 404, 405, 422, 500, 502, 301 };
    struct lines lines = { .io = { .ops = &lines_ops, .private = true } };
    struct page page = { .web = { .exchange = page_exchange, .close = page_close } };
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_call calls[CALLS];
    struct tns_rpc *rpc = NULL;
    struct tns_ctx ctx;
    int rc;

    if (size < 2)
        return 0;
    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, 300);
    lines.at = page.body = (const char *)data + 2;
    lines.end = (const char *)data + size;
    page.len = size - 2;
    page.status = statuses[data[1] % TNS_ARRAY_LEN(statuses)];

    if (data[0] == 'r')
        rc = tns__rest_open(&ctx, &page.web, NULL, &rpc, &err);
    else
        rc = tns__mux_open(&ctx, data[0] == 'd' ? &tns__codec_ddp : &tns__codec_jsonrpc,
                           &lines.io, &rpc, &err);
    if (rc < 0)
        abort();
    make_calls(calls);
    rc = tns__rpc_calls(rpc, calls, CALLS, &err);
    if (rc < 0 && (err.code != -rc || !err.text[0]))
        abort();
    check_calls(calls, rc, err.text);
    tns__rpc_close(rpc);
    return 0;
}
