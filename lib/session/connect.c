/* SPDX-License-Identifier: Apache-2.0 */
/* A direct connection: host after host, probe, login, capabilities. */
#include "session/session_priv.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"

static int open_dialect(struct tns_session *s, const struct tns_endpoint *ep,
                        enum tns_dialect dialect, struct tns_rpc **ret,
                        struct tns_error *err)
{
    switch (dialect) {
    case TNS_DIALECT_JSONRPC:
        return tns__rpc_jsonrpc_open(&s->ctx, ep, ret, err);
    case TNS_DIALECT_DDP:
        return tns__rpc_ddp_open(&s->ctx, ep, ret, err);
    case TNS_DIALECT_REST:
        return tns__rpc_rest_open(&s->ctx, ep, s->key, ret, err);
    case TNS_DIALECT_UNKNOWN:
        break;
    }
    return tns__error_set(err, TNS_E_BUG, "no dialect for %s", ep->host);
}

static int ask_caps(struct tns_rpc *rpc, struct tns_caps *ret, struct tns_error *err)
{
    _tns_json_ json_t *params = json_array();
    _tns_json_ json_t *answer = NULL;
    int rc;

    if (!params)
        return tns__error_nomem(err);
    rc = tns__rpc_call(rpc, "system.version", params, TNS_CALL_READ, &answer, err);
    if (rc)
        return rc;
    if (!json_is_string(answer))
        return tns__error_set(err, TNS_E_PROTOCOL, "system.version answers no text");
    return tns__caps_from_version(json_string_value(answer), rpc->dialect, ret, err);
}

/* One attempt at a host: what is known of it, and how far it came. */
struct entry {
    const struct tns_endpoint *ep;
    struct tns_memo memo;
    struct tns_rpc *rpc;
    struct tns_caps caps;
    bool opened;  /* the host took the connection: what failed came later */
    bool standby; /* it is the standby controller of a pair */
};

/* Opens the connection and proves the key. With REST each request carries it. */
static int enter(struct tns_session *s, struct entry *e, struct tns_error *err)
{
    _tns_rpc_ struct tns_rpc *rpc = NULL;
    int rc;

    e->opened = false;
    rc = open_dialect(s, e->ep, e->memo.dialect, &rpc, err);
    if (rc)
        return rc;
    e->opened = true;
    if (e->memo.dialect != TNS_DIALECT_REST)
        rc = tns__login(s, e->ep, rpc, &e->memo, &e->standby, err);
    if (!rc)
        rc = ask_caps(rpc, &e->caps, err);
    if (rc)
        return rc;
    e->rpc = TNS_STEAL(rpc);
    return 0;
}

/* A node that may not log in now does not connect either. */
static int room_first(struct tns_session *s, const struct tns_endpoint *ep,
                      struct tns_error *err)
{
    struct tns_memo known = { .dialect = TNS_DIALECT_UNKNOWN };

    tns__memo_read(s->dirfd, ep, &known);
    if (s->conf.transport == TNS_TRANSPORT_REST || known.dialect == TNS_DIALECT_REST)
        return 0;
    return tns__login_room(s, ep, &known, err);
}

static int enter_probed(struct tns_session *s, struct entry *e, bool fresh,
                        struct tns_error *err)
{
    int rc = room_first(s, e->ep, err);

    if (!rc)
        rc = tns__probe(s, e->ep, fresh, &e->memo, err);
    return rc ? rc : enter(s, e, err);
}

/* True when the failure may come from what was remembered of the host, and is no longer so. */
static bool memory_misled(const struct tns_session *s, const struct entry *e,
                          const struct tns_memo *known, const struct tns_error *why)
{
    bool no_scram = e->opened && s->conf.user && known->api >= 2600 &&
                    (why->code == TNS_E_USAGE || why->code == TNS_E_UNSUPPORTED);
    bool no_such_place = !e->opened && why->sys_errno == 0 && /* somebody listens there */
                         (why->code == TNS_E_TRANSPORT || why->code == TNS_E_PROTOCOL ||
                          why->code == TNS_E_UNSUPPORTED || why->code == TNS_E_NOTFOUND);

    return s->conf.transport == TNS_TRANSPORT_AUTO && tns__ctx_left_ms(&s->ctx) > 0 &&
           (no_scram || no_such_place);
}

/* The upgrade was answered, with an HTTP error: a proxy, or a release, without websockets. REST
 * may get through; not to a 26, which has none. */
static bool websocket_refused(const struct tns_session *s, const struct entry *e,
                              const struct tns_error *why)
{
    return s->conf.transport == TNS_TRANSPORT_AUTO && !e->opened &&
           e->memo.dialect != TNS_DIALECT_UNKNOWN && e->memo.dialect != TNS_DIALECT_REST &&
           e->memo.api < 2600 && why->code == TNS_E_TRANSPORT && why->remote_code >= 400 &&
           why->remote_code < 500;
}

static int enter_by_rest(struct tns_session *s, struct entry *e, struct tns_error *err)
{
    int rc;

    e->memo.dialect = TNS_DIALECT_REST;
    rc = enter(s, e, err);
    if (!rc)
        tns__log(&s->ctx, 5, "session", "%s accepts no websocket; using its REST interface",
                 e->ep->host);
    return rc;
}

static int enter_host(struct tns_session *s, struct entry *e, struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct tns_memo known;
    bool remembered = tns__memo_read(s->dirfd, e->ep, &known);
    int rc = enter_probed(s, e, false, &why);

    if (rc && remembered && memory_misled(s, e, &known, &why)) {
        tns__error_clear(&why);
        rc = enter_probed(s, e, true, &why);
    }
    if (rc && websocket_refused(s, e, &why) && enter_by_rest(s, e, NULL) == 0)
        rc = 0;
    if (rc)
        return tns__error_copy(err, &why);
    if (s->conf.transport == TNS_TRANSPORT_AUTO)
        tns__memo_write(s->dirfd, e->ep, &e->memo);
    return 0;
}

static void settle(struct tns_session *s, size_t host, struct entry *e)
{
    struct tns_rpc *rpc = e->rpc;
    const char *print = rpc->ops->fingerprint ? rpc->ops->fingerprint(rpc) : "";

    s->rpc = rpc;
    s->caps = e->caps;
    s->used_ns = tns__now_ns();
    s->suspect = false;
    s->via_holder = false;
    tns__session_is_new(s);
    s->host = host;
    s->at_port = s->conf.port;
    tns__fmt(s->at_host, sizeof s->at_host, "%s", s->conf.hosts[host]);
    tns__fmt(s->fingerprint, sizeof s->fingerprint, "%s", print);
}

/* Lets one host of several use its share of the budget only: the first may swallow packets. */
static int enter_share(struct tns_session *s, size_t host, size_t left, struct entry *e,
                       struct tns_error *err)
{
    uint64_t deadline = s->ctx.deadline_ns;
    struct tns_endpoint ep;
    int rc;

    tns__conf_endpoint(&s->conf, host, &ep);
    if (ep.insecure)
        tns__log(&s->ctx, 4, "session",
                 "%s: the certificate is not verified (api_insecure); tn_fingerprint would "
                 "do it",
                 ep.host);
    if (left > 1)
        s->ctx.deadline_ns =
            tns__now_ns() + TNS_MS((unsigned)tns__ctx_left_ms(&s->ctx)) / left;
    *e = (struct entry){ .ep = &ep };
    rc = enter_host(s, e, err);
    e->ep = NULL;
    s->ctx.deadline_ns = deadline;
    return rc;
}

/* Errors that another host of the list would give as well. */
static bool is_final(int code)
{
    return code == TNS_E_CANCELLED || code == TNS_E_NOMEM || code == TNS_E_BUG ||
           code == TNS_E_CONFIG || code == TNS_E_BUSY;
}

static int try_hosts(struct tns_session *s, struct tns_error *err)
{
    struct tns_error first = TNS_ERROR_INIT, refused = TNS_ERROR_INIT;
    size_t n = s->conf.n_hosts, refusals = 0;

    for (size_t i = 0; i < n; i++) {
        struct tns_error why = TNS_ERROR_INIT;
        size_t host = (s->host + i) % n;
        struct entry e;

        if (enter_share(s, host, n - i, &e, &why) == 0) {
            settle(s, host, &e);
            return 0;
        }
        if (is_final(why.code) || tns__ctx_left_ms(&s->ctx) == 0)
            return tns__error_copy(err, &why);
        if (why.code == TNS_E_AUTH) {
            refusals++;
            tns__error_copy(&refused, &why);
        }
        tns__error_copy(&first, &why);
    }
    /* A standby says the same as a host that knows no such key: refused means by every one. */
    if (refusals == n)
        tns__refused_note(s->dirfd, s->digest);
    return tns__error_copy(err, &first);
}

int tns__session_connect_direct(struct tns_session *s, struct tns_error *err)
{
    int rc = tns__session_dirfd(s, err);

    if (!rc)
        rc = tns__refused_check(s->dirfd, s->digest, err);
    if (!rc)
        rc = try_hosts(s, err);
    if (!rc)
        tns__refused_forget(s->dirfd, s->digest);
    return rc;
}

int tns__session_freshen(struct tns_session *s, struct tns_error *err)
{
    struct tns_caps caps;
    int rc = ask_caps(s->rpc, &caps, err);

    if (!rc)
        s->caps = caps;
    return rc;
}

int tns__session_dirfd(struct tns_session *s, struct tns_error *err)
{
    if (s->dirfd >= 0)
        return 0;
    return tns__rundir_open(s->conf.run_dir, &s->dirfd, err);
}

void tns__session_disconnect(struct tns_session *s)
{
    tns__rpc_close(s->rpc);
    s->rpc = NULL;
    s->via_holder = false;
}
