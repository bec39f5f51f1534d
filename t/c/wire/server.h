/* SPDX-License-Identifier: Apache-2.0 */
/* A server for tests that speaks raw bytes on loopback, plain or with TLS, as the test wants. */
#ifndef TNS_T_WIRE_SERVER_H
#define TNS_T_WIRE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum srv_cert {
    SRV_PLAIN,       /* no TLS                                             */
    SRV_GOOD,        /* for localhost, 127.0.0.1 and ::1, by our own CA    */
    SRV_SELF_SIGNED, /* the same names, signed by itself                   */
    SRV_EXPIRED,
    SRV_NOT_YET,
    SRV_OTHER_HOST, /* for nas.example only                               */
    SRV_PARTIAL,    /* for n*.tns.example                                 */
    SRV_OLD_TLS,    /* good, but TLS 1.1 at most                          */
};

struct srv;

struct srv_conn {
    struct srv *srv;
    unsigned number;     /* 1 for the first connection */
    char request[20000]; /* the HTTP request's head, once read */
    char *body;
    size_t body_len;
    /* private */
    int fd;
    void *ssl;
    char ahead[20000];
    size_t n_ahead;
};

/* Runs in a thread of its own per connection; when it returns, the connection is closed. */
typedef void (*srv_fn)(struct srv_conn *c, void *arg);

struct srv *srv_start(enum srv_cert cert, srv_fn fn, void *arg);
void srv_stop(struct srv *srv);
uint16_t srv_port(const struct srv *srv);
unsigned srv_connections(const struct srv *srv);
/* Bytes of application data that clients sent, over all connections. */
size_t srv_received(const struct srv *srv);
/* Colon-hex SHA-256 of the certificate, and the file that holds its CA. */
const char *srv_fingerprint(const struct srv *srv);
const char *srv_ca_file(const struct srv *srv);
bool srv_stopping(const struct srv *srv);

/* false or 0 when the client went away, or the server is to stop. */
bool srv_write(struct srv_conn *c, const void *bytes, size_t len);
bool srv_say(struct srv_conn *c, const char *text);
size_t srv_read(struct srv_conn *c, void *buf, size_t cap);
/* The head of a request, and its body by Content-Length. */
bool srv_request(struct srv_conn *c);
bool srv_answer(struct srv_conn *c, int status, const char *headers, const char *body);
/* Until the client hangs up. */
void srv_linger(struct srv_conn *c);
/* Ends TCP at once, without close_notify. */
void srv_cut(struct srv_conn *c);

/* ---- websocket ---- */

/* The value that belongs into Sec-WebSocket-Accept for c->request. */
void srv_accept_value(const struct srv_conn *c, char ret[64]);
/* Reads the request and upgrades. */
bool srv_upgrade(struct srv_conn *c);
/* The header of a frame as a server sends it; returns its length, at most 10. */
size_t srv_frame_head(unsigned char *ret, int first_byte, uint64_t len);
bool srv_frame(struct srv_conn *c, int first_byte, const void *payload, size_t len);
bool srv_text(struct srv_conn *c, const char *text);
/* The client's next frame: its opcode, and the payload unmasked and NUL-terminated; -1 at the end. */
int srv_frame_in(struct srv_conn *c, char *buf, size_t cap, size_t *ret_len);

#endif
