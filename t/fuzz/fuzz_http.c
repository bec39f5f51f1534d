/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the answer to an HTTP request. */
#include "base/error.h"
#include "loopback.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void serve(int fd, const char *request, const uint8_t *data, size_t size)
{
    (void)request;
    loopback_write(fd, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
    struct tns_http_request req = { .method = methods[size % 4], .path = "/api/v2.0/pool" };
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_endpoint ep = { .host = "127.0.0.1" };
    struct tns_http_response res = { 0 };
    struct tns_http *http = NULL;
    struct tns_ctx ctx;
    int rc;

    if (!loopback.fn)
        loopback_start(serve);
    loopback_set(data, size);
    ep.port = loopback.port;
    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, 5000);
    if (size % 4 == 1)
        req.body = "{}", req.body_len = 2;

    rc = tns__http_open(&ctx, &ep, &http, &err);
    if (rc == 0)
        rc = tns__http_exchange(http, &req, &res, &err);
    if (rc == 0 && (res.status < 200 || res.status > 599 || res.body[res.body_len] != '\0'))
        abort();
    if (rc < 0 && (err.code != -rc || !err.text[0] || rc == -TNS_E_TIMEOUT))
        abort();
    /* Whoever changes something must know when it may have happened. */
    if (rc < 0 && size % 4 != 0 && !(err.flags & TNS_F_OUTCOME_UNKNOWN))
        abort();
    tns__http_response_clear(&res);
    tns__http_close(http);
    return 0;
}
