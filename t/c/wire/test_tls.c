/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: which are accepted, which are refused and in which words, and what had left by then. */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/fixture.h"

static int try_open(struct fix *f)
{
    struct tns_ws *ws = NULL;
    int rc = tns__ws_open(&f->ctx, &f->ep, "/api/current", &ws, &f->err);

    tns__ws_close(ws);
    return rc;
}

/* Refused, told so, and not one byte of ours beyond the handshake was sent. */
static void expect_refused(struct fix *f, const char *words)
{
    int rc = try_open(f);

    tst_says(&f->err, words);
    tst_fails(rc, TNS_E_TLS, &f->err);
    ck_assert_uint_eq(srv_received(f->srv), 0);
}

struct bad {
    enum srv_cert cert;
    const char *words;
};

static const struct bad bads[] = {
    { SRV_EXPIRED, "expired on" },
    { SRV_NOT_YET, "check the clock" },
    { SRV_OTHER_HOST, "not for host localhost" },
    { SRV_SELF_SIGNED, "self-signed" },
    { SRV_OLD_TLS, "localhost" },
};

START_TEST(test_W06_a_bad_certificate_is_refused_before_anything_is_sent)
{
    struct fix f;

    fix_start(&f, bads[_i].cert, serve_echo, NULL);
    expect_refused(&f, bads[_i].words);
    fix_stop(&f);
}
END_TEST

/* libwebsockets itself passes a certificate from the future and one that is cut off by it. */
START_TEST(test_trap_5_the_cause_names_the_fingerprint_to_set)
{
    struct fix f;
    char want[96];

    fix_start(&f, SRV_SELF_SIGNED, serve_echo, NULL);
    snprintf(want, sizeof(want), "%s", srv_fingerprint(f.srv));
    expect_refused(&f, want);
    fix_stop(&f);
}
END_TEST

START_TEST(test_trap_5_a_server_without_TLS_is_named_so)
{
    struct fix f;

    fix_start(&f, SRV_PLAIN, serve_echo, NULL);
    f.ep.tls = true;
    f.ep.insecure = true;
    fix_deadline(&f, 1000);
    /* It reads a ClientHello as a request that never ends: only the deadline helps. */
    tst_fails(try_open(&f), TNS_E_TIMEOUT, &f.err);
    fix_stop(&f);
}
END_TEST

static void serve_http_error(struct srv_conn *c, void *arg)
{
    char buf[4096];

    (void)arg;
    srv_read(c, buf, sizeof(buf));
    srv_answer(c, 400, "Connection: close\r\n", "The plain HTTP request was sent");
}

START_TEST(test_W01_a_plain_answer_on_a_TLS_port_is_named_so)
{
    struct fix f;
    int rc;

    fix_start(&f, SRV_PLAIN, serve_http_error, NULL);
    f.ep.tls = true;
    rc = try_open(&f);
    tst_says(&f.err, "does not speak TLS");
    tst_fails(rc, TNS_E_TLS, &f.err);
    fix_stop(&f);
}
END_TEST

START_TEST(test_a_right_fingerprint_needs_no_chain_no_host_and_no_date)
{
    static const enum srv_cert certs[] = { SRV_GOOD, SRV_SELF_SIGNED, SRV_OTHER_HOST,
                                           SRV_EXPIRED };
    struct fix f;

    fix_start(&f, certs[_i], serve_echo, NULL);
    fix_trust_print(&f, srv_fingerprint(f.srv));
    tst_ok(try_open(&f), &f.err);
    fix_stop(&f);
}
END_TEST

START_TEST(test_one_of_several_fingerprints_is_enough_in_either_case)
{
    static const char other[] = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                                "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    char lower[96];
    struct fix f;

    fix_start(&f, SRV_SELF_SIGNED, serve_echo, NULL);
    snprintf(lower, sizeof(lower), "%s", srv_fingerprint(f.srv));
    for (char *p = lower; *p; p++)
        *p = *p >= 'A' && *p <= 'F' ? (char)(*p + 32) : *p;
    fix_trust_print(&f, other);
    f.prints[1] = lower;
    tst_ok(try_open(&f), &f.err);
    fix_stop(&f);
}
END_TEST

START_TEST(test_W06_a_wrong_fingerprint_is_refused_even_with_a_good_chain)
{
    static const char other[] = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                                "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    char want[96];
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    fix_trust_print(&f, other);
    f.ep.ca_file = srv_ca_file(f.srv);
    f.ep.insecure = true; /* required means required */
    snprintf(want, sizeof(want), "%s", srv_fingerprint(f.srv));
    expect_refused(&f, want);
    fix_stop(&f);
}
END_TEST

START_TEST(test_a_fingerprint_that_is_none_is_a_mistake_in_the_configuration)
{
    static const char *const wrong[] = {
        "", "AB", "AB:CD",
        "zz:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00"
    };
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fix_trust_print(&f, wrong[i]);
        tst_fails(try_open(&f), TNS_E_CONFIG, &f.err);
    }
    ck_assert_uint_eq(srv_connections(f.srv), 0);
    fix_stop(&f);
}
END_TEST

START_TEST(test_insecure_takes_any_certificate_and_warns_each_time)
{
    static const enum srv_cert certs[] = { SRV_SELF_SIGNED, SRV_EXPIRED, SRV_NOT_YET,
                                           SRV_OTHER_HOST };
    struct fix f;
    const char *first;

    fix_start(&f, certs[_i], serve_echo, NULL);
    f.ep.ca_file = NULL;
    f.ep.insecure = true;
    tst_ok(try_open(&f), &f.err);
    first = strstr(tst_log_text(), "NOT verified");
    ck_assert_ptr_nonnull(first);
    tst_ok(try_open(&f), &f.err);
    ck_assert_ptr_nonnull(strstr(first + 1, "NOT verified"));
    fix_stop(&f);
}
END_TEST

START_TEST(test_trap_3_a_CA_file_replaces_the_system_s_authorities)
{
    struct fix f, other;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    fix_start(&other, SRV_GOOD, serve_echo, NULL);

    /* The issuer is in the system's store ... */
    setenv("SSL_CERT_FILE", srv_ca_file(f.srv), 1);
    f.ep.ca_file = NULL;
    tst_ok(try_open(&f), &f.err);
    /* ... which does not help when another CA file is set. */
    f.ep.ca_file = srv_ca_file(other.srv);
    tst_fails(try_open(&f), TNS_E_TLS, &f.err);
    fix_stop(&other);
    fix_stop(&f);
}
END_TEST

START_TEST(test_trap_4_a_CA_file_that_cannot_be_used_is_named)
{
    struct fix f;
    char empty[] = "/tmp/tns-empty-XXXXXX";
    int rc;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    f.ep.ca_file = "/nonexistent/ca.pem";
    rc = try_open(&f);
    tst_says(&f.err, "/nonexistent/ca.pem");
    tst_fails(rc, TNS_E_CONFIG, &f.err);

    close(mkstemp(empty));
    f.ep.ca_file = empty;
    rc = try_open(&f);
    tst_says(&f.err, empty);
    tst_fails(rc, TNS_E_CONFIG, &f.err);
    unlink(empty);
    ck_assert_uint_eq(srv_connections(f.srv), 0);
    fix_stop(&f);
}
END_TEST

START_TEST(test_trap_6_the_configured_name_is_verified_and_not_the_address)
{
    struct fix f;

    /* 127.0.0.1 is in the certificate, 127.0.0.2 is not, and both lead to no other host. */
    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    f.ep.host = "127.0.0.1";
    tst_ok(try_open(&f), &f.err);
    fix_stop(&f);

    fix_start(&f, SRV_OTHER_HOST, serve_echo, NULL);
    f.ep.host = "127.0.0.1";
    expect_refused(&f, "not for host 127.0.0.1");
    fix_stop(&f);
}
END_TEST

static int resolve_to_loopback(const char *host, const char *service,
                               const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)host;
    return getaddrinfo("127.0.0.1", service, hints, ret);
}

START_TEST(test_trap_6_a_name_that_resolves_elsewhere_is_still_the_name_that_counts)
{
    struct fix f;

    tns__resolve_getaddrinfo = resolve_to_loopback;
    fix_start(&f, SRV_OTHER_HOST, serve_echo, NULL);
    f.ep.host = "nas.example";
    tst_ok(try_open(&f), &f.err);
    f.ep.host = "nas2.example";
    tst_fails(try_open(&f), TNS_E_TLS, &f.err);
    fix_stop(&f);
}
END_TEST

START_TEST(test_a_star_stands_for_a_whole_label_only)
{
    struct fix f;

    tns__resolve_getaddrinfo = resolve_to_loopback;
    fix_start(&f, SRV_PARTIAL, serve_echo, NULL);
    f.ep.host = "nas.tns.example";
    expect_refused(&f, "not for host nas.tns.example");
    fix_stop(&f);
}
END_TEST

/* OpenSSL and Debian refuse old versions by themselves today, in a configuration that is not ours. */
START_TEST(test_W06_nothing_older_than_TLS_1_2_is_offered_whatever_the_defaults_are)
{
    struct tns_peer peer = { .insecure = true };
    struct tns_trust trust = { .peer = &peer };
    SSL_CTX *ssl_ctx = NULL;
    struct tns_error err = TNS_ERROR_INIT;

    setenv("OPENSSL_CONF", "/dev/null", 1);
    tst_ok(tns__trust_new(&trust, &ssl_ctx, &err), &err);
    ck_assert_int_eq((int)SSL_CTX_get_min_proto_version(ssl_ctx), TLS1_2_VERSION);
    ck_assert_uint_ne(SSL_CTX_get_options(ssl_ctx) & SSL_OP_NO_RENEGOTIATION, 0);
    SSL_CTX_free(ssl_ctx);
}
END_TEST

static int always_yes(int ok, X509_STORE_CTX *store)
{
    (void)ok, (void)store;
    return 1;
}

START_TEST(test_W06_no_other_callback_overrules_the_verdict)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct tns_trust trust = { .error = TNS_ERROR_INIT };
    struct tns_peer peer;
    struct fix f;
    SSL_CTX *ssl_ctx = NULL;
    SSL *ssl;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    fix_start(&f, SRV_EXPIRED, serve_echo, NULL);
    tst_ok(tns__peer_init(&peer, &f.ep, &f.err), &f.err);
    trust.peer = &peer;
    tst_ok(tns__trust_new(&trust, &ssl_ctx, &f.err), &f.err);
    sin.sin_port = htons(f.ep.port);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    ssl = SSL_new(ssl_ctx);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, always_yes);
    SSL_set_fd(ssl, fd);
    ck_assert_int_le(SSL_connect(ssl), 0);
    ck_assert(!trust.accepted);
    SSL_free(ssl);
    SSL_CTX_free(ssl_ctx);
    close(fd);
    tns__peer_clear(&peer);
    fix_stop(&f);
}
END_TEST

START_TEST(test_two_connections_at_once_are_judged_each_by_its_own)
{
    struct tns_ws *a, *b, *c = NULL;
    struct fix f, g;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    fix_start(&g, SRV_SELF_SIGNED, serve_echo, NULL);
    a = fix_open(&f);
    fix_trust_print(&g, srv_fingerprint(g.srv));
    b = fix_open(&g);
    ck_assert_str_eq(tns__ws_fingerprint(a), srv_fingerprint(f.srv));
    ck_assert_str_eq(tns__ws_fingerprint(b), srv_fingerprint(g.srv));
    fix_trust_print(&g, srv_fingerprint(f.srv));
    tst_fails(tns__ws_open(&g.ctx, &g.ep, "/", &c, &g.err), TNS_E_TLS, &g.err);
    /* The older goes first: what it holds is freed (ASan tells). */
    tns__ws_close(a);
    tns__ws_close(b);
    fix_stop(&g);
    fix_stop(&f);
}
END_TEST

START_TEST(test_connections_leave_nothing_behind_in_OpenSSL)
{
    struct fix f;
    int first;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    tst_ok(try_open(&f), &f.err);
    first = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, NULL, NULL);
    for (int i = 0; i < 5; i++)
        tst_ok(try_open(&f), &f.err);
    ck_assert_int_eq(CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, NULL,
                                             NULL),
                     first + 1);
    fix_stop(&f);
}
END_TEST

START_TEST(test_a_mistyped_host_is_refused_before_a_connection)
{
    static const char *const wrong[] = { "",           "na s", "nas\n",     "nas/",
                                         "http://nas", "-nas", "n\xc3\xa4s" };
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        f.ep.host = wrong[i];
        tst_fails(try_open(&f), TNS_E_CONFIG, &f.err);
    }
    fix_stop(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tls");
    TCase *tc = tcase_create("tls");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, test_W06_a_bad_certificate_is_refused_before_anything_is_sent,
                        0, 5);
    tcase_add_test(tc, test_trap_5_the_cause_names_the_fingerprint_to_set);
    tcase_add_test(tc, test_trap_5_a_server_without_TLS_is_named_so);
    tcase_add_test(tc, test_W01_a_plain_answer_on_a_TLS_port_is_named_so);
    tcase_add_loop_test(tc, test_a_right_fingerprint_needs_no_chain_no_host_and_no_date, 0,
                        4);
    tcase_add_test(tc, test_one_of_several_fingerprints_is_enough_in_either_case);
    tcase_add_test(tc, test_W06_a_wrong_fingerprint_is_refused_even_with_a_good_chain);
    tcase_add_test(tc, test_a_fingerprint_that_is_none_is_a_mistake_in_the_configuration);
    tcase_add_loop_test(tc, test_insecure_takes_any_certificate_and_warns_each_time, 0, 4);
    tcase_add_test(tc, test_trap_3_a_CA_file_replaces_the_system_s_authorities);
    tcase_add_test(tc, test_trap_4_a_CA_file_that_cannot_be_used_is_named);
    tcase_add_test(tc, test_trap_6_the_configured_name_is_verified_and_not_the_address);
    tcase_add_test(
        tc, test_trap_6_a_name_that_resolves_elsewhere_is_still_the_name_that_counts);
    tcase_add_test(tc, test_a_star_stands_for_a_whole_label_only);
    tcase_add_test(
        tc, test_W06_nothing_older_than_TLS_1_2_is_offered_whatever_the_defaults_are);
    tcase_add_test(tc, test_W06_no_other_callback_overrules_the_verdict);
    tcase_add_test(tc, test_two_connections_at_once_are_judged_each_by_its_own);
    tcase_add_test(tc, test_connections_leave_nothing_behind_in_OpenSSL);
    tcase_add_test(tc, test_a_mistyped_host_is_refused_before_a_connection);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
