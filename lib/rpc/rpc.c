/* SPDX-License-Identifier: Apache-2.0 */
/* The dialects from outside: one interface over whichever was opened. */
#include "rpc/rpc.h"

#include <stdio.h>

#include "base/error.h"
#include "rpc/rpc_priv.h"

void tns__call_clear(struct tns_call *call)
{
    json_decref(call->result);
    call->result = NULL;
    call->job_id = 0;
    tns__error_clear(&call->error);
}

/* Whether it may have happened depends on whether it had left; reads cannot harm either way. */
void tns__call_lost(struct tns_call *call, bool left, const struct tns_error *why)
{
    if (call->result || call->error.code)
        return;
    tns__error_copy(&call->error, why);
    snprintf(call->error.op, sizeof(call->error.op), "%s", call->method);
    call->error.flags &= ~(uint32_t)(TNS_F_RETRYABLE | TNS_F_OUTCOME_UNKNOWN);
    if (!left || (call->flags & TNS_CALL_READ))
        call->error.flags |= TNS_F_RETRYABLE;
    else
        call->error.flags |= TNS_F_OUTCOME_UNKNOWN;
}

void tns__rpc_close(struct tns_rpc *rpc)
{
    if (rpc)
        rpc->ops->close(rpc);
}

void tns__rpc_closep(struct tns_rpc **rpc)
{
    tns__rpc_close(*rpc);
}

int tns__rpc_calls(struct tns_rpc *rpc, struct tns_call *calls, size_t n,
                   struct tns_error *err)
{
    return n > 0 ? rpc->ops->calls(rpc, calls, n, err) : 0;
}

int tns__rpc_call(struct tns_rpc *rpc, const char *method, json_t *params, unsigned flags,
                  json_t **ret_result, struct tns_error *err)
{
    struct tns_call call = {
        .method = method,
        .params = params,
        .flags = flags,
        .error = TNS_ERROR_INIT,
    };
    int rc = tns__rpc_calls(rpc, &call, 1, err);

    if (rc < 0) {
        /* What the loss means for this call is what the caller has to know. */
        if (err && call.error.code == err->code)
            err->flags = call.error.flags;
        tns__call_clear(&call);
        return rc;
    }
    if (call.error.code)
        return tns__error_copy(err, &call.error);
    if (ret_result)
        *ret_result = call.result;
    else
        json_decref(call.result);
    return 0;
}
