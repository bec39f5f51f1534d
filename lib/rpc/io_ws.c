/* SPDX-License-Identifier: Apache-2.0 */
/* The websocket as what carries messages. */
#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/rpc_priv.h"

struct io_ws {
    struct tns_io io;
    struct tns_ws *ws;
};

static struct tns_ws *ws_of(const struct tns_io *io)
{
    return ((const struct io_ws *)(const void *)io)->ws;
}

static int io_ws_send(struct tns_io *io, const char *text, size_t len,
                      struct tns_error *err)
{
    return tns__ws_send(ws_of(io), text, len, err);
}

static int io_ws_recv(struct tns_io *io, int timeout_ms, char **ret_text, size_t *ret_len,
                      struct tns_error *err)
{
    return tns__ws_recv_within(ws_of(io), timeout_ms, ret_text, ret_len, err);
}

static int io_ws_ping(struct tns_io *io, struct tns_error *err)
{
    return tns__ws_ping(ws_of(io), err);
}

static int io_ws_fd(const struct tns_io *io)
{
    return tns__ws_fd(ws_of(io));
}

static const char *io_ws_fingerprint(const struct tns_io *io)
{
    return tns__ws_fingerprint(ws_of(io));
}

static void io_ws_close(struct tns_io *io)
{
    tns__ws_close(ws_of(io));
    tns__free(io);
}

static const struct tns_io_ops io_ws_ops = {
    .send = io_ws_send,
    .recv = io_ws_recv,
    .ping = io_ws_ping,
    .fd = io_ws_fd,
    .fingerprint = io_ws_fingerprint,
    .close = io_ws_close,
};

int tns__io_ws_open(struct tns_ctx *ctx, const struct tns_endpoint *ep, const char *path,
                    struct tns_io **ret, struct tns_error *err)
{
    _tns_free_ struct io_ws *self = tns__alloc(sizeof(*self));
    int rc;

    if (!self)
        return tns__error_nomem(err);
    self->io.ops = &io_ws_ops;
    self->io.private = ep->tls || tns__endpoint_is_loopback(ep);
    rc = tns__ws_open(ctx, ep, path, &self->ws, err);
    if (rc == 0)
        *ret = &TNS_STEAL(self)->io;
    return rc;
}
