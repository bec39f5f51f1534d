/* SPDX-License-Identifier: Apache-2.0 */
/* The session handle: opened without touching the network, closed without a trace in a child. */
#include "session/session_priv.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

static int fill(struct tns_session *s, const struct tns_session_opts *opts,
                struct tns_error *err)
{
    int rc = tns__conf_read(opts, &s->conf, err);

    if (rc)
        return rc;
    s->key = tns__secret_new(opts->key, opts->key_len);
    if (!s->key)
        return tns__error_nomem(err);
    if (!tns__conf_digest(&s->conf, s->key, s->digest))
        return tns__error_nomem(err);
    s->no_holder = s->conf.no_holder;
    s->ctx.log_fn = opts->log_fn;
    s->ctx.log_user = opts->log_user;
    if (opts->log_level)
        s->ctx.log_level = opts->log_level;
    s->ctx.cancel_fn = opts->cancel_fn;
    s->ctx.cancel_user = opts->cancel_user;
    return 0;
}

int tns__session_open(const struct tns_session_opts *opts, struct tns_session **ret,
                      struct tns_error *err)
{
    _tns_session_ struct tns_session *s = tns__alloc(sizeof *s);
    int rc;

    if (!s)
        return tns__error_nomem(err);
    tns__ctx_init(&s->ctx);
    s->dirfd = -1;
    rc = fill(s, opts, err);
    if (rc)
        return rc;
    *ret = TNS_STEAL(s);
    return 0;
}

void tns__session_close(struct tns_session *s)
{
    if (!s)
        return;
    tns__session_disconnect(s);
    if (s->dirfd >= 0)
        close(s->dirfd);
    tns__secret_free(s->key);
    tns__conf_clear(&s->conf);
    tns__free(s);
}

void tns__session_closep(struct tns_session **s)
{
    tns__session_close(*s);
}

void tns__session_on_reconnect(struct tns_session *s, tns_prove_fn fn, void *user)
{
    s->prove_fn = fn;
    s->prove_user = user;
}

void tns__session_is_new(struct tns_session *s)
{
    s->unproven = s->was_up;
    s->was_up = true;
    s->used.connects++;
}

struct tns_ctx *tns__session_ctx(struct tns_session *s)
{
    return &s->ctx;
}

void tns__session_counters(const struct tns_session *s, struct tns_session_counters *ret)
{
    *ret = s->used;
}

void tns__session_info(const struct tns_session *s, struct tns_session_info *ret)
{
    *ret = (struct tns_session_info){ .port = s->at_port,
                                      .via_holder = s->via_holder,
                                      .dialect = s->caps.dialect };
    tns__fmt(ret->host, sizeof ret->host, "%s", s->at_host);
    tns__fmt(ret->fingerprint, sizeof ret->fingerprint, "%s", s->fingerprint);
}
