/* SPDX-License-Identifier: Apache-2.0 */
/* Which dialect a host speaks: remembered per host, asked by GET /api/versions otherwise. */
#include "session/session_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* 2510 of "v25.10.0"; 0 of anything else. */
static unsigned api_number(const char *text)
{
    unsigned major, minor, patch;

    if (!text || sscanf(text, "v%2u.%2u.%2u", &major, &minor, &patch) != 3)
        return 0;
    return major * 100 + minor;
}

/* The newest version in the list that /api/versions answers; 0 when it is no such list. */
static int newest_api(const struct tns_http_response *r, unsigned *ret,
                      struct tns_error *err)
{
    _tns_json_ json_t *list = NULL;
    unsigned newest = 0;
    const json_t *item;
    size_t i;

    if (r->status == 200 && tns__json_parse(r->body, r->body_len, &tns__json_default_limits,
                                            &list, NULL) == -TNS_E_NOMEM)
        return tns__error_nomem(err);
    json_array_foreach(list, i, item)
    {
        unsigned api = api_number(json_string_value(item));

        if (api > newest)
            newest = api;
    }
    *ret = newest;
    return 0;
}

static int judge(const struct tns_endpoint *ep, const struct tns_http_response *r,
                 struct tns_memo *ret, struct tns_error *err)
{
    unsigned api = 0;
    int rc = newest_api(r, &api, err);

    if (rc)
        return rc;
    if (r->status >= 300 && r->status < 400)
        return tns__error_set(
            err, TNS_E_TRANSPORT,
            "%s answers with a redirect (HTTP %d), which is not followed; check "
            "api_host, api_port and api_scheme",
            ep->host, r->status);
    if (r->status >= 500) {
        rc = tns__error_set(err, TNS_E_UNAVAILABLE,
                            "%s answers HTTP %d: its management service is not up",
                            ep->host, r->status);
        if (err)
            err->flags |= TNS_F_RETRYABLE;
        return rc;
    }
    *ret = (struct tns_memo){ .dialect = api ? TNS_DIALECT_JSONRPC : TNS_DIALECT_DDP,
                              .api = api };
    return 0;
}

static int ask(struct tns_session *s, const struct tns_endpoint *ep, struct tns_memo *ret,
               struct tns_error *err)
{
    static const struct tns_http_request request = { .method = "GET",
                                                     .path = "/api/versions" };
    struct tns_http_response response = { 0 };
    struct tns_http *http = NULL;
    int rc = tns__http_open(&s->ctx, ep, &http, err);

    if (rc)
        return rc;
    rc = tns__http_exchange(http, &request, &response, err);
    tns__http_close(http);
    if (!rc)
        rc = judge(ep, &response, ret, err);
    tns__http_response_clear(&response);
    return rc;
}

/*
 * With a user name the way of logging in depends on the release: SCRAM from 26 on. A host that
 * spoke SCRAM before and does not now was rolled back, or is not that host: only a verified
 * certificate tells these apart.
 */
static int check_downgrade(struct tns_session *s, const struct tns_endpoint *ep,
                           const struct tns_memo *old, const struct tns_memo *now,
                           struct tns_error *err)
{
    if (!s->conf.user || old->api < 2600 || now->api >= 2600)
        return 0;
    if (ep->tls && !ep->insecure) {
        tns__log(&s->ctx, 4, "session",
                 "%s ran release 26 or later and runs an older one now", ep->host);
        return 0;
    }
    return tns__error_set(
        err, TNS_E_TLS,
        "%s offered SCRAM before and does not now: the key is not sent to it in "
        "plain without a verified certificate (set tn_fingerprint)",
        ep->host);
}

static enum tns_dialect fixed_dialect(enum tns_transport transport)
{
    switch (transport) {
    case TNS_TRANSPORT_JSONRPC:
        return TNS_DIALECT_JSONRPC;
    case TNS_TRANSPORT_DDP:
        return TNS_DIALECT_DDP;
    case TNS_TRANSPORT_REST:
        return TNS_DIALECT_REST;
    case TNS_TRANSPORT_AUTO:
        break;
    }
    return TNS_DIALECT_UNKNOWN;
}

/* True when what is remembered is enough to log in by. An older release may have been upgraded
 * since, and must not be sent the key in plain then. */
static bool memo_suffices(const struct tns_session *s, const struct tns_memo *memo)
{
    return !(s->conf.user && memo->dialect == TNS_DIALECT_JSONRPC && memo->api < 2600);
}

int tns__probe(struct tns_session *s, const struct tns_endpoint *ep, bool fresh,
               struct tns_memo *ret, struct tns_error *err)
{
    enum tns_dialect fixed = fixed_dialect(s->conf.transport);
    struct tns_memo old = { .dialect = TNS_DIALECT_UNKNOWN }, now = { 0 };
    bool known = tns__memo_read(s->dirfd, ep, &old);
    int rc;

    if (fixed == TNS_DIALECT_REST || fixed == TNS_DIALECT_DDP ||
        (fixed == TNS_DIALECT_JSONRPC && !s->conf.user)) {
        *ret = (struct tns_memo){ .dialect = fixed };
        return 0;
    }
    if (known && !fresh && memo_suffices(s, &old)) {
        *ret = old;
        return 0;
    }
    rc = ask(s, ep, &now, err);
    if (!rc)
        rc = check_downgrade(s, ep, &old, &now, err);
    if (rc)
        return rc;
    /* A host whose websocket was found closed to us, while REST answers. */
    if (known && !fresh && old.dialect == TNS_DIALECT_REST && now.api < 2600)
        now.dialect = TNS_DIALECT_REST;
    /* No list of versions may also be no such NAS: that is remembered after the login. */
    else if (now.dialect == TNS_DIALECT_JSONRPC)
        tns__memo_write(s->dirfd, ep, &now);
    *ret = now;
    return 0;
}
