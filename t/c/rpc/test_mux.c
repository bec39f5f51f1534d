/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on one connection: the window, the order of replies, what is lost and what is nonsense. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rpc/script.h"

#define N 20

static void make_calls(struct tns_call *calls, size_t n, unsigned flags)
{
    char params[32];

    for (size_t i = 0; i < n; i++) {
        snprintf(params, sizeof(params), "[%zu]", i);
        calls[i] = call_of("core.mirror", params, flags);
    }
}

static void check_mirrored(struct tns_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(calls[i].error.code, 0);
        ck_assert_int_eq((int)json_integer_value(calls[i].result), (int)i);
        call_done(&calls[i]);
    }
}

static const struct tns_codec *codecs(int i)
{
    return i ? &tns__codec_ddp : &tns__codec_jsonrpc;
}

/* ---- the window ---- */

/* Holds answers back until nothing more can come, then gives them in reverse. */
static json_t *held[64];
static size_t n_held;
static size_t seen;

static void hold_eight(struct script *s, json_t *request)
{
    held[n_held++] = json_incref(request);
    seen++;
    if (n_held < 8 && seen < N)
        return;
    while (n_held > 0) {
        script_mirror(s, held[--n_held]);
        json_decref(held[n_held]);
    }
}

START_TEST(test_eight_are_in_flight_and_replies_may_come_in_any_order)
{
    struct tns_call calls[N];
    struct script *s = script_open(codecs(_i), hold_eight);

    make_calls(calls, N, TNS_CALL_READ);
    tst_ok(tns__rpc_calls(s->rpc, calls, N, &s->err), &s->err);
    ck_assert_uint_eq(s->most_outstanding, 8);
    ck_assert_uint_eq(s->n_sent, N);
    check_mirrored(calls, N);
    script_close(s);
}
END_TEST

START_TEST(test_one_call_gives_its_result_or_its_error)
{
    struct script *s = script_open(codecs(_i), script_mirror);
    json_t *params = json_pack("[{s:s}]", "a", "b");
    json_t *result = NULL;

    tst_ok(tns__rpc_call(s->rpc, "x.y", params, 0, &result, &s->err), &s->err);
    ck_assert_str_eq(json_string_value(json_object_get(result, "a")), "b");
    json_decref(result);
    tst_ok(tns__rpc_call(s->rpc, "x.y", params, 0, NULL, &s->err), &s->err);
    tst_ok(tns__rpc_call(s->rpc, "x.y", NULL, 0, &result, &s->err), &s->err);
    ck_assert(json_is_null(result));
    json_decref(params);
    script_close(s);
}
END_TEST

static void refuse_odd(struct script *s, json_t *request)
{
    json_t *first = json_array_get(json_object_get(request, "params"), 0);

    if (json_integer_value(first) % 2 == 0)
        script_mirror(s, request);
    else
        script_error(
            s, request,
            s->user
                ? "{\"error\":2,\"type\":null,\"reason\":\"[ENOENT] gone\",\"extra\":null}"
                : "{\"code\":-32001,\"message\":\"Method call error\",\"data\":{\"error\":"
                  "2,\"reason\":\"[ENOENT] gone\",\"extra\":null}}");
}

START_TEST(test_an_error_belongs_to_its_call_alone)
{
    struct tns_call calls[6];
    struct script *s = script_open(codecs(_i), refuse_odd);

    s->user = _i ? s : NULL;
    make_calls(calls, 6, 0);
    tst_ok(tns__rpc_calls(s->rpc, calls, 6, &s->err), &s->err);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(calls[i].error.code, i % 2 ? TNS_E_NOTFOUND : 0);
        ck_assert_int_eq(calls[i].result != NULL, i % 2 == 0);
        ck_assert_str_eq(calls[i].error.op, i % 2 ? "core.mirror" : "");
        call_done(&calls[i]);
    }
    script_close(s);
}
END_TEST

/* ---- C12, C25 and what must not be sent ---- */

START_TEST(test_C12_a_request_over_the_limit_fails_alone_and_is_not_sent)
{
    struct tns_call calls[3];
    struct script *s = script_open(codecs(_i), script_mirror);
    char *big = malloc(70000);

    memset(big, 'x', 69999);
    big[69999] = '\0';
    make_calls(calls, 3, 0);
    json_array_append_new(calls[1].params, json_string(big));
    tst_ok(tns__rpc_calls(s->rpc, calls, 3, &s->err), &s->err);
    ck_assert_int_eq(calls[0].error.code, 0);
    ck_assert_int_eq(calls[1].error.code, TNS_E_USAGE);
    ck_assert_uint_eq(calls[1].error.flags & TNS_F_OUTCOME_UNKNOWN, 0);
    ck_assert_int_eq(calls[2].error.code, 0);
    ck_assert_uint_eq(s->n_sent, 2);
    for (size_t i = 0; i < 3; i++)
        call_done(&calls[i]);
    free(big);
    script_close(s);
}
END_TEST

START_TEST(test_secrets_are_not_sent_where_others_can_read_them)
{
    static const unsigned flags[] = { TNS_CALL_AUTH, TNS_CALL_SECRET };
    struct script *s = script_open(codecs(_i), script_mirror);

    s->io.private = false;
    for (size_t i = 0; i < 2; i++) {
        struct tns_call call =
            call_of("auth.login_with_api_key", "[\"" TST_CANARY_KEY "\"]", flags[i]);

        tst_ok(tns__rpc_calls(s->rpc, &call, 1, &s->err), &s->err);
        ck_assert_int_eq(call.error.code, TNS_E_CONFIG);
        tst_no_canary(call.error.text);
        call_done(&call);
    }
    ck_assert_uint_eq(s->n_sent, 0);
    tst_ok(tns__rpc_call(s->rpc, "core.ping", NULL, TNS_CALL_READ, NULL, &s->err), &s->err);
    tst_no_canary(tst_log_text());
    script_close(s);
}
END_TEST

START_TEST(test_no_parameter_and_no_result_is_ever_logged)
{
    struct script *s = script_open(codecs(_i), script_mirror);
    struct tns_call call = call_of("auth.login_with_api_key", "[\"" TST_CANARY_KEY "\"]",
                                   TNS_CALL_AUTH | TNS_CALL_SECRET);

    tst_ok(tns__rpc_calls(s->rpc, &call, 1, &s->err), &s->err);
    ck_assert_ptr_nonnull(strstr(tst_log_text(), "auth.login_with_api_key"));
    tst_no_canary(tst_log_text());
    call_done(&call);
    script_close(s);
}
END_TEST

/* ---- C11: too many at once ---- */

#define TOO_MANY                                                                           \
    "{\"code\":-32000,\"message\":\"Maximum number of concurrent calls (20) has "          \
    "exceeded\"}"
#define TOO_MANY_DDP                                                                       \
    "{\"error\":109,\"type\":null,\"reason\":\"Maximum number of concurrent calls (20) "   \
    "has "                                                                                 \
    "exceeded.\",\"extra\":null}"

static void too_many_twice(struct script *s, json_t *request)
{
    if (s->n_sent <= 2)
        script_error(s, request, json_object_get(request, "msg") ? TOO_MANY_DDP : TOO_MANY);
    else
        script_mirror(s, request);
}

START_TEST(test_C11_a_call_refused_for_too_many_others_is_tried_again)
{
    struct script *s = script_open(codecs(_i), too_many_twice);
    struct tns_call call = call_of("pool.dataset.create", "[7]", 0);

    tst_ok(tns__rpc_calls(s->rpc, &call, 1, &s->err), &s->err);
    ck_assert_int_eq(call.error.code, 0);
    ck_assert_int_eq((int)json_integer_value(call.result), 7);
    ck_assert_uint_eq(s->n_sent, 3);
    call_done(&call);
    script_close(s);
}
END_TEST

static void too_many_always(struct script *s, json_t *request)
{
    script_error(s, request, json_object_get(request, "msg") ? TOO_MANY_DDP : TOO_MANY);
}

START_TEST(test_C11_it_was_not_executed_and_may_be_repeated_when_the_time_is_up)
{
    struct script *s = script_open(codecs(_i), too_many_always);
    struct tns_call call = call_of("pool.dataset.create", "[7]", 0);

    script_deadline(s, tst_ms(600));
    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_TIMEOUT);
    ck_assert_uint_eq(call.error.flags, TNS_F_RETRYABLE);
    ck_assert_uint_gt(s->n_sent, 2);
    ck_assert_uint_lt(s->n_sent, 10);
    call_done(&call);
    script_close(s);
}
END_TEST

/* ---- losses ---- */

static void answer_first_only(struct script *s, json_t *request)
{
    if (s->n_sent == 1)
        script_mirror(s, request);
    s->recv_fails = TNS_E_TRANSPORT;
}

START_TEST(test_a_broken_connection_tells_each_call_what_became_of_it)
{
    struct tns_call calls[10];
    struct script *s = script_open(codecs(_i), answer_first_only);

    make_calls(calls, 10, 0);
    calls[1].flags = TNS_CALL_READ;
    ck_assert_int_eq(tns__rpc_calls(s->rpc, calls, 10, &s->err), -TNS_E_TRANSPORT);
    ck_assert_int_eq(s->err.code, TNS_E_TRANSPORT);
    ck_assert_int_eq(calls[0].error.code, 0);
    ck_assert_ptr_nonnull(calls[0].result);
    ck_assert_uint_eq(calls[1].error.flags, TNS_F_RETRYABLE);
    for (size_t i = 2; i < 10; i++) {
        ck_assert_int_eq(calls[i].error.code, TNS_E_TRANSPORT);
        ck_assert_str_eq(calls[i].error.op, "core.mirror");
        ck_assert_uint_eq(calls[i].error.flags,
                          i < s->n_sent ? TNS_F_OUTCOME_UNKNOWN : TNS_F_RETRYABLE);
    }
    ck_assert_uint_lt(s->n_sent, 10);

    /* Nothing more is tried on it. */
    tns__error_clear(&s->err);
    tst_fails(tns__rpc_call(s->rpc, "core.ping", NULL, 0, NULL, &s->err), TNS_E_TRANSPORT,
              &s->err);
    for (size_t i = 0; i < 10; i++)
        call_done(&calls[i]);
    script_close(s);
}
END_TEST

START_TEST(test_a_send_that_fails_is_unknown_only_when_something_may_have_left)
{
    struct script *s = script_open(codecs(0), script_mirror);
    struct tns_call call = call_of("pool.dataset.create", NULL, 0);

    s->send_fails = TNS_E_TRANSPORT;
    s->send_left = _i;
    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_TRANSPORT);
    ck_assert_uint_eq(call.error.flags, _i ? TNS_F_OUTCOME_UNKNOWN : TNS_F_RETRYABLE);
    call_done(&call);
    script_close(s);
}
END_TEST

START_TEST(test_a_single_call_tells_what_the_loss_means)
{
    struct script *s = script_open(codecs(0), answer_first_only);

    tst_ok(tns__rpc_call(s->rpc, "core.mirror", NULL, 0, NULL, &s->err), &s->err);
    ck_assert_int_lt(tns__rpc_call(s->rpc, "pool.dataset.create", NULL, 0, NULL, &s->err),
                     0);
    ck_assert_uint_eq(s->err.flags, TNS_F_OUTCOME_UNKNOWN);
    script_close(s);
}
END_TEST

static void never(struct script *s, json_t *request)
{
    (void)s, (void)request;
}

static void late_first(struct script *s, json_t *request)
{
    if (s->n_sent == 1)
        return;
    /* The first one's answer comes late, before that of the second. */
    json_t *first = json_loads(s->sent[0], 0, NULL);

    script_result(s, first, "\"late\"");
    json_decref(first);
    script_mirror(s, request);
}

START_TEST(test_trap_7_a_late_reply_never_goes_to_another_call)
{
    struct script *s = script_open(codecs(_i), late_first);
    struct tns_call one = call_of("core.mirror", "[1]", 0),
                    two = call_of("core.mirror", "[2]", 0);

    script_deadline(s, 50);
    ck_assert_int_eq(tns__rpc_calls(s->rpc, &one, 1, &s->err), -TNS_E_TIMEOUT);
    ck_assert_uint_eq(one.error.flags, TNS_F_OUTCOME_UNKNOWN);
    call_done(&one);
    tns__error_clear(&s->err);

    script_deadline(s, 2000);
    tst_ok(tns__rpc_calls(s->rpc, &two, 1, &s->err), &s->err);
    ck_assert_int_eq((int)json_integer_value(two.result), 2);
    call_done(&two);
    script_close(s);
}
END_TEST

static int stop(void *user)
{
    (void)user;
    return 1;
}

START_TEST(test_the_cancel_callback_ends_a_call)
{
    struct script *s = script_open(codecs(0), never);
    struct tns_call call = call_of("pool.dataset.create", NULL, 0);

    s->ctx.cancel_fn = stop;
    script_deadline(s, 200);
    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_CANCELLED);
    ck_assert_uint_eq(call.error.flags, TNS_F_OUTCOME_UNKNOWN);
    call_done(&call);
    script_close(s);
}
END_TEST

START_TEST(test_a_forked_child_is_refused)
{
    struct script *s = script_open(codecs(0), script_mirror);
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int rc = tns__rpc_call(s->rpc, "core.ping", NULL, 0, NULL, &s->err);

        _exit(rc == -TNS_E_FORKED && s->n_sent == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    script_close(s);
}
END_TEST

/* ---- W04, W05: nonsense ---- */

static const char *const garbage[] = {
    "",
    "garbage",
    "{",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":1,\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":NaN}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1e400}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":9223372036854775808}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\\ud800\"}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]"
    "]]]]]]]]]]]]]]]"
    "]]]]]]]]]]]]]]]}",
};

static void say_garbage(struct script *s, json_t *request)
{
    (void)request;
    script_say(s, "%s", (const char *)s->user);
}

START_TEST(test_W04_what_is_no_JSON_ends_the_connection)
{
    struct script *s = script_open(codecs(0), say_garbage);
    struct tns_call call = call_of("pool.dataset.create", NULL, 0);

    s->user = (void *)(uintptr_t)garbage[_i];
    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_PROTOCOL);
    ck_assert_uint_eq(call.error.flags, TNS_F_OUTCOME_UNKNOWN);
    call_done(&call);
    script_close(s);
}
END_TEST

/* None of these is the answer; few of them are passed over, many are too many. */
static const char *const odd[] = {
    "{\"jsonrpc\":\"2.0\",\"id\":999,\"result\":1}",
    "{\"jsonrpc\":\"1.0\",\"id\":2,\"result\":1}",
    "{\"id\":2,\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":\"2\",\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":-2,\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}", /* repeated: 1 is done */
    "{\"jsonrpc\":\"2.0\",\"result\":1}",
    "[]",
    "17",
    "null",
};

static void odd_then_right(struct script *s, json_t *request)
{
    for (size_t i = 0; s->n_sent > 1 && i < 10; i++)
        script_say(s, "%s", (const char *)s->user);
    script_mirror(s, request);
}

START_TEST(test_W05_a_few_answers_to_nothing_are_passed_over)
{
    struct script *s = script_open(codecs(0), odd_then_right);
    struct tns_call one = call_of("a.b", "[1]", 0), two = call_of("a.b", "[2]", 0);

    s->user = (void *)(uintptr_t)odd[_i];
    tst_ok(tns__rpc_calls(s->rpc, &one, 1, &s->err), &s->err);
    tst_ok(tns__rpc_calls(s->rpc, &two, 1, &s->err), &s->err);
    ck_assert_int_eq((int)json_integer_value(two.result), 2);
    call_done(&one);
    call_done(&two);
    script_close(s);
}
END_TEST

static void odd_without_end(struct script *s, json_t *request)
{
    (void)request;
    for (int i = 0; i < 17; i++)
        script_say(s, "%s", odd[0]);
}

START_TEST(test_W05_many_answers_to_nothing_end_the_connection)
{
    struct script *s = script_open(codecs(0), odd_without_end);
    struct tns_call call = call_of("a.b", NULL, 0);

    ck_assert_int_eq(tns__rpc_calls(s->rpc, &call, 1, &s->err), -TNS_E_PROTOCOL);
    ck_assert_uint_eq(call.error.flags, TNS_F_OUTCOME_UNKNOWN);
    call_done(&call);
    script_close(s);
}
END_TEST

#define EVENT                                                                              \
    "{\"jsonrpc\":\"2.0\",\"method\":\"collection_update\",\"params\":{\"msg\":"           \
    "\"changed\","                                                                         \
    "\"collection\":\"core.get_jobs\",\"id\":1,\"fields\":{}}}"
#define EVENT_DDP                                                                          \
    "{\"msg\":\"changed\",\"collection\":\"core.get_jobs\",\"id\":1,\"fields\":{}}"

static void events_then_right(struct script *s, json_t *request)
{
    size_t n = (size_t)(uintptr_t)s->user;

    for (size_t i = 0; i < n; i++)
        script_say(s, "%s", json_object_get(request, "msg") ? EVENT_DDP : EVENT);
    script_mirror(s, request);
}

START_TEST(test_W05_events_are_ignored)
{
    struct script *s = script_open(codecs(_i), events_then_right);
    struct tns_call call = call_of("a.b", "[5]", 0);

    s->user = (void *)(uintptr_t)2000;
    for (int i = 0; i < 10; i++) {
        tst_ok(tns__rpc_calls(s->rpc, &call, 1, &s->err), &s->err);
        ck_assert_int_eq((int)json_integer_value(call.result), 5);
    }
    call_done(&call);
    script_close(s);
}
END_TEST

START_TEST(test_W05_a_storm_of_events_ends_the_connection)
{
    struct script *s = script_open(codecs(_i), events_then_right);

    s->user = (void *)(uintptr_t)20000;
    tst_fails(tns__rpc_call(s->rpc, "a.b", NULL, 0, NULL, &s->err), TNS_E_PROTOCOL,
              &s->err);
    script_close(s);
}
END_TEST

static void cannot_read(struct script *s, json_t *request)
{
    (void)request;
    script_say(s, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":"
                  "\"Batch messages are not supported at this time\"}}");
}

START_TEST(test_a_request_that_the_NAS_cannot_read_is_told)
{
    struct script *s = script_open(codecs(0), cannot_read);
    int rc = tns__rpc_call(s->rpc, "a.b", NULL, 0, NULL, &s->err);

    tst_says(&s->err, "Batch messages");
    tst_fails(rc, TNS_E_PROTOCOL, &s->err);
    script_close(s);
}
END_TEST

static void neither(struct script *s, json_t *request)
{
    script_say(s, "{\"jsonrpc\":\"2.0\",\"id\":%lld}",
               (long long)json_integer_value(json_object_get(request, "id")));
}

START_TEST(test_an_answer_with_neither_result_nor_error_fails_its_call)
{
    struct script *s = script_open(codecs(0), neither);

    tst_fails(tns__rpc_call(s->rpc, "a.b", NULL, 0, NULL, &s->err), TNS_E_PROTOCOL,
              &s->err);
    script_close(s);
}
END_TEST

/* ---- submit and pump ---- */

START_TEST(test_calls_are_handed_back_as_they_finish)
{
    struct script *s = script_open(codecs(_i), hold_eight);
    struct tns_call calls[N], *done;
    size_t back = 0;

    seen = n_held = 0;
    make_calls(calls, N, 0);
    for (size_t i = 0; i < N; i++)
        tst_ok(s->rpc->ops->submit(s->rpc, &calls[i], &s->err), &s->err);
    while (back < N) {
        tst_ok(s->rpc->ops->pump(s->rpc, 1000, &done, &s->err), &s->err);
        ck_assert_ptr_nonnull(done);
        ck_assert(done >= calls && done < calls + N);
        back++;
    }
    tst_ok(s->rpc->ops->pump(s->rpc, 0, &done, &s->err), &s->err);
    ck_assert_ptr_null(done);
    check_mirrored(calls, N);
    ck_assert_int_eq(s->rpc->ops->fd(s->rpc), 42);
    ck_assert_str_eq(s->rpc->ops->fingerprint(s->rpc), "AB:CD");
    tst_ok(s->rpc->ops->ping(s->rpc, &s->err), &s->err);
    ck_assert_uint_eq(s->pings, 1);
    script_close(s);
}
END_TEST

START_TEST(test_pump_without_time_does_not_wait)
{
    struct script *s = script_open(codecs(0), never);
    struct tns_call call = call_of("a.b", NULL, 0), *done = &call;
    struct tst_watch start = tst_watch();

    tst_ok(s->rpc->ops->submit(s->rpc, &call, &s->err), &s->err);
    for (int i = 0; i < 100; i++) {
        tst_ok(s->rpc->ops->pump(s->rpc, 0, &done, &s->err), &s->err);
        ck_assert_ptr_null(done);
    }
    ck_assert_uint_eq(s->n_sent, 1);
    ck_assert_uint_le(tst_own_ms(start), tst_ms(100));

    s->recv_fails = TNS_E_TRANSPORT;
    ck_assert_int_eq(s->rpc->ops->pump(s->rpc, 0, &done, &s->err), -TNS_E_TRANSPORT);
    ck_assert_uint_eq(call.error.flags, TNS_F_OUTCOME_UNKNOWN);
    call_done(&call);
    script_close(s);
}
END_TEST

struct sweep {
    script_fn fn;
    const struct tns_codec *codec;
};

static int sweep_calls(void *user, struct tns_error *err)
{
    const struct sweep *w = user;
    struct script *s = script_open(NULL, w->fn);
    struct tns_call calls[3];
    int rc = tns__mux_open(&s->ctx, w->codec, &s->io, &s->rpc, err);

    for (size_t i = 0; i < 3; i++)
        calls[i] = (struct tns_call){ .method = "core.mirror", .error = TNS_ERROR_INIT };
    if (rc == 0)
        rc = tns__rpc_calls(s->rpc, calls, 3, err);
    for (size_t i = 0; i < 3; i++) {
        /* Alone, a call may fail for want of memory; never silently. */
        ck_assert(calls[i].error.code || calls[i].result || rc < 0);
        if (rc == 0 && calls[i].error.code)
            rc = tns__error_copy(err, &calls[i].error);
        tns__call_clear(&calls[i]);
    }
    script_close(s);
    return rc;
}

START_TEST(test_every_allocation_may_fail)
{
    struct sweep w = { .fn = script_mirror, .codec = codecs(_i) };

    ck_assert_uint_gt(tst_alloc_sweep(sweep_calls, &w, (int[]){ TNS_E_PROTOCOL, 0 }), 20);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mux");
    TCase *tc = tcase_create("mux");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_eight_are_in_flight_and_replies_may_come_in_any_order, 0,
                        2);
    tcase_add_loop_test(tc, test_one_call_gives_its_result_or_its_error, 0, 2);
    tcase_add_loop_test(tc, test_an_error_belongs_to_its_call_alone, 0, 2);
    tcase_add_loop_test(tc, test_C12_a_request_over_the_limit_fails_alone_and_is_not_sent,
                        0, 2);
    tcase_add_loop_test(tc, test_secrets_are_not_sent_where_others_can_read_them, 0, 2);
    tcase_add_loop_test(tc, test_no_parameter_and_no_result_is_ever_logged, 0, 2);
    tcase_add_loop_test(tc, test_C11_a_call_refused_for_too_many_others_is_tried_again, 0,
                        2);
    tcase_add_loop_test(
        tc, test_C11_it_was_not_executed_and_may_be_repeated_when_the_time_is_up, 0, 2);
    tcase_add_loop_test(tc, test_a_broken_connection_tells_each_call_what_became_of_it, 0,
                        2);
    tcase_add_loop_test(tc,
                        test_a_send_that_fails_is_unknown_only_when_something_may_have_left,
                        0, 2);
    tcase_add_test(tc, test_a_single_call_tells_what_the_loss_means);
    tcase_add_loop_test(tc, test_trap_7_a_late_reply_never_goes_to_another_call, 0, 2);
    tcase_add_test(tc, test_the_cancel_callback_ends_a_call);
    tcase_add_test(tc, test_a_forked_child_is_refused);
    tcase_add_loop_test(tc, test_W04_what_is_no_JSON_ends_the_connection, 0,
                        sizeof(garbage) / sizeof(garbage[0]));
    tcase_add_loop_test(tc, test_W05_a_few_answers_to_nothing_are_passed_over, 0,
                        sizeof(odd) / sizeof(odd[0]));
    tcase_add_test(tc, test_W05_many_answers_to_nothing_end_the_connection);
    tcase_add_loop_test(tc, test_W05_events_are_ignored, 0, 2);
    tcase_add_loop_test(tc, test_W05_a_storm_of_events_ends_the_connection, 0, 2);
    tcase_add_test(tc, test_a_request_that_the_NAS_cannot_read_is_told);
    tcase_add_test(tc, test_an_answer_with_neither_result_nor_error_fails_its_call);
    tcase_add_loop_test(tc, test_calls_are_handed_back_as_they_finish, 0, 2);
    tcase_add_test(tc, test_pump_without_time_does_not_wait);
    tcase_add_loop_test(tc, test_every_allocation_may_fail, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
