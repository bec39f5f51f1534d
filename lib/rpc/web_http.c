/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP of lib/wire as what carries the REST dialect. */
#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/rest_priv.h"

struct web_http {
    struct tns_web web;
    struct tns_http *http;
};

static int web_http_exchange(struct tns_web *web, const struct tns_http_request *req,
                             struct tns_http_response *ret, struct tns_error *err)
{
    return tns__http_exchange(((struct web_http *)web)->http, req, ret, err);
}

static void web_http_close(struct tns_web *web)
{
    tns__http_close(((struct web_http *)web)->http);
    tns__free(web);
}

int tns__rpc_rest_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                       const struct tns_secret *key, struct tns_rpc **ret,
                       struct tns_error *err)
{
    struct web_http *self = NULL;
    int rc = 0;

    if (key && !ep->tls && !tns__endpoint_is_loopback(ep))
        rc = tns__error_set(err, TNS_E_CONFIG,
                            "a key is never sent to %s without TLS: use the scheme https",
                            ep->host);
    if (rc == 0)
        self = tns__alloc(sizeof(*self));
    if (rc == 0 && !self)
        rc = tns__error_nomem(err);
    if (rc < 0)
        return rc;

    self->web = (struct tns_web){ .exchange = web_http_exchange, .close = web_http_close };
    rc = tns__http_open(ctx, ep, &self->http, err);
    if (rc < 0) {
        tns__free(self);
        return rc;
    }
    return tns__rest_open(ctx, &self->web, key, ret, err);
}
