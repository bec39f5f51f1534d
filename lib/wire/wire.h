/* SPDX-License-Identifier: Apache-2.0 */
/* The network: websocket messages and HTTP exchanges with one endpoint, under the TLS rules. */
#ifndef TNS_WIRE_WIRE_H
#define TNS_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/secret.h"
#include "tnstor.h"

/* Where a NAS answers and how its certificate is judged. Borrowed strings, all of them. */
struct tns_endpoint {
    const char *host; /* name or address, IPv6 without brackets                          */
    uint16_t port;
    bool tls;      /* false is refused for anything but loopback once a key is sent   */
    bool insecure; /* api_insecure: any certificate; warned about at every connection */
    bool prefer_ipv4;
    const char *ca_file;             /* NULL: the system's                                */
    const char *const *fingerprints; /* NULL-terminated, colon-hex SHA-256 of the leaf;   */
                                     /* when set they replace chain and host name         */
};

/* True for 127.0.0.0/8, ::1 and "localhost". */
bool tns__endpoint_is_loopback(const struct tns_endpoint *ep);

/* ---- websocket ---- */

struct tns_ws;

/* TCP, TLS, certificate check, upgrade on `path`. Redirects are never followed. */
int tns__ws_open(struct tns_ctx *ctx, const struct tns_endpoint *ep, const char *path,
                 struct tns_ws **ret, struct tns_error *err);
/* Queues and sends one text message; more than 60 kB is TNS_E_USAGE and nothing is sent. */
int tns__ws_send(struct tns_ws *ws, const char *text, size_t len, struct tns_error *err);
/* The next whole message, reassembled, at most 64 MiB, owned by the caller, NUL-terminated. */
int tns__ws_recv(struct tns_ws *ws, char **ret_text, size_t *ret_len,
                 struct tns_error *err);
/* The same, waiting at most timeout_ms (0: not at all): *ret_text is NULL when nothing came. */
int tns__ws_recv_within(struct tns_ws *ws, int timeout_ms, char **ret_text, size_t *ret_len,
                        struct tns_error *err);
/* True when a message, or the error of a broken connection, waits inside and not in the socket. */
bool tns__ws_pending(const struct tns_ws *ws);
/* Sends a ping; the pong is consumed inside tns__ws_recv or the next ping. A ping that was not
 * answered within 10 s makes the connection count as broken. */
int tns__ws_ping(struct tns_ws *ws, struct tns_error *err);
/* Colon-hex SHA-256 of the peer's certificate; "" without TLS. Borrowed. */
const char *tns__ws_fingerprint(const struct tns_ws *ws);
/* In a process that did not open it: frees memory and descriptors, sends nothing. */
void tns__ws_close(struct tns_ws *ws);
/* Readable when a message may be waiting, for holders that poll several: -1 if unknown. */
int tns__ws_fd(const struct tns_ws *ws);

/* ---- HTTP/1.1 ---- */

struct tns_http_request {
    const char *method; /* GET POST PUT DELETE                                      */
    const char *path;   /* with query, already encoded                              */
    const struct tns_secret *bearer; /* NULL: no Authorization header               */
    const char *body;                /* JSON or NULL                                */
    size_t body_len;
};

struct tns_http_response {
    int status;
    char *body; /* NUL-terminated, at most 64 MiB */
    size_t body_len;
    char fingerprint[96];
};

void tns__http_response_clear(struct tns_http_response *r);

/* One exchange on a connection of its own; 4xx and 5xx are success here. After
 * the request left, a failure carries TNS_F_OUTCOME_UNKNOWN unless the method is GET. */
struct tns_http;
int tns__http_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                   struct tns_http **ret, struct tns_error *err);
int tns__http_exchange(struct tns_http *http, const struct tns_http_request *req,
                       struct tns_http_response *ret, struct tns_error *err);
void tns__http_close(struct tns_http *http);

/* ---- names ---- */

struct addrinfo;
/* getaddrinfo in a thread that can be abandoned at the deadline; cached for 60 s per process. A
 * name that does not exist is TNS_E_TRANSPORT and names the host. */
int tns__resolve(struct tns_ctx *ctx, const char *host, uint16_t port, bool prefer_ipv4,
                 char ret_addr[64], struct tns_error *err);

#endif
