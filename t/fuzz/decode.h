/* SPDX-License-Identifier: Apache-2.0 */
/* A session whose every reply is the fuzzer's input: what the decoders of lib/nas are given. */
#ifndef TNS_T_FUZZ_DECODE_H
#define TNS_T_FUZZ_DECODE_H

/* It stands in for lib/session, of which the linker takes the table of capabilities only. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nas/nas.h"
#include "nas/nas_priv.h"
#include "session/session_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tns_caps fuzz_caps;
static json_t *fuzz_reply;
static char fuzz_handle;
#define FUZZ_SESSION ((struct tns_session *)(void *)&fuzz_handle)

int tns__session_caps(struct tns_session *s, const struct tns_caps **ret,
                      struct tns_error *err)
{
    (void)s;
    (void)err;
    *ret = &fuzz_caps;
    return 0;
}

int tns__session_calls(struct tns_session *s, struct tns_call *calls, size_t n,
                       struct tns_error *err)
{
    (void)s;
    (void)err;
    for (size_t i = 0; i < n; i++)
        calls[i].result = json_deep_copy(fuzz_reply);
    return 0;
}

int tns__session_call(struct tns_session *s, const char *method, json_t *params,
                      unsigned flags, json_t **ret_result, struct tns_error *err)
{
    (void)s;
    (void)method;
    (void)params;
    (void)flags;
    (void)err;
    if (ret_result)
        *ret_result = json_deep_copy(fuzz_reply);
    return 0;
}

/* The first byte chooses the release, the rest is the reply; false when that is no JSON. */
static bool fuzz_open(const uint8_t *data, size_t size)
{
    static const char *const versions[] = { "TrueNAS-SCALE-22.12.4.2", "TrueNAS-25.04.2.6",
                                            "TrueNAS-25.10.2.1", "TrueNAS-26.0.0-BETA.3" };
    struct tns_error err = TNS_ERROR_INIT;

    if (size < 1 || tns__caps_from_version(versions[data[0] % 4], TNS_DIALECT_JSONRPC,
                                           &fuzz_caps, &err))
        return false;
    fuzz_reply = NULL;
    return tns__json_parse((const char *)data + 1, size - 1, NULL, &fuzz_reply, &err) == 0;
}

static void fuzz_close(void)
{
    json_decref(fuzz_reply);
}

/* What every call must hold: a code with a text of one line, or success with a result. */
static void fuzz_expect(int rc, const struct tns_error *err, bool has_result)
{
    if (rc != -err->code || (rc == 0) != has_result)
        abort();
    if (rc && (!err->text[0] || strpbrk(err->text, "\n\r")))
        abort();
}

/* One list: put, run, judge, free. */
#define FUZZ_LIST(type_, put_, free_)                                                      \
    do {                                                                                   \
        _tns_batch_ struct tns_batch *b = tns__batch_new(FUZZ_SESSION);                    \
        struct tns_error err = TNS_ERROR_INIT;                                             \
        struct type_ *list = NULL;                                                         \
        int rc;                                                                            \
                                                                                           \
        put_;                                                                              \
        rc = tns__batch_run(b, &err);                                                      \
        fuzz_expect(rc, &err, list != NULL);                                               \
        free_(list);                                                                       \
    } while (0)

#endif
