/* SPDX-License-Identifier: Apache-2.0 */
/* The session with the NAS: all clients' calls on one connection, each answered as it comes. */
#include <syslog.h>

#include "base/mem.h"
#include "worker.h"

/* nginx in front of the NAS cuts a socket that is silent for 60 s. */
#define PING_NS TNS_MS(25000)
/* A connection has eight calls at a time. When so many of them have been without answer for so long after
 * their clients gave up, the NAS may be stuck in them (a suspended pool): the others get a new one. */
#define CLOG_CALLS 4u
#define CLOG_NS TNS_MS(10000)
/* Asynchronous calls end when the NAS answers; their owners watch their own deadlines. */
#define FAR_MS 86400000u

static void refresh_deadline(struct upstream *up)
{
    up->session->ctx.deadline_ns = 0;
    tns__ctx_begin(&up->session->ctx, FAR_MS);
}

void tnsd_upstream_free(struct worker *w, struct upstream *up)
{
    struct upstream **at = &w->ups;

    while (*at != up)
        at = &(*at)->next;
    *at = up->next;
    tns__session_close(up->session); /* it still knows the calls */
    while (up->items) {
        struct item *item = up->items;

        up->items = item->next;
        tnsd_item_free(item);
    }
    tns__free(up);
}

/* REST has no session: each request carries the key, and nothing is gained by sharing. */
static int check_holdable(const struct upstream *up, struct tns_error *err)
{
    if (up->session->rpc->ops->submit)
        return 0;
    return tns__error_set(err, TNS_E_UNSUPPORTED,
                          "%s speaks REST: there is no session to hold",
                          up->session->at_host);
}

struct upstream *tnsd_upstream(struct worker *w, unsigned ms, struct tns_error *err)
{
    struct upstream *up = w->ups;

    if (up && !up->retired)
        return up;
    up = tns__alloc(sizeof *up);
    if (!up) {
        tns__error_nomem(err);
        return NULL;
    }
    if (tns__session_open(&w->opts, &up->session, err)) {
        tns__free(up);
        return NULL;
    }
    up->serial = ++w->serial;
    up->next = w->ups;
    w->ups = up;
    tns__ctx_begin(&up->session->ctx, ms);
    if (tns__session_connect(up->session, err) || check_holdable(up, err)) {
        tnsd_upstream_free(w, up);
        return NULL;
    }
    up->ping_ns = tns__now_ns() + PING_NS;
    refresh_deadline(up);
    tnsd_log(LOG_INFO, "logged in at %s, %s", up->session->at_host,
             up->session->caps.version);
    return up;
}

static struct item *take_item(struct worker *w, struct upstream *up, struct item *item)
{
    struct item **at = &up->items;

    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    item->next = NULL;
    item->up = NULL;
    up->n_items--;
    w->submitted -= !up->clogged;
    if (item->client)
        item->client->submitted--;
    return item;
}

static void finish(struct item *item, bool broken)
{
    if (item->client)
        tnsd_client_answer(item->client, item, broken);
    tnsd_item_free(item);
}

/* The clients of a session are let go with it: when they come back they are told what the NAS is by
 * then, and they see that it is another connection, behind which another NAS may be. */
static void let_go(struct worker *w, const struct upstream *up)
{
    for (struct client *c = w->clients; c; c = c->next) {
        if (c->welcomed && c->serial == up->serial)
            tnsd_client_stop(c);
    }
}

/* Everything on it gets the error that rpc left in each call. */
static void broke(struct worker *w, struct upstream *up, const struct tns_error *why)
{
    tnsd_log(LOG_NOTICE, "connection lost: %s", why->text);
    while (up->items) {
        struct item *item = take_item(w, up, up->items);

        if (!item->call.error.code && !item->call.result)
            tns__error_copy(&item->call.error, why);
        finish(item, true);
    }
    let_go(w, up);
    tnsd_upstream_free(w, up);
}

/* What is queued when its session goes never left, and must not go over another one unasked. */
static void refuse(struct item *item)
{
    struct tns_error why = TNS_ERROR_INIT;

    tns__error_set(&why, TNS_E_TRANSPORT, "the session with the NAS has been made anew");
    why.flags |= TNS_F_RETRYABLE;
    item->call.error = why;
    tnsd_client_stop(item->client);
    finish(item, true);
}

void tnsd_submit(struct worker *w, struct item *item)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct upstream *up = w->ups;
    struct tns_rpc *rpc;

    if (!up || up->retired || up->serial != item->client->serial) {
        refuse(item);
        return;
    }
    rpc = up->session->rpc;
    item->up = up;
    item->next = up->items;
    up->items = item;
    up->n_items++;
    w->submitted++;
    if (item->client)
        item->client->submitted++;
    refresh_deadline(up);
    if (rpc->ops->submit(rpc, &item->call, &why) == 0)
        return;
    why.flags |= TNS_F_RETRYABLE;
    broke(w, up, &why);
}

/* The NAS forgot the session (it lives 30 days at most): there will be a new one as soon as the
 * first client comes back. Calls on the old one are answered there. */
static void retire(struct worker *w, struct upstream *up)
{
    if (up->retired)
        return;
    tnsd_log(LOG_NOTICE, "the session has expired");
    up->retired = true;
    let_go(w, up);
}

static bool is_mine(const struct upstream *up, const struct tns_call *call,
                    struct item **ret_item)
{
    for (struct item *item = up->items; item; item = item->next) {
        if (&item->call == call) {
            *ret_item = item;
            return true;
        }
    }
    return false;
}

bool tnsd_is_waited_for(const struct upstream *up)
{
    for (const struct item *item = up->items; item; item = item->next) {
        if (item->client || !(item->call.flags & TNS_CALL_READ))
            return true;
    }
    return false;
}

static void look_for_clog(struct worker *w, struct upstream *up)
{
    uint64_t now = tns__now_ns();
    unsigned stuck = 0;

    for (const struct item *item = up->items; item; item = item->next)
        stuck += !item->client && now - item->orphan_ns >= CLOG_NS;
    if (up->clogged || stuck < CLOG_CALLS)
        return;
    tnsd_log(LOG_NOTICE,
             "the NAS leaves %u calls without an answer: a new session for the others",
             stuck);
    up->retired = up->clogged = true;
    w->submitted -= up->n_items;
}

/* False when it broke, and is gone. */
static bool pump_one(struct worker *w, struct upstream *up)
{
    struct tns_rpc *rpc = up->session->rpc;
    struct tns_error why = TNS_ERROR_INIT;

    refresh_deadline(up);
    for (;;) {
        struct tns_call *done = NULL;
        struct item *item;

        if (rpc->ops->pump(rpc, 0, &done, &why)) {
            broke(w, up, &why);
            return false;
        }
        if (!done)
            return true;
        if (!is_mine(up, done, &item))
            continue;
        w->busy_ns = tns__now_ns();
        take_item(w, up, item);
        if (tns__error_is_expired(&item->call.error))
            retire(w, up);
        finish(item, false);
    }
}

void tnsd_pump(struct worker *w)
{
    struct upstream *next;

    for (struct upstream *up = w->ups; up; up = next) {
        next = up->next;
        if (!pump_one(w, up))
            continue;
        look_for_clog(w, up);
        if (up->clogged ? !tnsd_is_waited_for(up) : up->retired && !up->n_items)
            tnsd_upstream_free(w, up);
    }
}

void tnsd_ping(struct worker *w)
{
    struct upstream *next;

    for (struct upstream *up = w->ups; up; up = next) {
        struct tns_rpc *rpc = up->session->rpc;
        struct tns_error why = TNS_ERROR_INIT;

        next = up->next;
        if (!rpc->ops->ping || tns__now_ns() < up->ping_ns)
            continue;
        up->ping_ns = tns__now_ns() + PING_NS;
        refresh_deadline(up);
        if (rpc->ops->ping(rpc, &why))
            broke(w, up, &why);
    }
}
