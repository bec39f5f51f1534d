/* SPDX-License-Identifier: Apache-2.0 */
/* One login: in the way of the release, through the limiter, once. */
#include "session/session_priv.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* What a controller of an HA pair, or a lone NAS, may say to a login. */
enum verdict { VERDICT_IN, VERDICT_STANDBY, VERDICT_REFUSED };

/* The key as a JSON string, made and wiped here only. */
static json_t *key_json(const struct tns_session *s)
{
    return json_stringn(tns__secret_bytes(s->key), tns__secret_len(s->key));
}

static void wipe(json_t *string)
{
    if (string)
        explicit_bzero((void *)(uintptr_t)json_string_value(string),
                       json_string_length(string));
    json_decref(string);
}

static int call_plain(struct tns_session *s, struct tns_rpc *rpc, const char *method,
                      bool with_user, json_t **ret, struct tns_error *err)
{
    json_t *key = key_json(s);
    _tns_json_ json_t *params = NULL;
    int rc = -TNS_E_NOMEM;

    if (key && with_user)
        params = tns__json_pack(err, "[{s:s,s:s,s:O,s:{s:b}}]", "mechanism",
                                "API_KEY_PLAIN", "username", s->conf.user, "api_key", key,
                                "login_options", "user_info", 0);
    else if (key)
        params = tns__json_pack(err, "[O]", key);
    if (params)
        rc = tns__rpc_call(rpc, method, params, TNS_CALL_AUTH | TNS_CALL_SECRET, ret, err);
    else
        tns__error_nomem(err);
    wipe(key);
    return rc;
}

static int refuse(struct tns_error *err, const char *host, const char *why)
{
    return tns__error_set(err, TNS_E_AUTH, "%s does not accept the API key: %s", host, why);
}

/* login_ex answers in words; failures are results there. */
static int judge_words(const json_t *answer, const char *host, enum verdict *ret,
                       struct tns_error *err)
{
    static const struct {
        const char *word;
        const char *why;
    } refusals[] = {
        { "AUTH_ERR", "it is wrong, revoked, or belongs to another user (tn_user)" },
        { "EXPIRED", "it has expired or was revoked" },
        { "DENIED", "its user has no access to the API" },
        { "OTP_REQUIRED", "a second factor is demanded" },
    };
    const char *word = json_string_value(json_object_get(answer, "response_type"));

    *ret = VERDICT_REFUSED;
    if (word && !strcmp(word, "SUCCESS")) {
        *ret = VERDICT_IN;
        return 0;
    }
    if (word && !strcmp(word, "REDIRECT")) {
        *ret = VERDICT_STANDBY;
        return tns__error_set(
            err, TNS_E_UNAVAILABLE,
            "%s is the standby controller; name the address of the active one, "
            "or the virtual one, in api_host",
            host);
    }
    for (size_t i = 0; word && i < TNS_ARRAY_LEN(refusals); i++) {
        if (!strcmp(word, refusals[i].word))
            return refuse(err, host, refusals[i].why);
    }
    return tns__error_set(err, TNS_E_PROTOCOL, "%s answers a login with '%.40s'", host,
                          word ? word : "no response_type");
}

/* login_with_api_key knows only false, for a wrong key as well as on the standby controller. */
static int judge_bool(const json_t *answer, const char *host, enum verdict *ret,
                      struct tns_error *err)
{
    *ret = VERDICT_REFUSED;
    if (json_is_true(answer)) {
        *ret = VERDICT_IN;
        return 0;
    }
    if (json_is_false(answer))
        return refuse(err, host,
                      "it is wrong, expired or revoked, or this is the standby "
                      "controller of a pair");
    return tns__error_set(err, TNS_E_PROTOCOL, "%s answers a login with no boolean", host);
}

static bool wants_scram(const struct tns_session *s, const struct tns_memo *memo)
{
    return s->conf.user && memo->dialect == TNS_DIALECT_JSONRPC && memo->api >= 2600;
}

static int attempt(struct tns_session *s, const struct tns_endpoint *ep,
                   struct tns_rpc *rpc, const struct tns_memo *memo, enum verdict *ret,
                   struct tns_error *err)
{
    _tns_json_ json_t *answer = NULL;
    bool words = s->conf.user && rpc->dialect == TNS_DIALECT_JSONRPC;
    int rc;

    if (wants_scram(s, memo))
        rc = tns__scram_login(s, rpc, &answer, err);
    else
        rc = call_plain(s, rpc, words ? "auth.login_ex" : "auth.login_with_api_key", words,
                        &answer, err);
    if (rc)
        return rc;
    return words ? judge_words(answer, ep->host, ret, err)
                 : judge_bool(answer, ep->host, ret, err);
}

/* EBUSY: "Rate Limit Exceeded"; EOPNOTSUPP: API keys are off (two-factor or STIG mode). */
static int explain(struct tns_login_slot *slot, const char *host, struct tns_error *err)
{
    if (err->code == TNS_E_BUSY && err->remote_errno == 16) {
        err->retry_after_ms = tns__limiter_close(slot);
        return tns__error_prefix(err, "login at %s", host);
    }
    if (err->remote_errno == 95) {
        tns__error_clear(err);
        return tns__error_set(
            err, TNS_E_AUTH,
            "%s accepts no API keys in its present security mode (two-factor "
            "or STIG)",
            host);
    }
    return tns__error_prefix(err, "login at %s", host);
}

static int open_slot(struct tns_session *s, const struct tns_endpoint *ep,
                     const struct tns_memo *memo, struct tns_login_slot *ret,
                     struct tns_error *err)
{
    char addr[64], text[80], hex[17];
    int rc = tns__resolve(&s->ctx, ep->host, ep->port, ep->prefer_ipv4, addr, err);

    if (rc)
        return rc;
    /* By address: two names of one NAS share its window. */
    if (!tns__fmt(text, sizeof text, "%s|%u", addr, ep->port) ||
        !tns__sha256_hex(text, strlen(text), 8, hex))
        return tns__error_set(err, TNS_E_BUG, "no name for the login limiter of %s",
                              ep->host);
    *ret = (struct tns_login_slot){ .dirfd = s->dirfd,
                                    .max = s->conf.login_max,
                                    .window_ms = s->conf.login_window_ms,
                                    .cost = wants_scram(s, memo) ? 2 : 1 };
    tns__fmt(ret->name, sizeof ret->name, "logins-%s", hex);
    return 0;
}

int tns__login_room(struct tns_session *s, const struct tns_endpoint *ep,
                    const struct tns_memo *memo, struct tns_error *err)
{
    struct tns_login_slot slot;
    int rc = open_slot(s, ep, memo, &slot, err);

    return rc ? rc : tns__limiter_room(&s->ctx, &slot, err);
}

int tns__login(struct tns_session *s, const struct tns_endpoint *ep, struct tns_rpc *rpc,
               const struct tns_memo *memo, bool *ret_standby, struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    enum verdict verdict = VERDICT_IN;
    struct tns_login_slot slot;
    int rc = open_slot(s, ep, memo, &slot, err);

    if (!rc)
        rc = tns__limiter_take(&s->ctx, &slot, err);
    if (rc)
        return rc;
    s->used.logins++;
    rc = attempt(s, ep, rpc, memo, &verdict, &why);
    if (rc && verdict == VERDICT_IN)
        rc = explain(&slot, ep->host, &why);
    if (slot.id)
        tns__limiter_done(&slot);
    if (!rc) {
        tns__log(&s->ctx, 6, "session", "logged in at %s", ep->host);
        return 0;
    }
    *ret_standby = verdict == VERDICT_STANDBY;
    /* Nothing of a login may look as if a change had been lost. */
    why.flags &= ~(uint32_t)TNS_F_OUTCOME_UNKNOWN;
    return tns__error_copy(err, &why);
}
