/* SPDX-License-Identifier: Apache-2.0 */
/* Inside lib/wire: one libwebsockets context with its deadlines, and how a peer is judged. */
#ifndef TNS_WIRE_WIRE_PRIV_H
#define TNS_WIRE_WIRE_PRIV_H

#include <libwebsockets.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"
#include "wire/wire.h"

/* What a message or a body may weigh: RELIABILITY sections 5 (S7) and 8. */
#define TNS_WIRE_MAX_IN ((size_t)64 << 20)
#define TNS_WIRE_MAX_OUT ((size_t)60 << 10)
/* libwebsockets reads, and unwraps websocket frames, in pieces of this size. */
#define TNS_WIRE_CHUNK 65536
#define TNS_WIRE_MAX_HEADERS 16384
#define TNS_WIRE_MAX_HOST 100 /* libwebsockets cuts the Host header at 128 bytes */
#define TNS_WIRE_MAX_FINGERPRINTS 16
#define TNS_WIRE_MAX_ADDRS 8

/* ---- peer.c: an endpoint, copied and checked ---- */

struct tns_peer {
    char host[TNS_WIRE_MAX_HOST + 1];
    char label[TNS_WIRE_MAX_HOST + 16];       /* for people: "nas1:443", "[fd00::1]:443" */
    char host_header[TNS_WIRE_MAX_HOST + 16]; /* the same without the scheme's own port  */
    uint16_t port;
    bool tls;
    bool insecure;
    bool prefer_ipv4;
    char *ca_file;
    size_t n_fingerprints;
    unsigned char fingerprints[TNS_WIRE_MAX_FINGERPRINTS][32];
};

int tns__peer_init(struct tns_peer *peer, const struct tns_endpoint *ep,
                   struct tns_error *err);
void tns__peer_clear(struct tns_peer *peer);

/* ---- resolve.c ---- */

struct tns_addrs {
    size_t n;
    char addr[TNS_WIRE_MAX_ADDRS][64]; /* numeric */
};

int tns__resolve_all(struct tns_ctx *ctx, const char *host, uint16_t port, bool prefer_ipv4,
                     struct tns_addrs *ret, struct tns_error *err);

/* Tests put a resolver of their own here. It runs in a thread of its own. */
typedef int (*tns_getaddrinfo_fn)(const char *host, const char *service,
                                  const struct addrinfo *hints, struct addrinfo **ret);
extern tns_getaddrinfo_fn tns__resolve_getaddrinfo;
void tns__resolve_forget(void); /* empties the cache */

/* ---- trust.c: the verdict on a certificate, before any byte of ours goes out ---- */

struct tns_trust {
    const struct tns_peer *peer;
    bool started; /* the handshake began, so TCP stands */
    bool accepted;
    char fingerprint[96];   /* of the peer's leaf certificate, colon-hex */
    struct tns_error error; /* why it was refused, or why the handshake failed */
};

/* An SSL_CTX with TLS 1.2 and later, our roots only, our verdict. trust must outlive it. */
int tns__trust_new(struct tns_trust *trust, SSL_CTX **ret, struct tns_error *err);

/* ---- fd_watch.c ---- */

#define TNS_FD_WATCH 16 /* a context opens three, from the lowest free number on */

struct tns_fd_watch {
    int first;
    bool was_open[TNS_FD_WATCH];
    int wake; /* the context's eventfd, or -1 */
    int twin; /* ours, of the same open file  */
};

void tns__fd_watch_begin(struct tns_fd_watch *w);  /* before a context is made */
void tns__fd_watch_opened(struct tns_fd_watch *w); /* after it was             */
void tns__fd_watch_end(struct tns_fd_watch *w);    /* after it is gone         */

/* ---- loop.c ---- */

enum tns_phase {
    TNS_PHASE_IDLE,
    TNS_PHASE_CONNECTING, /* TCP                                        */
    TNS_PHASE_TLS,        /* TCP stands, TLS does not yet               */
    TNS_PHASE_REQUEST,    /* the HTTP request may have left             */
    TNS_PHASE_OPEN,       /* upgraded, or the response's headers came   */
    TNS_PHASE_CLOSED,
};

struct tns_loop {
    struct tns_ctx *ctx;
    struct tns_peer peer;
    struct tns_trust trust;
    pid_t owner_pid;
    bool is_http;
    char addr[64];
    uint64_t activity; /* grows with everything that is received */
    struct tns_fd_watch fds;
    SSL_CTX *ssl_ctx; /* NULL without TLS */
    struct lws_context *lws;
    struct lws_vhost *vhost;
    struct lws *wsi; /* the connection, NULL when there is none */
    lws_sorted_usec_list_t alarm;
    enum tns_phase phase;
    struct tns_error error; /* the first failure that a callback met */
    /* Called for the events that are not common to all; non-zero ends the connection. */
    int (*event)(struct tns_loop *loop, enum lws_callback_reasons reason, void *in,
                 size_t len);
};

int tns__loop_start(struct tns_loop *loop, struct tns_ctx *ctx,
                    const struct tns_endpoint *ep, struct tns_error *err);
void tns__loop_stop(struct tns_loop *loop);
/* Ends the connection, if there is one; the context can make another. */
void tns__loop_hang_up(struct tns_loop *loop);

/* method NULL: websocket. Returns when TCP stands; the rest is waited for. */
int tns__loop_connect(struct tns_loop *loop, const char *method, const char *path,
                      struct tns_error *err);

typedef bool (*tns_loop_done_fn)(const struct tns_loop *loop);

/*
 * Serves the connection until done() says so. timeout_ms < 0: until the deadline, whose passing
 * is an error; else 0 is returned as well when that time passed. What arrived already is served
 * even when no time is left.
 */
int tns__loop_wait(struct tns_loop *loop, tns_loop_done_fn done, int timeout_ms,
                   const char *what, struct tns_error *err);

/* Records the first failure; for use inside callbacks. */
int tns__loop_fail(struct tns_loop *loop, int code, uint32_t flags, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- ws.c ---- */

/* 10 s; tests make it shorter. */
extern unsigned tns__ws_pong_patience_ms;

/* ---- quiet.c: SIGPIPE belongs to the program we live in ---- */

struct tns_quiet {
    sigset_t before;
    bool was_pending;
};

void tns__quiet_begin(struct tns_quiet *q);
void tns__quiet_end(struct tns_quiet *q);
#define _tns_quiet_ __attribute__((cleanup(tns__quiet_end)))

#endif
