/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0 on /api/current: 25.04 and later. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "rpc/rpc_priv.h"

static json_t *jsonrpc_encode(uint64_t id, const char *method, json_t *params,
                              struct tns_error *err)
{
    if (params)
        return tns__json_pack(err, "{s:s,s:I,s:s,s:O}", "jsonrpc", "2.0", "id",
                              (json_int_t)id, "method", method, "params", params);
    return tns__json_pack(err, "{s:s,s:I,s:s,s:[]}", "jsonrpc", "2.0", "id", (json_int_t)id,
                          "method", method, "params");
}

/* An error with the id null belongs to a request that the NAS could not read. */
static void jsonrpc_decode(json_t *message, struct tns_frame *ret)
{
    const char *version = json_string_value(json_object_get(message, "jsonrpc"));
    json_t *id = json_object_get(message, "id");
    json_t *error = json_object_get(message, "error");

    *ret = (struct tns_frame){ .kind = TNS_FRAME_ODD };
    if (!version || strcmp(version, "2.0") != 0)
        return;
    if (json_is_string(json_object_get(message, "method")) && !id) {
        ret->kind = TNS_FRAME_EVENT;
        return;
    }
    if (json_is_null(id) && json_is_object(error)) {
        ret->kind = TNS_FRAME_REFUSED;
        ret->error = error;
        return;
    }
    if (!json_is_integer(id) || json_integer_value(id) <= 0)
        return;
    ret->kind = TNS_FRAME_REPLY;
    ret->id = (uint64_t)json_integer_value(id);
    ret->error = json_is_null(error) ? NULL : error;
    ret->result = ret->error ? NULL : json_object_get(message, "result");
}

static void jsonrpc_explain(const json_t *error, const char *method, struct tns_error *err)
{
    const json_t *data = json_object_get(error, "data");
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *reason = json_string_value(json_object_get(data, "reason"));

    tns__errmap_middleware(err, method,
                           (int)json_integer_value(json_object_get(error, "code")),
                           (int)json_integer_value(json_object_get(data, "error")),
                           reason && *reason ? reason : message,
                           json_object_get(data, "extra"));
}

const struct tns_codec tns__codec_jsonrpc = {
    .dialect = TNS_DIALECT_JSONRPC,
    .name = "jsonrpc",
    .encode = jsonrpc_encode,
    .decode = jsonrpc_decode,
    .explain = jsonrpc_explain,
};

int tns__rpc_jsonrpc_open(struct tns_ctx *ctx, const struct tns_endpoint *ep,
                          struct tns_rpc **ret, struct tns_error *err)
{
    struct tns_io *io;
    int rc = tns__io_ws_open(ctx, ep, "/api/current", &io, err);

    return rc < 0 ? rc : tns__mux_open(ctx, &tns__codec_jsonrpc, io, ret, err);
}
