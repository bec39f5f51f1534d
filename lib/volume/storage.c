/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a storage, and the few calls that are about the whole of it. */
#include "volume/storage.h"

#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "volume/pin.h"

/* PVE gives a locked operation 60 seconds; what is left is for its own work. */
#define DEFAULT_TIMEOUT_MS 40000u

int tns__needs_nas(const struct tns_storage *st, struct tns_error *err)
{
    if (st->session)
        return 0;
    return tns__error_set(err, TNS_E_CONFIG, "api_key: storage '%s' has none",
                          st->opt.storeid);
}

int tns__enter(struct tns_storage *st, struct tns_guard *guard, struct tns_error *err)
{
    int rc = tns__enter_local(st, guard, err);

    return rc ? rc : tns__needs_nas(st, &guard->error);
}

int tns__enter_local(struct tns_storage *st, struct tns_guard *guard, struct tns_error *err)
{
    *guard = (struct tns_guard){ .error = TNS_ERROR_INIT, .ret = err };
    if (!st)
        return tns__error_set(&guard->error, TNS_E_USAGE, "no storage");
    if (tns__ctx_check_pid(st->ctx, &guard->error))
        return -TNS_E_FORKED;

    guard->ctx = st->ctx;
    guard->deadline_before = tns__ctx_begin(st->ctx, st->timeout_ms);
    return 0;
}

void tns__leave(struct tns_guard *guard)
{
    if (guard->ctx)
        guard->ctx->deadline_ns = guard->deadline_before;
    if (guard->error.code)
        tns__error_copy(guard->ret, &guard->error);
}

static int take_secret(const json_t *json, const char *key, struct tns_secret **ret,
                       struct tns_error *err)
{
    const json_t *value = json_object_get(json, key);

    if (!value || json_is_null(value) || json_string_length(value) == 0)
        return 0;
    if (!json_is_string(value))
        return tns__error_set(err, TNS_E_CONFIG, "%s: text is expected", key);
    *ret = tns__secret_new(json_string_value(value), json_string_length(value));
    return *ret ? 0 : tns__error_nomem(err);
}

static int take_secrets(struct tns_storage *st, const json_t *options,
                        struct tns_error *err)
{
    int rc = take_secret(options, "chap_password", &st->chap_password, err);

    if (rc == 0)
        rc =
            take_secret(options, "tn_chap_mutual_password", &st->chap_mutual_password, err);
    if (rc == 0 && st->opt.chap_user && !st->chap_password)
        rc = tns__error_set(err, TNS_E_CONFIG,
                            "chap_password: missing, and chap_user is set");
    if (rc == 0 && st->opt.chap_mutual_user && !st->chap_mutual_password)
        rc = tns__error_set(
            err, TNS_E_CONFIG,
            "tn_chap_mutual_password: missing, and tn_chap_mutual_user is set");
    return rc;
}

static int open_session(struct tns_storage *st, const json_t *options,
                        const struct tns_hooks *hooks, struct tns_error *err)
{
    struct tns_session_opts opts;
    int rc = tns__options_session(&st->opt, options, &opts, err);

    if (rc)
        return rc;
    if (opts.key_len == 0)
        return 0;
    if (hooks) {
        opts.log_fn = hooks->log_fn;
        opts.log_user = hooks->log_user;
        opts.log_level = hooks->log_level;
        opts.cancel_fn = hooks->cancel_fn;
        opts.cancel_user = hooks->cancel_user;
    }
    opts.timeout_ms = st->timeout_ms;
    return tns__session_open(&opts, &st->session, err);
}

static void own_ctx(struct tns_storage *st, const struct tns_hooks *hooks)
{
    tns__ctx_init(&st->own_ctx);
    if (hooks) {
        st->own_ctx.log_fn = hooks->log_fn;
        st->own_ctx.log_user = hooks->log_user;
        st->own_ctx.cancel_fn = hooks->cancel_fn;
        st->own_ctx.cancel_user = hooks->cancel_user;
        if (hooks->log_level)
            st->own_ctx.log_level = hooks->log_level;
    }
    st->ctx = &st->own_ctx;
}

static int storage_init(struct tns_storage *st, const json_t *options,
                        const struct tns_hooks *hooks, struct tns_error *err)
{
    int rc = tns__options_parse(options, &st->opt, err);

    if (rc == 0)
        rc = take_secrets(st, options, err);
    if (rc == 0)
        rc = open_session(st, options, hooks, err);
    if (rc == 0)
        rc = tns__sysroot_open(st->opt.sysroot, &st->sr, err);
    if (rc)
        return rc;

    if (st->session)
        tns__pin_guard(st);
    if (st->session)
        st->ctx = tns__session_ctx(st->session);
    else
        own_ctx(st, hooks);
    st->node = (struct tns_node){ .ctx = st->ctx,
                                  .sr = st->sr,
                                  .runner = tns__runner_real(),
                                  .scsi = tns__scsi_real(),
                                  .run_dir = st->opt.run_dir };
    if (st->opt.blocksize_clamped)
        tns__log(st->ctx, LOG_WARNING, "volume",
                 "storage '%s': zvol_blocksize is over 128K, "
                 "the most that the NAS can do: 128K it is",
                 st->opt.storeid);
    return 0;
}

int tns_storage_open(const json_t *options, const struct tns_hooks *hooks,
                     struct tns_storage **ret, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_storage *st = tns__alloc(sizeof(*st));
    int rc;

    if (!st)
        return tns__error_nomem(err);
    st->timeout_ms = DEFAULT_TIMEOUT_MS;
    rc = storage_init(st, options, hooks, &local);
    if (rc) {
        tns_storage_close(st);
        return tns__error_copy(err, &local);
    }

    *ret = st;
    return 0;
}

void tns_storage_close(struct tns_storage *st)
{
    if (!st)
        return;
    tns__session_close(st->session);
    tns__sysroot_close(st->sr);
    tns__secret_free(st->chap_password);
    tns__secret_free(st->chap_mutual_password);
    tns__options_clear(&st->opt);
    tns__free(st);
}

void tns_storage_set_timeout(struct tns_storage *st, unsigned timeout_ms)
{
    if (st && timeout_ms > 0)
        st->timeout_ms = timeout_ms;
}

int tns_storage_counters(struct tns_storage *st, json_t **ret, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct tns_session_counters c = { 0 };
    json_t *answer;
    int rc = tns__enter_local(st, &guard, err);

    if (rc)
        return rc;
    if (st->session)
        tns__session_counters(st->session, &c);
    answer = tns__json_pack(&guard.error, "{s:I, s:I, s:I}", "calls", (json_int_t)c.calls,
                            "trips", (json_int_t)c.trips, "logins", (json_int_t)c.logins);
    if (!answer)
        return -guard.error.code;
    *ret = answer;
    return 0;
}

int tns_storage_call(struct tns_storage *st, const char *method, json_t *params,
                     json_t **ret, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc)
        return rc;
    if (!method || !json_is_array(params))
        return tns__error_set(&guard.error, TNS_E_USAGE,
                              "a method and an array are expected");
    return tns__session_call(st->session, method, params, 0, ret, &guard.error);
}
