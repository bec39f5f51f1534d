/* SPDX-License-Identifier: Apache-2.0 */
/* Several hosts, standby controllers, and hosts that answer what they must not answer. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "session/ses.h"

#define SHARED_SECRET "SharedSharedSharedSharedSharedSharedSharedSharedSharedSharedShar"
#define SHARED_KEY "77-" SHARED_SECRET

/* Two controllers of one pair: same port, same key, certificates of their own. */
static struct tst_sim *one, *two;
static char both[64], prints[256], run_dir[300];

static void add_key(const struct tst_sim *sim)
{
    tst_sim_world(sim,
                  "{\"keys\":[{\"id\":77,\"name\":\"shared\",\"user\":\"root\",\"secret\":"
                  "\"" SHARED_SECRET "\"}]}");
}

static void start_pair(const char *release)
{
    char listen[64];
    const char *args[] = { "--listen", listen, NULL };

    one = tst_sim_start(release, NULL);
    snprintf(listen, sizeof listen, "127.0.0.2:%d", one->port);
    two = tst_sim_start(release, args);
    /* a known id would be changed, not made: so it is asked for by name first */
    tst_sim_world(one, "{\"keys\":[{\"name\":\"shared\",\"delete\":true}]}");
    add_key(one);
    add_key(two);
    snprintf(both, sizeof both, "%s,%s", one->host, two->host);
    snprintf(prints, sizeof prints, "%s,%s", one->fingerprint, two->fingerprint);
}

static void start_25(void)
{
    start_pair("25.10");
}

static void start_26(void)
{
    start_pair("26");
}

static void start_24(void)
{
    start_pair("24.10");
}

static void stop_pair(void)
{
    tst_sim_stop(one);
    tst_sim_stop(two);
}

static void calm(const struct tst_sim *sim)
{
    tst_sim_reset(sim);
    tst_sim_world(sim, "{\"limiter\":{\"reset\":true},\"standby\":0}");
}

static void fresh(void)
{
    snprintf(run_dir, sizeof run_dir, "%s", ses_run_dir());
    calm(one);
    calm(two);
}

static void pair_opts(struct tns_session_opts *ret)
{
    ses_opts(one, run_dir, ret);
    ret->hosts = both;
    ret->fingerprints = prints;
    ret->key = SHARED_KEY;
    ret->key_len = sizeof SHARED_KEY - 1;
}

static struct tns_session *open_pair(const char *user)
{
    struct tns_session_opts opts;

    pair_opts(&opts);
    opts.user = user;
    return ses_open(&opts);
}

static const char *at_host(const struct tns_session *s)
{
    static struct tns_session_info info;

    tns__session_info(s, &info);
    return info.host;
}

START_TEST(test_the_first_host_is_used_while_it_is_fine)
{
    _tns_session_ struct tns_session *s = open_pair(NULL);
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(ses_call(s, &err), &err);
    ck_assert_str_eq(at_host(s), one->host);
    ck_assert_int_eq(tst_sim_stat(two, "connections"), 0);
}
END_TEST

START_TEST(test_c38_a_standby_that_redirects_is_skipped)
{
    _tns_session_ struct tns_session *s = open_pair("root");
    struct tns_error err = TNS_ERROR_INIT;

    tst_sim_world(one, "{\"standby\":{\"urls\":[\"https://192.0.2.77\"]}}");
    tst_ok(ses_call(s, &err), &err);
    ck_assert_str_eq(at_host(s), two->host);
    ck_assert_int_eq(tst_sim_stat(one, "logins"), 1);
}
END_TEST

START_TEST(test_c38_a_standby_that_says_false_is_skipped)
{
    _tns_session_ struct tns_session *s = open_pair(NULL);
    struct tns_error err = TNS_ERROR_INIT;

    tst_sim_world(one, "{\"standby\":1}");
    tst_ok(ses_call(s, &err), &err);
    ck_assert_str_eq(at_host(s), two->host);
}
END_TEST

START_TEST(test_c38_a_failover_is_followed_within_the_deadline)
{
    _tns_session_ struct tns_session *s = open_pair(NULL);
    struct tns_error err = TNS_ERROR_INIT;

    tst_sim_world(two, "{\"standby\":1}");
    tst_ok(ses_call(s, &err), &err);
    ck_assert_str_eq(at_host(s), one->host);
    tst_sim_world(two, "{\"standby\":0}");
    tst_sim_world(one, "{\"standby\":1}");
    tst_ok(ses_call(s, &err), &err);
    ck_assert_str_eq(at_host(s), two->host);
}
END_TEST

static bool listens(const struct tst_sim *sim)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)sim->port) };
    _tns_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, sim->host, &addr.sin_addr);
    return connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
}

START_TEST(test_a_host_that_is_down_is_skipped)
{
    _tns_session_ struct tns_session *s = open_pair(NULL);
    struct tns_error err = TNS_ERROR_INIT;

    tst_sim_world(one, "{\"restart\":{\"ms\":1500}}");
    tst_ok(ses_call(s, &err), &err);
    ck_assert_str_eq(at_host(s), two->host);
    tst_eventually(listens(one), 5000);
}
END_TEST

START_TEST(test_a_host_that_swallows_everything_gets_its_share_of_the_time_only)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;
    struct tst_watch began = tst_watch();

    tst_sim_fault(one, "{\"match\":\"http:*\",\"do\":\"hang\",\"count\":0}");
    pair_opts(&opts);
    opts.timeout_ms = tst_ms(6000);
    s = ses_open(&opts);
    tst_ok(ses_call(s, &err), &err);
    ck_assert_str_eq(at_host(s), two->host);
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(5500));
}
END_TEST

START_TEST(test_a_lone_standby_says_what_to_configure_and_is_no_refused_key)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    tst_sim_world(one, "{\"standby\":1}");
    pair_opts(&opts);
    opts.hosts = one->host;
    opts.user = "root";
    opts.timeout_ms = tst_ms(5000);
    s = ses_open(&opts);
    ck_assert_int_eq(ses_call(s, &err), -TNS_E_UNAVAILABLE);
    tst_says(&err, "standby");
    tns__error_clear(&err);
    tst_sim_world(one, "{\"standby\":0}");
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c25_a_key_is_refused_only_when_every_host_refuses_it)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    pair_opts(&opts);
    opts.key = TST_CANARY_KEY;
    opts.key_len = sizeof TST_CANARY_KEY - 1;
    s = ses_open(&opts);
    tst_fails(ses_call(s, &err), TNS_E_AUTH, &err);
    tst_fails(ses_call(s, &err), TNS_E_AUTH, &err);
    ck_assert_int_eq(tst_sim_stat(one, "logins"), 1);
    ck_assert_int_eq(tst_sim_stat(two, "logins"), 1);
}
END_TEST

/* ---- answers that are none ---- */

START_TEST(test_where_the_websocket_is_refused_rest_is_used_and_remembered)
{
    struct tns_error err = TNS_ERROR_INIT;

    tst_sim_fault(
        one, "{\"match\":\"http:handshake\",\"do\":\"status\",\"status\":403,\"count\":0}");
    for (int i = 0; i < 2; i++) {
        _tns_session_ struct tns_session *s = open_pair(NULL);

        tst_ok(ses_call(s, &err), &err);
        ck_assert_str_eq(at_host(s), one->host);
        ck_assert_int_eq(s->caps.dialect, TNS_DIALECT_REST);
    }
    ck_assert_int_eq(tst_sim_stat(one, "logins"), 0);
}
END_TEST

START_TEST(test_a_redirect_is_not_followed)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    tst_sim_fault(one, "{\"match\":\"http:*\",\"do\":\"status\",\"status\":307,\"count\":0,"
                       "\"headers\":{\"Location\":\"https://192.0.2.1/\"}}");
    pair_opts(&opts);
    opts.hosts = one->host;
    opts.timeout_ms = tst_ms(3000);
    s = ses_open(&opts);
    ck_assert_int_eq(ses_call(s, &err), -TNS_E_TRANSPORT);
    tst_says(&err, "redirect");
    ck_assert_int_eq(tst_sim_stat(one, "logins"), 0);
}
END_TEST

START_TEST(test_a_nas_that_is_starting_up_is_waited_for)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    tst_sim_fault(one,
                  "{\"match\":\"http:*\",\"do\":\"status\",\"status\":502,\"count\":2}");
    pair_opts(&opts);
    opts.hosts = one->host;
    s = ses_open(&opts);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c26_garbage_is_a_protocol_error_and_not_an_empty_answer)
{
    _tns_session_ struct tns_session *s = open_pair(NULL);
    struct tns_error err = TNS_ERROR_INIT;
    json_t *result = NULL;

    tst_ok(ses_call(s, &err), &err);
    tst_sim_fault(one, "{\"match\":\"pool.dataset.query\",\"do\":\"garbage\"}");
    ck_assert_int_eq(tns__session_call(s, "pool.dataset.query", NULL, TNS_CALL_READ,
                                       &result, &err),
                     -TNS_E_PROTOCOL);
    ck_assert_ptr_null(result);
    tns__error_clear(&err);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c28_a_list_that_fails_is_an_error_and_never_empty)
{
    _tns_session_ struct tns_session *s = open_pair(NULL);
    struct tns_error err = TNS_ERROR_INIT;
    json_t *result = NULL;

    tst_sim_fault(one,
                  "{\"match\":\"pool.dataset.query\",\"do\":\"fail\",\"errno\":\"EFAULT\","
                  "\"reason\":\"no\"}");
    ck_assert_int_lt(tns__session_call(s, "pool.dataset.query", NULL, TNS_CALL_READ,
                                       &result, &err),
                     0);
    ck_assert_ptr_null(result);
}
END_TEST

START_TEST(test_c28_a_list_that_is_cut_off_is_asked_for_again)
{
    _tns_session_ struct tns_session *s = open_pair(NULL);
    _tns_json_ json_t *result = NULL;
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(ses_call(s, &err), &err);
    tst_sim_fault(one, "{\"match\":\"pool.dataset.query\",\"do\":\"half\",\"close\":true}");
    tns__ctx_begin(tns__session_ctx(s), 4000);
    if (tns__session_call(s, "pool.dataset.query", NULL, TNS_CALL_READ, &result, &err) == 0)
        ck_assert_uint_eq(json_array_size(result), 2); /* tank and flash */
    else
        ck_assert_int_eq(err.code, TNS_E_TIMEOUT);
}
END_TEST

START_TEST(test_c29_another_system_behind_the_address_is_refused_by_its_certificate)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    pair_opts(&opts);
    opts.hosts = one->host;
    opts.fingerprints = two->fingerprint;
    s = ses_open(&opts);
    ck_assert_int_eq(ses_call(s, &err), -TNS_E_TLS);
    ck_assert_int_eq(tst_sim_stat(one, "calls"), 0);
    ck_assert_int_eq(tst_sim_stat(one, "http"), 0);
}
END_TEST

/* ---- SCRAM ---- */

static unsigned keys_in_log(const struct tst_sim *sim)
{
    _tns_free_ char *body = NULL;
    unsigned n = 0;

    ck_assert_int_eq(tst_http(sim->control_port, "GET", "/log", NULL, &body, 5000), 200);
    for (const char *p = body; (p = strstr(p, "API_KEY_PLAIN")); p++)
        n++;
    return n;
}

START_TEST(test_a_nas_that_spoke_scram_is_not_sent_the_key_in_plain_unverified)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_endpoint ep;
    _tns_session_ struct tns_session *s = NULL;
    _tns_session_ struct tns_session *verified = NULL;

    /* 25.10 answers where the node remembers a 26 */
    pair_opts(&opts);
    opts.hosts = one->host;
    opts.user = "root";
    opts.fingerprints = NULL;
    opts.insecure = true;
    s = ses_open(&opts);
    tst_ok(tns__session_dirfd(s, &err), &err);
    tns__conf_endpoint(&s->conf, 0, &ep);
    tns__memo_write(s->dirfd, &ep, &(struct tns_memo){ TNS_DIALECT_JSONRPC, 2600 });
    tst_fails(ses_call(s, &err), TNS_E_TLS, &err);
    ck_assert_uint_eq(keys_in_log(one), 0);

    opts.fingerprints = prints;
    verified = ses_open(&opts);
    tst_ok(ses_call(verified, &err), &err);
}
END_TEST

START_TEST(test_an_upgrade_to_26_is_noticed_before_the_key_is_sent_in_plain)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_endpoint ep;
    _tns_session_ struct tns_session *s = NULL;

    pair_opts(&opts);
    opts.hosts = one->host;
    opts.user = "root";
    s = ses_open(&opts);
    tst_ok(tns__session_dirfd(s, &err), &err);
    tns__conf_endpoint(&s->conf, 0, &ep);
    tns__memo_write(s->dirfd, &ep, &(struct tns_memo){ TNS_DIALECT_JSONRPC, 2510 });
    tst_ok(ses_call(s, &err), &err);
    ck_assert_int_eq(tst_sim_calls(one, "auth.login_ex"), 2); /* first and final message */
    ck_assert_uint_ge(s->caps.release, 2600);
}
END_TEST

START_TEST(test_a_server_that_cannot_prove_the_key_is_not_the_nas)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    tst_sim_fault(
        one, "{\"match\":\"auth.login_ex\",\"nth\":2,\"do\":\"answer\",\"execute\":true,"
             "\"result\":{\"response_type\":\"SCRAM_RESPONSE\",\"scram_type\":"
             "\"SERVER_FINAL_RESPONSE\",\"rfc_str\":\"v=AAAA\",\"user_info\":null}}");
    pair_opts(&opts);
    opts.hosts = one->host;
    opts.user = "root";
    s = ses_open(&opts);
    ck_assert_int_eq(ses_call(s, &err), -TNS_E_AUTH);
    tst_says(&err, "not the NAS");
    ck_assert_int_eq(tst_sim_calls(one, "system.version"), 0);
}
END_TEST

START_TEST(test_scram_with_broken_first_answers_is_a_protocol_error)
{
    static const char *const bad[] = {
        "",
        "r=AAAA,s=AAAA,i=4096",
        "s=AAAA,r=AAAA,i=4096",
        "r=AAAA,s=AAAA,i=-1",
        "r=AAAA,s=AAAA,i=99999999999",
        "r=AAAA,s=,i=4096",
        "e=other-error",
    };

    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++) {
        struct tns_session_opts opts;
        struct tns_error err = TNS_ERROR_INIT;
        _tns_session_ struct tns_session *s = NULL;
        char fault[512];

        snprintf(
            fault, sizeof fault,
            "{\"match\":\"auth.login_ex\",\"do\":\"answer\",\"result\":{\"response_type\":"
            "\"SCRAM_RESPONSE\",\"scram_type\":\"SERVER_FIRST_RESPONSE\",\"rfc_str\":\"%"
            "s\","
            "\"user_info\":null}}",
            bad[i]);
        tst_sim_fault(one, fault);
        pair_opts(&opts);
        opts.hosts = one->host;
        opts.user = "root";
        s = ses_open(&opts);
        tst_fails(ses_call(s, &err), TNS_E_PROTOCOL, &err);
    }
}
END_TEST

static TCase *new_case(Suite *s, const char *name, void (*start)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_unchecked_fixture(tc, start, stop_pair);
    tcase_add_checked_fixture(tc, fresh, NULL);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return tc;
}

static void add_pair_tests(TCase *tc)
{
    tcase_add_test(tc, test_the_first_host_is_used_while_it_is_fine);
    tcase_add_test(tc, test_c38_a_standby_that_says_false_is_skipped);
    tcase_add_test(tc, test_c38_a_failover_is_followed_within_the_deadline);
    tcase_add_test(tc, test_a_host_that_is_down_is_skipped);
    tcase_add_test(tc,
                   test_a_host_that_swallows_everything_gets_its_share_of_the_time_only);
    tcase_add_test(tc, test_c25_a_key_is_refused_only_when_every_host_refuses_it);
    tcase_add_test(tc, test_a_redirect_is_not_followed);
    tcase_add_test(tc, test_a_nas_that_is_starting_up_is_waited_for);
    tcase_add_test(tc, test_c26_garbage_is_a_protocol_error_and_not_an_empty_answer);
    tcase_add_test(tc, test_c28_a_list_that_fails_is_an_error_and_never_empty);
    tcase_add_test(tc, test_c28_a_list_that_is_cut_off_is_asked_for_again);
    tcase_add_test(
        tc, test_c29_another_system_behind_the_address_is_refused_by_its_certificate);
}

int main(void)
{
    Suite *s = suite_create("session failover");
    TCase *tc = new_case(s, "24.10", start_24);

    add_pair_tests(tc);
    tc = new_case(s, "25.10", start_25);
    add_pair_tests(tc);
    tcase_add_test(tc, test_c38_a_standby_that_redirects_is_skipped);
    tcase_add_test(tc, test_a_lone_standby_says_what_to_configure_and_is_no_refused_key);
    tcase_add_test(tc, test_where_the_websocket_is_refused_rest_is_used_and_remembered);
    tcase_add_test(tc, test_a_nas_that_spoke_scram_is_not_sent_the_key_in_plain_unverified);
    tc = new_case(s, "26", start_26);
    tcase_add_test(tc, test_c38_a_standby_that_redirects_is_skipped);
    tcase_add_test(tc, test_an_upgrade_to_26_is_noticed_before_the_key_is_sent_in_plain);
    tcase_add_test(tc, test_a_server_that_cannot_prove_the_key_is_not_the_nas);
    tcase_add_test(tc, test_scram_with_broken_first_answers_is_a_protocol_error);
    return tst_run(s);
}
