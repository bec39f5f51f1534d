/* SPDX-License-Identifier: Apache-2.0 */
/* REST: from method and parameters to verb, target and body, and from the answer back to a result. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/tst.h"
#include "rpc/rest_priv.h"
#include "rpc/script.h"

/* ---- routes: one row for each method that the client uses, as in the recorded requests ---- */

struct way {
    const char *method;
    const char *params; /* JSON */
    unsigned release;
    const char *verb;
    const char *target; /* behind /api/v2.0/ */
    const char *body;   /* JSON or NULL */
};

static const struct way ways[] = {
    { "system.version", "[]", 0, "GET", "system/version", NULL },
    { "system.info", "[]", 0, "GET", "system/info", NULL },
    { "system.ready", "[]", 0, "GET", "system/ready", NULL },
    { "system.product_type", "[]", 0, "GET", "system/product_type", NULL },
    { "core.ping", "[]", 0, "GET", "core/ping", NULL },
    { "failover.status", "[]", 0, "GET", "failover/status", NULL },
    { "failover.config", "[]", 0, "GET", "failover", NULL },
    { "core.get_jobs", "[[[\"id\",\"=\",812]]]", 0, "GET", "core/get_jobs?id=812", NULL },
    { "core.bulk", "[\"zfs.snapshot.delete\",[[\"tank/x@s\"]]]", 2212, "POST", "core/bulk",
      "{\"method\":\"zfs.snapshot.delete\",\"params\":[[\"tank/x@s\"]]}" },
    { "core.job_abort", "[812]", 0, "POST", "core/job_abort", "812" },
    { "pool.query", "[]", 0, "GET", "pool", NULL },
    { "pool.get_instance", "[1]", 0, "GET", "pool/id/1", NULL },
    { "pool.dataset.query",
      "[[[\"id\",\"=\",\"tank/"
      "vm\"]],{\"extra\":{\"retrieve_children\":false,\"properties\":[\"used\"]}}]",
      0, "GET",
      "pool/"
      "dataset?extra.retrieve_children=false&extra.properties=%5B%22used%22%5D&id=tank%"
      "2Fvm",
      NULL },
    { "pool.dataset.get_instance",
      "[\"tank/vm/vm-101-disk-0\",{\"extra\":{\"retrieve_children\":false}}]", 0, "GET",
      "pool/dataset/id/tank%2Fvm%2Fvm-101-disk-0?extra.retrieve_children=false", NULL },
    { "pool.dataset.create", "[{\"name\":\"tank/x\",\"type\":\"VOLUME\"}]", 0, "POST",
      "pool/dataset", "{\"name\":\"tank/x\",\"type\":\"VOLUME\"}" },
    { "pool.dataset.update", "[\"tank/x\",{\"volsize\":1}]", 0, "PUT",
      "pool/dataset/id/tank%2Fx", "{\"volsize\":1}" },
    { "pool.dataset.delete", "[\"tank/x\"]", 0, "DELETE", "pool/dataset/id/tank%2Fx",
      NULL },
    { "pool.dataset.delete", "[\"tank/x\",{\"recursive\":false}]", 0, "DELETE",
      "pool/dataset/id/tank%2Fx", "{\"recursive\":false}" },
    { "pool.dataset.promote", "[\"tank/x\"]", 0, "POST", "pool/dataset/id/tank%2Fx/promote",
      NULL },
    { "pool.dataset.recommended_zvol_blocksize", "[\"tank\"]", 0, "POST",
      "pool/dataset/recommended_zvol_blocksize", "\"tank\"" },
    { "pool.dataset.rename", "[\"tank/x\",{\"new_name\":\"tank/y\",\"force\":true}]", 2510,
      "POST", "pool/dataset/rename",
      "{\"id\":\"tank/x\",\"data\":{\"new_name\":\"tank/y\",\"force\":true}}" },
    { "zfs.snapshot.create", "[{\"dataset\":\"tank/x\",\"name\":\"s\"}]", 2504, "POST",
      "zfs/snapshot", "{\"dataset\":\"tank/x\",\"name\":\"s\"}" },
    { "pool.snapshot.create", "[{\"dataset\":\"tank/x\",\"name\":\"s\"}]", 2510, "POST",
      "pool/snapshot", "{\"dataset\":\"tank/x\",\"name\":\"s\"}" },
    { "zfs.snapshot.delete", "[\"tank/x@s\",{\"defer\":false}]", 2410, "DELETE",
      "zfs/snapshot/id/tank%2Fx%40s", "{\"defer\":false}" },
    { "zfs.snapshot.rollback", "[\"tank/x@s\"]", 2410, "POST", "zfs/snapshot/rollback",
      "{\"id\":\"tank/x@s\"}" },
    { "zfs.snapshot.rollback", "[\"tank/x@s\",{\"recursive\":true}]", 2410, "POST",
      "zfs/snapshot/rollback", "{\"id\":\"tank/x@s\",\"options\":{\"recursive\":true}}" },
    { "pool.snapshot.rollback", "[\"tank/x@s\",{}]", 2510, "POST", "pool/snapshot/rollback",
      "{\"id\":\"tank/x@s\",\"options\":{}}" },
    { "zfs.snapshot.clone", "[{\"snapshot\":\"tank/x@s\",\"dataset_dst\":\"tank/c\"}]",
      2410, "POST", "zfs/snapshot/clone",
      "{\"snapshot\":\"tank/x@s\",\"dataset_dst\":\"tank/c\"}" },
    { "pool.snapshot.hold", "[\"tank/x@s\"]", 2510, "POST", "pool/snapshot/hold",
      "{\"id\":\"tank/x@s\"}" },
    { "zfs.snapshot.query", "[[[\"dataset\",\"=\",\"tank/x\"]]]", 2410, "GET",
      "zfs/snapshot?dataset=tank%2Fx", NULL },
    { "iscsi.global.config", "[]", 0, "GET", "iscsi/global", NULL },
    { "iscsi.global.update", "[{\"basename\":\"iqn.x\"}]", 0, "PUT", "iscsi/global",
      "{\"basename\":\"iqn.x\"}" },
    { "iscsi.global.sessions", "[]", 2410, "GET", "iscsi/global/sessions", NULL },
    { "iscsi.global.sessions", "[[[\"target\",\"=\",\"t\"]]]", 2504, "POST",
      "iscsi/global/sessions", "{\"query_filters\":[[\"target\",\"=\",\"t\"]]}" },
    { "iscsi.extent.query", "[[[\"path\",\"=\",\"zvol/tank/x\"]]]", 0, "GET",
      "iscsi/extent?path=zvol%2Ftank%2Fx", NULL },
    { "iscsi.extent.create", "[{\"name\":\"e\"}]", 0, "POST", "iscsi/extent",
      "{\"name\":\"e\"}" },
    { "iscsi.extent.update", "[31,{\"comment\":\"x\"}]", 0, "PUT", "iscsi/extent/id/31",
      "{\"comment\":\"x\"}" },
    { "iscsi.extent.delete", "[31,false,true]", 0, "DELETE", "iscsi/extent/id/31",
      "{\"remove\":false,\"force\":true}" },
    { "iscsi.targetextent.create", "[{\"target\":5,\"extent\":31}]", 0, "POST",
      "iscsi/targetextent", "{\"target\":5,\"extent\":31}" },
    { "iscsi.targetextent.delete", "[12,true]", 0, "DELETE", "iscsi/targetextent/id/12",
      "true" },
    { "iscsi.target.create", "[{\"name\":\"t\"}]", 0, "POST", "iscsi/target",
      "{\"name\":\"t\"}" },
    { "iscsi.target.delete", "[5,true]", 2410, "DELETE", "iscsi/target/id/5", "true" },
    { "iscsi.target.delete", "[5,true,false]", 2504, "DELETE", "iscsi/target/id/5",
      "{\"force\":true,\"delete_extents\":false}" },
    { "iscsi.target.delete", "[5,true]", 2510, "DELETE", "iscsi/target/id/5",
      "{\"force\":true}" },
    { "iscsi.portal.create", "[{\"listen\":[]}]", 0, "POST", "iscsi/portal",
      "{\"listen\":[]}" },
    { "iscsi.portal.listen_ip_choices", "[]", 0, "GET", "iscsi/portal/listen_ip_choices",
      NULL },
    { "iscsi.initiator.update", "[1,{}]", 0, "PUT", "iscsi/initiator/id/1", "{}" },
    { "iscsi.auth.delete", "[1]", 0, "DELETE", "iscsi/auth/id/1", NULL },
    { "service.query", "[[[\"service\",\"=\",\"iscsitarget\"]]]", 0, "GET",
      "service?service=iscsitarget", NULL },
    { "service.start", "[\"iscsitarget\"]", 0, "POST", "service/start",
      "{\"service\":\"iscsitarget\"}" },
    { "service.start", "[\"iscsitarget\",{\"silent\":false}]", 2410, "POST",
      "service/start",
      "{\"service\":\"iscsitarget\",\"service-control\":{\"silent\":false}}" },
    { "service.start", "[\"iscsitarget\",{\"silent\":false}]", 2510, "POST",
      "service/start", "{\"service\":\"iscsitarget\",\"options\":{\"silent\":false}}" },
    { "service.control", "[\"START\",\"iscsitarget\"]", 2510, "POST", "service/control",
      "{\"verb\":\"START\",\"service\":\"iscsitarget\"}" },
    { "service.update", "[4,{\"enable\":true}]", 0, "PUT", "service/id/4",
      "{\"enable\":true}" },
};

static void expect_json(const char *text, const char *want)
{
    json_t *a = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    json_t *b = want ? json_loads(want, JSON_DECODE_ANY, NULL) : NULL;

    ck_assert(!want || b);
    ck_assert_msg((!a && !b) || json_equal(a, b), "%s, not %s", text ? text : "nothing",
                  want ? want : "nothing");
    json_decref(a);
    json_decref(b);
}

START_TEST(test_every_method_in_use_has_its_form)
{
    const struct way *w = &ways[_i];
    json_t *params = json_loads(w->params, 0, NULL);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_route r;

    ck_assert_ptr_nonnull(params);
    tst_ok(tns__route_for(w->method, params, w->release, &r, &err), &err);
    ck_assert_str_eq(r.verb, w->verb);
    ck_assert_int_eq(strncmp(r.target, "/api/v2.0/", 10), 0);
    ck_assert_str_eq(r.target + 10, w->target);
    expect_json(r.body, w->body);
    tns__route_clear(&r);
    json_decref(params);
}
END_TEST

struct refused {
    const char *method, *params;
    unsigned release;
    int code;
};

static const struct refused refusals[] = {
    { "auth.login_with_api_key", "[\"k\"]", 0, TNS_E_UNSUPPORTED },
    { "auth.me", "[]", 0, TNS_E_UNSUPPORTED },
    { "core.subscribe", "[\"x\"]", 0, TNS_E_UNSUPPORTED },
    { "core.bulk", "[\"a\",[]]", 2404, TNS_E_UNSUPPORTED },
    { "zfs.snapshot.rollback", "[\"a@b\"]", 2510, TNS_E_UNSUPPORTED },
    { "pool.dataset.rename", "[\"a\",{}]", 2504, TNS_E_UNSUPPORTED },
    { "service.control", "[\"START\",\"x\"]", 2504, TNS_E_UNSUPPORTED },
    { "some.method", "[1]", 0, TNS_E_UNSUPPORTED },
    { "nodot", "[]", 0, TNS_E_UNSUPPORTED },
    { "pool.dataset.update", "[null,{}]", 0, TNS_E_USAGE },
    { "pool.dataset.update", "[\"\",{}]", 0, TNS_E_USAGE },
    { "pool.dataset.update", "[\"a\",{},3]", 0, TNS_E_USAGE },
    { "iscsi.extent.delete", "[1,false,true,1]", 0, TNS_E_USAGE },
    { "pool.dataset.promote", "[\"a\",1]", 0, TNS_E_USAGE },
    { "pool.query", "[[[\"name\",\"~\",\"x\"]]]", 0, TNS_E_UNSUPPORTED },
    { "pool.query", "[[[\"name\"]]]", 0, TNS_E_USAGE },
    { "pool.query", "[[[\"OR\",[[\"OR\",[[\"OR\",[[\"OR\",[[\"a\",\"=\",1]]]]]]]]]]]", 0,
      TNS_E_USAGE },
    { "pool.query", "[[],{\"prefix\":\"x\"}]", 0, TNS_E_UNSUPPORTED },
    { "pool.query", "[[],{\"order_by\":[\"nulls_first:a\"]}]", 0, TNS_E_UNSUPPORTED },
};

START_TEST(test_what_REST_cannot_say_is_refused)
{
    const struct refused *w = &refusals[_i];
    json_t *params = json_loads(w->params, 0, NULL);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_route r = { 0 };

    ck_assert_ptr_nonnull(params);
    tst_fails(tns__route_for(w->method, params, w->release, &r, &err), w->code, &err);
    ck_assert_ptr_null(r.target);
    json_decref(params);
}
END_TEST

/* ---- filters that are sent, and those that are not ---- */

struct query {
    const char *filters;
    const char *sent;
};

static const struct query queries[] = {
    { "[[\"id\",\"=\",\"a b&c\"]]", "?id=a%20b%26c" },
    { "[[\"id\",\"in\",[\"a,b\"]]]", "?id=a%2Cb" },
    { "[[\"disk\",\"^\",\"zvol/tank/\"]]", "?disk__%5E=zvol%2Ftank%2F" },
    { "[[\"a\",\"=\",1],[\"b\",\"=\",\"x\"]]", "?a=1&b=x" },
    /* the NAS would make a number, a truth value or two of these */
    { "[[\"id\",\"=\",\"123\"]]", "" },
    { "[[\"id\",\"=\",\"True\"]]", "" },
    { "[[\"id\",\"=\",\"null\"]]", "" },
    { "[[\"id\",\"in\",[\"a\",\"b\"]]]", "" },
    { "[[\"id\",\"in\",\"a\"]]", "" },
    { "[[\"id\",\"^\",\"12\"]]", "" },
    { "[[\"id\",\"^\",12]]", "" },
    { "[[\"id\",\"in\",[]]]", "" },
    { "[[\"id\",\"=\",null]]", "" },
    { "[[\"id\",\"=\",-1]]", "" },
    { "[[\"id\",\"=\",\"\"]]", "" },
    { "[[\"limit\",\"=\",\"x\"]]", "" },
    { "[[\"a__b\",\"=\",\"x\"]]", "" },
    { "[[\"extra.a\",\"=\",\"x\"]]", "" },
    { "[[\"id\",\"$\",\"a\"]]", "" },
    { "[[\"OR\",[[\"id\",\"=\",\"a\"],[\"id\",\"=\",\"b\"]]]]", "" },
};

START_TEST(test_only_filters_that_arrive_as_they_left_are_sent)
{
    json_t *filters = json_loads(queries[_i].filters, 0, NULL);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_text t = { 0 };

    ck_assert_ptr_nonnull(filters);
    tst_ok(tns__query_add(&t, filters, NULL, &err), &err);
    ck_assert_str_eq(t.text ? t.text : "", queries[_i].sent);
    tns__free(t.text);
    json_decref(filters);
}
END_TEST

START_TEST(test_filters_that_would_not_fit_are_left_out)
{
    char name[1600];
    json_t *filters;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_text t = { 0 };

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    filters = json_pack("[[s,s,s],[s,s,s],[s,s,s]]", "a", "=", "x", "id", "=", name, "b",
                        "=", "y");
    tst_ok(tns__query_add(&t, filters, NULL, &err), &err);
    ck_assert_str_eq(t.text, "?a=x&b=y");
    tns__free(t.text);
    json_decref(filters);
}
END_TEST

/* ---- filtering here ---- */

#define ROWS                                                                               \
    "[{\"id\":1,\"name\":\"alpha\",\"p\":{\"used\":30},\"tags\":[\"a\",\"b\"],\"n\":null}" \
    ","                                                                                    \
    "{\"id\":2,\"name\":\"Beta\",\"p\":{\"used\":10},\"tags\":[]},"                        \
    "{\"id\":3,\"name\":\"gamma\",\"p\":{\"used\":20},\"tags\":[\"b\"]}]"

struct apply {
    const char *filters, *options;
    const char *want; /* JSON; NULL: notfound */
};

#define ID(n) "{\"id\":" #n "}"
#define SEL "\"select\":[\"id\"]"

static const struct apply applies[] = {
    { "[]", "{" SEL "}", "[" ID(1) "," ID(2) "," ID(3) "]" },
    { "[[\"id\",\"=\",2]]", "{" SEL "}", "[" ID(2) "]" },
    { "[[\"id\",\"!=\",2]]", "{" SEL "}", "[" ID(1) "," ID(3) "]" },
    { "[[\"p.used\",\">\",10]]", "{" SEL "}", "[" ID(1) "," ID(3) "]" },
    { "[[\"p.used\",\">=\",20]]", "{" SEL "}", "[" ID(1) "," ID(3) "]" },
    { "[[\"p.used\",\"<\",20]]", "{" SEL "}", "[" ID(2) "]" },
    { "[[\"p.used\",\"<=\",20.0]]", "{" SEL "}", "[" ID(2) "," ID(3) "]" },
    { "[[\"name\",\"in\",[\"alpha\",\"beta\"]]]", "{" SEL "}", "[" ID(1) "]" },
    { "[[\"name\",\"Cin\",[\"alpha\",\"beta\"]]]", "{" SEL "}", "[" ID(1) "," ID(2) "]" },
    { "[[\"name\",\"nin\",[\"alpha\"]]]", "{" SEL "}", "[" ID(2) "," ID(3) "]" },
    { "[[\"tags\",\"rin\",\"b\"]]", "{" SEL "}", "[" ID(1) "," ID(3) "]" },
    { "[[\"name\",\"rin\",\"mm\"]]", "{" SEL "}", "[" ID(3) "]" },
    { "[[\"tags\",\"rnin\",\"b\"]]", "{" SEL "}", "[" ID(2) "]" },
    { "[[\"name\",\"^\",\"al\"]]", "{" SEL "}", "[" ID(1) "]" },
    { "[[\"name\",\"!^\",\"al\"]]", "{" SEL "}", "[" ID(2) "," ID(3) "]" },
    { "[[\"name\",\"$\",\"mma\"]]", "{" SEL "}", "[" ID(3) "]" },
    { "[[\"name\",\"!$\",\"a\"]]", "{" SEL "}", "[]" },
    { "[[\"name\",\"C=\",\"BETA\"]]", "{" SEL "}", "[" ID(2) "]" },
    { "[[\"name\",\"C^\",\"b\"]]", "{" SEL "}", "[" ID(2) "]" },
    { "[[\"n\",\"=\",null]]", "{" SEL "}", "[" ID(1) "," ID(2) "," ID(3) "]" },
    { "[[\"id\",\"=\",\"2\"]]", "{" SEL "}", "[]" },
    { "[[\"OR\",[[\"id\",\"=\",1],[[\"id\",\">\",1],[\"name\",\"^\",\"g\"]]]]]",
      "{" SEL "}", "[" ID(1) "," ID(3) "]" },
    { "[]", "{" SEL ",\"order_by\":[\"p.used\"]}", "[" ID(2) "," ID(3) "," ID(1) "]" },
    { "[]", "{" SEL ",\"order_by\":[\"-name\"]}", "[" ID(3) "," ID(1) "," ID(2) "]" },
    { "[]", "{" SEL ",\"order_by\":[\"-id\"],\"offset\":1,\"limit\":1}", "[" ID(2) "]" },
    { "[]", "{\"count\":true}", "3" },
    { "[[\"id\",\">\",1]]", "{\"count\":true}", "2" },
    { "[[\"id\",\"=\",3]]", "{\"get\":true," SEL "}", ID(3) },
    { "[[\"id\",\"=\",9]]", "{\"get\":true}", NULL },
    { "[[\"id\",\"=\",1]]", "{\"select\":[[\"p.used\",\"u\"]]}", "[{\"u\":30}]" },
};

START_TEST(test_C27_filters_and_options_hold_whatever_the_NAS_did)
{
    const struct apply *a = &applies[_i];
    json_t *filters = json_loads(a->filters, 0, NULL),
           *options = json_loads(a->options, 0, NULL);
    json_t *got = NULL, *want = a->want ? json_loads(a->want, JSON_DECODE_ANY, NULL) : NULL;
    struct tns_error err = TNS_ERROR_INIT;
    int rc;

    ck_assert(filters && options && (want || !a->want));
    tst_ok(tns__filter_check(filters, options, &err), &err);
    rc = tns__filter_apply(json_loads(ROWS, 0, NULL), filters, options, &got, &err);
    if (want) {
        tst_ok(rc, &err);
        ck_assert_msg(json_equal(got, want), "%s", json_dumps(got, JSON_ENCODE_ANY));
    } else {
        tst_fails(rc, TNS_E_NOTFOUND, &err);
    }
    json_decref(got);
    json_decref(want);
    json_decref(filters);
    json_decref(options);
}
END_TEST

START_TEST(test_a_query_that_is_not_answered_with_a_list_is_no_empty_list)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *got = NULL;

    tst_fails(tns__filter_apply(json_object(), NULL, NULL, &got, &err), TNS_E_PROTOCOL,
              &err);
    tst_fails(tns__filter_apply(json_null(), NULL, NULL, &got, &err), TNS_E_PROTOCOL, &err);
    ck_assert_ptr_null(got);
}
END_TEST

/* ---- calls, on a scripted web ---- */

struct page {
    const char *verb, *target; /* what is expected; the target behind /api/v2.0/ */
    int status;                /* < 0: the exchange fails with that code        */
    const char *body;
    uint32_t flags; /* of a failure */
};

struct book {
    struct tns_web web;
    struct tns_ctx ctx;
    struct tns_error err;
    struct tns_rpc *rpc;
    const struct page *pages;
    size_t n, at;
    bool key_seen;
};

static int book_exchange(struct tns_web *web, const struct tns_http_request *req,
                         struct tns_http_response *ret, struct tns_error *err)
{
    struct book *b = (struct book *)web;
    const struct page *p = &b->pages[b->at++];

    ck_assert_uint_le(b->at, b->n);
    ck_assert_str_eq(req->method, p->verb);
    ck_assert_str_eq(req->path + 10, p->target);
    b->key_seen =
        req->bearer && strcmp(tns__secret_bytes(req->bearer), TST_CANARY_KEY) == 0;
    if (p->status < 0) {
        tns__error_set(err, -p->status, "the book breaks the connection");
        err->flags |= p->flags;
        return p->status;
    }
    *ret = (struct tns_http_response){ .status = p->status, .fingerprint = "AB:CD" };
    ret->body = tns__strdup(p->body);
    if (!ret->body)
        return tns__error_nomem(err);
    ret->body_len = strlen(p->body);
    return 0;
}

static void book_close(struct tns_web *web)
{
    (void)web;
}

static struct tns_secret *key;

static void book_open(struct book *b, const struct page *pages, size_t n)
{
    *b = (struct book){ .web = { book_exchange, book_close }, .err = TNS_ERROR_INIT };
    b->pages = pages;
    b->n = n;
    tst_ctx_init(&b->ctx, 5000);
    key = tns__secret_new(TST_CANARY_KEY, strlen(TST_CANARY_KEY));
    tst_ok(tns__rest_open(&b->ctx, &b->web, key, &b->rpc, &b->err), &b->err);
}

static void book_done(struct book *b)
{
    ck_assert_uint_eq(b->at, b->n);
    tns__rpc_close(b->rpc);
    tns__secret_free(key);
    tst_no_canary(tst_log_text());
}

#define OPEN(b, pages) book_open(b, pages, sizeof(pages) / sizeof((pages)[0]))

START_TEST(test_calls_go_one_after_another_with_the_key)
{
    static const struct page pages[] = {
        { "GET", "system/version", 200, "\"TrueNAS-SCALE-24.10.2.4\"", 0 },
        { "GET", "pool", 200, "[{\"id\":1}]", 0 },
        { "POST", "pool/dataset/id/x/promote", 200, "", 0 },
    };
    struct tns_call calls[3] = { call_of("system.version", NULL, TNS_CALL_READ),
                                 call_of("pool.query", NULL, TNS_CALL_READ),
                                 call_of("pool.dataset.promote", "[\"x\"]", 0) };
    struct book b;

    OPEN(&b, pages);
    tst_ok(tns__rpc_calls(b.rpc, calls, 3, &b.err), &b.err);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(calls[i].error.code, 0);
    ck_assert_str_eq(json_string_value(calls[0].result), "TrueNAS-SCALE-24.10.2.4");
    ck_assert_uint_eq(json_array_size(calls[1].result), 1);
    ck_assert(json_is_null(calls[2].result));
    ck_assert(b.key_seen);
    ck_assert_str_eq(b.rpc->ops->fingerprint(b.rpc), "AB:CD");
    ck_assert_int_eq(b.rpc->dialect, TNS_DIALECT_REST);
    for (size_t i = 0; i < 3; i++)
        call_done(&calls[i]);
    book_done(&b);
}
END_TEST

START_TEST(test_the_release_is_asked_for_once_when_a_form_depends_on_it)
{
    static const struct page pages[] = {
        { "GET", "system/version", 200, "\"TrueNAS-25.10.2.1\"", 0 },
        { "POST", "service/start", 200, "true", 0 },
        { "POST", "service/stop", 200, "true", 0 },
    };
    struct tns_call calls[2] = { call_of("service.start", "[\"iscsitarget\",{}]", 0),
                                 call_of("service.stop", "[\"iscsitarget\",{}]", 0) };
    struct book b;

    OPEN(&b, pages);
    tst_ok(tns__rpc_calls(b.rpc, calls, 2, &b.err), &b.err);
    ck_assert_int_eq(calls[1].error.code, 0);
    call_done(&calls[0]);
    call_done(&calls[1]);
    book_done(&b);
}
END_TEST

START_TEST(test_a_release_that_is_not_told_fails_only_the_call_that_needs_it)
{
    static const struct page pages[] = {
        { "GET", "system/version", 401, "401: Unauthorized", 0 },
        { "GET", "core/ping", 200, "\"pong\"", 0 },
        { "GET", "system/version", 200, "\"no number\"", 0 },
    };
    struct tns_call calls[3] = { call_of("service.start", "[\"iscsitarget\",{}]", 0),
                                 call_of("core.ping", NULL, 0),
                                 call_of("service.start", "[\"iscsitarget\",{}]", 0) };
    struct book b;

    OPEN(&b, pages);
    tst_ok(tns__rpc_calls(b.rpc, calls, 3, &b.err), &b.err);
    ck_assert_int_eq(calls[0].error.code, TNS_E_AUTH);
    ck_assert_int_eq(calls[1].error.code, 0);
    ck_assert_int_eq(calls[2].error.code, TNS_E_PROTOCOL);
    for (size_t i = 0; i < 3; i++)
        call_done(&calls[i]);
    book_done(&b);
}
END_TEST

START_TEST(test_jobs_are_followed)
{
    static const struct page pages[] = {
        { "POST", "core/bulk", 200, "812", 0 },
        { "GET", "core/get_jobs?id=812", 200, "[{\"id\":812,\"state\":\"RUNNING\"}]", 0 },
        { "GET", "core/get_jobs?id=812", 200,
          "[{\"id\":812,\"state\":\"SUCCESS\",\"result\":[1]},{\"id\":811,\"state\":"
          "\"FAILED\"}]",
          0 },
    };
    struct tns_call call = call_of("core.bulk", "[\"a\",[]]", TNS_CALL_JOB);
    struct book b;

    OPEN(&b, pages);
    tst_ok(tns__rpc_calls(b.rpc, &call, 1, &b.err), &b.err);
    ck_assert_int_eq(call.error.code, 0);
    ck_assert_uint_eq(json_array_size(call.result), 1);
    call_done(&call);
    book_done(&b);
}
END_TEST

START_TEST(test_a_failed_list_is_an_error_and_the_next_call_goes_on)
{
    static const struct page pages[] = {
        { "GET", "pool", 403, "", 0 },
        { "GET", "service", 401, "401: Unauthorized", 0 },
        { "GET", "core/ping", 200, "\"pong\"", 0 },
    };
    struct tns_call calls[3] = { call_of("pool.query", NULL, 0),
                                 call_of("service.query", NULL, 0),
                                 call_of("core.ping", NULL, 0) };
    struct book b;

    OPEN(&b, pages);
    tst_ok(tns__rpc_calls(b.rpc, calls, 3, &b.err), &b.err);
    ck_assert_int_eq(calls[0].error.code, TNS_E_PERMISSION);
    ck_assert_ptr_null(calls[0].result);
    ck_assert_int_eq(calls[1].error.code, TNS_E_AUTH);
    ck_assert_int_eq(calls[2].error.code, 0);
    for (size_t i = 0; i < 3; i++)
        call_done(&calls[i]);
    book_done(&b);
}
END_TEST

struct loss {
    int status;
    const char *body;
    uint32_t flags;
    int code;
    uint32_t first; /* what the first call's error says */
};

static const struct loss losses[] = {
    { -TNS_E_TRANSPORT, "", TNS_F_OUTCOME_UNKNOWN, TNS_E_TRANSPORT, TNS_F_OUTCOME_UNKNOWN },
    { -TNS_E_TRANSPORT, "", TNS_F_RETRYABLE, TNS_E_TRANSPORT, TNS_F_RETRYABLE },
    { -TNS_E_TLS, "", TNS_F_RETRYABLE, TNS_E_TLS, TNS_F_RETRYABLE },
    { 502, "<html>", 0, TNS_E_TRANSPORT, TNS_F_OUTCOME_UNKNOWN },
    { 504, "<html>", 0, TNS_E_TIMEOUT, TNS_F_OUTCOME_UNKNOWN },
    { 301, "", 0, TNS_E_TRANSPORT, TNS_F_OUTCOME_UNKNOWN },
    { 200, "garbage", 0, TNS_E_PROTOCOL, TNS_F_OUTCOME_UNKNOWN },
};

START_TEST(test_a_lost_exchange_tells_each_call_what_became_of_it)
{
    const struct loss *l = &losses[_i];
    struct page pages[] = { { "POST", "iscsi/extent", l->status, l->body, l->flags } };
    struct tns_call calls[2] = { call_of("iscsi.extent.create", "[{}]", 0),
                                 call_of("iscsi.target.create", "[{}]", 0) };
    struct book b;

    OPEN(&b, pages);
    ck_assert_int_eq(tns__rpc_calls(b.rpc, calls, 2, &b.err), -l->code);
    ck_assert_int_eq(b.err.code, l->code);
    ck_assert_int_eq(calls[0].error.code, l->code);
    ck_assert_uint_eq(calls[0].error.flags, l->first);
    ck_assert_int_eq(calls[1].error.code, l->code);
    ck_assert_uint_eq(calls[1].error.flags, TNS_F_RETRYABLE);
    call_done(&calls[0]);
    call_done(&calls[1]);
    book_done(&b);
}
END_TEST

START_TEST(test_what_cannot_be_said_over_REST_fails_alone)
{
    static const struct page pages[] = { { "GET", "core/ping", 200, "\"pong\"", 0 } };
    struct tns_call calls[2] = { call_of("auth.me", NULL, 0),
                                 call_of("core.ping", NULL, 0) };
    struct book b;

    OPEN(&b, pages);
    tst_ok(tns__rpc_calls(b.rpc, calls, 2, &b.err), &b.err);
    ck_assert_int_eq(calls[0].error.code, TNS_E_UNSUPPORTED);
    ck_assert_str_eq(calls[0].error.op, "auth.me");
    ck_assert_int_eq(calls[1].error.code, 0);
    call_done(&calls[0]);
    call_done(&calls[1]);
    book_done(&b);
}
END_TEST

static int sweep_rest(void *user, struct tns_error *err)
{
    static const struct page pages[] = {
        { "GET", "iscsi/extent?name=x", 200, "[{\"id\":1,\"name\":\"x\"},{\"id\":2}]", 0 },
    };
    struct book *b = user;
    json_t *params, *result = NULL;
    int rc;

    tns__rpc_close(b->rpc);
    b->pages = pages;
    b->n = 1;
    b->at = 0;
    b->rpc = NULL;
    rc = tns__rest_open(&b->ctx, &b->web, key, &b->rpc, err);
    params = json_pack("[[[s,s,s]],{s:[s],s:[s]}]", "name", "=", "x", "select", "id",
                       "order_by", "id");
    if (rc == 0 && !params)
        rc = tns__error_nomem(err);
    if (rc == 0)
        rc = tns__rpc_call(b->rpc, "iscsi.extent.query", params, TNS_CALL_READ, &result,
                           err);
    if (rc == 0)
        ck_assert_uint_eq(json_array_size(result), 1);
    json_decref(result);
    json_decref(params);
    return rc;
}

START_TEST(test_every_allocation_may_fail)
{
    struct book b;

    book_open(&b, NULL, 0);
    ck_assert_uint_gt(tst_alloc_sweep(sweep_rest, &b, NULL), 20);
    tns__rpc_close(b.rpc);
    tns__secret_free(key);
}
END_TEST

#define LOOP(tc, fn, table)                                                                \
    tcase_add_loop_test(tc, fn, 0, sizeof(table) / sizeof((table)[0]))

static Suite *suite(void)
{
    Suite *s = suite_create("rest");
    TCase *tc = tcase_create("rest");

    tcase_set_timeout(tc, 60);
    LOOP(tc, test_every_method_in_use_has_its_form, ways);
    LOOP(tc, test_what_REST_cannot_say_is_refused, refusals);
    LOOP(tc, test_only_filters_that_arrive_as_they_left_are_sent, queries);
    tcase_add_test(tc, test_filters_that_would_not_fit_are_left_out);
    LOOP(tc, test_C27_filters_and_options_hold_whatever_the_NAS_did, applies);
    tcase_add_test(tc, test_a_query_that_is_not_answered_with_a_list_is_no_empty_list);
    tcase_add_test(tc, test_calls_go_one_after_another_with_the_key);
    tcase_add_test(tc, test_the_release_is_asked_for_once_when_a_form_depends_on_it);
    tcase_add_test(tc, test_a_release_that_is_not_told_fails_only_the_call_that_needs_it);
    tcase_add_test(tc, test_jobs_are_followed);
    tcase_add_test(tc, test_a_failed_list_is_an_error_and_the_next_call_goes_on);
    LOOP(tc, test_a_lost_exchange_tells_each_call_what_became_of_it, losses);
    tcase_add_test(tc, test_what_cannot_be_said_over_REST_fails_alone);
    tcase_add_test(tc, test_every_allocation_may_fail);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
