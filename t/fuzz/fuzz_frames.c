/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a websocket server says: in its handshake, or as frames behind a good one. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "loopback.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void upgrade(int fd, const char *request)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *key = strstr(request, name);
    unsigned char hash[SHA_DIGEST_LENGTH];
    char text[128], accept[64], head[256];
    int n;

    snprintf(text, sizeof(text), "%.24s%s", key ? key + sizeof(name) - 1 : "", guid);
    SHA1((const unsigned char *)text, strlen(text), hash);
    EVP_EncodeBlock((unsigned char *)accept, hash, sizeof(hash));
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    loopback_write(fd, head, (size_t)n);
}

/* The first byte tells which of the two. */
static void serve(int fd, const char *request, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    if (data[0] != 'h')
        upgrade(fd, request);
    loopback_write(fd, data + 1, size - 1);
}

static int receive_all(struct tns_ws *ws, struct tns_error *err)
{
    for (;;) {
        char *text = NULL;
        size_t len = 0;
        int rc = tns__ws_recv(ws, &text, &len, err);

        if (rc < 0)
            return rc;
        if (strlen(text) > len || text[len] != '\0')
            abort();
        tns__free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_endpoint ep = { .host = "127.0.0.1" };
    struct tns_ws *ws = NULL;
    struct tns_ctx ctx;
    int rc;

    if (!loopback.fn)
        loopback_start(serve);
    loopback_set(data, size);
    ep.port = loopback.port;
    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, 5000);

    rc = tns__ws_open(&ctx, &ep, "/api/current", &ws, &err);
    if (rc == 0)
        rc = receive_all(ws, &err);
    if (rc >= 0 || err.code != -rc || !err.text[0] || rc == -TNS_E_TIMEOUT)
        abort();
    tns__ws_close(ws);
    return 0;
}
