/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting to every release in every dialect: trips, logins, lost replies, refusals. */
#include <string.h>

#include "session/ses.h"

static const struct tns_caps *caps_of(struct tns_session *s)
{
    struct tns_error err = TNS_ERROR_INIT;
    const struct tns_caps *caps = NULL;

    tst_ok(tns__session_caps(s, &caps, &err), &err);
    return caps;
}

static struct tns_session *open_cell(const char *run_dir)
{
    struct tns_session_opts opts;

    ses_opts(tst_cell_sim(), run_dir, &opts);
    opts.transport = ses_transport();
    return ses_open(&opts);
}

static bool is_rest(void)
{
    return tst_cell_is(NULL, "rest");
}

/* How often the log of tnsim holds this text. */
static unsigned log_count(const char *text)
{
    _tns_free_ char *body = NULL;
    unsigned n = 0;

    ck_assert_int_eq(tst_http(tst_cell_sim()->control_port, "GET", "/log", NULL, &body,
                              5000),
                     200);
    for (const char *p = body; (p = strstr(p, text)); p++)
        n++;
    return n;
}

static enum tns_dialect cell_dialect(void)
{
    return is_rest()                      ? TNS_DIALECT_REST
           : tst_cell_is(NULL, "jsonrpc") ? TNS_DIALECT_JSONRPC
                                          : TNS_DIALECT_DDP;
}

START_TEST(test_it_connects_and_knows_the_release_and_the_dialect)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    const struct tns_caps *caps = caps_of(s);
    struct tns_session_info info;

    tns__session_info(s, &info);
    ck_assert_int_eq(caps->dialect, cell_dialect());
    ck_assert_int_eq(info.dialect, cell_dialect());
    ck_assert_str_eq(info.host, tst_cell_sim()->host);
    ck_assert(!info.via_holder);
    if (!is_rest())
        ck_assert_str_eq(info.fingerprint, tst_cell_sim()->fingerprint);
    ck_assert_uint_eq(caps->release, tns__release_of(caps->version));
    ck_assert_int_eq(strncmp(strpbrk(caps->version, "23456"), tst_cell()->release,
                             strlen(tst_cell()->release)),
                     0);
}
END_TEST

START_TEST(test_opening_touches_no_network)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());

    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "connections"), 0);
}
END_TEST

START_TEST(test_connect_probe_and_login_take_four_trips_and_two_once_remembered)
{
    const char *dir = ses_run_dir();
    struct tns_session *s = open_cell(dir);

    caps_of(s);
    tns__session_close(s);
    ck_assert_int_le(tst_sim_stat(tst_cell_sim(), "trips") +
                         log_count("/api/versions\",\"t"),
                     4);
    tst_sim_reset(tst_cell_sim());
    s = open_cell(dir);
    caps_of(s);
    tns__session_close(s);
    ck_assert_uint_eq(log_count("GET /api/versions"), 0);
    ck_assert_int_le(tst_sim_stat(tst_cell_sim(), "trips"), 2);
}
END_TEST

START_TEST(test_ten_thousand_calls_need_one_login)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;
    int n = tst_cell_is("25.10", "jsonrpc") ? 10000 : 200;

    tns__ctx_begin(tns__session_ctx(s), 55000);
    for (int i = 0; i < n; i++)
        tst_ok(ses_call(s, &err), &err);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), is_rest() ? 0 : 1);
}
END_TEST

START_TEST(test_a_handle_counts_what_it_used)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_session_counters used;

    for (int i = 0; i < 3; i++)
        tst_ok(ses_call(s, &err), &err);
    tns__session_counters(s, &used);
    ck_assert_uint_eq(used.calls, 3);
    ck_assert_uint_eq(used.trips, 3);
    ck_assert_uint_eq(used.logins, is_rest() ? 0 : 1);
}
END_TEST

START_TEST(test_a_batch_is_answered_call_by_call)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    _tns_json_ json_t *none = json_array();
    _tns_json_ json_t *missing =
        json_pack("[[[s,s,s]],{s:b}]", "id", "=", "tank/nowhere", "get", 1);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_call calls[12];

    for (int i = 0; i < 12; i++)
        calls[i] =
            (struct tns_call){ .method = i == 5 ? "pool.dataset.query" : "system.version",
                               .params = i == 5 ? missing : none,
                               .flags = TNS_CALL_READ,
                               .error = TNS_ERROR_INIT };
    tst_ok(tns__session_calls(s, calls, 12, &err), &err);
    for (int i = 0; i < 12; i++) {
        if (i == 5) {
            ck_assert_int_ne(calls[i].error.code, 0);
        } else {
            ck_assert_int_eq(calls[i].error.code, 0);
            ck_assert(json_is_string(calls[i].result));
        }
        tns__call_clear(&calls[i]);
    }
}
END_TEST

/* ---- replies that do not come ---- */

START_TEST(test_c08_a_read_whose_reply_was_lost_is_repeated_on_a_new_connection)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;

    caps_of(s);
    tst_sim_fault(tst_cell_sim(), "{\"match\":\"system.version\",\"do\":\"cut\"}");
    tst_ok(ses_call(s, &err), &err);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), is_rest() ? 0 : 2);
}
END_TEST

static json_t *new_zvol(const char *name)
{
    /* cells of one release share a tnsim */
    return json_pack("[{s:s+,s:s,s:I,s:b}]", "name", name, tst_cell()->dialect, "type",
                     "VOLUME", "volsize", (json_int_t)1 << 20, "sparse", 1);
}

START_TEST(test_c07_a_change_whose_reply_was_lost_is_unknown_and_never_repeated)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    _tns_json_ json_t *params = new_zvol("tank/lost");
    struct tns_error err = TNS_ERROR_INIT;
    int rc;

    caps_of(s);
    tst_sim_fault(tst_cell_sim(), "{\"match\":\"pool.dataset.create\",\"do\":\"cut\"}");
    rc = tns__session_call(s, "pool.dataset.create", params, 0, NULL, &err);
    ck_assert_int_eq(rc, -TNS_E_TRANSPORT);
    ck_assert_uint_ne(err.flags & TNS_F_OUTCOME_UNKNOWN, 0);
    ck_assert_int_eq(tst_sim_calls(tst_cell_sim(), "pool.dataset.create"), 1);
    tns__error_clear(&err);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c08_a_restart_of_the_nas_is_waited_for_within_the_deadline)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    _tns_json_ json_t *params = new_zvol("tank/after");
    struct tns_error err = TNS_ERROR_INIT;

    caps_of(s);
    tst_sim_world(tst_cell_sim(), "{\"restart\":{\"ms\":500}}");
    tst_ok(ses_call(s, &err), &err);
    tst_sim_world(tst_cell_sim(), "{\"restart\":{\"ms\":200}}");
    /* a change that finds the connection cut never left: it is sent, once */
    tst_eventually(tns__session_call(s, "pool.dataset.create", params, 0, NULL, &err) ==
                           0 ||
                       (err.flags & TNS_F_OUTCOME_UNKNOWN),
                   1);
    ck_assert_int_le(tst_sim_calls(tst_cell_sim(), "pool.dataset.create"), 1);
    ck_assert_int_le(tst_sim_stat(tst_cell_sim(), "logins"), 3);
}
END_TEST

START_TEST(test_a_nas_that_is_away_is_reported_after_a_few_attempts)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    struct tst_watch began = tst_watch();
    _tns_session_ struct tns_session *s = NULL;

    ses_opts(tst_cell_sim(), ses_run_dir(), &opts);
    opts.transport = ses_transport();
    opts.port = 1; /* nobody listens there */
    s = ses_open(&opts);
    ck_assert_int_eq(ses_call(s, &err), -TNS_E_TRANSPORT);
    tst_says(&err, tst_cell_sim()->host);
    ck_assert_uint_eq(err.flags & TNS_F_OUTCOME_UNKNOWN, 0);
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(4000));
}
END_TEST

START_TEST(test_a_silent_nas_ends_the_call_at_its_deadline)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;
    struct tst_watch began;
    uint64_t before;

    caps_of(s);
    tst_sim_fault(tst_cell_sim(), "{\"match\":\"system.version\",\"do\":\"drop\"}");
    began = tst_watch();
    before = tns__ctx_begin(tns__session_ctx(s), 400);
    tst_fails(ses_call(s, &err), TNS_E_TIMEOUT, &err);
    tns__session_ctx(s)->deadline_ns = before;
    ck_assert_uint_lt(tst_own_ms(began), 400 + tst_ms(100));
    /* the connection was good: no other login is spent on it */
    tst_ok(ses_call(s, &err), &err);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), is_rest() ? 0 : 1);
}
END_TEST

START_TEST(test_c11_too_many_calls_at_once_is_tried_again)
{
    _tns_session_ struct tns_session *s = NULL;
    struct tns_error err = TNS_ERROR_INIT;

    if (is_rest())
        return;
    s = open_cell(ses_run_dir());
    caps_of(s);
    tst_sim_fault(
        tst_cell_sim(),
        tst_cell_is(NULL, "jsonrpc")
            ? "{\"match\":\"system.version\",\"do\":\"fail\",\"code\":-32000,"
              "\"reason\":\"Maximum number of concurrent calls (20) has exceeded\"}"
            : "{\"match\":\"system.version\",\"do\":\"cut\"}");
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c12_a_request_over_the_limit_is_refused_here_and_nothing_is_sent)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    char text[70000];
    _tns_json_ json_t *params = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    json_int_t calls;

    caps_of(s);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    params = json_pack("[{s:s,s:s,s:s}]", "name", "tank/big", "type", "FILESYSTEM",
                       "comments", text);
    calls = tst_sim_stat(tst_cell_sim(), "calls");
    tst_fails(tns__session_call(s, "pool.dataset.create", params, 0, NULL, &err),
              TNS_E_USAGE, &err);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "calls"), calls);
    tst_ok(ses_call(s, &err), &err);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), is_rest() ? 0 : 1);
}
END_TEST

START_TEST(test_c08_a_proxy_that_says_503_is_asked_again_for_reads)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;

    if (!is_rest())
        return; /* a websocket has no proxy in between once it is open */
    caps_of(s);
    tst_sim_fault(tst_cell_sim(),
                  "{\"match\":\"http:GET *\",\"do\":\"status\",\"status\":503}");
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

/* ---- refusals ---- */

static int call_with_wrong_key(const char *dir, struct tns_error *err)
{
    _tns_session_ struct tns_session *s = NULL;
    struct tns_session_opts opts;

    ses_opts(tst_cell_sim(), dir, &opts);
    opts.transport = ses_transport();
    opts.key = TST_CANARY_KEY;
    opts.key_len = sizeof TST_CANARY_KEY - 1;
    s = ses_open(&opts);
    return ses_call(s, err);
}

START_TEST(test_c25_a_wrong_key_is_tried_once_and_then_left_alone_by_all_processes)
{
    const char *dir = ses_run_dir();
    struct tns_error err = TNS_ERROR_INIT;
    json_int_t tried;

    ck_assert_int_eq(call_with_wrong_key(dir, &err), -TNS_E_AUTH);
    tst_no_canary(err.text);
    tns__error_clear(&err);
    tried = tst_sim_stat(tst_cell_sim(), "connections");
    ck_assert_int_eq(call_with_wrong_key(dir, &err), -TNS_E_AUTH);
    ck_assert_uint_gt(err.retry_after_ms, 0);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "connections"), tried);
    if (!is_rest())
        ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), 1);
    tst_no_canary(ses_log_text());
}
END_TEST

START_TEST(test_c25_another_key_is_tried_at_once)
{
    const char *dir = ses_run_dir();
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    ck_assert_int_eq(call_with_wrong_key(dir, &err), -TNS_E_AUTH);
    tns__error_clear(&err);
    s = open_cell(dir);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c10_the_login_limit_of_the_nas_stops_everybody_for_a_while)
{
    const char *dir = ses_run_dir();
    struct tns_error err = TNS_ERROR_INIT;
    json_int_t connections;

    if (is_rest() || tst_cell_is("22.12", NULL) || tst_cell_is("23.10", NULL) ||
        tst_cell_is("24.04", NULL))
        return; /* no limiter there */
    tst_sim_world(tst_cell_sim(), "{\"limiter\":{\"calls\":0,\"sleep\":[0,0]}}");
    for (int i = 0; i < 3; i++) {
        _tns_session_ struct tns_session *s = open_cell(dir);

        ck_assert_int_eq(ses_call(s, &err), -TNS_E_BUSY);
        ck_assert_uint_gt(err.retry_after_ms, 50000);
        tns__error_clear(&err);
        if (i == 0)
            connections = tst_sim_stat(tst_cell_sim(), "connections");
    }
    tst_sim_world(tst_cell_sim(), "{\"limiter\":{\"calls\":20,\"sleep\":[1,10]}}");
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), 0);
    ck_assert_int_eq(tst_sim_calls(tst_cell_sim(), "auth.login_with_api_key"), 1);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "connections"), connections);
}
END_TEST

START_TEST(test_an_expired_session_is_renewed_and_the_call_repeated)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    _tns_json_ json_t *params = new_zvol("tank/renewed");
    struct tns_error err = TNS_ERROR_INIT;

    if (is_rest())
        return;
    caps_of(s);
    tst_sim_world(tst_cell_sim(), "{\"expire_sessions\":true}");
    /* not executed, so even a change is sent again */
    tst_ok(tns__session_call(s, "pool.dataset.create", params, 0, NULL, &err), &err);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), 2);
}
END_TEST

START_TEST(test_c24_a_read_only_key_reads_and_is_told_what_it_may_not)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *params = new_zvol("tank/forbidden");
    _tns_json_ json_t *made = NULL;
    _tns_json_ json_t *query = json_array();
    _tns_session_ struct tns_session *s = NULL;

    if (is_rest()) /* full administrators only, from 24.04 on */
        return;
    made = json_pack("{s:[{s:s,s:b}]}", "keys", "name", "reader", "read_only", 1);
    {
        _tns_json_ json_t *answer = tst_sim_post(tst_cell_sim(), "/world", made);
        const char *key =
            json_string_value(json_array_get(json_object_get(answer, "keys"), 0));

        ck_assert_ptr_nonnull(key);
        ses_opts(tst_cell_sim(), ses_run_dir(), &opts);
        opts.transport = ses_transport();
        opts.key = key;
        opts.key_len = strlen(key);
        s = ses_open(&opts);
    }
    tst_ok(tns__session_call(s, "pool.dataset.query", query, TNS_CALL_READ, NULL, &err),
           &err);
    tst_fails(tns__session_call(s, "pool.dataset.create", params, 0, NULL, &err),
              TNS_E_PERMISSION, &err);
    tst_ok(ses_call(s, &err), &err);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), 1);
}
END_TEST

START_TEST(test_c36_an_unknown_method_is_unsupported_and_harmless)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    _tns_json_ json_t *params = json_array();
    struct tns_error err = TNS_ERROR_INIT;

    caps_of(s);
    ck_assert_int_lt(tns__session_call(s, "pool.no_such_method", params, 0, NULL, &err), 0);
    ck_assert_int_eq(err.code, TNS_E_UNSUPPORTED);
    ck_assert_uint_eq(err.flags & TNS_F_OUTCOME_UNKNOWN, 0);
    tns__error_clear(&err);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c36_the_release_is_asked_for_again_after_a_reconnection)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;

    caps_of(s);
    tst_sim_fault(tst_cell_sim(),
                  "[{\"match\":\"system.version\",\"nth\":1,\"do\":\"cut\"},"
                  "{\"match\":\"system.version\",\"nth\":2,\"do\":\"answer\","
                  "\"result\":\"TrueNAS-27.10.0\"}]");
    tst_ok(ses_call(s, &err), &err);
    if (is_rest())
        return; /* it has no connection that could have been another NAS since */
    ck_assert_uint_eq(caps_of(s)->release, 2710);
}
END_TEST

START_TEST(test_a_handle_of_another_process_is_refused)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;

    caps_of(s);
    tns__session_ctx(s)->owner_pid++;
    tst_fails(ses_call(s, &err), TNS_E_FORKED, &err);
    tns__session_ctx(s)->owner_pid--;
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c37_the_wall_clock_of_the_nas_does_not_matter)
{
    _tns_session_ struct tns_session *s = open_cell(ses_run_dir());
    struct tns_error err = TNS_ERROR_INIT;

    tst_sim_world(tst_cell_sim(), "{\"clock_offset\":86400}");
    tst_ok(ses_call(s, &err), &err);
    tst_sim_world(tst_cell_sim(), "{\"clock_offset\":0}");
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

static int cancel_now(void *user)
{
    return *(int *)user;
}

START_TEST(test_the_cancel_callback_ends_a_call)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;
    int stop = 0;

    ses_opts(tst_cell_sim(), ses_run_dir(), &opts);
    opts.transport = ses_transport();
    opts.cancel_fn = cancel_now;
    opts.cancel_user = &stop;
    s = ses_open(&opts);
    caps_of(s);
    tst_sim_fault(tst_cell_sim(), "{\"match\":\"system.version\",\"do\":\"drop\"}");
    stop = 1;
    tst_fails(ses_call(s, &err), TNS_E_CANCELLED, &err);
    stop = 0;
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

/* ---- logging in with a user name ---- */

static int call_as(const char *user, const char *dir, struct tns_error *err)
{
    _tns_session_ struct tns_session *s = NULL;
    struct tns_session_opts opts;

    ses_opts(tst_cell_sim(), dir, &opts);
    opts.transport = ses_transport();
    opts.user = user;
    s = ses_open(&opts);
    return ses_call(s, err);
}

START_TEST(test_with_a_user_the_login_is_the_one_of_the_release)
{
    const char *dir = ses_run_dir();
    struct tns_error err = TNS_ERROR_INIT;
    bool words = tst_cell_is(NULL, "jsonrpc");

    tst_ok(call_as("root", dir, &err), &err);
    ck_assert_int_eq(tst_sim_calls(tst_cell_sim(), "auth.login_ex"),
                     !words                    ? 0
                     : tst_cell_is("26", NULL) ? 2
                                               : 1);
    ck_assert_int_eq(tst_sim_calls(tst_cell_sim(), "auth.login_with_api_key"),
                     words || is_rest() ? 0 : 1);
    ck_assert_uint_eq(log_count("API_KEY_PLAIN"),
                      words && !tst_cell_is("26", NULL) ? 1 : 0);
    ck_assert_uint_eq(log_count("SCRAM"), tst_cell_is("26", NULL) ? 2 : 0);
}
END_TEST

START_TEST(test_a_wrong_user_is_refused_and_scram_is_never_followed_by_plain)
{
    const char *dir = ses_run_dir();
    struct tns_error err = TNS_ERROR_INIT;

    if (!tst_cell_is(NULL, "jsonrpc"))
        return;
    tst_fails(call_as("nobody", dir, &err), TNS_E_AUTH, &err);
    if (tst_cell_is("26", NULL)) {
        ck_assert_uint_eq(log_count("API_KEY_PLAIN"), 0);
        ck_assert_int_eq(tst_sim_calls(tst_cell_sim(), "auth.login_with_api_key"), 0);
    }
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "logins"), 1);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, test_it_connects_and_knows_the_release_and_the_dialect);
    tcase_add_test(tc, test_opening_touches_no_network);
    tcase_add_test(tc,
                   test_connect_probe_and_login_take_four_trips_and_two_once_remembered);
    tcase_add_test(tc, test_ten_thousand_calls_need_one_login);
    tcase_add_test(tc, test_a_handle_counts_what_it_used);
    tcase_add_test(tc, test_a_batch_is_answered_call_by_call);
    tcase_add_test(tc, test_c08_a_proxy_that_says_503_is_asked_again_for_reads);
    tcase_add_test(tc,
                   test_c08_a_read_whose_reply_was_lost_is_repeated_on_a_new_connection);
    tcase_add_test(tc,
                   test_c07_a_change_whose_reply_was_lost_is_unknown_and_never_repeated);
    tcase_add_test(tc, test_c08_a_restart_of_the_nas_is_waited_for_within_the_deadline);
    tcase_add_test(tc, test_a_nas_that_is_away_is_reported_after_a_few_attempts);
    tcase_add_test(tc, test_a_silent_nas_ends_the_call_at_its_deadline);
    tcase_add_test(tc, test_c11_too_many_calls_at_once_is_tried_again);
    tcase_add_test(tc,
                   test_c12_a_request_over_the_limit_is_refused_here_and_nothing_is_sent);
    tcase_add_test(tc,
                   test_c25_a_wrong_key_is_tried_once_and_then_left_alone_by_all_processes);
    tcase_add_test(tc, test_c25_another_key_is_tried_at_once);
    tcase_add_test(tc, test_c10_the_login_limit_of_the_nas_stops_everybody_for_a_while);
    tcase_add_test(tc, test_an_expired_session_is_renewed_and_the_call_repeated);
    tcase_add_test(tc, test_c24_a_read_only_key_reads_and_is_told_what_it_may_not);
    tcase_add_test(tc, test_c36_an_unknown_method_is_unsupported_and_harmless);
    tcase_add_test(tc, test_c36_the_release_is_asked_for_again_after_a_reconnection);
    tcase_add_test(tc, test_a_handle_of_another_process_is_refused);
    tcase_add_test(tc, test_c37_the_wall_clock_of_the_nas_does_not_matter);
    tcase_add_test(tc, test_the_cancel_callback_ends_a_call);
    tcase_add_test(tc, test_with_a_user_the_login_is_the_one_of_the_release);
    tcase_add_test(tc, test_a_wrong_user_is_refused_and_scram_is_never_followed_by_plain);
}

int main(void)
{
    Suite *s = suite_create("session connections");

    tst_matrix(s, add);
    return tst_run(s);
}
