/* SPDX-License-Identifier: Apache-2.0 */
/* A NAS that hangs must not keep a guest from what this node knows by itself. */
#include "volume/patience.h"

#include "base/error.h"

/* How long a process then goes without asking first. */
#define AWAY_MS 30000u

int tns__patience_begin(struct tns_patience *p, struct tns_storage *st, unsigned ms,
                        struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    int rc;

    *p = (struct tns_patience){ .st = st, .deadline_ns = st->ctx->deadline_ns };
    if (ms && tns__now_ns() < st->away_until_ns) {
        p->hurried = true;
        return tns__error_set(err, TNS_E_TIMEOUT, "it did not answer a moment ago");
    }
    if (ms)
        tns__ctx_begin(st->ctx, ms);
    p->hurried = st->ctx->deadline_ns != p->deadline_ns;
    rc = tns__session_caps(st->session, &caps, err);
    p->reached = rc == 0;
    return rc;
}

/* Unavailable is also the pool, of which the NAS tells: that is an answer. */
static bool is_away(const struct tns_patience *p, const struct tns_error *err)
{
    switch (err->code) {
    case TNS_E_UNAVAILABLE:
        return !p->reached;
    case TNS_E_TRANSPORT:
    case TNS_E_TIMEOUT:
    case TNS_E_BUSY:
    case TNS_E_TLS:
    case TNS_E_AUTH:
        return true;
    default:
        return false;
    }
}

bool tns__patience_end(const struct tns_patience *p, int rc, const struct tns_error *err)
{
    p->st->ctx->deadline_ns = p->deadline_ns;
    if (rc == 0 || !is_away(p, err))
        return false;
    p->st->away_until_ns = tns__now_ns() + TNS_MS(AWAY_MS);
    return true;
}
