/* SPDX-License-Identifier: Apache-2.0 */
/* Websocket messages over libwebsockets: whole texts in and out, pings, and a bounded memory. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/wire_priv.h"

/* A ping without an answer, or any other sign of life, for this long: the peer is gone. */
unsigned tns__ws_pong_patience_ms = 10000;

/* A buffer this much larger than its message is cut to size before it is handed out. */
#define SLACK_MAX 65536

struct message {
    struct message *next;
    char *text;
    size_t len;
};

struct tns_ws {
    struct tns_loop loop; /* first: callbacks find us through it */
    char path[128];

    /* the message that is arriving */
    char *rx;
    size_t rx_len, rx_cap;
    /* those that arrived and were not asked for yet */
    struct message *first, *last;
    size_t queued;

    unsigned char *tx; /* LWS_PRE bytes of room, then the text */
    size_t tx_len;
    bool tx_done;
    bool ping_wanted;
    uint64_t ping_sent_ns; /* 0: no ping is under way */
};

static struct tns_ws *ws_of(struct tns_loop *loop)
{
    return lws_container_of(loop, struct tns_ws, loop);
}

static const struct tns_ws *ws_of_const(const struct tns_loop *loop)
{
    return (const struct tns_ws *)(const void *)loop;
}

/* ---- receiving ---- */

/* Room for what this frame still announces, so that a large reply is copied once. */
static int rx_reserve(struct tns_ws *ws, size_t need)
{
    size_t cap = ws->rx_cap + ws->rx_cap / 2;
    char *grown;

    if (need <= ws->rx_cap)
        return 0;
    if (cap < need)
        cap = need;
    grown = tns__realloc(ws->rx, cap, 1);
    if (!grown)
        return tns__error_nomem(&ws->loop.error);
    ws->rx = grown;
    ws->rx_cap = cap;
    return 0;
}

static int rx_finish(struct tns_ws *ws)
{
    struct message *m = tns__alloc(sizeof(*m));
    char *fit = NULL;

    if (!m)
        return tns__error_nomem(&ws->loop.error);
    ws->rx[ws->rx_len] = '\0';
    if (ws->rx_cap - ws->rx_len > SLACK_MAX)
        fit = tns__realloc(ws->rx, ws->rx_len + 1, 1);
    m->text = fit ? fit : ws->rx;
    m->len = ws->rx_len;
    ws->rx = NULL;
    ws->rx_len = ws->rx_cap = 0;

    if (ws->last)
        ws->last->next = m;
    else
        ws->first = m;
    ws->last = m;
    ws->queued += m->len;
    return 0;
}

static int on_receive(struct tns_ws *ws, const char *in, size_t len)
{
    struct lws *wsi = ws->loop.wsi;
    size_t left = lws_remaining_packet_payload(wsi);

    if (lws_frame_is_binary(wsi))
        return tns__loop_fail(&ws->loop, TNS_E_PROTOCOL, 0, "%s sent a binary message",
                              ws->loop.peer.label);
    if (left > TNS_WIRE_MAX_IN || ws->rx_len + len + left > TNS_WIRE_MAX_IN ||
        ws->queued > TNS_WIRE_MAX_IN)
        return tns__loop_fail(&ws->loop, TNS_E_PROTOCOL, 0,
                              "%s sent a message of more than 64 MiB", ws->loop.peer.label);
    if (rx_reserve(ws, ws->rx_len + len + left + 1) < 0)
        return -1;
    if (len > 0)
        memcpy(ws->rx + ws->rx_len, in, len);
    ws->rx_len += len;
    if (left == 0 && lws_is_final_fragment(wsi))
        return rx_finish(ws);
    return 0;
}

/* The NAS says why it hangs up: 1007 and 1009 are its size limits, 1008 its access list. */
static int on_peer_close(struct tns_ws *ws, const unsigned char *in, size_t len)
{
    int status = len >= 2 ? in[0] << 8 | in[1] : 0;
    int text_len = len > 2 ? (int)len - 2 : 0;
    int code =
        status == LWS_CLOSE_STATUS_POLICY_VIOLATION ? TNS_E_PERMISSION : TNS_E_TRANSPORT;

    return tns__loop_fail(&ws->loop, code, 0, "%s closed the connection (%d%s%.*s)",
                          ws->loop.peer.label, status, text_len ? ": " : "", text_len,
                          text_len ? (const char *)in + 2 : "");
}

/* ---- sending ---- */

static int on_writeable(struct tns_ws *ws)
{
    struct lws *wsi = ws->loop.wsi;
    unsigned char ping[LWS_PRE + 4] = { 0 };
    int n;

    if (ws->ping_wanted) {
        ws->ping_wanted = false;
        if (lws_write(wsi, ping + LWS_PRE, 4, LWS_WRITE_PING) < 0)
            return -1;
        ws->ping_sent_ns = tns__now_ns();
        if (ws->tx && !ws->tx_done)
            lws_callback_on_writable(wsi);
        return 0;
    }
    if (!ws->tx || ws->tx_done)
        return 0;
    /* From here on the text may have left; libwebsockets keeps what the socket did not take. */
    ws->tx_done = true;
    n = lws_write(wsi, ws->tx + LWS_PRE, ws->tx_len, LWS_WRITE_TEXT);
    return n < 0 ? -1 : 0;
}

/* ---- events ---- */

static int on_response(struct tns_ws *ws)
{
    unsigned status = lws_http_client_http_response(ws->loop.wsi);
    const char *hint = "";

    if (status == 101)
        return 0;
    if (status >= 300 && status < 400)
        hint = ", a redirect, which is never followed";
    else if (status == 502 || status == 503 || status == 504)
        hint = ": the NAS is starting, or its middleware is down";
    ws->loop.error.remote_code = (int)status;
    return tns__loop_fail(&ws->loop, TNS_E_TRANSPORT, status >= 500 ? TNS_F_RETRYABLE : 0,
                          "%s refused the websocket on %s with HTTP %u%s",
                          ws->loop.peer.label, ws->path, status, hint);
}

static int on_closed(struct tns_ws *ws)
{
    ws->loop.phase = TNS_PHASE_CLOSED;
    tns__loop_fail(&ws->loop, TNS_E_TRANSPORT, 0, "the connection to %s broke",
                   ws->loop.peer.label);
    lws_cancel_service(ws->loop.lws);
    return 0;
}

static int ws_event(struct tns_loop *loop, enum lws_callback_reasons reason, void *in,
                    size_t len)
{
    struct tns_ws *ws = ws_of(loop);

    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return on_response(ws);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        loop->phase = TNS_PHASE_OPEN;
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        loop->activity++;
        if (ws->ping_sent_ns)
            ws->ping_sent_ns = tns__now_ns();
        return on_receive(ws, in, len);
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        loop->activity++;
        ws->ping_sent_ns = 0;
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writeable(ws);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return on_peer_close(ws, in, len);
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        return on_closed(ws);
    default:
        return 0;
    }
}

/* ---- the interface ---- */

static bool done_open(const struct tns_loop *loop)
{
    return loop->phase == TNS_PHASE_OPEN;
}

static bool done_sent(const struct tns_loop *loop)
{
    return ws_of_const(loop)->tx_done;
}

static bool done_pinged(const struct tns_loop *loop)
{
    return !ws_of_const(loop)->ping_wanted;
}

static bool done_received(const struct tns_loop *loop)
{
    return ws_of_const(loop)->first != NULL;
}

static bool done_never(const struct tns_loop *loop)
{
    (void)loop;
    return false;
}

static void ws_closep(struct tns_ws **ws)
{
    tns__ws_close(*ws);
}

int tns__ws_open(struct tns_ctx *ctx, const struct tns_endpoint *ep, const char *path,
                 struct tns_ws **ret, struct tns_error *err)
{
    __attribute__((cleanup(ws_closep))) struct tns_ws *ws = NULL;
    char what[sizeof(ws->loop.peer.label) + 32];
    int rc;

    ws = tns__alloc(sizeof(*ws));
    if (!ws)
        return tns__error_nomem(err);
    ws->loop.event = ws_event;
    snprintf(ws->path, sizeof(ws->path), "%s", path);
    rc = tns__loop_start(&ws->loop, ctx, ep, err);
    if (rc == 0)
        rc = tns__loop_connect(&ws->loop, NULL, ws->path, err);
    if (rc < 0)
        return rc;

    snprintf(what, sizeof(what), "%s to accept the websocket", ws->loop.peer.label);
    rc = tns__loop_wait(&ws->loop, done_open, -1, what, err);
    if (rc < 0)
        return rc;
    *ret = TNS_STEAL(ws);
    return 0;
}

static int ws_usable(const struct tns_ws *ws, struct tns_error *err)
{
    if (ws->loop.owner_pid != getpid())
        return tns__error_set(err, TNS_E_FORKED,
                              "the connection to %s belongs to another process",
                              ws->loop.peer.label);
    if (ws->loop.error.code)
        return tns__error_copy(err, &ws->loop.error);
    return 0;
}

static int ws_check_pong(struct tns_ws *ws)
{
    if (ws->ping_sent_ns &&
        tns__now_ns() - ws->ping_sent_ns > TNS_MS(tns__ws_pong_patience_ms))
        return tns__loop_fail(&ws->loop, TNS_E_TRANSPORT, 0,
                              "%s does not answer pings any more", ws->loop.peer.label);
    return 0;
}

static int tx_prepare(struct tns_ws *ws, const char *text, size_t len,
                      struct tns_error *err)
{
    ws->tx = tns__alloc(LWS_PRE + len + 1);
    if (!ws->tx)
        return tns__error_nomem(err);
    memcpy(ws->tx + LWS_PRE, text, len);
    ws->tx_len = len;
    ws->tx_done = false;
    return 0;
}

/* It may have held a key. */
static void tx_forget(struct tns_ws *ws)
{
    explicit_bzero(ws->tx, LWS_PRE + ws->tx_len);
    tns__free(ws->tx);
    ws->tx = NULL;
    ws->tx_len = 0;
}

int tns__ws_send(struct tns_ws *ws, const char *text, size_t len, struct tns_error *err)
{
    char what[sizeof(ws->loop.peer.label) + 32];
    int rc = ws_usable(ws, err);

    if (rc == 0 && len > TNS_WIRE_MAX_OUT)
        rc = tns__error_set(
            err, TNS_E_USAGE,
            "a request of %zu bytes is over the limit of %zu: nothing was sent", len,
            TNS_WIRE_MAX_OUT);
    snprintf(what, sizeof(what), "%s to take a request", ws->loop.peer.label);
    if (rc == 0)
        rc = tns__ctx_check(ws->loop.ctx, what, err);
    if (rc == 0)
        rc = tx_prepare(ws, text, len, err);
    if (rc < 0)
        return rc;

    lws_callback_on_writable(ws->loop.wsi);
    rc = tns__loop_wait(&ws->loop, done_sent, -1, what, err);
    if (rc < 0 && !ws->tx_done && err)
        err->flags |= TNS_F_RETRYABLE;
    tx_forget(ws);
    return rc;
}

static void ws_take(struct tns_ws *ws, char **ret_text, size_t *ret_len)
{
    struct message *m = ws->first;

    ws->first = m->next;
    if (!ws->first)
        ws->last = NULL;
    ws->queued -= m->len;
    *ret_text = m->text;
    *ret_len = m->len;
    tns__free(m);
}

int tns__ws_recv_within(struct tns_ws *ws, int timeout_ms, char **ret_text, size_t *ret_len,
                        struct tns_error *err)
{
    char what[sizeof(ws->loop.peer.label) + 32];
    int rc = 0;

    /* What arrived before a break is still worth having. */
    if (!ws->first || ws->loop.owner_pid != getpid()) {
        rc = ws_usable(ws, err);
        snprintf(what, sizeof(what), "an answer of %s", ws->loop.peer.label);
        if (rc == 0)
            rc = tns__loop_wait(&ws->loop, done_received, timeout_ms, what, err);
        if (rc == 0 && !ws->first && ws_check_pong(ws) < 0)
            rc = tns__error_copy(err, &ws->loop.error);
        if (rc < 0)
            return rc;
    }
    if (ws->first) {
        ws_take(ws, ret_text, ret_len);
    } else {
        *ret_text = NULL;
        *ret_len = 0;
    }
    return 0;
}

int tns__ws_recv(struct tns_ws *ws, char **ret_text, size_t *ret_len, struct tns_error *err)
{
    /* In slices, so that a ping without an answer is noticed on the way. */
    for (;;) {
        char *text;
        size_t len;
        int rc = tns__ws_recv_within(ws, ws->ping_sent_ns ? 1000 : -1, &text, &len, err);

        if (rc < 0)
            return rc;
        if (text) {
            *ret_text = text;
            *ret_len = len;
            return 0;
        }
    }
}

int tns__ws_ping(struct tns_ws *ws, struct tns_error *err)
{
    char what[sizeof(ws->loop.peer.label) + 32];
    int rc = ws_usable(ws, err);

    /* Takes in the pong of the last one, if it is there. */
    snprintf(what, sizeof(what), "%s to take a ping", ws->loop.peer.label);
    if (rc == 0)
        rc = tns__loop_wait(&ws->loop, done_never, 0, what, err);
    if (rc == 0 && ws_check_pong(ws) < 0)
        rc = tns__error_copy(err, &ws->loop.error);
    if (rc < 0 || ws->ping_sent_ns)
        return rc;

    ws->ping_wanted = true;
    lws_callback_on_writable(ws->loop.wsi);
    rc = tns__loop_wait(&ws->loop, done_pinged, -1, what, err);
    ws->ping_wanted = false;
    return rc;
}

const char *tns__ws_fingerprint(const struct tns_ws *ws)
{
    return ws->loop.trust.fingerprint;
}

int tns__ws_fd(const struct tns_ws *ws)
{
    return ws->loop.wsi ? lws_get_socket_fd(ws->loop.wsi) : -1;
}

bool tns__ws_pending(const struct tns_ws *ws)
{
    return ws->first != NULL || ws->loop.error.code != 0;
}

void tns__ws_close(struct tns_ws *ws)
{
    if (!ws)
        return;
    tns__loop_stop(&ws->loop);
    while (ws->first) {
        char *text;
        size_t len;

        ws_take(ws, &text, &len);
        tns__free(text);
    }
    tns__free(ws->rx);
    tns__free(ws);
}
