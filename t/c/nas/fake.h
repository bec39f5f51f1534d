/* SPDX-License-Identifier: Apache-2.0 */
/* A session that answers from a script, for tests of what is sent and how replies are read. */
#ifndef TNS_T_NAS_FAKE_H
#define TNS_T_NAS_FAKE_H

/*
 * It defines the functions of lib/session, so the linker takes none of that folder but the table of
 * capabilities; included by exactly one file of a program.
 */
#include <string.h>

#include "common/tst.h"
#include "nas/nas.h"
#include "nas/nas_priv.h"
#include "session/session_priv.h"

#define FAKE_MAX 64

struct fake {
    struct tns_caps caps;
    json_t
        *replies[FAKE_MAX]; /* in order; an object {"error": [code, errno, text]} fails */
    size_t n_replies, next;
    json_t *sent;   /* [[method, params, flags], ...] */
    size_t longest; /* bytes of the largest parameters */
    bool hand_over; /* give the scripted reply itself, once */
};

static struct fake fake;

static struct tns_session *fake_session(void)
{
    static char handle;

    return (struct tns_session *)(void *)&handle;
}

/* Starts anew as this release; the versions are those that system.version answers. */
static void fake_open(const char *version, enum tns_dialect dialect)
{
    struct tns_error err = TNS_ERROR_INIT;

    for (size_t i = 0; i < fake.n_replies; i++)
        json_decref(fake.replies[i]);
    json_decref(fake.sent);
    memset(&fake, 0, sizeof(fake));
    fake.sent = json_array();
    tst_ok(tns__caps_from_version(version, dialect, &fake.caps, &err), &err);
}

/* Takes the reply. */
static void fake_reply(json_t *result)
{
    ck_assert_ptr_nonnull(result);
    ck_assert_uint_lt(fake.n_replies, FAKE_MAX);
    fake.replies[fake.n_replies++] = result;
}

static inline void fake_fail(int code, int remote_errno, const char *text)
{
    fake_reply(json_pack("{s: [i, i, s]}", "error", code, remote_errno, text));
}

static inline const char *fake_method(size_t i)
{
    return json_string_value(json_array_get(json_array_get(fake.sent, i), 0));
}

/* The parameters of the i-th call as compact text, owned by the caller. */
static inline char *fake_params(size_t i)
{
    return json_dumps(json_array_get(json_array_get(fake.sent, i), 1), JSON_COMPACT);
}

static void fake_answer(struct tns_call *call)
{
    const json_t *script = fake.next < fake.n_replies ? fake.replies[fake.next] : NULL;
    const json_t *error = json_object_get(script, "error");

    fake.next++;
    if (json_is_array(error)) {
        tns__errmap_middleware(&call->error, call->method,
                               (int)json_integer_value(json_array_get(error, 0)),
                               (int)json_integer_value(json_array_get(error, 1)),
                               json_string_value(json_array_get(error, 2)), NULL);
        return;
    }
    if (fake.hand_over && script) {
        call->result = TNS_STEAL(fake.replies[fake.next - 1]);
        return;
    }
    /* Decoders may empty what they read: the script stays whole. */
    call->result = script ? json_deep_copy(script) : json_null();
    if (!call->result)
        tns__error_nomem(&call->error);
}

int tns__session_caps(struct tns_session *s, const struct tns_caps **ret,
                      struct tns_error *err)
{
    (void)s;
    (void)err;
    *ret = &fake.caps;
    return 0;
}

int tns__session_calls(struct tns_session *s, struct tns_call *calls, size_t n,
                       struct tns_error *err)
{
    (void)s;
    for (size_t i = 0; i < n; i++) {
        size_t len = json_dumpb(calls[i].params, NULL, 0, JSON_COMPACT);
        json_t *copy = json_deep_copy(calls[i].params);

        if (!copy ||
            json_array_append_new(fake.sent, json_pack("[s, o, i]", calls[i].method, copy,
                                                       (int)calls[i].flags)))
            return tns__error_nomem(err);
        fake.longest = len > fake.longest ? len : fake.longest;
        fake_answer(&calls[i]);
    }
    return 0;
}

int tns__session_call(struct tns_session *s, const char *method, json_t *params,
                      unsigned flags, json_t **ret_result, struct tns_error *err)
{
    struct tns_call call = {
        .method = method, .params = params, .flags = flags, .error = TNS_ERROR_INIT
    };

    if (tns__session_calls(s, &call, 1, err))
        return -err->code;
    if (call.error.code)
        return tns__error_copy(err, &call.error);
    if (ret_result)
        *ret_result = call.result;
    else
        json_decref(call.result);
    return 0;
}

/* ---- rows of the examples ---- */

/* A copy of a row of data/rows.json. */
static inline json_t *fake_row(const char *name)
{
    static json_t *rows;

    if (!rows)
        rows = json_load_file(TNS_TEST_SRCDIR "/t/c/nas/data/rows.json", 0, NULL);
    ck_assert_ptr_nonnull(json_object_get(rows, name));
    return json_deep_copy(json_object_get(rows, name));
}

#endif
