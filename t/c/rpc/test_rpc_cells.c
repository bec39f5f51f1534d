/* SPDX-License-Identifier: Apache-2.0 */
/* Each dialect against tnsim in each release that speaks it. */
#include <string.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "rpc/rpc.h"
#include "rpc/script.h"

struct line {
    struct tns_ctx ctx;
    struct tns_error err;
    struct tns_endpoint ep;
    const char *prints[2];
    struct tns_secret *key;
    struct tns_rpc *rpc;
};

static void line_prepare(struct line *l, const char *key)
{
    const struct tst_sim *sim = tst_cell_sim();

    memset(l, 0, sizeof(*l));
    l->err = (struct tns_error)TNS_ERROR_INIT;
    tst_ctx_init(&l->ctx, 20000);
    l->prints[0] = sim->fingerprint;
    l->ep = (struct tns_endpoint){ .host = sim->host,
                                   .port = (uint16_t)sim->port,
                                   .tls = true,
                                   .fingerprints = l->prints };
    l->key = tns__secret_new(key, strlen(key));
}

static int line_open(struct line *l)
{
    if (tst_cell_is(NULL, "rest"))
        return tns__rpc_rest_open(&l->ctx, &l->ep, l->key, &l->rpc, &l->err);
    if (tst_cell_is(NULL, "ddp"))
        return tns__rpc_ddp_open(&l->ctx, &l->ep, &l->rpc, &l->err);
    return tns__rpc_jsonrpc_open(&l->ctx, &l->ep, &l->rpc, &l->err);
}

/* The cells of a release share one tnsim and its pools: '@' stands for the dialect's own name. */
static json_t *spell(const char *params)
{
    char text[512] = "";
    json_t *p;

    for (size_t n = 0; *params; params++) {
        int more = *params == '@'
                       ? snprintf(text + n, sizeof(text) - n, "%s", tst_cell()->dialect)
                       : snprintf(text + n, sizeof(text) - n, "%c", *params);

        n += (size_t)more;
        ck_assert_uint_lt(n, sizeof(text));
    }
    p = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(p);
    return p;
}

static json_t *ask(struct line *l, const char *method, const char *params, unsigned flags)
{
    json_t *p = params ? spell(params) : NULL;
    json_t *result = NULL;

    tns__error_clear(&l->err);
    (void)tns__rpc_call(l->rpc, method, p, flags, &result, &l->err);
    json_decref(p);
    return result;
}

static void expect_ok(struct line *l, const char *method, const char *params,
                      unsigned flags)
{
    json_t *result = ask(l, method, params, flags);

    ck_assert_msg(result != NULL, "%s: %s", method, l->err.text);
    json_decref(result);
}

static void expect_code(struct line *l, const char *method, const char *params, int code)
{
    json_t *result = ask(l, method, params, 0);

    ck_assert_msg(!result && l->err.code == code, "%s is %s, not %s: %s", method,
                  tns_code_name(l->err.code), tns_code_name(code), l->err.text);
}

static void line_up(struct line *l)
{
    json_t *in;
    char params[128];

    line_prepare(l, tst_cell_sim()->api_key);
    tst_ok(line_open(l), &l->err);
    if (tst_cell_is(NULL, "rest"))
        return;
    snprintf(params, sizeof(params), "[\"%s\"]", tst_cell_sim()->api_key);
    in = ask(l, "auth.login_with_api_key", params, TNS_CALL_AUTH | TNS_CALL_SECRET);
    ck_assert_msg(json_is_true(in), "no login: %s", l->err.text);
    json_decref(in);
}

static void line_down(struct line *l)
{
    tns__rpc_close(l->rpc);
    tns__secret_free(l->key);
}

START_TEST(test_the_release_and_its_pools_are_told)
{
    struct line l;
    json_t *result;

    line_up(&l);
    result = ask(&l, "system.version", NULL, TNS_CALL_READ);
    ck_assert_msg(json_is_string(result), "%s", l.err.text);
    ck_assert_ptr_nonnull(strstr(json_string_value(result), tst_cell()->release));
    json_decref(result);
    result =
        ask(&l, "pool.query", "[[],{\"order_by\":[\"name\"],\"select\":[\"name\"]}]", 0);
    ck_assert_msg(json_array_size(result) == 2, "%s", l.err.text);
    json_decref(result);
    result = ask(&l, "pool.query", "[[[\"name\",\"=\",\"tank\"]],{\"get\":true}]",
                 TNS_CALL_READ);
    ck_assert_str_eq(json_string_value(json_object_get(result, "name")), "tank");
    json_decref(result);
    ck_assert_str_eq(l.rpc->ops->fingerprint(l.rpc), l.prints[0]);
    line_down(&l);
}
END_TEST

#define ZVOL(name)                                                                         \
    "{\"name\":\"tank/" name                                                               \
    "-@\",\"type\":\"VOLUME\",\"volsize\":16777216,\"sparse\":true}"

START_TEST(test_objects_are_made_changed_and_removed)
{
    struct line l;
    json_t *result;

    line_up(&l);
    expect_ok(&l, "pool.dataset.create", "[" ZVOL("z") "]", 0);
    expect_ok(&l, "pool.dataset.update", "[\"tank/z-@\",{\"volsize\":33554432}]", 0);
    result = ask(&l, "pool.dataset.query",
                 "[[[\"id\",\"=\",\"tank/z-@\"]],"
                 "{\"get\":true,\"extra\":{\"retrieve_children\":false}}]",
                 TNS_CALL_READ);
    ck_assert_int_eq((int)json_integer_value(
                         json_object_get(json_object_get(result, "volsize"), "parsed")),
                     33554432);
    json_decref(result);
    expect_ok(&l, "pool.dataset.get_instance", "[\"tank/z-@\"]", TNS_CALL_READ);
    expect_ok(&l, "pool.dataset.delete", "[\"tank/z-@\",{}]", 0);
    expect_code(&l, "pool.dataset.get_instance", "[\"tank/z-@\"]", TNS_E_NOTFOUND);
    line_down(&l);
}
END_TEST

START_TEST(test_C36_errors_have_the_same_code_in_every_dialect)
{
    struct line l;

    line_up(&l);
    expect_code(&l, "pool.dataset.get_instance", "[\"tank/none\"]", TNS_E_NOTFOUND);
    expect_code(&l, "pool.dataset.update", "[\"tank/none\",{\"comments\":\"x\"}]",
                TNS_E_NOTFOUND);
    expect_code(&l, "pool.dataset.delete", "[\"tank/none\",{}]", TNS_E_NOTFOUND);
    expect_code(&l, "iscsi.extent.delete", "[9999,false,true]", TNS_E_NOTFOUND);
    expect_code(&l, "pool.query", "[[[\"name\",\"=\",\"none\"]],{\"get\":true}]",
                TNS_E_NOTFOUND);
    expect_code(&l, "pool.dataset.create",
                "[{\"name\":\"tank/no/x\",\"type\":\"VOLUME\",\"volsize\":16777216}]",
                TNS_E_NOTFOUND);
    expect_ok(&l, "pool.dataset.create", "[" ZVOL("e") "]", 0);
    expect_code(&l, "pool.dataset.create", "[" ZVOL("e") "]", TNS_E_EXISTS);
    expect_code(&l, "pool.dataset.update", "[\"tank/e-@\",{\"volsize\":16384}]",
                TNS_E_CONFLICT);
    expect_code(
        &l, "pool.dataset.create",
        "[{\"name\":\"tank/huge\",\"type\":\"VOLUME\",\"volsize\":109951162777600}]",
        TNS_E_CAPACITY);
    expect_code(&l, "no.such_method", NULL, TNS_E_UNSUPPORTED);
    line_down(&l);
}
END_TEST

START_TEST(test_many_calls_share_the_connection)
{
    struct tns_call calls[30];
    struct line l;

    line_up(&l);
    for (size_t i = 0; i < 30; i++)
        calls[i] = call_of(i % 2 ? "pool.query" : "system.version", NULL, TNS_CALL_READ);
    tst_ok(tns__rpc_calls(l.rpc, calls, 30, &l.err), &l.err);
    for (size_t i = 0; i < 30; i++) {
        ck_assert_int_eq(calls[i].error.code, 0);
        ck_assert_int_eq(json_is_array(calls[i].result), i % 2 != 0);
        call_done(&calls[i]);
    }
    if (!tst_cell_is(NULL, "rest"))
        ck_assert_int_eq((int)tst_sim_stat(tst_cell_sim(), "connections"), 1);
    line_down(&l);
}
END_TEST

START_TEST(test_a_job_is_followed_to_its_end)
{
    struct line l;
    json_t *result;

    line_up(&l);
    result =
        ask(&l, "core.bulk",
            "[\"pool.dataset.create\",[[{\"name\":\"tank/a-@\",\"type\":\"FILESYSTEM\"}],"
            "[{\"name\":\"tank/a-@\",\"type\":\"FILESYSTEM\"}]]]",
            TNS_CALL_JOB);
    if (tst_cell_is(NULL, "rest") && strcmp(tst_cell()->release, "24") > 0) {
        ck_assert_int_eq(l.err.code, TNS_E_UNSUPPORTED);
    } else {
        ck_assert_msg(json_array_size(result) == 2, "%s", l.err.text);
        ck_assert(json_is_null(json_object_get(json_array_get(result, 0), "error")));
        ck_assert(json_is_string(json_object_get(json_array_get(result, 1), "error")));
    }
    json_decref(result);
    line_down(&l);
}
END_TEST

START_TEST(test_a_wrong_key_is_told)
{
    struct line l;
    json_t *in;

    line_prepare(&l, TST_CANARY_KEY);
    tst_ok(line_open(&l), &l.err);
    if (tst_cell_is(NULL, "rest")) {
        expect_code(&l, "pool.query", NULL, TNS_E_AUTH);
    } else {
        in = ask(&l, "auth.login_with_api_key", "[\"" TST_CANARY_KEY "\"]",
                 TNS_CALL_AUTH | TNS_CALL_SECRET);
        ck_assert(json_is_false(in));
        json_decref(in);
        expect_code(&l, "pool.query", NULL, TNS_E_AUTH);
    }
    tst_no_canary(tst_log_text());
    line_down(&l);
}
END_TEST

START_TEST(test_a_reply_that_is_lost_is_unknown)
{
    struct line l;
    json_t *result;

    line_up(&l);
    tst_sim_fault(tst_cell_sim(), "{\"match\":\"pool.dataset.create\",\"do\":\"cut\"}");
    result = ask(&l, "pool.dataset.create", "[" ZVOL("l") "]", 0);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(l.err.code, TNS_E_TRANSPORT);
    ck_assert_uint_eq(l.err.flags, TNS_F_OUTCOME_UNKNOWN);
    line_down(&l);
}
END_TEST

START_TEST(test_a_ping_keeps_the_line_up)
{
    struct line l;

    line_up(&l);
    for (int i = 0; i < 3 && l.rpc->ops->ping; i++) {
        tst_ok(l.rpc->ops->ping(l.rpc, &l.err), &l.err);
        expect_ok(&l, "system.version", NULL, TNS_CALL_READ);
    }
    line_down(&l);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, test_the_release_and_its_pools_are_told);
    tcase_add_test(tc, test_objects_are_made_changed_and_removed);
    tcase_add_test(tc, test_C36_errors_have_the_same_code_in_every_dialect);
    tcase_add_test(tc, test_many_calls_share_the_connection);
    tcase_add_test(tc, test_a_job_is_followed_to_its_end);
    tcase_add_test(tc, test_a_wrong_key_is_told);
    tcase_add_test(tc, test_a_reply_that_is_lost_is_unknown);
    tcase_add_test(tc, test_a_ping_keeps_the_line_up);
}

int main(void)
{
    Suite *s = suite_create("rpc");

    tst_matrix(s, add);
    return tst_run(s);
}
