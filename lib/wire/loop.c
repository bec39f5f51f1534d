/* SPDX-License-Identifier: Apache-2.0 */
/* One libwebsockets context for one connection, driven under our deadlines and cancel callback. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/wire_priv.h"

/* As in base/ctx.c: how often the cancel callback is asked while nothing happens. */
#define SLICE_NS TNS_MS(250)
/* libwebsockets' own timeouts must never fire before ours; in microseconds it fits an int. */
#define LWS_PATIENCE_S 2000

int tns__loop_fail(struct tns_loop *loop, int code, uint32_t flags, const char *fmt, ...)
{
    char text[sizeof(loop->error.text)];
    va_list ap;

    if (loop->error.code)
        return -loop->error.code;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tns__error_set(&loop->error, code, "%s", text);
    loop->error.flags |= flags;
    return -code;
}

/* ---- what libwebsockets calls back ---- */

/* libwebsockets gives no errno: a second attempt, on this path only, tells it. */
static int connect_errno(const char *addr, uint16_t port)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo *ai = NULL;
    struct pollfd pfd = { .events = POLLOUT };
    socklen_t len = sizeof(int);
    char service[8];
    int cause = 0;

    snprintf(service, sizeof(service), "%u", (unsigned)port);
    if (getaddrinfo(addr, service, &hints, &ai) != 0)
        return 0;
    pfd.fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (pfd.fd >= 0 && connect(pfd.fd, ai->ai_addr, ai->ai_addrlen) < 0) {
        cause = errno;
        if (cause == EINPROGRESS && poll(&pfd, 1, 50) > 0)
            getsockopt(pfd.fd, SOL_SOCKET, SO_ERROR, &cause, &len);
        else if (cause == EINPROGRESS)
            cause = 0;
    }
    if (pfd.fd >= 0)
        close(pfd.fd);
    freeaddrinfo(ai);
    return cause;
}

static void loop_explain_connect(struct tns_loop *loop)
{
    int cause = connect_errno(loop->addr, loop->peer.port);

    if (cause)
        tns__error_errno(&loop->error, TNS_E_TRANSPORT, cause, "cannot connect to %s (%s)",
                         loop->peer.label, loop->addr);
    else
        tns__error_set(&loop->error, TNS_E_TRANSPORT, "cannot connect to %s (%s)",
                       loop->peer.label, loop->addr);
    loop->error.flags |= TNS_F_RETRYABLE;
}

static void loop_on_failure(struct tns_loop *loop, const char *text)
{
    const char *peer = loop->peer.label;

    if (loop->error.code)
        return;
    if (loop->trust.error.code) {
        tns__error_copy(&loop->error, &loop->trust.error);
    } else if (loop->phase == TNS_PHASE_CONNECTING && !loop->trust.started) {
        loop_explain_connect(loop);
    } else if (loop->phase <= TNS_PHASE_TLS) {
        tns__loop_fail(loop, TNS_E_TRANSPORT, TNS_F_RETRYABLE,
                       "the connection to %s broke during the TLS handshake", peer);
    } else {
        tns__loop_fail(loop, TNS_E_TRANSPORT, 0, "%s did not answer as a %s server: %s",
                       peer, loop->is_http ? "web" : "websocket",
                       text ? text : "connection closed");
    }
}

/* The last fence: whatever libwebsockets thought of the certificate, ours is the verdict. */
static int loop_before_request(struct tns_loop *loop)
{
    if (loop->peer.tls && !loop->trust.accepted)
        return tns__loop_fail(loop, TNS_E_TLS, 0, "the certificate of %s was not checked",
                              loop->peer.label);
    loop->phase = TNS_PHASE_REQUEST;
    return 0;
}

static int loop_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                         void *in, size_t len)
{
    struct tns_loop *loop = lws_context_user(lws_get_context(wsi));

    (void)user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        if (loop_before_request(loop) < 0)
            return -1;
        return loop->event(loop, reason, in, len);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (wsi == loop->wsi)
            loop_on_failure(loop, in);
        lws_cancel_service(loop->lws);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (wsi == loop->wsi)
            loop->wsi = NULL;
        return 0;
    default:
        return wsi == loop->wsi ? loop->event(loop, reason, in, len) : 0;
    }
}

/* ---- the context ---- */

static const struct lws_protocols loop_protocols[] = {
    { .name = "tns", .callback = loop_callback, .rx_buffer_size = TNS_WIRE_CHUNK },
    { .name = NULL },
};

/* No pings and no hanging up by libwebsockets: the owner decides. */
static const lws_retry_bo_t loop_no_retry;

static pthread_once_t loop_log_once = PTHREAD_ONCE_INIT;

/* Its log level is global to the process; stderr is not ours. */
static void loop_log_off(void)
{
    lws_set_log_level(0, NULL);
}

static void loop_fill_info(struct tns_loop *loop, struct lws_context_creation_info *info)
{
    *info = (struct lws_context_creation_info){
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = loop_protocols,
        .user = loop,
        /* "no change": int up to libwebsockets 4.1, gid_t and uid_t later */
        .gid = (__typeof__(info->gid))-1,
        .uid = (__typeof__(info->uid))-1,
        .pt_serv_buf_size = TNS_WIRE_CHUNK,
        .max_http_header_data2 = TNS_WIRE_MAX_HEADERS,
        .fd_limit_per_thread = 8, /* sized by ulimit otherwise, which may be a million */
        .timeout_secs = LWS_PATIENCE_S,
        .connect_timeout_secs = LWS_PATIENCE_S,
        .keepalive_timeout = LWS_PATIENCE_S,
        .retry_and_idle_policy = &loop_no_retry,
        .http_proxy_address = "", /* NULL would take http_proxy from the environment */
    };
    info->options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
#if LWS_LIBRARY_VERSION_NUMBER >= 4002000
    info->options |= LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE;
#endif
}

/*
 * Creating a context sets SIGPIPE to be ignored, behind the back of whoever handles it. With TLS a
 * context takes two numbers from OpenSSL for good, so TLS is left to the vhost. The SSL_CTX is ours:
 * of several contexts at a time libwebsockets 4.1 frees but the last one's.
 */
static int loop_create_context(struct tns_loop *loop, struct tns_error *err)
{
    struct lws_context_creation_info info;
    struct sigaction before;

    loop_fill_info(loop, &info);
    tns__fd_watch_begin(&loop->fds);
    sigaction(SIGPIPE, NULL, &before);
    loop->lws = lws_create_context(&info);
    sigaction(SIGPIPE, &before, NULL);
    if (!loop->lws)
        return tns__error_nomem(err);

    tns__fd_watch_opened(&loop->fds);
    info.provided_client_ssl_ctx = loop->ssl_ctx;
    if (loop->ssl_ctx)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    loop->vhost = lws_create_vhost(loop->lws, &info);
    return loop->vhost ? 0 : tns__error_nomem(err);
}

int tns__loop_start(struct tns_loop *loop, struct tns_ctx *ctx,
                    const struct tns_endpoint *ep, struct tns_error *err)
{
    struct tns_quiet _tns_quiet_ quiet;
    int rc;

    tns__quiet_begin(&quiet);
    pthread_once(&loop_log_once, loop_log_off);
    loop->ctx = ctx;
    loop->owner_pid = getpid();
    loop->trust.peer = &loop->peer;
    loop->error = loop->trust.error = (struct tns_error)TNS_ERROR_INIT;
    rc = tns__peer_init(&loop->peer, ep, err);
    if (rc < 0)
        return rc;

    if (loop->peer.tls)
        rc = tns__trust_new(&loop->trust, &loop->ssl_ctx, err);
    if (rc < 0)
        return rc;

    rc = loop_create_context(loop, err);
    if (rc < 0)
        return rc;
    if (loop->peer.tls && loop->peer.insecure && loop->peer.n_fingerprints == 0)
        tns__log(
            ctx, LOG_WARNING, "wire",
            "the certificate of %s is NOT verified (insecure): anybody on the way can read "
            "the key",
            loop->peer.label);
    return 0;
}

/*
 * In a forked child the socket is still the parent's. libwebsockets 4.1 happens to write nothing when
 * a context goes; should another version say goodbye, it says it to /dev/null.
 */
static void loop_detach(struct tns_loop *loop)
{
    int fd = loop->wsi ? lws_get_socket_fd(loop->wsi) : -1;
    int null = fd >= 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

    if (fd >= 0 && null >= 0)
        dup3(null, fd, O_CLOEXEC);
    else if (fd >= 0)
        close(fd);
    if (null >= 0)
        close(null);
}

void tns__loop_hang_up(struct tns_loop *loop)
{
    struct tns_quiet _tns_quiet_ quiet;

    tns__quiet_begin(&quiet);
    if (loop->wsi)
        lws_set_timeout(loop->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

void tns__loop_stop(struct tns_loop *loop)
{
    struct tns_quiet _tns_quiet_ quiet;

    tns__quiet_begin(&quiet);
    if (loop->lws) {
        if (loop->owner_pid != getpid())
            loop_detach(loop);
        lws_context_destroy(loop->lws);
        tns__fd_watch_end(&loop->fds);
        loop->lws = NULL;
    }
    SSL_CTX_free(loop->ssl_ctx);
    loop->ssl_ctx = NULL;
    tns__peer_clear(&loop->peer);
}

/* ---- waiting ---- */

/* lws_service() handles an expired timer and goes on sleeping: only this wakes it. */
static void loop_alarm(lws_sorted_usec_list_t *sul)
{
    struct tns_loop *loop = lws_container_of(sul, struct tns_loop, alarm);

    lws_cancel_service(loop->lws);
}

static void loop_serve(struct tns_loop *loop, uint64_t until_ns)
{
    uint64_t now = tns__now_ns();
    uint64_t left = until_ns > now ? until_ns - now : 0;
    uint64_t seen;

    if (left > 0) {
        lws_sul_schedule(loop->lws, 0, &loop->alarm, loop_alarm,
                         (lws_usec_t)((left < SLICE_NS ? left : SLICE_NS) / 1000 + 1));
        lws_service(loop->lws, 0);
        lws_sul_cancel(&loop->alarm);
        return;
    }
    do {
        seen = loop->activity;
        lws_service(loop->lws, -1);
    } while (loop->activity != seen && !loop->error.code);
}

int tns__loop_wait(struct tns_loop *loop, tns_loop_done_fn done, int timeout_ms,
                   const char *what, struct tns_error *err)
{
    struct tns_ctx *ctx = loop->ctx;
    uint64_t until = ctx->deadline_ns;
    struct tns_quiet _tns_quiet_ quiet;
    int rc;

    tns__quiet_begin(&quiet);
    if (timeout_ms >= 0 && tns__now_ns() + TNS_MS((unsigned)timeout_ms) < until)
        until = tns__now_ns() + TNS_MS((unsigned)timeout_ms);

    while (!done(loop)) {
        if (!loop->wsi)
            tns__loop_fail(loop, TNS_E_TRANSPORT, 0, "the connection to %s ended",
                           loop->peer.label);
        if (loop->error.code)
            return tns__error_copy(err, &loop->error);
        loop_serve(loop, until);
        if (done(loop) || loop->error.code)
            continue;
        rc = tns__ctx_check(ctx, what, err);
        if (rc < 0)
            return rc;
        if (timeout_ms >= 0 && tns__now_ns() >= until)
            return 0;
    }
    return 0;
}

/* ---- connecting ---- */

static bool loop_tcp_stands(const struct tns_loop *loop)
{
    return loop->phase > TNS_PHASE_CONNECTING || loop->trust.started;
}

static void loop_fill_connect(struct tns_loop *loop, const char *method, const char *path,
                              struct lws_client_connect_info *ci)
{
    *ci = (struct lws_client_connect_info){
        .context = loop->lws,
        .vhost = loop->vhost,
        .address = loop->addr,
        .port = loop->peer.port,
        .path = path,
        .host = loop->peer.host_header,
        .method = method,
        .local_protocol_name = "tns",
        .alpn = "http/1.1",
        .ietf_version_or_minus_one = -1,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
        .retry_and_idle_policy = &loop_no_retry,
        .pwsi = &loop->wsi,
    };
    if (loop->peer.tls)
        ci->ssl_connection |= LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
}

/* One address. patience_ms < 0: up to the deadline. */
static int loop_try(struct tns_loop *loop, const char *method, const char *path,
                    int patience_ms, struct tns_error *err)
{
    struct lws_client_connect_info ci;
    struct tns_quiet _tns_quiet_ quiet;
    char what[sizeof(loop->peer.label) + 32];
    int rc;

    tns__quiet_begin(&quiet);
    tns__error_clear(&loop->error);
    tns__error_clear(&loop->trust.error);
    loop->trust.started = loop->trust.accepted = false;
    loop->phase = TNS_PHASE_CONNECTING;
    loop_fill_connect(loop, method, path, &ci);
    if (!lws_client_connect_via_info(&ci)) {
        loop->wsi = NULL;
        loop_on_failure(loop, NULL);
    }

    snprintf(what, sizeof(what), "a connection to %s", loop->peer.label);
    rc = tns__loop_wait(loop, loop_tcp_stands, patience_ms, what, err);
    if (rc < 0 || loop_tcp_stands(loop))
        return rc;

    tns__loop_hang_up(loop);
    rc = tns__error_set(err, TNS_E_TRANSPORT, "%s (%s) does not answer", loop->peer.label,
                        loop->addr);
    if (err)
        err->flags |= TNS_F_RETRYABLE;
    return rc;
}

int tns__loop_connect(struct tns_loop *loop, const char *method, const char *path,
                      struct tns_error *err)
{
    struct tns_addrs addrs;
    struct tns_error local = TNS_ERROR_INIT;
    int rc;

    rc = tns__resolve_all(loop->ctx, loop->peer.host, loop->peer.port,
                          loop->peer.prefer_ipv4, &addrs, err);
    if (rc < 0)
        return rc;

    for (size_t i = 0; i < addrs.n; i++) {
        bool last = i + 1 == addrs.n;
        int patience_ms = last ? -1 : tns__ctx_left_ms(loop->ctx) / (int)(addrs.n - i);

        tns__error_clear(&local);
        strcpy(loop->addr, addrs.addr[i]);
        rc = loop_try(loop, method, path, patience_ms, &local);
        if (rc == 0)
            return 0;
        if (rc != -TNS_E_TRANSPORT || loop_tcp_stands(loop))
            break;
    }
    /* The name may have moved: ask anew next time. */
    if (rc == -TNS_E_TRANSPORT)
        tns__resolve_forget();
    return tns__error_copy(err, &local);
}
