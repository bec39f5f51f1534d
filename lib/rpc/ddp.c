/* SPDX-License-Identifier: Apache-2.0 */
/* The legacy websocket, DDP by origin: the only one up to 24.10, a pass-through from 25.04. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "rpc/rpc_priv.h"

/* Several validation errors: EAGAIN and this type; a single one carries its own errno. */
#define DDP_VALIDATION "VALIDATION"

static json_t *ddp_encode(uint64_t id, const char *method, json_t *params,
                          struct tns_error *err)
{
    char spelled[24];

    snprintf(spelled, sizeof(spelled), "%llu", (unsigned long long)id);
    if (params)
        return tns__json_pack(err, "{s:s,s:s,s:s,s:O}", "id", spelled, "msg", "method",
                              "method", method, "params", params);
    return tns__json_pack(err, "{s:s,s:s,s:s,s:[]}", "id", spelled, "msg", "method",
                          "method", method, "params");
}

static bool ddp_is_event(const char *msg)
{
    static const char *const events[] = { "added", "changed", "removed", "ready",
                                          "nosub", "ping",    "pong",    "connected" };

    for (size_t i = 0; i < TNS_ARRAY_LEN(events); i++)
        if (strcmp(msg, events[i]) == 0)
            return true;
    return false;
}

static void ddp_decode(json_t *message, struct tns_frame *ret)
{
    const char *msg = json_string_value(json_object_get(message, "msg"));
    const char *id = json_string_value(json_object_get(message, "id"));
    json_t *error = json_object_get(message, "error");

    *ret = (struct tns_frame){ .kind = TNS_FRAME_ODD };
    if (!msg)
        return;
    if (ddp_is_event(msg)) {
        ret->kind = TNS_FRAME_EVENT;
        return;
    }
    if (strcmp(msg, "result") != 0 || !id || !tns__parse_u64(id, &ret->id))
        return;
    ret->kind = TNS_FRAME_REPLY;
    ret->error = json_is_null(error) ? NULL : error;
    ret->result = ret->error ? NULL : json_object_get(message, "result");
}

static void ddp_explain(const json_t *error, const char *method, struct tns_error *err)
{
    const char *type = json_string_value(json_object_get(error, "type"));
    const char *reason = json_string_value(json_object_get(error, "reason"));
    int code = type && strcmp(type, DDP_VALIDATION) == 0 ? -32602 : -32001;

    tns__errmap_middleware(err, method, code,
                           (int)json_integer_value(json_object_get(error, "error")), reason,
                           json_object_get(error, "extra"));
}

const struct tns_codec tns__codec_ddp = {
    .dialect = TNS_DIALECT_DDP,
    .name = "ddp",
    .encode = ddp_encode,
    .decode = ddp_decode,
    .explain = ddp_explain,
};

/* "connected", "failed", or something to be passed over. */
static int ddp_answer(const json_t *message, bool *ret_done, struct tns_error *err)
{
    const char *msg = json_string_value(json_object_get(message, "msg"));

    if (msg && strcmp(msg, "failed") == 0)
        return tns__error_set(err, TNS_E_UNSUPPORTED,
                              "the NAS refuses version 1 of the legacy websocket protocol");
    *ret_done = msg && strcmp(msg, "connected") == 0;
    return 0;
}

int tns__ddp_handshake(struct tns_ctx *ctx, struct tns_io *io, struct tns_error *err)
{
    static const char hello[] =
        "{\"msg\":\"connect\",\"version\":\"1\",\"support\":[\"1\"]}";
    bool done = false;
    int rc = io->ops->send(io, hello, sizeof(hello) - 1, err);

    for (unsigned seen = 0; rc == 0 && !done; seen++) {
        _tns_json_ json_t *message = NULL;
        _tns_free_ char *text = NULL;
        size_t len;

        if (seen > 16)
            return tns__error_set(err, TNS_E_PROTOCOL,
                                  "the legacy websocket never answers to connect");
        rc = io->ops->recv(io, tns__ctx_left_ms(ctx), &text, &len, err);
        if (rc == 0 && !text)
            rc = tns__ctx_check(ctx, "the legacy websocket to answer to connect", err);
        if (rc == 0 && text)
            rc = tns__json_parse(text, len, &tns__json_default_limits, &message, err);
        if (rc == 0 && message)
            rc = ddp_answer(message, &done, err);
    }
    return rc;
}

int tns__rpc_ddp_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                      struct tns_rpc **ret, struct tns_error *err)
{
    struct tns_io *io;
    int rc = tns__io_ws_open(ctx, ep, "/websocket", &io, err);

    if (rc < 0)
        return rc;
    rc = tns__ddp_handshake(ctx, io, err);
    if (rc < 0) {
        io->ops->close(io);
        return rc;
    }
    return tns__mux_open(ctx, &tns__codec_ddp, io, ret, err);
}
