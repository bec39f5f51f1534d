/* SPDX-License-Identifier: Apache-2.0 */
/* One plain HTTP exchange with a server on loopback: enough for tnsim's control address. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"

static int http_connect(int port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    _tns_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -1;
    return TNS_STEAL_FD(fd);
}

static int http_send(int fd, const char *method, const char *path, const char *body)
{
    _tns_free_ char *text = NULL;
    size_t len, done = 0;

    text = tns__asprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         method, path, body ? strlen(body) : 0, body ? body : "");
    if (!text)
        return -1;
    len = strlen(text);
    while (done < len) {
        ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Until the server closes: it was told to. */
static char *http_receive(int fd, const struct tns_ctx *ctx, size_t *ret_len)
{
    _tns_free_ char *buf = NULL;
    size_t len = 0;

    for (;;) {
        char *grown = tns__realloc(buf, len + 65537, 1);
        ssize_t n;

        if (!grown)
            return NULL;
        buf = grown;
        if (tns__ctx_poll(ctx, fd, POLLIN, "the control address", NULL) < 0) {
            errno = ETIMEDOUT;
            return NULL;
        }
        n = recv(fd, buf + len, 65536, 0);
        if (n < 0 && errno != EINTR)
            return NULL;
        if (n == 0)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    buf[len] = '\0';
    *ret_len = len;
    return TNS_STEAL(buf);
}

/* Joins the chunks of a chunked body in place. */
static void http_dechunk(char *body)
{
    char *to = body, *from = body;

    for (;;) {
        char *end;
        unsigned long n = strtoul(from, &end, 16);

        end = strstr(end, "\r\n");
        if (!n || !end || strlen(end + 2) < n)
            break;
        memmove(to, end + 2, n);
        to += n;
        from = end + 2 + n;
    }
    *to = '\0';
}

static int http_split(char *text, char **ret_body)
{
    char *body = strstr(text, "\r\n\r\n");
    int status;

    if (!body || sscanf(text, "HTTP/1.%*d %d", &status) != 1) {
        errno = EPROTO;
        return -1;
    }
    body[2] = '\0';
    body += 4;
    if (strcasestr(text, "\r\ntransfer-encoding: chunked"))
        http_dechunk(body);
    if (ret_body)
        *ret_body = tns__strdup(body);
    return status;
}

int tst_http(int port, const char *method, const char *path, const char *body,
             char **ret_body, unsigned timeout_ms)
{
    _tns_close_ int fd = http_connect(port);
    _tns_free_ char *text = NULL;
    struct tns_ctx ctx;
    size_t len;

    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, timeout_ms);
    if (fd < 0 || http_send(fd, method, path, body) < 0)
        return -1;
    text = http_receive(fd, &ctx, &len);
    return text ? http_split(text, ret_body) : -1;
}
