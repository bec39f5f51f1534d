/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the REST dialect: a call's way through verb, target, body, and what is done afterwards. */
#ifndef TNS_RPC_REST_PRIV_H
#define TNS_RPC_REST_PRIV_H

#include "rpc/rpc_priv.h"

/* What carries an exchange: tns_http, or a test's script. */
struct tns_web {
    int (*exchange)(struct tns_web *web, const struct tns_http_request *req,
                    struct tns_http_response *ret, struct tns_error *err);
    void (*close)(struct tns_web *web);
};

/* Takes web, also on failure. key is borrowed. */
int tns__rest_open(struct tns_ctx *ctx, struct tns_web *web, const struct tns_secret *key,
                   struct tns_rpc **ret, struct tns_error *err);

/* ---- rest_route.c ---- */

struct tns_route {
    const char *verb;
    char *target;          /* "/api/v2.0/..." with the query; owned */
    char *body;            /* JSON, owned; NULL for none            */
    bool filter;           /* filters and options are applied to the answer */
    const json_t *filters; /* borrowed from the call                */
    const json_t *options;
};

void tns__route_clear(struct tns_route *route);

/* True when the form of the call depends on the release, which then must be known. */
bool tns__route_needs_release(const char *method, const json_t *params);
/* release as in struct tns_caps (2212 ... 2510), 0 when it is not known. */
int tns__route_for(const char *method, const json_t *params, unsigned release,
                   struct tns_route *ret, struct tns_error *err);

/* ---- rest_query.c ---- */

struct tns_text {
    char *text; /* owned, NUL-terminated; NULL while empty */
    size_t len, cap;
    bool failed; /* memory was out: everything after is void */
};

void tns__text_add(struct tns_text *t, const char *s);
/* Percent-encodes everything but unreserved characters. */
void tns__text_add_encoded(struct tns_text *t, const char *s);
/* Appends what of the filters and options the NAS can be asked for: "?extra.x=..&id=.." */
int tns__query_add(struct tns_text *t, const json_t *filters, const json_t *options,
                   struct tns_error *err);

/* ---- rest_filter.c ---- */

/* What the NAS may not have done itself: filters, order, offset, limit, select, get and count.
 * Takes `all`; *ret_value is owned. TNS_E_NOTFOUND for get without a match. */
int tns__filter_apply(json_t *all, const json_t *filters, const json_t *options,
                      json_t **ret_value, struct tns_error *err);
/* Refuses, before anything is sent, what tns__filter_apply could not do. */
int tns__filter_check(const json_t *filters, const json_t *options, struct tns_error *err);

#endif
