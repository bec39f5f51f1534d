/* SPDX-License-Identifier: Apache-2.0 */
/* Names, addresses and TCP: what is not there, does not answer, or is there twice. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
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

static atomic_int asked;

static int resolve_never(const char *host, const char *service,
                         const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)host, (void)service, (void)hints, (void)ret;
    atomic_fetch_add(&asked, 1);
    do
        pause();
    while (atomic_load(&asked) > 0);
    return EAI_AGAIN;
}

START_TEST(test_trap_9_a_resolver_that_never_answers_ends_at_the_deadline)
{
    struct fix f;
    struct tst_watch start;
    int rc;

    tns__resolve_getaddrinfo = resolve_never;
    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    f.ep.host = "nas.example";
    for (int i = 0; i < 3; i++) {
        fix_deadline(&f, 100);
        start = tst_watch();
        rc = try_open(&f);
        tst_says(&f.err, "nas.example");
        tst_fails(rc, TNS_E_TIMEOUT, &f.err);
        ck_assert_uint_le(tst_own_ms(start), 100 + tst_ms(100));
    }
    ck_assert_int_eq(atomic_load(&asked), 3);
    fix_stop(&f);
}
END_TEST

static int cancel_now(void *user)
{
    (void)user;
    return 1;
}

START_TEST(test_a_slow_resolver_can_be_cancelled)
{
    struct fix f;
    struct tst_watch start = tst_watch();

    tns__resolve_getaddrinfo = resolve_never;
    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    f.ep.host = "nas.example";
    f.ctx.cancel_fn = cancel_now;
    tst_fails(try_open(&f), TNS_E_CANCELLED, &f.err);
    ck_assert_uint_le(tst_own_ms(start), 250 + tst_ms(150));
    fix_stop(&f);
}
END_TEST

static int resolve_answer;

static int resolve_fails(const char *host, const char *service,
                         const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)host, (void)service, (void)hints, (void)ret;
    atomic_fetch_add(&asked, 1);
    return resolve_answer;
}

START_TEST(test_trap_9_an_unknown_host_is_named_and_asked_for_again_next_time)
{
    struct fix f;
    int rc;

    tns__resolve_getaddrinfo = resolve_fails;
    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    f.ep.host = "nas.example";
    resolve_answer = EAI_NONAME;
    rc = try_open(&f);
    tst_says(&f.err, "nas.example is not known");
    ck_assert_uint_eq(f.err.flags, 0);
    tst_fails(rc, TNS_E_TRANSPORT, &f.err);

    resolve_answer = EAI_AGAIN;
    rc = try_open(&f);
    tst_says(&f.err, "nas.example");
    ck_assert_uint_eq(f.err.flags, TNS_F_RETRYABLE);
    tst_fails(rc, TNS_E_TRANSPORT, &f.err);
    ck_assert_int_eq(atomic_load(&asked), 2);
    fix_stop(&f);
}
END_TEST

/* ---- several addresses ---- */

static const char *list_of[4];

/* The addresses of list_of, in that order. */
static int resolve_list(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret)
{
    struct addrinfo **tail = ret;

    (void)host;
    atomic_fetch_add(&asked, 1);
    *ret = NULL;
    for (size_t i = 0; i < 4 && list_of[i]; i++) {
        int rc = getaddrinfo(list_of[i], service, hints, tail);

        if (rc)
            return rc;
        while (*tail)
            tail = &(*tail)->ai_next;
    }
    return 0;
}

START_TEST(test_the_next_address_is_tried_when_one_refuses)
{
    struct fix f;

    tns__resolve_getaddrinfo = resolve_list;
    list_of[0] = "::1";
    list_of[1] = "127.0.0.9";
    list_of[2] = "127.0.0.1";
    fix_start(&f, SRV_OTHER_HOST, serve_echo, NULL);
    f.ep.host = "nas.example";
    tst_ok(try_open(&f), &f.err);
    fix_stop(&f);
}
END_TEST

START_TEST(test_the_address_family_that_is_preferred_comes_first)
{
    struct tns_addrs addrs;
    struct fix f;

    tns__resolve_getaddrinfo = resolve_list;
    list_of[0] = "::1";
    list_of[1] = "127.0.0.9";
    fix_start(&f, SRV_PLAIN, serve_echo, NULL);
    tst_ok(tns__resolve_all(&f.ctx, "nas.example", 443, true, &addrs, &f.err), &f.err);
    ck_assert_uint_eq(addrs.n, 2);
    ck_assert_str_eq(addrs.addr[0], "127.0.0.9");
    tst_ok(tns__resolve_all(&f.ctx, "nas.example", 443, false, &addrs, &f.err), &f.err);
    ck_assert_str_eq(addrs.addr[0], "::1");
    fix_stop(&f);
}
END_TEST

START_TEST(test_an_address_is_asked_for_once_until_it_proves_wrong)
{
    char addr[64];
    struct fix f;

    tns__resolve_getaddrinfo = resolve_list;
    list_of[0] = "127.0.0.1";
    fix_start(&f, SRV_OTHER_HOST, serve_echo, NULL);
    f.ep.host = "nas.example";
    for (int i = 0; i < 3; i++)
        tst_ok(try_open(&f), &f.err);
    tst_ok(tns__resolve(&f.ctx, "NAS.example", 443, false, addr, &f.err), &f.err);
    ck_assert_str_eq(addr, "127.0.0.1");
    ck_assert_int_eq(atomic_load(&asked), 1);

    f.ep.port = 1;
    tst_fails(try_open(&f), TNS_E_TRANSPORT, &f.err);
    ck_assert_int_eq(atomic_load(&asked), 1);
    tst_fails(try_open(&f), TNS_E_TRANSPORT, &f.err);
    ck_assert_int_eq(atomic_load(&asked), 2);
    fix_stop(&f);
}
END_TEST

START_TEST(test_addresses_and_localhost_are_asked_of_nobody)
{
    char addr[64];
    struct fix f;

    tns__resolve_getaddrinfo = resolve_never;
    fix_start(&f, SRV_PLAIN, serve_echo, NULL);
    tst_ok(tns__resolve(&f.ctx, "192.0.2.1", 443, false, addr, &f.err), &f.err);
    ck_assert_str_eq(addr, "192.0.2.1");
    tst_ok(tns__resolve(&f.ctx, "2001:db8::1", 443, false, addr, &f.err), &f.err);
    ck_assert_str_eq(addr, "2001:db8::1");
    tst_ok(tns__resolve(&f.ctx, "LocalHost", 443, false, addr, &f.err), &f.err);
    ck_assert_str_eq(addr, "127.0.0.1");
    ck_assert_int_eq(atomic_load(&asked), 0);
    fix_stop(&f);
}
END_TEST

/* ---- TCP ---- */

START_TEST(test_a_refused_connection_says_so)
{
    struct fix f;
    int rc;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    srv_stop(f.srv);
    f.ep.ca_file = NULL;
    f.ep.host = "127.0.0.1";
    rc = try_open(&f);
    tst_says(&f.err, "Connection refused");
    ck_assert_uint_eq(f.err.flags, TNS_F_RETRYABLE);
    tst_fails(rc, TNS_E_TRANSPORT, &f.err);
}
END_TEST

/* A listener whose queue is full drops what comes: connect() hangs, as to a host that is off. */
static int deaf_port(uint16_t *ret_port, int fill[4])
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&sin, &len);
    *ret_port = ntohs(sin.sin_port);
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
    }
    return fd;
}

START_TEST(test_trap_1_a_connect_that_hangs_ends_at_the_deadline)
{
    struct fix f;
    int fill[4], fd;
    struct tst_watch start;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    fd = deaf_port(&f.ep.port, fill);
    f.ep.host = "127.0.0.1";
    for (int i = 0; i < 3; i++) {
        fix_deadline(&f, 200);
        start = tst_watch();
        tst_fails(try_open(&f), TNS_E_TIMEOUT, &f.err);
        ck_assert_uint_ge(tst_clock_ms(start) + 1, 200);
        ck_assert_uint_le(tst_own_ms(start), 200 + tst_ms(100));
    }
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    close(fd);
    fix_stop(&f);
}
END_TEST

START_TEST(test_no_proxy_of_the_environment_is_used)
{
    struct fix f;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("HTTP_PROXY", "http://127.0.0.1:1", 1);
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("socks_proxy", "127.0.0.1:1", 1);
    fix_start(&f, _i ? SRV_GOOD : SRV_PLAIN, serve_echo, NULL);
    tst_ok(try_open(&f), &f.err);
    fix_stop(&f);
}
END_TEST

START_TEST(test_what_is_loopback_and_what_only_looks_like_it)
{
    static const char *const yes[] = { "127.0.0.1", "127.255.0.3", "::1", "localhost" };
    static const char *const no[] = { "10.0.0.1", "128.0.0.1",         "127.0.0.1.example",
                                      "::2",      "localhost.example", "::ffff:10.0.0.1",
                                      "" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        ck_assert_msg(tns__endpoint_is_loopback(&(struct tns_endpoint){ .host = yes[i] }),
                      "%s", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        ck_assert_msg(!tns__endpoint_is_loopback(&(struct tns_endpoint){ .host = no[i] }),
                      "%s", no[i]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("connect");
    TCase *tc = tcase_create("connect");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_trap_9_a_resolver_that_never_answers_ends_at_the_deadline);
    tcase_add_test(tc, test_a_slow_resolver_can_be_cancelled);
    tcase_add_test(tc, test_trap_9_an_unknown_host_is_named_and_asked_for_again_next_time);
    tcase_add_test(tc, test_the_next_address_is_tried_when_one_refuses);
    tcase_add_test(tc, test_the_address_family_that_is_preferred_comes_first);
    tcase_add_test(tc, test_an_address_is_asked_for_once_until_it_proves_wrong);
    tcase_add_test(tc, test_addresses_and_localhost_are_asked_of_nobody);
    tcase_add_test(tc, test_a_refused_connection_says_so);
    tcase_add_test(tc, test_trap_1_a_connect_that_hangs_ends_at_the_deadline);
    tcase_add_loop_test(tc, test_no_proxy_of_the_environment_is_used, 0, 2);
    tcase_add_test(tc, test_what_is_loopback_and_what_only_looks_like_it);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
