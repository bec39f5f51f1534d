/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 exchanges over libwebsockets, one after another, each on a connection of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/wire_priv.h"

/* libwebsockets cuts the request line at 2048 bytes without a word. */
#define MAX_TARGET 1900
#define HEAD_ROOM 1024
#define READ_CHUNK 16384

struct tns_http {
    struct tns_loop loop; /* first: callbacks find us through it */
    bool loopback;

    /* the exchange under way */
    const struct tns_http_request *req;
    unsigned char *tx; /* LWS_PRE bytes of room, then the body */
    char *key_at;      /* in libwebsockets' buffer, to be wiped */
    bool left;
    bool done;
    bool sized; /* the answer says where it ends */
    bool chunked;
    bool reading; /* inside lws_http_client_read() */
    bool ended;   /* which said that the answer is complete */
    int status;
    char *rx;
    size_t rx_len, rx_cap;
};

static struct tns_http *http_of(struct tns_loop *loop)
{
    return lws_container_of(loop, struct tns_http, loop);
}

static bool done_exchange(const struct tns_loop *loop)
{
    return ((const struct tns_http *)(const void *)loop)->done;
}

/* ---- the request ---- */

static bool has_body(const struct tns_http_request *req)
{
    return req->body && req->body_len > 0;
}

/* Straight into libwebsockets' buffer, which lives as long as its context. */
static int on_headers(struct tns_http *http, unsigned char **at, size_t room)
{
    const struct tns_http_request *req = http->req;
    size_t key_len = req->bearer ? tns__secret_len(req->bearer) : 0;
    char *p = (char *)*at;

    if (room < HEAD_ROOM + key_len)
        return tns__loop_fail(&http->loop, TNS_E_USAGE, 0,
                              "the API key is too long to be one");
    http->left = true;
    p += sprintf(p, "Accept: application/json\r\nUser-Agent: tnstor\r\n");
    if (req->bearer) {
        p += sprintf(p, "Authorization: Bearer ");
        memcpy(p, tns__secret_bytes(req->bearer), key_len);
        http->key_at = p;
        p += key_len;
        p += sprintf(p, "\r\n");
    }
    if (has_body(req))
        p += sprintf(p, "Content-Type: application/json\r\n");
    if (has_body(req) || strcmp(req->method, "GET") != 0)
        p += sprintf(p, "Content-Length: %zu\r\n", has_body(req) ? req->body_len : 0);
    *at = (unsigned char *)p;

    if (has_body(req)) {
        lws_client_http_body_pending(http->loop.wsi, 1);
        lws_callback_on_writable(http->loop.wsi);
    }
    return 0;
}

static int on_writeable(struct tns_http *http)
{
    if (!http->tx)
        return 0;
    lws_client_http_body_pending(http->loop.wsi, 0);
    if (lws_write(http->loop.wsi, http->tx + LWS_PRE, http->req->body_len,
                  LWS_WRITE_HTTP_FINAL) < 0)
        return -1;
    explicit_bzero(http->tx, LWS_PRE + http->req->body_len);
    tns__free(http->tx);
    http->tx = NULL;
    return 0;
}

/* ---- the response ---- */

static int http_too_large(struct tns_http *http)
{
    return tns__loop_fail(&http->loop, TNS_E_PROTOCOL, 0,
                          "%s sent an answer of more than 64 MiB", http->loop.peer.label);
}

static int rx_reserve(struct tns_http *http, size_t need)
{
    size_t cap = http->rx_cap + http->rx_cap / 2;
    char *grown;

    if (need <= http->rx_cap)
        return 0;
    if (cap < need)
        cap = need;
    grown = tns__realloc(http->rx, cap, 1);
    if (!grown)
        return tns__error_nomem(&http->loop.error);
    http->rx = grown;
    http->rx_cap = cap;
    return 0;
}

static int on_head(struct tns_http *http)
{
    struct lws *wsi = http->loop.wsi;
    char length[24] = "";
    unsigned long long announced;

    http->status = (int)lws_http_client_http_response(wsi);
    http->loop.phase = TNS_PHASE_OPEN;
    if (http->status < 200 || http->status > 599)
        return tns__loop_fail(&http->loop, TNS_E_PROTOCOL, 0,
                              "%s answered with HTTP status %d", http->loop.peer.label,
                              http->status);
    http->chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    http->sized = http->chunked;
    if (lws_hdr_copy(wsi, length, sizeof(length), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return rx_reserve(http, 1);
    http->sized = true;
    announced = strtoull(length, NULL, 10);
    if (length[0] == '-' || announced > TNS_WIRE_MAX_IN)
        return http_too_large(http);
    return rx_reserve(http, (size_t)announced + 1);
}

/*
 * on_body and on_completed are called from inside of the read. It calls an answer in chunks complete
 * when the connection broke in the middle, too: then it returns an error as well.
 */
static int on_readable(struct tns_http *http)
{
    char buffer[LWS_PRE + READ_CHUNK];
    char *at = buffer + LWS_PRE;
    int len = READ_CHUNK;
    int rc;

    http->reading = true;
    rc = lws_http_client_read(http->loop.wsi, &at, &len);
    http->reading = false;
    if (http->ended && (rc >= 0 || !http->chunked))
        http->done = true;
    return rc < 0 ? -1 : 0;
}

static int on_completed(struct tns_http *http)
{
    if (http->reading)
        http->ended = true;
    else
        http->done = http->status != 0;
    return 0;
}

/* A malformed chunk size reaches us as a huge or negative length. */
static int on_body(struct tns_http *http, const char *in, size_t len)
{
    http->loop.activity++;
    if (len > READ_CHUNK)
        return tns__loop_fail(&http->loop, TNS_E_PROTOCOL, 0, "%s sent a malformed chunk",
                              http->loop.peer.label);
    if (http->rx_len + len > TNS_WIRE_MAX_IN)
        return http_too_large(http);
    if (rx_reserve(http, http->rx_len + len + 1) < 0)
        return -1;
    memcpy(http->rx + http->rx_len, in, len);
    http->rx_len += len;
    return 0;
}

/* Without a length the end of the connection is the end of the answer; else it is a broken one. */
static int on_closed(struct tns_http *http)
{
    if (http->done)
        return 0;
    if (http->status && !http->sized)
        http->done = true;
    else
        tns__loop_fail(&http->loop, TNS_E_TRANSPORT, 0, "%s broke the connection %s",
                       http->loop.peer.label,
                       http->status ? "in the middle of its answer" : "without an answer");
    return 0;
}

static int http_event(struct tns_loop *loop, enum lws_callback_reasons reason, void *in,
                      size_t len)
{
    struct tns_http *http = http_of(loop);

    if (!http->req)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return on_headers(http, in, len);
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
        return on_writeable(http);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return on_head(http);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return on_readable(http);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return on_body(http, in, len);
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        return on_completed(http);
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        return on_closed(http);
    default:
        return 0;
    }
}

/* ---- the interface ---- */

int tns__http_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                   struct tns_http **ret, struct tns_error *err)
{
    struct tns_http *http = tns__alloc(sizeof(*http));
    int rc;

    if (!http)
        return tns__error_nomem(err);
    http->loop.event = http_event;
    http->loop.is_http = true;
    http->loopback = tns__endpoint_is_loopback(ep);
    rc = tns__loop_start(&http->loop, ctx, ep, err);
    if (rc < 0) {
        tns__http_close(http);
        return rc;
    }
    *ret = http;
    return 0;
}

static bool target_ok(const char *path)
{
    if (path[0] != '/' || strlen(path) > MAX_TARGET)
        return false;
    for (const char *p = path; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return true;
}

static int http_check(const struct tns_http *http, const struct tns_http_request *req,
                      struct tns_error *err)
{
    if (http->loop.owner_pid != getpid())
        return tns__error_set(err, TNS_E_FORKED,
                              "the connection to %s belongs to another process",
                              http->loop.peer.label);
    if (req->bearer && !http->loop.peer.tls && !http->loopback)
        return tns__error_set(err, TNS_E_CONFIG,
                              "a key is never sent to %s without TLS: use the scheme https",
                              http->loop.peer.label);
    if (!target_ok(req->path))
        return tns__error_set(
            err, TNS_E_USAGE,
            "%s %.80s: a request target of %zu bytes is too long or not encoded",
            req->method, req->path, strlen(req->path));
    if (has_body(req) && req->body_len > TNS_WIRE_MAX_OUT)
        return tns__error_set(
            err, TNS_E_USAGE,
            "a request of %zu bytes is over the limit of %zu: nothing was sent",
            req->body_len, TNS_WIRE_MAX_OUT);
    return 0;
}

static void http_reset(struct tns_http *http, const struct tns_http_request *req)
{
    http->req = req;
    http->left = http->done = http->sized = http->chunked = http->ended = false;
    http->status = 0;
    http->rx_len = 0;
}

static int http_prepare(struct tns_http *http, struct tns_error *err)
{
    const struct tns_http_request *req = http->req;

    if (!has_body(req))
        return 0;
    http->tx = tns__alloc(LWS_PRE + req->body_len + 1);
    if (!http->tx)
        return tns__error_nomem(err);
    memcpy(http->tx + LWS_PRE, req->body, req->body_len);
    return 0;
}

/*
 * libwebsockets keeps a connection alive only where host and address are the same text, and a
 * request with a key costs the NAS half a second: a new handshake each time is not felt.
 */
static void http_finish(struct tns_http *http)
{
    tns__loop_hang_up(&http->loop);
    if (http->key_at)
        explicit_bzero(http->key_at, tns__secret_len(http->req->bearer));
    http->key_at = NULL;
    if (http->tx) {
        explicit_bzero(http->tx, LWS_PRE + http->req->body_len);
        tns__free(http->tx);
        http->tx = NULL;
    }
    tns__free(http->rx);
    http->rx = NULL;
    http->rx_len = http->rx_cap = 0;
    http->req = NULL;
}

static void http_hand_out(struct tns_http *http, struct tns_http_response *ret)
{
    *ret = (struct tns_http_response){ .status = http->status };
    strcpy(ret->fingerprint, http->loop.trust.fingerprint);
    http->rx[http->rx_len] = '\0';
    ret->body_len = http->rx_len;
    ret->body = TNS_STEAL(http->rx);
}

/* What the failure means for the one who asked. */
static void http_judge(struct tns_http *http, struct tns_error *err)
{
    if (!err)
        return;
    err->flags &= ~(uint32_t)(TNS_F_RETRYABLE | TNS_F_OUTCOME_UNKNOWN);
    if (!http->left || strcmp(http->req->method, "GET") == 0)
        err->flags |= TNS_F_RETRYABLE;
    else
        err->flags |= TNS_F_OUTCOME_UNKNOWN;
}

int tns__http_exchange(struct tns_http *http, const struct tns_http_request *req,
                       struct tns_http_response *ret, struct tns_error *err)
{
    char what[sizeof(http->loop.peer.label) + 32];
    int rc = http_check(http, req, err);

    if (rc < 0)
        return rc;
    http_reset(http, req);
    snprintf(what, sizeof(what), "an answer of %s", http->loop.peer.label);
    rc = http_prepare(http, err);
    if (rc == 0)
        rc = tns__loop_connect(&http->loop, req->method, req->path, err);
    if (rc == 0)
        rc = tns__loop_wait(&http->loop, done_exchange, -1, what, err);
    if (rc == 0)
        http_hand_out(http, ret);
    else
        http_judge(http, err);
    http_finish(http);
    return rc;
}

void tns__http_close(struct tns_http *http)
{
    if (!http)
        return;
    tns__loop_stop(&http->loop);
    tns__free(http);
}

void tns__http_response_clear(struct tns_http_response *r)
{
    tns__free(r->body);
    *r = (struct tns_http_response){ 0 };
}
