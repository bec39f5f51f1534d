/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM login over an open connection: two calls, and the key itself is in neither. */
#include "session/session_priv.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/json.h"
#include "session/scram_priv.h"

static int exchange(struct tns_rpc *rpc, const char *type, const char *text, json_t **ret,
                    struct tns_error *err)
{
    _tns_json_ json_t *params = tns__json_pack(err, "[{s:s,s:s,s:s}]", "mechanism", "SCRAM",
                                               "scram_type", type, "rfc_str", text);

    if (!params)
        return -TNS_E_NOMEM;
    return tns__rpc_call(rpc, "auth.login_ex", params, TNS_CALL_AUTH | TNS_CALL_SECRET, ret,
                         err);
}

/* The text of a SCRAM_RESPONSE of that type; NULL when the answer is another one. */
static const char *response(const json_t *answer, const char *type)
{
    const char *response_type = json_string_value(json_object_get(answer, "response_type"));
    const char *scram_type = json_string_value(json_object_get(answer, "scram_type"));

    if (!response_type || strcmp(response_type, "SCRAM_RESPONSE") != 0 || !scram_type ||
        strcmp(scram_type, type) != 0)
        return NULL;
    return json_string_value(json_object_get(answer, "rfc_str"));
}

static int run(struct tns_session *s, struct tns_rpc *rpc, struct tns_scram *sc,
               json_t **ret_answer, struct tns_error *err)
{
    _tns_json_ json_t *first = NULL, *last = NULL;
    char message[512];
    const char *text;
    int rc = tns__scram_first(sc, s->conf.user, s->key, message, err);

    if (!rc)
        rc = exchange(rpc, "CLIENT_FIRST_MESSAGE", message, &first, err);
    if (rc)
        return rc;
    text = response(first, "SERVER_FIRST_RESPONSE");
    if (!text) {
        *ret_answer = TNS_STEAL(first);
        return 0;
    }
    rc = tns__scram_final(sc, text, message, err);
    if (!rc)
        rc = exchange(rpc, "CLIENT_FINAL_MESSAGE", message, &last, err);
    if (rc)
        return rc;
    text = response(last, "SERVER_FINAL_RESPONSE");
    if (text) {
        rc = tns__scram_verify(sc, text, err);
        if (rc)
            return rc;
        json_object_set_new(last, "response_type", json_string("SUCCESS"));
    }
    *ret_answer = TNS_STEAL(last);
    return 0;
}

int tns__scram_login(struct tns_session *s, struct tns_rpc *rpc, json_t **ret_answer,
                     struct tns_error *err)
{
    struct tns_scram sc = { 0 };
    int rc;

    if (RAND_bytes(sc.nonce, sizeof sc.nonce) != 1)
        return tns__error_set(err, TNS_E_DEVICE, "no random numbers for SCRAM");
    rc = run(s, rpc, &sc, ret_answer, err);
    OPENSSL_cleanse(&sc, sizeof sc);
    return rc;
}
