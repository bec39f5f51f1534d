/* SPDX-License-Identifier: Apache-2.0 */
/* How the websocket dialects spell a call, and the greeting of the legacy one. */
#include <string.h>

#include "rpc/script.h"

/* ---- shapes, as in the recorded exchanges ---- */

static void expect_sent(const struct script *s, size_t i, const char *want)
{
    json_t *a = json_loads(s->sent[i], 0, NULL), *b = json_loads(want, 0, NULL);

    ck_assert_ptr_nonnull(b);
    ck_assert_msg(json_equal(a, b), "%s was sent, not %s", s->sent[i], want);
    json_decref(a);
    json_decref(b);
}

START_TEST(test_jsonrpc_spells_a_call)
{
    struct script *s = script_open(&tns__codec_jsonrpc, script_mirror);
    json_t *params = json_pack("[s,b]", "x", 0);

    tst_ok(tns__rpc_call(s->rpc, "iscsi.target.delete", params, 0, NULL, &s->err), &s->err);
    expect_sent(s, 0,
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"iscsi.target.delete\","
                "\"params\":[\"x\","
                "false]}");
    tst_ok(tns__rpc_call(s->rpc, "core.ping", NULL, 0, NULL, &s->err), &s->err);
    expect_sent(s, 1,
                "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"core.ping\",\"params\":[]}");
    ck_assert_int_eq(s->rpc->dialect, TNS_DIALECT_JSONRPC);
    json_decref(params);
    script_close(s);
}
END_TEST

START_TEST(test_ddp_spells_a_call_and_never_pings_in_its_own_words)
{
    struct script *s = script_open(&tns__codec_ddp, script_mirror);
    json_t *params = json_pack("[i]", 5);

    tst_ok(tns__rpc_call(s->rpc, "iscsi.target.delete", params, 0, NULL, &s->err), &s->err);
    expect_sent(s, 0,
                "{\"id\":\"1\",\"msg\":\"method\",\"method\":\"iscsi.target.delete\","
                "\"params\":[5]}");
    /* {"msg":"ping"} is not answered from 25.04 on. */
    tst_ok(s->rpc->ops->ping(s->rpc, &s->err), &s->err);
    ck_assert_uint_eq(s->n_sent, 1);
    ck_assert_uint_eq(s->pings, 1);
    ck_assert_int_eq(s->rpc->dialect, TNS_DIALECT_DDP);
    json_decref(params);
    script_close(s);
}
END_TEST

/* ---- the greeting ---- */

static void greet(struct script *s, json_t *request)
{
    ck_assert_str_eq(json_string_value(json_object_get(request, "msg")), "connect");
    script_say(s, "%s", (const char *)s->user);
}

static int handshake(const char *answer, unsigned ms, struct script **ret)
{
    struct script *s = script_open(NULL, greet);

    s->user = (void *)(uintptr_t)answer;
    script_deadline(s, ms);
    *ret = s;
    return tns__ddp_handshake(&s->ctx, &s->io, &s->err);
}

START_TEST(test_ddp_is_greeted_first)
{
    struct script *s;

    tst_ok(handshake("{\"msg\":\"connected\",\"session\":\"x\"}", 1000, &s), &s->err);
    expect_sent(s, 0, "{\"msg\":\"connect\",\"version\":\"1\",\"support\":[\"1\"]}");
    script_close(s);
}
END_TEST

START_TEST(test_ddp_that_refuses_the_version_is_named_so)
{
    struct script *s;

    tst_fails(handshake("{\"msg\":\"failed\",\"version\":\"2\"}", 1000, &s),
              TNS_E_UNSUPPORTED, &s->err);
    script_close(s);
}
END_TEST

START_TEST(test_ddp_that_never_connects_ends_at_the_deadline)
{
    struct script *s;

    tst_fails(handshake("{\"server_id\":\"0\"}", 50, &s), TNS_E_TIMEOUT, &s->err);
    script_close(s);
    tst_fails(handshake("no JSON", 50, &s), TNS_E_PROTOCOL, &s->err);
    script_close(s);
}
END_TEST

static void greet_with_chatter(struct script *s, json_t *request)
{
    (void)request;
    for (int i = 0; i < 30; i++)
        script_say(s, "{\"msg\":\"added\"}");
}

START_TEST(test_ddp_that_chatters_instead_of_connecting_is_refused)
{
    struct script *s = script_open(NULL, greet_with_chatter);

    tst_fails(tns__ddp_handshake(&s->ctx, &s->io, &s->err), TNS_E_PROTOCOL, &s->err);
    script_close(s);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dialects");
    TCase *tc = tcase_create("dialects");

    tcase_add_test(tc, test_jsonrpc_spells_a_call);
    tcase_add_test(tc, test_ddp_spells_a_call_and_never_pings_in_its_own_words);
    tcase_add_test(tc, test_ddp_is_greeted_first);
    tcase_add_test(tc, test_ddp_that_refuses_the_version_is_named_so);
    tcase_add_test(tc, test_ddp_that_never_connects_ends_at_the_deadline);
    tcase_add_test(tc, test_ddp_that_chatters_instead_of_connecting_is_refused);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
