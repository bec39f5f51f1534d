/* SPDX-License-Identifier: Apache-2.0 */
/* The raw server: sockets, TLS, HTTP heads and websocket frames, each under the test's control. */
#include "wire/server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/cert.h"

#define MAX_CONNS 64

struct srv {
    int fd;
    uint16_t port;
    srv_fn fn;
    void *arg;
    pthread_t thread;
    pthread_t workers[MAX_CONNS];
    atomic_uint n_conns;
    atomic_bool stop;
    atomic_size_t received;
    struct cert cert;
    SSL_CTX *ssl;
};

/* ---- bytes ---- */

static bool wait_fd(struct srv_conn *c, short events)
{
    struct pollfd p = { .fd = c->fd, .events = events };

    while (!atomic_load(&c->srv->stop)) {
        int n = poll(&p, 1, 20);

        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
    return false;
}

/* What a nonblocking TLS call wants next; false when it is over. */
static bool ssl_wants(struct srv_conn *c, int rc)
{
    int e = SSL_get_error(c->ssl, rc);

    if (e == SSL_ERROR_WANT_READ)
        return wait_fd(c, POLLIN);
    if (e == SSL_ERROR_WANT_WRITE)
        return wait_fd(c, POLLOUT);
    ERR_clear_error();
    return false;
}

bool srv_write(struct srv_conn *c, const void *bytes, size_t len)
{
    const char *p = bytes;

    while (len > 0) {
        int n = c->ssl ? SSL_write(c->ssl, p, (int)(len > 1 << 20 ? 1 << 20 : len))
                       : (int)send(c->fd, p, len, MSG_NOSIGNAL);

        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (c->ssl ? !ssl_wants(c, n)
                          : (errno != EAGAIN && errno != EINTR) || !wait_fd(c, POLLOUT)) {
            return false;
        }
    }
    return true;
}

bool srv_say(struct srv_conn *c, const char *text)
{
    return srv_write(c, text, strlen(text));
}

static size_t read_some(struct srv_conn *c, void *buf, size_t cap)
{
    for (;;) {
        int n = c->ssl ? SSL_read(c->ssl, buf, (int)cap) : (int)recv(c->fd, buf, cap, 0);

        if (n > 0) {
            atomic_fetch_add(&c->srv->received, (size_t)n);
            return (size_t)n;
        }
        if (!c->ssl && n == 0)
            return 0;
        if (c->ssl ? !ssl_wants(c, n)
                   : (errno != EAGAIN && errno != EINTR) || !wait_fd(c, POLLIN))
            return 0;
    }
}

size_t srv_read(struct srv_conn *c, void *buf, size_t cap)
{
    size_t n = c->n_ahead < cap ? c->n_ahead : cap;

    if (n == 0)
        return read_some(c, buf, cap);
    memcpy(buf, c->ahead, n);
    memmove(c->ahead, c->ahead + n, c->n_ahead - n);
    c->n_ahead -= n;
    return n;
}

static bool read_all(struct srv_conn *c, void *buf, size_t len)
{
    char *p = buf;

    while (len > 0) {
        size_t n = srv_read(c, p, len);

        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

void srv_linger(struct srv_conn *c)
{
    char buf[4096];

    while (srv_read(c, buf, sizeof(buf)) > 0)
        ;
}

void srv_cut(struct srv_conn *c)
{
    struct linger now = { .l_onoff = 1 };

    if (c->fd < 0)
        return;
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    if (c->ssl)
        SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->fd = -1;
}

/* ---- HTTP ---- */

static const char *header(const char *request, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = request; line; line = strstr(line, "\r\n")) {
        if (line != request)
            line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
    }
    return NULL;
}

bool srv_request(struct srv_conn *c)
{
    size_t n = 0;
    const char *length;

    free(c->body);
    c->body = NULL;
    c->body_len = 0;
    while (n < 4 || memcmp(c->request + n - 4, "\r\n\r\n", 4) != 0) {
        if (n + 1 >= sizeof(c->request) || srv_read(c, c->request + n, 1) != 1)
            return false;
        n++;
    }
    c->request[n] = '\0';
    length = header(c->request, "Content-Length");
    if (!length)
        return true;
    c->body_len = strtoul(length, NULL, 10);
    c->body = calloc(1, c->body_len + 1);
    return read_all(c, c->body, c->body_len);
}

bool srv_answer(struct srv_conn *c, int status, const char *headers, const char *body)
{
    char head[2048];

    snprintf(head, sizeof(head), "HTTP/1.1 %d Answer\r\nContent-Length: %zu\r\n%s\r\n",
             status, strlen(body), headers ? headers : "");
    return srv_say(c, head) && srv_say(c, body);
}

/* ---- websocket ---- */

void srv_accept_value(const struct srv_conn *c, char ret[64])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *key = header(c->request, "Sec-WebSocket-Key");
    unsigned char hash[SHA_DIGEST_LENGTH];
    char text[128];

    snprintf(text, sizeof(text), "%.24s%s", key ? key : "", guid);
    SHA1((const unsigned char *)text, strlen(text), hash);
    EVP_EncodeBlock((unsigned char *)ret, hash, sizeof(hash));
}

bool srv_upgrade(struct srv_conn *c)
{
    char accept[64], head[512];

    if (!srv_request(c))
        return false;
    srv_accept_value(c, accept);
    snprintf(
        head, sizeof(head),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    return srv_say(c, head);
}

size_t srv_frame_head(unsigned char *ret, int first_byte, uint64_t len)
{
    size_t n = 2;

    ret[0] = (unsigned char)first_byte;
    if (len < 126) {
        ret[1] = (unsigned char)len;
        return n;
    }
    if (len < 65536) {
        ret[1] = 126;
        n = 4;
    } else {
        ret[1] = 127;
        n = 10;
    }
    for (size_t i = n; i > 2; i--, len >>= 8)
        ret[i - 1] = (unsigned char)len;
    return n;
}

bool srv_frame(struct srv_conn *c, int first_byte, const void *payload, size_t len)
{
    unsigned char head[10];

    if (len < 4096) {
        unsigned char one[10 + 4096];
        size_t n = srv_frame_head(one, first_byte, len);

        if (len > 0)
            memcpy(one + n, payload, len);
        return srv_write(c, one, n + len);
    }
    return srv_write(c, head, srv_frame_head(head, first_byte, len)) &&
           srv_write(c, payload, len);
}

bool srv_text(struct srv_conn *c, const char *text)
{
    return srv_frame(c, 0x81, text, strlen(text));
}

int srv_frame_in(struct srv_conn *c, char *buf, size_t cap, size_t *ret_len)
{
    unsigned char head[2], more[8], mask[4];
    uint64_t len;
    size_t n_more;

    if (!read_all(c, head, 2) || !(head[1] & 0x80))
        return -1;
    len = head[1] & 0x7f;
    n_more = len == 127 ? 8 : len == 126 ? 2 : 0;
    if (!read_all(c, more, n_more))
        return -1;
    if (n_more)
        len = 0;
    for (size_t i = 0; i < n_more; i++)
        len = len << 8 | more[i];
    if (len >= cap || !read_all(c, mask, 4) || !read_all(c, buf, (size_t)len))
        return -1;
    for (size_t i = 0; i < len; i++)
        buf[i] = (char)(buf[i] ^ mask[i & 3]);
    buf[len] = '\0';
    if (ret_len)
        *ret_len = (size_t)len;
    return head[0] & 15;
}

/* ---- the server ---- */

static bool tls_up(struct srv_conn *c)
{
    int rc;

    if (!c->srv->ssl)
        return true;
    c->ssl = SSL_new(c->srv->ssl);
    SSL_set_fd(c->ssl, c->fd);
    while ((rc = SSL_accept(c->ssl)) <= 0)
        if (!ssl_wants(c, rc))
            return false;
    return true;
}

static void *worker(void *arg)
{
    struct srv_conn *c = arg;

    if (tls_up(c))
        c->srv->fn(c, c->srv->arg);
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        ERR_clear_error();
    }
    if (c->fd >= 0)
        close(c->fd);
    free(c->body);
    free(c);
    return NULL;
}

static void *acceptor(void *arg)
{
    struct srv *srv = arg;
    int one = 1;

    while (!atomic_load(&srv->stop)) {
        struct pollfd p = { .fd = srv->fd, .events = POLLIN };
        struct srv_conn *c;
        unsigned n;
        int fd = poll(&p, 1, 20) > 0
                     ? accept4(srv->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)
                     : -1;

        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        c = calloc(1, sizeof(*c));
        c->srv = srv;
        c->fd = fd;
        n = atomic_load(&srv->n_conns);
        if (n >= MAX_CONNS)
            abort();
        c->number = n + 1;
        /* From here on it is the worker's to free. */
        pthread_create(&srv->workers[n], NULL, worker, c);
        atomic_store(&srv->n_conns, n + 1);
    }
    return NULL;
}

static void setup_tls(struct srv *srv, enum srv_cert kind)
{
    cert_make(kind, &srv->cert);
    srv->ssl = SSL_CTX_new(TLS_server_method());
    if (kind == SRV_OLD_TLS) {
        SSL_CTX_set_security_level(srv->ssl, 0);
        SSL_CTX_set_min_proto_version(srv->ssl, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(srv->ssl, TLS1_1_VERSION);
        ck_assert_int_eq(SSL_CTX_set_cipher_list(srv->ssl, "ALL:@SECLEVEL=0"), 1);
    }
    SSL_CTX_set_mode(srv->ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ck_assert_int_eq(SSL_CTX_use_certificate(srv->ssl, srv->cert.cert), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(srv->ssl, srv->cert.key), 1);
}

struct srv *srv_start(enum srv_cert cert, srv_fn fn, void *arg)
{
    struct srv *srv = calloc(1, sizeof(*srv));
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);
    sigset_t all, before;

    srv->fn = fn;
    srv->arg = arg;
    if (cert != SRV_PLAIN)
        setup_tls(srv, cert);
    srv->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(srv->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    ck_assert_int_eq(listen(srv->fd, 64), 0);
    getsockname(srv->fd, (struct sockaddr *)&sin, &len);
    srv->port = ntohs(sin.sin_port);

    /* The client's signals are the subject of some tests: none is taken here. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ck_assert_int_eq(pthread_create(&srv->thread, NULL, acceptor, srv), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return srv;
}

void srv_stop(struct srv *srv)
{
    atomic_store(&srv->stop, true);
    pthread_join(srv->thread, NULL);
    for (unsigned i = 0; i < atomic_load(&srv->n_conns); i++)
        pthread_join(srv->workers[i], NULL);
    close(srv->fd);
    if (srv->ssl) {
        SSL_CTX_free(srv->ssl);
        cert_free(&srv->cert);
    }
    free(srv);
}

uint16_t srv_port(const struct srv *srv)
{
    return srv->port;
}

unsigned srv_connections(const struct srv *srv)
{
    return atomic_load(&srv->n_conns);
}

size_t srv_received(const struct srv *srv)
{
    return atomic_load(&srv->received);
}

const char *srv_fingerprint(const struct srv *srv)
{
    return srv->cert.fingerprint;
}

const char *srv_ca_file(const struct srv *srv)
{
    return srv->cert.ca_file;
}

bool srv_stopping(const struct srv *srv)
{
    return atomic_load(&srv->stop);
}
